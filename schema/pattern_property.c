/* The names behind \p: general categories, scripts and binary properties, spelled exactly as
 * ECMA-262 has them.  PCRE2 knows more names and reads them loosely, which would let expressions
 * pass that no other program takes. */
#include "schema/pattern_syntax.h"

#include <string.h>

/* Short names of the general categories, and what else they are called. */
static const char *const categories[] = {
    "C Other", "Cc Control cntrl", "Cf Format", "Cn Unassigned", "Co Private_Use", "Cs Surrogate",
    "L Letter", "Ll Lowercase_Letter", "Lm Modifier_Letter", "Lo Other_Letter",
    "Lt Titlecase_Letter", "Lu Uppercase_Letter",
    "M Mark Combining_Mark", "Mc Spacing_Mark", "Me Enclosing_Mark", "Mn Nonspacing_Mark",
    "N Number", "Nd Decimal_Number digit", "Nl Letter_Number", "No Other_Number",
    "P Punctuation punct", "Pc Connector_Punctuation", "Pd Dash_Punctuation",
    "Pe Close_Punctuation", "Pf Final_Punctuation", "Pi Initial_Punctuation",
    "Po Other_Punctuation", "Ps Open_Punctuation",
    "S Symbol", "Sc Currency_Symbol", "Sk Modifier_Symbol", "Sm Math_Symbol", "So Other_Symbol",
    "Z Separator", "Zl Line_Separator", "Zp Paragraph_Separator", "Zs Space_Separator",
    "L& Cased_Letter LC",
};

/* Binary properties, with their short names. */
static const char *const binaries[] = {
    "ASCII", "ASCII_Hex_Digit AHex", "Alphabetic Alpha", "Any", "Bidi_Control Bidi_C",
    "Bidi_Mirrored Bidi_M", "Case_Ignorable CI", "Cased", "Changes_When_Casefolded CWCF",
    "Changes_When_Casemapped CWCM", "Changes_When_Lowercased CWL",
    "Changes_When_Titlecased CWT", "Changes_When_Uppercased CWU", "Dash",
    "Default_Ignorable_Code_Point DI", "Deprecated Dep", "Diacritic Dia", "Emoji",
    "Emoji_Component EComp", "Emoji_Modifier EMod", "Emoji_Modifier_Base EBase",
    "Emoji_Presentation EPres", "Extended_Pictographic ExtPict", "Extender Ext",
    "Grapheme_Base Gr_Base", "Grapheme_Extend Gr_Ext", "Hex_Digit Hex",
    "IDS_Binary_Operator IDSB", "IDS_Trinary_Operator IDST", "ID_Continue IDC", "ID_Start IDS",
    "Ideographic Ideo", "Join_Control Join_C", "Logical_Order_Exception LOE", "Lowercase Lower",
    "Math", "Noncharacter_Code_Point NChar", "Pattern_Syntax Pat_Syn",
    "Pattern_White_Space Pat_WS", "Quotation_Mark QMark", "Radical", "Regional_Indicator RI",
    "Sentence_Terminal STerm", "Soft_Dotted SD", "Terminal_Punctuation Term",
    "Unified_Ideograph UIdeo", "Uppercase Upper", "Variation_Selector VS", "White_Space space",
    "XID_Continue XIDC", "XID_Start XIDS",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Is name one of the words?  Returns the length of the first word, else 0. */
static size_t word_of(const char *words, const char *name, size_t len)
{
    const char *at = words;

    for (;;) {
        size_t n = strcspn(at, " ");

        if (n == len && memcmp(at, name, len) == 0)
            return strcspn(words, " ");
        if (at[n] == '\0')
            return 0;
        at += n + 1;
    }
}

static bool put_listed(const char *const *list, size_t n, const char *name, size_t len,
                       bool complement, struct replica__buf *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t first = word_of(list[i], name, len);

        if (first == 0)
            continue;
        replica__buf_printf(out, "\\%c{%.*s}", complement ? 'P' : 'p', (int)first, list[i]);
        return true;
    }
    return false;
}

/* Greek, Old_Italic, Grek: whether there is such a script is PCRE2's to know. */
static bool put_script(const char *kind, const char *name, size_t len, bool complement,
                       struct replica__buf *out)
{
    if (len == 0 || len > 40 || name[0] < 'A' || name[0] > 'Z')
        return false;
    for (size_t i = 1; i < len; i++) {
        bool upper = name[i] >= 'A' && name[i] <= 'Z';
        bool lower = name[i] >= 'a' && name[i] <= 'z';

        if (!lower && name[i] != '_' && !(upper && (name[i - 1] == '_' || i == 4)))
            return false; /* the capital inside a word is SignWriting's */
    }
    replica__buf_printf(out, "\\%c{%s:%.*s}", complement ? 'P' : 'p', kind, (int)len, name);
    return true;
}

/* Where case does not count, a letter of one case is one of both; and everything is in the other
 * half, for each letter has one there. */
static bool put_folded(const char *name, size_t len, bool complement, struct replica__buf *out)
{
    if (!word_of("Lu Ll Lt Uppercase_Letter Lowercase_Letter Titlecase_Letter Uppercase Upper "
                 "Lowercase Lower", name, len))
        return false;
    replica__buf_str(out, complement ? "\\x{0}-\\x{10ffff}" : "\\p{L&}");
    return true;
}

bool replica__pattern_property(const char *text, size_t len, bool complement, bool folded,
                               struct replica__buf *out)
{
    const char *equals = memchr(text, '=', len);
    size_t left = equals ? (size_t)(equals - text) : 0;
    const char *value = equals ? equals + 1 : text;
    size_t value_len = equals ? len - left - 1 : len;

    if (memchr(text, '&', len))
        return false; /* PCRE2's own */
    if (!equals && len == 8 && memcmp(text, "Assigned", 8) == 0)
        return replica__pattern_property("Cn", 2, !complement, folded, out);
    if (folded && (!equals || word_of("General_Category gc", text, left)) &&
        put_folded(value, value_len, complement, out))
        return true;
    if (!equals)
        return put_listed(categories, COUNT(categories), text, len, complement, out) ||
               put_listed(binaries, COUNT(binaries), text, len, complement, out);
    if (word_of("General_Category gc", text, left))
        return put_listed(categories, COUNT(categories), value, value_len, complement, out);
    if (word_of("Script sc", text, left))
        return put_script("sc", value, value_len, complement, out);
    if (word_of("Script_Extensions scx", text, left))
        return put_script("scx", value, value_len, complement, out);
    return false;
}
