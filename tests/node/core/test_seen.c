/* What evidence names is kept once, found again whole, and goes when nobody has needed it for 35
 * days. */
#include "node/core/expiry.h"
#include "node/core/seen.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define NATION 160U

static struct vf v;
static struct seen *seen;
static struct known_head head[NATION];
static uint8_t body[NATION][8];
static struct known_head *in_order[NATION];
static struct cpis_hash hash[NATION];
static struct snapshot snapshot = {.head = in_order, .hash = hash, .count = NATION};

static void re_sign(size_t i, uint64_t n)
{
    memcpy(body[i], &n, sizeof n);
    head[i].as_signed = (struct signed_message){.type = SIGNED_HEAD, .body = {body[i], sizeof n}};
    memcpy(head[i].as_signed.signer.b, &i, sizeof i);
    head[i].hash = hash[i] = signed_hash(&head[i].as_signed);
    head[i].noted = 0;
}
static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    cr_assert_eq(seen_new(&seen), CPIS_OK);
    for (size_t i = 0; i < NATION; i++) {
        re_sign(i, i);
        in_order[i] = &head[i];
    }
}
static void teardown(void)
{
    seen_free(&seen);
    vf_deinit(&v);
}
TestSuite(seen, .init = setup, .fini = teardown);

static struct cpis_hash state_now(void) { return state_of(VF_EPOCH, hash, snapshot.count); }
static struct cpis_hash keep(void)
{
    const struct cpis_hash s = state_now();
    seen_state(seen, vf_begin(&v), VF_EPOCH, &s, &snapshot);
    vf_commit(&v);
    return s;
}
static size_t written(enum table t)
{
    size_t n = 0;
    for (size_t i = 0; i < v.outs; i++)
        n += v.out[i].type == OUT_PERSIST && v.out[i].table == t;
    return n;
}
static size_t row_bytes(const struct cpis_hash *state)
{
    const struct rf_row *row = rf_store_find(&v.store, TABLE_SEEN_STATE, state->b, CPIS_HASH_BYTES);
    return row == NULL ? 0 : row->value.len;
}
/* A record with one absence under this S, completed from the store; the hashes it got. */
static cpis_err complete(const struct cpis_hash *state, struct bytes *ret, size_t *ret_heads)
{
    static struct row_statement statement;
    static struct row_search search;
    struct row_evidence ev = {.searches = &search, .searches_count = 1};
    const struct msg_absent m = {.epoch = VF_EPOCH, .index = 1, .state = *state};
    statement = (struct row_statement){.statement = {.type = SIGNED_ABSENT}};
    search = (struct row_search){.statements = &statement, .statements_count = 1};
    cr_assert_eq(absent_encode(&m, &v.a, &statement.statement.body), CPIS_OK);
    cpis_err err = seen_complete(&v.store.view, &v.a, &ev);
    *ret = statement.heads;
    *ret_heads = ev.heads_count;
    return err;
}
static void expect_found(const struct cpis_hash *state)
{
    struct bytes hashes;
    size_t heads;
    cr_assert_eq(complete(state, &hashes, &heads), CPIS_OK);
    cr_expect_eq(heads, snapshot.count);
    const struct cpis_hash is =
        state_of(VF_EPOCH, (const struct cpis_hash *)hashes.p, hashes.len / CPIS_HASH_BYTES);
    cr_expect(hash_equal(&is, state), "the hashes give S, in its order");
}

Test(seen, a_state_is_found_again_whole)
{
    const struct cpis_hash s = keep();
    cr_expect_eq(written(TABLE_SEEN_HEAD), NATION);
    expect_found(&s);
}

Test(seen, the_same_state_and_the_same_heads_are_written_once)
{
    (void)keep();
    (void)keep();
    cr_expect_eq(written(TABLE_SEEN_STATE) + written(TABLE_SEEN_HEAD), 0);
    re_sign(3, 1000);
    (void)keep();
    cr_expect_eq(written(TABLE_SEEN_STATE), 1);
    cr_expect_eq(written(TABLE_SEEN_HEAD), 1);
}

Test(seen, a_state_that_differs_little_is_a_small_row_and_found_whole)
{
    struct cpis_hash s[40];
    const struct cpis_hash first = keep();
    for (size_t i = 0; i < 40; i++) {
        re_sign(4 * i % NATION, 1000 + i);
        s[i] = keep();
        cr_expect_lt(row_bytes(&s[i]), 40 * 34 + 100, "%zu", row_bytes(&s[i]));
    }
    cr_expect_gt(row_bytes(&first), NATION * CPIS_HASH_BYTES);
    expect_found(&s[39]);
    struct bytes hashes;
    size_t heads;
    for (size_t i = 0; i < 39; i++)
        cr_expect_eq(complete(&s[i], &hashes, &heads), CPIS_OK);
    cr_expect_eq(complete(&first, &hashes, &heads), CPIS_OK);
}

Test(seen, a_state_that_differs_much_or_in_number_is_kept_whole)
{
    (void)keep();
    for (size_t i = 0; i <= SEEN_CHANGES_MAX; i++)
        re_sign(i, 2000 + i);
    struct cpis_hash s = keep();
    cr_expect_gt(row_bytes(&s), NATION * CPIS_HASH_BYTES);
    expect_found(&s);
    re_sign(9, 3000);
    s = keep();
    cr_expect_lt(row_bytes(&s), 200, "it is the one to differ from now");
    expect_found(&s);
    snapshot.count--;
    s = keep();
    cr_expect_gt(row_bytes(&s), (NATION - 1) * CPIS_HASH_BYTES);
    expect_found(&s);
}

Test(seen, an_empty_state_is_one)
{
    snapshot.count = 0;
    const struct cpis_hash s = keep();
    expect_found(&s);
}

Test(seen, after_a_restart_states_of_before_are_found)
{
    (void)keep();
    re_sign(7, 1000);
    const struct cpis_hash s = keep();
    seen_free(&seen);
    cr_assert_eq(seen_new(&seen), CPIS_OK);
    expect_found(&s);
    re_sign(8, 1001);
    const struct cpis_hash later = keep();
    expect_found(&later);
}

static void pass_days(unsigned days)
{
    for (unsigned i = 0; i < days; i++) {
        vf_pass(&v, CPIS_MS_DAY);
        bool more = true;
        while (more) {
            more = expiry_tick(vf_begin(&v));
            vf_commit(&v);
        }
    }
}

Test(seen, the_whole_one_stays_as_long_as_one_that_differs_from_it_is_needed)
{
    struct bytes hashes;
    size_t heads;
    const struct cpis_hash first = keep();
    pass_days(20);
    re_sign(7, 1000);
    const struct cpis_hash s = keep();
    pass_days(30); /* 50 days after the first, 30 after the second */
    expect_found(&s);
    cr_expect_eq(complete(&first, &hashes, &heads), CPIS_E_NOTFOUND,
                 "a head that only the first names has gone");
    pass_days(7);
    cr_expect_eq(row_bytes(&s) + row_bytes(&first), 0);
    cr_expect_eq(rf_store_count(&v.store, TABLE_SEEN_HEAD), 0);
    cr_expect_eq(complete(&s, &hashes, &heads), CPIS_E_NOTFOUND);
}

Test(seen, a_row_that_can_not_be_is_an_error_of_the_store)
{
    struct bytes hashes, b;
    size_t heads;
    const struct cpis_hash s = keep(), other = {{7}};
    const uint8_t beyond[2] = {0, NATION};
    const struct row_state row = {
        .whole = s, .places = {beyond, 2}, .hashes = {other.b, sizeof other.b}};
    struct env *e = vf_begin(&v);
    cr_assert_eq(row_state_encode(&row, &v.a, &b), CPIS_OK);
    emit_persist(e, TABLE_SEEN_STATE, other.b, sizeof other.b, b);
    vf_commit(&v);
    cr_expect_eq(complete(&other, &hashes, &heads), CPIS_E_STORE);
    emit_persist(vf_begin(&v), TABLE_SEEN_STATE, other.b, sizeof other.b,
                 (struct bytes){beyond, 2});
    vf_commit(&v);
    cr_expect_eq(complete(&other, &hashes, &heads), CPIS_E_STORE);
}
