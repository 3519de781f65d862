/* Values: what may be built, who owns what, what is refused; and as payloads of calls. */
#include "fixture.h"

#include <pthread.h>

#define TREE \
    "{\"service\":\"Tree\",\"version\":1,\"types\":{\"t/Node\":{\"fields\":[{\"name\":\"name\",\"type\":\"string\"}," \
    "{\"name\":\"next\",\"type\":\"t/Node?\"},{\"name\":\"n\",\"type\":\"int\",\"default\":7}]}}," \
    "\"methods\":[{\"name\":\"m\",\"pattern\":\"unary\",\"request\":\"t/Node\",\"response\":\"int\"}]}"

static aster_value_t *text(const char *of) {
    aster_value_t *out = NULL;
    OK(aster_value_string(aster_str(of), &out, &err));
    return out;
}

static void json_is(const aster_value_t *value, const char *wanted) {
    aster_bytes_t json;
    OK(aster_value_json(value, &json, &err));
    if (!check_bytes_equal(json, wanted)) fprintf(stderr, "got %s\nwant %s\n", (char *)json.ptr, wanted);
    CHECK(check_bytes_equal(json, wanted));
    aster_bytes_free(&json);
}

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

static void contracts(void) {
    const aster_str_t node = ASTER_STR("t/Node");
    aster_contract_t *contract = NULL, *again = NULL;
    aster_value_t *record = aster_value_record(), *value = NULL;
    aster_bytes_t bytes, manifest;
    OK(aster_contract_parse(ASTER_STR(TREE), &contract, &err));
    OK(aster_value_set(record, ASTER_STR("name"), text("a"), &err));
    OK(aster_contract_encode(contract, node, ASTER_MODE_JSON, record, &bytes, &err)); /* Absent fields take defaults. */
    CHECK(check_bytes_equal(bytes, "{\"name\":\"a\",\"next\":null,\"n\":7}"));
    aster_bytes_free(&bytes);
    OK(aster_contract_encode(contract, node, ASTER_MODE_NATIVE, record, &bytes, &err));
    OK(aster_contract_decode(contract, node, ASTER_MODE_AUTO, aster_slice(bytes.ptr, bytes.len), &value, &err));
    FAILS(ASTER_ERR_STATE, aster_value_set(value, ASTER_STR("x"), aster_value_null(), &err)); /* Received. */
    aster_value_free(value);
    aster_bytes_free(&bytes);
    OK(aster_contract_decode(contract, ASTER_STR("int"), ASTER_MODE_AUTO, aster_slice("\x01\xff\x07\x01", 4), &value, &err));
    aster_value_free(value);
    value = NULL;
    FAILS(ASTER_ERR_NOT_FOUND, aster_contract_encode(contract, ASTER_STR("t/Other"), 0, record, &bytes, &err));
    FAILS(ASTER_ERR_NOT_FOUND, aster_contract_decode(contract, ASTER_STR("list<int>"), 0, aster_slice("1", 1), &value, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_contract_encode(contract, node, 9, record, &bytes, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_contract_encode(contract, aster_str_lit("\xff", 1), 0, record, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_encode(NULL, node, 0, record, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_encode(contract, aster_str(NULL), 0, record, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_encode(contract, node, 0, NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_encode(contract, node, 0, record, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_decode(NULL, node, 0, aster_slice("1", 1), &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_decode(contract, node, 0, aster_slice(NULL, 0), &value, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_decode(contract, node, 0, aster_slice("1", 1), NULL, &err));
    FAILS(ASTER_ERR_CODEC, aster_contract_decode(contract, node, 0, aster_slice("", 0), &value, &err));
    CHECK(value == NULL);
    OK(aster_contract_manifest(contract, &manifest, &err));
    OK(aster_contract_from_manifest(aster_str((const char *)manifest.ptr), &again, &err));
    CHECK(memcmp(aster_contract_id(again).ptr, aster_contract_id(contract).ptr, 64) == 0);
    OK(aster_contract_encode(again, node, ASTER_MODE_JSON, record, &bytes, &err));
    CHECK(check_bytes_equal(bytes, "{\"name\":\"a\",\"next\":null,\"n\":7}"));
    aster_bytes_free(&bytes);
    aster_contract_free(contract);
    OK(aster_contract_description(again, &bytes, &err));
    OK(aster_contract_parse(aster_str((const char *)bytes.ptr), &contract, &err)); /* The description stands for it. */
    CHECK(memcmp(aster_contract_id(again).ptr, aster_contract_id(contract).ptr, 64) == 0);
    aster_bytes_free(&bytes);
    aster_contract_free(again);
    again = NULL;
    strstr(strstr((char *)manifest.ptr, "\"types\""), "\"next\"")[1] = 'N';
    FAILS(ASTER_ERR_CONTRACT, aster_contract_from_manifest(aster_str((const char *)manifest.ptr), &again, &err));
    FAILS(ASTER_ERR_CONTRACT, aster_contract_from_manifest(ASTER_STR("{}"), &again, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_from_manifest(aster_str(NULL), &again, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_from_manifest(ASTER_STR("{}"), NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_contract_from_manifest(aster_str_lit("\xff", 1), &again, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_manifest(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_manifest(contract, NULL, &err));
    CHECK(again == NULL);
    aster_bytes_free(&manifest);
    aster_value_free(record);
    aster_contract_free(contract);
}

static aster_value_t *named(const char *name) {
    aster_value_t *request = aster_value_record();
    OK(aster_value_set(request, ASTER_STR("name"), text(name), &err));
    return request;
}

static void calls(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_value_t *request = named("World"), *reply = NULL, *kept, *misfit = aster_value_record();
    aster_payload_t payload = aster_payload_value(request);
    aster_call_t *started = NULL;
    aster_cq_t *cq = NULL;
    aster_event_t event;
    aster_bytes_t bytes;
    int mode;
    for (mode = ASTER_MODE_XLANG; mode <= ASTER_MODE_JSON; mode += ASTER_MODE_JSON - ASTER_MODE_XLANG) {
        call.mode = mode;
        call.deliver = ASTER_PAYLOAD_JSON;
        OK(aster_call_unary(f->client, &call, &payload, &bytes, &err));
        CHECK(check_bytes_equal(bytes, "{\"message\":\"Hello, World!\"}"));
        aster_bytes_free(&bytes);
        call.deliver = ASTER_PAYLOAD_VALUE;
        FAILS(ASTER_ERR_STATE, aster_call_unary(f->client, &call, &payload, &bytes, &err));
        OK(aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
        FAILS(ASTER_ERR_STATE, aster_call_read(started, -1, &bytes, &err));
        OK(aster_call_read_value(started, -1, &reply, &err));
        json_is(reply, "{\"message\":\"Hello, World!\"}");
        aster_value_free(reply);
        CHECK(aster_call_read_value(started, -1, &reply, NULL) == ASTER_END);
        aster_call_free(started);
    }
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_read_value(NULL, -1, &reply, &err));
    call.deliver = ASTER_PAYLOAD_JSON;
    OK(aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_read_value(started, -1, NULL, &err));
    FAILS(ASTER_ERR_STATE, aster_call_read_value(started, -1, &reply, &err));
    aster_call_free(started);
    /* Through a queue: the value of the event is borrowed, its clone stays. */
    call.deliver = ASTER_PAYLOAD_VALUE;
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    OK(aster_call_start(f->client, &call, &payload, cq, 9, &started, &err));
    CHECK(aster_cq_next(cq, &event, 1, 20000) == 1 && event.kind == ASTER_EVENT_RESPONSE && event.tag == 9);
    CHECK(event.data == NULL && event.data_len == 0 && event.value != NULL);
    FAILS(ASTER_ERR_STATE, aster_event_take_data(&event, &bytes, &err));
    kept = aster_value_clone(event.value);
    aster_value_free((aster_value_t *)event.value); /* Borrowed: nothing happens. */
    CHECK(aster_cq_next(cq, &event, 1, 0) == 0);
    json_is(kept, "{\"message\":\"Hello, World!\"}");
    aster_value_free(kept);
    aster_call_free(started);
    aster_cq_free(cq);
    /* What does not fit is never sent; what the caller submits stays the caller's. */
    OK(aster_value_set(misfit, ASTER_STR("bogus"), aster_value_int(1), &err));
    payload = aster_payload_value(misfit);
    started = NULL;
    FAILS_WITH(ASTER_ERR_CODEC, "unexpected field(s) 'bogus'",
               aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    payload = aster_payload_value(NULL);
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    CHECK(started == NULL && aster_value_len(misfit) == 1 && aster_value_len(request) == 1);
    aster_value_free(misfit);
    aster_value_free(request);
}

/* A service that takes and gives values. */
static void *serve(void *argument) {
    aster_cq_t *cq = argument;
    aster_event_t event;
    while (aster_cq_next(cq, &event, 1, -1) >= 0) {
        aster_payload_t payload;
        aster_value_t *answer;
        if (event.kind != ASTER_EVENT_CALL_STARTED) continue;
        CHECK(event.data == NULL && aster_value_kind(event.value) == ASTER_VALUE_RECORD);
        answer = aster_value_record();
        OK(aster_value_set(answer, ASTER_STR("message"),
                           aster_value_clone(aster_value_field(event.value, ASTER_STR("name"))), &err));
        payload = aster_payload_value(answer);
        OK(aster_incoming_reply(event.incoming, &payload, &err));
        aster_value_free(answer);
        aster_incoming_free(event.incoming);
    }
    return NULL;
}

static void served(fixture_t *f) {
    aster_service_options_t options = ASTER_SERVICE_OPTIONS_INIT;
    aster_client_options_t client_options = ASTER_CLIENT_OPTIONS_INIT;
    aster_call_options_t call = ASTER_CALL_OPTIONS_INIT;
    aster_server_t *server = NULL;
    aster_client_t *client = NULL;
    aster_contract_t *contract = NULL;
    aster_cq_t *cq = NULL;
    aster_op_t *op = NULL;
    aster_bytes_t address, reply;
    aster_value_t *request = named("there and back");
    const aster_payload_t payload = aster_payload_value(request);
    pthread_t thread;
    OK(aster_contract_parse(ASTER_STR(OTHER_SERVICE), &contract, &err));
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    OK(aster_server_new(f->runtime, f->config, NULL, &server, &err));
    options.deliver = ASTER_PAYLOAD_VALUE;
    OK(aster_server_register(server, contract, &options, cq, 1, &err));
    OK(aster_server_start(server, NULL, 0, &op, &err));
    OK(aster_op_wait(op, 30000, &err));
    aster_op_free(op);
    CHECK(pthread_create(&thread, NULL, serve, cq) == 0);
    OK(aster_server_address(server, &address, &err));
    client_options.address = aster_str((const char *)address.ptr);
    OK(aster_client_connect(f->runtime, f->config, &client_options, NULL, 0, &op, &err));
    OK(aster_op_wait(op, 30000, &err));
    OK(aster_op_take_client(op, &client, &err));
    aster_op_free(op);
    call.service = ASTER_STR("Other");
    call.method = ASTER_STR("sayHello");
    call.contract = contract;
    OK(aster_call_unary(client, &call, &payload, &reply, &err));
    CHECK(check_bytes_equal(reply, "{\"message\":\"there and back\"}"));
    aster_bytes_free(&reply);
    aster_bytes_free(&address);
    aster_value_free(request);
    aster_client_free(client);
    aster_cq_shutdown(cq);
    CHECK(pthread_join(thread, NULL) == 0);
    aster_server_free(server);
    aster_cq_free(cq);
    aster_contract_free(contract);
}

/* Rows of one type, and names of generics. */
static void rows_and_names(void) {
    const aster_str_t arguments[2] = {{"list<int>", 9}, {"shop/Item?", 10}}, bad = {"list<", 5};
    aster_contract_t *contract = NULL;
    aster_value_t *record = aster_value_record(), *read = NULL;
    aster_bytes_t bytes;
    OK(aster_contract_parse(ASTER_STR(TREE), &contract, &err));
    OK(aster_value_set(record, ASTER_STR("name"), text("row"), &err));
    OK(aster_contract_encode(contract, ASTER_STR("t/Node"), ASTER_MODE_ROW, record, &bytes, &err));
    OK(aster_contract_decode(contract, ASTER_STR("t/Node"), ASTER_MODE_ROW, aster_slice(bytes.ptr, bytes.len), &read, &err));
    json_is(read, "{\"name\":\"row\",\"next\":null,\"n\":7}");
    aster_value_free(read);
    FAILS(ASTER_ERR_CODEC, aster_contract_decode(contract, ASTER_STR("t/Node"), ASTER_MODE_ROW,
                                                 aster_slice(bytes.ptr, bytes.len - 8), &read, &err));
    aster_bytes_free(&bytes);
    FAILS(ASTER_ERR_CODEC, aster_contract_encode(contract, ASTER_STR("int"), ASTER_MODE_ROW, record, &bytes, &err));
    OK(aster_contract_flatten(ASTER_STR("ns/Page"), arguments, 2, &bytes, &err));
    CHECK(check_bytes_equal(bytes, "ns/Page_list_varint64_optional_Item"));
    aster_bytes_free(&bytes);
    FAILS(ASTER_ERR_CONTRACT, aster_contract_flatten(ASTER_STR("a/B"), &bad, 1, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_flatten(ASTER_STR("a/B"), NULL, 1, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_flatten(aster_str(NULL), arguments, 1, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_flatten(ASTER_STR("a/B"), arguments, 1, NULL, &err));
    aster_value_free(record);
    aster_contract_free(contract);
}

int main(void) {
    fixture_t f;
    without_objects();
    kinds();
    numbers();
    ownership();
    from_json();
    depth();
    threads();
    contracts();
    rows_and_names();
    fixture_start(&f);
    calls(&f);
    served(&f);
    fixture_stop(&f);
    printf("values: ok\n");
    return 0;
}
