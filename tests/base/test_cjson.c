/* libreplica/cjson.h: text to tree and back as an edit.  (With documents: tests/libreplica.) */
#include "libreplica/cjson.h"

#include "base/json.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

static void delete_tree(cJSON **tree)
{
    cJSON_Delete(*tree);
}
#define TREE __attribute__((cleanup(delete_tree))) cJSON *

static void free_text(char **text)
{
    cJSON_free(*text);
}
#define TEXT __attribute__((cleanup(free_text))) char *

static cJSON *get(cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* All that cJSON would damage. */
static const char hard[] =
    "{ \"big\" : 9007199254740993, \"long\":0.1000000000000000055511151231257827,\"huge\":1e400,\n"
    "\"nul\":\"x\\u0000y\",\"lone\":\"\\ud800\",\"a\\u0000b\":1,\"a\":2, \"esc\":\"\\u0041\\/\","
    "\"digits\":123456789012345678901234567890123456789012345678901234567890123456789012345,"
    "\"in\":{ \"big\": 9007199254740993 , \"n\":1.0 },\"list\":[ 1.0 , 9007199254740993, {\"x\" : "
    "1.50} ] }";

TEST(a_tree_that_was_not_changed_is_the_text_that_it_came_from)
{
    TREE tree = replica_cjson_tree(hard);
    TEXT text = replica_cjson_text(hard, tree);

    CHECK_STR(text, hard);
}

TEST(a_tree_holds_what_the_text_says)
{
    TREE tree = replica_cjson_tree(" { \"s\":\"\\u00e9\\ud83d\\ude00\\n\\\"\" , \"n\":-12.5e-1,"
                                   "\"\\u0074\":true,\"f\":false,\"z\":null,\"a\":[1,[],{}]}");

    CHECK_STR(cJSON_GetStringValue(get(tree, "s")), "\xC3\xA9\xF0\x9F\x98\x80\n\"");
    CHECK(cJSON_GetNumberValue(get(tree, "n")) == -1.25);
    CHECK(cJSON_IsTrue(get(tree, "t")) && cJSON_IsFalse(get(tree, "f")));
    CHECK(cJSON_IsNull(get(tree, "z")));
    CHECK_INT(cJSON_GetArraySize(get(tree, "a")), 3);
    CHECK(cJSON_IsObject(cJSON_GetArrayItem(get(tree, "a"), 2)));
}

TEST(only_what_was_changed_is_printed_anew)
{
    TREE tree = replica_cjson_tree(hard);
    TEXT text = NULL;

    cJSON_SetNumberValue(get(get(tree, "in"), "n"), 2);
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "esc");
    cJSON_AddStringToObject(tree, "new", "\x01\"\\");
    text = replica_cjson_text(hard, tree);
    CHECK_STR(text,
              "{\"big\" : 9007199254740993,\"long\":0.1000000000000000055511151231257827,"
              "\"huge\":1e400,\"nul\":\"x\\u0000y\",\"lone\":\"\\ud800\",\"a\\u0000b\":1,\"a\":2,"
              "\"digits\":"
              "123456789012345678901234567890123456789012345678901234567890123456789012345,"
              "\"in\":{\"big\": 9007199254740993,\"n\":2},\"list\":[ 1.0 , 9007199254740993, "
              "{\"x\" : 1.50} ],\"new\":\"\\u0001\\\"\\\\\"}");
}

TEST(elements_keep_their_bytes_when_others_come_and_go)
{
    static const char json[] = "{\"l\":[9007199254740993, 1e400 ,{\"a\":1.0,\"b\":1.00},"
                               "\"\\u0041\"]}";
    TREE gone = replica_cjson_tree(json);
    TREE more = replica_cjson_tree(json);
    TREE edited = replica_cjson_tree(json);
    TEXT text = NULL;

    cJSON_DeleteItemFromArray(get(gone, "l"), 0);
    text = replica_cjson_text(json, gone);
    CHECK_STR(text, "{\"l\":[1e400,{\"a\":1.0,\"b\":1.00},\"\\u0041\"]}");
    cJSON_free(text);

    CHECK(cJSON_InsertItemInArray(get(more, "l"), 0, cJSON_CreateNumber(0.1)));
    text = replica_cjson_text(json, more);
    CHECK_STR(text, "{\"l\":[0.1,9007199254740993,1e400,{\"a\":1.0,\"b\":1.00},\"\\u0041\"]}");
    cJSON_free(text);

    cJSON_SetNumberValue(get(cJSON_GetArrayItem(get(edited, "l"), 2), "a"), 2);
    cJSON_DeleteItemFromArray(get(edited, "l"), 1);
    text = replica_cjson_text(json, edited);
    CHECK_STR(text, "{\"l\":[9007199254740993,{\"a\":2,\"b\":1.00},\"\\u0041\"]}");
}

TEST(a_new_element_does_not_cost_its_neighbours_their_bytes)
{
    static const char json[] = "[{\"n\":9007199254740993},{\"n\":1.0,\"m\":1.00}]";
    TREE tree = replica_cjson_tree(json);
    cJSON *new_one = cJSON_CreateObject();
    TEXT text = NULL;

    cJSON_AddNumberToObject(new_one, "n", 5);
    CHECK(cJSON_InsertItemInArray(tree, 0, new_one));
    cJSON_SetNumberValue(get(cJSON_GetArrayItem(tree, 2), "n"), 6);
    text = replica_cjson_text(json, tree);
    CHECK_STR(text, "[{\"n\":5},{\"n\":9007199254740993},{\"n\":6,\"m\":1.00}]");
}

TEST(elements_in_another_order_keep_their_bytes)
{
    static const char json[] = "[9007199254740993,1.0,{\"a\":1.00},1e2]";
    TREE tree = replica_cjson_tree(json);
    TEXT text = NULL;

    cJSON_AddItemToArray(tree, cJSON_DetachItemFromArray(tree, 0));
    cJSON_AddItemToArray(tree, cJSON_DetachItemFromArray(tree, 0));
    text = replica_cjson_text(json, tree);
    CHECK_STR(text, "[{\"a\":1.00},1e2,9007199254740993,1.0]");
}

TEST(a_change_of_type_prints_the_new_value)
{
    static const char json[] = "{\"a\":{\"x\":1.0},\"b\":[1.0],\"c\":1.0}";
    TREE tree = replica_cjson_tree(json);
    TEXT text = NULL;

    cJSON_ReplaceItemInObjectCaseSensitive(tree, "a", cJSON_CreateArray());
    cJSON_ReplaceItemInObjectCaseSensitive(tree, "b", cJSON_CreateNull());
    cJSON_ReplaceItemInObjectCaseSensitive(tree, "c", cJSON_CreateRaw("[ 1 ]"));
    text = replica_cjson_text(json, tree);
    CHECK_STR(text, "{\"a\":[],\"b\":null,\"c\":[ 1 ]}");
}

TEST(members_in_another_order_keep_their_bytes)
{
    static const char json[] = "{\"a\":1.0,\"b\":2.0,\"c\":3.0}";
    TREE tree = replica_cjson_tree(json);
    TEXT text = NULL;

    cJSON_AddItemToObject(tree, "a", cJSON_DetachItemFromObjectCaseSensitive(tree, "a"));
    text = replica_cjson_text(json, tree);
    CHECK_STR(text, "{\"b\":2.0,\"c\":3.0,\"a\":1.0}");
}

/* cJSON's own comparison would call these two the same. */
TEST(the_smallest_change_of_a_number_is_a_change)
{
    TREE tree = replica_cjson_tree("{\"n\":0.1}");
    TEXT text = NULL;

    cJSON_SetNumberValue(get(tree, "n"), 0.10000000000000002);
    text = replica_cjson_text("{\"n\":0.1}", tree);
    CHECK_STR(text, "{\"n\":0.10000000000000002}");
}

TEST(without_an_original_all_is_printed)
{
    TREE tree = cJSON_CreateObject();
    TEXT text = NULL;

    cJSON_AddNumberToObject(tree, "i", 9007199254740991.0);
    cJSON_AddNumberToObject(tree, "j", 5000000000000001.0);
    cJSON_AddNumberToObject(tree, "d", 0.1);
    cJSON_AddNumberToObject(tree, "e", 1e300);
    cJSON_AddNumberToObject(tree, "inf", 1e300 * 1e300);
    cJSON_AddItemToObject(tree, "l", cJSON_CreateStringArray((const char *[]){ "a", "b" }, 2));
    text = replica_cjson_text(NULL, tree);
    CHECK_STR(text, "{\"i\":9007199254740991,\"j\":5000000000000001,\"d\":0.1,\"e\":1e+300,"
                    "\"inf\":null,\"l\":[\"a\",\"b\"]}");
}

TEST(a_lone_surrogate_that_moved_is_an_escape_again)
{
    TREE tree = replica_cjson_tree("{\"s\":\"\\udbff\"}");
    TEXT text = replica_cjson_text(NULL, tree);

    CHECK_STR(text, "{\"s\":\"\\udbff\"}");
}

TEST(every_double_survives_the_way_through_text)
{
    uint64_t dice = 3;

    for (int i = 0; i < 20000; i++) {
        uint64_t bits = dice_roll(&dice);
        TREE tree = NULL;
        TREE number = NULL;
        TEXT text = NULL;
        double x;

        memcpy(&x, &bits, sizeof(x));
        if (x - x != 0)
            continue;
        number = cJSON_CreateNumber(x);
        text = replica_cjson_text(NULL, number);
        CHECK_RC(replica__json_check(text, strlen(text), NULL, &test_err), 0);
        CHECK(replica__json_double(replica__json_value(text, strlen(text))) == x);
        tree = replica_cjson_tree(text);
        CHECK(tree->valuedouble == x);
    }
}

/* The exact reader of base/ is the reference. */
TEST(numbers_in_any_spelling_are_read_as_the_nearest_double)
{
    static const char *const texts[] = {
        "0", "-0", "0.0", "0.001", "-0.00100", "100.5e-3", "1E+2", "123456789012345678901234567890",
        "1e400", "-1e400", "1e-400", "0e999999999999", "1e99999999999999999999", "0.1e309",
        "4.9406564584124654e-324", "9007199254740993", "-12.5e-1", "1.000000000000000000000001",
        "0.0000000000000000000000000000000000000000000000000000000000000000000000000000000001e82",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        TREE tree = replica_cjson_tree(texts[i]);

        CHECK(tree->valuedouble ==
              replica__json_double(replica__json_value(texts[i], strlen(texts[i]))));
    }
}

TEST(a_failed_allocation_gives_no_tree_and_no_text)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        cJSON *tree;

        fault_alloc(nth);
        tree = replica_cjson_tree(hard);
        failed = fault_stop();
        CHECK((tree == NULL) == failed);
        cJSON_Delete(tree);
    }
    for (int nth = 0, failed = 1; failed; nth++) {
        TREE tree = replica_cjson_tree(hard);
        TEXT text = NULL;

        cJSON_SetNumberValue(get(tree, "a"), 7);
        fault_alloc(nth);
        text = replica_cjson_text(hard, tree);
        failed = fault_stop();
        CHECK((text == NULL) == failed);
    }
}
