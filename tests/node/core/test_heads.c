/* What a query node knows of the directories' states: streams, gaps, sessions, and the versions
 * that it will not see undercut, over restarts too. */
#include "node/core/heads.h"
#include "node/core/steward.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_MAX (HEADS_MAX + 8U)

static struct vf v;
static struct heads *heads;
static struct signed_message head[VF_AUTHORITIES]; /* of 101..103, in that order */
static struct vf_list list[VF_AUTHORITIES];
static bool whole;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    cr_assert_eq(heads_new(&heads), CPIS_OK);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        list[i] = vf_list(&v, VF_AUTHORITY + i, NULL);
        head[i] = vf_head(&v, &list[i]);
    }
}
static void teardown(void)
{
    heads_free(&heads);
    vf_deinit(&v);
}
TestSuite(heads, .init = setup, .fini = teardown);

struct frame_of { /* one frame of a stream */
    unsigned directory;
    uint64_t session, sequence;
    uint32_t epoch;
    bool whole, gone; /* gone: the heads are taken out */
};
static void stream(const struct frame_of *f, const struct signed_message *list_of, size_t count)
{
    const struct cpis_id id = rf_id(f->directory);
    struct msg_head_shown *shown = calloc(count + 1, sizeof *shown);
    for (size_t i = 0; i < count; i++)
        shown[i] = (struct msg_head_shown){!f->gone, list_of[i]};
    const struct msg_heads m = {.session = f->session,
                                .sequence = f->sequence,
                                .epoch = f->epoch == 0 ? VF_EPOCH : f->epoch,
                                .whole = f->whole,
                                .ready = true,
                                .heads = shown,
                                .heads_count = count};
    heads_recv(heads, vf_begin(&v), &id, &m, &whole);
    vf_commit(&v);
    free(shown);
}
static void show_whole(unsigned directory)
{
    stream(&(struct frame_of){directory, 1, 1, 0, true, false}, head, VF_AUTHORITIES);
}
/* The next head of an authority, ms later. */
static void move_on(size_t i, cpis_ms ms)
{
    list[i].version += ms;
    list[i].time += ms;
    head[i] = vf_head(&v, &list[i]);
}
static struct cpis_hash state_now(size_t count)
{
    struct signed_message sorted[VF_AUTHORITIES];
    memcpy(sorted, head, sizeof sorted);
    return vf_state(VF_EPOCH, sorted, count);
}
static cpis_err snapshot_of(unsigned directory, size_t count, struct snapshot *ret)
{
    const struct cpis_id id = rf_id(directory);
    const struct cpis_hash s = state_now(count);
    return heads_snapshot(heads, &id, VF_EPOCH, &s, ret);
}
static bool gives(unsigned directory, size_t count)
{
    struct snapshot s = {0};
    cpis_err err = snapshot_of(directory, count, &s);
    if (err == CPIS_OK) cr_expect_eq(s.count, count);
    snapshot_release(&s);
    return err == CPIS_OK;
}
static uint64_t floor_of(unsigned author)
{
    const struct cpis_id id = rf_id(author);
    struct judged_floor *f;
    size_t count;
    uint64_t version = 0;
    cr_assert_eq(heads_floors(heads, v.now, &v.a, &f, &count), CPIS_OK);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) cr_expect_lt(id_compare(&f[i - 1].authority, &f[i].authority), 0);
        if (id_equal(&f[i].authority, &id)) version = f[i].version;
    }
    return version;
}

/* --- streams --- */

Test(heads, a_whole_state_gives_its_s_and_only_its_directorys)
{
    cr_expect_not(gives(1, 3));
    show_whole(1);
    cr_expect(whole);
    cr_expect(gives(1, 3));
    cr_expect_not(gives(2, 3), "another directory has shown nothing");
    cr_expect_not(gives(1, 2));
    const struct cpis_id id = rf_id(1);
    cr_expect_eq(heads_known(heads, &id, VF_EPOCH), 3);
}

Test(heads, the_newest_of_each_authority_is_that_of_whichever_directory_has_it)
{
    struct newest_head all[VF_AUTHORITIES];
    show_whole(1);
    const uint64_t before = list[2].time;
    move_on(1, 5000);
    stream(&(struct frame_of){2, 1, 1, 0, false, false}, &head[1], 1);
    cr_assert_eq(heads_newest(heads, VF_EPOCH, all, VF_AUTHORITIES), VF_AUTHORITIES);
    for (size_t i = 0; i < VF_AUTHORITIES; i++) {
        const struct cpis_id id = rf_id(VF_AUTHORITY + (unsigned)i);
        cr_assert(i == 0 || id_compare(&all[i - 1].authority, &all[i].authority) < 0);
        for (size_t k = 0; k < VF_AUTHORITIES; k++)
            if (id_equal(&all[k].authority, &id)) cr_expect_eq(all[k].time, list[i].time);
    }
    cr_expect_eq(list[2].time, before);
    cr_expect_eq(heads_newest(heads, VF_EPOCH, all, 1), 1);
    cr_expect_eq(heads_newest(heads, VF_EPOCH + 1, all, VF_AUTHORITIES), 0);
}

Test(heads, changes_in_order_keep_up_with_s)
{
    stream(&(struct frame_of){1, 1, 1, 0, false, false}, head, 2);
    cr_expect_not(whole);
    cr_expect(gives(1, 2));
    stream(&(struct frame_of){1, 1, 2, 0, false, false}, &head[2], 1);
    cr_expect(gives(1, 3));
    move_on(1, 1000);
    cr_expect_not(gives(1, 3), "a statement that overtook its head");
    stream(&(struct frame_of){1, 1, 3, 0, false, false}, &head[1], 1);
    cr_expect(gives(1, 3));
}

Test(heads, a_head_taken_out_of_the_state_is_gone_from_s)
{
    show_whole(1);
    stream(&(struct frame_of){1, 1, 2, 0, false, true}, &head[2], 1);
    cr_expect(gives(1, 2));
    cr_expect_not(gives(1, 3));
    stream(&(struct frame_of){1, 1, 3, 0, false, true}, &head[2], 1); /* it is not there */
    cr_expect(gives(1, 2));
}

Test(heads, a_gap_shows_in_s_and_the_whole_state_mends_it)
{
    show_whole(1);
    move_on(0, 1000); /* this frame is lost */
    move_on(1, 1000);
    stream(&(struct frame_of){1, 1, 3, 0, false, false}, &head[1], 1);
    cr_expect_not(gives(1, 3));
    stream(&(struct frame_of){1, 1, 4, 0, true, false}, head, 3);
    cr_expect(whole);
    cr_expect(gives(1, 3));
}

Test(heads, an_overtaken_frame_is_dropped)
{
    show_whole(1);
    const struct signed_message before = head[0];
    move_on(0, 1000);
    stream(&(struct frame_of){1, 1, 5, 0, false, false}, head, 1);
    stream(&(struct frame_of){1, 1, 4, 0, false, false}, &before, 1);
    cr_expect_eq(vf_events(&v, EVENT_REPLAY), 1);
    cr_expect(gives(1, 3));
}

Test(heads, a_new_session_of_a_directory_starts_from_nothing)
{
    show_whole(1);
    stream(&(struct frame_of){1, 2, 1, 0, false, false}, head, 1);
    cr_expect_not(gives(1, 3));
    cr_expect(gives(1, 1));
    stream(&(struct frame_of){1, 2, 2, 0, false, false}, &head[1], 2);
    cr_expect(gives(1, 3));
}

Test(heads, an_epoch_that_is_not_in_the_register_is_refused)
{
    stream(&(struct frame_of){1, 1, 1, 9, true, false}, head, 3);
    cr_expect_eq(vf_events(&v, EVENT_EPOCH_UNKNOWN), 1);
    cr_expect_not(whole);
}

Test(heads, the_whole_state_is_asked_for_once_a_second_until_it_comes)
{
    const struct cpis_id id = rf_id(1);
    for (unsigned i = 0; i < 3; i++) {
        heads_request(heads, vf_begin(&v), &id, VF_EPOCH);
        vf_commit(&v);
        cr_expect_eq(vf_sent(&v, 1, FRAME_HEADS_REQUEST, NULL), i == 0 ? 1 : 0);
    }
    vf_pass(&v, CPIS_MS_SECOND);
    heads_request(heads, vf_begin(&v), &id, VF_EPOCH);
    vf_commit(&v);
    cr_expect_eq(vf_sent(&v, 1, FRAME_HEADS_REQUEST, NULL), 1);
    show_whole(1);
    heads_request(heads, vf_begin(&v), &id, VF_EPOCH);
    vf_commit(&v);
    cr_expect_eq(vf_sent(&v, 1, FRAME_HEADS_REQUEST, NULL), 1, "it came: the next gap is another");
}

Test(heads, a_snapshot_stays_as_it_was_when_a_head_of_its_state_changes_or_goes)
{
    struct snapshot s = {0};
    show_whole(1);
    cr_assert_eq(snapshot_of(1, 3, &s), CPIS_OK);
    const struct cpis_hash was[3] = {s.hash[0], s.hash[1], s.hash[2]};
    move_on(1, 1000);
    stream(&(struct frame_of){1, 1, 2, 0, false, false}, &head[1], 1);
    cr_expect(gives(1, 3), "the state has gone on");
    stream(&(struct frame_of){1, 1, 3, 0, false, true}, &head[2], 1);
    cr_expect(gives(1, 2));
    cr_expect_eq(s.count, 3);
    cr_expect_eq(memcmp(was, s.hash, sizeof was), 0);
    snapshot_release(&s);
    cr_expect(gives(1, 2));
}

Test(heads, a_snapshot_outlives_what_the_directory_says_next)
{
    struct snapshot s = {0};
    show_whole(1);
    cr_assert_eq(snapshot_of(1, 3, &s), CPIS_OK);
    const struct cpis_hash was = s.hash[0];
    move_on(0, 1000);
    move_on(1, 1000);
    move_on(2, 1000);
    stream(&(struct frame_of){1, 2, 1, 0, true, false}, head, 3);
    cr_expect(hash_equal(&was, &s.hash[0]));
    cr_expect(s.judged[0].verified);
    heads_free(&heads);
    cr_expect(s.judged[2].verified, "and the whole machine");
    snapshot_release(&s);
    cr_expect_eq(s.count, 0);
}

/* --- signatures --- */

static const struct judged_head *in_snapshot(const struct snapshot *s, unsigned author)
{
    const struct cpis_id id = rf_id(author);
    for (size_t i = 0; i < s->count; i++)
        if (id_equal(&s->judged[i].authority, &id)) return &s->judged[i];
    cr_assert_fail("no head of %u", author);
    return NULL;
}

/* Shows head[0] as it is now; it must stay in S and fail its authority. */
static void expect_unverified(const char *what)
{
    struct snapshot s = {0};
    show_whole(1);
    cr_expect_eq(vf_events(&v, EVENT_SIGNATURE_WRONG), 1, "%s", what);
    cr_assert_eq(snapshot_of(1, 3, &s), CPIS_OK, "%s: S is made of it", what);
    cr_expect_not(in_snapshot(&s, VF_AUTHORITY)->verified, "%s", what);
    cr_expect(in_snapshot(&s, VF_AUTHORITY + 1)->verified);
    cr_expect_eq(vf_first_row(&v, TABLE_HEAD) == VF_OUTS, false, "the others raise floors");
    vf_pass(&v, FLOOR_SETTLE);
    cr_expect_eq(floor_of(VF_AUTHORITY), 0, "%s: no floor", what);
    snapshot_release(&s);
}

Test(heads, a_wrong_signature_stays_in_s_but_fails_its_authority)
{
    head[0].signature.b[1] ^= 1;
    expect_unverified("signature");
}

Test(heads, another_authoritys_name_in_the_body_fails)
{
    head[0] = vf_sign(&v, VF_AUTHORITY, SIGNED_HEAD, head[1].body);
    expect_unverified("name");
}

Test(heads, a_head_of_another_epoch_fails)
{
    list[0].epoch = 2;
    head[0] = vf_head(&v, &list[0]);
    expect_unverified("epoch");
}

Test(heads, another_type_fails)
{
    head[0] = vf_sign(&v, VF_AUTHORITY, SIGNED_ACK, head[0].body);
    expect_unverified("type");
}

Test(heads, a_signer_that_is_no_authority_fails)
{
    struct signed_message by[2] = {vf_sign(&v, 1, SIGNED_HEAD, head[0].body),
                                   vf_sign(&v, 88, SIGNED_HEAD, head[0].body)};
    stream(&(struct frame_of){1, 1, 1, 0, true, false}, by, 2);
    cr_expect_eq(vf_events(&v, EVENT_SIGNATURE_WRONG), 2);
    cr_expect_eq(vf_first_row(&v, TABLE_HEAD), VF_OUTS);
}

static void join_104(struct msg_register *m, struct arena *a)
{
    const struct steward_limits limits = {1000, 1000, 1000};
    const struct msg_signed_descriptor d =
        rf_descriptor(104, ROLE_AUTHORITY, "304", registry_net(v.registry));
    const char *why;
    cr_assert_eq(steward_add_node(m, a, registry_net(v.registry), &d, &limits, NULL, &why),
                 CPIS_OK);
}

Test(heads, a_head_that_came_before_its_register_is_verified_with_it)
{
    struct vf_list l = vf_list(&v, 104, NULL);
    struct signed_message early = vf_head(&v, &l);
    stream(&(struct frame_of){1, 1, 1, 0, true, false}, &early, 1);
    cr_expect_eq(vf_events(&v, EVENT_SIGNATURE_WRONG), 1);
    vf_register(&v, join_104);
    heads_registry_changed(heads, vf_begin(&v));
    vf_commit(&v);
    cr_expect_neq(vf_first_row(&v, TABLE_HEAD), VF_OUTS, "its floor is durable");
    struct snapshot s = {0};
    const struct cpis_hash h = vf_state(VF_EPOCH, &early, 1);
    const struct cpis_id id = rf_id(1);
    cr_assert_eq(heads_snapshot(heads, &id, VF_EPOCH, &h, &s), CPIS_OK);
    cr_expect(in_snapshot(&s, 104)->verified);
    snapshot_release(&s);
}

/* --- floors --- */

Test(heads, a_version_settles_after_a_minute)
{
    const uint64_t first = list[0].version;
    show_whole(1);
    cr_expect_eq(floor_of(VF_AUTHORITY), 0);
    vf_pass(&v, FLOOR_SETTLE - 1);
    cr_expect_eq(floor_of(VF_AUTHORITY), 0);
    vf_pass(&v, 1);
    cr_expect_eq(floor_of(VF_AUTHORITY), first);
    move_on(0, 1000);
    stream(&(struct frame_of){2, 1, 1, 0, true, false}, head, 1); /* any directory's word will do */
    cr_expect_eq(floor_of(VF_AUTHORITY), first);
    vf_pass(&v, FLOOR_SETTLE);
    cr_expect_eq(floor_of(VF_AUTHORITY), first + 1000);
}

Test(heads, an_older_head_never_lowers_a_floor)
{
    show_whole(1);
    const uint64_t version = list[0].version;
    vf_pass(&v, FLOOR_SETTLE);
    list[0].version -= 5000;
    head[0] = vf_head(&v, &list[0]);
    stream(&(struct frame_of){2, 1, 1, 0, true, false}, head, 3);
    vf_pass(&v, FLOOR_SETTLE);
    cr_expect_eq(floor_of(VF_AUTHORITY), version);
}

Test(heads, a_version_of_the_future_raises_no_floor)
{
    list[0].version = v.wall + LATE_MS + 1;
    head[0] = vf_head(&v, &list[0]);
    show_whole(1);
    vf_pass(&v, FLOOR_SETTLE);
    cr_expect_eq(floor_of(VF_AUTHORITY), 0, "nobody could follow it");
}

Test(heads, floors_follow_an_authority_that_changes_its_list_every_second)
{
    show_whole(1);
    for (unsigned i = 0; i < 300; i++) {
        vf_pass(&v, CPIS_MS_SECOND);
        move_on(0, 1000);
        stream(&(struct frame_of){1, 1, 2 + i, 0, false, false}, head, 1);
    }
    cr_expect_leq(floor_of(VF_AUTHORITY), list[0].version - 60 * 1000);
    cr_expect_geq(floor_of(VF_AUTHORITY), list[0].version - 180 * 1000,
                  "it lags, but not for ever");
    vf_pass(&v, FLOOR_SETTLE);
    cr_expect_eq(floor_of(VF_AUTHORITY), list[0].version);
}

Test(heads, floors_survive_a_restart_at_once)
{
    show_whole(1);
    cr_expect_neq(vf_first_row(&v, TABLE_HEAD), VF_OUTS);
    heads_free(&heads);
    cr_assert_eq(heads_new(&heads), CPIS_OK);
    cr_assert_eq(heads_restore(heads, vf_begin(&v)), CPIS_OK);
    vf_commit(&v);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++)
        cr_expect_eq(floor_of(VF_AUTHORITY + i), list[i].version);
}

/* --- a directory that means harm --- */

Test(heads, a_directory_can_not_fill_the_memory)
{
    const struct cpis_id id = rf_id(1);
    struct signed_message *many = calloc(STREAM_MAX, sizeof *many);
    for (unsigned i = 0; i < STREAM_MAX; i++) {
        many[i] = head[0];
        memcpy(many[i].signer.b, &i, sizeof i);
    }
    stream(&(struct frame_of){1, 1, 1, 0, true, false}, many, 100); /* unverified ones are kept */
    cr_expect_eq(heads_known(heads, &id, VF_EPOCH), 100);
    for (unsigned round = 0; round < 21; round++) {
        for (unsigned i = 0; i < 100; i++)
            many[i].signer.b[8] = (uint8_t)(round + 1);
        stream(&(struct frame_of){1, 1, 2 + round, 0, false, false}, many, 100);
        cr_expect_leq(heads_known(heads, &id, VF_EPOCH), STATE_HEADS_MAX);
    }
    cr_expect_eq(vf_events(&v, EVENT_BODY_MALFORMED), 1);
    static uint8_t big[HEAD_BODY_BYTES_MAX + 1];
    many[0].body = (struct bytes){big, sizeof big};
    stream(&(struct frame_of){2, 1, 1, 0, true, false}, many, 1);
    cr_expect_eq(vf_events(&v, EVENT_BODY_MALFORMED), 1);
    free(many);
}

Test(heads, more_directories_than_there_is_room_for_are_told_so)
{
    for (unsigned i = 0; i < 2 * THRESHOLD_HOLDERS_MAX; i++)
        stream(&(struct frame_of){300 + i, 1, 1, 0, true, false}, head, 1);
    stream(&(struct frame_of){400, 1, 1, 0, true, false}, head, 1);
    cr_expect_eq(vf_events(&v, EVENT_BUSY), 1);
    heads_registry_changed(heads, vf_begin(&v)); /* those that are in no register make room */
    vf_commit(&v);
    show_whole(1);
    cr_expect(gives(1, 3));
}

/* --- epochs --- */

static void with_epochs(struct msg_register *m, struct arena *a, uint32_t from)
{
    m->epochs = arena_take(a, REGISTER_EPOCHS_MAX * sizeof *m->epochs);
    m->epochs_count = REGISTER_EPOCHS_MAX;
    for (uint32_t i = 0; i < REGISTER_EPOCHS_MAX; i++)
        m->epochs[i] = rf_epoch(from + i, VF_DIRECTORIES, VF_T, a);
}
static void from_the_first(struct msg_register *m, struct arena *a) { with_epochs(m, a, 1); }
static void from_the_second(struct msg_register *m, struct arena *a) { with_epochs(m, a, 2); }
static void show_epoch(uint32_t epoch)
{
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        list[i].epoch = epoch;
        head[i] = vf_head(&v, &list[i]);
    }
    stream(&(struct frame_of){1, 1, epoch, epoch, true, false}, head, VF_AUTHORITIES);
}

Test(heads, of_more_epochs_than_are_kept_a_directorys_oldest_is_forgotten)
{
    const struct cpis_id id = rf_id(1);
    vf_register(&v, from_the_first);
    for (uint32_t epoch = 1; epoch <= REGISTER_EPOCHS_MAX; epoch++)
        show_epoch(epoch);
    cr_expect_eq(heads_known(heads, &id, 1), VF_AUTHORITIES);
    vf_pass(&v, 94 * CPIS_MS_DAY); /* the first is over, and the register drops it */
    vf_register(&v, from_the_second);
    heads_registry_changed(heads, vf_begin(&v));
    vf_commit(&v);
    show_epoch(REGISTER_EPOCHS_MAX + 1);
    cr_expect_eq(heads_known(heads, &id, 1), 0);
    for (uint32_t epoch = 2; epoch <= REGISTER_EPOCHS_MAX + 1; epoch++)
        cr_expect_eq(heads_known(heads, &id, epoch), VF_AUTHORITIES, "epoch %u", epoch);
}
