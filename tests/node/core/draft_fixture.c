#include "tests/node/core/draft_fixture.h"

#include "node/core/steward.h"

#include <criterion/criterion.h>
#include <string.h>

struct draft draft;

static void init(void)
{
    draft.a = arena_make((size_t)256 * 1024 * 1024);
    draft.r = rf_federation(3, true, &draft.a);
    draft.net = *registry_net(draft.r);
    rf_store_init(&draft.store);
    rf_node_init(&draft.node, 201, draft.r, &draft.store);
}

static void fini(void)
{
    rf_node_free(&draft.node);
    rf_store_free(&draft.store);
    registry_free(&draft.r);
    arena_free(&draft.a);
}
TestSuite(registry, .init = init, .fini = fini);

struct msg_register draft_next_after(cpis_ms later)
{
    struct msg_register m;
    const uint64_t issued = registry_newest(draft.r)->issued + later;
    cr_assert_eq(steward_next(draft.r, issued, issued + 30 * CPIS_MS_DAY, &draft.a, &m), CPIS_OK);
    return m;
}
struct msg_register draft_next(void) { return draft_next_after(CPIS_MS_HOUR); }

cpis_err draft_offer(struct bytes document, const char **why)
{
    cpis_err err =
        registry_offer(draft.r, rf_begin(&draft.node, 1000, RF_T0 + 1000), document, why);
    rf_commit(&draft.node, false);
    return err;
}

void draft_accept(const struct msg_register *m)
{
    const char *why = NULL;
    cpis_err err = draft_offer(rf_document(m, &draft.net, 3, &draft.a), &why);
    cr_assert_eq(err, CPIS_OK, "%s", why == NULL ? "?" : why);
}

struct msg_register_node *draft_in(struct msg_register *m, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    for (size_t i = 0; i < m->nodes_count; i++) {
        const struct cpis_id x = node_id_of(&m->nodes[i].descriptor.sign_key);
        if (id_equal(&x, &id)) return &m->nodes[i];
    }
    return NULL;
}

void draft_without(struct msg_register *m, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    const char *why;
    cr_assert_eq(steward_remove_node(m, &id, &why), CPIS_OK);
}

struct msg_register_node *draft_with(struct msg_register *m, unsigned number, enum node_role role,
                                     const char *code)
{
    const struct steward_limits limits = {1, 2, 3};
    const struct msg_signed_descriptor d = rf_descriptor(number, role, code, &draft.net);
    const char *why;
    cr_assert_eq(steward_add_node(m, &draft.a, &draft.net, &d, &limits, NULL, &why), CPIS_OK);
    return draft_in(m, number);
}

void draft_with_epoch(struct msg_register *m, const struct msg_register_epoch *ep)
{
    struct msg_register_epoch *list = arena_take(&draft.a, (m->epochs_count + 1) * sizeof *list);
    memcpy(list, m->epochs, m->epochs_count * sizeof *list);
    list[m->epochs_count++] = *ep;
    m->epochs = list;
}

void draft_announce(struct msg_register *m, unsigned number, unsigned successor)
{
    const struct cpis_id id = rf_id(number), to = rf_id(successor);
    const char *why;
    cr_assert_eq(steward_set_successors(m, &draft.a, &id, &to, 1, &why), CPIS_OK);
}

void draft_with_notice(struct msg_register *m, unsigned about, uint64_t list_time)
{
    struct msg_register_notice *list = arena_take(&draft.a, 2 * sizeof *list);
    list[0] = (struct msg_register_notice){rf_id(about), list_time, m->issued + CPIS_MS_DAY};
    m->notices = list;
    m->notices_count = 1;
}

static struct msg_register_expected expected_list[2];
void draft_expect_codes(struct msg_register *m, const char *one, const char *two)
{
    memset(expected_list, 0, sizeof expected_list);
    strcpy(expected_list[0].code, one);
    strcpy(expected_list[1].code, two == NULL ? "" : two);
    m->expected = expected_list;
    m->expected_count = two == NULL ? 1 : 2;
}

cpis_err draft_tell(struct registry *to, unsigned number, cpis_ms now, uint64_t time,
                    cpis_ms wall_own)
{
    static uint8_t body[] = "body";
    const struct msg_register_time m = {.node_id = rf_id(number),
                                        .version = registry_version(to),
                                        .register_hash = *registry_hash(to),
                                        .time = time};
    const struct signed_message s = {
        .type = SIGNED_REGISTER_TIME, .signer = m.node_id, .body = {body, 4}};
    return registry_heard_time(to, &m, &s, now, wall_own);
}

void draft_tell_all(struct registry *to, cpis_ms now, cpis_ms time)
{
    for (unsigned i = 1; i <= 3; i++)
        cr_assert_eq(draft_tell(to, i, now, time, time), CPIS_OK);
}
