/* An authority without memory: each allocation of a step fails once. */
#include "tests/fail_malloc.h"
#include "tests/node/core/authority_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>

#define ALLOCATIONS 48

static struct af f;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    af_init(&f);
    af_add(&f, 1, 2);
    af_forget(&f);
}
static void fini(void)
{
    fail_malloc_at(-1);
    af_free(&f);
}
TestSuite(authority_memory, .init = init, .fini = fini);

/* As the driver does: a step that failed is lost, with the machines. */
static bool lost(void)
{
    if (!f.queue.failed) return false;
    queue_reset(&f.queue);
    af_restart(&f);
    return true;
}

Test(authority_memory, a_look_is_recorded_once_and_acknowledged_or_the_step_is_lost)
{
    size_t losses = 0;
    for (int n = 0; n < ALLOCATIONS; n++) {
        const struct af_lookup l = af_lookup(&f, 1);
        const struct registry_node *signer = registry_node_ever(f.registry, &l.m.query_id);
        struct row_access row;
        struct env *e = af_begin(&f);
        fail_malloc_at(n);
        authority_recv_lookup(f.authority, e, af_node(&f, 1), signer, &l.as_signed, &l.m);
        fail_malloc_at(-1);
        if (lost()) {
            losses++;
            cr_assert_not(af_access(&f, &l.rh, &row), "allocation %d: half a step is kept", n);
        } else {
            af_commit(&f);
            cr_assert_eq(af_access(&f, &l.rh, &row), af_acked(&f, &l.rh) > 0, "allocation %d", n);
        }
        af_bring(&f, 2, &l); /* a directory brings it until it is acknowledged */
        cr_assert(af_access(&f, &l.rh, &row), "allocation %d", n);
        cr_assert_gt(af_acked(&f, &l.rh), 0U, "allocation %d", n);
        cr_assert_eq(af_rows(&f, TABLE_ACCESS), (size_t)n + 1);
        af_forget(&f);
    }
    cr_assert_gt(losses, 0U, "no allocation was reached");
}

Test(authority_memory, details_make_one_notification_or_the_step_is_lost)
{
    size_t losses = 0;
    for (int n = 0; n < ALLOCATIONS; n++) {
        const struct af_lookup l = af_lookup(&f, 1);
        const struct msg_ask_details ask = af_ask(1, "100000000001", false);
        const struct msg_details d = af_details(&f, &l, &ask);
        const struct registry_node *signer = registry_node_ever(f.registry, &l.m.query_id);
        af_bring(&f, 1, &l);
        struct env *e = af_begin(&f);
        fail_malloc_at(n);
        authority_recv_details(f.authority, e, af_node(&f, 1), signer, &d);
        fail_malloc_at(-1);
        if (lost())
            losses++;
        else
            af_commit(&f);
        af_bring_details(&f, 2, &d);
        cr_assert_eq(af_notifications(&f, NULL), (size_t)n + 1, "allocation %d", n);
        af_forget(&f);
    }
    cr_assert_gt(losses, 0U, "no allocation was reached");
}

/* Made from the envelope, as no details came in time: it is completed, and stays the only one. */
Test(authority_memory,
     details_that_come_late_complete_the_notification_there_is_or_the_step_is_lost)
{
    size_t losses = 0;
    for (size_t n = 0; n < ALLOCATIONS; n++) {
        const struct af_lookup l = af_lookup(&f, 1);
        const struct msg_ask_details ask = af_ask(1, "100000000001", false);
        const struct msg_details d = af_details(&f, &l, &ask);
        const struct registry_node *signer = registry_node_ever(f.registry, &l.m.query_id);
        af_bring(&f, 1, &l);
        af_run(&f, DETAILS_WAIT);
        cr_assert_eq(af_notifications(&f, NULL), n + 1);
        struct env *e = af_begin(&f);
        e->view = fail_piece(e->view, n);
        authority_recv_details(f.authority, e, af_node(&f, 1), signer, &d);
        (void)fail_piece_over();
        e->view = &f.store.view;
        if (lost())
            losses++;
        else
            af_commit(&f);
        cr_assert_eq(af_notifications(&f, NULL), n + 1, "piece %zu: one more notification", n);
        af_bring_details(&f, 2, &d);
        cr_assert_eq(af_notifications(&f, NULL), n + 1, "piece %zu: one more notification", n);
        af_forget(&f);
    }
    cr_assert_gt(losses, 0U, "no piece was reached");
}
