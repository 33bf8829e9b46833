#include "crypto/cursor.h"
#include "node/core/registry_state.h"
#include "node/core/steward.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/registry_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena a;
static struct registry *r;
static struct net_id net;
static struct rf_store store;
static struct rf_node node;

static void init(void)
{
    a = arena_make((size_t)256 * 1024 * 1024);
    r = rf_federation(3, true, &a);
    net = *registry_net(r);
    rf_store_init(&store);
    rf_node_init(&node, 201, r, &store);
}

static void fini(void)
{
    rf_node_free(&node);
    rf_store_free(&store);
    registry_free(&r);
    arena_free(&a);
}
TestSuite(registry, .init = init, .fini = fini);

static struct msg_register next_after(cpis_ms later)
{
    struct msg_register m;
    const uint64_t issued = registry_newest(r)->issued + later;
    cr_assert_eq(steward_next(r, issued, issued + 30 * CPIS_MS_DAY, &a, &m), CPIS_OK);
    return m;
}
static struct msg_register next(void) { return next_after(CPIS_MS_HOUR); }

static cpis_err offer(struct bytes document, const char **why)
{
    cpis_err err = registry_offer(r, rf_begin(&node, 1000, RF_T0 + 1000), document, why);
    rf_commit(&node, false);
    return err;
}

static void accept(const struct msg_register *m)
{
    const char *why = NULL;
    cpis_err err = offer(rf_document(m, &net, 3, &a), &why);
    cr_assert_eq(err, CPIS_OK, "%s", why == NULL ? "?" : why);
}

static struct msg_register_node *in(struct msg_register *m, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    for (size_t i = 0; i < m->nodes_count; i++) {
        const struct cpis_id x = node_id_of(&m->nodes[i].descriptor.sign_key);
        if (id_equal(&x, &id)) return &m->nodes[i];
    }
    return NULL;
}

static void without(struct msg_register *m, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    const char *why;
    cr_assert_eq(steward_remove_node(m, &id, &why), CPIS_OK);
}

static struct msg_register_node *with(struct msg_register *m, unsigned number, enum node_role role,
                                      const char *code)
{
    const struct steward_limits limits = {1, 2, 3};
    const struct msg_signed_descriptor d = rf_descriptor(number, role, code, &net);
    const char *why;
    cr_assert_eq(steward_add_node(m, &a, &net, &d, &limits, NULL, &why), CPIS_OK);
    return in(m, number);
}

static void with_epoch(struct msg_register *m, const struct msg_register_epoch *ep)
{
    struct msg_register_epoch *list = arena_take(&a, (m->epochs_count + 1) * sizeof *list);
    memcpy(list, m->epochs, m->epochs_count * sizeof *list);
    list[m->epochs_count++] = *ep;
    m->epochs = list;
}

static void announce(struct msg_register *m, unsigned number, unsigned successor)
{
    const struct cpis_id id = rf_id(number), to = rf_id(successor);
    const char *why;
    cr_assert_eq(steward_set_successors(m, &a, &id, &to, 1, &why), CPIS_OK);
}

/* --- each rule: a sound draft, one thing spoilt, the sentence that must come --- */

static uint8_t *writable(struct bytes b) { return (uint8_t *)(uintptr_t)b.p; }
static struct bytes other_bytes(struct bytes b)
{
    uint8_t *p = arena_copy(&a, b.p, b.len);
    p[0] ^= 1;
    return (struct bytes){p, b.len};
}

static void version_2_more(struct msg_register *m) { m->version++; }
static void other_previous(struct msg_register *m) { m->previous.b[3] ^= 1; }
static void issued_back(struct msg_register *m) { m->issued = registry_newest(r)->issued - 1; }
static void expires_first(struct msg_register *m) { m->expires = m->issued; }
static void expires_late(struct msg_register *m)
{
    m->expires = m->issued + REGISTER_EXPIRES_MAX + 1;
}
static void no_roots(struct msg_register *m) { m->root_keys.len = 0; }
static void high_threshold(struct msg_register *m) { m->root_threshold = 4; }
static void no_head_age(struct msg_register *m) { m->head_age = 0; }
static void root_twice(struct msg_register *m)
{
    memcpy(writable(m->root_keys) + 32, m->root_keys.p, 32);
}
static void key_of_two_nodes(struct msg_register *m)
{
    struct msg_register_node *n = with(m, 301, ROLE_QUERY, "RX1");
    n->descriptor.sealing_key = in(m, 1)->descriptor.transport_key;
    rf_resign(n, 301, &net);
}
static void root_key_of_node(struct msg_register *m)
{
    struct msg_register_node *n = with(m, 301, ROLE_QUERY, "RX1");
    memcpy(n->descriptor.transport_key.b, m->root_keys.p, 32);
    rf_resign(n, 301, &net);
}
static void node_never(struct msg_register *m)
{
    in(m, 1)->descriptor.not_after = in(m, 1)->descriptor.not_before;
    rf_resign(in(m, 1), 1, &net);
}
static void no_code(struct msg_register *m)
{
    in(m, 201)->descriptor.code[0] = 0;
    rf_resign(in(m, 201), 201, &net);
}
static void no_name(struct msg_register *m)
{
    in(m, 201)->descriptor.name[0] = 0;
    rf_resign(in(m, 201), 201, &net);
}
static void no_emergency(struct msg_register *m)
{
    in(m, 101)->descriptor.emergency[0] = 0;
    rf_resign(in(m, 101), 101, &net);
}
static void no_endpoint(struct msg_register *m)
{
    in(m, 1)->descriptor.endpoint[0] = 0;
    rf_resign(in(m, 1), 1, &net);
}
static void other_role(struct msg_register *m)
{
    in(m, 201)->descriptor.role = ROLE_DIRECTORY;
    strcpy(in(m, 201)->descriptor.endpoint, "tcp://x:1");
    rf_resign(in(m, 201), 201, &net);
}
static void other_sealing_key(struct msg_register *m)
{
    in(m, 101)->descriptor.sealing_key.b[0] ^= 1;
    rf_resign(in(m, 101), 101, &net);
}
static void other_transport_key(struct msg_register *m)
{
    in(m, 101)->descriptor.transport_key.b[0] ^= 1;
    rf_resign(in(m, 101), 101, &net);
}
static void replaces_later(struct msg_register *m) { in(m, 101)->replaces = rf_id(102); }
static void new_authority_active(struct msg_register *m)
{
    with(m, 104, ROLE_AUTHORITY, "304")->state = NODE_ACTIVE;
}
static void new_node_revoked(struct msg_register *m)
{
    with(m, 202, ROLE_QUERY, "RX1")->state = NODE_REVOKED;
}
static void replaces_nobody(struct msg_register *m)
{
    with(m, 104, ROLE_AUTHORITY, "301")->replaces = rf_id(999);
}
static void replaces_other_role(struct msg_register *m)
{
    with(m, 104, ROLE_AUTHORITY, "DIR1")->replaces = rf_id(1);
}
static void replaces_other_code(struct msg_register *m)
{
    with(m, 104, ROLE_AUTHORITY, "999")->replaces = rf_id(101);
}
static void replaced_by_two(struct msg_register *m)
{
    with(m, 104, ROLE_AUTHORITY, "301")->replaces = rf_id(101);
    with(m, 105, ROLE_AUTHORITY, "301")->replaces = rf_id(101);
}
static void back_to_joining(struct msg_register *m) { in(m, 101)->state = NODE_JOINING; }
static void authority_revoked(struct msg_register *m) { in(m, 101)->state = NODE_REVOKED; }
static void directory_retired(struct msg_register *m) { in(m, 1)->state = NODE_RETIRED; }
static void retired_unannounced(struct msg_register *m)
{
    announce(m, 101, 102);
    in(m, 101)->state = NODE_RETIRED;
}
static void successor_of_directory(struct msg_register *m) { announce(m, 1, 2); }
static void own_successor(struct msg_register *m) { announce(m, 101, 101); }
static void successor_directory(struct msg_register *m) { announce(m, 101, 1); }
static void authority_vanishes(struct msg_register *m) { without(m, 103); }
static void authority_vanishes_replaced_by_joining(struct msg_register *m)
{
    with(m, 104, ROLE_AUTHORITY, "303")->replaces = rf_id(103);
    without(m, 103);
}
static void epoch_no_holders(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    ep.holders.len = 0;
    with_epoch(m, &ep);
}
static void epoch_no_commitments(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    ep.commitments.len = 0;
    with_epoch(m, &ep);
}
static void epoch_t_over_n(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 4, &a);
    with_epoch(m, &ep);
}
static void epoch_never(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    ep.not_after = ep.not_before;
    with_epoch(m, &ep);
}
static void epoch_holder_twice(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    memcpy(writable(ep.holders) + 16, ep.holders.p, 16);
    with_epoch(m, &ep);
}
static void epoch_number_used(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(1, 3, 2, &a);
    ep.number = 0;
    m->epochs_count = 0;
    with_epoch(m, &ep);
}
static void epoch_of_authority(struct msg_register *m)
{
    const struct cpis_id id = rf_id(101);
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    memcpy(writable(ep.holders), id.b, sizeof id.b);
    with_epoch(m, &ep);
}
static void epoch_of_revoked_directory(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    in(m, 3)->state = NODE_REVOKED;
    with_epoch(m, &ep);
}
static void epoch_of_stranger(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 4, 2, &a);
    with_epoch(m, &ep);
}
static void epoch_identity_commitment(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    memset(writable(ep.commitments) + 32, 0, 32);
    with_epoch(m, &ep);
}
static void epoch_other_holders(struct msg_register *m)
{
    uint8_t *p = arena_copy(&a, m->epochs[0].holders.p, m->epochs[0].holders.len);
    memcpy(p, m->epochs[0].holders.p + 16, 16);
    memcpy(p + 16, m->epochs[0].holders.p, 16);
    m->epochs[0].holders.p = p;
}
static void epoch_other_commitments(struct msg_register *m)
{
    m->epochs[0].commitments = other_bytes(m->epochs[0].commitments);
}
static void epoch_other_bits(struct msg_register *m) { m->epochs[0].bucket_bits++; }
static void epoch_other_beginning(struct msg_register *m) { m->epochs[0].not_before--; }
static void epoch_shorter(struct msg_register *m) { m->epochs[0].not_after--; }
static void epochs_unordered(struct msg_register *m)
{
    struct msg_register_epoch two = rf_epoch(2, 3, 2, &a), swapped;
    with_epoch(m, &two);
    swapped = m->epochs[0];
    m->epochs[0] = m->epochs[1];
    m->epochs[1] = swapped;
}
static void epoch_before_the_last(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    ep.not_before = m->epochs[0].not_before;
    with_epoch(m, &ep);
}
static void epoch_overlap_short(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    ep.not_before = m->epochs[0].not_after - EPOCH_OVERLAP + 1;
    with_epoch(m, &ep);
}
static void epoch_dropped(struct msg_register *m) { m->epochs_count = 0; }
static void a_notice(struct msg_register *m, unsigned about, uint64_t list_time)
{
    struct msg_register_notice *list = arena_take(&a, 2 * sizeof *list);
    list[0] = (struct msg_register_notice){rf_id(about), list_time, m->issued + CPIS_MS_DAY};
    m->notices = list;
    m->notices_count = 1;
}
static void notice_of_directory(struct msg_register *m) { a_notice(m, 1, m->issued); }
static void notice_of_future(struct msg_register *m) { a_notice(m, 101, m->issued + 1); }
static void notice_twice(struct msg_register *m)
{
    a_notice(m, 101, m->issued);
    m->notices[1] = m->notices[0];
    m->notices_count = 2;
}
static struct msg_register_expected expected_list[2];
static void expect_codes(struct msg_register *m, const char *one, const char *two)
{
    memset(expected_list, 0, sizeof expected_list);
    strcpy(expected_list[0].code, one);
    strcpy(expected_list[1].code, two == NULL ? "" : two);
    m->expected = expected_list;
    m->expected_count = two == NULL ? 1 : 2;
}
static void expected_no_code(struct msg_register *m) { expect_codes(m, "", NULL); }
static void expected_twice(struct msg_register *m) { expect_codes(m, "888", "888"); }
static void expected_member(struct msg_register *m) { expect_codes(m, "301", NULL); }
static void descriptor_changed(struct msg_register *m)
{
    strcpy(in(m, 101)->descriptor.emergency, "02079460001"); /* by the stewards, not by the node */
}
static void descriptor_of_another_net(struct msg_register *m)
{
    const struct net_id other = {{1}};
    struct msg_register_node *n = with(m, 104, ROLE_AUTHORITY, "304");
    rf_resign(n, 104, &other);
}

static const struct spoilt {
    void (*spoil)(struct msg_register *m);
    const char *sentence;
} spoilt[] = {
    {other_previous, "previous is not the hash of the register before"},
    {issued_back, "issued before the register that it follows"},
    {expires_first, "it expires before it is issued"},
    {expires_late, "it expires more than 30 days after it is issued"},
    {no_head_age, "the limit for the age of heads is zero"},
    {key_of_two_nodes, "one key stands in it twice"},
    {root_key_of_node, "one key stands in it twice"},
    {node_never, "a node's not_after is not after its not_before"},
    {no_code, "a node has no organisation code"},
    {no_name, "a node has no organisation name"},
    {no_emergency, "an authority has no emergency telephone number"},
    {no_endpoint, "a directory has no endpoint"},
    {other_role, "a node's role can't change"},
    {other_sealing_key, "a node's keys can't change: a new key is a new node that replaces it"},
    {other_transport_key, "a node's keys can't change: a new key is a new node that replaces it"},
    {replaces_later, "what a node replaces can't change"},
    {new_authority_active, "a new authority must begin as joining"},
    {new_node_revoked, "a new node must begin as joining or active"},
    {replaces_nobody, "a new node replaces one that is not in the register before"},
    {replaces_other_role, "a node replaces one of another role"},
    {replaces_other_code, "a node replaces one of another organisation"},
    {replaced_by_two, "two nodes replace the same one"},
    {back_to_joining, "a node's state can't change from what it was to this"},
    {authority_revoked, "a counted authority can't be revoked, only suspended or retired"},
    {directory_retired, "only an authority is retired; other nodes are revoked"},
    {retired_unannounced, "an authority is retired that no register before announced"},
    {successor_of_directory, "only an authority has successors"},
    {own_successor, "an authority can't be its own successor"},
    {successor_directory, "a successor is no authority in the register"},
    {authority_vanishes,
     "a counted authority is missing that is neither retired nor replaced by an "
     "active one"},
    {authority_vanishes_replaced_by_joining,
     "a counted authority is missing that is neither retired nor replaced by an active one"},
    {epoch_no_holders, "an epoch has no share holders"},
    {epoch_no_commitments, "an epoch's threshold is not between 1 and its share holders"},
    {epoch_t_over_n, "an epoch's threshold is not between 1 and its share holders"},
    {epoch_never, "an epoch's not_after is not after its not_before"},
    {epoch_holder_twice, "one node holds two shares of an epoch"},
    {epoch_number_used, "a new epoch's number is not above all that were"},
    {epoch_of_authority, "a share holder is no directory in force"},
    {epoch_of_revoked_directory, "a share holder is no directory in force"},
    {epoch_of_stranger, "a share holder is no directory in force"},
    {epoch_identity_commitment, "a commitment of an epoch is no group element"},
    {epoch_other_holders, "an epoch's share holders have changed"},
    {epoch_other_commitments, "an epoch's commitments have changed"},
    {epoch_other_bits, "an epoch's bucket bits have changed"},
    {epoch_other_beginning, "an epoch's not_before has changed"},
    {epoch_shorter, "an epoch's not_after may only become later"},
    {epochs_unordered, "epochs do not stand in rising order of their numbers"},
    {epoch_before_the_last, "an epoch begins before the one before it"},
    {epoch_overlap_short, "an epoch ends less than 48 hours after the next one begins"},
    {epoch_dropped, "an epoch in use is missing"},
    {notice_of_directory, "a notice is about no authority of this register"},
    {notice_of_future, "a notice names a list of the future"},
    {notice_twice, "two notices about one authority"},
    {expected_no_code, "an expected authority has no organisation code"},
    {expected_twice, "one authority is expected twice"},
    {expected_member, "an authority is expected that takes part"},
    {descriptor_changed, "a node's own signature over its descriptor does not verify"},
    {descriptor_of_another_net, "a node's own signature over its descriptor does not verify"},
};

Test(registry, each_rule_is_refused_with_its_own_sentence_and_changes_nothing)
{
    const struct cpis_hash before = *registry_hash(r);
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        struct msg_register m = next();
        const char *why = NULL;
        cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 3, &a), &why), CPIS_OK);
        spoilt[i].spoil(&m);
        cpis_err err = offer(rf_document(&m, &net, 3, &a), &why);
        cr_assert_eq(err, CPIS_E_MALFORMED, "%s: %d", spoilt[i].sentence, err);
        cr_assert_str_eq(why, spoilt[i].sentence);
        cr_assert_eq(node.step.events[EVENT_REGISTER_REFUSED] +
                         node.step.events[EVENT_REGISTER_FORK],
                     1, "%s", spoilt[i].sentence);
        cr_assert(hash_equal(&before, registry_hash(r)));
        cr_assert_eq(registry_version(r), 3);
    }
}

/* Where root signatures would stop it first, the rules are asked alone. */
Test(registry, what_signatures_hide_is_refused_by_the_rules_too)
{
    static const struct spoilt rows[] = {
        {version_2_more, "the version must be the last one plus one"},
        {no_roots, "it has no root keys"},
        {high_threshold, "the root threshold is larger than the number of root keys"},
        {root_twice, "one key stands in it twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct msg_register m = next();
        cr_assert_null(registry_may_follow(r, &m));
        rows[i].spoil(&m);
        const char *why = registry_may_follow(r, &m);
        cr_assert_not_null(why);
        cr_assert_str_eq(why, rows[i].sentence);
    }
}

Test(registry, version_1_holds_nothing_that_its_hash_must_come_before)
{
    struct registry *fresh = NULL;
    struct msg_register_epoch ep = rf_epoch(1, 3, 2, &a);
    struct msg_register_node n = {.state = NODE_JOINING};
    struct msg_register m[5];
    static const char *const sentences[] = {
        NULL, "the first register must have version 1",
        "version 1 follows nothing: previous must be zeros",
        "version 1 may hold no nodes: their signatures need its hash",
        "version 1 may hold no epochs"};
    for (size_t i = 0; i < 5; i++)
        m[i] = steward_first(rf_root_keys(3, &a), 2, RF_T0, RF_T0 + CPIS_MS_DAY);
    m[1].version = 0;
    m[2].previous.b[0] = 1;
    n.descriptor = rf_descriptor(1, ROLE_DIRECTORY, "D", &net).descriptor;
    m[3].nodes = &n, m[3].nodes_count = 1;
    m[4].epochs = &ep, m[4].epochs_count = 1;
    for (size_t i = 5; i-- > 0;) {
        const char *why = NULL;
        cr_assert_eq(registry_new(&fresh), CPIS_OK);
        cpis_err err = registry_would_accept(fresh, rf_document(&m[i], NULL, 3, &a), &why);
        cr_assert_eq(err, i == 0 ? CPIS_OK : CPIS_E_MALFORMED, "%zu: %d", i, err);
        if (i > 0) cr_assert_str_eq(why, sentences[i]);
        cr_assert_eq(registry_load(fresh, rf_document(&m[0], NULL, 1, &a)), CPIS_E_AUTH);
        registry_free(&fresh);
    }
}

/* --- signatures --- */

Test(registry, signatures_of_distinct_root_keys_are_counted)
{
    struct msg_register m = next();
    const char *why = NULL;
    static const struct {
        unsigned roots;
        cpis_err err;
    } rows[] = {{0, CPIS_E_AUTH},      {1, CPIS_E_AUTH}, {4, CPIS_E_AUTH}, {24, CPIS_E_AUTH},
                {1 | 24, CPIS_E_AUTH}, {5, CPIS_OK},     {3, CPIS_OK},     {31, CPIS_OK}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, rows[i].roots, &a), &why),
                     rows[i].err, "%x", rows[i].roots);
    cr_assert_eq(offer(rf_document(&m, &net, 1, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(node.step.events[EVENT_REGISTER_REFUSED], 1);
    cr_assert_str_eq(why, "too few signatures by distinct root keys");
}

Test(registry, one_key_that_signs_twice_is_one_signature)
{
    struct msg_register m = next();
    struct msg_register_document doc;
    struct msg_root_signature twice[2];
    struct bytes once = rf_document(&m, &net, 1, &a), b;
    const char *why;
    cr_assert_eq(register_document_decode(once, &a, &doc), CPIS_OK);
    twice[0] = twice[1] = doc.signatures[0];
    doc.signatures = twice;
    doc.signatures_count = 2;
    cr_assert_eq(register_document_encode(&doc, &a, &b), CPIS_OK);
    cr_assert_eq(registry_would_accept(r, b, &why), CPIS_E_AUTH);
    /* nor is a key twice in the set two keys */
    uint8_t set[64];
    memcpy(set, doc.signatures[0].key.b, 32);
    memcpy(set + 32, set, 32);
    cr_assert_eq(registry_signatures_check(&doc, &net, (struct bytes){set, 64}, 2), CPIS_E_AUTH);
    cr_assert_eq(registry_signatures_check(&doc, &net, (struct bytes){set, 64}, 1), CPIS_OK);
    cr_assert_eq(registry_signatures_check(&doc, &net, (struct bytes){set, 64}, 0), CPIS_E_AUTH);
}

Test(registry, a_signature_is_bound_to_network_and_body)
{
    struct msg_register m = next();
    const struct net_id other = {{9}};
    struct msg_register_document doc;
    struct bytes b;
    const char *why;
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &other, 3, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(register_document_decode(rf_document(&m, &net, 3, &a), &a, &doc), CPIS_OK);
    m.head_age++;
    cr_assert_eq(register_body_encode(&m, &a, &doc.body), CPIS_OK);
    cr_assert_eq(register_document_encode(&doc, &a, &b), CPIS_OK);
    cr_assert_eq(registry_would_accept(r, b, &why), CPIS_E_AUTH);
}

Test(registry, a_change_of_roots_needs_the_old_and_the_new_set)
{
    struct msg_register m = next();
    const char *why;
    m.root_keys = rf_root_keys(5, &a);
    m.root_keys.p += 64; /* roots 2, 3, 4 in place of 0, 1, 2 */
    m.root_keys.len = 96;
    m.root_threshold = 2;
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 3, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 24, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 1 | 4, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 1 | 4 | 8, &a), &why), CPIS_OK);
    cr_assert_eq(offer(rf_document(&m, &net, 3 | 24, &a), &why), CPIS_OK);
    m = next();
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 3, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 24, &a), &why), CPIS_OK);
    m.root_threshold = 3; /* the threshold alone is a change too */
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 24, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(r, rf_document(&m, &net, 28, &a), &why), CPIS_OK);
}

/* --- versions --- */

Test(registry, a_signature_found_right_is_checked_again_under_each_newer_register)
{
    static const uint8_t body[] = {1, 2, 3};
    const struct identity id = rf_identity(101);
    struct signed_message m = {
        .type = SIGNED_ACK, .signer = rf_id(101), .body = {body, sizeof body}};
    sign_make(&id.sign, SIGNED_ACK, &net, body, sizeof body, &m.signature);
    const struct cpis_id who = rf_id(101);
    cr_assert(!verified_knows(r->verified, &id.pub.sign, &net, &m));
    cr_assert(registry_has_signed(r, registry_node(r, &who), &m));
    cr_assert(verified_knows(r->verified, &id.pub.sign, &net, &m));
    struct msg_register suspends = next();
    in(&suspends, 101)->state = NODE_SUSPENDED;
    accept(&suspends);
    cr_assert(!verified_knows(r->verified, &id.pub.sign, &net, &m));
    cr_assert(registry_has_signed(r, registry_node(r, &who), &m), "the key is still its own");
    cr_assert(!registry_may_sign(registry_node(r, &who), RF_T0 + CPIS_MS_DAY));
    cr_assert(!registry_has_signed(r, registry_at(r, 0), &m), "and nobody else's");
}

Test(registry, lower_versions_are_refused_and_gaps_ask_for_the_chain)
{
    struct msg_register m = next(), later;
    const struct bytes four = rf_document(&m, &net, 3, &a);
    const char *why;
    accept(&m);
    cr_assert_eq(node.step.events[EVENT_REGISTER_ACCEPTED], 1);
    cr_assert_eq(rf_store_count(&store, TABLE_REGISTER), 1);
    cr_assert_eq(rf_store_count(&store, TABLE_LOG), 1);
    cr_assert_eq(offer(four, &why), CPIS_OK); /* again: nothing happens */
    cr_assert_eq(node.step.events[EVENT_REGISTER_ACCEPTED], 0);
    struct msg_register_chain chain;
    rf_links_after(r, 1, &a, &chain);
    cr_assert_eq(chain.links_count, 3);
    struct bytes two;
    cr_assert_eq(register_document_encode(&chain.links[0], &a, &two), CPIS_OK);
    cr_assert_eq(offer(two, &why), CPIS_E_REPLAY);
    cr_assert_eq(node.step.events[EVENT_REPLAY], 1);
    later = next();
    later.version++;
    cr_assert_eq(offer(rf_document(&later, &net, 3, &a), &why), CPIS_E_STATE);
    cr_assert_eq(node.step.events[EVENT_NOT_EXPECTED], 1);
    cr_assert_eq(offer((struct bytes){(const uint8_t *)"x", 1}, &why), CPIS_E_MALFORMED);
    cr_assert_eq(registry_version(r), 4);
}

Test(registry, a_chain_from_version_1_gives_the_same_registry_elsewhere)
{
    struct registry *other = NULL;
    struct msg_register_chain chain;
    struct bytes b;
    rf_links_after(r, 0, &a, &chain);
    cr_assert_eq(chain.links_count, 3);
    cr_assert_eq(registry_new(&other), CPIS_OK);
    cr_assert_eq(register_document_encode(&chain.links[1], &a, &b), CPIS_OK);
    cr_assert_eq(registry_load(other, b), CPIS_E_STATE);
    cr_assert(registry_is_empty(other));
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(register_document_encode(&chain.links[i], &a, &b), CPIS_OK);
        cr_assert_eq(registry_load(other, b), CPIS_OK);
    }
    cr_assert(hash_equal(registry_hash(r), registry_hash(other)));
    cr_assert_eq(memcmp(registry_net(r), registry_net(other), sizeof net), 0);
    registry_free(&other);
}

static struct registry *reload(void)
{
    struct registry *again = NULL;
    struct msg_register_chain chain;
    struct bytes b;
    rf_links_after(r, 0, &a, &chain);
    cr_assert_eq(registry_new(&again), CPIS_OK);
    for (size_t i = 0; i < chain.links_count; i++) {
        cr_assert_eq(register_document_encode(&chain.links[i], &a, &b), CPIS_OK);
        cr_assert_eq(registry_load(again, b), CPIS_OK);
        for (size_t k = 0; k < RF_ROWS; k++) { /* what the store holds behind that link */
            const struct rf_row *row = &store.rows[k];
            struct cursor c = cursor_read(row->key, row->key_len);
            if (row->used && row->table == TABLE_REGISTER && row->key_len > 8 &&
                cursor_get_u64(&c) == i + 1)
                cr_assert_eq(registry_load(again, row->value), CPIS_OK);
        }
    }
    return again;
}

static void tell_all(struct registry *to, cpis_ms now, cpis_ms time);

Test(registry, two_registers_of_one_version_are_a_fork_that_survives_a_restart)
{
    struct msg_register m = next(), twin = m;
    const char *why;
    twin.head_age++;
    accept(&m);
    tell_all(r, 1000, RF_T0 + 1000);
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(offer(rf_document(&twin, &net, 1, &a), &why), CPIS_E_REPLAY); /* anybody's paper */
    cr_assert_eq(node.step.events[EVENT_REGISTER_FORK], 0);
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(offer(rf_document(&twin, &net, 3, &a), &why), CPIS_E_REPLAY);
    cr_assert_eq(node.step.events[EVENT_REGISTER_FORK], 1);
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_STALE);
    cr_assert_eq(rf_store_count(&store, TABLE_REGISTER), 2);
    struct registry *again = reload();
    tell_all(again, 1000, RF_T0 + 1000);
    cr_assert_eq(registry_trust(again, 1000, RF_T0), REGISTER_STALE);
    registry_free(&again);
    m = next(); /* the stewards go on from ours */
    accept(&m);
    tell_all(r, 1000, RF_T0 + 2000);
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(rf_store_count(&store, TABLE_REGISTER), 2); /* versions 4 and 5 */
}

Test(registry, a_follower_of_another_register_of_our_version_is_a_fork_too)
{
    struct msg_register m = next();
    const char *why;
    m.previous.b[0] ^= 1;
    tell_all(r, 1000, RF_T0 + 1000);
    cr_assert_eq(offer(rf_document(&m, &net, 1, &a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(offer(rf_document(&m, &net, 3, &a), &why), CPIS_E_MALFORMED);
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_STALE);
    struct registry *again = registry_is_empty(r) ? NULL : reload();
    registry_free(&again);
}

/* --- nodes --- */

Test(registry, a_retirement_waits_seven_days_from_its_announcement_through_other_registers)
{
    struct msg_register m = next();
    announce(&m, 101, 102);
    accept(&m);
    for (int day = 0; day < 6; day++) { /* others follow meanwhile */
        m = next_after(CPIS_MS_DAY);
        accept(&m);
    }
    m = next_after(CPIS_MS_DAY - 1);
    in(&m, 101)->state = NODE_RETIRED;
    cr_assert_str_eq(registry_may_follow(r, &m),
                     "an authority is retired less than 7 days after its announcement");
    m = next_after(CPIS_MS_DAY);
    in(&m, 101)->state = NODE_RETIRED;
    cr_assert_null(registry_may_follow(r, &m));
    announce(&m, 101, 103);
    cr_assert_str_eq(registry_may_follow(r, &m),
                     "an authority is retired with other successors than announced");
    announce(&m, 101, 102);
    accept(&m);
    const struct cpis_id id = rf_id(101);
    cr_assert_not(registry_is_counted(registry_node(r, &id)));
    m = next();
    announce(&m, 101, 103);
    cr_assert_str_eq(registry_may_follow(r, &m),
                     "the successors of a retired authority can't change");
    m = next();
    without(&m, 101); /* a retired one may go */
    accept(&m);
    cr_assert_null(registry_node(r, &id));
    cr_assert_eq(registry_node_ever(r, &id)->gone, m.issued);
}

Test(registry, other_successors_begin_the_seven_days_anew)
{
    struct msg_register m = next();
    announce(&m, 101, 102);
    accept(&m);
    m = next_after(6 * CPIS_MS_DAY);
    announce(&m, 101, 103);
    accept(&m);
    m = next_after(2 * CPIS_MS_DAY);
    in(&m, 101)->state = NODE_RETIRED;
    cr_assert_str_eq(registry_may_follow(r, &m),
                     "an authority is retired less than 7 days after its announcement");
}

Test(registry, a_key_is_renewed_by_a_node_that_replaces_the_old_one)
{
    const struct cpis_id old = rf_id(101), new = rf_id(104);
    struct msg_register m = next();
    in(&m, 101)->state = NODE_SUSPENDED;
    with(&m, 104, ROLE_AUTHORITY, "301")->replaces = old;
    accept(&m);
    cr_assert(registry_is_counted(registry_node(r, &old)));
    cr_assert_not(registry_may_sign(registry_node(r, &old), RF_T0));
    cr_assert(registry_in_force(registry_node(r, &old)));
    cr_assert_not(registry_is_counted(registry_node(r, &new)));
    cr_assert(registry_is_searched(registry_node(r, &new)));
    m = next();
    in(&m, 104)->state = NODE_ACTIVE;
    without(&m, 101);
    accept(&m);
    cr_assert_null(registry_node(r, &old));
    cr_assert_eq(registry_node_ever(r, &old)->gone, m.issued);
    cr_assert_not(registry_in_force(registry_node_ever(r, &old)));
    cr_assert_eq(registry_by_code(r, ROLE_AUTHORITY, "301")->id.b[0], new.b[0]);
    m = next(); /* what it replaces stays written, though that node is gone */
    accept(&m);
}

Test(registry, a_successor_is_found_through_one_that_replaced_and_has_gone_itself)
{
    const struct cpis_id old = rf_id(101), last = rf_id(105);
    struct cpis_id found[4];
    for (unsigned number = 104; number <= 105; number++) { /* each renews its key once */
        struct msg_register m = next();
        with(&m, number, ROLE_AUTHORITY, "301")->replaces = rf_id(number == 104 ? 101 : 104);
        accept(&m);
        m = next();
        in(&m, number)->state = NODE_ACTIVE;
        without(&m, number == 104 ? 101 : 104);
        accept(&m);
    }
    cr_assert_null(registry_node(r, &old));
    cr_assert_eq(registry_successors(r, &old, found, 4), 1);
    cr_expect(id_equal(&found[0], &last));
}

Test(registry, a_revoked_node_is_out_of_force_and_its_time_is_known)
{
    const struct cpis_id id = rf_id(201);
    struct msg_register m = next();
    cr_assert(registry_may_sign(registry_node(r, &id), RF_T0));
    cr_assert_not(registry_may_sign(registry_node(r, &id), RF_T0 - 2 * CPIS_MS_DAY));
    cr_assert_not(registry_may_sign(registry_node(r, &id), RF_T0 + 3000 * CPIS_MS_DAY));
    in(&m, 201)->state = NODE_REVOKED;
    accept(&m);
    const uint64_t when = m.issued;
    m = next();
    accept(&m);
    cr_assert_eq(registry_node(r, &id)->gone, when);
    cr_assert_not(registry_in_force(registry_node(r, &id)));
    cr_assert_not(registry_may_sign(registry_node(r, &id), RF_T0));
    const struct box_public key = registry_node(r, &id)->d.transport_key;
    cr_assert_eq(registry_by_transport(r, &key), registry_node(r, &id));
    m = next();
    without(&m, 201);
    accept(&m);
    cr_assert_eq(registry_node_ever(r, &id)->gone, when);
    cr_assert_null(registry_by_transport(r, &key));
}

Test(registry, nodes_stand_in_rising_order_and_notices_hold_until_their_end)
{
    for (size_t i = 1; i < registry_count(r); i++)
        cr_assert_lt(id_compare(&registry_at(r, i - 1)->id, &registry_at(r, i)->id), 0);
    struct msg_register m = next();
    a_notice(&m, 101, m.issued);
    expect_codes(&m, "888", NULL);
    accept(&m);
    const struct cpis_id id = rf_id(101), other = rf_id(102);
    cr_assert_not_null(registry_notice(r, &id, m.notices[0].until - 1));
    cr_assert_null(registry_notice(r, &id, m.notices[0].until));
    cr_assert_null(registry_notice(r, &other, m.issued));
    cr_assert_eq(registry_expected_count(r), 1);
    cr_assert_str_eq(registry_expected_at(r, 0)->code, "888");
}

Test(registry, everyone_switches_at_the_next_epochs_beginning)
{
    struct msg_register m = next();
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    with_epoch(&m, &ep);
    accept(&m);
    const struct registry_epoch *one = registry_epoch(r, 1), *two = registry_epoch(r, 2);
    const cpis_ms at = two->not_before;
    cr_assert_eq(registry_epoch_current(r, 0), one); /* the lowest there is */
    cr_assert_eq(registry_epoch_current(r, at - 1), one);
    cr_assert_eq(registry_epoch_current(r, at), two);
    cr_assert(registry_epoch_published(r, one, at - 1) && registry_epoch_published(r, two, at - 1));
    cr_assert(registry_epoch_published(r, one, one->not_after - 1));
    cr_assert_not(registry_epoch_published(r, one, one->not_after));
    cr_assert(registry_epoch_published(r, two, two->not_after + 1)); /* no follower: it goes on */
    const struct cpis_id second = rf_id(2), stranger = rf_id(9);
    cr_assert_eq(registry_index_of(two, &second), 2);
    cr_assert_eq(registry_index_of(two, &stranger), 0);
    cr_assert_eq(two->commitments.t, 2);
    cr_assert_eq(receipts_searchable(two), 2);
    cr_assert_eq(receipts_live(two), 3);
    m = next_after(at - m.issued + CPIS_MS_HOUR);
    m.epochs++, m.epochs_count--;
    cr_assert_str_eq(registry_may_follow(r, &m), "an epoch in use is missing");
    m.issued = one->not_after;
    m.expires = m.issued + CPIS_MS_DAY;
    accept(&m); /* over, and followed: it may go */
    m = next();
    ep = rf_epoch(1, 3, 2, &a);
    ep.number = 1;
    m.epochs_count = 1;
    struct msg_register_epoch both[2] = {ep, m.epochs[0]};
    m.epochs = both, m.epochs_count = 2;
    cr_assert_str_eq(registry_may_follow(r, &m), "a new epoch's number is not above all that were");
}

Test(registry, an_epoch_has_its_holders_public_shares_from_one_register_to_the_next)
{
    struct msg_register m = next();
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &a);
    with_epoch(&m, &ep);
    for (unsigned links = 0; links < 3; links++, m = next()) {
        accept(&m);
        for (uint32_t e = 1; e <= 2; e++) {
            const struct registry_epoch *at = registry_epoch(r, e);
            cr_assert_eq(at->public_shares.n, 3);
            for (uint32_t i = 1; i <= 3; i++) {
                struct oprf_element k;
                cr_assert_eq(threshold_public_share(&at->commitments, i, &k), CPIS_OK);
                cr_expect_arr_eq(at->public_shares.k[i - 1].b, k.b, sizeof k.b, "%u of %u", i, e);
            }
        }
    }
}

/* --- register-times --- */

static cpis_err tell(struct registry *to, unsigned number, cpis_ms now, uint64_t time,
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

static void tell_all(struct registry *to, cpis_ms now, cpis_ms time)
{
    for (unsigned i = 1; i <= 3; i++)
        cr_assert_eq(tell(to, i, now, time, time), CPIS_OK);
}

Test(registry, trust_needs_t_fresh_register_times_and_ends_after_a_day)
{
    const cpis_ms min = CPIS_MS_MINUTE;
    cr_assert_eq(registry_trust(r, 0, RF_T0), REGISTER_STALE); /* never since the start */
    cr_assert_eq(tell(r, 1, 100 * min, RF_T0, RF_T0), CPIS_OK);
    cr_assert_eq(registry_trust(r, 100 * min, RF_T0), REGISTER_STALE);
    cr_assert_eq(tell(r, 2, 105 * min, RF_T0, RF_T0), CPIS_OK); /* t = 2 */
    cr_assert_eq(registry_trust(r, 110 * min, RF_T0), REGISTER_FRESH);
    cr_assert_eq(registry_trust(r, 110 * min + 1, RF_T0), REGISTER_UNCONFIRMED);
    cr_assert_eq(registry_trust(r, 100 * min + REGISTER_UNKNOWN_AFTER, RF_T0),
                 REGISTER_UNCONFIRMED);
    cr_assert_eq(registry_trust(r, 100 * min + REGISTER_UNKNOWN_AFTER + 1, RF_T0), REGISTER_STALE);
    const struct signed_message *times[4];
    cr_assert_eq(registry_times(r, 106 * min, times, 4), 2);
    cr_assert_eq(registry_times(r, 106 * min, times, 1), 1);
    cr_assert_eq(memcmp(times[0]->body.p, "body", 4), 0);
    cr_assert_eq(registry_times(r, 112 * min, times, 4),
                 2); /* a verdict may rest on it for a day */
    cr_assert_eq(registry_times(r, 101 * min + REGISTER_UNKNOWN_AFTER, times, 4), 1);
}

Test(registry, register_times_that_name_another_register_do_not_confirm_ours)
{
    struct msg_register m = next();
    tell_all(r, 1000, RF_T0);
    accept(&m); /* nobody has named the new one yet, but the day runs from the old confirmation */
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_UNCONFIRMED);
    tell_all(r, 1000, RF_T0); /* the same time, a higher version */
    cr_assert_eq(registry_trust(r, 1000, RF_T0), REGISTER_FRESH);
}

Test(registry, register_times_come_from_directories_and_never_go_back)
{
    cr_assert_eq(tell(r, 201, 0, RF_T0, RF_T0), CPIS_E_MALFORMED);
    cr_assert_eq(tell(r, 101, 0, RF_T0, RF_T0), CPIS_E_MALFORMED);
    cr_assert_eq(tell(r, 9, 0, RF_T0, RF_T0), CPIS_E_MALFORMED);
    cr_assert_eq(tell(r, 1, 0, RF_T0, RF_T0), CPIS_OK);
    cr_assert_eq(tell(r, 1, 0, RF_T0, RF_T0), CPIS_E_REPLAY);
    cr_assert_eq(tell(r, 1, 0, RF_T0 - 1, RF_T0), CPIS_E_REPLAY);
    cr_assert_eq(tell(r, 1, 0, RF_T0 + 1, RF_T0), CPIS_OK);
    const struct msg_register_time m = {.node_id = rf_id(1), .time = RF_T0 + 9};
    const struct signed_message s = {.type = SIGNED_REGISTER_TIME, .signer = rf_id(2)};
    cr_assert_eq(registry_heard_time(r, &m, &s, 0, RF_T0), CPIS_E_MALFORMED);
}

Test(registry, past_its_end_a_register_holds_only_while_confirmed_and_for_sixty_days)
{
    const cpis_ms end = registry_expires(r);
    tell_all(r, 1000, end + 1);
    cr_assert_eq(registry_trust(r, 1000, end + 1), REGISTER_FRESH);
    cr_assert_eq(registry_trust(r, 1000 + REGISTER_TIME_FRESH + 1, end), REGISTER_UNCONFIRMED);
    cr_assert_eq(registry_trust(r, 1000 + REGISTER_TIME_FRESH + 1, end + 1), REGISTER_STALE);
    cr_assert_eq(registry_trust(r, 1000, end + REGISTER_EXPIRED_LIMIT), REGISTER_FRESH);
    cr_assert_eq(registry_trust(r, 1000, end + REGISTER_EXPIRED_LIMIT + 1), REGISTER_STALE);
}

Test(registry, the_clock_is_corrected_by_the_median_from_five_seconds)
{
    int64_t d = 1;
    cr_assert_not(registry_clock_difference(r, 0, &d));
    cr_assert_eq(tell(r, 1, 0, RF_T0 + 7000, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(r, 0), 0); /* one is too few */
    cr_assert_eq(tell(r, 2, 0, RF_T0 + 5001, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(r, 0), 5001);         /* of two the nearer one */
    cr_assert_eq(tell(r, 3, 0, UINT64_MAX, RF_T0), CPIS_OK); /* a liar */
    cr_assert_eq(registry_clock_offset(r, 0), 7000);
    cr_assert_eq(registry_clock_offset(r, REGISTER_TIME_FRESH + 1), 0);
    cr_assert_eq(tell(r, 1, 1, RF_T0 + 8000, RF_T0 + 3000), CPIS_OK);
    cr_assert_eq(registry_clock_offset(r, 1), 5001);
    cr_assert_eq(tell(r, 2, 1, RF_T0 + 5002, RF_T0 + 20000), CPIS_OK);
    cr_assert(registry_clock_difference(r, 1, &d));
    cr_assert_eq(d, 5000);
    cr_assert_eq(registry_clock_offset(r, 1), 0); /* five seconds: not yet */
}

Test(registry, one_liar_does_not_move_the_clock_of_a_directory_that_has_heard_nobody_else)
{
    struct rf_node directory;
    struct rf_store disk;
    rf_store_init(&disk);
    rf_node_init(&directory, 2, r, &disk);
    registry_tick(r, rf_begin(&directory, 0, RF_T0)); /* a directory's own word is one of the t */
    rf_commit(&directory, false);
    cr_assert_eq(tell(r, 1, 0, RF_T0 - 400000, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(r, 0), 0);
    cr_assert_eq(tell(r, 3, 0, RF_T0 - 400000, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(r, 0), -400000, "two that agree do");
    rf_node_free(&directory);
    rf_store_free(&disk);
}

static const struct rf_step *tick(cpis_ms now, cpis_ms wall)
{
    registry_tick(r, rf_begin(&node, now, wall));
    rf_commit(&node, false);
    return &node.step;
}

Test(registry, alarms_come_once_an_hour)
{
    const cpis_ms min = CPIS_MS_MINUTE, hour = CPIS_MS_HOUR;
    unsigned expiring = 0, unconfirmed = 0, clock_off = 0;
    const cpis_ms end = registry_expires(r) - 9 * CPIS_MS_DAY;
    for (cpis_ms now = 0; now < 3 * hour; now += min) {
        if (now == 60 * min)
            for (unsigned i = 1; i <= 3; i++)
                cr_assert_eq(tell(r, i, now, end + now + 31000, end + now), CPIS_OK);
        const struct rf_step *s = tick(now, end + now);
        expiring += s->events[EVENT_REGISTER_EXPIRING];
        unconfirmed += s->events[EVENT_REGISTER_UNCONFIRMED];
        clock_off += s->events[EVENT_CLOCK_OFF];
    }
    cr_assert_eq(expiring, 3);
    cr_assert_eq(unconfirmed, 3); /* from 11 min; from 71 min as the hour is over; from 131 min */
    cr_assert_eq(clock_off, 1);
    cr_assert_eq(tick(0, registry_expires(r) - 11 * CPIS_MS_DAY)->events[EVENT_REGISTER_EXPIRING],
                 0);
}

Test(registry, an_authority_that_is_retired_says_so_once_an_hour)
{
    const cpis_ms min = CPIS_MS_MINUTE, wall = RF_T0 + 9 * CPIS_MS_DAY;
    struct rf_node authority;
    struct msg_register m = next();
    unsigned out = 0;
    rf_node_init(&authority, 101, r, &store);
    announce(&m, 101, 102);
    accept(&m);
    registry_tick(r, rf_begin(&authority, 0, wall));
    rf_commit(&authority, false);
    cr_expect_eq(authority.step.events[EVENT_NODE_OUT], 0, "announced only");
    m = next_after(7 * CPIS_MS_DAY);
    in(&m, 101)->state = NODE_RETIRED;
    accept(&m);
    for (cpis_ms now = min; now <= 90 * min; now += min) {
        registry_tick(r, rf_begin(&authority, now, wall));
        rf_commit(&authority, false);
        out += authority.step.events[EVENT_NODE_OUT];
    }
    cr_expect_eq(out, 2);
    rf_node_free(&authority);
}

Test(registry, a_node_that_is_revoked_or_removed_says_so)
{
    const cpis_ms hour = CPIS_MS_HOUR, wall = RF_T0 + CPIS_MS_HOUR;
    struct msg_register m = next();
    cr_assert_eq(tick(0, wall)->events[EVENT_NODE_OUT], 0);
    in(&m, 201)->state = NODE_REVOKED;
    accept(&m);
    cr_expect_eq(tick(hour, wall)->events[EVENT_NODE_OUT], 1);
    m = next();
    without(&m, 201);
    accept(&m);
    cr_expect_eq(tick(2 * hour, wall)->events[EVENT_NODE_OUT], 1);
}

/* Of those suspended, peers talk with authorities alone. */
Test(registry, a_query_node_that_is_suspended_says_so_and_a_suspended_authority_is_not_out)
{
    const cpis_ms hour = CPIS_MS_HOUR, wall = RF_T0 + CPIS_MS_HOUR;
    struct rf_node authority;
    struct msg_register m = next();
    rf_node_init(&authority, 101, r, &store);
    in(&m, 101)->state = NODE_SUSPENDED;
    accept(&m);
    registry_tick(r, rf_begin(&authority, 0, wall));
    rf_commit(&authority, false);
    cr_expect_eq(authority.step.events[EVENT_NODE_OUT], 0);
    m = next();
    in(&m, 201)->state = NODE_SUSPENDED;
    accept(&m);
    cr_expect_eq(tick(hour, wall)->events[EVENT_NODE_OUT], 1);
    cr_expect(strstr(event_text(EVENT_NODE_OUT), "suspended") != NULL, "the text says it");
    rf_node_free(&authority);
}

Test(registry, a_node_that_was_never_in_the_register_raises_no_alarm)
{
    struct rf_node stranger;
    rf_node_init(&stranger, 250, r, &store);
    registry_tick(r, rf_begin(&stranger, 0, RF_T0 + CPIS_MS_HOUR));
    rf_commit(&stranger, false);
    cr_expect_eq(stranger.step.events[EVENT_NODE_OUT], 0);
    rf_node_free(&stranger);
}

Test(registry, a_directory_sends_what_others_take)
{
    struct rf_node directory;
    struct rf_store disk;
    struct frame f;
    struct signed_message s;
    struct msg_register_time m;
    const struct cpis_id peer = rf_id(201);
    rf_store_init(&disk);
    rf_node_init(&directory, 2, r, &disk);
    registry_send_time(r, rf_begin(&directory, 0, RF_T0 + 5), &peer);
    rf_commit(&directory, false);
    cr_assert_eq(directory.step.sent_count, 1);
    cr_assert_eq(frame_unwrap(directory.step.sent[0].frame, &a, &f), CPIS_OK);
    cr_assert_eq(f.kind, FRAME_SIGNED);
    cr_assert_eq(signed_message_decode(f.payload, &a, &s), CPIS_OK);
    cr_assert_eq(sign_check(&registry_node(r, &directory.env.id)->d.sign_key, SIGNED_REGISTER_TIME,
                            &net, s.body.p, s.body.len, &s.signature),
                 CPIS_OK);
    cr_assert_eq(register_time_decode(s.body, &a, &m), CPIS_OK);
    cr_assert_eq(registry_heard_time(r, &m, &s, 0, RF_T0), CPIS_OK);
    rf_node_free(&directory);
    rf_store_free(&disk);
}

/* --- limits --- */

Test(registry, links_come_in_frames_that_fit)
{
    struct msg_register m = next();
    struct msg_register_expected *many = arena_take(&a, 1000 * sizeof *many);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(many[i].code, sizeof many[i].code, "%zu", i + 1000);
        memset(many[i].name, 'x', ORGANISATION_BYTES_MAX);
    }
    struct msg_register_chain chain;
    struct bytes b, wire;
    for (int i = 0; i < 12; i++) { /* over 100 KB each */
        m = next();
        m.expected = many;
        m.expected_count = 1000;
        accept(&m);
    }
    uint64_t have = 3; /* those before were loaded, and stand in no store */
    while (have < registry_version(r)) {
        cr_assert_eq(registry_links_after(r, &store.view, have, &a, &chain), CPIS_OK);
        cr_assert_gt(chain.links_count, 0);
        cr_assert_lt(chain.links_count, 12);
        cr_assert_eq(register_body_decode(chain.links[0].body, &a, &m), CPIS_OK);
        cr_assert_eq(m.version, have + 1);
        cr_assert_eq(register_chain_encode(&chain, &a, &b), CPIS_OK);
        cr_assert_eq(frame_wrap(FRAME_REGISTER_CHAIN, b, &a, &wire), CPIS_OK);
        cr_assert_leq(wire.len, FRAME_BYTES_MAX);
        have += chain.links_count;
    }
    cr_assert_eq(have, 15);
    cr_assert_eq(registry_links_after(r, &store.view, 15, &a, &chain), CPIS_OK);
    cr_assert_eq(chain.links_count, 0);
    cr_assert_eq(registry_links_after(r, &store.view, UINT64_MAX, &a, &chain), CPIS_OK);
    cr_assert_eq(chain.links_count, 0);
    cr_assert_eq(registry_links_after(r, &store.view, 2, &a, &chain), CPIS_E_STORE,
                 "version 3 is not in the store");
    cr_assert_eq(chain.links_count, 0);
}

Test(registry, running_out_of_memory_changes_nothing)
{
    struct msg_register m = next();
    without(&m, 201);
    const struct bytes document = rf_document(&m, &net, 3, &a);
    int failed = 0;
    for (int i = 0; i < 100; i++) {
        fail_malloc_at(i);
        cpis_err err = registry_load(r, document);
        fail_malloc_at(-1);
        if (err == CPIS_OK) break;
        failed++;
        cr_assert(err == CPIS_E_NOMEM || err == CPIS_E_MALFORMED, "%d", err);
        cr_assert_eq(registry_version(r), 3);
        cr_assert_eq(registry_count(r), 7);
    }
    cr_assert_gt(failed, 2);
    cr_assert_eq(registry_version(r), 4);
    cr_assert_eq(registry_count(r), 6);
}

Test(registry, a_document_larger_than_one_frame_holds_is_refused)
{
    static const uint8_t zeros[REGISTER_BODY_BYTES_MAX + 1];
    const char *why = NULL;
    for (size_t over = 0; over < 2; over++) {
        const struct msg_register_document doc = {.body = {zeros, REGISTER_BODY_BYTES_MAX + over}};
        struct bytes document;
        cr_assert_eq(register_document_encode(&doc, &a, &document), CPIS_OK);
        cr_expect_eq(registry_would_accept(r, document, &why), CPIS_E_MALFORMED);
        cr_expect_str_eq(why, over == 1 ? "it is larger than one frame holds"
                                        : "it is no register document");
    }
}
