/* trust.json as far as documents show it: what is signed and how, what is refused. See trust_vectors.py. */
#include "verdict.h"

enum { COLUMNS = 8, KEY = 32 };

/* Columns of a line, decoded, each with a NUL behind it. */
typedef struct {
    char *name;
    char *data[COLUMNS];
    size_t len[COLUMNS];
    size_t n;
} line_t;

static void decode(char *hex, char **data, size_t *len) {
    size_t i;
    *len = strlen(hex) / 2;
    *data = hex;
    for (i = 0; i < *len; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        hex[i] = (char)strtoul(two, NULL, 16);
    }
    hex[i] = 0;
}

static line_t split(char *raw) {
    line_t line;
    char *at = raw;
    memset(&line, 0, sizeof line);
    raw[strcspn(raw, "\n")] = 0;
    line.name = raw;
    for (line.n = 0; (at = strchr(at, '\t')) != NULL; line.n++) {
        char *end;
        CHECK(line.n < COLUMNS);
        *at++ = 0;
        end = strchr(at, '\t');
        if (end != NULL) *end = 0;
        decode(at, &line.data[line.n], &line.len[line.n]);
        if (end != NULL) *end = '\t';
        at = end != NULL ? end : at + strlen(at);
    }
    return line;
}

static aster_str_t column(const line_t *line, size_t i) { return aster_str_lit(line->data[i], line->len[i]); }

static const uint8_t *key(const line_t *line, size_t i) {
    CHECK(line->len[i] == KEY);
    return (const uint8_t *)line->data[i];
}

static void credential(const line_t *line, int64_t now) {
    const aster_str_t document = column(line, 3);
    const aster_str_t peer = line->len[5] == 0 ? aster_str(NULL) : column(line, 5);
    aster_bytes_t out;
    OK(aster_credential_sign(column(line, 1), key(line, 2), &out, &err));
    CHECK(out.len == document.len && memcmp(out.ptr, document.ptr, out.len) == 0);
    aster_bytes_free(&out);
    OK(aster_credential_signing_bytes(document, &out, &err));
    CHECK(out.len == line->len[4] && memcmp(out.ptr, line->data[4], out.len) == 0);
    aster_bytes_free(&out);
    CHECK(is_valid(document, key(line, 6), peer, now) && is_valid(document, NULL, aster_str(NULL), now));
}

static void tr22_tr26_vectors(const char *path) {
    FILE *file = fopen(path, "r");
    char *raw = NULL;
    size_t room = 0;
    int64_t now = 0;
    int credentials = 0, refused = 0, elsewhere = 0, tolerated = 0, signatures = 0;
    CHECK(file != NULL);
    while (getline(&raw, &room, file) > 0) {
        const line_t line = split(raw);
        if (strcmp(line.name, "now") == 0) {
            now = atoll(line.data[0]);
        } else if (strcmp(line.name, "credential") == 0) {
            credential(&line, now);
            credentials++;
        } else if (strcmp(line.name, "signature") == 0) {
            CHECK(!is_valid(column(&line, 1), NULL, aster_str(NULL), now));
            CHECK(line.len[2] != KEY || !is_valid(column(&line, 1), key(&line, 2), aster_str(NULL), now));
            signatures++;
        } else {
            const int is_judged = line.data[4][0] == '1';
            const int valid = is_valid(column(&line, 1), key(&line, 3), column(&line, 2), now);
            if (valid == is_judged) {
                fprintf(stderr, "%s %s: valid %d\n", line.name, line.data[0], valid);
                exit(1);
            }
            if (strcmp(line.name, "tolerated") == 0) {
                tolerated++;
            } else {
                CHECK(strcmp(line.name, "negative") == 0);
                refused += is_judged;
                elsewhere += !is_judged;
            }
        }
    }
    CHECK(credentials > 0 && refused > 0 && tolerated > 0 && signatures > 0);
    printf("credentials: %d signed, %d refused (%d are refused by servers only), %d tolerated, %d signatures\n",
           credentials, refused, elsewhere, tolerated, signatures);
    free(raw);
    fclose(file);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    tr22_tr26_vectors(argv[2]);
    return 0;
}
