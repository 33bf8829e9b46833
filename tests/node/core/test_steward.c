#include "node/core/steward.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/registry_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena a;
static struct registry *r;
static struct net_id net;
static const char *why;

static void init(void)
{
    a = arena_make((size_t)64 * 1024 * 1024);
    r = rf_federation(3, false, &a);
    net = *registry_net(r);
}
static void fini(void)
{
    registry_free(&r);
    arena_free(&a);
}
TestSuite(steward, .init = init, .fini = fini);

static struct msg_register draft(void)
{
    struct msg_register m;
    cr_assert_eq(steward_next(r, RF_T0 + CPIS_MS_DAY, RF_T0 + 31 * CPIS_MS_DAY, &a, &m), CPIS_OK);
    return m;
}

static cpis_err sign(const struct registry *chain, struct bytes document, unsigned root,
                     struct bytes *ret)
{
    struct sign_public pub;
    struct sign_secret secret;
    rf_root(root, &pub, &secret);
    return steward_sign(chain, document, &pub, &secret, &a, ret, &why);
}

Test(steward, version_1_is_made_signed_and_accepted)
{
    struct registry *fresh = NULL;
    struct bytes document, once, twice;
    cr_assert_eq(registry_new(&fresh), CPIS_OK);
    const struct msg_register m = steward_first(rf_root_keys(3, &a), 2, RF_T0, RF_T0 + CPIS_MS_DAY);
    cr_assert_eq(steward_finish(NULL, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(sign(NULL, document, 2, &once), CPIS_OK);
    cr_assert_eq(registry_load(fresh, once), CPIS_E_AUTH);
    cr_assert_eq(sign(fresh, once, 0, &twice), CPIS_OK);
    cr_assert_eq(registry_load(fresh, twice), CPIS_OK);
    registry_free(&fresh);
}

Test(steward, whoever_signs_first_the_bytes_are_the_same)
{
    const struct msg_register m = draft();
    struct bytes document, x, y;
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(sign(r, document, 0, &x), CPIS_OK);
    cr_assert_eq(sign(r, x, 2, &x), CPIS_OK);
    cr_assert_eq(sign(r, document, 2, &y), CPIS_OK);
    cr_assert_eq(sign(r, y, 0, &y), CPIS_OK);
    cr_assert_eq(sign(r, y, 0, &y), CPIS_OK); /* again: no second signature */
    cr_assert_eq(x.len, y.len);
    cr_assert_eq(memcmp(x.p, y.p, x.len), 0);
    cr_assert_eq(registry_would_accept(r, x, &why), CPIS_OK);
}

Test(steward, a_key_that_is_no_root_does_not_sign)
{
    struct msg_register m = draft();
    struct bytes document, ret;
    struct sign_public pub, other;
    struct sign_secret secret, other_secret;
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(sign(r, document, 3, &ret), CPIS_E_AUTH);
    cr_assert_str_eq(why, "this key is no root key of the federation");
    rf_root(0, &pub, &secret);
    rf_root(1, &other, &other_secret);
    cr_assert_eq(steward_sign(r, document, &pub, &other_secret, &a, &ret, &why), CPIS_E_AUTH);
    cr_assert_str_eq(why, "the secret key is not that of the public key");
    cr_assert_eq(steward_set_roots(&m, &a, rf_root_keys(4, &a), 2, &why), CPIS_OK);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(sign(r, document, 3, &ret), CPIS_OK); /* of the new set */
    cr_assert_eq(sign(r, document, 4, &ret), CPIS_E_AUTH);
}

Test(steward, what_nodes_refuse_is_neither_finished_nor_signed)
{
    struct msg_register m = draft();
    struct bytes document;
    const struct cpis_id id = rf_id(101), nobody = rf_id(999);
    cr_assert_eq(steward_set_state(&m, &nobody, NODE_ACTIVE, &why), CPIS_E_NOTFOUND);
    cr_assert_eq(steward_set_state(&m, &id, NODE_REVOKED, &why), CPIS_OK);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_E_MALFORMED);
    cr_assert_str_eq(why, "a counted authority can't be revoked, only suspended or retired");
    cr_assert_eq(sign(r, rf_document(&m, &net, 0, &a), 0, &document), CPIS_E_MALFORMED);
    cr_assert_eq(steward_set_state(&m, &id, NODE_SUSPENDED, &why), CPIS_OK);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    strcpy(m.nodes[0].descriptor.name, "Somebody else");
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_E_AUTH);
    cr_assert_eq(sign(r, rf_document(&m, &net, 0, &a), 0, &document), CPIS_E_AUTH);
    cr_assert_eq(sign(r, (struct bytes){(const uint8_t *)"x", 1}, 0, &document), CPIS_E_MALFORMED);
}

Test(steward, a_node_enters_as_joining_by_its_own_signature)
{
    struct msg_register m = draft();
    const struct steward_limits limits = {11, 12, 13};
    const struct net_id other = {{1}};
    struct msg_signed_descriptor d = rf_descriptor(104, ROLE_AUTHORITY, "304", &net);
    const struct msg_signed_descriptor foreign = rf_descriptor(104, ROLE_AUTHORITY, "304", &other);
    const size_t before = m.nodes_count;
    cr_assert_eq(steward_add_node(&m, &a, &net, &foreign, &limits, NULL, &why), CPIS_E_AUTH);
    cr_assert_eq(m.nodes_count, before);
    cr_assert_eq(steward_add_node(&m, &a, &net, &d, &limits, NULL, &why), CPIS_OK);
    cr_assert_eq(steward_add_node(&m, &a, &net, &d, &limits, NULL, &why), CPIS_E_STATE);
    const struct msg_register_node *n = &m.nodes[before];
    cr_assert_eq(n->state, NODE_JOINING);
    cr_assert_eq(n->evaluations_per_day, 11);
    cr_assert_eq(n->lookups_per_day, 12);
    cr_assert_eq(n->tokens_max, 13);
    strcpy(d.descriptor.office, "02079460002");
    cr_assert_eq(steward_set_descriptor(&m, &net, &d, &why), CPIS_E_AUTH);
    rf_resign(&m.nodes[before], 104, &net);
    struct msg_register_node again = {.descriptor = d.descriptor};
    rf_resign(&again, 104, &net);
    d.signature = again.signature;
    cr_assert_eq(steward_set_descriptor(&m, &net, &d, &why), CPIS_OK);
    cr_assert_str_eq(m.nodes[before].descriptor.office, "02079460002");
    const struct steward_limits fewer = {1, 2, 3};
    const struct cpis_id id = rf_id(104);
    cr_assert_eq(steward_set_limits(&m, &id, &fewer, &why), CPIS_OK);
    cr_assert_eq(m.nodes[before].tokens_max, 3);
    struct bytes document;
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
}

/* --- epochs from acceptances --- */

static struct msg_share_accepted said[3];
static struct signed_message accepted[3];
static void speak(unsigned number)
{
    const struct identity id = rf_identity(number);
    struct signed_message *s = &accepted[number - 1];
    *s = (struct signed_message){.type = SIGNED_SHARE_ACCEPTED, .signer = rf_id(number)};
    cr_assert_eq(share_accepted_encode(&said[number - 1], &a, &s->body), CPIS_OK);
    sign_make(&id.sign, SIGNED_SHARE_ACCEPTED, &net, s->body.p, s->body.len, &s->signature);
}
static void speak_all(void)
{
    const struct msg_register_epoch ep = rf_epoch(1, 3, 2, &a);
    for (unsigned i = 1; i <= 3; i++) {
        said[i - 1] = (struct msg_share_accepted){1, i, 2, ep.holders, ep.commitments};
        speak(i);
    }
}

static void forged(void) { accepted[1].signature.b[0] ^= 1; }
static void of_other_type(void) { accepted[1].type = SIGNED_DEALING; }
static void by_another(void)
{
    said[1].index = 1;
    speak(2);
}
static void by_a_stranger(void) { accepted[1].signer = rf_id(999); }
static void by_an_authority(void)
{
    uint8_t *p = arena_copy(&a, said[1].holders.p, 48);
    const struct cpis_id id = rf_id(101);
    const struct identity keys = rf_identity(101);
    memcpy(p + 16, id.b, 16);
    said[1].holders.p = p;
    speak(2);
    accepted[1].signer = id;
    sign_make(&keys.sign, SIGNED_SHARE_ACCEPTED, &net, accepted[1].body.p, accepted[1].body.len,
              &accepted[1].signature);
}
static void twice(void) { accepted[1] = accepted[0]; }
static void other_key(void)
{
    said[1].commitments = rf_epoch(7, 3, 2, &a).commitments;
    speak(2);
}
static void other_epoch(void)
{
    said[1].epoch = 2;
    speak(2);
}
static void other_threshold(void)
{
    said[1].threshold = 3;
    speak(2);
}
static void index_out(void)
{
    said[1].index = 4;
    speak(2);
}
static void all_of_wrong_length(void)
{
    for (unsigned i = 1; i <= 3; i++) {
        said[i - 1].threshold = 3;
        speak(i);
    }
}

Test(steward, an_epoch_needs_the_equal_word_of_every_share_holder)
{
    static const struct {
        void (*spoil)(void);
        cpis_err err;
    } rows[] = {{forged, CPIS_E_AUTH},
                {of_other_type, CPIS_E_AUTH},
                {by_another, CPIS_E_AUTH},
                {by_a_stranger, CPIS_E_AUTH},
                {by_an_authority, CPIS_E_AUTH},
                {twice, CPIS_E_MALFORMED},
                {other_key, CPIS_E_MALFORMED},
                {other_epoch, CPIS_E_MALFORMED},
                {other_threshold, CPIS_E_MALFORMED},
                {index_out, CPIS_E_MALFORMED},
                {all_of_wrong_length, CPIS_E_MALFORMED}};
    const struct steward_epoch ep = {8, RF_T0, RF_T0 + 90 * CPIS_MS_DAY};
    struct msg_register m = draft();
    struct bytes document;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        speak_all();
        rows[i].spoil();
        cr_assert_eq(steward_add_epoch(&m, &a, &net, accepted, 3, &ep, &why), rows[i].err, "%zu",
                     i);
        cr_assert_eq(m.epochs_count, 0);
    }
    speak_all();
    cr_assert_eq(steward_add_epoch(&m, &a, &net, accepted, 2, &ep, &why), CPIS_E_MALFORMED);
    cr_assert_eq(steward_add_epoch(&m, &a, &net, accepted, 0, &ep, &why), CPIS_E_MALFORMED);
    cr_assert_eq(steward_add_epoch(&m, &a, &net, accepted, 3, &ep, &why), CPIS_OK);
    cr_assert_eq(steward_add_epoch(&m, &a, &net, accepted, 3, &ep, &why), CPIS_E_STATE);
    cr_assert_eq(steward_set_epoch_end(&m, 1, ep.not_after + 1, &why), CPIS_OK);
    cr_assert_eq(steward_set_epoch_end(&m, 2, 1, &why), CPIS_E_NOTFOUND);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(sign(r, document, 0, &document), CPIS_OK);
    cr_assert_eq(sign(r, document, 1, &document), CPIS_OK);
    cr_assert_eq(registry_load(r, document), CPIS_OK);
    cr_assert_eq(registry_epoch(r, 1)->t, 2);
    m = draft();
    cr_assert_eq(steward_remove_epoch(&m, 1, &why), CPIS_OK);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_E_MALFORMED);
    cr_assert_str_eq(why, "an epoch in use is missing");
}

Test(steward, notices_expected_and_successors_are_set_and_taken_away)
{
    struct msg_register m = draft();
    const struct msg_register_expected expected[2] = {{.code = "888"}, {.code = "889"}};
    struct msg_register_notice notice = {rf_id(101), RF_T0, RF_T0 + 9 * CPIS_MS_DAY};
    const struct cpis_id id = rf_id(101), to[2] = {rf_id(102), rf_id(103)}, nobody = rf_id(999);
    struct bytes document;
    cr_assert_eq(steward_set_expected(&m, &a, expected, 2, &why), CPIS_OK);
    cr_assert_eq(steward_set_notice(&m, &a, &notice, &why), CPIS_OK);
    notice.until++;
    cr_assert_eq(steward_set_notice(&m, &a, &notice, &why), CPIS_OK);
    cr_assert_eq(m.notices_count, 1);
    cr_assert_eq(m.notices[0].until, notice.until);
    struct msg_register_notice second = {rf_id(102), RF_T0, RF_T0 + 8 * CPIS_MS_DAY};
    cr_assert_eq(steward_set_notice(&m, &a, &second, &why), CPIS_OK);
    second.until++; /* the second one is found, too, and the first stays as it is */
    cr_assert_eq(steward_set_notice(&m, &a, &second, &why), CPIS_OK);
    cr_assert_eq(m.notices_count, 2);
    cr_assert_eq(m.notices[0].until, notice.until);
    cr_assert_eq(m.notices[1].until, second.until);
    second.until = 0;
    cr_assert_eq(steward_set_notice(&m, &a, &second, &why), CPIS_OK);
    cr_assert_eq(steward_set_successors(&m, &a, &id, to, 2, &why), CPIS_OK);
    cr_assert_eq(steward_set_successors(&m, &a, &nobody, to, 2, &why), CPIS_E_NOTFOUND);
    cr_assert_eq(steward_set_successors(&m, &a, &id, to, SUCCESSORS_MAX + 1, &why), CPIS_E_LIMIT);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    notice.until = 0;
    cr_assert_eq(steward_set_notice(&m, &a, &notice, &why), CPIS_OK);
    cr_assert_eq(steward_set_notice(&m, &a, &notice, &why), CPIS_E_NOTFOUND);
    cr_assert_eq(m.notices_count, 0);
    cr_assert_eq(steward_set_successors(&m, &a, &id, NULL, 0, &why), CPIS_OK);
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(steward_remove_node(&m, &nobody, &why), CPIS_E_NOTFOUND);
}

/* --- limits --- */

Test(steward, what_there_is_no_room_for_is_refused_and_the_draft_stays)
{
    static const struct msg_register_expected expected[REGISTER_NODES_MAX + 1];
    static const uint8_t keys[(ROOT_KEYS_MAX + 1) * SIGN_PUBLIC_BYTES];
    static struct msg_register_node nodes[REGISTER_NODES_MAX];
    const struct steward_limits limits = {1, 1, 0};
    const struct steward_epoch ep = {8, RF_T0, RF_T0 + 90 * CPIS_MS_DAY};
    const struct msg_signed_descriptor d = rf_descriptor(9, ROLE_DIRECTORY, "DIR9", &net);
    struct msg_register_epoch epochs[REGISTER_EPOCHS_MAX];
    struct msg_register m = draft();
    const size_t roots = m.root_keys.len;
    cr_expect_eq(steward_set_expected(&m, &a, expected, REGISTER_NODES_MAX + 1, &why),
                 CPIS_E_LIMIT);
    cr_expect_eq(m.expected_count, 0);
    cr_expect_eq(steward_set_expected(&m, &a, expected, REGISTER_NODES_MAX, &why), CPIS_OK);
    cr_expect_eq(steward_set_roots(&m, &a, (struct bytes){keys, sizeof keys}, 2, &why),
                 CPIS_E_LIMIT);
    cr_expect_eq(m.root_keys.len, roots);
    for (uint32_t i = 0; i < REGISTER_EPOCHS_MAX; i++)
        epochs[i] = rf_epoch(2 + i, 3, 2, &a);
    m.epochs = epochs;
    m.epochs_count = REGISTER_EPOCHS_MAX;
    speak_all();
    cr_expect_eq(steward_add_epoch(&m, &a, &net, accepted, 3, &ep, &why), CPIS_E_LIMIT);
    m.epochs_count--;
    cr_expect_eq(steward_add_epoch(&m, &a, &net, accepted, 3, &ep, &why), CPIS_OK);
    for (size_t i = 0; i < REGISTER_NODES_MAX; i++)
        nodes[i] = m.nodes[0];
    m.nodes = nodes;
    m.nodes_count = REGISTER_NODES_MAX;
    cr_expect_eq(steward_add_node(&m, &a, &net, &d, &limits, NULL, &why), CPIS_E_LIMIT);
    m.nodes_count--;
    cr_expect_eq(steward_add_node(&m, &a, &net, &d, &limits, NULL, &why), CPIS_OK);
}

/* Of two sets of root keys, the old and the new. */
Test(steward, a_document_full_of_signatures_takes_no_more)
{
    struct msg_root_signature all[2 * ROOT_KEYS_MAX];
    const struct msg_register m = draft();
    struct msg_register_document doc;
    struct bytes document, full;
    cr_assert_eq(steward_finish(r, &m, &a, &document, &why), CPIS_OK);
    cr_assert_eq(register_document_decode(document, &a, &doc), CPIS_OK);
    for (size_t i = 0; i < 2 * ROOT_KEYS_MAX; i++)
        all[i] = (struct msg_root_signature){.key = {{(uint8_t)i}}};
    doc.signatures = all;
    for (doc.signatures_count = 2 * ROOT_KEYS_MAX; doc.signatures_count > 0;
         doc.signatures_count--) {
        cr_assert_eq(register_document_encode(&doc, &a, &full), CPIS_OK);
        const bool has_room = doc.signatures_count < 2 * ROOT_KEYS_MAX;
        cr_expect_eq(sign(r, full, 0, &document), has_room ? CPIS_OK : CPIS_E_LIMIT);
    }
}

/* --- memory that fails --- */

static cpis_err told(cpis_err err)
{
    cr_assert(err != CPIS_E_NOMEM || strcmp(why, "out of memory") == 0, "%s", why);
    why = "";
    return err;
}

static cpis_err sign_or_nothing(struct bytes document, unsigned root, struct bytes *ret)
{
    struct bytes made = {NULL, 0};
    const cpis_err err = sign(r, document, root, &made);
    cr_assert_eq(err == CPIS_OK, made.p != NULL);
    if (err == CPIS_OK) *ret = made;
    return err;
}

static cpis_err next(struct msg_register *ret)
{
    why = "out of memory"; /* steward_next gives no reason */
    return steward_next(r, RF_T0 + CPIS_MS_DAY, RF_T0 + 31 * CPIS_MS_DAY, &a, ret);
}

#define TAKE(call)                                                                                 \
    do {                                                                                           \
        if (refusing)                                                                              \
            REFUSE_EACH(told(call));                                                               \
        else                                                                                       \
            cr_assert_eq(call, CPIS_OK);                                                           \
    } while (0)

/* A register with a change of each kind, signed by two. */
static struct bytes change_all(bool refusing)
{
    const struct steward_limits limits = {11, 12, 0};
    const struct steward_epoch ep = {8, RF_T0, RF_T0 + 90 * CPIS_MS_DAY};
    const struct msg_register_expected expected[2] = {{.code = "888"}, {.code = "889"}};
    const struct msg_register_notice notice = {rf_id(101), RF_T0, RF_T0 + 9 * CPIS_MS_DAY};
    const struct msg_signed_descriptor d = rf_descriptor(104, ROLE_AUTHORITY, "304", &net);
    const struct bytes roots = rf_root_keys(4, &a);
    const struct cpis_id id = rf_id(101), to[2] = {rf_id(102), rf_id(103)};
    struct msg_register m;
    struct bytes document;
    speak_all();
    TAKE(next(&m));
    TAKE(steward_add_node(&m, &a, &net, &d, &limits, NULL, &why));
    TAKE(steward_set_descriptor(&m, &net, &d, &why));
    TAKE(steward_set_successors(&m, &a, &id, to, 2, &why));
    TAKE(steward_add_epoch(&m, &a, &net, accepted, 3, &ep, &why));
    TAKE(steward_set_notice(&m, &a, &notice, &why));
    TAKE(steward_set_expected(&m, &a, expected, 2, &why));
    TAKE(steward_set_roots(&m, &a, roots, 2, &why));
    TAKE(steward_finish(r, &m, &a, &document, &why));
    TAKE(sign_or_nothing(document, 2, &document));
    TAKE(sign_or_nothing(document, 0, &document));
    return document;
}

Test(steward, a_call_without_memory_says_so_and_made_again_gives_the_same_register)
{
    const struct bytes whole = change_all(false);
    struct arena first = a;
    a = arena_make(first.cap);
    const size_t live = live_allocations();
    const struct bytes again = change_all(true);
    cr_assert_eq(again.len, whole.len);
    cr_expect_eq(memcmp(again.p, whole.p, whole.len), 0);
    cr_expect_eq(registry_would_accept(r, again, &why), CPIS_OK);
    arena_free(&a);
    cr_expect_eq(live_allocations(), live, "memory leaks");
    a = first;
}
