using System.Text.Json;
using CsCheck;

namespace MicroPlatform.Tests.ServiceDefaults;

public sealed class JsonTests
{
    // The full name, because Aspire has a namespace Json.
    private static readonly JsonSerializerOptions Options = MicroPlatform.ServiceDefaults.Json.Apply(new(JsonSerializerDefaults.Web));

    [Fact]
    [Trait("Covers", "N-27")]
    public void Money_has_two_decimal_places_and_survives_a_round_trip() => Gen.Int[0, int.MaxValue].Sample(cents =>
    {
        var amount = cents / 100m;
        var json = JsonSerializer.Serialize(amount, Options);
        Assert.Matches("^[0-9]+[.][0-9]{2}$", json);
        Assert.Equal(amount, JsonSerializer.Deserialize<decimal>(json, Options));
    });

    [Fact]
    [Trait("Covers", "N-27")]
    public void Three_times_ten_cents_is_thirty_cents() => Assert.Equal("0.30", JsonSerializer.Serialize(3 * 0.10m, Options));

    [Theory]
    [InlineData("1", "1.00")]
    [InlineData("-0.0e5", "0.00")]
    [InlineData("0e-400", "0.00")]
    [InlineData("1.5E+2", "150.00")]
    [InlineData("1500e-1", "150.00")]
    [InlineData("-100e-2", "-1.00")]
    [InlineData("0.0100000000000000000000000000000000000000", "0.01")]
    [InlineData("00000000000000000000000000000000000001e-2", null)]
    [InlineData("99999999999999999999999999.99", "99999999999999999999999999.99")]
    public void Money_may_be_written_in_any_JSON_notation_of_the_same_number(string json, string? expected)
    {
        if (expected is null)
        {
            Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<decimal>(json, Options));
        }
        else
        {
            Assert.Equal(expected, JsonSerializer.Serialize(JsonSerializer.Deserialize<decimal>(json, Options), Options));
        }
    }

    [Theory]
    [InlineData("1.005")]
    [InlineData("\"1.00\"")]
    [InlineData("1e400")]
    [InlineData("1e-400")]
    [InlineData("1e-3")]
    [InlineData("-1e-30")]
    [InlineData("0.01000000000000000000000000000000000001")]
    [InlineData("10.00000000000000000000000000001")]
    [InlineData("9999999999999999999999999999.99")]
    [InlineData("79228162514264337593543950336")]
    [InlineData("1e99999999999999999999")]
    [InlineData("1e-99999999999999999999")]
    [InlineData("true")]
    public void Money_that_is_not_exact_is_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<decimal>(json, Options));

    [Theory]
    [InlineData("\"2026-11-22T16:45:00+02:00\"", "\"2026-11-22T14:45:00.000000Z\"")]
    [InlineData("\"2026-11-22T16:45:00Z\"", "\"2026-11-22T16:45:00.000000Z\"")]
    [InlineData("\"2026-11-22t16:45:00z\"", "\"2026-11-22T16:45:00.000000Z\"")]
    [InlineData("\"2026-11-22t16:45:00.5-00:30\"", "\"2026-11-22T17:15:00.500000Z\"")]
    [InlineData("\"2026-11-22T16:45:00.12345678901234567890Z\"", "\"2026-11-22T16:45:00.123456Z\"")]
    public void Times_are_written_in_UTC(string given, string told) =>
        Assert.Equal(told, JsonSerializer.Serialize(JsonSerializer.Deserialize<DateTimeOffset>(given, Options), Options));

    [Theory]
    [InlineData("\"2026-11-22T16:45:00\"")]
    [InlineData("\"yesterday\"")]
    [InlineData("\"2026-11-22\"")]
    [InlineData("\"2026-11-22T16:45Z\"")]
    [InlineData("\"2026-11-22 16:45:00Z\"")]
    [InlineData("\"2026-11-22T16:45:00.Z\"")]
    [InlineData("\"2026-11-22T16:45:00+02\"")]
    [InlineData("\"2026-11-22T16:45:00+0200\"")]
    [InlineData("\"2026-11-22T24:00:00Z\"")]
    [InlineData("\" 2026-11-22T16:45:00Z\"")]
    [InlineData("\"2026-11-22T16:45:00Z\\n\"")]
    [InlineData("\"2026-02-30T16:45:00Z\"")]
    [InlineData("\"11/22/2026 16:45:00Z\"")]
    [InlineData("5")]
    public void A_time_that_is_not_RFC_3339_is_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<DateTimeOffset>(json, Options));

    [Theory]
    [InlineData("""{"name":"x","other":1}""")]
    [InlineData("""{"name":"x","name":"y"}""")]
    [InlineData("""{"name":"a\u0000b"}""")]
    [Trait("Covers", "N-10")]
    public void Unknown_and_repeated_fields_and_NUL_are_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Named>(json, Options));

    private sealed record Named(string Name);
}
