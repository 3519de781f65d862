/* The shared vectors, as far as the C interface reaches them. */
#include "check.h"
#include "vectors.inc"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void statuses(void) {
    size_t i;
    for (i = 0; i < COUNT(STATUSES); i++) {
        CHECK(STATUSES[i].constant == STATUSES[i].code);
        CHECK(check_equal(aster_status_name(STATUSES[i].code), STATUSES[i].name));
    }
    CHECK(aster_status_name(250).len == 0);
    CHECK(check_equal(aster_result_name(ASTER_ERR_RPC), "RPC") && aster_result_name(7).len == 0);
}

static void addresses(void) {
    size_t i;
    for (i = 0; i < COUNT(ADDRESSES); i++) {
        aster_address_t *address = NULL;
        const aster_str_t input = aster_str_lit(ADDRESSES[i].input, ADDRESSES[i].len);
        if (ADDRESSES[i].endpoint_id == NULL) {
            FAILS_WITH(ASTER_ERR_ADDRESS, "invalid address: ", aster_address_parse(input, &address, &err));
            CHECK(address == NULL);
            continue;
        }
        OK(aster_address_parse(input, &address, &err));
        CHECK(check_equal(aster_address_endpoint_id(address), ADDRESSES[i].endpoint_id));
        aster_address_free(address);
    }
    for (i = 0; i < COUNT(TICKETS); i++) {
        aster_address_t *address = NULL;
        aster_bytes_t text;
        if (TICKETS[i].endpoint_id == NULL) {
            FAILS(ASTER_ERR_ADDRESS, aster_address_parse(aster_str(TICKETS[i].text), &address, &err));
            continue;
        }
        OK(aster_address_parse(aster_str(TICKETS[i].text), &address, &err));
        CHECK(check_equal(aster_address_endpoint_id(address), TICKETS[i].endpoint_id));
        OK(aster_address_ticket(address, &text, &err));
        CHECK(memcmp(text.ptr, "aster1", 6) == 0 && text.ptr[text.len] == 0);
        aster_bytes_free(&text);
        aster_address_free(address);
    }
}

/* Builds a node address of its parts and takes it apart again. */
static void node_addr(size_t i) {
    aster_str_t direct[64];
    aster_address_t *address = NULL;
    aster_bytes_t base64;
    const char *rest = NODE_ADDRS[i].direct;
    size_t n = 0, k;
    while (*rest != 0) {
        const size_t len = strcspn(rest, "\n");
        CHECK(n < COUNT(direct));
        direct[n++] = aster_str_lit(rest, len);
        rest += len + (rest[len] == '\n');
    }
    OK(aster_address_new(aster_str(NODE_ADDRS[i].endpoint_id), aster_str(NODE_ADDRS[i].relay_url), direct, n, &address,
                         &err));
    OK(aster_address_b64(address, &base64, &err));
    CHECK(check_bytes_equal(base64, NODE_ADDRS[i].base64));
    aster_bytes_free(&base64);
    aster_address_free(address);
    OK(aster_address_parse(aster_str(NODE_ADDRS[i].base64), &address, &err));
    CHECK(check_equal(aster_address_endpoint_id(address), NODE_ADDRS[i].endpoint_id));
    CHECK((NODE_ADDRS[i].relay_url == NULL) == (aster_address_relay_url(address).ptr == NULL));
    CHECK(aster_address_direct_count(address) == n && aster_address_direct_at(address, n).ptr == NULL);
    for (k = 0; k < n; k++) {
        const aster_str_t text = aster_address_direct_at(address, k);
        CHECK(text.len == direct[k].len && memcmp(text.ptr, direct[k].ptr, text.len) == 0);
    }
    aster_address_free(address);
}

static void hex_equal(aster_bytes_t bytes, const char *hex) {
    size_t i;
    CHECK(bytes.len * 2 == strlen(hex));
    for (i = 0; i < bytes.len; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", bytes.ptr[i]);
        CHECK(memcmp(two, hex + 2 * i, 2) == 0);
    }
}

static void contracts(void) {
    size_t i;
    for (i = 0; i < COUNT(SERVICES); i++) {
        aster_contract_t *contract = NULL, *copy;
        aster_bytes_t bytes;
        OK(aster_contract_parse(aster_str(SERVICES[i].description), &contract, &err));
        CHECK(check_equal(aster_contract_id(contract), SERVICES[i].contract_id));
        copy = aster_contract_clone(contract);
        aster_contract_free(contract);
        CHECK(check_equal(aster_contract_service(copy), SERVICES[i].service));
        CHECK(aster_contract_version(copy) == SERVICES[i].version);
        OK(aster_contract_canonical(copy, &bytes, &err));
        hex_equal(bytes, SERVICES[i].hex);
        aster_bytes_free(&bytes);
        OK(aster_contract_description(copy, &bytes, &err));
        CHECK(check_bytes_equal(bytes, SERVICES[i].description));
        aster_bytes_free(&bytes);
        aster_contract_free(copy);
    }
    for (i = 0; i < COUNT(BAD_DESCRIPTIONS); i++) {
        aster_contract_t *contract = NULL;
        FAILS(ASTER_ERR_CONTRACT, aster_contract_parse(aster_str(BAD_DESCRIPTIONS[i].description), &contract, &err));
        CHECK(contract == NULL);
    }
}

int main(void) {
    size_t i;
    statuses();
    addresses();
    for (i = 0; i < COUNT(NODE_ADDRS); i++) node_addr(i);
    contracts();
    printf("vectors: %d statuses, %d addresses, %d tickets, %d node addresses, %d contracts, %d bad descriptions\n",
           (int)COUNT(STATUSES), (int)COUNT(ADDRESSES), (int)COUNT(TICKETS), (int)COUNT(NODE_ADDRS), (int)COUNT(SERVICES),
           (int)COUNT(BAD_DESCRIPTIONS));
    return 0;
}
