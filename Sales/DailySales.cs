namespace MicroPlatform.Sales;

/// <summary>
/// What a day (UTC) brought. The database keeps it (<see cref="MaintainSql"/>), in the transaction in which an order gets another status:
/// the board reads it every few seconds, and that costs the same after a thousand orders and after a billion.
/// </summary>
public sealed class DailySales
{
    // Each order counts in one of a day's 16 rows, so that orders that are confirmed at the same moment seldom wait for each other.
    // Deferred to the commit, when the row stays locked only for a moment; the earlier day first, so that no two wait for each other in a circle.
    internal const string MaintainSql = """
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
        """;

    internal const string StopMaintainingSql = "DROP TRIGGER count_daily_sales ON orders; DROP FUNCTION count_daily_sales();";

    /// <summary>The day (UTC) on which the orders got their status.</summary>
    public DateOnly Day { get; init; }

    /// <summary>Which of the day's rows, 0 to 15: what is left of an order's id when it is divided by 16.</summary>
    public short Slot { get; init; }

    /// <summary>Orders confirmed on that day, and not cancelled since.</summary>
    public long Confirmed { get; init; }

    /// <summary>Orders rejected on that day.</summary>
    public long Rejected { get; init; }

    /// <summary>Orders cancelled on that day.</summary>
    public long Cancelled { get; init; }

    /// <summary>The totals of the confirmed ones.</summary>
    public decimal Revenue { get; init; }
}
