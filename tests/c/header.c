/* The header by itself: C99 and C++11 without warnings, included twice, every inline helper used. */
#include <aster.h>
#include <aster.h>

int main(void) {
    aster_runtime_options_t a = ASTER_RUNTIME_OPTIONS_INIT;
    aster_cq_options_t b = ASTER_CQ_OPTIONS_INIT;
    aster_log_options_t c = ASTER_LOG_OPTIONS_INIT;
    aster_config_load_options_t d = ASTER_CONFIG_LOAD_OPTIONS_INIT;
    aster_client_options_t e = ASTER_CLIENT_OPTIONS_INIT;
    aster_call_options_t f = ASTER_CALL_OPTIONS_INIT;
    aster_server_options_t g = ASTER_SERVER_OPTIONS_INIT;
    aster_service_options_t h = ASTER_SERVICE_OPTIONS_INIT;
    aster_trailer_t i = ASTER_TRAILER_INIT;
    aster_incoming_info_t j = ASTER_INCOMING_INFO_INIT;
    const aster_payload_t json = aster_payload_json(ASTER_STR("{}"));
    const aster_payload_t raw = aster_payload_raw(aster_slice("x", 1));
    const size_t sizes = a.struct_size + b.struct_size + c.struct_size + d.struct_size + e.struct_size +
                         f.struct_size + g.struct_size + h.struct_size + i.struct_size + j.struct_size;
    return aster_check_abi() && sizes > 0 && json.bytes.len == 2 && raw.kind == ASTER_PAYLOAD_RAW &&
                   aster_str(NULL).ptr == NULL && aster_str(ASTER_VERSION).len > 0
               ? 0
               : 1;
}
