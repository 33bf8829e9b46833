#include "tests/node/core/lists_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>

struct lsf lsf;
const struct df_list *const lsf_none[1] = {NULL};

void lsf_begin(void)
{
    cr_assert(sodium_init() >= 0);
    df_init(&lsf.d, 3); /* t = 2: two others confirm */
    lsf.first = df_list(&lsf.d, DF_AUTHORITY, 1000, 64);
}
void lsf_end(void) { df_deinit(&lsf.d); }
TestSuite(lists, .init = lsf_begin, .fini = lsf_end);

uint64_t lsf_held_version(unsigned author)
{
    uint64_t version = 0;
    (void)df_in_state(&lsf.d, author, 1, &version);
    return version;
}

size_t lsf_matches(unsigned child, struct list_match *ret)
{
    const struct msg_lookup m = df_lookup(&lsf.d, child);
    const struct handle h = handle_make(m.epoch, &m.query_id, &m.rid);
    return lists_match(lsf.d.lists, registry_epoch(lsf.d.registry, 1), &h, m.bucket, &m.tag, ret,
                       ret == NULL ? 0 : 8);
}

struct cpis_hash lsf_state_with(const struct df_list *const *l, size_t count)
{
    struct cpis_hash hashes[DF_HEADS];
    for (size_t i = 0; i < count; i++) {
        struct signed_message head = df_head(&lsf.d, l[i]);
        hashes[i] = signed_hash(&head);
    }
    return state_of(1, hashes, count);
}

void lsf_assert_state(const struct df_list *const *l, size_t count)
{
    struct cpis_hash want = lsf_state_with(l, count), is = lists_state(lsf.d.lists, 1);
    cr_assert(hash_equal(&want, &is));
}

void lsf_hold_and_restart(void)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
}
