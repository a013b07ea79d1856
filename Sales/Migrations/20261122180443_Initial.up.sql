-- Keeps sold_items in the transaction in which an order becomes confirmed or stops being so.
-- Deferred to the commit: by then the lines know their items, and the rows that every order touches are locked only for a moment,
-- always in the same sequence.
CREATE FUNCTION count_sold_items() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE line record;
BEGIN
    IF EXISTS (SELECT 1 FROM order_lines WHERE order_id = NEW.id AND item_id IS NULL) THEN
        RAISE EXCEPTION 'order % has a line without an item', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_orders_confirmed_items';
    END IF;
    FOR line IN SELECT item_id, sum(quantity) AS quantity, sum(quantity * unit_price) AS revenue
        FROM order_lines WHERE order_id = NEW.id GROUP BY item_id ORDER BY item_id LOOP
        IF NEW.status = 'Confirmed' THEN
            INSERT INTO sold_items AS sold (item_id, quantity, revenue) VALUES (line.item_id, line.quantity, line.revenue)
            ON CONFLICT (item_id) DO UPDATE SET quantity = sold.quantity + excluded.quantity, revenue = sold.revenue + excluded.revenue;
        ELSE
            UPDATE sold_items AS sold SET quantity = sold.quantity - line.quantity, revenue = sold.revenue - line.revenue
            WHERE item_id = line.item_id;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER count_sold_items AFTER UPDATE OF status ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.status = 'Confirmed') <> (NEW.status = 'Confirmed')) EXECUTE FUNCTION count_sold_items();

-- Keeps daily_sales in the transaction in which an order gets another status.
-- Each order counts in one of a day's 16 rows, so that orders confirmed at the same moment seldom wait for each other.
-- Deferred to the commit, when the row stays locked only for a moment; the earlier day first, so that no two transactions deadlock.
CREATE FUNCTION count_daily_sales() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE total numeric := 0;
BEGIN
    IF 'Confirmed' IN (OLD.status, NEW.status) THEN
        SELECT coalesce(sum(quantity * unit_price), 0) INTO total FROM order_lines WHERE order_id = NEW.id;
    END IF;
    IF OLD.status = 'Confirmed' THEN
        UPDATE daily_sales AS kept SET confirmed = kept.confirmed - 1, revenue = kept.revenue - total
        WHERE day = (OLD.confirmed_at AT TIME ZONE 'UTC')::date AND slot = NEW.id % 16;
        total := 0;
    END IF;
    INSERT INTO daily_sales AS kept (day, slot, confirmed, rejected, cancelled, revenue) VALUES (
        (coalesce(NEW.cancelled_at, NEW.rejected_at, NEW.confirmed_at) AT TIME ZONE 'UTC')::date, NEW.id % 16,
        (NEW.status = 'Confirmed')::int, (NEW.status = 'Rejected')::int, (NEW.status = 'Cancelled')::int, total)
    ON CONFLICT (day, slot) DO UPDATE SET confirmed = kept.confirmed + excluded.confirmed, rejected = kept.rejected + excluded.rejected,
        cancelled = kept.cancelled + excluded.cancelled, revenue = kept.revenue + excluded.revenue;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER count_daily_sales AFTER UPDATE OF status ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION count_daily_sales();
