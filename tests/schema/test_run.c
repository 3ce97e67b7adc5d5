/* What the official suite does not ask: exactness, bounds, and large values. */
#include "tests/schema/schema_help.h"

#include "base/buf.h"
#include "base/json.h"
#include "schema/validate.h"

TEST(numbers_are_compared_exactly)
{
    CHECK_RC(judge("{'maximum':9007199254740992}", "9007199254740993"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'exclusiveMinimum':0.1}", "0.1000000000000000000000000001"), 0);
    CHECK_RC(judge("{'const':1e400}", "10e399"), 0);
    CHECK_RC(judge("{'enum':[9007199254740992]}", "9007199254740993"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'minimum':1000000000000000000}", "999999999999999999"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'maximum':-1}", "-1.0"), 0);
}

TEST(characters_are_counted_not_bytes_and_not_escapes)
{
    CHECK_RC(judge("{'maxLength':2}", "'\xf0\x9f\x98\x80\xc3\xa4'"), 0);
    CHECK_RC(judge("{'maxLength':1}", "'\\ud83d\\ude00'"), 0);
    CHECK_RC(judge("{'minLength':2}", "'\\ud83d\\ude00'"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'minLength':2}", "'\\ud83d\\n'"), 0);
    CHECK_RC(judge("{'minLength':1,'maxLength':1}", "'\\u0000'"), 0);
    CHECK_RC(judge("{'minLength':5e30}", "'abc'"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'maxLength':5e30}", "'abc'"), 0);
}

TEST(names_are_compared_by_what_they_mean)
{
    CHECK_RC(judge("{'properties':{'a\\u0000b':false}}", "{'\\u0061\\u0000\\u0062':1}"),
             REPLICA_ESCHEMA);
    CHECK_RC(judge("{'required':['\\u00e4']}", "{'\xc3\xa4':1}"), 0);
    CHECK_RC(judge("{'properties':{'':false}}", "{'':1}"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'properties':{'\\\\':false}}", "{'\\\\':1}"), REPLICA_ESCHEMA);
    CHECK_RC(judge("{'properties':{'\\\\u0061':false}}", "{'a':1}"), 0);
}

TEST(more_names_than_fit_into_a_word_are_required_all_the_same)
{
    REPLICA_BUF schema = REPLICA_BUF_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&schema, "{'required':[");
    for (int i = 0; i < 300; i++)
        replica__buf_printf(&schema, "%s'name %d'", i ? "," : "", i);
    replica__buf_str(&schema, "]}");
    replica__buf_str(&text, "{");
    for (int i = 0; i < 299; i++)
        replica__buf_printf(&text, "%s'name %d':%d", i ? "," : "", i, i);
    replica__buf_str(&text, "}");
    CHECK_RC(judge(schema.data, text.data), REPLICA_ESCHEMA);
    CHECK_STR(test_err.message, "required: 'name 299' is missing (at /required)");
    text.data[text.len - 1] = ',';
    replica__buf_str(&text, "'name 299':0}");
    CHECK_RC(judge(schema.data, text.data), 0);
}

TEST(names_that_differ_in_their_middle_only_are_told_apart)
{
    REPLICA_BUF schema = REPLICA_BUF_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&schema, "{'additionalProperties':false,'properties':{");
    replica__buf_str(&text, "{");
    for (int i = 0; i < 20000; i++) {
        replica__buf_printf(&schema, "%s'beginning %05d end of it':{'const':%d}", i ? "," : "", i,
                            i);
        replica__buf_printf(&text, "%s'beginning %05d end of it':%d", i ? "," : "", i, i);
    }
    replica__buf_str(&schema, "}}");
    replica__buf_str(&text, "}");
    CHECK_RC(judge(schema.data, text.data), 0);
    text.data[text.len - 2] = '8';
    CHECK_RC(judge(schema.data, text.data), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/beginning 19999 end of it");
}

TEST(unevaluated_members_beyond_the_sixty_fourth_are_seen)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    const char *schema = "{'anyOf':[{'patternProperties':{'^a':true}},"
                         "{'required':['x'],'patternProperties':{'^b':true}}],"
                         "'unevaluatedProperties':false}";

    replica__buf_str(&text, "{");
    for (int i = 0; i < 500; i++)
        replica__buf_printf(&text, "%s'a%d':0", i ? "," : "", i);
    replica__buf_str(&text, "}");
    CHECK_RC(judge(schema, text.data), 0);
    text.data[text.len - 1] = ',';
    replica__buf_str(&text, "'b':0}");
    CHECK_RC(judge(schema, text.data), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/b");
}

TEST(many_elements_are_unique_or_not_by_their_content)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&text, "[");
    for (int i = 0; i < 20000; i++)
        replica__buf_printf(&text, "{'_n':%d,'t':'x'},", i);
    replica__buf_str(&text, "0]");
    CHECK_RC(judge("{'uniqueItems':true}", text.data), 0);
    text.len -= 2;
    replica__buf_str(&text, "{'t':'\\u0078','_n':7.0e0}]");
    CHECK_RC(judge("{'uniqueItems':true}", text.data), REPLICA_ESCHEMA);
    CHECK(strstr(test_err.message, "is there twice") != NULL);
}

TEST(a_value_is_found_among_many)
{
    REPLICA_BUF schema = REPLICA_BUF_INIT;

    replica__buf_str(&schema, "{'enum':[");
    for (int i = 0; i < 1000; i++)
        replica__buf_printf(&schema, "%d,'t%d',", i, i);
    replica__buf_str(&schema, "null]}");
    CHECK_RC(judge(schema.data, "'t999'"), 0);
    CHECK_RC(judge(schema.data, "5e2"), 0);
    CHECK_RC(judge(schema.data, "null"), 0);
    CHECK_RC(judge(schema.data, "'t1000'"), REPLICA_ESCHEMA);
    CHECK_STR(test_err.message, "enum: is none of the 2001 values (at /enum)");
}

TEST(a_schema_that_never_ends_is_stopped)
{
    CHECK_RC(judge("{'allOf':[{'$ref':'#'}]}", "1"), REPLICA_ELIMIT);
    CHECK_STR(test_err.message, "schemas within schemas without end");
    CHECK_RC(judge("{'not':{'$ref':'#'}}", "1"), REPLICA_ELIMIT);
    CHECK_RC(judge("{'dependentSchemas':{'a':{'$ref':'#'}}}", "{'a':1}"), REPLICA_ELIMIT);
    CHECK_RC(judge("{'dependentSchemas':{'a':{'$ref':'#'}}}", "{'b':1}"), 0);
}

TEST(what_cannot_be_decided_within_a_schema_is_not_decided_around_it)
{
    static const char *const around[] = {
        "{'anyOf':[{'$ref':'#/$defs/a'},true]", "{'oneOf':[{'$ref':'#/$defs/a'},true]",
        "{'not':{'$ref':'#/$defs/a'}",          "{'if':{'$ref':'#/$defs/a'},'then':true",
        "{'contains':{'$ref':'#/$defs/a'}",     "{'items':{'$ref':'#/$defs/a'}",
        "{'unevaluatedItems':{'$ref':'#/$defs/a'}",
    };

    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        char schema[300];

        strcpy(schema, around[i]);
        strcat(schema, ",'$defs':{'a':{'allOf':[{'$ref':'#/$defs/a'}]}}}");
        CHECK_RC(judge(schema, "[1]"), REPLICA_ELIMIT);
    }
}

/* Each schema asks the next one twice. */
TEST(a_schema_that_doubles_its_work_with_each_step_is_stopped)
{
    REPLICA_BUF schema = REPLICA_BUF_INIT;

    replica__buf_str(&schema, "{'$ref':'#/$defs/0','$defs':{");
    for (int i = 0; i < 60; i++)
        replica__buf_printf(&schema,
                            "'%d':{'allOf':[{'$ref':'#/$defs/%d'},{'$ref':'#/$defs/%d'}]},", i,
                            i + 1, i + 1);
    replica__buf_str(&schema, "'60':{'minimum':0}}}");
    CHECK_RC(judge(schema.data, "1"), REPLICA_ELIMIT);
    CHECK_STR(test_err.message, "too much work for one value");
}

TEST(a_pattern_that_takes_too_long_is_stopped)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&text, "'");
    for (int i = 0; i < 5000; i++)
        replica__buf_str(&text, "aaaaaaaaaa");
    replica__buf_str(&text, "!'");
    CHECK_RC(judge("{'pattern':'^(a|aa|aaa)+(b|c\\\\1)+$'}", text.data), REPLICA_ELIMIT);
}

TEST(a_value_as_deep_as_the_gate_lets_through_is_validated)
{
    char text[2100] = "";

    for (int i = 0; i < 999; i++)
        text[i] = '[';
    for (int i = 0; i < 999; i++)
        text[999 + i] = ']';
    CHECK_RC(judge("{'type':'array','items':{'$ref':'#'}}", text), 0);
    CHECK_RC(judge("{'$ref':'#/$defs/a','$defs':{'a':{'allOf':[{'type':'array'}],"
                   "'items':{'$ref':'#/$defs/a'}}}}",
                   text),
             0);
}

TEST(what_is_no_json_is_not_validated)
{
    replica_schema *schema = schema_of("true");

    CHECK_RC(validate_text(schema, "{'a':}"), REPLICA_EJSON);
    CHECK_INT(test_err.offset, 5);
    CHECK_RC(validate_text(schema, "1 2"), REPLICA_EJSON);
    CHECK_RC(replica_schema_validate(NULL, "1", 1, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_schema_validate(schema, NULL, 1, NULL, NULL, &test_err), REPLICA_EINVAL);
    replica_schema_unref(schema);
}

TEST(a_value_within_a_text_is_validated_where_it_stands)
{
    const char *text = " [\"abc\"] ";
    replica_schema *schema = schema_of("{'type':'string','maxLength':2}");
    struct replica__json_iter it = replica__json_iter(replica__json_value(text, strlen(text)));

    CHECK(replica__json_next(&it));
    CHECK_RC(replica__schema_validate_value(schema, it.value, NULL, NULL, &test_err),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "");
    CHECK_RC(replica__schema_validate_value(schema, it.value, NULL, NULL, NULL), REPLICA_ESCHEMA);
    replica_schema_unref(schema);
}

TEST(formats_assert_only_if_asked_for)
{
    replica_schema *schema = NULL;

    CHECK_RC(judge("{'format':'date'}", "'no date'"), 0);
    CHECK_RC(compile_with("{'format':'date'}", NULL, REPLICA_SCHEMA_FORMATS, &schema), 0);
    CHECK_RC(validate_text(schema, "'2024-02-29'"), 0);
    CHECK_RC(validate_text(schema, "'2023-02-29'"), REPLICA_ESCHEMA);
    CHECK_RC(validate_text(schema, "5"), 0);
    replica_schema_unref(schema);
}
