/* codec.json through values: built, encoded, decoded and read again; what is refused, and where. See codec_vectors.py. */
#include "check.h"

enum { COLUMNS = 10 };

/* Text that grows. */
typedef struct {
    char *text;
    size_t len, room;
} buffer_t;

static void add(buffer_t *out, const char *text, size_t len) {
    if (out->len + len + 1 > out->room) {
        out->room = (out->len + len + 1) * 2;
        out->text = realloc(out->text, out->room);
        CHECK(out->text != NULL);
    }
    if (len > 0) memcpy(out->text + out->len, text, len);
    out->len += len;
    out->text[out->len] = 0;
}

static void add_text(buffer_t *out, const char *text) { add(out, text, strlen(text)); }

static void add_hex(buffer_t *out, const void *data, size_t len) {
    const uint8_t *bytes = data;
    size_t i;
    add(out, "", 0);
    for (i = 0; i < len; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", bytes[i]);
        add(out, two, 2);
    }
}

static void add_number(buffer_t *out, char letter, int64_t n) {
    char text[32];
    snprintf(text, sizeof text, "%c%lld", letter, (long long)n);
    add_text(out, text);
}

/* Reads hex up to a space or the end; the result is the caller's and never NULL. */
static aster_slice_t unhex(const char *text) {
    const size_t n = strspn(text, "0123456789abcdef") / 2;
    uint8_t *out = malloc(n + 1);
    size_t i;
    CHECK(out != NULL);
    for (i = 0; i < n; i++) {
        const char two[3] = {text[2 * i], text[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return aster_slice(out, n);
}

static aster_value_t *build(const char **at);

static aster_value_t *build_text(char letter, const char *hex) {
    const aster_slice_t raw = unhex(hex);
    const aster_str_t text = aster_str_lit((const char *)raw.ptr, raw.len);
    aster_value_t *out = NULL;
    if (letter == 's') OK(aster_value_string(text, &out, &err));
    if (letter == 'x' && aster_value_decimal(text, &out, NULL) != ASTER_OK) out = NULL;
    if (letter == 'e') OK(aster_value_enum(text, &out, &err));
    if (letter == 'y') out = aster_value_bytes(raw);
    free((void *)raw.ptr);
    return out;
}

static double float_of(const char *hex) {
    uint64_t bits;
    double x;
    if (memcmp(hex, "nan", 3) == 0) hex = "7ff8000000000000";
    bits = strtoull(hex, NULL, 16);
    memcpy(&x, &bits, sizeof x);
    return x;
}

static aster_value_t *build_container(char open, const char **at) {
    aster_value_t *out = open == '[' ? aster_value_list() : open == '{' ? aster_value_map() : aster_value_record();
    while (strchr("]})", **at) == NULL) {
        if (open == '[') {
            OK(aster_value_push(out, build(at), &err));
        } else if (open == '{') {
            aster_value_t *key = build(at);
            OK(aster_value_put(out, key, build(at), &err));
        } else {
            const aster_slice_t name = unhex(*at);
            *at += name.len * 2 + 1;
            OK(aster_value_set(out, aster_str_lit((const char *)name.ptr, name.len), build(at), &err));
            free((void *)name.ptr);
        }
    }
    *at += 1 + ((*at)[1] == ' ');
    return out;
}

/* Builds the value at `*at` and moves behind it; NULL for a decimal that is none. */
static aster_value_t *build(const char **at) {
    const char *token = *at;
    const char letter = *token;
    const size_t len = strcspn(token, " ");
    *at += len + (token[len] == ' ');
    switch (letter) {
    case 'n': return aster_value_null();
    case 'b': return aster_value_bool(token[1] == '1');
    case 'i': return aster_value_int(strtoll(token + 1, NULL, 10));
    case 'u': return aster_value_uint(strtoull(token + 1, NULL, 10));
    case 'f': return aster_value_float(float_of(token + 1));
    case 'T': return aster_value_timestamp(strtoll(token + 1, NULL, 10));
    case 'D': return aster_value_date((int32_t)strtol(token + 1, NULL, 10));
    case 'd': return aster_value_duration(strtoll(token + 1, NULL, 10));
    case '[':
    case '{':
    case '(': return build_container(letter, at);
    default: return build_text(letter, token + 1);
    }
}

static void show(buffer_t *out, const aster_value_t *value);

static int by_text(const void *a, const void *b) {
    return strcmp(((const buffer_t *)a)->text, ((const buffer_t *)b)->text);
}

static void show_map(buffer_t *out, const aster_value_t *map) {
    const size_t n = aster_value_len(map);
    buffer_t *entries = calloc(n + 1, sizeof *entries);
    size_t i;
    CHECK(entries != NULL);
    for (i = 0; i < n; i++) {
        show(&entries[i], aster_value_key_at(map, i));
        add_text(&entries[i], " ");
        show(&entries[i], aster_value_at(map, i));
    }
    if (n > 0) qsort(entries, n, sizeof *entries, by_text);
    add_text(out, "{ ");
    for (i = 0; i < n; i++) {
        add(out, entries[i].text, entries[i].len);
        add_text(out, " ");
        free(entries[i].text);
    }
    add_text(out, "}");
    free(entries);
}

static void show_parts(buffer_t *out, const aster_value_t *value, int record) {
    const size_t n = aster_value_len(value);
    size_t i;
    add_text(out, record ? "( " : "[ ");
    for (i = 0; i < n; i++) {
        if (record) {
            const aster_str_t name = aster_value_name_at(value, i);
            CHECK(aster_value_field(value, name) == aster_value_at(value, i));
            add_hex(out, name.ptr, name.len);
            add_text(out, " ");
        }
        show(out, aster_value_at(value, i));
        add_text(out, " ");
    }
    CHECK(aster_value_at(value, n) == NULL && aster_value_name_at(value, n).ptr == NULL);
    add_text(out, record ? ")" : "]");
}

static void show_float(buffer_t *out, double x) {
    char text[32];
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    snprintf(text, sizeof text, x != x ? "fnan" : "f%016llx", (unsigned long long)bits);
    add_text(out, text);
}

static void show_scalar(buffer_t *out, const aster_value_t *value, uint32_t kind) {
    static const char letters[] = "nbiufsyTDdxe";
    const char letter[2] = {letters[kind], 0};
    int32_t b;
    int64_t n;
    double x;
    aster_str_t text;
    aster_slice_t raw;
    uint64_t u;
    char number[32];
    switch (kind) {
    case ASTER_VALUE_NULL: add_text(out, "n"); return;
    case ASTER_VALUE_BOOL:
        OK(aster_value_as_bool(value, &b, &err));
        add_number(out, 'b', b);
        return;
    case ASTER_VALUE_UINT:
        OK(aster_value_as_uint(value, &u, &err));
        snprintf(number, sizeof number, "u%llu", (unsigned long long)u);
        add_text(out, number);
        return;
    case ASTER_VALUE_FLOAT:
        OK(aster_value_as_float(value, &x, &err));
        show_float(out, x);
        return;
    case ASTER_VALUE_STRING:
    case ASTER_VALUE_DECIMAL:
    case ASTER_VALUE_ENUM:
        OK(aster_value_as_str(value, &text, &err));
        add_text(out, letter);
        add_hex(out, text.ptr, text.len);
        return;
    case ASTER_VALUE_BYTES:
        OK(aster_value_as_bytes(value, &raw, &err));
        add_text(out, letter);
        add_hex(out, raw.ptr, raw.len);
        return;
    default:
        OK(aster_value_as_int(value, &n, &err));
        add_number(out, letter[0], n);
    }
}

static void show(buffer_t *out, const aster_value_t *value) {
    const uint32_t kind = aster_value_kind(value);
    CHECK(value != NULL && kind <= ASTER_VALUE_RECORD);
    if (kind < ASTER_VALUE_LIST) {
        CHECK(aster_value_len(value) == 0 && aster_value_at(value, 0) == NULL && aster_value_key_at(value, 0) == NULL);
        show_scalar(out, value, kind);
    } else if (kind == ASTER_VALUE_MAP) {
        show_map(out, value);
    } else {
        show_parts(out, value, kind == ASTER_VALUE_RECORD);
    }
}

/* One line of the file. */
typedef struct {
    const char *op, *id, *description, *root, *mode, *data, *built, *shown, *error, *details;
} case_t;

static void expect_text(const case_t *c, const char *what, const char *got, const char *wanted) {
    if (strcmp(got, wanted) != 0) {
        fprintf(stderr, "%s: %s\n got %s\nwant %s\n", c->id, what, got, wanted);
        exit(1);
    }
}

static void expect_shown(const case_t *c, const char *what, const aster_value_t *value) {
    buffer_t out = {0};
    show(&out, value);
    expect_text(c, what, out.text, c->shown);
    free(out.text);
}

static void expect_hex(const case_t *c, const char *what, aster_bytes_t bytes) {
    buffer_t out = {0};
    add_hex(&out, bytes.ptr, bytes.len);
    expect_text(c, what, out.text, c->data);
    free(out.text);
}

/* Compares the status and the details of an error, which it frees; reasons may differ. */
static void expect_error(const case_t *c, aster_result_t result, aster_error_t *error) {
    const int32_t status = aster_error_status(error);
    buffer_t details = {0};
    static const char *const KEYS[] = {"expected_class", "location", "unexpected_fields"};
    size_t i;
    if (result != ASTER_ERR_CODEC || !check_equal(aster_status_name(status), c->error)) {
        fprintf(stderr, "%s: expected %s, got %d: ", c->id, c->error, (int)result);
        check_print(error);
        exit(1);
    }
    add(&details, "", 0);
    for (i = 0; i < 3; i++) {
        const aster_str_t value = aster_error_detail(error, aster_str(KEYS[i]));
        if (value.ptr == NULL) continue;
        if (details.len > 0) add_text(&details, ";");
        add_text(&details, KEYS[i]);
        add_text(&details, "=");
        add(&details, value.ptr, value.len);
    }
    expect_text(c, "details", details.text, c->details);
    free(details.text);
    aster_error_free(error);
}

/* Values and JSON text give the same bytes, whether the tree was built or read. */
static void encode(const case_t *c, const aster_contract_t *contract, const aster_value_t *value) {
    const aster_str_t root = aster_str(c->root);
    aster_bytes_t bytes, json, again;
    aster_value_t *read = NULL;
    OK(aster_contract_encode(contract, root, ASTER_MODE_XLANG, value, &bytes, &err));
    expect_hex(c, "value to XLANG", bytes);
    OK(aster_contract_encode(contract, root, ASTER_MODE_JSON, value, &json, &err));
    OK(aster_contract_decode(contract, root, ASTER_MODE_JSON, aster_slice(json.ptr, json.len), &read, &err));
    expect_shown(c, "JSON to value", read);
    OK(aster_contract_encode(contract, root, ASTER_MODE_AUTO, read, &again, &err));
    expect_hex(c, "JSON to XLANG", again);
    aster_bytes_free(&again);
    OK(aster_contract_encode(contract, root, ASTER_MODE_JSON, read, &again, &err));
    CHECK(check_bytes_equal(again, (const char *)json.ptr));
    aster_bytes_free(&again);
    aster_bytes_free(&json);
    aster_bytes_free(&bytes);
    aster_value_free(read);
}

static int32_t mode_of(const case_t *c) { return strcmp(c->mode, "json") == 0 ? ASTER_MODE_JSON : ASTER_MODE_XLANG; }

static void decode(const case_t *c, const aster_contract_t *contract) {
    const aster_slice_t data = unhex(c->data);
    aster_value_t *value = NULL;
    aster_error_t *error = NULL;
    const aster_result_t result =
        aster_contract_decode(contract, aster_str(c->root), mode_of(c), data, &value, &error);
    free((void *)data.ptr);
    if (c->error[0] != 0) {
        CHECK(value == NULL);
        expect_error(c, result, error);
        return;
    }
    if (result != ASTER_OK) {
        fprintf(stderr, "%s: ", c->id);
        check_print(error);
        exit(1);
    }
    expect_shown(c, "decoded", value);
    aster_value_free(value);
}

/* False if the value cannot even be built. */
static int refuse(const case_t *c, const aster_contract_t *contract) {
    static const int32_t MODES[] = {ASTER_MODE_XLANG, ASTER_MODE_JSON};
    const char *at = c->built;
    aster_value_t *value;
    size_t i;
    if (strstr(c->id, "decimal_") == c->id) return 0; /* aster_value_decimal refuses it: see values.c. */
    value = build(&at);
    CHECK(*at == 0);
    for (i = 0; i < 2; i++) {
        aster_bytes_t bytes;
        aster_error_t *error = NULL;
        const aster_result_t result =
            aster_contract_encode(contract, aster_str(c->root), MODES[i], value, &bytes, &error);
        expect_error(c, result, error);
    }
    aster_value_free(value);
    return 1;
}

static int run(const case_t *c) {
    aster_contract_t *contract = NULL;
    int done = 1;
    OK(aster_contract_parse(aster_str(c->description), &contract, &err));
    if (strcmp(c->op, "encode") == 0) {
        const char *at = c->built;
        aster_value_t *value = build(&at);
        CHECK(*at == 0);
        expect_shown(c, "built", value);
        encode(c, contract, value);
        aster_value_free(value);
    } else if (strcmp(c->op, "decode") == 0) {
        decode(c, contract);
    } else {
        CHECK(strcmp(c->op, "refuse") == 0);
        done = refuse(c, contract);
    }
    aster_contract_free(contract);
    return done;
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    buffer_t out = {0};
    char piece[4096];
    size_t n;
    CHECK(file != NULL);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0) add(&out, piece, n);
    fclose(file);
    CHECK(out.text != NULL);
    return out.text;
}

int main(int argc, char **argv) {
    char *text = read_file(argc > 1 ? argv[1] : "codec.txt");
    char *line, *rest;
    int done = 0, skipped = 0;
    for (line = text; *line != 0; line = rest) {
        const char *columns[COLUMNS];
        const size_t len = strcspn(line, "\n");
        size_t n = 0;
        char *at = line;
        rest = line + len + (line[len] == '\n');
        line[len] = 0;
        while (n < COLUMNS) {
            columns[n++] = at;
            at += strcspn(at, "\t");
            if (*at == 0) break;
            *at++ = 0;
        }
        if (n == COLUMNS) {
            const case_t c = {columns[0], columns[1], columns[2], columns[3], columns[4],
                              columns[5], columns[6], columns[7], columns[8], columns[9]};
            if (run(&c)) {
                done++;
                continue;
            }
        }
        skipped++;
    }
    free(text);
    CHECK(done > 400);
    printf("codec: %d cases, %d that no value expresses\n", done, skipped);
    return 0;
}
