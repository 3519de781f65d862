/* Calls between a client and a server of one process: blocking, through a queue, and everything that goes wrong. */
#include "fixture.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

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
    CHECK(trailer.code == ASTER_STATUS_OK && trailer.message.len == 0 && trailer.details_len == 0);
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

/* Waits until the server has told its handlers to stop that many times. */
static void wait_cancelled(int times) {
    int tries;
    for (tries = 0; tries < 2000 && fixture_cancelled() < times; tries++) poll(NULL, 0, 10);
    CHECK(fixture_cancelled() == times);
}

static void deadline_and_cancel(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "wait");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_bytes_t reply;
    aster_call_t *started = NULL;
    aster_cq_t *cq = NULL;
    aster_event_t event;
    aster_trailer_t trailer = ASTER_TRAILER_INIT;
    aster_error_t *kept;
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    call.timeout_ms = 100;
    FAILS(ASTER_ERR_RPC, aster_call_unary(f->client, &call, &request, &reply, &err));
    wait_cancelled(1);
    call.timeout_ms = 0;
    OK(aster_call_start(f->client, &call, &request, cq, 5, &started, &err));
    CHECK(aster_cq_next(cq, &event, 1, 300) == 0);
    FAILS(ASTER_ERR_STATE, aster_call_read(started, 1, &reply, &err));
    aster_call_cancel(started);
    aster_call_cancel(started);
    CHECK(aster_cq_next(cq, &event, 1, 20000) == 1);
    CHECK(event.kind == ASTER_EVENT_FINISHED && event.tag == 5 && event.call == started);
    CHECK(event.code == ASTER_STATUS_CANCELLED && aster_error_code(event.error) == ASTER_ERR_RPC);
    kept = aster_error_clone(event.error);
    CHECK(aster_cq_next(cq, &event, 1, 0) == 0); /* One terminal event. */
    CHECK(aster_error_status(kept) == ASTER_STATUS_CANCELLED);
    aster_error_free(kept);
    OK(aster_call_trailer(started, &trailer, &err));
    CHECK(trailer.code == ASTER_STATUS_CANCELLED && trailer.message.len > 0);
    aster_call_free(started);
    wait_cancelled(2);
    /* A wait that ends does not end the call; freeing it does, without an event. */
    OK(aster_call_start(f->client, &call, &request, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_TIMEOUT, aster_call_read(started, 200, &reply, &err));
    aster_call_free(started);
    wait_cancelled(3);
    OK(aster_call_start(f->client, &call, &request, cq, 6, &started, &err));
    CHECK(aster_cq_next(cq, &event, 1, 200) == 0);
    aster_call_free(started);
    wait_cancelled(4);
    CHECK(aster_cq_next(cq, &event, 1, 0) == 0);
    aster_cq_free(cq);
}

static void *wake_later(void *cq) {
    poll(NULL, 0, 50);
    aster_cq_wake(cq);
    return NULL;
}

static void waiting(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    const aster_payload_t request = aster_payload_json(aster_str(WORLD));
    aster_cq_t *cq = NULL;
    aster_call_t *started = NULL;
    aster_event_t event;
    struct pollfd fd;
    pthread_t thread;
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    CHECK(pthread_create(&thread, NULL, wake_later, cq) == 0);
    CHECK(aster_cq_next(cq, &event, 1, -1) == 0);
    pthread_join(thread, NULL);
    fd.fd = aster_cq_fd(cq);
    fd.events = POLLIN;
    CHECK(fd.fd >= 0 && aster_cq_fd(cq) == fd.fd);
    CHECK(aster_cq_next(cq, &event, 1, 0) == 0);
    CHECK(poll(&fd, 1, 0) == 0);
    OK(aster_call_start(f->client, &call, &request, cq, 9, &started, &err));
    CHECK(poll(&fd, 1, 20000) == 1);
    CHECK(aster_cq_next(cq, &event, 1, 0) == 1 && event.tag == 9);
    CHECK(aster_cq_next(cq, &event, 1, 0) == 0);
    CHECK(poll(&fd, 1, 0) == 0);
    aster_call_free(started);
    aster_cq_free(cq);
}

typedef struct {
    fixture_t *fixture;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int events;
    int done;
} callback_state_t;

static void on_events(void *user_data, aster_event_t *events, size_t count) {
    callback_state_t *state = user_data;
    const aster_call_options_t call = fixture_call(state->fixture, "sayHello");
    const aster_payload_t request = aster_payload_json(aster_str(WORLD));
    aster_bytes_t reply;
    size_t i;
    /* Blocking functions refuse to run on a thread of the library. */
    FAILS(ASTER_ERR_STATE, aster_call_unary(state->fixture->client, &call, &request, &reply, &err));
    FAILS(ASTER_ERR_STATE, aster_runtime_shutdown(state->fixture->runtime, 1, &err));
    pthread_mutex_lock(&state->lock);
    for (i = 0; i < count; i++) {
        CHECK(events[i].kind == ASTER_EVENT_RESPONSE || events[i].kind == ASTER_EVENT_FINISHED);
        if (events[i].kind == ASTER_EVENT_FINISHED) {
            CHECK(events[i].code == ASTER_STATUS_UNAVAILABLE);
            state->done = 1;
        }
        state->events++;
    }
    pthread_cond_signal(&state->changed);
    pthread_mutex_unlock(&state->lock);
}

static void callbacks(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    const aster_payload_t request = aster_payload_json(aster_str(WORLD));
    callback_state_t state;
    aster_cq_t *cq = NULL;
    aster_call_t *calls[4];
    aster_event_t event;
    int i;
    state.fixture = f;
    state.events = state.done = 0;
    pthread_mutex_init(&state.lock, NULL);
    pthread_cond_init(&state.changed, NULL);
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    OK(aster_cq_set_callback(cq, on_events, &state, &err));
    FAILS(ASTER_ERR_STATE, aster_cq_set_callback(cq, on_events, &state, &err));
    CHECK(aster_cq_next(cq, &event, 1, 0) == -ASTER_ERR_STATE);
    for (i = 0; i < 4; i++) {
        if (i == 3) call = fixture_call(f, "wait");
        OK(aster_call_start(f->client, &call, &request, cq, 1, &calls[i], &err));
    }
    pthread_mutex_lock(&state.lock);
    while (state.events < 3) pthread_cond_wait(&state.changed, &state.lock);
    pthread_mutex_unlock(&state.lock);
    aster_cq_shutdown(cq); /* The call that waits ends with UNAVAILABLE. */
    pthread_mutex_lock(&state.lock);
    while (!state.done) pthread_cond_wait(&state.changed, &state.lock);
    CHECK(state.events == 4);
    pthread_mutex_unlock(&state.lock);
    for (i = 0; i < 4; i++) aster_call_free(calls[i]);
    aster_cq_free(cq);
    pthread_cond_destroy(&state.changed);
    pthread_mutex_destroy(&state.lock);
}

static void shut_down_queue(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "wait");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_cq_options_t options = ASTER_CQ_OPTIONS_INIT;
    aster_cq_t *cq = NULL;
    aster_call_t *started = NULL, *refused = NULL;
    aster_event_t event;
    options.max_pending = 1;
    OK(aster_cq_new(f->runtime, &options, &cq, &err));
    OK(aster_call_start(f->client, &call, &request, cq, 1, &started, &err));
    FAILS(ASTER_ERR_LIMIT, aster_call_start(f->client, &call, &request, cq, 2, &refused, &err));
    aster_cq_shutdown(cq);
    aster_cq_shutdown(cq);
    FAILS(ASTER_ERR_CLOSED, aster_call_start(f->client, &call, &request, cq, 2, &refused, &err));
    CHECK(aster_cq_next(cq, &event, 1, 20000) == 1);
    CHECK(event.kind == ASTER_EVENT_FINISHED && event.tag == 1 && event.code == ASTER_STATUS_UNAVAILABLE);
    CHECK(aster_cq_next(cq, &event, 1, -1) == -ASTER_ERR_CLOSED);
    CHECK(aster_cq_next(cq, &event, 1, 0) == -ASTER_ERR_CLOSED);
    aster_cq_free(cq); /* Before its call. */
    aster_call_free(started);
    CHECK(refused == NULL);
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

static void records(void *user_data, const aster_log_record_t *record) {
    int *count = user_data;
    CHECK(record->level >= 1 && record->level <= 5 && record->target.len >= 5 && record->epoch_us > 0);
    CHECK(memcmp(record->target.ptr, "aster", 5) == 0 && record->fields_json.ptr[0] == '{');
    ++*count;
}

static void connections(fixture_t *f) {
    /* The id of a curve point at which nobody listens. */
    static const char DEAD[] = "ae58ff8833241ac82d6ff7611046ed67b5072d142c588d0063e942d9a75502b6";
    aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_log_options_t log = ASTER_LOG_OPTIONS_INIT;
    const aster_str_t direct = ASTER_STR("127.0.0.1:9");
    aster_address_t *address = NULL;
    aster_bytes_t ticket;
    aster_op_t *op = NULL;
    aster_client_t *client = NULL;
    aster_cq_t *cq = NULL;
    aster_event_t event;
    int logged = 0;
    log.level = 5;
    log.callback = records;
    log.user_data = &logged;
    OK(aster_log_set(&log, &err));
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    options.address = ASTER_STR("nonsense");
    FAILS_WITH(ASTER_ERR_ADDRESS, "invalid address: ", aster_client_connect(f->runtime, f->config, &options, cq, 1, &op, &err));
    options.address = aster_str(NULL);
    FAILS(ASTER_ERR_CONFIG, aster_client_connect(f->runtime, f->config, &options, cq, 1, &op, &err));
    OK(aster_address_new(aster_str(DEAD), aster_str(NULL), &direct, 1, &address, &err));
    OK(aster_address_ticket(address, &ticket, &err));
    options.address = aster_str((const char *)ticket.ptr);
    options.connect_timeout_ms = 300;
    OK(aster_client_connect(f->runtime, f->config, &options, cq, 7, &op, &err));
    CHECK(!aster_op_is_done(op));
    FAILS(ASTER_ERR_STATE, aster_op_take_client(op, &client, &err));
    FAILS(ASTER_ERR_TIMEOUT, aster_op_wait(op, 10, &err));
    CHECK(aster_cq_next(cq, &event, 1, 20000) == 1);
    CHECK(event.kind == ASTER_EVENT_OP_DONE && event.op == op && event.code == ASTER_ERR_CONNECT);
    CHECK(aster_error_code(event.error) == ASTER_ERR_CONNECT);
    FAILS(ASTER_ERR_CONNECT, aster_op_wait(op, 10, &err));
    FAILS(ASTER_ERR_STATE, aster_op_take_client(op, &client, &err));
    aster_op_free(op);
    /* Cancelled, and freed before it is done. */
    options.connect_timeout_ms = 0;
    OK(aster_client_connect(f->runtime, f->config, &options, cq, 8, &op, &err));
    aster_op_cancel(op);
    FAILS(ASTER_ERR_CANCELLED, aster_op_wait(op, 20000, &err));
    CHECK(aster_cq_next(cq, &event, 1, 20000) == 1 && event.tag == 8 && event.code == ASTER_ERR_CANCELLED);
    aster_op_free(op);
    OK(aster_client_connect(f->runtime, f->config, &options, cq, 9, &op, &err));
    aster_op_free(op);
    CHECK(aster_cq_next(cq, &event, 1, 200) == 0);
    OK(aster_log_set(NULL, &err));
    CHECK(aster_log_dropped() == 0);
    aster_cq_free(cq);
    aster_bytes_free(&ticket);
    aster_address_free(address);
}

static void after_close(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    const aster_payload_t request = aster_payload_json(aster_str(WORLD));
    aster_client_t *client = fixture_connect(f);
    aster_bytes_t reply;
    aster_op_t *op = NULL;
    OK(aster_call_unary(client, &call, &request, &reply, &err));
    aster_bytes_free(&reply);
    OK(aster_client_close(client, NULL, 0, &op, &err));
    OK(aster_op_wait(op, 20000, &err));
    aster_op_free(op);
    FAILS(ASTER_ERR_CLOSED, aster_call_unary(client, &call, &request, &reply, &err));
    OK(aster_client_close(client, NULL, 0, NULL, &err));
    aster_client_free(client);
    /* The server stays usable, and ends with its calls. */
    call = fixture_call(f, "wait");
    {
        aster_call_t *started = NULL;
        aster_error_t *error = NULL;
        OK(aster_call_start(f->client, &call, &request, NULL, 0, &started, &err));
        FAILS(ASTER_ERR_TIMEOUT, aster_call_read(started, 200, &reply, &err));
        OK(aster_server_drain(f->server, 1, NULL, 0, &op, &err));
        OK(aster_op_wait(op, 20000, &err));
        aster_op_free(op);
        CHECK(aster_call_read(started, 20000, &reply, &error) == ASTER_ERR_RPC);
        CHECK(aster_error_status(error) == ASTER_STATUS_UNAVAILABLE && aster_error_retryable(error));
        aster_error_free(error);
        aster_call_free(started);
    }
    OK(aster_server_close(f->server, NULL, 0, &op, &err));
    OK(aster_op_wait(op, 20000, &err));
    FAILS(ASTER_ERR_STATE, aster_op_take_bytes(op, &reply, &err));
    aster_op_free(op);
}

static void after_shutdown(void) {
    fixture_t f;
    aster_cq_t *cq = NULL;
    aster_server_t *server = NULL;
    fixture_start(&f);
    OK(aster_runtime_shutdown(f.runtime, 20000, &err));
    FAILS(ASTER_ERR_CLOSED, aster_cq_new(f.runtime, NULL, &cq, &err));
    FAILS(ASTER_ERR_CLOSED, aster_server_new(f.runtime, f.config, NULL, &server, &err));
    FAILS(ASTER_ERR_CLOSED, aster_client_close(f.client, NULL, 0, NULL, &err));
    fixture_stop(&f);
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
    deadline_and_cancel(&f);
    waiting(&f);
    callbacks(&f);
    shut_down_queue(&f);
    connections(&f);
    blocking(&f);
    after_close(&f);
    fixture_stop(&f);
    after_shutdown();
    printf("calls: ok\n");
    return 0;
}
