/* What ends, and how: calls, waits, queues, operations, clients, servers, runtimes. */
#include "fixture.h"

#include <poll.h>
#include <pthread.h>

static const char WORLD[] = "{\"name\":\"World\"}";

static void deadline_and_cancel(fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "wait");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_bytes_t reply;
    aster_call_t *started = NULL;
    aster_cq_t *cq = NULL;
    aster_event_t event;
    aster_trailer_t trailer = ASTER_TRAILER_INIT;
    aster_error_t *kept, *error = NULL;
    int before;
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    call.timeout_ms = 100;
    CHECK(aster_call_unary(f->client, &call, &request, &reply, &error) == ASTER_ERR_RPC);
    CHECK(aster_error_status(error) == ASTER_STATUS_DEADLINE_EXCEEDED);
    aster_error_free(error);
    fixture_await_stopped();
    call.timeout_ms = 0;
    before = fixture_started();
    OK(aster_call_start(f->client, &call, &request, cq, 5, &started, &err));
    fixture_await_started(before);
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
    fixture_await_stopped();
    /* A wait that ends does not end the call; freeing it does, without an event. */
    OK(aster_call_start(f->client, &call, &request, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_TIMEOUT, aster_call_read(started, 20, &reply, &err));
    aster_call_free(started);
    before = fixture_started();
    OK(aster_call_start(f->client, &call, &request, cq, 6, &started, &err));
    fixture_await_started(before);
    aster_call_free(started);
    fixture_await_stopped();
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
    FAILS(ASTER_ERR_STATE, aster_server_revoke(state->fixture->server, aster_server_endpoint_id(state->fixture->server),
                                               aster_str(NULL), 0, &err));
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
        const int before = fixture_started();
        OK(aster_call_start(f->client, &call, &request, NULL, 0, &started, &err));
        fixture_await_started(before);
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
    deadline_and_cancel(&f);
    waiting(&f);
    callbacks(&f);
    shut_down_queue(&f);
    connections(&f);
    after_close(&f);
    fixture_stop(&f);
    after_shutdown();
    printf("lifetimes: ok\n");
    return 0;
}
