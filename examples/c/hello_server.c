/* Serves the Hello service: prints its address, then greets every caller until stdin closes.
 *
 *   cc hello_server.c -laster -o hello_server && ./hello_server
 */
#include <aster.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HELLO_TAG = 1, START_TAG = 2, BATCH = 64 };

static const char HELLO[] =
    "{\"service\":\"Hello\",\"version\":1,"
    "\"types\":{\"demo/HelloRequest\":{\"fields\":[{\"name\":\"name\",\"type\":\"string\",\"default\":\"\"}]},"
    "\"demo/HelloReply\":{\"fields\":[{\"name\":\"message\",\"type\":\"string\",\"default\":\"\"}]}},"
    "\"methods\":[{\"name\":\"sayHello\",\"pattern\":\"unary\","
    "\"request\":\"demo/HelloRequest\",\"response\":\"demo/HelloReply\"}]}";

static void report(aster_error_t *error) {
    aster_str_t name = aster_result_name(aster_error_code(error));
    aster_str_t message = aster_error_message(error);
    fprintf(stderr, "%.*s: %.*s\n", (int)name.len, name.ptr, (int)message.len, message.ptr);
    aster_error_free(error);
}

static void print_address(aster_server_t *server) {
    aster_bytes_t address;
    if (aster_server_address(server, &address, NULL) == ASTER_OK) {
        printf("address %s\n", (const char *)address.ptr);
        fflush(stdout);
        aster_bytes_free(&address);
    }
}

/* Answers {"name":"X"} with {"message":"Hello, X!"}. The JSON text of a name can be copied as it is. */
static void greet(const aster_event_t *event) {
    const char *json = (const char *)event->data;
    const char *start = strchr(json, ':') + 2;
    const char *end = strrchr(json, '"');
    const int len = (int)(end - start);
    const size_t size = (size_t)len + 32;
    char *text = malloc(size);
    aster_error_t *error = NULL;

    if (text != NULL) {
        aster_payload_t reply;
        snprintf(text, size, "{\"message\":\"Hello, %.*s!\"}", len, start);
        reply = aster_payload_json(aster_str(text));
        if (aster_incoming_reply(event->incoming, &reply, &error)) report(error);
        free(text);
    }
    aster_incoming_free(event->incoming); /* A call that was not answered ends with INTERNAL. */
}

static int handle(aster_server_t *server, const aster_event_t *event) {
    switch (event->kind) {
    case ASTER_EVENT_OP_DONE:
        if (event->code != ASTER_OK) {
            report(aster_error_clone(event->error));
            return 1;
        }
        print_address(server);
        return 0;
    case ASTER_EVENT_CALL_STARTED:
        greet(event);
        return 0;
    default:
        return 0;
    }
}

/* Waits for events and for the end of stdin in one poll. */
static int serve(aster_server_t *server, aster_cq_t *cq) {
    aster_event_t events[BATCH];
    struct pollfd fds[2];

    fds[0].fd = aster_cq_fd(cq);
    fds[0].events = POLLIN;
    fds[1].fd = STDIN_FILENO;
    fds[1].events = POLLIN;
    while (poll(fds, 2, -1) >= 0) {
        int32_t n;
        if (fds[0].revents != 0) {
            do {
                int32_t i;
                n = aster_cq_next(cq, events, BATCH, 0);
                for (i = 0; i < n; i++) {
                    if (handle(server, &events[i])) return 1;
                }
            } while (n == BATCH);
            if (n < 0) return 1;
        }
        if (fds[1].revents != 0) {
            char rest[256];
            if (read(STDIN_FILENO, rest, sizeof rest) <= 0) return 0;
        }
    }
    return 1;
}

int main(void) {
    aster_runtime_t *runtime = NULL;
    aster_config_t *config = NULL;
    aster_contract_t *contract = NULL;
    aster_cq_t *cq = NULL;
    aster_server_t *server = NULL;
    aster_error_t *error = NULL;
    int failed = 1;

    if (aster_runtime_new(NULL, &runtime, &error) || aster_config_load(NULL, &config, &error) ||
        aster_contract_parse(aster_str(HELLO), &contract, &error) || aster_cq_new(runtime, NULL, &cq, &error) ||
        aster_server_new(runtime, config, NULL, &server, &error) ||
        aster_server_register(server, contract, NULL, cq, HELLO_TAG, &error) ||
        aster_server_start(server, cq, START_TAG, NULL, &error)) {
        report(error);
    } else {
        failed = serve(server, cq);
        aster_runtime_shutdown(runtime, 10000, NULL); /* Closes the server and the queue. */
    }
    aster_server_free(server);
    aster_cq_free(cq);
    aster_contract_free(contract);
    aster_config_free(config);
    aster_runtime_free(runtime);
    return failed;
}
