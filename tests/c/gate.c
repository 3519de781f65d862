/* A closed gate: who gets in with what, what handlers learn of it, and how admissions end. */
#define _GNU_SOURCE /* mkdtemp */
#include "fixture.h"

#include <stdarg.h>
#include <unistd.h>

enum { KEY = 32, FAR = 2147483647 };

static uint8_t root_seed[KEY];
static char folder[] = "/tmp/aster-gate-XXXXXX";

static const char *text_of(const char *format, ...) {
    static char text[32][4096];
    static unsigned turn;
    char *out = text[turn++ % 32];
    va_list arguments;
    va_start(arguments, format);
    CHECK(vsnprintf(out, sizeof text[0], format, arguments) < (int)sizeof text[0]);
    va_end(arguments);
    return out;
}

static const char *hex_of(const uint8_t *bytes) {
    char hex[2 * KEY + 1];
    size_t i;
    for (i = 0; i < KEY; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    return text_of("%s", hex);
}

/* Signs a policy for a role; bound to an endpoint unless that is NULL. */
static const char *policy(const char *role, const char *endpoint_id, const uint8_t *seed) {
    const char *bound = endpoint_id == NULL ? "" : text_of("\"endpoint_id\":\"%s\",", endpoint_id);
    const char *draft = text_of("{\"credential_type\":\"policy\",%s\"expires_at\":%d,\"attributes\":{\"aster.role\":\"%s\"}}",
                                bound, FAR, role);
    aster_bytes_t out;
    const char *copied;
    OK(aster_credential_sign(aster_str(draft), seed, &out, &err));
    copied = text_of("%s", (const char *)out.ptr);
    aster_bytes_free(&out);
    return copied;
}

static const char *written(const char *name, const char *content) {
    const char *path = text_of("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
    return path;
}

/* A configuration of a client with a node key of its own. */
static aster_config_t *client_config(const uint8_t *node, const char *more) {
    aster_config_t *config = NULL;
    OK(aster_config_new(&config, &err));
    OK(aster_config_set(config, aster_str(text_of("{\"relay_mode\":\"disabled\",\"bind_addr\":\"127.0.0.1:0\"%s%s%s%s}",
                                                  node == NULL ? "" : ",\"secret_key\":\"", node == NULL ? "" : hex_of(node),
                                                  node == NULL ? "" : "\"", more)),
                        &err));
    return config;
}

static aster_client_t *connect_with(fixture_t *f, const char *credential, aster_result_t expected) {
    aster_config_t *config = client_config(NULL, "");
    aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_client_t *client;
    options.credential_json = aster_str(credential);
    client = fixture_dialled(fixture_dial(f, config, options), expected);
    aster_config_free(config);
    return client;
}

/* Who the server says that a client is: id and attributes. */
static void is_known_as(fixture_t *f, aster_client_t *client, const char *attributes) {
    const aster_call_options_t call = fixture_call(f, "who");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_bytes_t reply, info;
    aster_str_t own;
    OK(aster_client_info(client, &info, &err));
    own = aster_str_lit(strstr((const char *)info.ptr, "\"endpoint_id\":\"") + 15, 2 * KEY);
    OK(aster_call_unary(client, &call, &request, &reply, &err));
    if (!check_bytes_equal(reply, text_of("{\"message\":\"%.*s%s\"}", (int)own.len, own.ptr, attributes))) {
        fprintf(stderr, "known as %s\n", (const char *)reply.ptr);
        exit(1);
    }
    aster_bytes_free(&reply);
    aster_bytes_free(&info);
}

/* The id of a client, which lives until a few more texts are made. */
static const char *id_of(aster_client_t *client) {
    aster_bytes_t info;
    const char *id;
    OK(aster_client_info(client, &info, &err));
    id = text_of("%.64s", strstr((const char *)info.ptr, "\"endpoint_id\":\"") + 15);
    aster_bytes_free(&info);
    return id;
}

static void denied_and_admitted(fixture_t *f) {
    uint8_t other[KEY], other_key[KEY];
    aster_client_t *client;
    aster_bytes_t info;
    CHECK(connect_with(f, NULL, ASTER_ERR_ADMISSION_DENIED) == NULL);
    OK(aster_keypair_generate(other, other_key, &err));
    CHECK(connect_with(f, policy("ops", NULL, other), ASTER_ERR_ADMISSION_DENIED) == NULL);
    CHECK(connect_with(f, policy("ops", hex_of(other_key), root_seed), ASTER_ERR_ADMISSION_DENIED) == NULL);
    client = connect_with(f, policy("ops", NULL, root_seed), ASTER_OK);
    is_known_as(f, client, " aster.role=ops");
    OK(aster_client_info(client, &info, &err));
    CHECK(check_holds(aster_str((const char *)info.ptr), "\"open_gate\":false"));
    CHECK(check_holds(aster_str((const char *)info.ptr), "\"attributes\":{\"aster.role\":\"ops\"}"));
    CHECK(check_holds(aster_str((const char *)info.ptr), "\"registry_namespace\":\""));
    CHECK(check_holds(aster_str((const char *)info.ptr), "\"services\":[{\"name\":\"Hello\""));
    aster_bytes_free(&info);
    aster_client_free(client);
}

/* A token is sent once and spent once; the root key is no node key. */
static void tr7_tr9_tokens_and_keys(fixture_t *f) {
    const char *draft = text_of("{\"type\":\"ott\",\"expires_at\":%d,\"attributes\":{\"aster.role\":\"once\"}}", FAR);
    aster_config_t *config = NULL;
    aster_server_t *server = NULL;
    uint8_t root_key[KEY];
    aster_client_t *client;
    aster_bytes_t token;
    OK(aster_credential_sign(aster_str(draft), root_seed, &token, &err));
    client = connect_with(f, (const char *)token.ptr, ASTER_OK);
    is_known_as(f, client, " aster.role=once");
    aster_client_free(client);
    CHECK(connect_with(f, (const char *)token.ptr, ASTER_ERR_ADMISSION_DENIED) == NULL);
    aster_bytes_free(&token);
    OK(aster_keypair_public(root_seed, root_key, &err));
    config = client_config(root_seed, text_of(",\"root_pubkey\":\"%s\"", hex_of(root_key)));
    FAILS_WITH(ASTER_ERR_CONFIG, "root key", aster_server_new(f->runtime, config, NULL, &server, &err));
    aster_config_free(config);
}

/* An explicit file beats the entry of the identity file, which beats the configured file. */
static void files(fixture_t *f) {
    uint8_t node[KEY], node_key[KEY], other[KEY], other_key[KEY];
    aster_config_t *config;
    aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_client_t *client;
    aster_op_t *op = NULL;
    const char *bound, *identity, *configured;
    OK(aster_keypair_generate(node, node_key, &err));
    bound = policy("entry", hex_of(node_key), root_seed);
    identity = written("ann.id", text_of("[node]\nsecret_key = '%s'\n[[peers]]\nname = 'ann'\nrole = 'consumer'\n"
                                         "root_pubkey = '%.64s'\nendpoint_id = '%s'\nexpires_at = %d\n"
                                         "attributes = { 'aster.role' = 'entry' }\nsignature = '%.128s'\n",
                                         hex_of(node), strstr(bound, "root_pubkey") + 14, hex_of(node_key), FAR,
                                         strstr(bound, "\"signature\":\"") + 13));
    configured = written("configured.cred", policy("configured", NULL, root_seed));

    /* An identity file as a credential file brings its node key along. */
    config = client_config(NULL, "");
    options.credential_path = aster_str(identity);
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    CHECK(strcmp(id_of(client), hex_of(node_key)) == 0);
    is_known_as(f, client, " aster.role=entry");
    aster_client_free(client);
    aster_config_free(config);

    identity = text_of("%s/ann.id", folder);
    config = client_config(NULL, text_of(",\"identity_file\":\"%s\",\"enrollment_credential_file\":\"%s\"", identity,
                                         configured));
    /* Set inline, the file is explicit. */
    options.credential_path = aster_str(NULL);
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    is_known_as(f, client, " aster.role=configured");
    aster_client_free(client);
    options.credential_path = aster_str(written("explicit.cred", policy("explicit", NULL, root_seed)));
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    is_known_as(f, client, " aster.role=explicit");
    aster_client_free(client);
    /* As files have it: `type` for `credential_type`. */
    bound = policy("typed", NULL, root_seed);
    options.credential_path =
        aster_str(written("typed.cred", text_of("{\"type\":%s", strchr(bound, ':') + 1)));
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    is_known_as(f, client, " aster.role=typed");
    aster_client_free(client);
    /* The document beats every file; an empty one is none. */
    options.credential_json = aster_str(policy("json", NULL, root_seed));
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    is_known_as(f, client, " aster.role=json");
    OK(aster_server_peer_remove(f->server, aster_str(id_of(client)), &err));
    aster_client_free(client);
    options.credential_json = ASTER_STR("");
    CHECK(fixture_dialled(fixture_dial(f, config, options), ASTER_ERR_ADMISSION_DENIED) == NULL);
    aster_config_free(config);

    /* Without an explicit one the entry counts. */
    config = client_config(NULL, text_of(",\"identity_file\":\"%s/ann.id\"", folder));
    options.credential_json = aster_str(NULL);
    options.credential_path = aster_str(NULL);
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    is_known_as(f, client, " aster.role=entry");
    aster_client_free(client);

    /* A caller with a header from before these options: they are not read. */
    options.struct_size = offsetof(aster_client_options_t, credential_path);
    options.credential_path = aster_str("/nowhere");
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    aster_client_free(client);

    /* What is none is told at once. */
    options.struct_size = sizeof options;
    options.address = aster_server_endpoint_id(f->server);
    FAILS(ASTER_ERR_IO, aster_client_connect(f->runtime, config, &options, NULL, 0, &op, &err));
    options.credential_path = aster_str(written("typed.cred", "{\"type\":\"policy\"}"));
    FAILS(ASTER_ERR_CREDENTIAL, aster_client_connect(f->runtime, config, &options, NULL, 0, &op, &err));
    options.credential_path = ASTER_STR("");
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_client_connect(f->runtime, config, &options, NULL, 0, &op, &err));
    options.credential_path = aster_str(NULL);
    options.credential_json = ASTER_STR("{}");
    FAILS(ASTER_ERR_CREDENTIAL, aster_client_connect(f->runtime, config, &options, NULL, 0, &op, &err));
    CHECK(op == NULL);
    aster_config_free(config);

    /* A server of another deployment is refused, whatever it says. */
    OK(aster_keypair_generate(other, other_key, &err));
    config = client_config(NULL, text_of(",\"root_pubkey\":\"%s\"", hex_of(other_key)));
    options.credential_json = aster_str(policy("ops", NULL, root_seed));
    CHECK(fixture_dialled(fixture_dial(f, config, options), ASTER_ERR_CREDENTIAL) == NULL);
    aster_config_free(config);
}

/* A file of the environment yields to the entry. */
static void environment(fixture_t *f) {
    aster_config_load_options_t load = ASTER_CONFIG_LOAD_OPTIONS_INIT;
    const char *roles[2][2] = {{"ann.id", " aster.role=entry"}, {"", " aster.role=configured"}};
    size_t i;
    CHECK(setenv("ASTER_RELAY_MODE", "disabled", 1) == 0 && setenv("ASTER_BIND_ADDR", "127.0.0.1:0", 1) == 0);
    CHECK(setenv("ASTER_ENROLLMENT_CREDENTIAL", text_of("%s/configured.cred", folder), 1) == 0);
    for (i = 0; i < 2; i++) {
        const aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
        const char *path = text_of(roles[i][0][0] == 0 ? "" : "%s/%s", folder, roles[i][0]);
        aster_config_t *config = NULL;
        aster_client_t *client;
        load.identity_path = aster_str(path);
        OK(aster_config_load(&load, &config, &err));
        client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
        is_known_as(f, client, roles[i][1]);
        aster_client_free(client);
        aster_config_free(config);
    }
}

/* Starts a call of "wait" and returns it when its handler runs. */
static aster_call_t *start_waiting(fixture_t *f, aster_client_t *client, aster_cq_t *cq) {
    const aster_call_options_t call = fixture_call(f, "wait");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    const int before = fixture_started();
    aster_call_t *started = NULL;
    OK(aster_call_start(client, &call, &request, cq, 5, &started, &err));
    fixture_await_started(before);
    return started;
}

/* The call is ended with PERMISSION_DENIED, and its handler is told to stop. */
static void ends_denied(aster_call_t *call, aster_cq_t *cq) {
    aster_event_t event;
    CHECK(aster_cq_next(cq, &event, 1, 20000) == 1);
    if (event.kind == ASTER_EVENT_FINISHED && event.code != ASTER_STATUS_PERMISSION_DENIED) check_print(event.error);
    CHECK(event.kind == ASTER_EVENT_FINISHED && event.code == ASTER_STATUS_PERMISSION_DENIED);
    CHECK(check_holds(aster_error_message(event.error), "not admitted"));
    CHECK(fixture_await_stopped() == ASTER_STATUS_UNAVAILABLE);
    aster_call_free(call);
}

static int lists(fixture_t *f, const char *part) {
    aster_bytes_t peers;
    int found;
    OK(aster_server_peers(f->server, &peers, &err));
    found = check_holds(aster_str((const char *)peers.ptr), part);
    aster_bytes_free(&peers);
    return found;
}

static void tr5_removal(fixture_t *f) {
    aster_client_t *client = connect_with(f, policy("ops", NULL, root_seed), ASTER_OK);
    const char *id = id_of(client);
    aster_cq_t *cq = NULL;
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    CHECK(lists(f, text_of("{\"endpoint_id\":\"%s\",\"handle\":\"\",\"attributes\":{\"aster.role\":\"ops\"},\"admitted_at\":", id)));
    CHECK(lists(f, "\"admission_path\":\"consumer\""));
    {
        aster_call_t *waiting = start_waiting(f, client, cq);
        OK(aster_server_peer_remove(f->server, aster_str(id), &err));
        FAILS(ASTER_ERR_NOT_FOUND, aster_server_peer_remove(f->server, aster_str(id), &err));
        ends_denied(waiting, cq);
    }
    CHECK(!lists(f, id));
    is_known_as(f, client, " aster.role=ops"); /* The next call asks for admission again, and gets it. */
    aster_client_free(client);
    aster_cq_free(cq);
}

static void by_hand(fixture_t *f) {
    uint8_t node[KEY], node_key[KEY];
    aster_config_t *config;
    const aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_client_t *client;
    const char *id;
    OK(aster_keypair_generate(node, node_key, &err));
    id = text_of("%s", hex_of(node_key));
    config = client_config(node, "");
    CHECK(fixture_dialled(fixture_dial(f, config, options), ASTER_ERR_ADMISSION_DENIED) == NULL);
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_peer_admit(f->server, aster_str(id), ASTER_STR("{\"a\":1}"), 0, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_peer_admit(f->server, aster_str(id), ASTER_STR("x"), 0, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_peer_admit(f->server, aster_str(id), aster_str(NULL), 5, &err));
    OK(aster_server_peer_admit(f->server, aster_str(id), ASTER_STR("{\"aster.role\":\"hand\"}"), FAR, &err));
    CHECK(lists(f, "\"admission_path\":\"manual\""));
    client = fixture_dialled(fixture_dial(f, config, options), ASTER_OK);
    is_known_as(f, client, " aster.role=hand");
    aster_client_free(client);
    aster_config_free(config);
}

static void tr5_revocation(fixture_t *f) {
    const char *credential = policy("ops", NULL, root_seed);
    char kept[4096];
    aster_client_t *client;
    aster_cq_t *cq = NULL;
    aster_call_t *waiting;
    const aster_call_options_t call = fixture_call(f, "who");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_bytes_t reply;
    aster_error_t *error = NULL;
    snprintf(kept, sizeof kept, "%s", credential);
    OK(aster_cq_new(f->runtime, NULL, &cq, &err));
    client = connect_with(f, kept, ASTER_OK);
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_revoke(f->server, aster_str(id_of(client)), aster_str(NULL), 5, &err));
    waiting = start_waiting(f, client, cq);
    OK(aster_server_revoke(f->server, aster_str(NULL), aster_str(kept), 0, &err));
    ends_denied(waiting, cq);
    CHECK(aster_call_unary(client, &call, &request, &reply, &error) != ASTER_OK); /* Nor is it admitted again. */
    aster_error_free(error);
    aster_client_free(client);
    CHECK(connect_with(f, kept, ASTER_ERR_ADMISSION_DENIED) == NULL);

    client = connect_with(f, policy("other", NULL, root_seed), ASTER_OK);
    waiting = start_waiting(f, client, cq);
    OK(aster_server_revoke(f->server, aster_str(id_of(client)), aster_str(NULL), FAR, &err));
    ends_denied(waiting, cq);
    FAILS(ASTER_ERR_STATE, aster_server_peer_admit(f->server, aster_str(id_of(client)), aster_str(NULL), 0, &err));
    aster_client_free(client);
    aster_cq_free(cq);
}

static void misuse(fixture_t *f) {
    static const char BAD[] = "ab\xff";
    const aster_str_t none = aster_str(NULL), bad = aster_str_lit(BAD, 3), x = ASTER_STR("x");
    const aster_str_t id = aster_server_endpoint_id(f->server);
    aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_op_t *op = NULL;
    aster_bytes_t out;
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_peer_admit(NULL, id, none, 0, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_peer_admit(f->server, none, none, 0, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_server_peer_admit(f->server, bad, none, 0, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_server_peer_admit(f->server, id, bad, 0, &err));
    FAILS(ASTER_ERR_ADDRESS, aster_server_peer_admit(f->server, x, none, 0, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_peer_admit(f->server, id, none, -1, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_peer_remove(NULL, id, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_peer_remove(f->server, none, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_server_peer_remove(f->server, bad, &err));
    FAILS(ASTER_ERR_ADDRESS, aster_server_peer_remove(f->server, x, &err));
    FAILS(ASTER_ERR_NOT_FOUND, aster_server_peer_remove(f->server, id, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_revoke(NULL, id, none, 0, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_revoke(f->server, none, none, 0, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_revoke(f->server, id, x, 0, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_server_revoke(f->server, bad, none, 0, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_server_revoke(f->server, none, bad, 0, &err));
    FAILS(ASTER_ERR_ADDRESS, aster_server_revoke(f->server, x, none, 0, &err));
    FAILS(ASTER_ERR_CREDENTIAL, aster_server_revoke(f->server, none, x, 0, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_server_revoke(f->server, id, none, -1, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_peers(NULL, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_server_peers(f->server, NULL, &err));
    options.address = id;
    options.credential_path = bad;
    FAILS(ASTER_ERR_INVALID_UTF8, aster_client_connect(f->runtime, f->config, &options, NULL, 0, &op, &err));
    options.credential_path = none;
    options.credential_json = bad;
    FAILS(ASTER_ERR_INVALID_UTF8, aster_client_connect(f->runtime, f->config, &options, NULL, 0, &op, &err));
    CHECK(op == NULL);
}

int main(void) {
    static const char *const NAMES[] = {"ann.id", "configured.cred", "explicit.cred", "typed.cred"};
    uint8_t root_key[KEY];
    fixture_t f;
    size_t i;
    CHECK(mkdtemp(folder) != NULL);
    OK(aster_keypair_generate(root_seed, root_key, &err));
    fixture_serve(&f, text_of("{\"root_pubkey\":\"%s\"}", hex_of(root_key)));
    denied_and_admitted(&f);
    tr7_tr9_tokens_and_keys(&f);
    files(&f);
    environment(&f);
    tr5_removal(&f);
    by_hand(&f);
    tr5_revocation(&f);
    misuse(&f);
    fixture_stop(&f);
    for (i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) CHECK(unlink(text_of("%s/%s", folder, NAMES[i])) == 0);
    CHECK(rmdir(folder) == 0);
    printf("gate: ok\n");
    return 0;
}
