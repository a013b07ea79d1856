using System.Globalization;
using Npgsql;

namespace MicroPlatform.AppHost.Operations;

/// <summary>A condition that must hold.</summary>
/// <param name="Name">The condition, as a sentence.</param>
/// <param name="Subject">The kind of things that were checked, in the plural.</param>
public sealed record Invariant(string Name, string Subject)
{
    private readonly List<string> _violations = [];

    /// <summary>How many checks were made.</summary>
    public int Checked { get; private set; }

    /// <summary>The violations, one line each, with the order or the item.</summary>
    public IReadOnlyList<string> Violations => _violations;

    internal Invariant KeepOnly(IReadOnlySet<string> violations)
    {
        _violations.RemoveAll(violation => !violations.Contains(violation));
        return this;
    }

    internal void Require(bool holds, FormattableString otherwise)
    {
        Checked++;
        if (!holds)
        {
            _violations.Add(FormattableString.Invariant(otherwise));
        }
    }
}

/// <summary>
/// The conditions that carts, orders, stock and books must meet once all events in flight are handled, even after crashes.
/// </summary>
public static class Invariants
{
    /// <summary>
    /// Reads the databases of Cart, Sales, Warehouse and Accounting.
    /// An event in flight may appear as a violation that is gone at the next check.
    /// </summary>
    /// <param name="connectionString">Gives the connection string of a database, such as <c>salesdb</c>.</param>
    /// <param name="ct">Stops the check.</param>
    /// <returns>What was checked, and what was found.</returns>
    public static async Task<IReadOnlyList<Invariant>> CheckAsync(Func<string, string> connectionString, CancellationToken ct = default)
    {
        var free = new Invariant("Free stock is never negative", "items");
        var received = new Invariant("What was received is free, reserved or shipped", "items");
        var accounted = new Invariant("What is reserved or shipped belongs to orders", "items");
        var settled = new Invariant("Every order is settled", "orders");
        var goods = new Invariant("The goods of confirmed orders are shipped, of others free", "orders");
        var books = new Invariant("Every confirmed order has one live transaction of its sum, others none", "orders");
        var checkouts = new Invariant("Every checkout has one order, and its cart is free once that is settled", "checkouts");
        var strays = new Invariant("Nothing was posted or set aside for orders that do not exist", "transactions and reservations");

        var carts = await ReadAsync(connectionString("cartdb"), """
            SELECT id, order_id, settled_at IS NOT NULL
            FROM checkouts
            WHERE order_id IS NOT NULL
            """, ct);
        foreach (var item in await ReadAsync(connectionString("warehousedb"), """
            SELECT i.id, i.free, i.received - i.free - i.reserved - i.shipped,
                i.reserved - COALESCE(sum(l.quantity) FILTER (WHERE r.status = 'Reserved'), 0),
                i.shipped - COALESCE(sum(l.quantity) FILTER (WHERE r.status = 'Shipped'), 0)
            FROM items i
            LEFT JOIN reservation_lines l ON l.item_id = i.id
            LEFT JOIN reservations r ON r.order_id = l.order_id
            GROUP BY i.id
            ORDER BY i.id
            """, ct))
        {
            free.Require(Number(item[1]) >= 0, $"Item {item[0]}: the free stock is negative.");
            received.Require(Number(item[2]) == 0, $"Item {item[0]}: received is not free + reserved + shipped.");
            accounted.Require(Number(item[3]) == 0, $"Item {item[0]}: {item[3]} pieces are reserved for no order.");
            accounted.Require(Number(item[4]) == 0, $"Item {item[0]}: {item[4]} pieces were shipped with no order.");
        }

        var reservations = (await ReadAsync(connectionString("warehousedb"), """
            SELECT r.order_id, r.status, COALESCE(string_agg(l.item_id || 'x' || l.quantity, ',' ORDER BY l.line), '')
            FROM reservations r
            LEFT JOIN reservation_lines l USING (order_id)
            GROUP BY r.order_id
            """, ct)).ToDictionary(row => (long)row[0], row => (Status: (string)row[1], Goods: (string)row[2]));
        var posted = (await ReadAsync(connectionString("accountingdb"), """
            SELECT substr(source, length('order:') + 1)::bigint, sum, voided_at IS NULL
            FROM transactions
            WHERE source LIKE 'order:%'
            ORDER BY id
            """, ct)).ToLookup(row => (long)row[0], row => (Sum: (decimal)row[1], IsLive: (bool)row[2]));
        var orders = await ReadAsync(connectionString("salesdb"), """
            SELECT o.id, o.status, sum(l.quantity * l.unit_price),
                COALESCE(string_agg(l.item_id || 'x' || l.quantity, ',' ORDER BY l.line), ''), o.checkout_id
            FROM orders o
            JOIN order_lines l ON l.order_id = o.id
            GROUP BY o.id
            ORDER BY o.id
            """, ct);
        foreach (var order in orders)
        {
            var (id, status, total, ordered) = ((long)order[0], (string)order[1], (decimal)order[2], (string)order[3]);
            (string Status, string Goods) reservation = reservations.GetValueOrDefault(id, ("None", ""));
            var live = posted[id].Where(transaction => transaction.IsLive).ToList();
            settled.Require(status is not "Pending", $"Order {id} is not settled yet.");
            if (status is "Confirmed")
            {
                var found = live.Count == 0 ? "no live transaction" : $"{live.Count} live transactions";
                var sum = live.Sum(transaction => transaction.Sum);
                goods.Require(
                    reservation == ("Shipped", ordered),
                    $"Order {id} is confirmed for {ordered}, but its goods are {reservation.Status} {reservation.Goods}.");
                books.Require(live.Count == 1, $"Order {id} is confirmed and has {found}.");
                books.Require(live.All(transaction => transaction.Sum == total), $"Order {id} costs {total}, but {sum} was posted.");
            }
            else if (status is not "Pending")
            {
                goods.Require(
                    reservation.Status is not ("Reserved" or "Shipped"),
                    $"Order {id} is {status}, but its goods are {reservation.Status}.");
                books.Require(live.Count == 0, $"Order {id} is {status} and has a live transaction.");
            }
        }

        var known = orders.ToDictionary(order => (long)order[0], order => (Status: (string)order[1], Checkout: order[4] as Guid?));
        foreach (var checkout in carts)
        {
            var (id, orderId, isSettled) = ((Guid)checkout[0], (long)checkout[1], (bool)checkout[2]);
            var order = known.GetValueOrDefault(orderId);
            var fault = order.Status is null ? "does not exist" : "is of another checkout";
            checkouts.Require(order.Checkout == id, $"Checkout {id} was given order {orderId}, which {fault}.");
            checkouts.Require(
                isSettled || order.Status is null or "Pending",
                $"Order {orderId} is {order.Status}, but its cart still waits for it.");
        }

        foreach (var twice in orders.Select(order => order[4] as Guid?).OfType<Guid>().CountBy(id => id).Where(count => count.Value > 1))
        {
            checkouts.Require(holds: false, $"Checkout {twice.Key} made {twice.Value} orders.");
        }

        foreach (var transaction in posted)
        {
            strays.Require(
                known.ContainsKey(transaction.Key),
                $"A transaction was posted for order {transaction.Key}, which does not exist.");
        }

        foreach (var id in reservations.Keys)
        {
            strays.Require(known.ContainsKey(id), $"Goods were set aside for order {id}, which does not exist.");
        }

        return [free, received, accounted, settled, goods, books, checkouts, strays];
    }

    /// <summary>All violations that <see cref="CheckAsync"/> finds, one line each; empty when all conditions hold.</summary>
    /// <param name="connectionString">Gives the connection string of a database.</param>
    /// <param name="ct">Stops the check.</param>
    /// <returns>The violations.</returns>
    public static async Task<IReadOnlyList<string>> FindViolationsAsync(
        Func<string, string> connectionString, CancellationToken ct = default) =>
        [.. (await CheckAsync(connectionString, ct)).SelectMany(invariant => invariant.Violations)];

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
