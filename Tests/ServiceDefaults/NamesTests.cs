using System.Text;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.ServiceDefaults.Accounts;

namespace MicroPlatform.Tests.ServiceDefaults;

/// <summary>Which names are valid, and which are the same. Escapes stand for characters that an editor would not show.</summary>
public sealed class NamesTests
{
    /// <summary>Pairs of texts with the same key: they differ in case, in composition, or in both.</summary>
    public static TheoryData<string, string> Same => new()
    {
        { "Clerk7", "clerk7" },
        { "γιώργος.παππάς", "ΓΙΏΡΓΟΣ.ΠΑΠΠΆΣ" },
        { "Jos\u00E9", "Jose\u0301" },
        { "JOSE\u0301", "jos\u00E9" },
        { "straße", "STRASSE" },
        { "STRAẞE", "strasse" },
        { "\u0130stanbul", "i\u0307stanbul" },
        { "ﬁona", "FIONA" },
        { "ſam", "SAM" },
        { "\u212Aelvin", "kelvin" },
        { "ᾳ", "ΑΙ" },
        { "ΐ", "\u03B9\u0308\u0301" },
        { "q\u0307\u0323", "q\u0323\u0307" },
        { "\u1100\u1161\u11A8", "각" },
        { "𐐀", "𐐨" },
        { "Ж\u0306", "ӂ" },
        { "և", "ԵՒ" },
    };

    public static TheoryData<string, string> Different => new()
    {
        { "ınes", "ines" },
        { "Jose", "José" },
        { "ａlice", "alice" },
        { "x²", "x2" },
    };

    /// <summary>Code points from different ranges that are invisible in a name.</summary>
    public static TheoryData<int> Invisible =>
    [
        0x7F, 0x85, 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x180F, 0x200B, 0x200D, 0x200E, 0x202A, 0x202E,
        0x2060, 0x2065, 0x2066, 0x206F, 0x2800, 0x3164, 0xE000, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0, 0xFFF9, 0x378, 0x13441, 0x16FE4,
        0x1BCA0, 0x1D173,
        0xE0001, 0xE0020, 0xE0100, 0xE01EF,
        0xE0FFF, 0xF0000, 0x10FFFD,
    ];

    [Theory]
    [MemberData(nameof(Same))]
    [Trait("Covers", "N-09")]
    public void Equivalent_spellings_have_the_same_key(string one, string other) => Assert.Equal(Names.KeyOf(one), Names.KeyOf(other));

    [Theory]
    [MemberData(nameof(Different))]
    public void Different_names_have_different_keys(string one, string other) =>
        Assert.NotEqual(Names.KeyOf(one), Names.KeyOf(other), StringComparer.Ordinal);

    [Theory]
    [InlineData("clerk7")]
    [InlineData("𠮷田")]
    [InlineData("γιώργος.παππάς")]
    [InlineData("देवी")]
    [InlineData("zoë_1-a@b+c.d")]
    [InlineData("٣٤")]
    [InlineData("각")]
    public void Letters_and_digits_of_any_script_are_a_valid_username(string name) => Assert.True(Names.IsUsername(name));

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("\u0301a")]
    [InlineData("😀")]
    [InlineData("a/b")]
    [InlineData("½")]
    public void An_empty_name_or_a_name_with_other_characters_is_not_a_valid_username(string name) => Assert.False(Names.IsUsername(name));

    [Theory]
    [MemberData(nameof(Invisible))]
    public void Invisible_characters_are_refused_in_usernames_and_email_addresses_and_count_as_blank(int codePoint)
    {
        var hidden = new Rune(codePoint).ToString();
        Assert.False(Names.IsUsername($"clerk7{hidden}"));
        Assert.False(Names.IsEmail($"clerk7{hidden}@example.com"));
        Assert.False(Names.IsEmail($"clerk7@exam{hidden}ple.com"));
        Assert.True(Names.IsBlank($" {hidden}\u2003{hidden}"));
        Assert.False(Names.IsBlank($"{hidden}a"));
    }

    [Theory]
    [InlineData("ada@example.com")]
    [InlineData("ärger+1@bücher.example")]
    [InlineData("𠮷田@例え.テスト")]
    public void A_well_formed_email_address_is_accepted(string address) => Assert.True(Names.IsEmail(address));

    [Theory]
    [InlineData("password of 3")]
    [InlineData("ada@example.com.")]
    [InlineData("ada@example.com。")]
    [InlineData("ada@example..com")]
    [InlineData("ada@.example.com")]
    [InlineData("ada@example.com ")]
    [InlineData("\"a b\"@example.com")]
    [InlineData("a\u00A0b@example.com")]
    public void A_malformed_email_address_is_refused(string address) => Assert.False(Names.IsEmail(address));

    [Theory]
    [InlineData("😀😀😀😀", false)]
    [InlineData("😀😀😀😀😀😀😀😀", true)]
    [InlineData("e\u0301e\u0301e\u0301e\u0301", false)]
    [InlineData("ﬃﬃab", true)]
    [InlineData("1234567", false)]
    [InlineData("12345678", true)]
    public void A_password_has_at_least_8_characters_however_many_code_units_they_take(string password, bool isGood) =>
        Assert.Equal(isGood, new NewPasswordAttribute().IsValid(password));

    [Fact]
    public void A_password_has_at_most_128_characters_however_many_code_units_they_take()
    {
        Assert.True(new NewPasswordAttribute().IsValid(string.Concat(Enumerable.Repeat("😀", 128))));
        Assert.False(new NewPasswordAttribute().IsValid(string.Concat(Enumerable.Repeat("😀", 129))));
        Assert.True(new NewPasswordAttribute().IsValid(string.Concat(Enumerable.Repeat("e\u0301", 128))));
        Assert.False(new NewPasswordAttribute().IsValid(new string('ﬃ', 43)));
        Assert.False(new NewPasswordAttribute().IsValid(string.Concat(Enumerable.Repeat("\u0316\u0301", 500_000))));
    }
}
