/* An authority without memory: each allocation of a step fails once. */
#include "tests/fail_malloc.h"
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>

#define ALLOCATIONS 48

static void fini(void)
{
    fail_malloc_at(-1);
    looks_end();
}
TestSuite(authority_memory, .init = looks_begin, .fini = fini);

/* As the driver does: a step that failed is lost, with the machines. */
static bool lost(void)
{
    if (!af.queue.failed) return false;
    queue_reset(&af.queue);
    af_restart(&af);
    return true;
}

Test(authority_memory, a_look_is_recorded_once_and_acknowledged_or_the_step_is_lost)
{
    size_t losses = 0;
    for (int n = 0; n < ALLOCATIONS; n++) {
        const struct af_lookup l = af_lookup(&af, 1);
        const struct registry_node *signer = registry_node_ever(af.registry, &l.m.query_id);
        struct row_access row;
        struct env *e = af_begin(&af);
        fail_malloc_at(n);
        authority_recv_lookup(af.authority, e, af_node(&af, 1), signer, &l.as_signed, &l.m);
        fail_malloc_at(-1);
        if (lost()) {
            losses++;
            cr_assert_not(af_access(&af, &l.rh, &row), "allocation %d: half a step is kept", n);
        } else {
            af_commit(&af);
            cr_assert_eq(af_access(&af, &l.rh, &row), af_acked(&af, &l.rh) > 0, "allocation %d", n);
        }
        af_bring(&af, 2, &l); /* a directory brings it until it is acknowledged */
        cr_assert(af_access(&af, &l.rh, &row), "allocation %d", n);
        cr_assert_gt(af_acked(&af, &l.rh), 0U, "allocation %d", n);
        cr_assert_eq(af_rows(&af, TABLE_ACCESS), (size_t)n + 1);
        af_forget(&af);
    }
    cr_assert_gt(losses, 0U, "no allocation was reached");
}

Test(authority_memory, details_make_one_notification_or_the_step_is_lost)
{
    size_t losses = 0;
    for (int n = 0; n < ALLOCATIONS; n++) {
        const struct af_lookup l = af_lookup(&af, 1);
        const struct msg_ask_details ask = af_ask(1, "100000000001", false);
        const struct msg_details d = af_details(&af, &l, &ask);
        const struct registry_node *signer = registry_node_ever(af.registry, &l.m.query_id);
        af_bring(&af, 1, &l);
        struct env *e = af_begin(&af);
        fail_malloc_at(n);
        authority_recv_details(af.authority, e, af_node(&af, 1), signer, &d);
        fail_malloc_at(-1);
        if (lost())
            losses++;
        else
            af_commit(&af);
        af_bring_details(&af, 2, &d);
        cr_assert_eq(af_notifications(&af, NULL), (size_t)n + 1, "allocation %d", n);
        af_forget(&af);
    }
    cr_assert_gt(losses, 0U, "no allocation was reached");
}

/* Made from the envelope, as no details came in time: it is completed, and stays the only one. */
Test(authority_memory,
     details_that_come_late_complete_the_notification_there_is_or_the_step_is_lost)
{
    size_t losses = 0;
    for (size_t n = 0; n < ALLOCATIONS; n++) {
        const struct af_lookup l = af_lookup(&af, 1);
        const struct msg_ask_details ask = af_ask(1, "100000000001", false);
        const struct msg_details d = af_details(&af, &l, &ask);
        const struct registry_node *signer = registry_node_ever(af.registry, &l.m.query_id);
        af_bring(&af, 1, &l);
        af_run(&af, DETAILS_WAIT);
        cr_assert_eq(af_notifications(&af, NULL), n + 1);
        struct env *e = af_begin(&af);
        e->view = fail_piece(e->view, n);
        authority_recv_details(af.authority, e, af_node(&af, 1), signer, &d);
        (void)fail_piece_over();
        e->view = &af.store.view;
        if (lost())
            losses++;
        else
            af_commit(&af);
        cr_assert_eq(af_notifications(&af, NULL), n + 1, "piece %zu: one more notification", n);
        af_bring_details(&af, 2, &d);
        cr_assert_eq(af_notifications(&af, NULL), n + 1, "piece %zu: one more notification", n);
        af_forget(&af);
    }
    cr_assert_gt(losses, 0U, "no piece was reached");
}
