using System.Collections;
using System.Reflection;
using System.Text.Json;
using MicroPlatform.Accounting;
using MicroPlatform.Cart;
using MicroPlatform.Customers;
using MicroPlatform.Sales;
using MicroPlatform.ServiceDefaults.Messaging;
using MicroPlatform.Todo;
using MicroPlatform.Users;
using MicroPlatform.Warehouse;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// The events in <c>openapi/events.txt</c>, a line for each subscriber and field. The next version must be able to read messages that
/// already wait in a queue.
/// </summary>
public sealed class EventTests
{
    private const string File = "events.txt";

    private static readonly Assembly[] Services =
    [
        typeof(CustomersDbContext).Assembly, typeof(CartDbContext).Assembly, typeof(UsersDbContext).Assembly,
        typeof(TodoDbContext).Assembly,
        typeof(WarehouseDbContext).Assembly, typeof(AccountingDbContext).Assembly, typeof(SalesDbContext).Assembly,
    ];

    [Fact]
    public void The_committed_lines_match_what_the_services_publish() => Repository.Hold(File, string.Join('\n', Offered()) + "\n");

    [Fact]
    public void Removed_or_changed_released_lines_are_declared() => Repository.HoldToRelease(File, Offered());

    [Theory]
    [InlineData("field sales.order-placed.v1 orderId: int64", "field sales.order-placed.v1 id: int64")]
    [InlineData("field sales.order-placed.v1 orderId: int64", "field sales.order-placed.v1 orderId: string")]
    [InlineData("field sales.order-placed.v1 items[].itemId: int64 or null", "field sales.order-placed.v1 items[].itemId: int64")]
    [InlineData("event users.user-deleted.v1 goes to todo", "event users.user-deleted.v2 goes to todo")]
    public void A_changed_or_removed_field_or_subscriber_is_reported(string line, string instead)
    {
        var offered = Offered();
        Assert.Contains(line, offered);
        Assert.Equal(
            [line],
            Repository.Lost(
                string.Join('\n', offered),
                offered.Select(other => string.Equals(other, line, StringComparison.Ordinal) ? instead : other)));
        Assert.Empty(Repository.Lost(string.Join('\n', offered), offered.Append("field sales.order-placed.v1 note: string or null")));
    }

    private static List<string> Offered() =>
    [
        .. (from service in Services
            from type in service.GetTypes()
            let contract = type.GetCustomAttribute<EventAttribute>()
            where contract is not null
            from line in contract.Subscribers.Select(subscriber => $"event {contract.Name} goes to {subscriber}")
                .Concat(FieldsOf(type, "").Select(field => $"field {contract.Name} {field}"))
            select line).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal),
    ];

    private static IEnumerable<string> FieldsOf(Type type, string prefix) => type.GetProperties().SelectMany(property =>
    {
        var name = prefix + JsonNamingPolicy.CamelCase.ConvertName(property.Name);
        var value = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var list = value != typeof(string) && value.IsAssignableTo(typeof(IEnumerable));
        var item = list ? value.GetGenericArguments()[0] : value;
        var orNull = new NullabilityInfoContext().Create(property).ReadState is NullabilityState.Nullable ? " or null" : "";
        return item.Assembly == type.Assembly
            ? FieldsOf(item, list ? $"{name}[]." : $"{name}.")
            : [$"{name}{(list ? "[]" : "")}: {item.Name.ToLowerInvariant()}{orNull}"];
    });
}
