/* What a finding says, and how many there are. */
#include "base/buf.h"
#include "tests/schema/schema_help.h"

/* One line for each finding: instance|schema|keyword|value */
struct log {
    struct replica__buf text;
    int left; /* stop when it is 0 */
};

static int note(void *ctx, const replica_schema_finding *f)
{
    struct log *log = ctx;

    replica__buf_printf(&log->text, "%s|%s|%s|%.*s\n", f->instance, f->schema, f->keyword,
                        (int)f->value_len, f->value);
    CHECK(f->message[0] != '\0');
    return --log->left == 0;
}

static void check_findings(const char *schema_text, const char *text, int most, const char *want)
{
    replica_schema *schema = schema_of(schema_text);
    struct log log = { REPLICA_BUF_INIT, most };
    char *json = quoted(text);
    char *lines = quoted(want);

    CHECK_RC(replica_schema_validate(schema, json, REPLICA_NUL, note, &log, &test_err),
             *want ? REPLICA_ESCHEMA : 0);
    CHECK_STR(log.text.len ? log.text.data : "", lines);
    replica__buf_free(&log.text);
    free(json);
    free(lines);
    replica_schema_unref(schema);
}

TEST(an_error_names_the_instance_path_the_keyword_the_reason_and_the_schema_path)
{
    CHECK_RC(judge("{'properties':{'name':{'maxLength':5}}}", "{'name':'abcdef'}"),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/name");
    CHECK_STR(test_err.message,
              "maxLength: longer than 5 characters (at /properties/name/maxLength)");
    CHECK_INT(test_err.offset, -1);
}

TEST(the_whole_value_has_an_empty_path)
{
    CHECK_RC(judge("{'required':['a']}", "{}"), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "");
    CHECK_STR(test_err.message, "required: 'a' is missing (at /required)");
}

TEST(paths_go_through_members_and_elements_and_are_escaped)
{
    check_findings("{'properties':{'a/b':{'items':{'properties':{'~':{'type':'null'}}}}}}",
                   "{'a/b':[{},{'~':1}]}", 0,
                   "/a~1b/1/~0|/properties/a~1b/items/properties/~0/type|type|1\n");
    check_findings("{'prefixItems':[true,{'const':[1]}]}", "[0,{'x':[2]}]", 0,
                   "/1|/prefixItems/1/const|const|{'x':[2]}\n");
}

TEST(deep_paths_are_whole)
{
    char schema[] = "{'$ref':'#/$defs/a','$defs':{'a':{'items':{'$ref':'#/$defs/a'},"
                    "'type':'array'}}}";
    char text[1000] = "";
    char path[1000] = "";
    replica_schema *s = schema_of(schema);
    struct log log = { REPLICA_BUF_INIT, 0 };

    for (int i = 0; i < 200; i++)
        strcat(text, "[");
    strcat(text, "1");
    for (int i = 0; i < 200; i++) {
        strcat(text, "]");
        strcat(path, "/0");
    }
    strcat(path, "|/$defs/a/type|type|1\n");
    CHECK_RC(replica_schema_validate(s, text, REPLICA_NUL, note, &log, &test_err),
             REPLICA_ESCHEMA);
    CHECK_STR(log.text.data, path);
    replica__buf_free(&log.text);
    replica_schema_unref(s);
}

TEST(all_findings_come_if_somebody_listens_and_the_error_has_the_first)
{
    check_findings("{'type':'object','required':['a','b'],'properties':{'c':{'type':'string',"
                   "'minLength':3},'d':{'minimum':3,'multipleOf':2}},'additionalProperties':false}",
                   "{'c':1,'d':1,'e':0}", 0,
                   "/c|/properties/c/type|type|1\n"
                   "/d|/properties/d/minimum|minimum|1\n"
                   "/d|/properties/d/multipleOf|multipleOf|1\n"
                   "/e|/additionalProperties|additionalProperties|0\n"
                   "|/required|required|{'c':1,'d':1,'e':0}\n"
                   "|/required|required|{'c':1,'d':1,'e':0}\n");
    CHECK_STR(test_err.where, "/c");
    CHECK_STR(test_err.message,
              "type: is a number, which is not allowed (at /properties/c/type)");
}

TEST(findings_end_when_the_listener_says_so)
{
    check_findings("{'items':{'type':'null'}}", "[1,2,3]", 2,
                   "/0|/items/type|type|1\n/1|/items/type|type|2\n");
}

TEST(a_valid_value_has_no_findings)
{
    check_findings("{'anyOf':[{'type':'null'},{'type':'number'}],'not':{'type':'string'}}", "1", 0,
                   "");
}

TEST(what_only_decides_is_not_reported)
{
    check_findings("{'anyOf':[{'type':'null'},{'minimum':3}]}", "1", 0, "|/anyOf|anyOf|1\n");
    check_findings("{'oneOf':[true,{'minimum':0}]}", "1", 0, "|/oneOf|oneOf|1\n");
    check_findings("{'not':{'minimum':0}}", "1", 0, "|/not|not|1\n");
    check_findings("{'contains':{'minimum':3}}", "[1]", 0, "|/contains|contains|[1]\n");
    check_findings("{'if':{'minimum':3},'then':false,'else':{'const':2}}", "1", 0,
                   "|/else/const|const|1\n");
}

TEST(all_of_and_references_report_where_the_keyword_stands)
{
    check_findings("{'allOf':[{'$ref':'#/$defs/a'}],'$defs':{'a':{'type':'null'}}}", "1", 0,
                   "|/$defs/a/type|type|1\n");
}

TEST(a_false_schema_is_reported_by_its_place)
{
    check_findings("{'properties':{'a':false}}", "{'a':1}", 0, "/a|/properties/a||1\n");
    check_findings("{'unevaluatedItems':false}", "[1]", 0,
                   "/0|/unevaluatedItems|unevaluatedItems|1\n");
}

TEST(a_resource_within_the_schema_is_named_by_its_path)
{
    check_findings("{'$ref':'http://x/y','$defs':{'a':{'$id':'http://x/y','type':'null'}}}", "1",
                   0, "|/$defs/a/type|type|1\n");
}

TEST(a_message_is_one_line_of_text_whatever_it_quotes)
{
    CHECK_RC(judge("{'required':['a\\nb\\u0007\\ud800']}", "{}"), REPLICA_ESCHEMA);
    CHECK_STR(test_err.message, "required: 'a\\u000ab\\u0007\\ufffd\\ufffd\\ufffd' is missing "
                                "(at /required)");
}

TEST(a_path_goes_on_behind_a_name_with_a_nul)
{
    check_findings("{'properties':{'a\\u0000b':{'type':'null'}}}", "{'a\\u0000b':1}", 0,
                   "/a\\u0000b|/properties/a\\u0000b/type|type|1\n");
}

TEST(a_long_value_does_not_make_a_long_message)
{
    char schema[] = "{'uniqueItems':true}";
    char text[3000] = "['";

    for (int i = 0; i < 1000; i++)
        strcat(text, "x");
    strcat(text, "','");
    for (int i = 0; i < 1000; i++)
        strcat(text, "x");
    strcat(text, "']");
    CHECK_RC(judge(schema, text), REPLICA_ESCHEMA);
    CHECK(strlen(test_err.message) < 200);
}
