/* What the library says of a credential. */
#ifndef VERDICT_H
#define VERDICT_H

#include "check.h"

static inline aster_str_t text(aster_bytes_t bytes) { return aster_str_lit((const char *)bytes.ptr, bytes.len); }

/* Whether a document is valid; what is none is not. */
static inline int is_valid(aster_str_t document, const uint8_t *root, aster_str_t peer, int64_t now) {
    aster_bytes_t verdict;
    aster_error_t *error = NULL;
    int valid;
    const aster_result_t result = aster_credential_verify(document, root, peer, now, &verdict, &error);
    if (result != ASTER_OK) {
        CHECK(result == ASTER_ERR_CREDENTIAL || result == ASTER_ERR_INVALID_UTF8);
        aster_error_free(error);
        return 0;
    }
    valid = check_holds(text(verdict), "{\"valid\":true,\"reason\":\"\",");
    CHECK(valid != check_holds(text(verdict), "{\"valid\":false,\"reason\":\""));
    CHECK(check_holds(text(verdict), root != NULL ? "\"pinned\":true," : "\"pinned\":false,"));
    CHECK(valid || check_holds(text(verdict), "\"attributes\":{}}"));
    aster_bytes_free(&verdict);
    return valid;
}

#endif
