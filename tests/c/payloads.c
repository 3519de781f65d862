/* Values as payloads: outside of calls, in calls of a client and of a server. */
#include "fixture.h"
#include "values.h"

#include <pthread.h>

#define TREE \
    "{\"service\":\"Tree\",\"version\":1,\"types\":{\"t/Node\":{\"fields\":[{\"name\":\"name\",\"type\":\"string\"}," \
    "{\"name\":\"next\",\"type\":\"t/Node?\"},{\"name\":\"n\",\"type\":\"int\",\"default\":7}]}}," \
    "\"methods\":[{\"name\":\"m\",\"pattern\":\"unary\",\"request\":\"t/Node\",\"response\":\"int\"}]}"

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
    contracts();
    rows_and_names();
    fixture_start(&f);
    calls(&f);
    served(&f);
    fixture_stop(&f);
    printf("payloads: ok\n");
    return 0;
}
