using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;

namespace MicroPlatform.ServiceDefaults;

/// <summary>JSON rules of the contract: strict when reading, exact when writing.</summary>
public static partial class Json
{
    /// <summary>The number of significant digits that every decimal can hold exactly.</summary>
    private const int MaxDigits = 28;

    internal static void AddJsonConventions(this IServiceCollection services) =>
        services.ConfigureHttpJsonOptions(options => Apply(options.SerializerOptions));

    /// <summary>
    /// camelCase names; unknown and repeated fields, numbers in quotes and NUL characters refused; money with two decimal places; times in
    /// UTC.
    /// </summary>
    public static JsonSerializerOptions Apply(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.AllowDuplicateProperties = false;
        options.Converters.Add(new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false));
        options.Converters.Add(new MoneyConverter());
        options.Converters.Add(new UtcConverter());
        options.Converters.Add(new TextConverter());
        return options;
    }

    [GeneratedRegex(
        "^(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
        + @"(?<fraction>\.[0-9]+)?(?<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})\z",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 100)]
    private static partial Regex Rfc3339();

    /// <summary>
    /// Every decimal of the contract is money: a JSON number, written with exactly two decimal places and read with at most two.
    /// </summary>
    private sealed class MoneyConverter : JsonConverter<decimal>
    {
        public override decimal Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var number = Encoding.UTF8.GetString(reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan);
            return reader.TokenType == JsonTokenType.Number && TryReadExactly(number, out var value) ? value : throw new JsonException();
        }

        public override void Write(Utf8JsonWriter writer, decimal value, JsonSerializerOptions options)
        {
            Span<byte> text = stackalloc byte[40]; // 29 digits, a sign and the two places
            value.TryFormat(text, out var length, "F2", CultureInfo.InvariantCulture);
            writer.WriteRawValue(text[..length], skipInputValidation: true);
        }

        /// <summary>Reads a number exactly; the framework would round one with more digits than a decimal holds.</summary>
        private static bool TryReadExactly(string number, out decimal value)
        {
            var (mantissa, exponent) = number.Split('e', 'E') is [var before, var after] ? (before, after) : (number, "0");
            var point = mantissa.IndexOf('.', StringComparison.Ordinal);
            var all = mantissa.Replace(".", "", StringComparison.Ordinal).TrimStart('-');
            var digits = all.TrimEnd('0');
            value = 0;
            if (digits.TrimStart('0').Length == 0)
            {
                return true;
            }

            if (!int.TryParse(exponent, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var power))
            {
                return false;
            }

            // The power of ten of the last nonzero digit.
            var last = (long)power - (point < 0 ? 0 : mantissa.Length - point - 1) + (all.Length - digits.Length);
            var sign = mantissa[0] == '-' ? "-" : "";
            return last >= -2 && digits.TrimStart('0').Length <= MaxDigits
                && decimal.TryParse($"{sign}{digits}e{last}", NumberStyles.Float, CultureInfo.InvariantCulture, out value);
        }
    }

    /// <summary>Times are read as RFC 3339 and written in UTC to the microsecond, PostgreSQL's precision.</summary>
    private sealed class UtcConverter : JsonConverter<DateTimeOffset>
    {
        private const string Format = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK";

        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String && TryRead(Rfc3339().Match(reader.GetString()!), out var value)
                ? value.ToUniversalTime()
                : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
        {
            // The round-trip format is the fastest, but has one decimal place too many.
            Span<byte> text = stackalloc byte[28];
            value.UtcDateTime.TryFormat(text, out _, "O", CultureInfo.InvariantCulture);
            text[^2] = (byte)'Z';
            writer.WriteStringValue(text[..^1]);
        }

        private static bool TryRead(Match match, out DateTimeOffset value)
        {
            // The framework holds seven decimal places of a second.
            var fraction = match.Groups["fraction"].Value;
            var text = $"{match.Groups["date"]}T{match.Groups["time"]}{fraction[..Math.Min(fraction.Length, 8)]}{match.Groups["zone"]}";
            return DateTimeOffset.TryParseExact(
                text.ToUpperInvariant(), Format, CultureInfo.InvariantCulture, DateTimeStyles.None, out value);
        }
    }

    /// <summary>PostgreSQL text cannot hold NUL.</summary>
    private sealed class TextConverter : JsonConverter<string>
    {
        public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.GetString() is { } value && !value.Contains('\0', StringComparison.Ordinal) ? value : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

        public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.GetString()!;

        public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WritePropertyName(value);
    }
}
