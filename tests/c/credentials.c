/* Keys, credentials, identity and configuration files: made, kept, checked. */
#define _GNU_SOURCE /* mkdtemp */
#include "verdict.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY = 32 };

static const char BAD[] = "ab\xff";
static char folder[] = "/tmp/aster-credentials-XXXXXX";

/* A path in the test's own folder; lives until the next one. */
static aster_str_t in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return aster_str(path);
}

static char *text_of(const char *format, ...) {
    static char text[2][2048];
    static int turn;
    va_list arguments;
    turn = !turn;
    va_start(arguments, format);
    CHECK(vsnprintf(text[turn], sizeof text[turn], format, arguments) < (int)sizeof text[turn]);
    va_end(arguments);
    return text[turn];
}

/* ---- keys ---- */

static void private_file(aster_str_t path) {
    struct stat facts;
    CHECK(stat(path.ptr, &facts) == 0 && (facts.st_mode & 07777) == 0600);
}

static void keys(void) {
    uint8_t seed[KEY], public_key[KEY], other[KEY], again[KEY];
    aster_error_t *error = NULL;
    const aster_str_t path = in_folder("root.key");
    FILE *file;
    OK(aster_keypair_generate(seed, public_key, &err));
    OK(aster_keypair_generate(other, again, &err));
    CHECK(memcmp(seed, other, KEY) != 0);
    OK(aster_keypair_public(seed, again, &err));
    CHECK(memcmp(public_key, again, KEY) == 0);
    umask(0);
    OK(aster_keypair_write(path, seed, &err));
    private_file(path);
    CHECK(aster_keypair_write(path, other, &error) == ASTER_ERR_ALREADY_EXISTS);
    CHECK(check_equal(aster_error_detail(error, ASTER_STR("path")), path.ptr));
    aster_error_free(error);
    OK(aster_keypair_read(path, again, &err));
    CHECK(memcmp(seed, again, KEY) == 0);
    file = fopen(in_folder("other.key").ptr, "w");
    CHECK(file != NULL && fputs("{\"private_key\":\"s3cret\"}", file) >= 0 && fclose(file) == 0);
    FAILS_WITH(ASTER_ERR_CREDENTIAL, "private_key", aster_keypair_read(in_folder("other.key"), again, &err));
    FAILS(ASTER_ERR_IO, aster_keypair_read(in_folder("none.key"), again, &err));
    FAILS(ASTER_ERR_IO, aster_keypair_write(in_folder("none/root.key"), seed, &err));
    CHECK(memcmp(seed, again, KEY) == 0); /* Outputs are written on success only. */
}

/* ---- signing ---- */

static void signing(void) {
    uint8_t seed[KEY], root[KEY], other[KEY];
    aster_bytes_t one, two;
    const aster_str_t draft = ASTER_STR("{\"type\":\"ott\",\"expires_at\":4102444800,\"attributes\":{\"a\":\"b\"}}");
    OK(aster_keypair_generate(seed, root, &err));
    OK(aster_keypair_generate(other, other, &err)); /* Both into one place: whatever is left is another key. */
    OK(aster_credential_sign(draft, seed, &one, &err));
    OK(aster_credential_sign(draft, seed, &two, &err));
    CHECK(one.len == two.len && memcmp(one.ptr, two.ptr, one.len) != 0); /* Nonces are drawn. */
    CHECK(is_valid(text(one), root, aster_str(NULL), 0) && is_valid(text(one), NULL, ASTER_STR("anybody"), 0));
    CHECK(!is_valid(text(one), other, aster_str(NULL), 0)); /* Another root key. */
    CHECK(!is_valid(text(one), root, aster_str(NULL), 4102444800));
    FAILS_WITH(ASTER_ERR_CREDENTIAL, "root_pubkey", aster_credential_sign(text(one), other, &two, &err));
    FAILS(ASTER_ERR_CREDENTIAL, aster_credential_sign(ASTER_STR("[]"), seed, &two, &err));
    FAILS(ASTER_ERR_CREDENTIAL, aster_credential_signing_bytes(draft, &two, &err)); /* It names no root key. */
    aster_bytes_free(&one);
    aster_bytes_free(&two);
}

static void misuse(void) {
    uint8_t seed[KEY] = {1};
    aster_bytes_t out;
    aster_identity_t *identity = NULL;
    aster_config_t *config = NULL;
    const aster_str_t none = aster_str(NULL), bad = aster_str_lit(BAD, 3), x = ASTER_STR("x"), empty = ASTER_STR("");
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_generate(NULL, seed, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_generate(seed, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_public(NULL, seed, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_public(seed, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_write(none, seed, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_write(x, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_keypair_write(bad, seed, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_keypair_write(empty, seed, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_read(none, seed, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_keypair_read(x, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_keypair_read(bad, seed, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_sign(none, seed, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_sign(x, NULL, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_sign(x, seed, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_credential_sign(bad, seed, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_signing_bytes(none, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_signing_bytes(x, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_credential_signing_bytes(bad, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_verify(none, NULL, none, 0, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_credential_verify(x, NULL, none, 0, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_credential_verify(bad, NULL, none, 0, &out, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_credential_verify(x, NULL, bad, 0, &out, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_credential_verify(x, NULL, empty, 0, &out, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_credential_verify(x, NULL, none, -1, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_load(none, &identity, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_load(x, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_identity_load(bad, &identity, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_parse(none, &identity, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_parse(x, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_identity_parse(bad, &identity, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_find_peer(NULL, x, none, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_json(NULL, 0, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_write(NULL, x, &err));
    OK(aster_identity_parse(empty, &identity, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_find_peer(identity, x, none, NULL, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_identity_find_peer(identity, bad, none, &out, &err));
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_identity_find_peer(identity, none, x, &out, &err));
    FAILS(ASTER_ERR_NOT_FOUND, aster_identity_find_peer(identity, none, none, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_json(identity, 0, NULL, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_identity_write(identity, none, &err));
    FAILS(ASTER_ERR_INVALID_UTF8, aster_identity_write(identity, bad, &err));
    aster_identity_free(identity);
    aster_identity_free(NULL);
    OK(aster_config_new(&config, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_describe(NULL, 0, &out, &err));
    FAILS(ASTER_ERR_NULL_ARGUMENT, aster_config_describe(config, 0, NULL, &err));
    aster_config_free(config);
}

/* ---- identity files ---- */

static void hex_of(const uint8_t *bytes, char *out) {
    size_t i;
    for (i = 0; i < KEY; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* Returns the value of a text field of JSON that the library wrote. */
static char *field(aster_bytes_t json, const char *name) {
    const char *at = strstr((const char *)json.ptr, text_of("\"%s\":\"", name));
    CHECK(at != NULL);
    at += strlen(name) + 4;
    return text_of("%.*s", (int)strcspn(at, "\""), at);
}

static aster_identity_t *make_identity(char *node, char *root) {
    uint8_t seed[KEY], public_key[KEY], root_seed[KEY], root_key[KEY];
    aster_identity_t *identity = NULL;
    aster_bytes_t signed_one;
    char secret[2 * KEY + 1];
    OK(aster_keypair_generate(seed, public_key, &err));
    OK(aster_keypair_generate(root_seed, root_key, &err));
    hex_of(seed, secret);
    hex_of(public_key, node);
    hex_of(root_key, root);
    OK(aster_credential_sign(aster_str(text_of("{\"type\":\"policy\",\"endpoint_id\":\"%s\",\"expires_at\":4102444800,"
                                               "\"attributes\":{\"aster.name\":\"ann\"}}", node)),
                             root_seed, &signed_one, &err));
    OK(aster_identity_parse(
        aster_str(text_of("# mine\n[node]\nsecret_key = '%s'\n[[peers]]\nname = 'ann'\nrole = 'consumer'\n"
                          "root_pubkey = '%s'\nendpoint_id = '%s'\nexpires_at = 4102444800\n"
                          "attributes = { 'aster.name' = 'ann' }\nsignature = '%s'\n",
                          secret, root, node, field(signed_one, "signature"))),
        &identity, &err));
    aster_bytes_free(&signed_one);
    return identity;
}

static void identities(void) {
    aster_identity_t *identity, *read = NULL;
    aster_bytes_t json, whole;
    char node[2 * KEY + 1], root[2 * KEY + 1], raw[16] = "";
    FILE *file;
    identity = make_identity(node, root);
    umask(0);
    OK(aster_identity_write(identity, in_folder("ann.id"), &err));
    private_file(in_folder("ann.id"));
    FAILS(ASTER_ERR_ALREADY_EXISTS, aster_identity_write(identity, in_folder("ann.id"), &err));
    file = fopen(in_folder("ann.id").ptr, "r");
    CHECK(file != NULL && fgets(raw, sizeof raw, file) != NULL && fclose(file) == 0);
    CHECK(strcmp(raw, "# mine\n") == 0); /* Comments stay. */
    OK(aster_identity_load(in_folder("ann.id"), &read, &err));
    aster_identity_free(identity);
    OK(aster_identity_json(read, 0, &json, &err));
    CHECK(check_holds(text(json), node) && check_holds(text(json), "\"aster.name\":\"ann\""));
    CHECK(!check_holds(text(json), "secret_key") && !check_holds(text(json), "signature"));
    aster_bytes_free(&json);
    OK(aster_identity_json(read, 1, &whole, &err));
    CHECK(check_holds(text(whole), "secret_key") && check_holds(text(whole), "signature"));
    aster_bytes_free(&whole);
    OK(aster_identity_find_peer(read, ASTER_STR("ann"), ASTER_STR("consumer"), &json, &err));
    CHECK(strcmp(field(json, "root_pubkey"), root) == 0);
    aster_bytes_free(&json);
    FAILS(ASTER_ERR_NOT_FOUND, aster_identity_find_peer(read, ASTER_STR("bob"), aster_str(NULL), &json, &err));
    FAILS(ASTER_ERR_NOT_FOUND, aster_identity_find_peer(read, aster_str(NULL), ASTER_STR("producer"), &json, &err));
    aster_identity_free(read);
    FAILS(ASTER_ERR_IO, aster_identity_load(in_folder("none.id"), &read, &err));
    FAILS(ASTER_ERR_CREDENTIAL, aster_identity_parse(ASTER_STR("peers = 1"), &read, &err));
    FAILS(ASTER_ERR_CREDENTIAL, aster_identity_load(in_folder("root.key"), &read, &err)); /* JSON, no TOML. */
}

/* ---- configuration ---- */

/* As a caller with the first header had it, and as one with a later header will have it. */
typedef struct {
    aster_config_load_options_t known;
    uint64_t unknown;
} later_load_options_t;

static void load_sizes(void) {
    later_load_options_t later;
    aster_config_t *config = NULL;
    memset(&later, 0, sizeof later);
    later.known.use_env = -1;
    later.known.struct_size = sizeof later;
    OK(aster_config_load(&later.known, &config, &err));
    aster_config_free(config);
    later.unknown = 1;
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_config_load(&later.known, &config, &err));
    later.known.toml_path = in_folder("none.toml");
    later.known.struct_size = offsetof(aster_config_load_options_t, toml_path);
    OK(aster_config_load(&later.known, &config, &err)); /* What lies behind its size is not read. */
    aster_config_free(config);
}

static void loading(void) {
    aster_config_load_options_t load = ASTER_CONFIG_LOAD_OPTIONS_INIT;
    aster_config_t *config = NULL;
    aster_bytes_t out;
    char path[256];
    FILE *file = fopen(in_folder("aster.toml").ptr, "w");
    CHECK(file != NULL && fputs("[trust]\npeer_ttl_s = 60\n", file) >= 0 && fclose(file) == 0);
    snprintf(path, sizeof path, "%s", in_folder("aster.toml").ptr);
    load.use_env = -1;
    load.toml_path = aster_str(path);
    load.identity_path = in_folder("ann.id");
    load.role = ASTER_STR("consumer");
    load.peer = ASTER_STR("ann");
    OK(aster_config_load(&load, &config, &err));
    OK(aster_config_get(config, ASTER_STR("peer_ttl_s"), &out, &err));
    CHECK(check_bytes_equal(out, "60"));
    aster_bytes_free(&out);
    OK(aster_config_set(config, ASTER_STR("{\"enrollment_credential_iid\":\"s3cret\",\"proxy_url\":\"http://a:s3cret@p\"}"),
                        &err));
    OK(aster_config_get(config, ASTER_STR("enrollment_credential_iid"), &out, &err));
    CHECK(check_bytes_equal(out, "\"****\""));
    aster_bytes_free(&out);
    OK(aster_config_get(config, ASTER_STR("proxy_url"), &out, &err));
    CHECK(check_bytes_equal(out, "\"http://***@p\""));
    aster_bytes_free(&out);
    OK(aster_config_get(config, ASTER_STR("secret_key"), &out, &err));
    CHECK(check_holds(text(out), "\"****...") && out.len == 17);
    aster_bytes_free(&out);
    OK(aster_config_describe(config, 0, &out, &err));
    CHECK(!check_holds(text(out), "s3cret"));
    CHECK(check_holds(text(out), "aster.toml [trust]") && check_holds(text(out), "ann.id"));
    CHECK(check_holds(text(out), "peer entry>")); /* What it would present. */
    aster_bytes_free(&out);
    OK(aster_config_describe(config, 1, &out, &err));
    CHECK(out.ptr[0] == '{' && check_holds(text(out), "\"peer_ttl_s\""));
    aster_bytes_free(&out);
    aster_config_free(config);
    config = NULL;
    load.peer = ASTER_STR("bob");
    FAILS_WITH(ASTER_ERR_CONFIG, "no entry is named 'bob'", aster_config_load(&load, &config, &err));
    load.peer = aster_str(NULL);
    load.role = ASTER_STR("admin");
    FAILS(ASTER_ERR_INVALID_ARGUMENT, aster_config_load(&load, &config, &err));
    load.role = aster_str(NULL);
    load.identity_path = in_folder("none.id");
    FAILS(ASTER_ERR_IO, aster_config_load(&load, &config, &err));
    load.identity_path = ASTER_STR("");
    load.toml_path = in_folder("none.toml");
    FAILS(ASTER_ERR_IO, aster_config_load(&load, &config, &err));
    load.toml_path = in_folder("root.key");
    FAILS(ASTER_ERR_CONFIG, aster_config_load(&load, &config, &err));
    load.toml_path = aster_str_lit(BAD, 3);
    FAILS(ASTER_ERR_INVALID_UTF8, aster_config_load(&load, &config, &err));
    CHECK(config == NULL);
}

static void clean(void) {
    const char *names[] = {"root.key", "other.key", "ann.id", "aster.toml"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) CHECK(unlink(in_folder(names[i]).ptr) == 0);
    CHECK(rmdir(folder) == 0); /* Nothing else was left. */
}

int main(void) {
    CHECK(mkdtemp(folder) != NULL);
    keys();
    signing();
    misuse();
    identities();
    load_sizes();
    loading();
    clean();
    printf("credentials: ok\n");
    return 0;
}
