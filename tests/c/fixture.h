/* A runtime, a server of the Hello service that answers on a thread of its own, and a client of it. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "check.h"

#define HELLO_TYPES \
    "\"types\":{\"demo/HelloRequest\":{\"fields\":[{\"name\":\"name\",\"type\":\"string\",\"default\":\"\"}]}," \
    "\"demo/HelloReply\":{\"fields\":[{\"name\":\"message\",\"type\":\"string\",\"default\":\"\"}]}},"
#define HELLO_METHOD(name) \
    "{\"name\":\"" name "\",\"pattern\":\"unary\",\"request\":\"demo/HelloRequest\",\"response\":\"demo/HelloReply\"}"

/* What the server has: sayHello and methods that misbehave. */
#define HELLO_SERVER \
    "{\"service\":\"Hello\",\"version\":1," HELLO_TYPES "\"methods\":[" HELLO_METHOD("sayHello") "," \
    HELLO_METHOD("fail") "," HELLO_METHOD("drop") "," HELLO_METHOD("misfit") "," HELLO_METHOD("wait") "," \
    HELLO_METHOD("info") "," HELLO_METHOD("who") "]}"
/* What the client thinks it has: one method more. */
#define HELLO_CLIENT \
    "{\"service\":\"Hello\",\"version\":1," HELLO_TYPES "\"methods\":[" HELLO_METHOD("sayHello") "," \
    HELLO_METHOD("fail") "," HELLO_METHOD("drop") "," HELLO_METHOD("misfit") "," HELLO_METHOD("wait") "," \
    HELLO_METHOD("info") "," HELLO_METHOD("who") "," HELLO_METHOD("missing") "]}"
#define OTHER_SERVICE \
    "{\"service\":\"Other\",\"version\":7," HELLO_TYPES "\"methods\":[" HELLO_METHOD("sayHello") "]}"

typedef struct {
    aster_runtime_t *runtime;
    aster_config_t *config;
    aster_contract_t *served;
    aster_contract_t *contract;
    aster_cq_t *server_cq;
    aster_server_t *server;
    aster_client_t *client;
} fixture_t;

/* Starts everything; the handlers answer until the queue of the server is shut down. */
void fixture_start(fixture_t *f);
/* Starts all but the client, with more fields of the configuration; NULL: none. */
void fixture_serve(fixture_t *f, const char *fields);
/* Connects one more client. */
aster_client_t *fixture_connect(fixture_t *f);
/* Submits a connection with a configuration and options, whose address is filled in. */
aster_op_t *fixture_dial(fixture_t *f, const aster_config_t *config, aster_client_options_t options);
/* Waits for it; the code of `expected`. */
aster_client_t *fixture_dialled(aster_op_t *op, aster_result_t expected);
/* Closes and frees everything. */
void fixture_stop(fixture_t *f);
/* Options of a call of Hello. */
aster_call_options_t fixture_call(const fixture_t *f, const char *method);
/* How many handlers of "wait" were started. */
int fixture_started(void);
/* Waits until more than that were. */
void fixture_await_started(int before);
/* Waits until every handler of "wait" that was started was told to stop; returns the status the last one was told. */
int32_t fixture_await_stopped(void);

#endif
