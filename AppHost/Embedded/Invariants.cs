using System.Globalization;
using Npgsql;

namespace MicroPlatform.AppHost;

/// <summary>What must hold over the orders, the stock and the books once everything in flight has been settled, whatever crashed on the way.</summary>
public static class Invariants
{
    /// <summary>Looks through the three databases and says, one line each, what does not hold; an empty list is good.</summary>
    /// <param name="sales">Connection string of Sales' database.</param>
    /// <param name="warehouse">Connection string of Warehouse's database.</param>
    /// <param name="accounting">Connection string of Accounting's database.</param>
    /// <param name="ct">Stops the check.</param>
    /// <returns>The violations, each naming the order or the item.</returns>
    public static async Task<IReadOnlyList<string>> FindViolationsAsync(string sales, string warehouse, string accounting, CancellationToken ct = default)
    {
        var found = new List<string>();
        var stock = await ReadAsync(warehouse, """
            SELECT i.id, i.free, i.received - i.free - i.reserved - i.shipped, i.reserved - COALESCE(sum(l.quantity) FILTER (WHERE r.status = 'Reserved'), 0), i.shipped - COALESCE(sum(l.quantity) FILTER (WHERE r.status = 'Shipped'), 0)
            FROM items i LEFT JOIN reservation_lines l ON l.item_id = i.id LEFT JOIN reservations r ON r.order_id = l.order_id GROUP BY i.id ORDER BY i.id
            """, ct);
        foreach (var item in stock)
        {
            Require(Number(item[1]) >= 0, $"Item {item[0]}: the free stock is negative.");
            Require(Number(item[2]) == 0, $"Item {item[0]}: received is not free + reserved + shipped.");
            Require(Number(item[3]) == 0, $"Item {item[0]}: {item[3]} pieces are reserved for no order.");
            Require(Number(item[4]) == 0, $"Item {item[0]}: {item[4]} pieces were shipped with no order.");
        }

        var reservations = (await ReadAsync(warehouse, """
            SELECT r.order_id, r.status, COALESCE(string_agg(l.item_id || 'x' || l.quantity, ',' ORDER BY l.line), '') FROM reservations r LEFT JOIN reservation_lines l USING (order_id) GROUP BY r.order_id
            """, ct)).ToDictionary(row => (long)row[0], row => (Status: (string)row[1], Goods: (string)row[2]));
        var posted = (await ReadAsync(accounting, "SELECT source, sum, voided_at IS NULL FROM transactions WHERE source LIKE 'order:%'", ct))
            .ToDictionary(row => long.Parse(((string)row[0])[6..], CultureInfo.InvariantCulture), row => (Sum: (decimal)row[1], IsLive: (bool)row[2]));
        var orders = await ReadAsync(sales, """
            SELECT o.id, o.status, sum(l.quantity * l.unit_price), COALESCE(string_agg(l.item_id || 'x' || l.quantity, ',' ORDER BY l.line), '') FROM orders o JOIN order_lines l ON l.order_id = o.id GROUP BY o.id ORDER BY o.id
            """, ct);
        foreach (var order in orders)
        {
            var (id, status, total, goods) = ((long)order[0], (string)order[1], (decimal)order[2], (string)order[3]);
            var reservation = reservations.GetValueOrDefault(id, ("None", ""));
            var isPosted = posted.Remove(id, out var transaction);
            switch (status)
            {
                case "Pending":
                    found.Add($"Order {id} is not settled yet.");
                    break;
                case "Confirmed":
                    Require(reservation == ("Shipped", goods), $"Order {id} is confirmed for {goods}, but its goods are {reservation.Item1} {reservation.Item2}.");
                    Require(isPosted && transaction.IsLive, $"Order {id} is confirmed and has no live transaction.");
                    Require(!isPosted || transaction.Sum == total, $"Order {id} costs {total}, but {transaction.Sum} was posted.");
                    break;
                default:
                    Require(reservation.Item1 is not ("Reserved" or "Shipped"), $"Order {id} is {status}, but its goods are {reservation.Item1}.");
                    Require(!isPosted || !transaction.IsLive, $"Order {id} is {status} and has a live transaction.");
                    break;
            }
        }

        var known = orders.Select(order => (long)order[0]).ToHashSet();
        found.AddRange(posted.Keys.Select(id => $"A transaction was posted for order {id}, which does not exist."));
        found.AddRange(reservations.Keys.Where(id => !known.Contains(id)).Select(id => $"Goods were set aside for order {id}, which does not exist."));
        return found;

        void Require(bool holds, FormattableString otherwise)
        {
            if (!holds)
            {
                found.Add(FormattableString.Invariant(otherwise));
            }
        }
    }

    private static decimal Number(object value) => Convert.ToDecimal(value, CultureInfo.InvariantCulture);

    private static async Task<List<object[]>> ReadAsync(string connectionString, string sql, CancellationToken ct)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<object[]>();
        while (await reader.ReadAsync(ct))
        {
            var row = new object[reader.FieldCount];
            reader.GetValues(row);
            rows.Add(row);
        }

        return rows;
    }
}
