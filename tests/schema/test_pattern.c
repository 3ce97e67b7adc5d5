/* ECMA-262's expressions, as far as PCRE2's differ; and that no pattern takes long. */
#include "schema/pattern.h"

#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int found(const char *pattern, const char *letters, const char *subject, size_t len)
{
    struct replica__pattern *p = NULL;
    unsigned flags = 0;
    int r;

    CHECK_RC(replica__pattern_flags(letters, strlen(letters), &flags, &test_err), 0);
    r = replica__pattern_compile(pattern, REPLICA_NUL, flags, &p, &test_err);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", pattern, test_err.message);
    r = replica__pattern_match(p, subject, len);
    if (r >= 0 && replica__pattern_match(p, subject, len) != r)
        test_fail(__FILE__, __LINE__, "%s: another answer the second time", pattern);
    replica__pattern_free(p);
    return r;
}

static int in(const char *pattern, const char *subject)
{
    return found(pattern, "", subject, REPLICA_NUL);
}

static int refusal(const char *pattern)
{
    struct replica__pattern *p = NULL;
    int r = replica__pattern_compile(pattern, REPLICA_NUL, 0, &p, &test_err);

    if (r == 0)
        test_fail(__FILE__, __LINE__, "%s was taken", pattern);
    CHECK(p == NULL && test_err.code == r);
    CHECK(test_err.offset >= 0 && (size_t)test_err.offset <= strlen(pattern));
    return r;
}

#define YES(pattern, subject) CHECK_INT(in(pattern, subject), 1)
#define NO(pattern, subject) CHECK_INT(in(pattern, subject), 0)

TEST(a_match_may_be_anywhere)
{
    YES("b+", "abbc");
    NO("^b+", "abbc");
    YES("", "");
    YES("(?:a|b){2,3}?c", "xabc");
    NO("^[^a-c]$", "b");
}

TEST(digits_words_and_spaces_are_those_of_ecma)
{
    YES("^\\d$", "7");
    NO("^\\d$", "\xE0\xA7\xAA"); /* BENGALI DIGIT FOUR */
    YES("^\\D$", "\xE0\xA7\xAA");
    NO("^\\w$", "\xC3\xA9");
    YES("^\\W$", "\xC3\xA9");
    NO("^\\W$", "_");
    YES("^\\s{3}$", "\xEF\xBB\xBF\xC2\xA0\xE2\x80\xA9"); /* U+FEFF U+00A0 U+2029 */
    YES("^\\s$", "\v");
    NO("^\\s$", "\xE1\xA0\x8E"); /* U+180E is none any more */
    YES("^[\\S]$", "\xE1\xA0\x8E");
    NO("\\S", " \t\n\xE3\x80\x80");
    YES("^[^\\s\\d]$", "x");
    NO("^[^\\s\\d]$", "4");
}

TEST(the_end_is_the_very_end)
{
    YES("^abc$", "abc");
    NO("^abc$", "abc\n");
}

TEST(a_dot_is_no_end_of_a_line)
{
    NO(".", "\n\r\xE2\x80\xA8\xE2\x80\xA9");
    YES("^.$", "\xC2\x85");
    YES("^.$", "\xF0\x9F\x98\x80");
    CHECK_INT(found("^.{2}$", "s", "\n\r", REPLICA_NUL), 1);
}

TEST(lines_have_ends_with_m_only)
{
    NO("^b$", "a\nb\nc");
    CHECK_INT(found("^b$", "m", "a\nb\nc", REPLICA_NUL), 1);
    CHECK_INT(found("^b$", "m", "a\rb\xE2\x80\xA8", REPLICA_NUL), 1);
    CHECK_INT(found("^b$", "m", "ab", REPLICA_NUL), 0);
}

TEST(letters_are_the_same_in_both_cases_with_i_only)
{
    NO("stra\xC3\x9F", "STRA\xE1\xBA\x9E");
    CHECK_INT(found("\xC3\xA9", "i", "\xC3\x89", REPLICA_NUL), 1);
    CHECK_INT(found("^[a-c]$", "gui", "B", REPLICA_NUL), 1);
    CHECK_INT(found("^\\p{Lu}\\P{Uppercase}[^\\p{Ll}]$", "i", "aA1", REPLICA_NUL), 1);
    NO("^\\p{Lu}$", "a");
}

TEST(some_letters_are_words_with_i_only)
{
    NO("\\w", "\xC5\xBF\xE2\x84\xAA"); /* LONG S, KELVIN SIGN */
    CHECK_INT(found("^\\w[\\w]$", "i", "\xC5\xBF\xE2\x84\xAA", REPLICA_NUL), 1);
    CHECK_INT(found("\\W", "i", "\xC5\xBF\xE2\x84\xAA", REPLICA_NUL), 0);
    CHECK_INT(found("^\\b.\\B.\\b$", "i", "\xC5\xBF\xE2\x84\xAA", REPLICA_NUL), 1);
    CHECK_INT(found("\\b", "i", "!\xC3\xA9", REPLICA_NUL), 0);
}

TEST(other_flags_are_refused)
{
    unsigned flags = 77;

    CHECK_RC(replica__pattern_flags("ix", 2, &flags, &test_err), REPLICA_EINVAL);
    CHECK_INT(test_err.offset, 1);
    CHECK_INT(flags, 77);
}

TEST(characters_have_many_spellings)
{
    YES("^\\x41\\u0042\\u{43}\\u{000044}$", "ABCD");
    YES("^\\uD83D\\uDE00$", "\xF0\x9F\x98\x80");
    YES("^[\\uD83D\\uDE00-\\uD83D\\uDE02]$", "\xF0\x9F\x98\x81");
    YES("^\\u{1F600}$", "\xF0\x9F\x98\x80");
    YES("^\xF0\x9F\x98\x80*$", "\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
    YES("^\\cJ\\cj\\t\\n\\v\\f\\r$", "\n\n\t\n\v\f\r");
    YES("^\\/\\^\\$\\\\\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|$", "/^$\\.*+?()[]{}|");
    YES("^\\-\\@\\\"$", "-@\"");
    YES("^[\\b\\-]{2}$", "\b-");
    YES("^[a-]+[-a]+$", "a-a");
    YES("^[[:alph-]+$", "[:alph-");
    YES("^[[:alpha:]$", "h");
    YES("^a#b c$", "a#b c");
}

TEST(a_nul_is_a_character)
{
    CHECK_INT(found("^a\\0b$", "", "a\0b", 3), 1);
    CHECK_INT(found("^a[^x]b$", "", "a\0b", 3), 1);
    CHECK_INT(found("b", "", "a\0b", 3), 1);
}

TEST(empty_classes_match_nothing_and_everything)
{
    NO("[]", "a");
    NO("[]+", "a");
    YES("^[]*$", "");
    YES("^[^]{2}$", "\n\xF0\x9F\x98\x80");
}

TEST(lone_surrogates_match_as_the_replacement_character)
{
    YES("^.$", "\xED\xA0\x80");
    YES("^a\xEF\xBF\xBD" "b\\uD800$", "a\xED\xA0\x80" "b\xED\xBF\xBF");
    YES("^[\\uD800-\\uDFFF]$", "\xED\xA0\x80");
    YES("^[\\uD7FF-\\uE000]$", "\xED\x9F\xBF"); /* U+D7FF itself is none */
    YES("^[\\u0000-\\uDFFF]+$", "ab\xED\xA0\x80");
    YES("^[\\uDC00-\\uFFFF]+$", "\xEE\x80\x80\xED\xA0\x80");
    NO("^[^\\uD800-\\uDFFF]$", "\xED\xA0\x80");
}

TEST(groups_can_be_named_and_referred_to)
{
    YES("^(?<year>\\d{4})-\\k<year>$", "2024-2024");
    NO("^(?<year>\\d{4})-\\k<year>$", "2024-2025");
    YES("^(a)(?:b)(c)\\2\\1$", "abcca");
    YES("^\\1(a)$", "a");          /* not matched yet: empty */
    YES("^(?:(a)|b)\\1c$", "bc");
    YES("^(?<a>.)(?<$b_1>.)\\k<$b_1>$", "xyy");
    YES("^\\k<z>(?<z>a)$", "a");
    YES("(a)\\10?|[(](b)(c)(d)(e)(f)(g)(h)(i)(j)", "aa");
}

TEST(one_can_look_ahead_and_behind)
{
    YES("^(?=.*\\d)(?!.*x).+$", "ab1");
    NO("^(?=.*\\d)(?!.*x).+$", "ab1x");
    YES("(?<=\\$)\\d+", "$42");
    NO("(?<!\\$)\\b\\d+", "$42");
    CHECK_RC(refusal("(?<=a+)b"), REPLICA_ENOTSUP);
}

TEST(properties_have_the_names_of_ecma)
{
    YES("^\\p{L}\\p{Letter}\\p{gc=Lu}\\p{General_Category=Lowercase_Letter}$", "\xC3\xA9xAa");
    YES("^\\p{Lu}+$", "AB");
    YES("^\\P{L}$", "1");
    YES("^[\\p{Nd}\\P{L}]$", "\xE0\xA7\xAA");
    YES("^\\p{digit}\\p{punct}$", "\xE0\xA7\xAA!");
    YES("^\\p{Script=Greek}\\p{sc=Grek}\\p{scx=Greek}$", "\xCE\xB1\xCE\xB2\xCE\xB3");
    NO("^\\p{Script=Greek}$", "a");
    YES("^\\p{Script=Old_Italic}$", "\xF0\x90\x8C\x80");
    YES("^\\p{sc=SignWriting}$", "\xF0\x9D\xA0\x80");
    YES("^\\p{Alphabetic}\\p{White_Space}\\p{ASCII}\\p{Any}\\p{Emoji_Presentation}$",
        "a\xE3\x80\x80" "b\xCE\xB1\xF0\x9F\x98\x80");
    YES("^\\p{Assigned}\\P{Assigned}$", "a\xCD\xB8");
    YES("^\\p{Cased_Letter}\\p{LC}$", "aB");
}

TEST(each_property_of_the_lists_is_known_to_pcre2)
{
    static const char *const names[] = {
        "C", "Cc", "Cf", "Cn", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me",
        "Mn", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc",
        "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs", "AHex", "Alpha", "Any", "Bidi_C", "Bidi_M", "CI",
        "Cased", "CWCF", "CWCM", "CWL", "CWT", "CWU", "Dash", "DI", "Dep", "Dia", "Emoji", "EComp",
        "EMod", "EBase", "EPres", "ExtPict", "Ext", "Gr_Base", "Gr_Ext", "Hex", "IDSB", "IDST",
        "IDC", "IDS", "Ideo", "Join_C", "LOE", "Lower", "Math", "NChar", "Pat_Syn", "Pat_WS",
        "QMark", "Radical", "RI", "STerm", "SD", "Term", "UIdeo", "Upper", "VS", "space", "XIDC",
        "XIDS", "Combining_Mark", "cntrl", "Variation_Selector", "ID_Start",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char pattern[64];

        snprintf(pattern, sizeof(pattern), "^(?:\\p{%s}|\\P{%s})$", names[i], names[i]);
        YES(pattern, "a");
    }
}

TEST(what_is_no_expression_is_refused)
{
    static const char *const wrong[] = {
        "^(abc]", "(", ")", "a)", "(?:a", "[a", "[a-", "[b-a]", "[\\d-a]", "[a-\\d]", "]", "}",
        "{", "a{", "a{}", "a{,2}", "a{2,1}", "*", "+a", "?", "^*", "a**", "a*+", "a++", "a?+",
        "a{2}+", "a{2}{3}", "(?=a)*", "(?<=a)?", "\\b+", "\\", "\\a", "\\e", "\\Z", "\\A", "\\z",
        "\\G", "\\K", "\\R", "\\X", "\\N", "\\h", "\\H", "\\C", "\\Qa\\E", "\\_", "\\ ", "\\1",
        "(a)\\2", "\\00", "\\01", "\\8", "\\x4", "\\xg0", "\\x{41}", "\\u12", "\\u{}",
        "\\u{110000}", "\\u{12", "\\c", "\\c1", "\\p", "\\pL", "\\p{}", "\\p{l}", "\\p{Xan}",
        "\\p{L&}", "\\p{Script=greek}", "\\p{Greek}", "\\p{Script=Klingon}", "\\p{^L}",
        "\\p{Letter=L}", "\\p{ascii}", "[\\p{Foo}]", "\\k", "\\k<a>", "(?<a>x)\\k<b>", "\\k{a}",
        "(?<a>x)(?<a>y)", "(?<1>x)", "(?<>x)", "(?<a", "(?'a'x)", "(?P<a>x)", "(?P=a)", "(?i)a",
        "(?i:a)", "(?#a)", "(?>a)", "(?|a)", "(?R)", "(?1)", "(?&a)", "(?C)", "(?(1)a)", "(*FAIL)",
        "(*UTF)a", "(*LIMIT_MATCH=1)a", "\\g{1}", "\\o{101}", "[\\b-\\a]", "[\\B]", "[\\1]", "a|*",
        "\xFF", "\xE2\x82", "[\xC3]",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_RC(refusal(wrong[i]), REPLICA_EINVAL);
}

TEST(an_error_says_where)
{
    CHECK_RC(refusal("abc(?i)d"), REPLICA_EINVAL);
    CHECK_INT(test_err.offset, 3);
    CHECK_STR(test_err.message, "not a regular expression: a group of an unknown kind");
    CHECK_RC(refusal("ab\\Z"), REPLICA_EINVAL);
    CHECK_INT(test_err.offset, 2);
}

TEST(what_is_too_large_is_refused)
{
    char *text = malloc(200001);

    CHECK(text != NULL);
    memset(text, 'a', 200000);
    text[200000] = '\0';
    CHECK_RC(refusal(text), REPLICA_ELIMIT);
    memset(text, '(', 300);
    memset(text + 300, ')', 300);
    text[600] = '\0';
    CHECK_RC(refusal(text), REPLICA_ELIMIT);
    CHECK_RC(refusal("a{65536}"), REPLICA_ELIMIT);
    CHECK_RC(refusal("(?:[a-f]{60000}){60000}"), REPLICA_ELIMIT);
    CHECK_RC(refusal("a{2,99999999999999999999}"), REPLICA_ELIMIT);
    free(text);
}

/* Each of these would take from minutes to ages. */
TEST(no_pattern_hangs_the_program)
{
    static const char *const slow[] = {
        "^(a+)+$", "(a+)+$", "(a*)*[bc]", "^(a|aa)+$", "^(a|a)*$", "(.*)*[xy]", "(\\w+\\s?)+$",
        "^(([a-z])+.)+[A-Z]([a-z])+$", "(a|aa)*[cd]", "^(?:a?){50}a{50}[bc]$", "(?=(a+)+$)",
        "a*a*a*a*a*a*a*[bc]", "(?:.*a){20}[PQ]", "^(.*?a){30}[xy]$",
    };
    char text[2001];

    memset(text, 'a', sizeof(text) - 2);
    memcpy(text + sizeof(text) - 2, "!", 2);
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        int r = in(slow[i], text);

        if (r != REPLICA_ELIMIT)
            test_fail(__FILE__, __LINE__, "%s: %d", slow[i], r);
    }
}

TEST(long_texts_are_no_slow_texts)
{
    size_t len = 1 << 20;
    char *text = malloc(len);

    CHECK(text != NULL);
    memset(text, 'a', len);
    memcpy(text + len - 4, "@b c", 4);
    CHECK_INT(found("^[a-z]*@b c$", "", text, len), 1);
    CHECK_INT(found("^.*c$", "", text, len), 1);
    CHECK_INT(found("@b", "", text, len), 1);
    CHECK_INT(found("^(?:a|b|@| |c)*$", "", text + len - 100000, 100000), 1);
    CHECK_INT(found("[0-9]", "", text, len), 0);
    CHECK_INT(found("(?:x|y)z", "", text, len), 0);
    free(text);
}

static void *match_often(void *arg)
{
    static const char *const subjects[] = { "2024-01-31", "2024-01-x1", "2024-01-3\xED\xA0\x80" };
    const struct replica__pattern *p = arg;
    intptr_t wrong = 0;

    for (int i = 0; i < 3000; i++)
        wrong += replica__pattern_match(p, subjects[i % 3], REPLICA_NUL) != (i % 3 == 0);
    return (void *)wrong;
}

TEST(many_threads_match_with_one_pattern)
{
    struct replica__pattern *p = NULL;
    pthread_t threads[4];

    CHECK_RC(replica__pattern_compile("^(?:\\d+-?){3}$", REPLICA_NUL, 0, &p, &test_err), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, match_often, p), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL);
    }
    replica__pattern_free(p);
}

TEST(a_failed_allocation_fails_the_call_and_nothing_else)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__pattern *p = NULL;
        int m = 0;
        int r;

        fault_alloc(nth);
        r = replica__pattern_compile("^(?<a>[^\\d]|b)+\\k<a>", REPLICA_NUL, 0, &p, &test_err);
        if (r == 0)
            m = replica__pattern_match(p, "xx\xED\xA0\x80", REPLICA_NUL);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM && test_err.code == r && !p));
        CHECK(r < 0 || m == 1 || (failed && m == REPLICA_ENOMEM));
        if (r == 0)
            CHECK_INT(replica__pattern_match(p, "xx", REPLICA_NUL), 1);
        replica__pattern_free(p);
    }
}
