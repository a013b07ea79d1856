using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Unicode normalization (UAX #15). <see cref="string.Normalize()"/> needs ICU, which the container images lack: under
/// <c>InvariantGlobalization</c> it returns its argument unchanged.
/// </summary>
internal static class Normalization
{
    // The Hangul syllables are computed (UAX #15, section 16); the constants have the standard's names.
    private const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7;
    private const int LCount = 19, VCount = 21, TCount = 28, SCount = LCount * VCount * TCount;

    private static readonly Lazy<Tables> Data = new(Read);

    /// <summary>Form C: canonically equivalent texts become equal.</summary>
    public static string ToFormC(string text) => Ascii.IsValid(text) ? text : Compose(Decompose(text, compatibility: false));

    /// <summary>Form KC: texts of compatible characters, such as full-width letters and ligatures, become equal too.</summary>
    public static string ToFormKC(string text) => Ascii.IsValid(text) ? text : Compose(Decompose(text, compatibility: true));

    /// <summary>The code points of form D or KD.</summary>
    public static List<int> Decompose(string text, bool compatibility)
    {
        var result = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            Add(rune.Value);
        }

        // Sorts the marks of a letter by their combining class; marks of the same class keep their order.
        for (var i = 1; i < result.Count; i++)
        {
            for (var j = i; j > 0 && ClassOf(result[j]) is > 0 and var own && ClassOf(result[j - 1]) > own; j--)
            {
                (result[j - 1], result[j]) = (result[j], result[j - 1]);
            }
        }

        return result;

        void Add(int codePoint)
        {
            if (codePoint - SBase is >= 0 and < SCount and var syllable)
            {
                result.Add(LBase + (syllable / (VCount * TCount)));
                result.Add(VBase + (syllable / TCount % VCount));
                if (syllable % TCount > 0)
                {
                    result.Add(TBase + (syllable % TCount));
                }
            }
            else if (Data.Value.Canonical.TryGetValue(codePoint, out var parts)
                || (compatibility && Data.Value.Compatible.TryGetValue(codePoint, out parts)))
            {
                Array.ForEach(parts, Add);
            }
            else
            {
                result.Add(codePoint);
            }
        }
    }

    private static string Compose(List<int> text)
    {
        var (starter, length, lastClass) = (0, 1, text.Count > 0 && ClassOf(text[0]) > 0 ? int.MaxValue : 0);
        for (var i = 1; i < text.Count; i++)
        {
            var ownClass = ClassOf(text[i]);
            if ((lastClass < ownClass || lastClass == 0) && Composite(text[starter], text[i]) is { } composite)
            {
                text[starter] = composite;
                continue;
            }

            (starter, lastClass) = (ownClass == 0 ? length : starter, ownClass);
            text[length++] = text[i];
        }

        var builder = new StringBuilder(text.Count);
        foreach (var codePoint in text.Take(length))
        {
            builder.Append(new Rune(codePoint));
        }

        return builder.ToString();
    }

    private static int? Composite(int first, int second) =>
        first - LBase is >= 0 and < LCount and var l && second - VBase is >= 0 and < VCount and var v
            ? SBase + (((l * VCount) + v) * TCount)
        : first - SBase is >= 0 and < SCount and var s && s % TCount == 0 && second - TBase is > 0 and < TCount and var t ? SBase + s + t
        : Data.Value.Composites.TryGetValue((first, second), out var composite) ? composite : null;

    private static int ClassOf(int codePoint) => Data.Value.Classes.GetValueOrDefault(codePoint);

    private static Tables Read()
    {
        using var file = new StreamReader(typeof(Normalization).Assembly.GetManifestResourceStream("Normalization.txt")!);
        var (canonical, compatible) = (new Dictionary<int, int[]>(), new Dictionary<int, int[]>());
        var (classes, excluded) = (new Dictionary<int, int>(), new HashSet<int>());
        while (file.ReadLine() is { } line)
        {
            foreach (var entry in line.StartsWith('#') ? [] : line.Split(' '))
            {
                var at = entry.IndexOfAny(['=', '~', '!', ':']);
                var range = entry[..at].Split('-');
                switch (entry[at])
                {
                    case '=':
                        canonical[Hex(range[0])] = [.. entry[(at + 1)..].Split(',').Select(Hex)];
                        break;
                    case '~':
                        compatible[Hex(range[0])] = [.. entry[(at + 1)..].Split(',').Select(Hex)];
                        break;
                    case '!':
                        excluded.Add(Hex(range[0]));
                        break;
                    default:
                        for (var codePoint = Hex(range[0]); codePoint <= Hex(range[^1]); codePoint++)
                        {
                            classes[codePoint] = int.Parse(entry[(at + 1)..], CultureInfo.InvariantCulture);
                        }

                        break;
                }
            }
        }

        var composites = canonical.Where(pair => pair.Value.Length == 2 && !excluded.Contains(pair.Key))
            .ToFrozenDictionary(pair => (pair.Value[0], pair.Value[1]), pair => pair.Key);
        return new(canonical.ToFrozenDictionary(), compatible.ToFrozenDictionary(), classes.ToFrozenDictionary(), composites);

        static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    private sealed record Tables(
        FrozenDictionary<int, int[]> Canonical,
        FrozenDictionary<int, int[]> Compatible,
        FrozenDictionary<int, int> Classes,
        FrozenDictionary<(int First, int Second), int> Composites);
}
