/* Calls between a client and a server of one process: blocking, through a queue, refused, failed. */
#include "fixture.h"

static const char WORLD[] = "{\"name\":\"World\"}";
static const char HELLO_WORLD[] = "{\"message\":\"Hello, World!\"}";

static void blocking(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_payload_t request = aster_payload_json(aster_str(WORLD));
    aster_call_t *started = NULL;
    aster_trailer_t trailer = ASTER_TRAILER_INIT;
    aster_bytes_t reply;
    OK(aster_call_unary(f->client, &call, &request, &reply, &err));
    CHECK(check_bytes_equal(reply, HELLO_WORLD));
    aster_bytes_free(&reply);
    call.mode = ASTER_MODE_JSON;
    OK(aster_call_unary(f->client, &call, &request, &reply, &err));
    CHECK(check_bytes_equal(reply, HELLO_WORLD));
    aster_bytes_free(&reply);
    call.mode = ASTER_MODE_AUTO;
    call.timeout_ms = -1; /* No limit. */
    OK(aster_call_start(f->client, &call, &request, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_STATE, aster_call_trailer(started, &trailer, &err));
    CHECK(aster_call_read(started, -1, &reply, NULL) == ASTER_OK && check_bytes_equal(reply, HELLO_WORLD));
    aster_bytes_free(&reply);
    CHECK(aster_call_read(started, -1, &reply, NULL) == ASTER_END);
    OK(aster_call_trailer(started, &trailer, &err));
    CHECK(trailer.code == ASTER_STATUS_OK && trailer.message.len == 0 && trailer.message.ptr != NULL && trailer.details == NULL);
    aster_call_cancel(started);
    aster_call_free(started);
}

static void through_a_queue(fixture_t *f) {
    enum { CALLS = 200 };
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_call_t *calls[CALLS];
    aster_event_t events[32];
    aster_cq_t *cq = NULL;
    int seen[CALLS], open = CALLS, i;
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    memset(seen, 0, sizeof seen);
    for (i = 0; i < CALLS; i++) {
        char text[64];
        aster_payload_t request;
        snprintf(text, sizeof text, "{\"name\":\"%d\"}", i);
        request = aster_payload_json(aster_str(text));
        OK(aster_call_start(f->client, &call, &request, cq, (uint64_t)i, &calls[i], &err));
    }
    while (open > 0) {
        const int32_t n = aster_cq_next(cq, events, 32, 20000);
        CHECK(n > 0);
        for (i = 0; i < n; i++) {
            const size_t tag = (size_t)events[i].tag;
            char text[64];
            aster_bytes_t kept;
            aster_bytes_t again;
            CHECK(events[i].kind == ASTER_EVENT_RESPONSE && tag < CALLS && !seen[tag]);
            CHECK(events[i].call == calls[tag] && events[i].incoming == NULL && events[i].code == 0);
            snprintf(text, sizeof text, "{\"message\":\"Hello, %d!\"}", (int)tag);
            CHECK(events[i].data_len == strlen(text) && memcmp(events[i].data, text, strlen(text) + 1) == 0);
            OK(aster_event_take_data(&events[i], &kept, &err));
            FAILS(ASTER_ERR_STATE, aster_event_take_data(&events[i], &again, &err));
            CHECK(check_bytes_equal(kept, text));
            aster_bytes_free(&kept);
            seen[tag] = 1;
            open--;
        }
    }
    for (i = 0; i < CALLS; i++) aster_call_free(calls[i]);
    CHECK(aster_cq_next(cq, events, 32, 0) == 0);
    aster_cq_free(cq);
}

/* Makes a call that fails and checks how. */
static void fails_with(fixture_t *f, const char *method, const char *json, int32_t code, const char *text) {
    const aster_call_options_t call = fixture_call(f, method);
    const aster_payload_t request = aster_payload_json(aster_str(json));
    aster_bytes_t reply;
    aster_error_t *error = NULL;
    CHECK(aster_call_unary(f->client, &call, &request, &reply, &error) == ASTER_ERR_RPC);
    if (aster_error_status(error) != code) check_print(error);
    CHECK(aster_error_status(error) == code);
    check_message(error, text, __FILE__, __LINE__);
    aster_error_free(error);
}

static void failures(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_payload_t request = aster_payload_json(ASTER_STR("{\"name\":5}"));
    aster_bytes_t reply;
    aster_error_t *error = NULL;
    aster_str_t key, value;
    fails_with(f, "missing", "{}", ASTER_STATUS_UNIMPLEMENTED, "missing");
    fails_with(f, "drop", "{}", ASTER_STATUS_INTERNAL, "call dropped by its handler");
    fails_with(f, "misfit", "{}", ASTER_STATUS_INTERNAL, "cannot encode response");
    FAILS(ASTER_ERR_CODEC, aster_call_unary(f->client, &call, &request, &reply, &err));
    request = aster_payload_json(ASTER_STR("{\"bogus\":1}"));
    CHECK(aster_call_unary(f->client, &call, &request, &reply, &error) == ASTER_ERR_CODEC);
    CHECK(aster_error_status(error) == ASTER_STATUS_CONTRACT_VIOLATION);
    CHECK(aster_error_detail(error, ASTER_STR("location")).len > 0);
    aster_error_free(error);
    error = NULL;
    request = aster_payload_json(ASTER_STR("{"));
    FAILS(ASTER_ERR_CODEC, aster_call_unary(f->client, &call, &request, &reply, &err));
    call = fixture_call(f, "nothing");
    request = aster_payload_json(aster_str(WORLD));
    FAILS_WITH(ASTER_ERR_NOT_FOUND, "nothing", aster_call_unary(f->client, &call, &request, &reply, &err));
    call = fixture_call(f, "fail");
    CHECK(aster_call_unary(f->client, &call, &request, &reply, &error) == ASTER_ERR_RPC);
    CHECK(aster_error_status(error) == 250 && check_equal(aster_error_message(error), "no such luck"));
    CHECK(aster_error_detail_count(error) == 2 && !aster_error_retryable(error));
    CHECK(aster_error_detail_at(error, 0, &key, &value) && check_equal(key, "field") && check_equal(value, "name"));
    CHECK(!aster_error_detail_at(error, 2, &key, &value) && aster_error_source(error) == NULL);
    aster_error_free(error);
}

static void unknown_service(fixture_t *f) {
    aster_call_options_t call = ASTER_CALL_OPTIONS_INIT;
    const aster_payload_t request = aster_payload_json(aster_str(WORLD));
    aster_contract_t *contract = NULL;
    aster_bytes_t reply;
    OK(aster_contract_parse(ASTER_STR(OTHER_SERVICE), &contract, &err));
    call.service = ASTER_STR("Other");
    call.method = ASTER_STR("sayHello");
    call.contract = contract;
    FAILS_WITH(ASTER_ERR_NOT_FOUND, "service 'Other' v7 not offered by producer (got: [('Hello', 1)])",
               aster_call_unary(f->client, &call, &request, &reply, &err));
    call.service = ASTER_STR("Hello");
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_unary(f->client, &call, &request, &reply, &err));
    aster_contract_free(contract);
}

static void raw(fixture_t *f) {
    static const uint8_t GARBAGE[] = {1, 255};
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_payload_t request = aster_payload_raw(aster_slice(GARBAGE, sizeof GARBAGE));
    aster_bytes_t reply;
    aster_error_t *error = NULL;
    CHECK(aster_call_unary(f->client, &call, &request, &reply, &error) == ASTER_ERR_RPC);
    if (aster_error_status(error) != ASTER_STATUS_INVALID_ARGUMENT) check_print(error);
    CHECK(aster_error_status(error) == ASTER_STATUS_INVALID_ARGUMENT);
    check_message(error, "cannot decode request", __FILE__, __LINE__);
    aster_error_free(error);
    /* Bytes of JSON mode are JSON text. */
    call.mode = ASTER_MODE_JSON;
    call.deliver = ASTER_PAYLOAD_RAW;
    request = aster_payload_raw(aster_slice(WORLD, sizeof WORLD - 1));
    OK(aster_call_unary(f->client, &call, &request, &reply, &err));
    CHECK(check_bytes_equal(reply, HELLO_WORLD));
    aster_bytes_free(&reply);
}

static void oversize(fixture_t *f) {
    const size_t len = (size_t)17 << 20;
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_payload_t request;
    aster_bytes_t reply;
    char *text = malloc(len);
    CHECK(text != NULL);
    memset(text, 'x', len);
    memcpy(text, "{\"name\":\"", 9);
    memcpy(text + len - 2, "\"}", 2);
    request = aster_payload_json(aster_str_lit(text, len));
    call.mode = ASTER_MODE_JSON;
    FAILS_WITH(ASTER_ERR_CODEC, "limit", aster_call_unary(f->client, &call, &request, &reply, &err));
    free(text);
}

static void metadata(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "info");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_pair_t pairs[65];
    aster_bytes_t reply;
    size_t i;
    pairs[0].key = ASTER_STR("trace");
    pairs[0].value = ASTER_STR("t-1");
    call.metadata = pairs;
    call.metadata_len = 1;
    OK(aster_call_unary(f->client, &call, &request, &reply, &err));
    CHECK(check_bytes_equal(reply, "{\"message\":\"t-1\"}"));
    aster_bytes_free(&reply);
    pairs[0].key = ASTER_STR("aster-x");
    FAILS(ASTER_ERR_RPC, aster_call_unary(f->client, &call, &request, &reply, &err));
    for (i = 0; i < 65; i++) {
        pairs[i].key = ASTER_STR("k");
        pairs[i].value = ASTER_STR("v");
    }
    call.metadata_len = 65;
    FAILS(ASTER_ERR_RPC, aster_call_unary(f->client, &call, &request, &reply, &err));
}

static void information(fixture_t *f) {
    aster_bytes_t info, services, base64;
    aster_address_t *address = NULL;
    OK(aster_client_info(f->client, &info, &err));
    OK(aster_server_services(f->server, &services, &err));
    OK(aster_server_addr_b64(f->server, &base64, &err));
    CHECK(check_holds(aster_str((const char *)info.ptr), "\"open_gate\":true"));
    CHECK(check_holds(aster_str((const char *)info.ptr), "\"name\":\"Hello\""));
    CHECK(check_holds(aster_str((const char *)services.ptr), "\"name\":\"Hello\",\"version\":1,\"contract_id\":\""));
    OK(aster_address_parse(aster_str((const char *)base64.ptr), &address, &err));
    CHECK(aster_address_direct_count(address) == 1);
    aster_address_free(address);
    aster_bytes_free(&info);
    aster_bytes_free(&services);
    aster_bytes_free(&base64);
}

int main(void) {
    fixture_t f;
    fixture_start(&f);
    information(&f);
    blocking(&f);
    through_a_queue(&f);
    failures(&f);
    unknown_service(&f);
    raw(&f);
    oversize(&f);
    metadata(&f);
    blocking(&f);
    fixture_stop(&f);
    printf("calls: ok\n");
    return 0;
}
