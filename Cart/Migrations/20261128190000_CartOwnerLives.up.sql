-- No cart is opened for a deleted customer, not even by a request that runs at the moment of the deletion:
-- the handler of the deletion takes the same lock exclusively, and an insert that waits for it then sees the row.
CREATE FUNCTION require_living_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('cart', NEW.customer_id));
    IF EXISTS (SELECT FROM deleted_customers WHERE customer_id = NEW.customer_id) THEN
        RAISE EXCEPTION 'The owner is deleted.' USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_carts_owner_lives';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER carts_owner_lives BEFORE INSERT ON carts FOR EACH ROW EXECUTE FUNCTION require_living_owner();
