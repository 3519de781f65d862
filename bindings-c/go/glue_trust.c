#include "glue.h"

glue_keys_t glue_keypair_generate(void) {
    glue_keys_t r = {0};
    aster_keypair_generate(r.seed.bytes, r.public_key.bytes, &r.error);
    return r;
}

glue_keys_t glue_keypair_public(glue_key_t seed) {
    glue_keys_t r = {0};
    aster_keypair_public(seed.bytes, r.public_key.bytes, &r.error);
    return r;
}

glue_result_t glue_keypair_write(aster_str_t path, glue_key_t seed) {
    glue_result_t r = {0};
    aster_keypair_write(path, seed.bytes, &r.error);
    return r;
}

glue_keys_t glue_keypair_read(aster_str_t path) {
    glue_keys_t r = {0};
    aster_keypair_read(path, r.seed.bytes, &r.error);
    return r;
}

glue_result_t glue_credential_sign(aster_str_t json, glue_key_t seed) {
    glue_result_t r = {0};
    aster_credential_sign(json, seed.bytes, &r.bytes, &r.error);
    return r;
}

glue_result_t glue_credential_verify(aster_str_t json, int is_pinned, glue_key_t root, aster_str_t endpoint_id,
                                     int64_t now_s) {
    glue_result_t r = {0};
    aster_credential_verify(json, is_pinned ? root.bytes : NULL, endpoint_id, now_s, &r.bytes, &r.error);
    return r;
}

glue_result_t glue_peer_admit(aster_server_t *server, aster_str_t endpoint_id, aster_str_t attributes,
                              int64_t expires_at_s) {
    glue_result_t r = {0};
    aster_server_peer_admit(server, endpoint_id, attributes, expires_at_s, &r.error);
    return r;
}

glue_result_t glue_peer_remove(aster_server_t *server, aster_str_t endpoint_id) {
    glue_result_t r = {0};
    aster_server_peer_remove(server, endpoint_id, &r.error);
    return r;
}

glue_result_t glue_revoke(aster_server_t *server, aster_str_t endpoint_id, aster_str_t credential, int64_t until_s) {
    glue_result_t r = {0};
    aster_server_revoke(server, endpoint_id, credential, until_s, &r.error);
    return r;
}

glue_result_t glue_peers(aster_server_t *server) {
    glue_result_t r = {0};
    aster_server_peers(server, &r.bytes, &r.error);
    return r;
}
