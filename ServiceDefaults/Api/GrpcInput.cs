using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Validates gRPC requests by the rules of the REST contract, with field names of the <c>.proto</c>.</summary>
public static class GrpcInput
{
    /// <summary>Validates the record by its annotations, which are those of the REST body.</summary>
    /// <exception cref="ProblemException">400, with every field at fault.</exception>
    public static T Validated<T>(this T record)
        where T : class
    {
        var failures = new List<ValidationResult>();
        return Validator.TryValidateObject(record, new(record), failures, validateAllProperties: true)
            ? record
            : throw ProblemException.Invalid(failures
                .SelectMany(failure => failure.MemberNames, (failure, member) => (member, failure.ErrorMessage))
                .GroupBy(
                    failure => failure.member,
                    failure => Problems.Rename(failure.ErrorMessage ?? "", failure.member, JsonNamingPolicy.SnakeCaseLower),
                    StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => group.ToArray(), StringComparer.Ordinal));
    }

    /// <summary>The moment, to the microsecond, PostgreSQL's precision.</summary>
    public static Timestamp ToProto(this DateTimeOffset moment) =>
        Timestamp.FromDateTimeOffset(moment.AddTicks(-(moment.Ticks % TimeSpan.TicksPerMicrosecond)));

    /// <summary>The moment that a caller sent, or null for none.</summary>
    /// <exception cref="ProblemException">400 on <paramref name="field"/> when it lies outside the years 1 to 9999.</exception>
    public static DateTimeOffset? FromProto(this Timestamp? timestamp, string field)
    {
        try
        {
            return timestamp?.ToDateTimeOffset();
        }
        catch (InvalidOperationException)
        {
            throw ProblemException.Invalid(field, "This is not a moment of the years 1 to 9999.");
        }
    }

    /// <summary>The name that a field of a record has in a <c>.proto</c>: <c>dueAt</c> and <c>DueAt</c> become <c>due_at</c>.</summary>
    internal static string ProtoName(string path) => string.Join('.', path.Split('.').Select(JsonNamingPolicy.SnakeCaseLower.ConvertName));

    /// <summary>PostgreSQL text cannot hold NUL.</summary>
    internal static void RequireNoNul(object request)
    {
        foreach (var field in ((IMessage)request).Descriptor.Fields.InDeclarationOrder())
        {
            if (field.FieldType is not (FieldType.String or FieldType.Message))
            {
                continue;
            }

            var value = field.Accessor.GetValue((IMessage)request);
            foreach (var element in value as IList ?? new[] { value })
            {
                if (element is string text && text.Contains('\0', StringComparison.Ordinal))
                {
                    throw ProblemException.Invalid(field.Name, "The text contains a NUL character.");
                }

                if (element is IMessage message)
                {
                    RequireNoNul(message);
                }
            }
        }
    }
}
