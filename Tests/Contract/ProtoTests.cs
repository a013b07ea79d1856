using System.Reflection;
using Google.Protobuf.Reflection;
using MicroPlatform.Tests.Fixtures;

namespace MicroPlatform.Tests.Contract;

/// <summary>
/// The gRPC contract in <c>openapi/grpc.txt</c>, a line for each method, field and value: a line that was released stays as it is.
/// </summary>
public sealed class ProtoTests
{
    private const string File = "grpc.txt";

    [Fact]
    public void The_committed_lines_match_what_the_services_offer() => Repository.Hold(File, string.Join('\n', Offered()) + "\n");

    [Fact]
    public void Removed_or_changed_released_lines_are_declared_and_their_field_numbers_reserved()
    {
        var offered = Offered().ToHashSet(StringComparer.Ordinal);
        var lost = Repository.HoldToRelease(File, offered);
        Assert.All(
            lost.Where(line => line.StartsWith("field ", StringComparison.Ordinal)), line => Assert.Contains(ReservationOf(line), offered));
    }

    [Theory]
    [InlineData("field todo.v1.Todo.title = 2: string", "field todo.v1.Todo.title = 9: string")]
    [InlineData("field todo.v1.Todo.title = 2: string", "field todo.v1.Todo.name = 2: string")]
    [InlineData("field todo.v1.Todo.title = 2: string", "field todo.v1.Todo.title = 2: bytes")]
    [InlineData("rpc todo.v1.Todos/Get: todo.v1.GetRequest -> todo.v1.GetResponse", "")]
    [InlineData(
        "rpc todo.v1.Todos/Get: todo.v1.GetRequest -> todo.v1.GetResponse",
        "rpc todo.v1.Todos/Get: todo.v1.GetRequest -> stream todo.v1.GetResponse")]
    [InlineData(
        "rpc todo.v1.Todos/Export: todo.v1.ExportRequest -> stream todo.v1.ExportResponse",
        "rpc todo.v1.Todos/Export: todo.v1.ExportRequest -> todo.v1.ExportResponse")]
    public void A_changed_or_removed_field_or_method_is_reported(string line, string instead)
    {
        var offered = Offered().ToList();
        Assert.Contains(line, offered);
        Assert.Equal(
            [line],
            Repository.Lost(
                string.Join('\n', offered),
                offered.Select(other => string.Equals(other, line, StringComparison.Ordinal) ? instead : other)));
        Assert.Empty(Repository.Lost(string.Join('\n', offered), offered.Append("field todo.v1.Todo.colour = 100: string")));
    }

    [Fact]
    public void The_number_of_a_removed_field_must_be_reserved() =>
        Assert.Equal("reserved todo.v1.Todo 2", ReservationOf("field todo.v1.Todo.title = 2: string"));

    /// <summary>Services retry their calls to each other, so a method that only they call must be safe to repeat.</summary>
    [Fact]
    public void Methods_that_only_services_call_state_that_they_are_safe_to_repeat()
    {
        var methods = Files().Where(file => file.Package is not ("users.v1" or "todo.v1"))
            .SelectMany(file => file.Services).SelectMany(service => service.Methods).ToList();
        Assert.Contains(methods, method => method.Name is "PlaceOrder");
        Assert.All(methods, method => Assert.NotEqual(
            MethodOptions.Types.IdempotencyLevel.IdempotencyUnknown, method.GetOptions()?.IdempotencyLevel ?? default));
    }

    private static string ReservationOf(string field)
    {
        var words = field.Split(' ');
        return $"reserved {words[1][..words[1].LastIndexOf('.')]} {words[3].TrimEnd(':')}";
    }

    private static IEnumerable<string> Offered() => Files().SelectMany(file => file.Services.SelectMany(LinesOf)
        .Concat(file.MessageTypes.SelectMany(LinesOf))
        .Concat(file.EnumTypes.SelectMany(LinesOf))).Order(StringComparer.Ordinal);

    /// <summary>Every <c>.proto</c>, from the service that serves it.</summary>
    private static IEnumerable<FileDescriptor> Files() =>
        from service in ContractFixture.Services
        from type in Assembly.Load(TestPlatform.ProjectOf(service)).GetExportedTypes()
        where type.Name.EndsWith("Reflection", StringComparison.Ordinal)
        let file = type.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(obj: null) as FileDescriptor
        where file is not null
        select file;

    private static IEnumerable<string> LinesOf(ServiceDescriptor service) => service.Methods.Select(method =>
        $"rpc {service.FullName}/{method.Name}: {(method.IsClientStreaming ? "stream " : "")}{method.InputType.FullName} -> "
            + $"{(method.IsServerStreaming ? "stream " : "")}{method.OutputType.FullName}");

    private static IEnumerable<string> LinesOf(MessageDescriptor message) => message.Fields.InFieldNumberOrder().Select(field =>
            $"field {field.FullName} = {field.FieldNumber}: "
                + $"{(field.IsRepeated ? "repeated " : field.ToProto().Proto3Optional ? "optional " : "")}{TypeOf(field)}")
        .Concat(message.ToProto().ReservedRange.SelectMany(range =>
            Enumerable.Range(range.Start, range.End - range.Start).Select(number => $"reserved {message.FullName} {number}")))
        .Concat(message.NestedTypes.SelectMany(LinesOf)).Concat(message.EnumTypes.SelectMany(LinesOf));

    private static IEnumerable<string> LinesOf(EnumDescriptor values) =>
        values.Values.Select(value => $"value {values.FullName}.{value.Name} = {value.Number}");

    private static string TypeOf(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Message => field.MessageType.FullName,
        FieldType.Enum => field.EnumType.FullName,
        var scalar => scalar.ToString().ToLowerInvariant(),
    };
}
