using System.Text.Json;
using CsCheck;

namespace MicroPlatform.Tests.ServiceDefaults;

public sealed class JsonTests
{
    // In full: Aspire brings a namespace Json along.
    private static readonly JsonSerializerOptions Options = MicroPlatform.ServiceDefaults.Json.Apply(new(JsonSerializerDefaults.Web));

    [Fact]
    [Trait("Covers", "N-27")]
    public void Money_has_two_places_and_survives_the_round_trip() => Gen.Int[0, int.MaxValue].Sample(cents =>
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
    [InlineData("1.005")]
    [InlineData("\"1.00\"")]
    [InlineData("1e400")]
    public void Money_that_is_not_exact_is_refused(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<decimal>(json, Options));

    [Theory]
    [InlineData("\"2026-11-22T16:45:00+02:00\"", "\"2026-11-22T14:45:00.000000Z\"")]
    [InlineData("\"2026-11-22T16:45:00Z\"", "\"2026-11-22T16:45:00.000000Z\"")]
    public void Times_are_told_in_UTC(string given, string told) => Assert.Equal(told, JsonSerializer.Serialize(JsonSerializer.Deserialize<DateTimeOffset>(given, Options), Options));

    [Theory]
    [InlineData("\"2026-11-22T16:45:00\"")]
    [InlineData("\"yesterday\"")]
    [InlineData("5")]
    public void A_time_without_a_zone_is_refused(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<DateTimeOffset>(json, Options));

    [Theory]
    [InlineData("""{"name":"x","other":1}""")]
    [InlineData("""{"name":"x","name":"y"}""")]
    [InlineData("""{"name":"a\u0000b"}""")]
    [Trait("Covers", "N-10")]
    public void Unknown_and_repeated_fields_and_NUL_are_refused(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Named>(json, Options));

    private sealed record Named(string Name);
}
