/* After fork the handles of the parent are refused in the child, and the parent goes on. */
#include "fixture.h"

#include <sys/wait.h>
#include <unistd.h>

static void child(fixture_t *f, aster_error_t *inherited, aster_value_t *list, aster_identity_t *identity) {
    const aster_call_options_t call = fixture_call(f, "sayHello");
    const aster_payload_t request = aster_payload_json(ASTER_STR("{}"));
    aster_bytes_t bytes;
    aster_event_t event;
    aster_cq_t *cq = NULL;
    aster_contract_t *contract = NULL;
    FAILS_WITH(ASTER_ERR_FORKED, "fork", aster_call_unary(f->client, &call, &request, &bytes, &err));
    FAILS(ASTER_ERR_FORKED, aster_cq_new(f->runtime, NULL, &cq, &err));
    FAILS(ASTER_ERR_FORKED, aster_runtime_shutdown(f->runtime, 1, &err));
    FAILS(ASTER_ERR_FORKED, aster_server_address(f->server, &bytes, &err));
    FAILS(ASTER_ERR_FORKED, aster_config_get(f->config, ASTER_STR("bind_addr"), &bytes, &err));
    FAILS(ASTER_ERR_FORKED, aster_config_describe(f->config, 0, &bytes, &err));
    FAILS(ASTER_ERR_FORKED, aster_server_peers(f->server, &bytes, &err));
    FAILS(ASTER_ERR_FORKED, aster_server_peer_remove(f->server, ASTER_STR("x"), &err));
    FAILS(ASTER_ERR_FORKED, aster_server_peer_admit(f->server, ASTER_STR("x"), ASTER_STR("{}"), 0, &err));
    FAILS(ASTER_ERR_FORKED, aster_server_revoke(f->server, ASTER_STR("x"), aster_str(NULL), 0, &err));
    FAILS(ASTER_ERR_FORKED, aster_identity_json(identity, 0, &bytes, &err));
    CHECK(aster_cq_next(f->server_cq, &event, 1, 0) == -ASTER_ERR_FORKED);
    CHECK(aster_contract_id(f->contract).ptr == NULL && aster_error_message(inherited).ptr == NULL);
    FAILS(ASTER_ERR_FORKED, aster_value_push(list, aster_value_null(), &err));
    CHECK(aster_value_clone(list) == NULL);
    /* Freeing does nothing, so that nothing waits for threads that are not here. */
    aster_call_cancel(NULL);
    aster_client_free(f->client);
    aster_server_free(f->server);
    aster_cq_free(f->server_cq);
    aster_contract_free(f->contract);
    aster_config_free(f->config);
    aster_error_free(inherited);
    aster_value_free(list);
    aster_identity_free(identity);
    aster_runtime_free(f->runtime);
    /* New objects of the child work. */
    OK(aster_contract_parse(ASTER_STR(HELLO_SERVER), &contract, &err));
    CHECK(aster_contract_id(contract).len == 64);
    aster_contract_free(contract);
    _exit(0);
}

int main(void) {
    fixture_t f;
    aster_call_options_t call;
    const aster_payload_t request = aster_payload_json(ASTER_STR("{\"name\":\"fork\"}"));
    aster_bytes_t reply;
    aster_error_t *error = NULL;
    aster_value_t *list = aster_value_list();
    aster_address_t *address = NULL;
    aster_identity_t *identity = NULL;
    int status = 0;
    pid_t pid;
    fixture_start(&f);
    CHECK(aster_address_parse(ASTER_STR("x"), &address, &error) == ASTER_ERR_ADDRESS);
    OK(aster_identity_parse(ASTER_STR("[[peers]]\nname = 'ann'\n"), &identity, &err));
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(&f, error, list, identity);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    call = fixture_call(&f, "sayHello");
    OK(aster_call_unary(f.client, &call, &request, &reply, &err));
    CHECK(check_bytes_equal(reply, "{\"message\":\"Hello, fork!\"}"));
    aster_bytes_free(&reply);
    aster_error_free(error);
    CHECK(aster_value_len(list) == 0);
    aster_value_free(list);
    aster_identity_free(identity);
    fixture_stop(&f);
    printf("fork: ok\n");
    return 0;
}
