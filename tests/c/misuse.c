/* Wrong arguments to every function: each is refused with its code, and the library goes on. */
#include "fixture.h"

static const char BAD[] = "ab\xff";

static void never_called(void *user_data, aster_event_t *events, size_t count) {
    (void)user_data, (void)events, (void)count;
    abort();
}

static aster_str_t bad_utf8(void) { return aster_str_lit(BAD, 3); }

static void harmless_without_objects(void) {
    aster_str_t key, value;
    aster_bytes_t zeroed;
    memset(&zeroed, 0, sizeof zeroed);
    aster_bytes_free(NULL);
    aster_bytes_free(&zeroed);
    aster_bytes_free(&zeroed);
    CHECK(aster_error_code(NULL) == ASTER_ERR_NULL_ARGUMENT && aster_error_status(NULL) == -1);
    CHECK(aster_error_message(NULL).ptr == NULL && aster_error_retryable(NULL) == 0);
    CHECK(aster_error_detail_count(NULL) == 0 && aster_error_detail_at(NULL, 0, &key, &value) == 0);
    CHECK(aster_error_detail(NULL, ASTER_STR("x")).ptr == NULL);
    CHECK(aster_error_source(NULL) == NULL && aster_error_clone(NULL) == NULL);
    CHECK(aster_contract_id(NULL).ptr == NULL && aster_contract_service(NULL).ptr == NULL);
    CHECK(aster_contract_version(NULL) == 0 && aster_contract_clone(NULL) == NULL);
    CHECK(aster_address_endpoint_id(NULL).ptr == NULL && aster_address_relay_url(NULL).ptr == NULL);
    CHECK(aster_address_direct_count(NULL) == 0 && aster_address_direct_at(NULL, 0).ptr == NULL);
    CHECK(aster_server_endpoint_id(NULL).ptr == NULL);
    CHECK(aster_op_is_done(NULL) == 0 && aster_cq_fd(NULL) == -1);
    CHECK(aster_incoming_remaining_ms(NULL) == -1 && aster_incoming_is_cancelled(NULL) == 0);
    CHECK(aster_has_feature(aster_str(NULL)) == 0 && aster_has_feature(ASTER_STR("blobs")) == 0);
    aster_cq_wake(NULL);
    aster_cq_shutdown(NULL);
    aster_op_cancel(NULL);
    aster_call_cancel(NULL);
    aster_error_free(NULL);
    aster_runtime_free(NULL);
    aster_cq_free(NULL);
    aster_op_free(NULL);
    aster_config_free(NULL);
    aster_address_free(NULL);
    aster_contract_free(NULL);
    aster_client_free(NULL);
    aster_call_free(NULL);
    aster_server_free(NULL);
    aster_incoming_free(NULL);
}

static void null_arguments(const fixture_t *f) {
    const aster_call_options_t call = fixture_call(f, "sayHello");
    const aster_payload_t payload = aster_payload_json(ASTER_STR("{}"));
    const aster_str_t text = ASTER_STR("x");
    aster_event_t event;
    aster_bytes_t bytes;
    aster_call_t *started = NULL;
    aster_op_t *op = NULL;
    aster_incoming_info_t info = ASTER_INCOMING_INFO_INIT;
    memset(&event, 0, sizeof event);
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_runtime_new(NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_runtime_shutdown(NULL, 1, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_cq_new(NULL, NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_cq_new(f->runtime, NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_cq_set_callback(f->server_cq, NULL, NULL, &err));
    CHECK(aster_cq_next(NULL, &event, 1, 0) == -ASTER_ERR_NULL_ARGUMENT);
    CHECK(aster_cq_next(f->server_cq, NULL, 1, 0) == -ASTER_ERR_NULL_ARGUMENT);
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_event_take_data(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_event_take_data(&event, NULL, &err));
    FAILS(ASTER_ERR_STATE, aster_event_take_data(&event, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_op_wait(NULL, 1, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_op_take_bytes(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_op_take_client(NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_new(NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_load(NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_set(NULL, text, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_set(f->config, aster_str(NULL), &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_get(f->config, text, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_address_parse(text, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_address_new(text, text, NULL, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_address_ticket(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_address_b64(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_parse(text, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_canonical(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_contract_description(f->contract, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_client_connect(NULL, NULL, NULL, NULL, 0, &op, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_client_info(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_client_info(f->client, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_client_close(NULL, NULL, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(NULL, &call, &payload, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(f->client, NULL, &payload, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(f->client, &call, NULL, NULL, 0, &started, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_unary(f->client, &call, &payload, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_read(NULL, 1, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_trailer(NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_new(NULL, NULL, NULL, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_register(f->server, NULL, NULL, f->server_cq, 0, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_register(f->server, f->contract, NULL, NULL, 0, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_start(NULL, NULL, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_address(NULL, &bytes, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_addr_b64(f->server, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_services(f->server, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_drain(NULL, 0, NULL, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_close(NULL, NULL, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_incoming_info(NULL, &info, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_incoming_set_tag(NULL, 0, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_incoming_reply(NULL, &payload, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_incoming_finish(NULL, 1, text, NULL, 0, &err));
    CHECK(started == NULL && op == NULL);
}

static void bad_text(const fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    const aster_payload_t payload = aster_payload_json(ASTER_STR("{}"));
    aster_client_options_t client = ASTER_CLIENT_OPTIONS_INIT;
    aster_server_options_t server = ASTER_SERVER_OPTIONS_INIT;
    aster_config_load_options_t load = ASTER_CONFIG_LOAD_OPTIONS_INIT;
    aster_pair_t pair;
    aster_address_t *address = NULL;
    aster_contract_t *contract = NULL;
    aster_config_t *config = NULL;
    aster_call_t *started = NULL;
    aster_server_t *new_server = NULL;
    aster_op_t *op = NULL;
    aster_bytes_t bytes;
    aster_error_t *error = NULL;
    FAILS_WITH(ASTER_ERR_INVALID_UTF8, "text is not UTF-8 at byte 2", aster_address_parse(bad_utf8(), &address, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_address_new(bad_utf8(), aster_str(NULL), NULL, 0, &address, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_contract_parse(bad_utf8(), &contract, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_config_set(f->config, bad_utf8(), &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_config_get(f->config, bad_utf8(), &bytes, &err));
    load.toml_path = bad_utf8();
    FAILS(ASTER_ERR_INVALID_UTF8, aster_config_load(&load, &config, &err));
    client.address = bad_utf8();
    FAILS(ASTER_ERR_INVALID_UTF8, aster_client_connect(f->runtime, NULL, &client, NULL, 0, &op, &err));
    server.channel = bad_utf8();
    FAILS(ASTER_ERR_INVALID_UTF8, aster_server_new(f->runtime, NULL, &server, &new_server, &err));
    call.method = bad_utf8();
    CHECK(aster_call_start(f->client, &call, &payload, NULL, 0, &started, &error) == ASTER_ERR_INVALID_UTF8);
    CHECK(check_equal(aster_error_detail(error, ASTER_STR("parameter")), "method"));
    CHECK(check_equal(aster_error_detail(error, ASTER_STR("offset")), "2"));
    CHECK(aster_error_detail(error, ASTER_STR("nothing")).ptr == NULL);
    aster_error_free(error);
    call = fixture_call(f, "sayHello");
    pair.key = ASTER_STR("k");
    pair.value = bad_utf8();
    call.metadata = &pair;
    call.metadata_len = 1;
    FAILS(ASTER_ERR_INVALID_UTF8, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call.metadata = NULL;
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    CHECK(aster_has_feature(bad_utf8()) == 0);
}

/* A struct of a caller that was compiled with a later header. */
typedef struct {
    aster_cq_options_t known;
    uint64_t unknown;
} later_cq_options_t;

static void struct_sizes(const fixture_t *f) {
    later_cq_options_t later;
    aster_cq_options_t wild = ASTER_CQ_OPTIONS_INIT;
    aster_trailer_t trailer = ASTER_TRAILER_INIT;
    aster_incoming_info_t info = ASTER_INCOMING_INFO_INIT;
    aster_cq_t *cq = NULL;
    memset(&later, 0, sizeof later);
    later.known.struct_size = sizeof later;
    OK(aster_cq_new(f->runtime, &later.known, &cq, &err));
    aster_cq_free(cq);
    cq = NULL;
    later.unknown = 1;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_cq_new(f->runtime, &later.known, &cq, &err));
    later.known.struct_size = sizeof(size_t); /* Of a caller with an earlier header. */
    OK(aster_cq_new(f->runtime, &later.known, &cq, &err));
    aster_cq_free(cq);
    cq = NULL;
    wild.struct_size = 0;
    FAILS_WITH(ASTER_ERR_INVALID_ARGUMENT, "INIT", aster_cq_new(f->runtime, &wild, &cq, &err));
    wild.struct_size = (size_t)-1;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_cq_new(f->runtime, &wild, &cq, &err));
    CHECK(cq == NULL && trailer.struct_size == sizeof trailer && info.struct_size == sizeof info);
    CHECK(sizeof(void *) != 8 || sizeof(aster_event_t) == 128);
}

static void bad_numbers(const fixture_t *f) {
    aster_call_options_t call = fixture_call(f, "sayHello");
    aster_payload_t payload = aster_payload_json(ASTER_STR("{}"));
    aster_runtime_options_t runtime_options = ASTER_RUNTIME_OPTIONS_INIT;
    aster_cq_options_t cq_options = ASTER_CQ_OPTIONS_INIT;
    aster_server_options_t server_options = ASTER_SERVER_OPTIONS_INIT;
    aster_log_options_t log_options = ASTER_LOG_OPTIONS_INIT;
    aster_event_t event;
    aster_runtime_t *runtime = NULL;
    aster_cq_t *cq = NULL;
    aster_call_t *started = NULL;
    aster_server_t *server = NULL;
    runtime_options.worker_threads = 100000;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_runtime_new(&runtime_options, &runtime, &err));
    cq_options.max_pending = 0xffffffff;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_cq_new(f->runtime, &cq_options, &cq, &err));
    CHECK(aster_cq_next(f->server_cq, &event, 0, 0) == -ASTER_ERR_INVALID_ARGUMENT);
    CHECK(aster_cq_next(f->server_cq, &event, 5000, 0) == -ASTER_ERR_INVALID_ARGUMENT);
    CHECK(aster_cq_next(f->server_cq, &event, 1, 0) == -ASTER_ERR_STATE); /* The fixture drains it. */
    FAILS(ASTER_ERR_STATE, aster_cq_set_callback(f->server_cq, never_called, NULL, &err));
    server_options.expose_errors = 2;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_new(f->runtime, NULL, &server_options, &server, &err));
    log_options.level = 6;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_log_set(&log_options, &err));
    call.mode = 9;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call = fixture_call(f, "sayHello");
    call.pattern = 9;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call.pattern = ASTER_PATTERN_BIDI_STREAM;
    FAILS(ASTER_ERR_UNSUPPORTED, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call = fixture_call(f, "sayHello");
    call.deliver = 9;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call = fixture_call(f, "sayHello");
    call.version = 2;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call = fixture_call(f, "sayHello");
    call.contract = NULL;
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call = fixture_call(f, "");
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    call = fixture_call(f, "sayHello");
    payload.kind = 9;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_call_start(f->client, &call, &payload, NULL, 0, &started, &err));
    CHECK(started == NULL && server == NULL && cq == NULL && runtime == NULL);
}

static void configurations(void) {
    aster_config_t *config = NULL;
    aster_config_load_options_t load = ASTER_CONFIG_LOAD_OPTIONS_INIT;
    aster_bytes_t bytes;
    OK(aster_config_new(&config, &err));
    FAILS(ASTER_ERR_CONFIG, aster_config_set(config, ASTER_STR("[1]"), &err));
    FAILS_WITH(ASTER_ERR_CONFIG, "relay_modus", aster_config_set(config, ASTER_STR("{\"relay_modus\":\"x\"}"), &err));
    OK(aster_config_set(config, ASTER_STR("{\"bind_addr\":\"127.0.0.1:0\",\"secret_key\":null}"), &err));
    OK(aster_config_get(config, ASTER_STR("bind_addr"), &bytes, &err));
    CHECK(check_bytes_equal(bytes, "\"127.0.0.1:0\""));
    aster_bytes_free(&bytes);
    CHECK(bytes.ptr == NULL && bytes.len == 0 && bytes.owner == NULL);
    FAILS(ASTER_ERR_NOT_FOUND, aster_config_get(config, ASTER_STR("nothing"), &bytes, &err));
    aster_config_free(config);
    config = NULL;
    load.use_env = -1;
    OK(aster_config_load(&load, &config, &err));
    aster_config_free(config);
}

static void descriptions(const fixture_t *f) {
    aster_contract_t *contract = NULL;
    aster_server_t *server = NULL;
    FAILS(ASTER_ERR_CONTRACT, aster_contract_parse(ASTER_STR("not JSON"), &contract, &err));
    FAILS(ASTER_ERR_CONTRACT, aster_contract_parse(ASTER_STR("{\"service\":\"S\",\"version\":1,\"bogus\":2}"), &contract, &err));
    FAILS_WITH(ASTER_ERR_CONTRACT, "float128",
               aster_contract_parse(ASTER_STR("{\"service\":\"S\",\"version\":1,\"types\":{\"a/M\":{\"fields\":[{\"name\":\"x\","
                                              "\"type\":\"float128\"}]}},\"methods\":[{\"name\":\"m\",\"pattern\":\"unary\","
                                              "\"request\":\"a/M\",\"response\":\"a/M\"}]}"),
                                    &contract, &err));
    OK(aster_contract_parse(ASTER_STR("{\"service\":\"S\",\"version\":1," HELLO_TYPES
                                      "\"methods\":[{\"name\":\"m\",\"pattern\":\"server_stream\","
                                      "\"request\":\"demo/HelloRequest\",\"response\":\"demo/HelloReply\"}]}"),
                            &contract, &err));
    OK(aster_server_new(f->runtime, f->config, NULL, &server, &err));
    FAILS_WITH(ASTER_ERR_UNSUPPORTED, "streaming methods come with a later version",
               aster_server_register(server, contract, NULL, f->server_cq, 0, &err));
    aster_server_free(server);
    aster_contract_free(contract);
}

int main(void) {
    fixture_t f;
    CHECK(aster_check_abi() && check_equal(aster_version(), ASTER_VERSION));
    harmless_without_objects();
    fixture_start(&f);
    null_arguments(&f);
    bad_text(&f);
    struct_sizes(&f);
    bad_numbers(&f);
    configurations();
    descriptions(&f);
    fixture_stop(&f);
    printf("misuse: ok\n");
    return 0;
}
