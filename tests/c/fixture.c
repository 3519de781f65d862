#include "fixture.h"

#include <pthread.h>

enum { SERVICE_TAG = 77, START_TAG = 78, BATCH = 16 };

static pthread_t answering;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int started, stopped;
static int32_t stop_code;

static void count(int *counter) {
    pthread_mutex_lock(&lock);
    ++*counter;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

int fixture_started(void) {
    int n;
    pthread_mutex_lock(&lock);
    n = started;
    pthread_mutex_unlock(&lock);
    return n;
}

void fixture_await_started(int before) {
    pthread_mutex_lock(&lock);
    while (started <= before) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

int32_t fixture_await_stopped(void) {
    int32_t code;
    pthread_mutex_lock(&lock);
    while (stopped < started) pthread_cond_wait(&changed, &lock);
    code = stop_code;
    pthread_mutex_unlock(&lock);
    return code;
}

static void reply(aster_incoming_t *incoming, const char *json) {
    const aster_payload_t payload = aster_payload_json(aster_str(json));
    OK(aster_incoming_reply(incoming, &payload, &err));
    FAILS(ASTER_ERR_STATE, aster_incoming_reply(incoming, &payload, &err));
    FAILS(ASTER_ERR_STATE, aster_incoming_finish(incoming, 5, ASTER_STR("late"), NULL, 0, &err));
}

static void say_hello(const aster_event_t *event) {
    char text[4096];
    const char *start = strchr((const char *)event->data, ':') + 2;
    const char *end = strrchr((const char *)event->data, '"');
    CHECK(event->data[event->data_len] == 0);
    snprintf(text, sizeof text, "{\"message\":\"Hello, %.*s!\"}", (int)(end - start), start);
    reply(event->incoming, text);
}

static void fail(aster_incoming_t *incoming) {
    aster_pair_t details[2];
    details[0].key = ASTER_STR("field");
    details[0].value = ASTER_STR("name");
    details[1].key = ASTER_STR("empty");
    details[1].value = aster_str(NULL);
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_incoming_finish(incoming, -1, ASTER_STR("x"), NULL, 0, &err));
    OK(aster_incoming_finish(incoming, 250, ASTER_STR("no such luck"), details, 2, &err));
}

/* Replies with what the handler learns about its call. */
static void tell(const aster_event_t *event) {
    aster_incoming_info_t info = ASTER_INCOMING_INFO_INIT;
    char text[512];
    OK(aster_incoming_info(event->incoming, &info, &err));
    CHECK(info.struct_size == sizeof info);
    CHECK(check_equal(info.service, "Hello") && check_equal(info.method, "info"));
    CHECK(info.call_id.len > 0 && info.peer_id.len == 64);
    CHECK(info.version == 1 && info.mode == ASTER_MODE_XLANG && info.pattern == ASTER_PATTERN_UNARY);
    CHECK(info.method_index == 5 && info.session == 0);
    CHECK(info.remaining_ms > 0 && aster_incoming_remaining_ms(event->incoming) > 0);
    CHECK(info.metadata_len == 1 && check_equal(info.metadata[0].key, "trace"));
    CHECK(!aster_incoming_is_cancelled(event->incoming));
    snprintf(text, sizeof text, "{\"message\":\"%.*s\"}", (int)info.metadata[0].value.len, info.metadata[0].value.ptr);
    reply(event->incoming, text);
}

/* Replies with the caller's id and what admission granted. */
static void tell_who(aster_incoming_t *incoming, const aster_incoming_info_t *info) {
    char text[512];
    int at = snprintf(text, sizeof text, "{\"message\":\"%.*s", (int)info->peer_id.len, info->peer_id.ptr);
    size_t i;
    for (i = 0; i < info->attributes_len; i++) {
        const aster_pair_t *pair = &info->attributes[i];
        at += snprintf(text + at, sizeof text - (size_t)at, " %.*s=%.*s", (int)pair->key.len, pair->key.ptr,
                       (int)pair->value.len, pair->value.ptr);
    }
    snprintf(text + at, sizeof text - (size_t)at, "\"}");
    reply(incoming, text);
}

static void handle(const aster_event_t *event) {
    aster_incoming_info_t info = ASTER_INCOMING_INFO_INIT;
    if (event->kind == ASTER_EVENT_CANCELLED) {
        const aster_payload_t late = aster_payload_json(ASTER_STR("{}"));
        CHECK(event->tag == 4711); /* Set by the handler of "wait". */
        CHECK(aster_incoming_is_cancelled(event->incoming));
        OK(aster_incoming_reply(event->incoming, &late, &err)); /* Ignored. */
        aster_incoming_free(event->incoming);
        pthread_mutex_lock(&lock);
        stop_code = event->code;
        pthread_mutex_unlock(&lock);
        count(&stopped);
        return;
    }
    CHECK(event->kind == ASTER_EVENT_CALL_STARTED && event->tag == SERVICE_TAG);
    CHECK(event->call == NULL && event->op == NULL && event->error == NULL);
    OK(aster_incoming_info(event->incoming, &info, &err));
    if (check_equal(info.method, "wait")) {
        OK(aster_incoming_set_tag(event->incoming, 4711, &err));
        count(&started);
        return; /* Answered by nobody; its cancellation frees it. */
    }
    if (check_equal(info.method, "sayHello")) {
        say_hello(event);
    } else if (check_equal(info.method, "fail")) {
        fail(event->incoming);
    } else if (check_equal(info.method, "info")) {
        tell(event);
    } else if (check_equal(info.method, "who")) {
        tell_who(event->incoming, &info);
    } else if (check_equal(info.method, "misfit")) {
        const aster_payload_t payload = aster_payload_json(ASTER_STR("{\"message\":5}"));
        FAILS(ASTER_ERR_CODEC, aster_incoming_reply(event->incoming, &payload, &err));
    }
    aster_incoming_free(event->incoming); /* "drop" has got no answer. */
}

static void *answer(void *argument) {
    aster_cq_t *cq = argument;
    aster_event_t events[BATCH];
    int32_t n, i;
    while ((n = aster_cq_next(cq, events, BATCH, -1)) >= 0) {
        for (i = 0; i < n; i++) handle(&events[i]);
    }
    CHECK(n == -ASTER_ERR_CLOSED);
    return NULL;
}

static void start_server(fixture_t *f) {
    aster_event_t event;
    OK(aster_server_new(f->runtime, f->config, NULL, &f->server, &err));
    OK(aster_server_register(f->server, f->served, NULL, f->server_cq, SERVICE_TAG, &err));
    FAILS(ASTER_ERR_ALREADY_EXISTS, aster_server_register(f->server, f->served, NULL, f->server_cq, 1, &err));
    OK(aster_server_start(f->server, f->server_cq, START_TAG, NULL, &err));
    CHECK(aster_cq_next(f->server_cq, &event, 1, 30000) == 1);
    CHECK(event.kind == ASTER_EVENT_OP_DONE && event.tag == START_TAG && event.op != NULL);
    if (event.code != ASTER_OK) check_print(event.error);
    CHECK(event.code == ASTER_OK && event.error == NULL && aster_op_is_done(event.op));
    FAILS(ASTER_ERR_STATE, aster_server_register(f->server, f->served, NULL, f->server_cq, 1, &err));
    CHECK(aster_server_endpoint_id(f->server).len == 64);
    CHECK(pthread_create(&answering, NULL, answer, f->server_cq) == 0);
}

aster_op_t *fixture_dial(fixture_t *f, const aster_config_t *config, aster_client_options_t options) {
    aster_bytes_t address;
    aster_op_t *op = NULL;
    OK(aster_server_address(f->server, &address, &err));
    options.address = aster_str((const char *)address.ptr);
    OK(aster_client_connect(f->runtime, config, &options, NULL, 0, &op, &err));
    aster_bytes_free(&address);
    return op;
}

aster_client_t *fixture_dialled(aster_op_t *op, aster_result_t expected) {
    aster_client_t *client = NULL;
    if (expected == ASTER_OK) {
        OK(aster_op_wait(op, 30000, &err));
        OK(aster_op_take_client(op, &client, &err));
    } else {
        FAILS(expected, aster_op_wait(op, 30000, &err));
    }
    FAILS(ASTER_ERR_STATE, aster_op_take_client(op, &client, &err));
    aster_op_free(op);
    return client;
}

aster_client_t *fixture_connect(fixture_t *f) {
    const aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    return fixture_dialled(fixture_dial(f, f->config, options), ASTER_OK);
}

void fixture_serve(fixture_t *f, const char *fields) {
    memset(f, 0, sizeof *f);
    OK(aster_runtime_new(NULL, &f->runtime, &err));
    OK(aster_config_new(&f->config, &err));
    OK(aster_config_set(f->config, ASTER_STR("{\"relay_mode\":\"disabled\",\"bind_addr\":\"127.0.0.1:0\"}"), &err));
    if (fields != NULL) OK(aster_config_set(f->config, aster_str(fields), &err));
    OK(aster_contract_parse(ASTER_STR(HELLO_SERVER), &f->served, &err));
    OK(aster_contract_parse(ASTER_STR(HELLO_CLIENT), &f->contract, &err));
    OK(aster_cq_new(f->runtime, NULL, &f->server_cq, &err));
    start_server(f);
}

void fixture_start(fixture_t *f) {
    fixture_serve(f, NULL);
    f->client = fixture_connect(f);
}

void fixture_stop(fixture_t *f) {
    aster_client_free(f->client);
    OK(aster_runtime_shutdown(f->runtime, 20000, &err));
    OK(aster_runtime_shutdown(f->runtime, 20000, &err));
    CHECK(pthread_join(answering, NULL) == 0);
    aster_runtime_free(f->runtime); /* Any order is safe: children keep their parents alive. */
    aster_cq_free(f->server_cq);
    aster_server_free(f->server);
    aster_contract_free(f->served);
    aster_contract_free(f->contract);
    aster_config_free(f->config);
}

aster_call_options_t fixture_call(const fixture_t *f, const char *method) {
    aster_call_options_t options = ASTER_CALL_OPTIONS_INIT;
    options.service = ASTER_STR("Hello");
    options.method = aster_str(method);
    options.contract = f->contract;
    options.timeout_ms = 20000;
    return options;
}
