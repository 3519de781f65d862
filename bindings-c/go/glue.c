#include "glue.h"

glue_result_t glue_runtime_new(void) {
    glue_result_t r = {0};
    aster_runtime_t *out = NULL;
    aster_runtime_new(NULL, &out, &r.error);
    r.handle = out;
    return r;
}

glue_result_t glue_queue_new(aster_runtime_t *runtime) {
    glue_result_t r = {0};
    aster_cq_t *out = NULL;
    aster_cq_new(runtime, NULL, &out, &r.error);
    r.handle = out;
    return r;
}

glue_result_t glue_config_load(glue_sources_t sources) {
    glue_result_t r = {0};
    aster_config_t *out = NULL;
    aster_config_load_options_t options = ASTER_CONFIG_LOAD_OPTIONS_INIT;
    options.toml_path = sources.toml;
    options.identity_path = sources.identity;
    options.peer = sources.peer;
    if (aster_config_load(&options, &out, &r.error) == ASTER_OK && sources.fields.len > 0 &&
        aster_config_set(out, sources.fields, &r.error) != ASTER_OK) {
        aster_config_free(out);
        out = NULL;
    }
    r.handle = out;
    return r;
}

glue_result_t glue_contract_parse(aster_str_t description) {
    glue_result_t r = {0};
    aster_contract_t *out = NULL;
    aster_contract_parse(description, &out, &r.error);
    r.handle = out;
    return r;
}

glue_result_t glue_contract_manifest(const aster_contract_t *contract) {
    glue_result_t r = {0};
    aster_contract_manifest(contract, &r.bytes, &r.error);
    return r;
}

glue_result_t glue_contract_flatten(aster_str_t tag, const aster_str_t *arguments, size_t n) {
    glue_result_t r = {0};
    aster_contract_flatten(tag, arguments, n, &r.bytes, &r.error);
    return r;
}

glue_result_t glue_connect(aster_runtime_t *runtime, const aster_config_t *config, glue_client_t client,
                           glue_report_t report) {
    glue_result_t r = {0};
    aster_client_options_t options = ASTER_CLIENT_OPTIONS_INIT;
    aster_op_t *op = NULL;
    options.address = client.address;
    options.channel = client.channel;
    options.credential_json = client.credential;
    options.credential_path = client.credential_path;
    options.connect_timeout_ms = client.connect_timeout_ms;
    aster_client_connect(runtime, config, &options, report.queue, report.tag, &op, &r.error);
    r.handle = op;
    return r;
}

glue_result_t glue_take_client(aster_op_t *op) {
    glue_result_t r = {0};
    aster_client_t *out = NULL;
    aster_op_take_client(op, &out, &r.error);
    r.handle = out;
    return r;
}

glue_result_t glue_client_info(aster_client_t *client) {
    glue_result_t r = {0};
    aster_client_info(client, &r.bytes, &r.error);
    return r;
}

glue_result_t glue_client_close(aster_client_t *client, glue_report_t report) {
    glue_result_t r = {0};
    aster_client_close(client, report.queue, report.tag, NULL, &r.error);
    return r;
}

glue_result_t glue_call_start(aster_client_t *client, glue_call_t call, glue_report_t report) {
    glue_result_t r = {0};
    aster_call_options_t options = ASTER_CALL_OPTIONS_INIT;
    const aster_payload_t request = aster_payload_json(call.json);
    aster_call_t *out = NULL;
    options.service = aster_contract_service(call.contract);
    options.method = call.method;
    options.mode = call.mode;
    options.contract = call.contract;
    options.timeout_ms = call.timeout_ms;
    options.metadata = call.metadata;
    options.metadata_len = call.metadata_len;
    aster_call_start(client, &options, &request, report.queue, report.tag, &out, &r.error);
    r.handle = out;
    return r;
}

glue_result_t glue_server_new(aster_runtime_t *runtime, const aster_config_t *config) {
    glue_result_t r = {0};
    aster_server_t *out = NULL;
    aster_server_new(runtime, config, NULL, &out, &r.error);
    r.handle = out;
    return r;
}

glue_result_t glue_server_register(aster_server_t *server, const aster_contract_t *contract, glue_report_t report) {
    glue_result_t r = {0};
    aster_server_register(server, contract, NULL, report.queue, report.tag, &r.error);
    return r;
}

glue_result_t glue_server_start(aster_server_t *server, glue_report_t report) {
    glue_result_t r = {0};
    aster_server_start(server, report.queue, report.tag, NULL, &r.error);
    return r;
}

glue_result_t glue_server_address(aster_server_t *server) {
    glue_result_t r = {0};
    aster_server_address(server, &r.bytes, &r.error);
    return r;
}

glue_result_t glue_server_drain(aster_server_t *server, int64_t grace_ms, glue_report_t report) {
    glue_result_t r = {0};
    aster_server_drain(server, grace_ms, report.queue, report.tag, NULL, &r.error);
    return r;
}

glue_result_t glue_server_close(aster_server_t *server, glue_report_t report) {
    glue_result_t r = {0};
    aster_server_close(server, report.queue, report.tag, NULL, &r.error);
    return r;
}

aster_incoming_info_t glue_incoming_info(const aster_incoming_t *incoming) {
    aster_incoming_info_t info = ASTER_INCOMING_INFO_INIT;
    aster_incoming_info(incoming, &info, NULL);
    return info;
}

glue_result_t glue_incoming_set_tag(aster_incoming_t *incoming, uint64_t tag) {
    glue_result_t r = {0};
    aster_incoming_set_tag(incoming, tag, &r.error);
    return r;
}

glue_result_t glue_incoming_reply(aster_incoming_t *incoming, aster_str_t json) {
    glue_result_t r = {0};
    const aster_payload_t response = aster_payload_json(json);
    aster_incoming_reply(incoming, &response, &r.error);
    return r;
}

glue_result_t glue_incoming_finish(aster_incoming_t *incoming, int32_t status, aster_str_t message,
                                   const aster_pair_t *details, size_t n) {
    glue_result_t r = {0};
    aster_incoming_finish(incoming, status, message, details, n, &r.error);
    return r;
}

glue_result_t glue_incoming_fail(aster_incoming_t *incoming, aster_str_t text) {
    glue_result_t r = {0};
    aster_incoming_fail(incoming, text, &r.error);
    return r;
}

aster_pair_t glue_error_detail(const aster_error_t *error, size_t i) {
    aster_pair_t pair;
    memset(&pair, 0, sizeof pair);
    aster_error_detail_at(error, i, &pair.key, &pair.value);
    return pair;
}

void glue_bytes_free(aster_bytes_t bytes) { aster_bytes_free(&bytes); }
