using System.Globalization;
using System.Text;

namespace MicroPlatform.ServiceDefaults;

/// <summary>
/// Which names are allowed and which are equal: a profile of RFC 8265 (PRECIS) on code points. Letters of every script are allowed,
/// invisible characters are not, and names compare by full case folding after normalization.
/// </summary>
public static class Names
{
    // Default_Ignorable_Code_Point of DerivedCoreProperties.txt (Unicode 16), first and last of each range.
    private static readonly (int First, int Last)[] Ignorable =
    [
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
        (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    ];

    // Blank although not default-ignorable: Braille blank, null notehead, Khitan filler, hieroglyph blanks.
    private static readonly int[] Blank = [0x2800, 0x1D159, 0x16FE4, 0x13441, 0x13442];

    /// <summary>
    /// The lookup key of a name: equal for names that differ only in case or composition. By full case folding <c>ς</c> equals <c>σ</c>,
    /// <c>ß</c> equals <c>ss</c>, <c>İ</c> equals <c>i</c> with a dot above, and <c>ı</c> equals itself only (no Turkish tailoring).
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
    /// The lookup key of an account whose name collides with an older account's: its exact spelling. The leading space makes it distinct,
    /// because no name begins with a space.
    /// </summary>
    public static string ExactKeyOf(string name) => " " + name;

    /// <summary>Whether a text has no visible character: it is empty or holds only white space and invisible characters.</summary>
    public static bool IsBlank(string text) => text.EnumerateRunes().All(rune => Rune.IsWhiteSpace(rune) || IsInvisible(rune));

    /// <summary>Whether a text holds only letters, marks, digits and <c>. _ - @ +</c>, as every username ever accepted does.</summary>
    public static bool LooksLikeUsername(string text) => text.Length > 0 && text.EnumerateRunes().All(IsOfUsername);

    /// <summary>Whether a new account may take this username: nothing in it is invisible, and it begins with no combining mark.</summary>
    public static bool IsUsername(string text) =>
        LooksLikeUsername(text) && !IsMark(Rune.GetRuneAt(text, 0)) && !text.EnumerateRunes().Any(IsInvisible);

    /// <summary>Whether a text has the form of an address, as every address ever accepted does: a local part, one @, a domain.</summary>
    public static bool LooksLikeEmail(string text) =>
        System.Net.Mail.MailAddress.TryCreate(text, out var address) && string.Equals(address.Address, text, StringComparison.Ordinal);

    /// <summary>
    /// Whether a new account may take this address: nothing in it is invisible or white space, no label of its domain empty.
    /// </summary>
    public static bool IsEmail(string text) =>
        LooksLikeEmail(text)
        && !text.EnumerateRunes().Any(rune => Rune.IsWhiteSpace(rune) || IsInvisible(rune))
        // The dots of internationalized domain names (RFC 3490, section 3.1).
        && !text[(text.LastIndexOf('@') + 1)..].Split('.', '\u3002', '\uFF0E', '\uFF61').Contains("", StringComparer.Ordinal);

    /// <summary>Control, format, private-use, unassigned, default-ignorable and blank characters; white space is not among them.</summary>
    internal static bool IsInvisible(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned
            or UnicodeCategory.PrivateUse or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        || Array.Exists(Ignorable, range => rune.Value >= range.First && rune.Value <= range.Last)
        || Blank.Contains(rune.Value);

    private static bool IsOfUsername(Rune rune) =>
        rune.Value is '.' or '_' or '-' or '@' or '+' || Rune.IsLetter(rune) || IsMark(rune)
            || Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber;

    private static bool IsMark(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    /// <summary>
    /// Full case folding (CaseFolding.txt, statuses C and F) of a character in form D. .NET has no table for it. Conversion to upper case
    /// and back gives the simple folding. The characters that fold to several are <c>ß</c> and a few with a compatibility decomposition.
    /// </summary>
    private static string Fold(Rune rune)
    {
        var several = rune.Value switch
        {
            0xDF or 0x1E9E => "ss",
            0x149 or 0x17F or 0x587 or 0x1E9A or (>= 0xFB00 and <= 0xFB06) or (>= 0xFB13 and <= 0xFB17) =>
                Normalization.ToFormKC(rune.ToString()),
            _ => null,
        };
        return several ?? Rune.ToLowerInvariant(Rune.ToUpperInvariant(rune)).ToString();
    }
}
