/* Each rule of which register may follow: a sound draft, one thing spoilt, the sentence that must
 * come. */
#include "node/core/steward.h"
#include "tests/node/core/draft_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static uint8_t *writable(struct bytes b) { return (uint8_t *)(uintptr_t)b.p; }
static struct bytes other_bytes(struct bytes b)
{
    uint8_t *p = arena_copy(&draft.a, b.p, b.len);
    p[0] ^= 1;
    return (struct bytes){p, b.len};
}

static void version_2_more(struct msg_register *m) { m->version++; }
static void other_previous(struct msg_register *m) { m->previous.b[3] ^= 1; }
static void issued_back(struct msg_register *m)
{
    m->issued = registry_newest(draft.r)->issued - 1;
}
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
    struct msg_register_node *n = draft_with(m, 301, ROLE_QUERY, "RX1");
    n->descriptor.sealing_key = draft_in(m, 1)->descriptor.transport_key;
    rf_resign(n, 301, &draft.net);
}
static void root_key_of_node(struct msg_register *m)
{
    struct msg_register_node *n = draft_with(m, 301, ROLE_QUERY, "RX1");
    memcpy(n->descriptor.transport_key.b, m->root_keys.p, 32);
    rf_resign(n, 301, &draft.net);
}
static void node_never(struct msg_register *m)
{
    draft_in(m, 1)->descriptor.not_after = draft_in(m, 1)->descriptor.not_before;
    rf_resign(draft_in(m, 1), 1, &draft.net);
}
static void no_code(struct msg_register *m)
{
    draft_in(m, 201)->descriptor.code[0] = 0;
    rf_resign(draft_in(m, 201), 201, &draft.net);
}
static void no_name(struct msg_register *m)
{
    draft_in(m, 201)->descriptor.name[0] = 0;
    rf_resign(draft_in(m, 201), 201, &draft.net);
}
static void no_emergency(struct msg_register *m)
{
    draft_in(m, 101)->descriptor.emergency[0] = 0;
    rf_resign(draft_in(m, 101), 101, &draft.net);
}
static void no_endpoint(struct msg_register *m)
{
    draft_in(m, 1)->descriptor.endpoint[0] = 0;
    rf_resign(draft_in(m, 1), 1, &draft.net);
}
static void other_role(struct msg_register *m)
{
    draft_in(m, 201)->descriptor.role = ROLE_DIRECTORY;
    strcpy(draft_in(m, 201)->descriptor.endpoint, "tcp://x:1");
    rf_resign(draft_in(m, 201), 201, &draft.net);
}
static void other_sealing_key(struct msg_register *m)
{
    draft_in(m, 101)->descriptor.sealing_key.b[0] ^= 1;
    rf_resign(draft_in(m, 101), 101, &draft.net);
}
static void other_transport_key(struct msg_register *m)
{
    draft_in(m, 101)->descriptor.transport_key.b[0] ^= 1;
    rf_resign(draft_in(m, 101), 101, &draft.net);
}
static void replaces_later(struct msg_register *m) { draft_in(m, 101)->replaces = rf_id(102); }
static void new_authority_active(struct msg_register *m)
{
    draft_with(m, 104, ROLE_AUTHORITY, "304")->state = NODE_ACTIVE;
}
static void new_node_revoked(struct msg_register *m)
{
    draft_with(m, 202, ROLE_QUERY, "RX1")->state = NODE_REVOKED;
}
static void replaces_nobody(struct msg_register *m)
{
    draft_with(m, 104, ROLE_AUTHORITY, "301")->replaces = rf_id(999);
}
static void replaces_other_role(struct msg_register *m)
{
    draft_with(m, 104, ROLE_AUTHORITY, "DIR1")->replaces = rf_id(1);
}
static void replaces_other_code(struct msg_register *m)
{
    draft_with(m, 104, ROLE_AUTHORITY, "999")->replaces = rf_id(101);
}
static void replaced_by_two(struct msg_register *m)
{
    draft_with(m, 104, ROLE_AUTHORITY, "301")->replaces = rf_id(101);
    draft_with(m, 105, ROLE_AUTHORITY, "301")->replaces = rf_id(101);
}
static void back_to_joining(struct msg_register *m) { draft_in(m, 101)->state = NODE_JOINING; }
static void authority_revoked(struct msg_register *m) { draft_in(m, 101)->state = NODE_REVOKED; }
static void directory_retired(struct msg_register *m) { draft_in(m, 1)->state = NODE_RETIRED; }
static void retired_unannounced(struct msg_register *m)
{
    draft_announce(m, 101, 102);
    draft_in(m, 101)->state = NODE_RETIRED;
}
static void successor_of_directory(struct msg_register *m) { draft_announce(m, 1, 2); }
static void own_successor(struct msg_register *m) { draft_announce(m, 101, 101); }
static void successor_directory(struct msg_register *m) { draft_announce(m, 101, 1); }
static void authority_vanishes(struct msg_register *m) { draft_without(m, 103); }
static void authority_vanishes_replaced_by_joining(struct msg_register *m)
{
    draft_with(m, 104, ROLE_AUTHORITY, "303")->replaces = rf_id(103);
    draft_without(m, 103);
}
static void epoch_no_holders(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    ep.holders.len = 0;
    draft_with_epoch(m, &ep);
}
static void epoch_no_commitments(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    ep.commitments.len = 0;
    draft_with_epoch(m, &ep);
}
static void epoch_t_over_n(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 4, &draft.a);
    draft_with_epoch(m, &ep);
}
static void epoch_never(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    ep.not_after = ep.not_before;
    draft_with_epoch(m, &ep);
}
static void epoch_holder_twice(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    memcpy(writable(ep.holders) + 16, ep.holders.p, 16);
    draft_with_epoch(m, &ep);
}
static void epoch_number_used(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(1, 3, 2, &draft.a);
    ep.number = 0;
    m->epochs_count = 0;
    draft_with_epoch(m, &ep);
}
static void epoch_of_authority(struct msg_register *m)
{
    const struct cpis_id id = rf_id(101);
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    memcpy(writable(ep.holders), id.b, sizeof id.b);
    draft_with_epoch(m, &ep);
}
static void epoch_of_revoked_directory(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    draft_in(m, 3)->state = NODE_REVOKED;
    draft_with_epoch(m, &ep);
}
static void epoch_of_stranger(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 4, 2, &draft.a);
    draft_with_epoch(m, &ep);
}
static void epoch_identity_commitment(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    memset(writable(ep.commitments) + 32, 0, 32);
    draft_with_epoch(m, &ep);
}
static void epoch_other_holders(struct msg_register *m)
{
    uint8_t *p = arena_copy(&draft.a, m->epochs[0].holders.p, m->epochs[0].holders.len);
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
    struct msg_register_epoch two = rf_epoch(2, 3, 2, &draft.a), swapped;
    draft_with_epoch(m, &two);
    swapped = m->epochs[0];
    m->epochs[0] = m->epochs[1];
    m->epochs[1] = swapped;
}
static void epoch_before_the_last(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    ep.not_before = m->epochs[0].not_before;
    draft_with_epoch(m, &ep);
}
static void epoch_overlap_short(struct msg_register *m)
{
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    ep.not_before = m->epochs[0].not_after - EPOCH_OVERLAP + 1;
    draft_with_epoch(m, &ep);
}
static void epoch_dropped(struct msg_register *m) { m->epochs_count = 0; }

static void notice_of_directory(struct msg_register *m) { draft_with_notice(m, 1, m->issued); }
static void notice_of_future(struct msg_register *m) { draft_with_notice(m, 101, m->issued + 1); }
static void notice_twice(struct msg_register *m)
{
    draft_with_notice(m, 101, m->issued);
    m->notices[1] = m->notices[0];
    m->notices_count = 2;
}

static void expected_no_code(struct msg_register *m) { draft_expect_codes(m, "", NULL); }
static void expected_twice(struct msg_register *m) { draft_expect_codes(m, "888", "888"); }
static void expected_member(struct msg_register *m) { draft_expect_codes(m, "301", NULL); }
static void descriptor_changed(struct msg_register *m)
{
    strcpy(draft_in(m, 101)->descriptor.emergency,
           "02079460001"); /* by the stewards, not by the node */
}
static void descriptor_of_another_net(struct msg_register *m)
{
    const struct net_id other = {{1}};
    struct msg_register_node *n = draft_with(m, 104, ROLE_AUTHORITY, "304");
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
    const struct cpis_hash before = *registry_hash(draft.r);
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        struct msg_register m = draft_next();
        const char *why = NULL;
        cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 3, &draft.a), &why),
                     CPIS_OK);
        spoilt[i].spoil(&m);
        cpis_err err = draft_offer(rf_document(&m, &draft.net, 3, &draft.a), &why);
        cr_assert_eq(err, CPIS_E_MALFORMED, "%s: %d", spoilt[i].sentence, err);
        cr_assert_str_eq(why, spoilt[i].sentence);
        cr_assert_eq(draft.node.step.events[EVENT_REGISTER_REFUSED] +
                         draft.node.step.events[EVENT_REGISTER_FORK],
                     1, "%s", spoilt[i].sentence);
        cr_assert(hash_equal(&before, registry_hash(draft.r)));
        cr_assert_eq(registry_version(draft.r), 3);
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
        struct msg_register m = draft_next();
        cr_assert_null(registry_may_follow(draft.r, &m));
        rows[i].spoil(&m);
        const char *why = registry_may_follow(draft.r, &m);
        cr_assert_not_null(why);
        cr_assert_str_eq(why, rows[i].sentence);
    }
}

Test(registry, version_1_holds_nothing_that_its_hash_must_come_before)
{
    struct registry *fresh = NULL;
    struct msg_register_epoch ep = rf_epoch(1, 3, 2, &draft.a);
    struct msg_register_node n = {.state = NODE_JOINING};
    struct msg_register m[5];
    static const char *const sentences[] = {
        NULL, "the first register must have version 1",
        "version 1 follows nothing: previous must be zeros",
        "version 1 may hold no nodes: their signatures need its hash",
        "version 1 may hold no epochs"};
    for (size_t i = 0; i < 5; i++)
        m[i] = steward_first(rf_root_keys(3, &draft.a), 2, RF_T0, RF_T0 + CPIS_MS_DAY);
    m[1].version = 0;
    m[2].previous.b[0] = 1;
    n.descriptor = rf_descriptor(1, ROLE_DIRECTORY, "D", &draft.net).descriptor;
    m[3].nodes = &n, m[3].nodes_count = 1;
    m[4].epochs = &ep, m[4].epochs_count = 1;
    for (size_t i = 5; i-- > 0;) {
        const char *why = NULL;
        cr_assert_eq(registry_new(&fresh), CPIS_OK);
        cpis_err err = registry_would_accept(fresh, rf_document(&m[i], NULL, 3, &draft.a), &why);
        cr_assert_eq(err, i == 0 ? CPIS_OK : CPIS_E_MALFORMED, "%zu: %d", i, err);
        if (i > 0) cr_assert_str_eq(why, sentences[i]);
        cr_assert_eq(registry_load(fresh, rf_document(&m[0], NULL, 1, &draft.a)), CPIS_E_AUTH);
        registry_free(&fresh);
    }
}
