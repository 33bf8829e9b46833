/* Who can be reached: hellos, silence, restarts, one id connected twice, and whom to ask first. */
#include "node/core/links.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define OURS 4711U

static struct vf v;
static struct links *links;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    cr_assert_eq(links_new(OURS, &links), CPIS_OK);
}
static void teardown(void)
{
    links_free(&links);
    vf_deinit(&v);
}
TestSuite(links, .init = setup, .fini = teardown);

/* A hello of this session; true: the peer appeared. */
static bool hello(unsigned peer, uint64_t session, bool is_answer)
{
    const struct cpis_id id = rf_id(peer);
    const struct msg_hello m = {.session = session, .register_version = 3, .answer = is_answer};
    bool appeared;
    links_recv_hello(links, vf_begin(&v), &id, &m, &appeared);
    vf_commit(&v);
    return appeared;
}
static bool reachable(unsigned peer)
{
    const struct cpis_id id = rf_id(peer);
    return links_reachable(links, &id, v.now);
}
static bool twice(unsigned peer)
{
    const struct cpis_id id = rf_id(peer);
    return links_is_twice(links, &id, v.now);
}
static void heard(unsigned peer)
{
    const struct cpis_id id = rf_id(peer);
    links_heard(links, &id, v.now);
}
static void tick(void)
{
    links_tick(links, vf_begin(&v));
    vf_commit(&v);
}

Test(links, a_hello_is_answered_and_an_answer_is_not)
{
    struct bytes b;
    struct msg_hello m;
    cr_expect(hello(2, 9, false));
    cr_assert_eq(vf_sent(&v, 2, FRAME_HELLO, &b), 1);
    cr_assert_eq(hello_decode(b, &v.a, &m), CPIS_OK);
    cr_expect(m.answer);
    cr_expect_eq(m.session, OURS);
    cr_expect_eq(m.register_version, registry_version(v.registry));
    cr_expect_not(hello(2, 9, true));
    cr_expect_eq(vf_sent(&v, 0, FRAME_HELLO, NULL), 0);
}

Test(links, a_peer_appears_once_until_it_is_lost_or_starts_anew)
{
    cr_expect_not(reachable(2));
    cr_expect(hello(2, 9, false));
    cr_expect(reachable(2));
    cr_expect_not(hello(2, 9, false));
    vf_pass(&v, LINK_LOST - 1);
    cr_expect(reachable(2));
    cr_expect_not(hello(2, 9, false));
    vf_pass(&v, LINK_LOST);
    cr_expect_not(reachable(2), "45 s of silence");
    cr_expect(hello(2, 9, false), "back");
    cr_expect(hello(2, 10, false), "a new session, though never lost");
}

Test(links, any_message_keeps_a_peer_reachable_but_none_makes_it_so)
{
    heard(2);
    cr_expect_not(reachable(2), "not before its hello");
    cr_expect(hello(2, 9, false));
    for (unsigned i = 0; i < 5; i++) {
        vf_pass(&v, LINK_LOST - 1);
        heard(2);
    }
    cr_expect(reachable(2));
    vf_pass(&v, LINK_LOST);
    heard(2);
    cr_expect_not(reachable(2), "once lost only a hello brings it back");
}

Test(links, a_restart_is_not_being_connected_twice)
{
    (void)hello(2, 9, false);
    for (uint64_t s = 10; s < 15; s++) {
        cr_expect(hello(2, s, false));
        cr_expect_not(twice(2));
        cr_expect_eq(vf_events(&v, EVENT_TWICE_CONNECTED), 0);
    }
}

Test(links, two_sessions_that_both_go_on_are_one_id_connected_twice)
{
    (void)hello(2, 9, false);
    (void)hello(2, 10, false);
    (void)hello(2, 9, false);
    cr_expect_eq(vf_events(&v, EVENT_TWICE_CONNECTED), 1);
    cr_expect(twice(2));
    vf_pass(&v, LINK_LOST);
    (void)hello(2, 10, false);
    vf_pass(&v, LINK_LOST);
    cr_expect(twice(2), "as long as both are heard");
    (void)hello(2, 10, false);
    vf_pass(&v, 2 * LINK_LOST);
    cr_expect_not(twice(2), "it clears when one is silent");
}

Test(links, every_directory_is_greeted_at_once_then_often_until_it_answers_then_less)
{
    tick();
    cr_expect_eq(vf_sent(&v, 0, FRAME_HELLO, NULL), VF_DIRECTORIES, "and nobody else");
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        cr_expect_eq(vf_sent(&v, i, FRAME_HELLO, NULL), 1);
    cr_expect_leq(links_deadline(links), v.now + HELLO_RETRY);
    (void)hello(1, 9, true);
    vf_pass(&v, HELLO_RETRY);
    tick();
    cr_expect_eq(vf_sent(&v, 2, FRAME_HELLO, NULL), 1);
    vf_pass(&v, HELLO_RETRY);
    tick();
    cr_expect_eq(vf_sent(&v, 1, FRAME_HELLO, NULL), 0, "it has answered");
    cr_expect_eq(vf_sent(&v, 2, FRAME_HELLO, NULL), 1);
}

Test(links, directories_that_answer_are_greeted_together_whenever_each_was_found)
{
    size_t sent = 0;
    tick();
    (void)hello(1, 9, true);
    vf_pass(&v, HELLO_RETRY);
    tick();
    (void)hello(2, 9, true);
    for (unsigned i = 3; i <= VF_DIRECTORIES; i++)
        (void)hello(i, 9, true);
    for (unsigned k = 0; k < 40; k++) {
        vf_pass(&v, links_deadline(links) - v.now);
        tick();
        sent = vf_sent(&v, 0, FRAME_HELLO, NULL);
        cr_expect_gt(sent, 0);
        cr_expect_leq(links_deadline(links), v.now + HELLO_EVERY);
        for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
            (void)hello(i, 9, true);
    }
    cr_expect_eq(sent, VF_DIRECTORIES);
    const cpis_ms next = links_deadline(links);
    cr_expect_gt(next, v.now + HELLO_EVERY - HELLO_EVERY / 8 - 1, "not more often for it");
}

Test(links, a_tick_before_the_deadline_does_nothing)
{
    tick();
    const cpis_ms next = links_deadline(links);
    vf_pass(&v, next - v.now - 1);
    tick();
    cr_expect_eq(vf_sent(&v, 0, FRAME_HELLO, NULL), 0);
    cr_expect_eq(links_deadline(links), next);
}

Test(links, an_announcement_goes_to_directories_and_to_whoever_is_reachable)
{
    (void)hello(101, 5, false);
    (void)hello(102, 5, false);
    vf_pass(&v, LINK_LOST);
    (void)hello(101, 5, false);
    links_announce(links, vf_begin(&v));
    vf_commit(&v);
    cr_expect_eq(vf_sent(&v, 0, FRAME_HELLO, NULL), VF_DIRECTORIES + 1);
    cr_expect_eq(vf_sent(&v, 101, FRAME_HELLO, NULL), 1);
}

static size_t rank(struct cpis_id ret[static VF_DIRECTORIES])
{
    const struct registry_epoch *ep = registry_epoch(v.registry, VF_EPOCH);
    size_t n = links_rank(links, vf_begin(&v), ep, ret);
    vf_commit(&v);
    return n;
}
static size_t rank_of(unsigned number)
{
    struct cpis_id order[VF_DIRECTORIES], id = rf_id(number);
    cr_assert_eq(rank(order), VF_DIRECTORIES);
    for (size_t i = 0; i < VF_DIRECTORIES; i++)
        if (id_equal(&order[i], &id)) return i;
    cr_assert_fail("a holder is left out");
    return 0;
}
static void took(unsigned number, cpis_ms ms)
{
    const struct cpis_id id = rf_id(number);
    links_answered(links, &id, ms);
}

Test(links, the_ranking_holds_every_holder_once)
{
    struct cpis_id order[VF_DIRECTORIES];
    cr_assert_eq(rank(order), VF_DIRECTORIES);
    for (size_t i = 0; i < VF_DIRECTORIES; i++)
        for (size_t k = 0; k < i; k++)
            cr_expect_not(id_equal(&order[i], &order[k]));
}

Test(links, reachable_ones_come_before_others_quick_before_slow_and_silent_last)
{
    for (unsigned i = 1; i <= 3; i++)
        (void)hello(i, 9, false);
    took(1, 500);
    took(2, 50);
    took(3, CPIS_MS_NEVER);
    for (unsigned round = 0; round < 10; round++) {
        cr_expect_eq(rank_of(2), 0);
        cr_expect_eq(rank_of(1), 1);
        cr_expect_eq(rank_of(3), 2, "not in time, but reachable");
        cr_expect_geq(rank_of(4), 3);
        cr_expect_geq(rank_of(5), 3);
    }
}

Test(links, among_equals_the_dice_decide_so_that_load_spreads)
{
    bool first[VF_DIRECTORIES + 1] = {false};
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        (void)hello(i, 9, false);
        took(i, 40 + i); /* within one step of 20 ms */
    }
    for (unsigned round = 0; round < 60; round++)
        for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
            first[i] |= rank_of(i) == 0;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        cr_expect(first[i], "directory %u is never first", i);
}

Test(links, a_directory_leaves_itself_out)
{
    struct cpis_id order[VF_DIRECTORIES], self = rf_id(3);
    const struct registry_epoch *ep = registry_epoch(v.registry, VF_EPOCH);
    struct env *e = vf_begin(&v);
    e->id = self;
    cr_assert_eq(links_rank(links, e, ep, order), VF_DIRECTORIES - 1);
    for (size_t i = 0; i + 1 < VF_DIRECTORIES; i++)
        cr_expect_not(id_equal(&order[i], &self));
    vf_commit(&v);
    links_tick(links, vf_begin(&v));
    vf_commit(&v);
    cr_expect_eq(vf_sent(&v, 3, FRAME_HELLO, NULL), 0, "nor does it greet itself");
}
