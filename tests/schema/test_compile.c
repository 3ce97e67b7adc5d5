/* What is no schema is refused, and the error says where. */
#include "tests/schema/schema_help.h"

#include <stdio.h>

TEST(a_schema_is_an_object_or_a_boolean)
{
    CHECK_REFUSED("3", REPLICA_ESCHEMA, "", "a schema is an object or a boolean");
    CHECK_REFUSED("[]", REPLICA_ESCHEMA, "", "a schema is an object or a boolean");
    CHECK_RC(judge("true", "1"), 0);
    CHECK_RC(judge("false", "1"), REPLICA_ESCHEMA);
}

TEST(what_is_no_json_is_no_schema)
{
    replica_schema *schema = NULL;

    CHECK_RC(compile_with("{'type':}", NULL, 0, &schema), REPLICA_EJSON);
    CHECK_INT(test_err.offset, 8);
    CHECK_RC(compile_with("{'type':'object','type':'object'}", NULL, 0, &schema), REPLICA_EJSON);
    CHECK(schema == NULL);
}

TEST(a_keyword_of_the_wrong_type_is_refused_with_its_path)
{
    CHECK_REFUSED("{'properties':{'a':{'maxLength':'5'}}}", REPLICA_ESCHEMA, "/properties/a",
                  "maxLength: must be an integer");
    CHECK_REFUSED("{'items':{'minItems':-1}}", REPLICA_ESCHEMA, "/items",
                  "minItems: must not be below 0");
    CHECK_REFUSED("{'maxItems':1.5}", REPLICA_ESCHEMA, "", "maxItems: must be an integer");
    CHECK_REFUSED("{'allOf':[true,{'type':'text'}]}", REPLICA_ESCHEMA, "/allOf/1",
                  "type: \"text\" is no type");
    CHECK_REFUSED("{'type':[]}", REPLICA_ESCHEMA, "", "type: names no type");
    CHECK_REFUSED("{'type':['string',1]}", REPLICA_ESCHEMA, "", "type: 1 is no type");
    CHECK_REFUSED("{'required':'a'}", REPLICA_ESCHEMA, "", "required: must be a list of names");
    CHECK_REFUSED("{'required':[1]}", REPLICA_ESCHEMA, "", "required: must be a text");
    CHECK_REFUSED("{'enum':{}}", REPLICA_ESCHEMA, "", "enum: must be a list of values");
    CHECK_REFUSED("{'minimum':'1'}", REPLICA_ESCHEMA, "", "minimum: must be a number");
    CHECK_REFUSED("{'uniqueItems':1}", REPLICA_ESCHEMA, "", "uniqueItems: must be true or false");
    CHECK_REFUSED("{'multipleOf':0}", REPLICA_ESCHEMA, "", "multipleOf: must be above 0");
    CHECK_REFUSED("{'anyOf':[]}", REPLICA_ESCHEMA, "", "anyOf: must not be empty");
    CHECK_REFUSED("{'allOf':{}}", REPLICA_ESCHEMA, "", "allOf: must be a list of schemas");
    CHECK_REFUSED("{'not':1}", REPLICA_ESCHEMA, "", "not: must be a schema");
    CHECK_REFUSED("{'properties':[]}", REPLICA_ESCHEMA, "", "properties: must be an object");
    CHECK_REFUSED("{'dependentRequired':{'a':'b'}}", REPLICA_ESCHEMA, "",
                  "dependentRequired: must be a list of names");
    CHECK_REFUSED("{'items':[true]}", REPLICA_ESCHEMA, "", "items: must be a schema");
    CHECK_REFUSED("{'title':1}", REPLICA_ESCHEMA, "", "title: must be a text");
    CHECK_REFUSED("{'format':1}", REPLICA_ESCHEMA, "", "format: must be a text");
}

TEST(maps_are_objects_and_divisors_are_numbers)
{
    CHECK_REFUSED("{'$defs':[]}", REPLICA_ESCHEMA, "", "$defs: must be an object");
    CHECK_REFUSED("{'patternProperties':[]}", REPLICA_ESCHEMA, "",
                  "patternProperties: must be an object");
    CHECK_REFUSED("{'dependentSchemas':[]}", REPLICA_ESCHEMA, "",
                  "dependentSchemas: must be an object");
    CHECK_REFUSED("{'multipleOf':'2'}", REPLICA_ESCHEMA, "", "multipleOf: must be a number");
}

TEST(a_divisor_of_too_many_digits_is_refused)
{
    char text[300] = "{'multipleOf':";

    for (int i = 0; i < 181; i++)
        strcat(text, "3");
    strcat(text, "}");
    CHECK_REFUSED(text, REPLICA_ELIMIT, "", "multipleOf: more than 180 digits");
}

TEST(a_path_escapes_what_a_json_pointer_escapes)
{
    CHECK_REFUSED("{'$defs':{'a/b~c':{'type':1}}}", REPLICA_ESCHEMA, "/$defs/a~1b~0c",
                  "type: 1 is no type");
}

TEST(a_pattern_that_is_none_is_refused)
{
    replica_schema *schema = NULL;

    CHECK_RC(compile_with("{'properties':{'a':{'pattern':'(a'}}}", NULL, 0, &schema),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/properties/a");
    CHECK(strstr(test_err.message, "pattern: '(a' is no pattern: ") == test_err.message);
    CHECK_RC(compile_with("{'patternProperties':{'[':true}}", NULL, 0, &schema), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "");
}

TEST(a_reference_that_leads_nowhere_is_refused)
{
    CHECK_REFUSED("{'properties':{'a':{'$ref':'#/$defs/b'}}}", REPLICA_ESCHEMA,
                  "/properties/a/$ref",
                  "'#/$defs/b' leads nowhere: there is nothing in that schema");
    CHECK_REFUSED("{'$ref':'#b'}", REPLICA_ESCHEMA, "/$ref",
                  "'#b' leads nowhere: there is nothing in that schema");
    CHECK_REFUSED("{'items':{'$ref':'http://example.com/x.json'}}", REPLICA_ESCHEMA, "/items/$ref",
                  "'http://example.com/x.json' leads nowhere: no such schema is in the registry");
    CHECK_REFUSED("{'enum':[1],'$ref':'#/enum/0'}", REPLICA_ESCHEMA, "", "$ref: '#/enum/0' is no "
                  "schema");
}

TEST(a_pointer_goes_through_lists_by_number)
{
    CHECK_RC(judge("{'prefixItems':[true,{'type':'null'}],'$ref':'#/prefixItems/1'}", "1"),
             REPLICA_ESCHEMA);
    CHECK_REFUSED("{'allOf':[true],'$ref':'#/allOf/1'}", REPLICA_ESCHEMA, "/$ref",
                  "'#/allOf/1' leads nowhere: there is nothing in that schema");
    CHECK_REFUSED("{'allOf':[true],'$ref':'#/allOf/00'}", REPLICA_ESCHEMA, "/$ref",
                  "'#/allOf/00' leads nowhere: there is nothing in that schema");
    CHECK_REFUSED("{'allOf':[true],'$ref':'#/allOf/x'}", REPLICA_ESCHEMA, "/$ref",
                  "'#/allOf/x' leads nowhere: there is nothing in that schema");
    CHECK_REFUSED("{'allOf':[true],'$ref':'#/allOf/0/x'}", REPLICA_ESCHEMA, "/$ref",
                  "'#/allOf/0/x' leads nowhere: there is nothing in that schema");
}

TEST(references_that_only_lead_to_each_other_are_refused)
{
    CHECK_REFUSED("{'$ref':'#'}", REPLICA_ESCHEMA, "",
                  "$ref: leads back to itself and to nothing else");
    CHECK_REFUSED("{'$ref':'#/$defs/a','$defs':{'a':{'$ref':'#/$defs/b'},"
                  "'b':{'$ref':'#/$defs/a'}}}",
                  REPLICA_ESCHEMA, "/$defs/a", "$ref: leads back to itself and to nothing else");
}

TEST(a_draft_that_is_not_known_is_refused)
{
    CHECK_REFUSED("{'$schema':'http://json-schema.org/draft-03/schema#'}", REPLICA_ENOTSUP, "",
                  "$schema: 'http://json-schema.org/draft-03/schema#' is no draft that is known "
                  "here, and no metaschema in the registry");
    CHECK_REFUSED("{'$schema':1}", REPLICA_ESCHEMA, "", "$schema: must be a text");
}

TEST(identifiers_are_texts_and_unlike_each_other)
{
    CHECK_REFUSED("{'$id':1}", REPLICA_ESCHEMA, "", "$id: must be a text");
    CHECK_REFUSED("{'$id':'http://a/b#c'}", REPLICA_ESCHEMA, "", "$id: must have no fragment");
    CHECK_REFUSED("{'$defs':{'a':{'$id':'http://a/b'},'b':{'$id':'http://a/b'}}}", REPLICA_ESCHEMA,
                  "/$defs/b", "$id: another schema has it");
    CHECK_REFUSED("{'$defs':{'a':{'$anchor':'x'},'b':{'$anchor':'x'}}}", REPLICA_ESCHEMA,
                  "/$defs/b", "$anchor: the name is taken in this schema");
    CHECK_REFUSED("{'$dynamicAnchor':1}", REPLICA_ESCHEMA, "", "$dynamicAnchor: must be a text");
}

TEST(a_schema_may_be_a_static_and_a_dynamic_anchor_of_one_name)
{
    CHECK_RC(judge("{'items':{'$dynamicRef':'#x'},'$defs':{'a':{'$anchor':'x',"
                   "'$dynamicAnchor':'x','type':'null'}}}",
                   "[1]"),
             REPLICA_ESCHEMA);
}

TEST(draft_4_has_no_boolean_schemas_but_for_what_is_additional)
{
    CHECK_REFUSED("{'$schema':'http://json-schema.org/draft-04/schema#','properties':{'a':true}}",
                  REPLICA_ESCHEMA, "", "properties: must be an object in draft 4");
    CHECK_RC(judge("{'$schema':'http://json-schema.org/draft-04/schema#',"
                   "'additionalProperties':false}",
                   "{'a':1}"),
             REPLICA_ESCHEMA);
}

TEST(each_draft_has_its_own_keywords)
{
    CHECK_RC(judge("{'$schema':'http://json-schema.org/draft-07/schema#','prefixItems':[false]}",
                   "[1]"),
             0);
    CHECK_RC(judge("{'$schema':'http://json-schema.org/draft-04/schema#','const':1}", "2"), 0);
    CHECK_RC(judge("{'$schema':'http://json-schema.org/draft-04/schema#','type':'integer'}",
                   "1.0"),
             REPLICA_ESCHEMA);
    CHECK_RC(judge("{'type':'integer'}", "1.0"), 0);
}

TEST(keywords_that_nobody_knows_are_annotations)
{
    CHECK_RC(judge("{'x-unknown':{'type':3},'$comment':7,'default':{'type':1}}", "1"), 0);
}

TEST(a_keyword_may_be_spelled_with_escapes)
{
    CHECK_RC(judge("{'\\u0074ype':'string'}", "1"), REPLICA_ESCHEMA);
}

TEST(definitions_that_nobody_refers_to_must_be_right_too)
{
    CHECK_REFUSED("{'definitions':{'a':{'$ref':'#/nowhere'}}}", REPLICA_ESCHEMA,
                  "/definitions/a/$ref",
                  "'#/nowhere' leads nowhere: there is nothing in that schema");
}

/* Nothing recurses along references, however long they are. */
TEST(a_chain_of_references_may_be_long)
{
    enum { LINKS = 3000 }; /* more than schemas may be applied within each other */
    size_t room = (size_t)LINKS * 40 + 100;
    char *text = malloc(room);
    replica_schema *schema = NULL;
    size_t n;

    CHECK(text != NULL);
    n = (size_t)snprintf(text, room, "{'$defs':{");
    for (int i = 0; i < LINKS; i++)
        n += (size_t)snprintf(text + n, room - n, "'%d':{'$ref':'#/$defs/%d'},", i, i + 1);
    snprintf(text + n, room - n, "'%d':{'type':'null'}}}", LINKS);
    text[strlen(text) - 1] = ',';
    strcat(text, "'$ref':'#/$defs/0'}");
    CHECK_RC(compile_with(text, NULL, 0, &schema), 0);
    CHECK_RC(validate_text(schema, "null"), 0);
    CHECK_RC(validate_text(schema, "1"), REPLICA_ESCHEMA);
    CHECK_STR(test_err.message, "type: is a number, which is not allowed (at /$defs/3000/type)");
    replica_schema_unref(schema);
    free(text);
}
