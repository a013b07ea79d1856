-- No to-do is made for a deleted user, not even by a request that runs at the moment of the deletion:
-- the handler of the deletion takes the same lock exclusively, and an insert that waits for it then sees the row.
CREATE FUNCTION require_living_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.user_id::text, 0));
    IF EXISTS (SELECT FROM deleted_users WHERE user_id = NEW.user_id) THEN
        RAISE EXCEPTION 'The owner is deleted.' USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_todos_owner_lives';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER todos_owner_lives BEFORE INSERT ON todos FOR EACH ROW EXECUTE FUNCTION require_living_owner();
