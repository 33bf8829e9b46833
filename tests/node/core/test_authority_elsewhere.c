/* What an authority makes of being told that another one lists a child too. */
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>

/* That authority `number` lists these tokens, and its proof for the one at `place`. */
static struct msg_listed_elsewhere elsewhere(unsigned number, const struct list_entry *entries,
                                             size_t n, size_t place)
{
    struct merkle *tree;
    struct bytes body;
    const struct identity id = rf_identity(number);
    struct merkle_path *path = arena_take(&af.a, sizeof *path);
    cr_assert_eq(merkle_build(entries, n, &tree), CPIS_OK);
    cr_assert_eq(merkle_path_of(tree, entries, place, path), CPIS_OK);
    const struct msg_head head = {.authority_id = rf_id(number),
                                  .epoch = 1,
                                  .version = af.wall,
                                  .root = merkle_root(tree),
                                  .n = n,
                                  .time = af.wall};
    merkle_free(&tree);
    cr_assert_eq(head_encode(&head, &af.a, &body), CPIS_OK);
    struct msg_listed_elsewhere m = {
        .epoch = 1,
        .token = entries[place].token,
        .listed = {.authority_id = rf_id(number),
                   .index = place,
                   .salt = entries[place].salt,
                   .path = {path->sibling[0].b, path->count * CPIS_HASH_BYTES},
                   .head = {.type = SIGNED_HEAD, .signer = rf_id(number), .body = body}}};
    sign_make(&id.sign, SIGNED_HEAD, registry_net(af.registry), body.p, body.len,
              &m.listed.head.signature);
    return m;
}

static void tell(const struct msg_listed_elsewhere *m)
{
    authority_recv_elsewhere(af.authority, af_begin(&af), af_node(&af, 2), m);
    af_commit(&af);
}

static struct list_entry three[3]; /* rising; one of them is child 1's token */
static size_t put_among(struct token t)
{
    struct token low = t, high = t;
    size_t place = 1;
    low.b[31] ^= 1;
    high.b[30] ^= 1;
    const struct token all[3] = {low, t, high};
    for (size_t i = 0; i < 3; i++) {
        size_t rank = 0;
        for (size_t k = 0; k < 3; k++)
            rank += token_compare(&all[k], &all[i]) < 0;
        three[rank] = (struct list_entry){.token = all[i]};
        if (i == 1) place = rank;
    }
    return place;
}

Test(authority, what_another_lists_too_is_kept_before_the_directory_hears_and_once)
{
    struct child_keys keys;
    const size_t place = put_among(af_token(&af, 1, 1, &keys));
    const struct msg_listed_elsewhere m = elsewhere(102, three, 3, place);
    tell(&m);
    tell(&m);
    cr_expect_eq(af_rows(&af, TABLE_ELSEWHERE), 1);
    cr_expect_eq(af_events(&af, EVENT_LISTED_ELSEWHERE), 1);
    cr_expect_eq(af_sent(&af, 2, FRAME_LISTED_ELSEWHERE_HEARD), 2, "each time it is told");
    cr_expect(af_row_before_frame(&af, TABLE_ELSEWHERE, FRAME_LISTED_ELSEWHERE_HEARD));
}

Test(authority, what_is_not_proven_to_be_listed_elsewhere_is_not_believed_and_the_teller_is_named)
{
    struct child_keys keys;
    const size_t place = put_among(af_token(&af, 1, 1, &keys));
    const struct msg_listed_elsewhere good = elsewhere(102, three, 3, place);
    struct msg_listed_elsewhere bad = good;
    bad.token = af_token(&af, 1, 2, &keys); /* of ours, but not under that head */
    tell(&bad);
    bad = good;
    bad.listed.index = (place + 1) % 3;
    tell(&bad);
    bad = good;
    bad.listed.head.signature.b[5] ^= 1;
    tell(&bad);
    bad = good;
    bad.listed.authority_id = rf_id(103); /* another's head */
    tell(&bad);
    bad = elsewhere(AF_SELF, three, 3, place); /* we ourselves */
    tell(&bad);
    cr_expect_eq(af_rows(&af, TABLE_ELSEWHERE), 0);
    cr_expect_eq(af_events(&af, EVENT_PROOF_WRONG), 5);
    cr_expect_eq(af_sent(&af, 2, FRAME_LISTED_ELSEWHERE_HEARD), 0);
}

Test(authority, what_is_listed_elsewhere_and_not_here_is_heard_and_not_kept)
{
    const struct token foreign = {{7}};
    const size_t place = put_among(foreign);
    const struct msg_listed_elsewhere m = elsewhere(102, three, 3, place);
    tell(&m);
    cr_expect_eq(af_rows(&af, TABLE_ELSEWHERE), 0);
    cr_expect_eq(af_sent(&af, 2, FRAME_LISTED_ELSEWHERE_HEARD), 1);
}
