using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>Conditional requests as RFC 9110, 13.1, defines them, for a resource whose tag is "7".</summary>
public sealed class PreconditionTests
{
    [Theory]
    [InlineData(null, null)]
    [InlineData("*", null)]
    [InlineData(" * ", null)]
    [InlineData("\"7\"", null)]
    [InlineData("\"1\", \"7\"", null)]
    [InlineData("\"7\",", null)]
    [InlineData(",, \"1\" ,\t,\"7\",,", null)]
    [InlineData("W/\"7\",\"7\"", null)]
    [InlineData("\"a,b\",\"7\"", null)]
    [InlineData(null, "\"6\"")]
    [InlineData(null, "W/\"6\", \"8\"")]
    [InlineData(null, ",")]
    [InlineData("\"7\"", "\"6\"")]
    public void A_condition_that_is_met_lets_the_request_through(string? ifMatch, string? ifNoneMatch) =>
        new Preconditions { IfMatch = ifMatch, IfNoneMatch = ifNoneMatch }.Require(7);

    [Theory]
    [InlineData("\"6\"", null)]
    [InlineData("\"07\"", null)]
    [InlineData("W/\"7\"", null)]
    [InlineData("\"abc\"", null)]
    [InlineData("\"\"", null)]
    [InlineData("\"7-gzip\"", null)]
    [InlineData("\"*\"", null)]
    [InlineData("\"99999999999999999999\"", null)]
    [InlineData("\"a,7\"", null)]
    [InlineData("\"\\\"", null)]
    [InlineData("\"é\"", null)]
    [InlineData("", null)]
    [InlineData(",", null)]
    [InlineData(null, "*")]
    [InlineData(null, "\"7\"")]
    [InlineData(null, "W/\"7\"")]
    [InlineData(null, "\"6\",, W/\"7\",")]
    [InlineData("\"7\"", "*")]
    public void A_condition_that_is_not_met_is_412(string? ifMatch, string? ifNoneMatch) =>
        Assert.Equal(StatusCodes.Status412PreconditionFailed, Refusal(ifMatch, ifNoneMatch).Status);

    [Theory]
    [InlineData("7")]
    [InlineData("junk")]
    [InlineData("\"7")]
    [InlineData("7\"")]
    [InlineData("'7'")]
    [InlineData("w/\"7\"")]
    [InlineData("W/7")]
    [InlineData("W/ \"7\"")]
    [InlineData("\"7\";")]
    [InlineData("\"7\" \"8\"")]
    [InlineData("\"7\", junk")]
    [InlineData("\"7 \", \"7\"")]
    [InlineData("\"7\", *")]
    [InlineData("**")]
    public void A_malformed_tag_is_400_and_the_answer_names_the_header(string header)
    {
        foreach (var (refusal, field) in new[]
        {
            (Refusal(header, ifNoneMatch: null), "If-Match"),
            (Refusal(ifMatch: null, header), "If-None-Match"),
        })
        {
            Assert.Equal((StatusCodes.Status400BadRequest, field), (refusal.Status, Assert.Single(refusal.Errors).Key));
        }
    }

    private static ProblemException Refusal(string? ifMatch, string? ifNoneMatch) =>
        Assert.Throws<ProblemException>(() => new Preconditions { IfMatch = ifMatch, IfNoneMatch = ifNoneMatch }.Require(7));
}
