/* Each piece of evidence by itself, with real signatures and real shares; then whole records, and
 * whatever is altered in them. */
#include "node/core/steward.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

static struct vf v;
static struct nhs_number number;
static struct asked asked;
static struct row_search sent;              /* the evidence of it before anybody has replied */
static struct vf_list list[VF_AUTHORITIES]; /* all but 102's are without the child */
static struct signed_message heads[VF_AUTHORITIES];
static struct cpis_hash state;
static struct checked_statement checked;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    number = vf_number("9990000018");
    asked = vf_asked(&v, &number, &sent);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        list[i] = vf_list(&v, VF_AUTHORITY + i, i == 1 ? &asked.keys.token : NULL);
        heads[i] = vf_head(&v, &list[i]);
    }
    state = vf_state(VF_EPOCH, heads, VF_AUTHORITIES);
    v.wall += 100;
}
static void teardown(void) { vf_deinit(&v); }
TestSuite(evidence, .init = setup, .fini = teardown);

static cpis_err check(const struct signed_message *m)
{
    return evidence_check_statement(v.registry, &asked, m, &v.a, &checked);
}
static struct msg_absent absent(void) { return vf_absent(&v, &asked, 2, &state); }
static cpis_err check_absent(const struct msg_absent *m)
{
    const struct signed_message s = vf_sign_absent(&v, 2, m);
    return check(&s);
}
static struct msg_present present(void) { return vf_present(&v, &asked, 2, &state, &list[1], 1); }
static cpis_err check_present(const struct msg_present *m)
{
    const struct signed_message s = vf_sign_present(&v, 2, m);
    return check(&s);
}

/* --- a statement --- */

Test(evidence, an_absence_of_a_share_holder_for_this_lookup_holds)
{
    const struct msg_absent m = absent();
    cr_assert_eq(check_absent(&m), CPIS_OK);
    cr_expect_eq(checked.index, 2);
    cr_expect(checked.absent);
    cr_expect(hash_equal(&checked.state, &state));
    cr_expect_eq(checked.presences_count, 0);
    cr_expect_not(checked.proof_wrong);
}

Test(evidence, a_statement_for_another_lookup_is_a_replay)
{
    struct msg_absent m = absent();
    m.rh.b[31] ^= 1;
    cr_expect_eq(check_absent(&m), CPIS_E_REPLAY);
    struct msg_present p = present();
    p.rh.b[0] ^= 1;
    cr_expect_eq(check_present(&p), CPIS_E_REPLAY);
}

Test(evidence, a_statement_for_another_epoch_is_a_replay)
{
    struct msg_absent m = absent();
    m.epoch++;
    cr_expect_eq(check_absent(&m), CPIS_E_REPLAY);
    struct msg_present p = present();
    p.epoch++;
    cr_expect_eq(check_present(&p), CPIS_E_REPLAY);
}

Test(evidence, a_wrong_index_is_refused_so_that_no_directory_counts_twice)
{
    for (uint32_t i = 1; i <= VF_DIRECTORIES + 1; i++) {
        struct msg_absent m = absent();
        m.index = i;
        cr_expect_eq(check_absent(&m), i == 2 ? CPIS_OK : CPIS_E_AUTH, "index %u", i);
    }
}

Test(evidence, a_statement_in_another_directorys_name_is_refused)
{
    struct msg_absent m = absent();
    const struct signed_message s = vf_sign_absent(&v, 3, &m); /* 3 signs what 2 would say */
    cr_expect_eq(check(&s), CPIS_E_AUTH);
    m.index = 3; /* and with its own index, under 2's name */
    const struct signed_message u = vf_sign_absent(&v, 3, &m);
    cr_expect_eq(check(&u), CPIS_E_AUTH);
}

Test(evidence, another_directorys_signature_under_this_signers_id_is_refused)
{
    const struct msg_absent m = absent();
    struct signed_message s = vf_sign_absent(&v, 3, &m);
    s.signer = rf_id(2);
    cr_expect_eq(check(&s), CPIS_E_AUTH);
}

Test(evidence, every_altered_bit_of_body_or_signature_is_refused)
{
    const struct msg_absent m = absent();
    struct signed_message s = vf_sign_absent(&v, 2, &m);
    uint8_t *body = arena_copy(&v.a, s.body.p, s.body.len);
    s.body.p = body;
    for (size_t i = 0; i < s.body.len; i++) {
        body[i] ^= 1;
        cr_expect_eq(check(&s), CPIS_E_AUTH);
        body[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof s.signature.b; i++) {
        s.signature.b[i] ^= 1;
        cr_expect_eq(check(&s), CPIS_E_AUTH);
        s.signature.b[i] ^= 1;
    }
    cr_expect_eq(check(&s), CPIS_OK);
}

Test(evidence, a_statement_of_another_type_is_refused)
{
    const struct msg_absent m = absent();
    struct signed_message s = vf_sign_absent(&v, 2, &m);
    s.type = SIGNED_PRESENT; /* the type is inside the signature */
    cr_expect_eq(check(&s), CPIS_E_AUTH);
    s = vf_sign(&v, 2, SIGNED_HEAD, s.body);
    cr_expect_eq(check(&s), CPIS_E_MALFORMED);
    s = vf_sign(&v, 2, SIGNED_PRESENT, s.body); /* an absence signed as a presence */
    cr_expect_eq(check(&s), CPIS_E_MALFORMED);
}

Test(evidence, a_signer_that_is_no_directory_or_unknown_is_refused)
{
    static const unsigned others[] = {VF_AUTHORITY, VF_QUERY, 77};
    for (size_t i = 0; i < 3; i++) {
        struct msg_absent m = absent();
        m.directory_id = rf_id(others[i]);
        const struct signed_message s = vf_sign_absent(&v, others[i], &m);
        cr_expect_eq(check(&s), CPIS_E_AUTH, "signer %u", others[i]);
    }
}

static void extra_directory(struct msg_register *m, struct arena *a)
{
    const struct steward_limits limits = {1000, 1000, 0};
    const struct msg_signed_descriptor d =
        rf_descriptor(9, ROLE_DIRECTORY, "DIR9", registry_net(v.registry));
    const char *why;
    cr_assert_eq(steward_add_node(m, a, registry_net(v.registry), &d, &limits, NULL, &why),
                 CPIS_OK);
}

Test(evidence, a_directory_without_a_share_of_the_epoch_is_refused)
{
    vf_register(&v, extra_directory);
    struct msg_absent m = vf_absent(&v, &asked, 9, &state);
    for (uint32_t i = 1; i <= VF_DIRECTORIES + 1; i++) {
        m.index = i;
        const struct signed_message s = vf_sign_absent(&v, 9, &m);
        cr_expect_eq(check(&s), CPIS_E_AUTH);
    }
}

Test(evidence, a_statement_from_long_before_the_lookup_or_long_after_it_is_refused)
{
    const struct {
        uint64_t time;
        cpis_err err;
    } cases[] = {
        {asked.lookup.time - LATE_MS, CPIS_OK},
        {asked.lookup.time - LATE_MS - 1, CPIS_E_REPLAY},
        {asked.lookup.time + LATE_MS, CPIS_OK},
        {asked.lookup.time + LATE_MS + 1, CPIS_E_REPLAY},
        {UINT64_MAX, CPIS_E_REPLAY},
        {0, CPIS_E_REPLAY},
        {UINT64_MAX - LATE_MS + 1, CPIS_E_REPLAY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct msg_absent m = absent();
        m.time = cases[i].time;
        cr_expect_eq(check_absent(&m), cases[i].err, "case %zu", i);
        struct msg_present p = present();
        p.time = cases[i].time;
        cr_expect_eq(check_present(&p), cases[i].err, "case %zu", i);
    }
}

Test(evidence, our_register_version_with_another_hash_is_refused)
{
    struct msg_absent m = absent();
    m.register_hash.b[5] ^= 1;
    cr_expect_eq(check_absent(&m), CPIS_E_STATE);
}

Test(evidence, a_newer_register_named_is_fetched_first)
{
    struct msg_absent m = absent();
    m.register_version++;
    cr_expect_eq(check_absent(&m), CPIS_E_VERSION);
    struct msg_present p = present();
    p.register_version++;
    cr_expect_eq(check_present(&p), CPIS_E_VERSION);
}

Test(evidence, an_older_register_of_our_chain_may_be_named_but_no_other_of_that_version)
{
    struct msg_absent m = absent();
    vf_register(&v, NULL);
    cr_expect_eq(check_absent(&m), CPIS_OK);
    m.register_hash.b[0] ^= 1;
    cr_expect_eq(check_absent(&m), CPIS_E_STATE);
    m.register_version = 0;
    cr_expect_eq(check_absent(&m), CPIS_E_STATE);
}

Test(evidence, a_directory_past_its_dates_states_nothing)
{
    const cpis_ms asked_at[] = {asked.lookup.time, RF_T0 + 3000 * CPIS_MS_DAY,
                                RF_T0 - 2 * CPIS_MS_DAY};
    for (size_t i = 0; i < 3; i++) {
        struct msg_absent m = absent();
        m.time = asked.lookup.time = asked_at[i];
        cr_expect_eq(check_absent(&m), i == 0 ? CPIS_OK : CPIS_E_AUTH);
    }
}

/* --- a presence --- */

Test(evidence, a_presence_holds_when_our_token_stands_under_the_authoritys_head)
{
    const struct msg_present m = present();
    const struct cpis_id id = rf_id(102);
    cr_assert_eq(check_present(&m), CPIS_OK);
    cr_expect_not(checked.absent);
    cr_assert_eq(checked.presences_count, 1);
    cr_expect(id_equal(&checked.presences[0].authority, &id));
    cr_expect_eq(checked.presences[0].head_version, list[1].version);
}

static void expect_proof_wrong(const struct msg_present *m, const char *what)
{
    cr_expect_eq(check_present(m), CPIS_OK, "%s", what);
    cr_expect_eq(checked.presences_count, 0, "%s", what);
    cr_expect(checked.proof_wrong, "%s", what);
    cr_expect_not(checked.absent, "%s: a wrong proof is no absence", what);
}

Test(evidence, a_presence_whose_proof_is_altered_anywhere_is_neither_presence_nor_absence)
{
    struct msg_present m = present();
    struct msg_inclusion *in = &m.inclusions[0];
    const struct msg_inclusion good = *in;
    in->index ^= 1;
    expect_proof_wrong(&m, "index");
    *in = good;
    in->salt.b[3] ^= 1;
    expect_proof_wrong(&m, "salt");
    *in = good;
    in->path.len -= CPIS_HASH_BYTES;
    expect_proof_wrong(&m, "path cut");
    in->path.len = 0;
    expect_proof_wrong(&m, "no path");
    *in = good;
    in->authority_id = rf_id(101);
    expect_proof_wrong(&m, "another authority's");
    *in = good;
    in->head = vf_head(&v, &list[0]);
    expect_proof_wrong(&m, "another head");
    *in = good;
    in->head.signature.b[0] ^= 1;
    expect_proof_wrong(&m, "head's signature");
    *in = good;
    in->head.type = SIGNED_ACK;
    expect_proof_wrong(&m, "head's type");
    *in = good;
    in->authority_id = rf_id(2);
    in->head = vf_sign(&v, 2, SIGNED_HEAD, good.head.body);
    expect_proof_wrong(&m, "a head signed by a directory");
}

Test(evidence, a_head_of_another_epoch_or_in_anothers_name_proves_nothing)
{
    struct vf_list other = list[1];
    struct msg_present m = present();
    other.epoch = 2;
    m.inclusions[0].head = vf_head(&v, &other);
    expect_proof_wrong(&m, "another epoch");
    m = present();
    m.inclusions[0].head = vf_sign(&v, 101, SIGNED_HEAD, m.inclusions[0].head.body);
    m.inclusions[0].authority_id = rf_id(101);
    expect_proof_wrong(&m, "102's head signed by 101");
}

Test(evidence, another_childs_token_proves_nothing)
{
    const struct msg_present m = present();
    asked.keys.token.b[0] ^= 1;
    expect_proof_wrong(&m, "token");
}

Test(evidence, a_list_of_one_entry_is_proven_with_an_empty_path)
{
    struct vf_list one = {.author = 102, .epoch = VF_EPOCH, .version = 5, .time = v.wall, .n = 1};
    one.entry[0] = (struct list_entry){asked.keys.token, {{1}}};
    const struct msg_present m = vf_present(&v, &asked, 2, &state, &one, 1);
    cr_assert_eq(check_present(&m), CPIS_OK);
    cr_expect_eq(checked.presences_count, 1);
}

Test(evidence, one_good_proof_beside_a_wrong_one_still_stands)
{
    const struct vf_list two[2] = {list[1], vf_list(&v, 103, &asked.keys.token)};
    struct msg_present m = vf_present(&v, &asked, 2, &state, two, 2);
    m.inclusions[0].salt.b[0] ^= 1;
    cr_assert_eq(check_present(&m), CPIS_OK);
    cr_expect_eq(checked.presences_count, 1);
    cr_expect(checked.proof_wrong);
}

/* --- an answer --- */

static struct judged_answer judged;
static struct msg_flag_payload payload;
static cpis_err check_answer(const struct signed_message *m)
{
    return evidence_check_answer(v.registry, &asked, m, &v.a, &judged, &payload);
}

Test(evidence, an_answer_opens_with_the_keys_of_its_lookup)
{
    static const enum answer_status all[] = {ANSWER_FLAGS, ANSWER_NONE_NOW, ANSWER_CONTACT_ONLY,
                                             ANSWER_REFUSED};
    for (size_t i = 0; i < 4; i++) {
        const struct msg_answer m = vf_answer(&v, &asked, 102, all[i], 7 + i);
        const struct signed_message s = vf_sign_answer(&v, 102, &m);
        const struct cpis_id id = rf_id(102);
        cr_assert_eq(check_answer(&s), CPIS_OK);
        cr_expect_eq(judged.status, all[i]);
        cr_expect_eq(judged.head_version, 7 + i);
        cr_expect(id_equal(&judged.authority, &id));
        if (all[i] == ANSWER_FLAGS) cr_expect_eq(payload.plans_count, 1);
    }
}

Test(evidence, of_two_answers_of_one_version_the_one_that_tells_more_stands)
{
    static const enum answer_status rising[] = {ANSWER_NONE_NOW, ANSWER_REFUSED, ANSWER_FLAGS};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            const struct judged_answer a = {.status = rising[i], .head_version = 7},
                                       b = {.status = rising[k], .head_version = 7};
            cr_expect_eq(evidence_answer_is_newer(&a, &b), i > k, "%zu, %zu", i, k);
        }
}

Test(evidence, of_one_authoritys_answers_the_newest_is_gathered_and_of_others_one_each)
{
    const struct cpis_id one = rf_id(101), two = rf_id(102), three = rf_id(103);
    const struct judged_answer said[] = {
        {.authority = one, .status = ANSWER_NONE_NOW, .head_version = 7},
        {.authority = two, .status = ANSWER_FLAGS, .head_version = 3},
        {.authority = one, .status = ANSWER_FLAGS, .head_version = 8},    /* newer */
        {.authority = one, .status = ANSWER_NONE_NOW, .head_version = 6}, /* older */
        {.authority = two, .status = ANSWER_NONE_NOW, .head_version = 3}, /* tells less */
        {.authority = three, .status = ANSWER_FLAGS, .head_version = 1}}; /* no room */
    struct judged_answer kept[2];
    size_t count = 0;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        evidence_add_answer(kept, &count, 2, &said[i]);
    cr_assert_eq(count, 2);
    cr_expect(id_equal(&kept[0].authority, &one));
    cr_expect_eq(kept[0].head_version, 8);
    cr_expect_eq(kept[0].status, ANSWER_FLAGS);
    cr_expect(id_equal(&kept[1].authority, &two));
    cr_expect_eq(kept[1].status, ANSWER_FLAGS);
}

Test(evidence, an_answer_to_another_lookup_is_a_replay)
{
    struct msg_answer m = vf_answer(&v, &asked, 102, ANSWER_NONE_NOW, 7);
    m.rh.b[0] ^= 1;
    const struct signed_message s = vf_sign_answer(&v, 102, &m);
    cr_expect_eq(check_answer(&s), CPIS_E_REPLAY);
}

Test(evidence, an_answer_altered_anywhere_does_not_open)
{
    const struct msg_answer good = vf_answer(&v, &asked, 102, ANSWER_NONE_NOW, 7);
    struct msg_answer m[7] = {good, good, good, good, good, good, good};
    m[0].time++;
    m[1].head_version++; /* or a thief could lift a "none now" over the proof's version */
    m[2].ephemeral.b[0] ^= 1;
    m[3].nonce[0] ^= 1;
    m[4].ciphertext[0] ^= 1;
    m[5].ciphertext[sizeof good.ciphertext - 1] ^= 1;
    memset(m[6].ephemeral.b, 0, sizeof m[6].ephemeral.b); /* an all-zero X25519 */
    for (size_t i = 0; i < 7; i++) {
        const struct signed_message s = vf_sign_answer(&v, 102, &m[i]);
        cr_expect_eq(check_answer(&s), CPIS_E_AUTH, "case %zu", i);
    }
}

Test(evidence, an_answer_of_another_signer_role_or_type_is_refused)
{
    struct msg_answer m = vf_answer(&v, &asked, 102, ANSWER_NONE_NOW, 7);
    struct signed_message s = vf_sign_answer(&v, 101, &m); /* not who it says */
    cr_expect_eq(check_answer(&s), CPIS_E_AUTH);
    s.signer = rf_id(102); /* not who signed */
    cr_expect_eq(check_answer(&s), CPIS_E_AUTH);
    s = vf_sign(&v, 102, SIGNED_ACK, s.body);
    cr_expect_eq(check_answer(&s), CPIS_E_MALFORMED);
    m = vf_answer(&v, &asked, 2, ANSWER_NONE_NOW, 7); /* a directory that somehow has the keys */
    s = vf_sign_answer(&v, 2, &m);
    cr_expect_eq(check_answer(&s), CPIS_E_AUTH);
    m = vf_answer(&v, &asked, 77, ANSWER_NONE_NOW, 7);
    s = vf_sign_answer(&v, 77, &m);
    cr_expect_eq(check_answer(&s), CPIS_E_AUTH);
}

Test(evidence, an_opened_answer_that_says_nothing_known_counts_as_not_opened)
{
    static const uint8_t plains[][3] = {{0}, {5}, {255}, {ANSWER_FLAGS, 9, 9}, {ANSWER_FLAGS}};
    static const size_t lens[] = {1, 1, 1, 3, 0};
    for (size_t i = 0; i < 5; i++) {
        const struct bytes plain = {plains[i], lens[i]};
        const struct msg_answer m = vf_answer_of(&v, &asked, 102, plain, 7);
        const struct signed_message s = vf_sign_answer(&v, 102, &m);
        cr_expect_eq(check_answer(&s), CPIS_E_MALFORMED, "case %zu", i);
    }
}

/* --- whole records --- */

static struct row_evidence ev;
static struct row_search search; /* its one search */
static struct row_statement statements[VF_DIRECTORIES];
static struct row_answer answers[2];
static struct row_floor floors[VF_AUTHORITIES];
static struct signed_message all_heads[VF_AUTHORITIES + 1], times[VF_DIRECTORIES];
static struct cpis_hash head_hashes[VF_AUTHORITIES];
static struct verdict given;

static enum evidence_fault verify(void) { return evidence_verify(v.registry, &ev, &v.a, &given); }

static void record_absence(size_t i)
{
    const struct msg_absent m = vf_absent(&v, &asked, (unsigned)i + 1, &state);
    statements[i].statement = vf_sign_absent(&v, (unsigned)i + 1, &m);
    statements[i].heads = (struct bytes){head_hashes[0].b, sizeof head_hashes};
}

/* NO FLAG by t absences. */
static void record_no_flag(void)
{
    search = sent;
    search.statements = statements;
    search.statements_count = VF_T;
    search.answers = answers;
    ev = (struct row_evidence){.format = EVIDENCE_FORMAT,
                               .register_hash = *registry_hash(v.registry),
                               .register_version = registry_version(v.registry),
                               .judged = v.wall,
                               .verdict = VERDICT_NO_FLAG,
                               .as_of = list[0].time,
                               .searches = &search,
                               .searches_count = 1,
                               .floors = floors,
                               .floors_count = VF_AUTHORITIES,
                               .heads = all_heads,
                               .heads_count = VF_AUTHORITIES,
                               .register_times = times,
                               .register_times_count = VF_T};
    memcpy(ev.nhs_number, number.digits, sizeof ev.nhs_number);
    for (size_t i = 0; i < VF_AUTHORITIES; i++) {
        all_heads[i] = heads[i];
        head_hashes[i] = signed_hash(&heads[i]);
        floors[i] = (struct row_floor){heads[i].signer, list[0].version, 0};
    }
    for (size_t i = 0; i < VF_T; i++) {
        record_absence(i);
        times[i] = vf_register_time(&v, (unsigned)i + 1);
    }
}

/* FLAG: one of the t says present, 102 answered. */
static void record_flag(void)
{
    record_no_flag();
    const struct msg_present m = vf_present(&v, &asked, 1, &state, &list[1], 1);
    const struct msg_answer a = vf_answer(&v, &asked, 102, ANSWER_FLAGS, list[1].version);
    statements[0].statement = vf_sign_present(&v, 1, &m);
    statements[0].heads = (struct bytes){head_hashes[0].b, 0};
    answers[0].answer = vf_sign_answer(&v, 102, &a);
    search.answers_count = 1;
    ev.verdict = VERDICT_FLAG;
    ev.as_of = v.wall;
}

Test(evidence, of_a_no_flag_holds_offline)
{
    record_no_flag();
    cr_assert_eq(verify(), EVIDENCE_HOLDS, "%s", evidence_fault_text(verify()));
    cr_expect_eq(given.kind, VERDICT_NO_FLAG);
    cr_expect_eq(given.as_of, list[0].time);
}

Test(evidence, of_a_flag_holds_offline)
{
    record_flag();
    cr_assert_eq(verify(), EVIDENCE_HOLDS, "%s", evidence_fault_text(verify()));
    cr_expect_eq(given.kind, VERDICT_FLAG);
}

/* A record survives being stored; what holds still holds. */
Test(evidence, holds_after_a_round_through_its_row)
{
    struct bytes b;
    record_flag();
    cr_assert_eq(row_evidence_encode(&ev, &v.a, &b), CPIS_OK);
    struct row_evidence again;
    cr_assert_eq(row_evidence_decode(b, &v.a, &again), CPIS_OK);
    cr_expect_eq(evidence_verify(v.registry, &again, &v.a, &given), EVIDENCE_HOLDS);
}

Test(evidence, every_other_verdict_or_date_than_the_evidence_gives_is_found)
{
    for (uint32_t k = 0; k <= VERDICT_UNKNOWN + 1; k++) {
        record_no_flag();
        ev.verdict = k;
        cr_expect_eq(verify(), k == VERDICT_NO_FLAG ? EVIDENCE_HOLDS : EVIDENCE_VERDICT);
        record_flag();
        ev.verdict = k;
        cr_expect_eq(verify(), k == VERDICT_FLAG ? EVIDENCE_HOLDS : EVIDENCE_VERDICT);
    }
    record_no_flag();
    ev.as_of++;
    cr_expect_eq(verify(), EVIDENCE_VERDICT);
}

Test(evidence, a_record_of_another_number_request_or_secret_is_found)
{
    record_no_flag();
    memcpy(ev.nhs_number, "9990554838", 11);
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    ev.nhs_number[0] = '8';
    cr_expect_eq(verify(), EVIDENCE_NUMBER);
    ev.nhs_number[0] = 0;
    cr_expect_eq(verify(), EVIDENCE_NUMBER);
    record_no_flag();
    search.rid.b[0] ^= 1;
    cr_expect_eq(verify(), EVIDENCE_LOOKUP);
    record_no_flag();
    search.blind.b[0] ^= 1;
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    record_no_flag();
    search.ephemeral_secret.b[5] ^= 1;
    cr_expect_eq(verify(), EVIDENCE_LOOKUP);
}

Test(evidence, a_record_that_names_another_register_is_found)
{
    record_no_flag();
    ev.register_hash.b[0] ^= 1;
    cr_expect_eq(verify(), EVIDENCE_REGISTER);
    record_no_flag();
    ev.register_version--;
    cr_expect_eq(verify(), EVIDENCE_REGISTER);
}

Test(evidence, a_lookup_is_about_its_number_alone)
{
    struct asked again;
    record_no_flag();
    cr_expect_eq(evidence_asked(v.registry, &ev, &search, &v.a, &again), EVIDENCE_HOLDS);
    cr_expect(hash_equal(&again.rh, &asked.rh));
    ev.nhs_number[9] ^= 1; /* the check digit: it is no number now */
    cr_expect_eq(evidence_asked(v.registry, &ev, &search, &v.a, &again), EVIDENCE_NUMBER);
    memcpy(ev.nhs_number, "9990000026", sizeof ev.nhs_number);
    cr_expect_eq(evidence_asked(v.registry, &ev, &search, &v.a, &again), EVIDENCE_EVALUATION);
}

Test(evidence, an_altered_lookup_is_found)
{
    record_no_flag();
    uint8_t *p = arena_copy(&v.a, sent.lookup.p, sent.lookup.len);
    search.lookup.p = p;
    for (size_t i = 0; i < sent.lookup.len; i++) {
        p[i] ^= 1;
        cr_expect_neq(verify(), EVIDENCE_HOLDS, "byte %zu", i);
        p[i] ^= 1;
    }
    search.lookup.len--;
    cr_expect_eq(verify(), EVIDENCE_LOOKUP);
    search.lookup.len++;
    cr_expect_eq(verify(), EVIDENCE_HOLDS);
}

Test(evidence, a_lookup_signed_by_no_query_node_is_found)
{
    struct signed_message m;
    record_no_flag();
    cr_assert_eq(signed_message_decode(sent.lookup, &v.a, &m), CPIS_OK);
    m = vf_sign(&v, 1, SIGNED_LOOKUP, m.body);
    cr_assert_eq(signed_message_encode(&m, &v.a, &search.lookup), CPIS_OK);
    cr_expect_eq(verify(), EVIDENCE_LOOKUP);
}

Test(evidence, evaluations_that_are_altered_missing_doubled_or_too_many_are_found)
{
    const struct row_evaluation *evaluations = sent.evaluations;
    struct row_evaluation more[VF_T + 1];
    record_no_flag();
    search.evaluations_count = VF_T - 1;
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    memcpy(more, evaluations, VF_T * sizeof *more);
    more[VF_T] = more[0];
    search.evaluations = more;
    search.evaluations_count = VF_T + 1;
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    search.evaluations_count = VF_T;
    cr_expect_eq(verify(), EVIDENCE_HOLDS);
    for (size_t i = 0; i < VF_T; i++) {
        more[i].index = 5;
        cr_expect_eq(verify(), EVIDENCE_EVALUATION);
        more[i] = evaluations[(i + 1) % VF_T]; /* one directory twice */
        cr_expect_eq(verify(), EVIDENCE_EVALUATION);
        more[i] = evaluations[i];
        more[i].element.b[0] ^= 1;
        cr_expect_eq(verify(), EVIDENCE_EVALUATION);
        more[i] = evaluations[i];
        more[i].proof.b[40] ^= 1;
        cr_expect_eq(verify(), EVIDENCE_EVALUATION);
        more[i] = evaluations[i];
    }
}

/* A proof is over the whole request: of what came with ours nothing may be another. */
Test(evidence, neighbours_that_are_altered_missing_doubled_or_too_many_are_found)
{
    struct row_neighbour list_of[EVIDENCE_TOGETHER_MAX];
    uint8_t evaluated[VF_T * OPRF_ELEMENT_BYTES];
    record_no_flag();
    search.neighbours = list_of;
    for (size_t i = 0; i < sent.neighbours_count; i++) {
        struct row_neighbour *n = &list_of[i];
        memcpy(list_of, sent.neighbours, sent.neighbours_count * sizeof *n);
        cr_expect_eq(verify(), EVIDENCE_HOLDS, "%s", evidence_fault_text(verify()));
        for (n->place = 0; n->place <= VF_TOGETHER; n->place++)
            cr_expect_eq(verify(), n->place == sent.neighbours[i].place ? EVIDENCE_HOLDS
                                                                        : EVIDENCE_EVALUATION);
        n->place = sent.neighbours[i].place;
        n->blinded.b[0] ^= 1;
        cr_expect_eq(verify(), EVIDENCE_EVALUATION);
        n->blinded.b[0] ^= 1;
        memcpy(evaluated, n->evaluated.p, sizeof evaluated);
        n->evaluated.p = evaluated;
        for (size_t k = 0; k < VF_T; k++) {
            evaluated[k * OPRF_ELEMENT_BYTES] ^= 1;
            cr_expect_eq(verify(), EVIDENCE_EVALUATION);
            evaluated[k * OPRF_ELEMENT_BYTES] ^= 1;
        }
        cr_expect_eq(verify(), EVIDENCE_HOLDS);
        n->evaluated.len -= OPRF_ELEMENT_BYTES;
        cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    }
    search.neighbours = sent.neighbours;
    search.neighbours_count--;
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    search.neighbours_count = 0;
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
    for (uint32_t i = 0; i < EVIDENCE_TOGETHER_MAX; i++) { /* no place is left for ours */
        list_of[i] = sent.neighbours[0];
        list_of[i].place = i;
    }
    search.neighbours = list_of;
    search.neighbours_count = EVIDENCE_TOGETHER_MAX;
    cr_expect_eq(verify(), EVIDENCE_EVALUATION);
}

Test(evidence, statements_that_are_altered_missing_or_doubled_are_found)
{
    record_no_flag();
    search.statements_count--;
    cr_expect_eq(verify(), EVIDENCE_VERDICT);
    record_no_flag();
    statements[2] = statements[0]; /* one directory counted twice */
    cr_expect_eq(verify(), EVIDENCE_STATEMENT);
    for (size_t i = 0; i < VF_T; i++) {
        record_no_flag();
        statements[i].statement.signature.b[9] ^= 1;
        cr_expect_eq(verify(), EVIDENCE_STATEMENT);
        record_no_flag();
        statements[i].statement.signer = rf_id(5);
        cr_expect_eq(verify(), EVIDENCE_STATEMENT);
        record_no_flag();
        statements[i].statement.type = SIGNED_PRESENT;
        cr_expect_eq(verify(), EVIDENCE_STATEMENT);
        record_no_flag();
        const struct bytes body = statements[i].statement.body;
        uint8_t *p = arena_copy(&v.a, body.p, body.len);
        p[body.len / 2] ^= 1;
        statements[i].statement.body.p = p;
        cr_expect_eq(verify(), EVIDENCE_STATEMENT);
    }
}

Test(evidence, heads_that_are_altered_missing_or_in_another_order_are_found)
{
    for (size_t i = 0; i < VF_AUTHORITIES; i++) {
        record_no_flag();
        all_heads[i].signature.b[0] ^= 1;
        cr_expect_eq(verify(), EVIDENCE_HEADS);
        record_no_flag();
        all_heads[i] = all_heads[(i + 1) % VF_AUTHORITIES];
        cr_expect_eq(verify(), EVIDENCE_HEADS);
        record_no_flag();
        head_hashes[i].b[0] ^= 1;
        cr_expect_eq(verify(), EVIDENCE_HEADS);
    }
    record_no_flag();
    statements[1].heads.len -= CPIS_HASH_BYTES;
    cr_expect_eq(verify(), EVIDENCE_HEADS);
    record_no_flag();
    statements[1].heads.len = 0;
    cr_expect_eq(verify(), EVIDENCE_HEADS);
    record_flag();
    statements[0].heads.len = sizeof head_hashes; /* a presence needs none, but they are checked */
    cr_expect_eq(verify(), EVIDENCE_HOLDS);
    statements[0].heads.len -= CPIS_HASH_BYTES;
    cr_expect_eq(verify(), EVIDENCE_HEADS);
}

/* A state with one authority twice, or out of order, is none, though the directory signed it. */
Test(evidence, a_state_whose_heads_do_not_rise_is_found)
{
    record_no_flag();
    const struct cpis_hash first = head_hashes[0];
    head_hashes[0] = head_hashes[1];
    head_hashes[1] = first;
    state = state_of(VF_EPOCH, head_hashes, VF_AUTHORITIES);
    for (size_t i = 0; i < VF_T; i++)
        record_absence(i);
    cr_expect_eq(verify(), EVIDENCE_HEADS);
}

Test(evidence, a_head_that_does_not_verify_fails_its_authority_not_the_record)
{
    heads[0].signature.b[0] ^= 1;
    state = vf_state(VF_EPOCH, heads, VF_AUTHORITIES);
    record_no_flag();
    cr_expect_eq(verify(), EVIDENCE_VERDICT, "it is not NO FLAG");
    cr_expect_eq(given.kind, VERDICT_INCOMPLETE);
    ev.verdict = VERDICT_INCOMPLETE;
    cr_expect_eq(verify(), EVIDENCE_HOLDS);
}

Test(evidence, answers_that_are_altered_missing_or_doubled_are_found)
{
    record_flag();
    search.answers_count = 0;
    cr_expect_eq(verify(), EVIDENCE_VERDICT);
    record_flag();
    answers[1] = answers[0]; /* which of the two was judged by? */
    search.answers_count = 2;
    cr_expect_eq(verify(), EVIDENCE_ANSWER);
    record_flag();
    answers[0].answer.signature.b[0] ^= 1;
    cr_expect_eq(verify(), EVIDENCE_ANSWER);
    record_flag();
    answers[0].answer.signer = rf_id(101);
    cr_expect_eq(verify(), EVIDENCE_ANSWER);
    record_flag();
    answers[0].answer.type = SIGNED_ACK;
    cr_expect_eq(verify(), EVIDENCE_ANSWER);
}

Test(evidence, floors_that_do_not_rise_by_authority_are_found)
{
    record_no_flag();
    const struct row_floor first = floors[0];
    floors[0] = floors[1];
    floors[1] = first;
    cr_expect_eq(verify(), EVIDENCE_VERDICT);
    record_no_flag();
    floors[1] = floors[0];
    cr_expect_eq(verify(), EVIDENCE_VERDICT);
}

Test(evidence, floors_raised_above_the_heads_are_found)
{
    for (size_t i = 0; i < VF_AUTHORITIES; i++) {
        record_no_flag();
        floors[i].version++;
        cr_expect_eq(verify(), EVIDENCE_VERDICT);
        cr_expect_eq(given.kind, VERDICT_INCOMPLETE);
    }
}

Test(evidence, register_times_dropped_altered_doubled_or_old_are_found)
{
    record_no_flag();
    ev.register_times_count--;
    cr_expect_eq(verify(), EVIDENCE_TIMES);
    record_no_flag();
    times[0] = times[1];
    cr_expect_eq(verify(), EVIDENCE_TIMES);
    record_no_flag();
    times[0].signature.b[0] ^= 1;
    cr_expect_eq(verify(), EVIDENCE_TIMES);
    record_no_flag();
    times[0].signer = rf_id(4);
    cr_expect_eq(verify(), EVIDENCE_TIMES);
    record_no_flag();
    v.wall -= REGISTER_UNKNOWN_AFTER + 1;
    times[2] = vf_register_time(&v, 3);
    cr_expect_eq(verify(), EVIDENCE_TIMES);
    v.wall += REGISTER_UNKNOWN_AFTER + 2 + LATE_MS;
    times[2] = vf_register_time(&v, 3);
    cr_expect_eq(verify(), EVIDENCE_TIMES, "of the future");
}

Test(evidence, a_time_of_judging_shifted_past_what_the_register_times_cover_is_found)
{
    record_no_flag();
    ev.judged += REGISTER_UNKNOWN_AFTER + 1;
    cr_expect_eq(verify(), EVIDENCE_TIMES);
    record_no_flag();
    ev.judged -= LATE_MS + 1;
    cr_expect_neq(verify(), EVIDENCE_HOLDS);
}

Test(evidence, register_times_that_name_the_register_before_support_a_verdict_under_the_next)
{
    record_no_flag();
    struct signed_message before[VF_T];
    memcpy(before, times, sizeof before);
    vf_register(&v, NULL);
    record_no_flag();
    memcpy(times, before, sizeof before);
    cr_expect_eq(verify(), EVIDENCE_HOLDS, "%s", evidence_fault_text(verify()));
}

/* Judged minutes before the statements by a clock that was set back: they hold by the lookup. */
Test(evidence, of_a_clock_that_was_set_back_before_the_verdict_holds)
{
    record_no_flag();
    v.wall -= LATE_MS + CPIS_MS_SECOND;
    for (size_t i = 0; i < VF_T; i++)
        times[i] = vf_register_time(&v, (unsigned)i + 1);
    ev.judged = v.wall;
    cr_expect_eq(verify(), EVIDENCE_HOLDS, "%s", evidence_fault_text(verify()));
}

Test(evidence, an_epoch_that_is_not_in_the_register_is_found)
{
    struct signed_message m;
    struct msg_lookup body;
    struct bytes b;
    record_no_flag();
    cr_assert_eq(signed_message_decode(sent.lookup, &v.a, &m), CPIS_OK);
    cr_assert_eq(lookup_decode(m.body, &v.a, &body), CPIS_OK);
    body.epoch = 9;
    cr_assert_eq(lookup_encode(&body, &v.a, &b), CPIS_OK);
    m = vf_sign(&v, VF_QUERY, SIGNED_LOOKUP, b);
    cr_assert_eq(signed_message_encode(&m, &v.a, &search.lookup), CPIS_OK);
    cr_expect_eq(verify(), EVIDENCE_EPOCH);
}

Test(evidence, two_lookups_in_one_epoch_are_no_two_searches)
{
    record_no_flag();
    struct row_search both[3] = {search, search, search};
    both[0].statements_count = VF_T - 1; /* together they would be t */
    ev.searches = both;
    ev.searches_count = 2;
    cr_expect_eq(verify(), EVIDENCE_EPOCH);
    ev.searches_count = 3;
    cr_expect_eq(verify(), EVIDENCE_LOOKUP);
    ev.searches_count = 0;
    cr_expect_eq(verify(), EVIDENCE_LOOKUP);
}

/* A seeded loop: one byte anywhere in the stored record changed. What still decodes either says the
 * same or is found; what no signature covers (the time of judging, floors lowered) can't be. */
Test(evidence, any_byte_changed_in_the_stored_record_never_gives_another_verdict)
{
    struct bytes b;
    unsigned found = 0, undecodable = 0;
    record_no_flag();
    cr_assert_eq(row_evidence_encode(&ev, &v.a, &b), CPIS_OK);
    uint8_t *p = arena_copy(&v.a, b.p, b.len);
    for (size_t i = 0; i < b.len; i += 3) {
        struct row_evidence m;
        struct arena a = arena_make(1U << 22);
        p[i] ^= (uint8_t)(1U << (i % 8));
        if (row_evidence_decode((struct bytes){p, b.len}, &a, &m) != CPIS_OK) {
            undecodable++;
        } else {
            enum evidence_fault fault = evidence_verify(v.registry, &m, &a, &given);
            found += fault != EVIDENCE_HOLDS;
            if (fault == EVIDENCE_HOLDS) {
                cr_expect_eq(m.verdict, VERDICT_NO_FLAG);
                cr_expect_eq(m.as_of, ev.as_of);
                cr_expect_str_eq(m.nhs_number, ev.nhs_number);
            }
        }
        p[i] = b.p[i];
        arena_free(&a);
    }
    cr_expect_gt(found, b.len / 6, "%u of %zu found", found, b.len / 3);
    cr_expect_gt(undecodable, 10);
}

Test(evidence, every_fault_has_a_text_of_its_own)
{
    for (int a = EVIDENCE_HOLDS; a <= EVIDENCE_NO_MEMORY; a++)
        for (int b = EVIDENCE_HOLDS; b < a; b++)
            cr_expect_str_neq(evidence_fault_text((enum evidence_fault)a),
                              evidence_fault_text((enum evidence_fault)b));
}

Test(evidence, want_of_memory_is_never_a_verdict)
{
    record_no_flag();
    unsigned failed = 0;
    for (size_t cap = 0; cap < 65536; cap += 512) {
        struct arena a = arena_make(cap);
        enum evidence_fault f = evidence_verify(v.registry, &ev, &a, &given);
        failed += f != EVIDENCE_HOLDS;
        cr_expect_neq(f, EVIDENCE_VERDICT);
        arena_free(&a);
    }
    cr_expect_gt(failed, 4);
}

static cpis_err verified(void)
{
    struct arena a = arena_make((size_t)16 << 20);
    const enum evidence_fault f = evidence_verify(v.registry, &ev, &a, &given);
    arena_free(&a);
    cr_assert(f == EVIDENCE_HOLDS || f == EVIDENCE_NO_MEMORY, "%s", evidence_fault_text(f));
    return f == EVIDENCE_HOLDS ? CPIS_OK : CPIS_E_NOMEM;
}

Test(evidence, of_a_record_that_holds_nothing_else_is_said_when_memory_is_short)
{
    record_flag();
    const size_t live = live_allocations();
    REFUSE_EACH(verified());
    cr_expect_eq(live_allocations(), live);
}
