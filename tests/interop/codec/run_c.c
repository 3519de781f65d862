/* The codec scenario in C: `run_c SCENARIO`; prints the result as JSON. The library itself parses the scenario. */
#include <aster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, aster_error_t *err) {
    aster_str_t text = err != NULL ? aster_error_message(err) : aster_str("");
    fprintf(stderr, "%s: %.*s\n", what, (int)text.len, text.ptr);
    exit(1);
}

static aster_str_t whole_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        die(path, NULL);
    }
    long size = ftell(file);
    char *text = malloc((size_t)size + 1);
    rewind(file);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) {
        die(path, NULL);
    }
    fclose(file);
    return (aster_str_t){text, (size_t)size};
}

static aster_bytes_t json_of(const aster_value_t *value) {
    aster_bytes_t out = {0};
    aster_error_t *err = NULL;
    if (aster_value_json(value, &out, &err) != ASTER_OK) {
        die("json", err);
    }
    return out;
}

static aster_value_t *text_value(const char *text, size_t len) {
    aster_value_t *value = NULL;
    aster_error_t *err = NULL;
    if (aster_value_string((aster_str_t){text, len}, &value, &err) != ASTER_OK) {
        die("string", err);
    }
    return value;
}

static void set(aster_value_t *record, aster_str_t name, aster_value_t *item) {
    aster_value_t *key = text_value(name.ptr, name.len);
    aster_error_t *err = NULL;
    if (aster_value_put(record, key, item, &err) != ASTER_OK) {
        die("put", err);
    }
}

/* Reads a body in JSON as the root type and writes it in both encodings; or tells the error. */
static aster_value_t *outcome(const aster_contract_t *contract, aster_str_t root, aster_bytes_t body) {
    aster_value_t *result = aster_value_map(), *value = NULL;
    aster_bytes_t xlang = {0}, text = {0};
    aster_error_t *err = NULL;
    aster_slice_t slice = {body.ptr, body.len};
    if (aster_contract_decode(contract, root, ASTER_MODE_JSON, slice, &value, &err) != ASTER_OK) {
        aster_str_t message = aster_error_message(err);
        aster_value_t *details = aster_value_map();
        for (size_t i = 0; i < aster_error_detail_count(err); i++) {
            aster_str_t key, detail;
            aster_error_detail_at(err, i, &key, &detail);
            set(details, key, text_value(detail.ptr, detail.len));
        }
        set(result, ASTER_STR("code"), aster_value_int(aster_error_status(err)));
        set(result, ASTER_STR("message"), text_value(message.ptr, message.len));
        set(result, ASTER_STR("details"), details);
        aster_error_free(err);
        return result;
    }
    if (aster_contract_encode(contract, root, ASTER_MODE_XLANG, value, &xlang, &err) != ASTER_OK ||
        aster_contract_encode(contract, root, ASTER_MODE_JSON, value, &text, &err) != ASTER_OK) {
        die("encode", err);
    }
    char *hex = malloc(xlang.len * 2 + 1);
    for (size_t i = 0; hex != NULL && i < xlang.len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", xlang.ptr[i]);
    }
    set(result, ASTER_STR("xlang"), text_value(hex, xlang.len * 2));
    set(result, ASTER_STR("json"), text_value((const char *)text.ptr, text.len));
    free(hex);
    aster_bytes_free(&xlang);
    aster_bytes_free(&text);
    aster_value_free(value);
    return result;
}

int main(int argc, char **argv) {
    aster_error_t *err = NULL;
    aster_value_t *scenario = NULL, *result = aster_value_map(), *outcomes = aster_value_map();
    aster_contract_t *contract = NULL;
    aster_str_t text = whole_file(argc > 1 ? argv[1] : "");
    if (aster_value_from_json(text, &scenario, &err) != ASTER_OK) {
        die("scenario", err);
    }
    aster_bytes_t description = json_of(aster_value_field(scenario, ASTER_STR("description")));
    if (aster_contract_parse((aster_str_t){(char *)description.ptr, description.len}, &contract, &err) != ASTER_OK) {
        die("contract", err);
    }
    aster_str_t root = {0};
    if (aster_value_as_str(aster_value_field(scenario, ASTER_STR("root")), &root, &err) != ASTER_OK) {
        die("root", err);
    }
    const char *groups[] = {"values", "refused"};
    for (size_t group = 0; group < 2; group++) {
        const aster_value_t *bodies = aster_value_field(scenario, aster_str(groups[group]));
        for (size_t i = 0; i < aster_value_len(bodies); i++) {
            aster_bytes_t body = json_of(aster_value_at(bodies, i));
            set(outcomes, aster_value_name_at(bodies, i), outcome(contract, root, body));
            aster_bytes_free(&body);
        }
    }
    aster_str_t id = aster_contract_id(contract);
    set(result, ASTER_STR("contract_id"), text_value(id.ptr, id.len));
    set(result, ASTER_STR("outcomes"), outcomes);
    aster_bytes_t shown = json_of(result);
    puts((const char *)shown.ptr);
    aster_bytes_free(&shown);
    aster_bytes_free(&description);
    aster_value_free(result);
    aster_contract_free(contract);
    aster_value_free(scenario);
    free((void *)text.ptr);
    return 0;
}
