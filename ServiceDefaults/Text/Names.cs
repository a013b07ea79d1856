using System.Globalization;
using System.Text;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// What a name may hold and when two are the same: the ideas of RFC 8265 (PRECIS) on code points. Letters of every script are letters,
/// what nobody sees is in no name, and case folds in full after normalization.
/// </summary>
public static class Names
{
    // Default_Ignorable_Code_Point of DerivedCoreProperties.txt (Unicode 16), first and last of each range.
    private static readonly (int First, int Last)[] Ignorable =
    [
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E),
        (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    ];

    // Not default-ignorable, and drawn as nothing all the same: Braille blank, null notehead, Khitan filler, hieroglyph blanks.
    private static readonly int[] Blank = [0x2800, 0x1D159, 0x16FE4, 0x13441, 0x13442];

    /// <summary>
    /// What names are looked up by: equal for names that differ only in case or in how letters are composed. Full case folding, so
    /// <c>ς</c> is <c>σ</c> and <c>ß</c> is <c>ss</c>; <c>İ</c> is <c>i</c> with a dot above and <c>ı</c> a letter of its own, as in every language but Turkish.
    /// </summary>
    public static string KeyOf(string name)
    {
        if (Ascii.IsValid(name))
        {
            return name.ToLowerInvariant();
        }

        var folded = new StringBuilder(name.Length);
        foreach (var codePoint in Normalization.Decompose(name, compatibility: false))
        {
            folded.Append(Fold(new(codePoint)));
        }

        return Normalization.ToFormC(folded.ToString());
    }

    /// <summary>
    /// The key of an account whose name was another account's by the rules that came later: it is found by its exact spelling. No name begins
    /// with the blank that sets it apart.
    /// </summary>
    public static string ExactKeyOf(string name) => " " + name;

    /// <summary>Whether a text shows nothing: it is empty, white space, or characters that are not drawn.</summary>
    public static bool IsBlank(string text) => text.EnumerateRunes().All(rune => Rune.IsWhiteSpace(rune) || IsInvisible(rune));

    /// <summary>Whether these are letters, digits and <c>. _ - @ +</c> alone: what a username has looked like at all times.</summary>
    public static bool LooksLikeUsername(string text) => text.Length > 0 && text.EnumerateRunes().All(IsOfUsername);

    /// <summary>Whether nothing in it is invisible, and it begins with something to see.</summary>
    public static bool IsUsername(string text) => LooksLikeUsername(text) && !IsMark(Rune.GetRuneAt(text, 0)) && !text.EnumerateRunes().Any(IsInvisible);

    /// <summary>Whether a sign-in may name this address: something, one @, a domain.</summary>
    public static bool LooksLikeEmail(string text) =>
        System.Net.Mail.MailAddress.TryCreate(text, out var address) && string.Equals(address.Address, text, StringComparison.Ordinal);

    /// <summary>Whether mail can be sent there, and nothing in it is invisible: a domain of labels that are not empty, no white space.</summary>
    public static bool IsEmail(string text) =>
        LooksLikeEmail(text)
        && !text.EnumerateRunes().Any(rune => Rune.IsWhiteSpace(rune) || IsInvisible(rune))
        // The dots of internationalized domain names (RFC 3490, section 3.1).
        && !text[(text.LastIndexOf('@') + 1)..].Split('.', '\u3002', '\uFF0E', '\uFF61').Contains("", StringComparer.Ordinal);

    /// <summary>Control, format, private and unassigned characters, and all that is drawn as nothing; white space is another matter.</summary>
    internal static bool IsInvisible(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        || Array.Exists(Ignorable, range => rune.Value >= range.First && rune.Value <= range.Last)
        || Blank.Contains(rune.Value);

    private static bool IsOfUsername(Rune rune) =>
        rune.Value is '.' or '_' or '-' or '@' or '+' || Rune.IsLetter(rune) || IsMark(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber;

    private static bool IsMark(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    /// <summary>
    /// CaseFolding.txt, statuses C and F, of a character that is decomposed: there is no such table in .NET, but to upper case and back is the
    /// simple folding, and what folds to several characters is <c>ß</c> or is decomposed by compatibility.
    /// </summary>
    private static string Fold(Rune rune)
    {
        var several = rune.Value switch
        {
            0xDF or 0x1E9E => "ss",
            0x149 or 0x17F or 0x587 or 0x1E9A or (>= 0xFB00 and <= 0xFB06) or (>= 0xFB13 and <= 0xFB17) => Normalization.ToFormKC(rune.ToString()),
            _ => null,
        };
        return several ?? Rune.ToLowerInvariant(Rune.ToUpperInvariant(rune)).ToString();
    }
}
