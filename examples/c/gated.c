/* A server with a closed gate and two clients of it: one without a credential, which prints `denied`, and one whose
 * credential gives it a role, which the handler tells: `admitted: ops`.
 *
 *   cc gated.c -laster -o gated && ./gated
 */
#include <aster.h>
#include <stdio.h>

static const char WHO[] =
    "{\"service\":\"Who\",\"version\":1,"
    "\"types\":{\"demo/WhoRequest\":{\"fields\":[]},"
    "\"demo/WhoReply\":{\"fields\":[{\"name\":\"role\",\"type\":\"string\",\"default\":\"\"}]}},"
    "\"methods\":[{\"name\":\"am_i\",\"pattern\":\"unary\","
    "\"request\":\"demo/WhoRequest\",\"response\":\"demo/WhoReply\"}]}";

/* Everything that is made, so that one place releases it. */
typedef struct {
    aster_runtime_t *runtime;
    aster_config_t *server_config, *client_config;
    aster_contract_t *contract;
    aster_cq_t *cq;
    aster_server_t *server;
    aster_op_t *started, *connected;
    aster_client_t *client;
    aster_bytes_t credential, address;
    aster_error_t *error;
} program_t;

/* Answers a call with the role that admission granted to its caller. A program with several threads would run this on
 * one of them; here it runs on the library's. */
static void answer(void *user_data, aster_event_t *events, size_t count) {
    size_t i, k;
    (void)user_data;
    for (i = 0; i < count; i++) {
        aster_incoming_info_t info = ASTER_INCOMING_INFO_INIT;
        char json[256] = "{\"role\":\"\"}";
        aster_payload_t reply;
        if (events[i].kind != ASTER_EVENT_CALL_STARTED) continue;
        if (aster_incoming_info(events[i].incoming, &info, NULL) == ASTER_OK) {
            for (k = 0; k < info.attributes_len; k++) {
                const aster_pair_t *pair = &info.attributes[k];
                if (pair->key.len == 10 && memcmp(pair->key.ptr, "aster.role", 10) == 0) {
                    snprintf(json, sizeof json, "{\"role\":\"%.*s\"}", (int)pair->value.len, pair->value.ptr);
                }
            }
        }
        reply = aster_payload_json(aster_str(json));
        aster_incoming_reply(events[i].incoming, &reply, NULL);
        aster_incoming_free(events[i].incoming);
    }
}

/* A root key closes the gate of the server; a client gets past it with what that key has signed. */
static int make_trust(program_t *p) {
    uint8_t seed[32], root_key[32];
    char fields[128] = "{\"root_pubkey\":\"";
    size_t i, len = strlen(fields);

    if (aster_keypair_generate(seed, root_key, &p->error)) return 1;
    for (i = 0; i < sizeof root_key; i++) len += (size_t)snprintf(fields + len, sizeof fields - len, "%02x", root_key[i]);
    snprintf(fields + len, sizeof fields - len, "\"}");
    if (aster_config_load(NULL, &p->server_config, &p->error)) return 1;
    if (aster_config_set(p->server_config, aster_str(fields), &p->error)) return 1;
    return aster_credential_sign(ASTER_STR("{\"credential_type\":\"policy\",\"expires_at\":4102444800,"
                                           "\"attributes\":{\"aster.role\":\"ops\"}}"),
                                 seed, &p->credential, &p->error);
}

static int serve(program_t *p) {
    if (aster_contract_parse(aster_str(WHO), &p->contract, &p->error)) return 1;
    if (aster_cq_new(p->runtime, NULL, &p->cq, &p->error)) return 1;
    if (aster_cq_set_callback(p->cq, answer, NULL, &p->error)) return 1;
    if (aster_server_new(p->runtime, p->server_config, NULL, &p->server, &p->error)) return 1;
    if (aster_server_register(p->server, p->contract, NULL, p->cq, 0, &p->error)) return 1;
    if (aster_server_start(p->server, NULL, 0, &p->started, &p->error)) return 1;
    if (aster_op_wait(p->started, 10000, &p->error)) return 1;
    return aster_server_address(p->server, &p->address, &p->error);
}

static aster_result_t connect_with(program_t *p, aster_str_t credential) {
    aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_result_t result;

    options.address = aster_str((const char *)p->address.ptr);
    options.credential_json = credential;
    result = aster_client_connect(p->runtime, p->client_config, &options, NULL, 0, &p->connected, &p->error);
    if (result == ASTER_OK) result = aster_op_wait(p->connected, 30000, &p->error);
    if (result == ASTER_OK) result = aster_op_take_client(p->connected, &p->client, &p->error);
    aster_op_free(p->connected);
    return result;
}

static int run(program_t *p) {
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_call_options_t call = ASTER_CALL_OPTIONS_INIT;
    aster_bytes_t reply;

    if (aster_runtime_new(NULL, &p->runtime, &p->error)) return 1;
    if (make_trust(p) || serve(p)) return 1;
    if (aster_config_load(NULL, &p->client_config, &p->error)) return 1;

    /* A server never says why. */
    if (connect_with(p, aster_str(NULL)) != ASTER_ERR_ADMISSION_DENIED) return 1;
    aster_error_free(p->error);
    p->error = NULL;
    puts("denied");

    if (connect_with(p, aster_str((const char *)p->credential.ptr))) return 1;
    call.service = ASTER_STR("Who");
    call.method = ASTER_STR("am_i");
    call.contract = p->contract;
    if (aster_call_unary(p->client, &call, &request, &reply, &p->error)) return 1;
    /* {"role":"ops"}; a real program would use a JSON parser. */
    printf("admitted: %.*s\n", (int)reply.len - 11, (const char *)reply.ptr + 9);
    aster_bytes_free(&reply);
    return 0;
}

int main(void) {
    program_t p;
    int failed;

    memset(&p, 0, sizeof p);
    failed = run(&p);
    if (failed) {
        const aster_str_t name = aster_result_name(aster_error_code(p.error));
        const aster_str_t message = aster_error_message(p.error);
        fprintf(stderr, "%.*s: %.*s\n", (int)name.len, name.ptr, (int)message.len, message.ptr);
    }
    aster_runtime_shutdown(p.runtime, 10000, NULL); /* Closes client, server and queue. */
    aster_client_free(p.client);
    aster_op_free(p.started);
    aster_server_free(p.server);
    aster_cq_free(p.cq);
    aster_contract_free(p.contract);
    aster_config_free(p.server_config);
    aster_config_free(p.client_config);
    aster_bytes_free(&p.address);
    aster_bytes_free(&p.credential);
    aster_runtime_free(p.runtime);
    aster_error_free(p.error);
    return failed;
}
