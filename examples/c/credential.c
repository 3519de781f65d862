/* Makes a root key, signs a credential with it, and checks it: prints `valid`, and `invalid` for a copy that was changed.
 *
 *   cc credential.c -laster -o credential && ./credential
 */
#include <aster.h>
#include <stdio.h>

static int report(aster_error_t *error) {
    const aster_str_t name = aster_result_name(aster_error_code(error));
    const aster_str_t message = aster_error_message(error);
    fprintf(stderr, "%.*s: %.*s\n", (int)name.len, name.ptr, (int)message.len, message.ptr);
    aster_error_free(error);
    return 1;
}

/* Whoever checks knows the public root key from elsewhere: a credential tells its own, which proves nothing. */
static int print_verdict(aster_bytes_t credential, const uint8_t root_key[32], aster_error_t **error) {
    const aster_str_t text = aster_str_lit((const char *)credential.ptr, credential.len);
    aster_bytes_t verdict;
    /* {"valid":true,"reason":"","pinned":true,"attributes":{"aster.role":"ops"}} */
    if (aster_credential_verify(text, root_key, aster_str(NULL), 0, &verdict, error)) return 1;
    puts(strstr((const char *)verdict.ptr, "\"valid\":true") != NULL ? "valid" : "invalid");
    aster_bytes_free(&verdict);
    return 0;
}

int main(void) {
    /* Bind real ones to a node by "endpoint_id": without, whoever has the text is admitted. */
    const aster_str_t draft = ASTER_STR("{\"credential_type\":\"policy\",\"expires_at\":4102444800,"
                                        "\"attributes\":{\"aster.role\":\"ops\"}}");
    uint8_t seed[32], root_key[32];
    aster_bytes_t credential;
    aster_error_t *error = NULL;
    int failed;

    /* Keep the seed with aster_keypair_write; servers and those who check know the public key only. */
    if (aster_keypair_generate(seed, root_key, &error)) return report(error);
    if (aster_credential_sign(draft, seed, &credential, &error)) return report(error);

    failed = print_verdict(credential, root_key, &error);
    if (!failed) {
        char *role = strstr((char *)credential.ptr, "ops");
        memcpy(role, "all", 3);
        failed = print_verdict(credential, root_key, &error);
    }
    aster_bytes_free(&credential);
    return failed ? report(error) : 0;
}
