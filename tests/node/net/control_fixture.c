#include "tests/node/net/control_fixture.h"

#include <criterion/criterion.h>

struct ctl ctl;

static const char a_node; /* its address stands for a node: no command here looks into it */

static void begin(void)
{
    served_begin(ROLE_QUERY, &ctl.served);
    ctl.control = ctl.served.control;
    ctl.store = ctl.served.store;
    ctl.env = ctl.served.env;
    ctl.env.node = (const struct node *)(const void *)&a_node;
    ctl.client = zsock_new_dealer(">" CONTROL_INPROC);
    cr_assert_not_null(ctl.client);
    zsock_set_rcvtimeo(ctl.client, 5000);
}
static void end(void)
{
    zsock_destroy(&ctl.client);
    served_end(&ctl.served);
}
TestSuite(control, .init = begin, .fini = end, .timeout = 60);

void ctl_serve_one(void)
{
    struct inlet *inlet = control_inlet(ctl.control);
    inlets_wait(&inlet, 1, NULL, 0, 5000);
    cr_assert(control_read(ctl.control, &ctl.env));
}

json_t *ctl_reply(void)
{
    char *text = zstr_recv(ctl.client);
    cr_assert_not_null(text, "no reply");
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(o, "%s", text);
    zstr_free(&text);
    return o;
}

json_t *ctl_ask(const char *request)
{
    cr_assert_eq(zstr_send(ctl.client, request), 0);
    ctl_serve_one();
    return ctl_reply();
}

const char *ctl_text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

void ctl_expect_error(const char *request, const char *code, const char *text)
{
    json_t *o = ctl_ask(request);
    const json_t *e = json_object_get(o, "error");
    cr_expect(json_is_true(json_object_get(o, "done")), "%s", request);
    cr_expect_str_eq(ctl_text_at(e, "code"), code, "%s", request);
    cr_expect(strstr(ctl_text_at(e, "text"), text) != NULL, "%s: %s", request,
              ctl_text_at(e, "text"));
    cr_expect_gt(strlen(ctl_text_at(e, "do")), 0, "%s", request);
    json_decref(o);
}

json_t *ctl_expect_done(const char *request)
{
    json_t *o = ctl_ask(request);
    char *all = json_dumps(o, 0);
    cr_expect(json_is_true(json_object_get(o, "done")), "%s", all);
    cr_expect(json_is_null(json_object_get(o, "error")), "%s", all);
    free(all);
    return o;
}

bool ctl_nothing_waits(void)
{
    zsock_set_rcvtimeo(ctl.client, 50);
    char *text = zstr_recv(ctl.client);
    zsock_set_rcvtimeo(ctl.client, 5000);
    bool none = text == NULL;
    zstr_free(&text);
    return none;
}

void ctl_put_notification(const struct row_notification *n)
{
    struct arena a = arena_make(65536);
    struct bytes b;
    const uint8_t key[8] = {[7] = (uint8_t)n->id};
    cr_assert_eq(row_notification_encode(n, &a, &b), CPIS_OK);
    store_put(ctl.store, TABLE_NOTIFICATION, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(ctl.store), CPIS_OK);
    arena_free(&a);
}

struct row_notification ctl_a_notification(uint64_t id, uint32_t state)
{
    return (struct row_notification){.id = id,
                                     .kind = NOTIFICATION_NOT_BROUGHT,
                                     .nhs_number = "9990000018",
                                     .at = 1795400000000,
                                     .received = 1795400001000,
                                     .asker_code = "RTST",
                                     .asker_name = "Test Trust",
                                     .complete = id != 1,
                                     .state = state,
                                     .state_since = 1795400001000,
                                     .details = {.nhs_number = "9990000018",
                                                 .user_name = "A. Nurse",
                                                 .role_name = "Nurse",
                                                 .organisation_code = "RTST1",
                                                 .purpose = PURPOSE_NOT_BROUGHT}};
}
