DROP TRIGGER carts_owner_lives ON carts; DROP FUNCTION require_living_owner();
