/* Values: what may be built, who owns what, what is refused. */
#include "values.h"

#include <pthread.h>

static void without_objects(void) {
    aster_value_t *list = aster_value_list(), *value = NULL;
    const aster_str_t bad = aster_str_lit("\xff", 1), none = aster_str(NULL);
    aster_bytes_t bytes;
    aster_str_t s;
    aster_slice_t raw;
    int32_t b;
    int64_t i;
    uint64_t u;
    double x;
    CHECK(aster_value_kind(NULL) == ASTER_VALUE_NULL && aster_value_len(NULL) == 0 && aster_value_clone(NULL) == NULL);
    CHECK(aster_value_at(NULL, 0) == NULL && aster_value_key_at(NULL, 0) == NULL);
    CHECK(aster_value_name_at(NULL, 0).ptr == NULL && aster_value_field(NULL, ASTER_STR("x")) == NULL);
    CHECK(aster_value_field(list, bad) == NULL && aster_value_field(list, none) == NULL);
    CHECK(aster_value_bytes(aster_slice(NULL, 3)) == NULL);
    aster_value_free(NULL);
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_string(none, &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_string(ASTER_STR("x"), NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_value_string(bad, &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_decimal(none, &value, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_decimal(ASTER_STR("NaN"), &value, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_decimal(ASTER_STR("1E+10001"), &value, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_decimal(ASTER_STR(""), &value, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_enum(ASTER_STR(""), &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_enum(none, &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_from_json(ASTER_STR("1"), NULL, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_from_json(ASTER_STR("{\"a\":1,\"a\":2}"), &value, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_from_json(ASTER_STR("[1,]"), &value, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_from_json(ASTER_STR("18446744073709551616"), &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_json(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_json(list, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_bool(NULL, &b, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_bool(list, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_int(NULL, &i, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_uint(NULL, &u, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_float(NULL, &x, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_str(NULL, &s, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_as_bytes(NULL, &raw, &err));
    CHECK(value == NULL);
    aster_value_free(list);
}

/* The numbers of the header are those of the interface. */
static void kinds(void) {
    aster_value_t *all[15];
    uint32_t i;
    all[0] = aster_value_null();
    all[1] = aster_value_bool(5);
    all[2] = aster_value_int(-1);
    all[3] = aster_value_uint(UINT64_MAX);
    all[4] = aster_value_float(0.5);
    all[5] = text("");
    all[6] = aster_value_bytes(aster_slice(NULL, 0));
    all[7] = aster_value_timestamp(-1);
    all[8] = aster_value_date(-1);
    all[9] = aster_value_duration(-999500);
    OK(aster_value_decimal(ASTER_STR("-12.500"), &all[10], &err));
    OK(aster_value_enum(ASTER_STR("RED"), &all[11], &err));
    all[12] = aster_value_list();
    all[13] = aster_value_map();
    all[14] = aster_value_record();
    for (i = 0; i < 15; i++) {
        int32_t b = 7;
        int64_t n;
        uint64_t u;
        double x;
        aster_str_t s;
        aster_slice_t raw;
        CHECK(aster_value_kind(all[i]) == i && aster_value_len(all[i]) == 0);
        if (i != ASTER_VALUE_BOOL) FAILS(ASTER_ERR_CODEC, aster_value_as_bool(all[i], &b, &err));
        if (i != ASTER_VALUE_INT && (i < ASTER_VALUE_TIMESTAMP || i > ASTER_VALUE_DURATION)) {
            FAILS(ASTER_ERR_CODEC, aster_value_as_int(all[i], &n, &err)); /* Of UINT too: it does not fit. */
        }
        if (i != ASTER_VALUE_UINT) FAILS(ASTER_ERR_CODEC, aster_value_as_uint(all[i], &u, &err));
        if (i != ASTER_VALUE_FLOAT && i != ASTER_VALUE_INT) FAILS(ASTER_ERR_CODEC, aster_value_as_float(all[i], &x, &err));
        if (i != ASTER_VALUE_STRING && i != ASTER_VALUE_DECIMAL && i != ASTER_VALUE_ENUM) {
            FAILS(ASTER_ERR_CODEC, aster_value_as_str(all[i], &s, &err));
        }
        if (i != ASTER_VALUE_BYTES) FAILS(ASTER_ERR_CODEC, aster_value_as_bytes(all[i], &raw, &err));
        CHECK(b == 7);
    }
    for (i = 0; i < 15; i++) {
        if (i < ASTER_VALUE_LIST) OK(aster_value_push(all[ASTER_VALUE_LIST], all[i], &err));
    }
    json_is(all[12], "[null,true,-1,18446744073709551615,0.5,\"\",\"\",\"1969-12-31T23:59:59.999999Z\",\"1969-12-31\","
                     "\"-0.999500s\",\"-12.500\",\"RED\"]");
    for (i = ASTER_VALUE_LIST; i < 15; i++) aster_value_free(all[i]);
}

/* Reading a number never loses any of it. */
static void numbers(void) {
    aster_value_t *big = aster_value_uint((UINT64_C(1) << 53) + 1), *even = aster_value_int(-(INT64_C(1) << 60));
    aster_value_t *most = aster_value_uint(UINT64_MAX), *small = aster_value_uint(5);
    double x;
    int64_t n;
    uint64_t u;
    FAILS(ASTER_ERR_CODEC, aster_value_as_float(big, &x, &err));
    FAILS(ASTER_ERR_CODEC, aster_value_as_float(most, &x, &err));
    OK(aster_value_as_float(even, &x, &err));
    CHECK(x == -1152921504606846976.0);
    OK(aster_value_as_int(small, &n, &err));
    OK(aster_value_as_uint(small, &u, &err));
    CHECK(n == 5 && u == 5);
    FAILS(ASTER_ERR_CODEC, aster_value_as_uint(even, &u, &err));
    aster_value_free(big);
    aster_value_free(even);
    aster_value_free(most);
    aster_value_free(small);
}

static void ownership(void) {
    aster_value_t *list = aster_value_list(), *inner = aster_value_list(), *map = aster_value_map();
    aster_value_t *record = aster_value_record(), *copy, *key = text("k");
    const aster_value_t *part;
    aster_str_t s;
    int i;
    OK(aster_value_push(inner, text("first"), &err));
    part = aster_value_at(inner, 0);
    OK(aster_value_as_str(part, &s, &err));
    for (i = 0; i < 100; i++) OK(aster_value_push(inner, aster_value_int(i), &err));
    CHECK(part == aster_value_at(inner, 0) && check_equal(s, "first")); /* Growth moves no part. */
    OK(aster_value_push(list, inner, &err));
    CHECK(aster_value_at(list, 0) == inner && aster_value_len(inner) == 101);
    /* A part changes no more, is not freed, and does not move elsewhere; the argument is taken all the same. */
    FAILS(ASTER_ERR_STATE, aster_value_push(inner, text("late"), &err));
    FAILS(ASTER_ERR_STATE, aster_value_push(map, inner, &err));
    FAILS(ASTER_ERR_STATE, aster_value_set(record, ASTER_STR("x"), inner, &err));
    aster_value_free(inner);
    CHECK(aster_value_len(inner) == 101);
    /* Wrong containers, absent ones, and themselves. */
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_push(map, text("taken"), &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_set(list, ASTER_STR("x"), text("taken"), &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_put(list, text("taken"), text("taken"), &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_push(NULL, text("taken"), &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_put(NULL, text("taken"), text("taken"), &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_set(NULL, ASTER_STR("x"), text("taken"), &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_push(list, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_put(map, NULL, text("taken"), &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_put(map, text("taken"), NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_set(record, ASTER_STR("x"), NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_value_set(record, aster_str(NULL), text("taken"), &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_value_set(record, aster_str_lit("\xff", 1), text("taken"), &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_set(record, ASTER_STR(""), text("taken"), &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_push(list, list, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_put(map, map, text("taken"), &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_put(map, text("taken"), map, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_put(map, key, key, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_value_set(record, ASTER_STR("x"), record, &err));
    CHECK(aster_value_len(map) == 0 && aster_value_len(record) == 0 && aster_value_len(list) == 1);
    OK(aster_value_put(map, text("a"), aster_value_null(), &err));
    OK(aster_value_set(record, ASTER_STR("f"), map, &err));
    FAILS(ASTER_ERR_STATE, aster_value_set(record, ASTER_STR("f"), text("twice"), &err));
    CHECK(aster_value_field(record, ASTER_STR("f")) == map && aster_value_field(record, ASTER_STR("g")) == NULL);
    /* A clone shares: the original is frozen, and either may go first. */
    copy = aster_value_clone(record);
    FAILS(ASTER_ERR_STATE, aster_value_set(record, ASTER_STR("g"), text("late"), &err));
    aster_value_free(record);
    json_is(copy, "{\"f\":{\"a\":null}}");
    record = aster_value_clone(aster_value_field(copy, ASTER_STR("f"))); /* A part outlives its container. */
    aster_value_free(copy);
    json_is(record, "{\"a\":null}");
    aster_value_free(record);
    aster_value_free(list);
}

static void from_json(void) {
    static const char TEXT[] = "{\"b\":[1,-0.0,18446744073709551615,null,true],\"a\":{\"x\":\"\xc3\xa9\"}}";
    aster_value_t *value = NULL, *part;
    OK(aster_value_from_json(aster_str(TEXT), &value, &err));
    CHECK(aster_value_kind(value) == ASTER_VALUE_RECORD && check_equal(aster_value_name_at(value, 1), "a"));
    CHECK(aster_value_kind(aster_value_at(aster_value_at(value, 0), 2)) == ASTER_VALUE_UINT);
    FAILS(ASTER_ERR_STATE, aster_value_set(value, ASTER_STR("c"), aster_value_null(), &err));
    json_is(value, TEXT);
    part = aster_value_clone(aster_value_at(value, 1));
    aster_value_free(value);
    json_is(part, "{\"x\":\"\xc3\xa9\"}");
    aster_value_free(part);
}

/* Depth is bounded when a tree is built, and freeing it takes no stack. */
static void depth(void) {
    aster_value_t *tree = aster_value_list(), *outer;
    aster_result_t result = ASTER_OK;
    int levels = 1;
    while (result == ASTER_OK && levels < 10000) {
        outer = aster_value_list();
        result = aster_value_push(outer, tree, NULL);
        tree = outer;
        levels++;
    }
    CHECK(result == ASTER_ERR_LIMIT && levels > 100);
    aster_value_free(tree);
}

static void *read_it(void *argument) {
    const aster_value_t *shared = argument;
    int i;
    for (i = 0; i < 1000; i++) {
        aster_value_t *copy = aster_value_clone(shared);
        CHECK(check_equal(aster_value_name_at(aster_value_at(copy, 0), 0), "x"));
        aster_value_free(copy);
    }
    return NULL;
}

static void threads(void) {
    pthread_t readers[4];
    aster_value_t *value = NULL;
    int i;
    OK(aster_value_from_json(ASTER_STR("[{\"x\":1}]"), &value, &err));
    for (i = 0; i < 4; i++) CHECK(pthread_create(&readers[i], NULL, read_it, value) == 0);
    for (i = 0; i < 4; i++) CHECK(pthread_join(readers[i], NULL) == 0);
    aster_value_free(value);
}

int main(void) {
    without_objects();
    kinds();
    numbers();
    ownership();
    from_json();
    depth();
    threads();
    printf("values: ok\n");
    return 0;
}
