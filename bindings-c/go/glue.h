// The library's functions with results by value, so that no Go pointer enters C.
#ifndef ASTER_GO_GLUE_H
#define ASTER_GO_GLUE_H

#include <aster.h>
#include <stdlib.h>

// What a function gives: an error, or a handle or bytes.
typedef struct {
    aster_error_t *error;
    void *handle;
    aster_bytes_t bytes;
} glue_result_t;

// Where a submission reports.
typedef struct {
    aster_cq_t *queue;
    uint64_t tag;
} glue_report_t;

// Where settings come from, beside the environment.
typedef struct {
    aster_str_t fields, toml, identity, peer;
} glue_sources_t;

// A seed or a public key.
typedef struct {
    uint8_t bytes[32];
} glue_key_t;

// A key pair, or an error.
typedef struct {
    aster_error_t *error;
    glue_key_t seed, public_key;
} glue_keys_t;

// What a client is made of.
typedef struct {
    aster_str_t address, channel, credential, credential_path;
    int64_t connect_timeout_ms;
} glue_client_t;

// What a call is made of.
typedef struct {
    const aster_contract_t *contract;
    aster_str_t method, json;
    int64_t timeout_ms;
    int32_t mode;
    const aster_pair_t *metadata;
    size_t metadata_len;
} glue_call_t;

glue_result_t glue_runtime_new(void);
glue_result_t glue_queue_new(aster_runtime_t *runtime);
glue_result_t glue_config_load(glue_sources_t sources);
glue_result_t glue_contract_parse(aster_str_t description);
glue_result_t glue_contract_manifest(const aster_contract_t *contract);
glue_result_t glue_contract_flatten(aster_str_t tag, const aster_str_t *arguments, size_t n);
glue_result_t glue_connect(aster_runtime_t *runtime, const aster_config_t *config, glue_client_t client,
                           glue_report_t report);
glue_result_t glue_take_client(aster_op_t *op);
glue_result_t glue_client_info(aster_client_t *client);
glue_result_t glue_client_close(aster_client_t *client, glue_report_t report);
glue_result_t glue_call_start(aster_client_t *client, glue_call_t call, glue_report_t report);
glue_result_t glue_server_new(aster_runtime_t *runtime, const aster_config_t *config);
glue_result_t glue_server_register(aster_server_t *server, const aster_contract_t *contract, glue_report_t report);
glue_result_t glue_server_start(aster_server_t *server, glue_report_t report);
glue_result_t glue_server_address(aster_server_t *server);
glue_result_t glue_server_drain(aster_server_t *server, int64_t grace_ms, glue_report_t report);
glue_result_t glue_server_close(aster_server_t *server, glue_report_t report);
aster_incoming_info_t glue_incoming_info(const aster_incoming_t *incoming);
glue_result_t glue_incoming_set_tag(aster_incoming_t *incoming, uint64_t tag);
glue_result_t glue_incoming_reply(aster_incoming_t *incoming, aster_str_t json);
glue_result_t glue_incoming_finish(aster_incoming_t *incoming, int32_t status, aster_str_t message,
                                   const aster_pair_t *details, size_t n);
glue_result_t glue_incoming_fail(aster_incoming_t *incoming, aster_str_t text);
aster_pair_t glue_error_detail(const aster_error_t *error, size_t i);
glue_keys_t glue_keypair_generate(void);
glue_keys_t glue_keypair_public(glue_key_t seed);
glue_result_t glue_keypair_write(aster_str_t path, glue_key_t seed);
glue_keys_t glue_keypair_read(aster_str_t path);
glue_result_t glue_credential_sign(aster_str_t json, glue_key_t seed);
glue_result_t glue_credential_verify(aster_str_t json, int is_pinned, glue_key_t root, aster_str_t endpoint_id,
                                     int64_t now_s);
glue_result_t glue_peer_admit(aster_server_t *server, aster_str_t endpoint_id, aster_str_t attributes,
                              int64_t expires_at_s);
glue_result_t glue_peer_remove(aster_server_t *server, aster_str_t endpoint_id);
glue_result_t glue_revoke(aster_server_t *server, aster_str_t endpoint_id, aster_str_t credential, int64_t until_s);
glue_result_t glue_peers(aster_server_t *server);
void glue_bytes_free(aster_bytes_t bytes);

#endif
