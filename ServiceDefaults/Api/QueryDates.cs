using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace MicroPlatform.ServiceDefaults;

/// <summary>Dates in a query are <c>yyyy-MM-dd</c>; model binding alone accepts other forms too.</summary>
internal static class QueryDates
{
    private const string Format = "yyyy-MM-dd";

    /// <summary>Refuses (400) a <see cref="DateOnly"/> parameter in another form, or given more than once.</summary>
    public static EndpointFilterDelegate Require(EndpointFilterFactoryContext handler, EndpointFilterDelegate next)
    {
        string[] names = [.. handler.MethodInfo.GetParameters()
            .Where(parameter => (Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType) == typeof(DateOnly))
            .Select(parameter => parameter.Name!)];
        return names.Length == 0 ? next : call => Array.Find(names, name => !IsDate(call.HttpContext.Request, name)) is { } wrong
            ? throw ProblemException.Invalid(wrong, $"Send one date as {Format}.")
            : next(call);
    }

    private static bool IsDate(HttpRequest request, string name) => !request.Query.TryGetValue(name, out var values)
        || (values is [{ } text] && DateOnly.TryParseExact(text, Format, CultureInfo.InvariantCulture, DateTimeStyles.None, out _));
}
