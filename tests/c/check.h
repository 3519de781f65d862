/* Assertions of the C tests. A failed one prints where and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <aster.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, #condition); \
            exit(1); \
        } \
    } while (0)

/* The call succeeds; prints its error if it does not. */
#define OK(call) \
    do { \
        aster_error_t *err = NULL; \
        if ((call) != ASTER_OK) { \
            fprintf(stderr, "%s:%d: %s: %s: ", __FILE__, __LINE__, __func__, #call); \
            check_print(err); \
            exit(1); \
        } \
        CHECK(err == NULL); \
    } while (0)

/* The call fails with this code, says so in its error, and the error's message holds `text`. */
#define FAILS_WITH(code, text, call) \
    do { \
        aster_error_t *err = NULL; \
        const aster_result_t result = (call); \
        if (result != (code) || aster_error_code(err) != (code)) { \
            fprintf(stderr, "%s:%d: %s: %s gave %d: ", __FILE__, __LINE__, __func__, #call, (int)result); \
            check_print(err); \
            exit(1); \
        } \
        check_message(err, text, __FILE__, __LINE__); \
        aster_error_free(err); \
    } while (0)

#define FAILS(code, call) FAILS_WITH(code, "", call)

static inline void check_print(const aster_error_t *err) {
    const aster_str_t name = aster_result_name(aster_error_code(err));
    const aster_str_t message = aster_error_message(err);
    fprintf(stderr, "%.*s (status %d): %.*s\n", (int)name.len, name.ptr, (int)aster_error_status(err), (int)message.len,
            message.ptr);
}

static inline int check_holds(aster_str_t text, const char *part) {
    const size_t len = strlen(part);
    size_t i;
    for (i = 0; i + len <= text.len; i++) {
        if (memcmp(text.ptr + i, part, len) == 0) return 1;
    }
    return 0;
}

static inline void check_message(const aster_error_t *err, const char *part, const char *file, int line) {
    if (aster_error_message(err).len == 0 || !check_holds(aster_error_message(err), part)) {
        fprintf(stderr, "%s:%d: expected '%s' in: ", file, line, part);
        check_print(err);
        exit(1);
    }
}

static inline int check_equal(aster_str_t text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static inline int check_bytes_equal(aster_bytes_t bytes, const char *other) {
    return bytes.len == strlen(other) && memcmp(bytes.ptr, other, bytes.len + 1) == 0;
}

#endif
