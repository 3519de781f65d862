/* What the tests of values share. */
#ifndef VALUES_H
#define VALUES_H

#include "check.h"

static inline aster_value_t *text(const char *of) {
    aster_value_t *out = NULL;
    OK(aster_value_string(aster_str(of), &out, &err));
    return out;
}

static inline void json_is(const aster_value_t *value, const char *wanted) {
    aster_bytes_t json;
    OK(aster_value_json(value, &json, &err));
    if (!check_bytes_equal(json, wanted)) fprintf(stderr, "got %s\nwant %s\n", (char *)json.ptr, wanted);
    CHECK(check_bytes_equal(json, wanted));
    aster_bytes_free(&json);
}

#endif
