/* Calls the Hello service at the address of the first argument and prints its greeting.
 *
 *   cc hello_client.c -laster -o hello_client && ./hello_client aster1...
 */
#include <aster.h>
#include <stdio.h>

static const char HELLO[] =
    "{\"service\":\"Hello\",\"version\":1,"
    "\"types\":{\"demo/HelloRequest\":{\"fields\":[{\"name\":\"name\",\"type\":\"string\",\"default\":\"\"}]},"
    "\"demo/HelloReply\":{\"fields\":[{\"name\":\"message\",\"type\":\"string\",\"default\":\"\"}]}},"
    "\"methods\":[{\"name\":\"sayHello\",\"pattern\":\"unary\","
    "\"request\":\"demo/HelloRequest\",\"response\":\"demo/HelloReply\"}]}";

/* Everything that is made, so that one place releases it. */
typedef struct {
    aster_runtime_t *runtime;
    aster_config_t *config;
    aster_contract_t *contract;
    aster_op_t *op;
    aster_client_t *client;
    aster_bytes_t reply;
    aster_error_t *error;
} program_t;

/* Prints the text between the quotes of {"message":"..."}; a real program would use a JSON parser. */
static void print_message(const char *json) {
    const char *text = strchr(json, ':');
    const char *end = strrchr(json, '"');
    if (text != NULL && end > text + 2) {
        printf("%.*s\n", (int)(end - text - 2), text + 2);
    }
}

static int run(program_t *p, const char *address) {
    aster_client_options_t client_options = ASTER_CLIENT_OPTIONS_INIT;
    aster_call_options_t call_options = ASTER_CALL_OPTIONS_INIT;
    aster_payload_t request = aster_payload_json(ASTER_STR("{\"name\":\"World\"}"));
    aster_op_t *closing = NULL;

    /* One runtime per process; ASTER_* variables configure the node. */
    if (aster_runtime_new(NULL, &p->runtime, &p->error)) return 1;
    if (aster_config_load(NULL, &p->config, &p->error)) return 1;
    if (aster_contract_parse(aster_str(HELLO), &p->contract, &p->error)) return 1;

    /* Connecting takes time: it is an operation, waited for here. */
    client_options.address = aster_str(address);
    if (aster_client_connect(p->runtime, p->config, &client_options, NULL, 0, &p->op, &p->error)) return 1;
    if (aster_op_wait(p->op, 30000, &p->error)) return 1;
    if (aster_op_take_client(p->op, &p->client, &p->error)) return 1;

    call_options.service = ASTER_STR("Hello");
    call_options.method = ASTER_STR("sayHello");
    call_options.contract = p->contract;
    call_options.timeout_ms = 10000;
    if (aster_call_unary(p->client, &call_options, &request, &p->reply, &p->error)) return 1;
    print_message((const char *)p->reply.ptr);

    if (aster_client_close(p->client, NULL, 0, &closing, &p->error)) return 1;
    aster_op_wait(closing, 10000, NULL);
    aster_op_free(closing);
    return 0;
}

int main(int argc, char **argv) {
    program_t p;
    int failed;

    memset(&p, 0, sizeof p);
    if (argc != 2) {
        fprintf(stderr, "usage: hello_client ADDRESS\n");
        return 2;
    }
    failed = run(&p, argv[1]);
    if (failed) {
        aster_str_t name = aster_result_name(aster_error_code(p.error));
        aster_str_t message = aster_error_message(p.error);
        fprintf(stderr, "%.*s: %.*s\n", (int)name.len, name.ptr, (int)message.len, message.ptr);
    }
    aster_bytes_free(&p.reply);
    aster_client_free(p.client);
    aster_op_free(p.op);
    aster_contract_free(p.contract);
    aster_config_free(p.config);
    aster_runtime_free(p.runtime);
    aster_error_free(p.error);
    return failed;
}
