/* Logs that convict: one log, logs against each other, evidence. An authority (101), a directory
 * (1) and a query node (201) sign for real; then one entry, or one message, is not as it was. */
#include "node/core/audit.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define LINES_MAX 16U
#define DIRECTORY 1U

struct made { /* a log in the test's hands */
    unsigned number;
    struct bytes entry[LINES_MAX];
    struct chain_head head[LINES_MAX + 1]; /* head[i]: after i entries */
    size_t count;
};
static struct vf v;
static struct audit *audit;
static struct nhs_number number;
static struct asked asked;
static struct row_search sent; /* the evidence of it before anybody has replied */
static struct made authority, directory, query;
static cpis_ms end; /* when the logs were given out */

static bool refusing; /* each piece of memory of each call, once */
#define TAKE(call)                                                                                 \
    do {                                                                                           \
        if (refusing)                                                                              \
            REFUSE_EACH(call);                                                                     \
        else                                                                                       \
            cr_assert_eq(call, CPIS_OK);                                                           \
    } while (0)

static void line(struct made *m, cpis_ms time, enum log_event event, uint64_t value)
{
    const struct row_log_entry e = {time, event, asked.rh, value};
    cr_assert_lt(m->count, LINES_MAX);
    cr_assert_eq(row_log_entry_encode(&e, &v.a, &m->entry[m->count]), CPIS_OK);
    m->head[m->count + 1] =
        chain_next(&m->head[m->count], m->entry[m->count].p, m->entry[m->count].len);
    m->count++;
}

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    number = vf_number("9990000018");
    asked = vf_asked(&v, &number, &sent);
    authority = (struct made){.number = VF_AUTHORITY};
    directory = (struct made){.number = DIRECTORY};
    query = (struct made){.number = VF_QUERY};
    line(&authority, v.wall, LOG_STARTED, 1);
    line(&authority, v.wall + 10, LOG_ACCESS, 0);
    line(&authority, v.wall + 20, LOG_NOTIFIED, 1);
    line(&authority, v.wall + 20, LOG_DETAILS, 0);
    line(&authority, v.wall + 21, LOG_ANSWERED, 1);
    line(&directory, v.wall, LOG_STARTED, 1);
    line(&directory, v.wall + 5, LOG_STORED, 1);
    line(&query, v.wall, LOG_STARTED, 1);
    line(&query, v.wall + 1, LOG_LOOKUP_SENT, 0);
    end = v.wall + LATE_MS + 1000;
    cr_assert_eq(audit_new(v.registry, &audit), CPIS_OK);
}
static void teardown(void)
{
    audit_free(&audit);
    vf_deinit(&v);
}
TestSuite(audit, .init = setup, .fini = teardown);

static void begin_anew(void)
{
    audit_free(&audit);
    TAKE(audit_new(v.registry, &audit));
}

static void hold(size_t file, const struct signed_message *m)
{
    struct bytes b;
    cr_assert_eq(signed_message_encode(m, &v.a, &b), CPIS_OK);
    TAKE(audit_held(audit, file, b));
}

static struct signed_message word_for(const struct made *m, size_t count)
{
    const struct msg_log_head h = {rf_id(m->number), end, count, m->head[count].head};
    struct bytes b;
    cr_assert_eq(log_head_encode(&h, &v.a, &b), CPIS_OK);
    return vf_sign(&v, m->number, SIGNED_LOG_HEAD, b);
}

/* Its first `count` entries, then this word for it. */
static void give_with(const struct made *m, size_t file, size_t count,
                      const struct signed_message *word)
{
    const struct cpis_id id = rf_id(m->number);
    TAKE(audit_log(audit, file, &id));
    for (size_t i = 0; i < count; i++)
        TAKE(audit_entry(audit, i + 1, m->entry[i]));
    hold(file, word);
}
static void give_part(const struct made *m, size_t file, size_t count)
{
    const struct signed_message word = word_for(m, count);
    give_with(m, file, count, &word);
}
static void give(const struct made *m, size_t file) { give_part(m, file, m->count); }

/* The log without one entry, numbered and hashed anew: what its owner can do at any time. */
static struct made without(const struct made *m, size_t left_out)
{
    struct made r = {.number = m->number};
    for (size_t i = 0; i < m->count; i++) {
        if (i == left_out) continue;
        r.entry[r.count] = m->entry[i];
        r.head[r.count + 1] = chain_next(&r.head[r.count], m->entry[i].p, m->entry[i].len);
        r.count++;
    }
    return r;
}

static struct signed_message ack_of(const struct made *m, enum ack_outcome outcome, size_t entry)
{
    const struct msg_ack ack = {rf_id(m->number), asked.rh, v.wall + 500,
                                outcome,          entry,    m->head[entry].head};
    struct bytes b;
    cr_assert_eq(ack_encode(&ack, &v.a, &b), CPIS_OK);
    return vf_sign(&v, m->number, SIGNED_ACK, b);
}
static void hold_ack(enum ack_outcome outcome, size_t entry)
{
    const struct signed_message m = ack_of(&authority, outcome, entry);
    hold(7, &m);
}

/* How often this fault is found; all else that is found goes into *ret_others. */
static size_t found(enum audit_fault fault, size_t *ret_others, struct audit_finding *ret)
{
    size_t n = 0;
    TAKE(audit_judge(audit));
    *ret_others = 0;
    for (size_t i = 0; i < audit_count(audit); i++) {
        if (audit_finding(audit, i)->fault != fault) {
            ++*ret_others;
            continue;
        }
        if (n++ == 0 && ret != NULL) *ret = *audit_finding(audit, i);
    }
    return n;
}
static void expect_only(enum audit_fault fault, struct audit_finding *ret)
{
    size_t others;
    cr_expect_eq(found(fault, &others, ret), fault == AUDIT_NONE ? 0 : 1);
    cr_expect_eq(others, 0, "%zu other findings", others);
}

Test(audit, honest_logs_and_what_was_signed_for_them_are_acquitted)
{
    struct signed_message m;
    give(&authority, 0);
    give(&directory, 1);
    give(&query, 2);
    hold_ack(ACK_RECORDED, 2);
    hold_ack(ACK_COMPLETED, 4);
    cr_assert_eq(signed_message_decode(sent.lookup, &v.a, &m), CPIS_OK);
    hold(7, &m);
    expect_only(AUDIT_NONE, NULL);
    const struct audit_totals t = audit_totals(audit);
    cr_expect_eq(t.logs, 3);
    cr_expect_eq(t.entries, 9);
}

/* --- one log --- */

Test(audit, a_log_without_its_nodes_signature_proves_nothing)
{
    const struct cpis_id id = rf_id(VF_AUTHORITY);
    cr_assert_eq(audit_log(audit, 0, &id), CPIS_OK);
    cr_assert_eq(audit_entry(audit, 1, authority.entry[0]), CPIS_OK);
    expect_only(AUDIT_UNSIGNED, NULL);
}

Test(audit, a_dropped_entry_is_found_where_it_should_stand)
{
    const struct cpis_id id = rf_id(DIRECTORY);
    struct audit_finding f;
    size_t others;
    cr_assert_eq(audit_log(audit, 0, &id), CPIS_OK);
    cr_assert_eq(audit_entry(audit, 2, directory.entry[1]), CPIS_OK);
    cr_assert_eq(found(AUDIT_SEQUENCE, &others, &f), 1);
    cr_expect_eq(f.entry, 1);
    cr_expect_eq(f.found, 2);
}

Test(audit, an_entry_that_cannot_be_read_is_found)
{
    const struct cpis_id id = rf_id(DIRECTORY);
    size_t others;
    cr_assert_eq(audit_log(audit, 0, &id), CPIS_OK);
    cr_assert_eq(audit_entry(audit, 1, (struct bytes){(const uint8_t *)"entry", 5}), CPIS_OK);
    cr_expect_eq(found(AUDIT_ENTRY, &others, NULL), 1);
}

/* Whoever had the file may have done it: the node is not convicted, whatever others hold. */
Test(audit, an_entry_altered_after_the_log_was_signed_convicts_the_file_alone)
{
    struct made other = authority;
    struct audit_finding f;
    const struct row_log_entry e = {v.wall, LOG_STARTED, asked.rh, 2};
    const struct signed_message word = word_for(&authority, authority.count);
    cr_assert_eq(row_log_entry_encode(&e, &v.a, &other.entry[0]), CPIS_OK);
    give_with(&other, 0, other.count, &word);
    hold_ack(ACK_RECORDED, 2);
    expect_only(AUDIT_UNSIGNED, &f);
    cr_expect_eq(f.file, 0);
}

Test(audit, a_file_cut_after_its_log_was_signed_is_found_and_convicts_nobody)
{
    const struct signed_message word = word_for(&authority, authority.count);
    give_with(&authority, 0, 1, &word);
    expect_only(AUDIT_UNSIGNED, NULL);
    begin_anew();
    give_with(&authority, 0, 1, &word);
    hold_ack(ACK_RECORDED, 2);
    expect_only(AUDIT_UNSIGNED, NULL);
}

Test(audit, entries_after_the_signature_are_nobodys_word)
{
    const struct signed_message word = word_for(&authority, 2);
    give_with(&authority, 0, 3, &word);
    expect_only(AUDIT_UNSIGNED, NULL);
}

Test(audit, a_log_signed_before_its_first_entry_is_whole)
{
    give_part(&authority, 0, 0);
    expect_only(AUDIT_NONE, NULL);
}

Test(audit, a_look_with_details_that_nobody_was_told_of_is_found)
{
    const struct made hushed = without(&authority, 2);
    struct audit_finding f;
    size_t others;
    give(&hushed, 0);
    cr_assert_eq(found(AUDIT_UNNOTIFIED, &others, &f), 1);
    cr_expect_eq(f.entry, 3, "the details' entry");
    cr_expect(hash_equal(&f.about, &asked.rh));
}

Test(audit, a_silent_look_needs_no_notification)
{
    const struct made hushed = without(&authority, 2);
    struct made silent = without(&hushed, 2);
    line(&silent, v.wall + 20, LOG_DETAILS, 1);
    end += AUDIT_NOTIFIED_WITHIN;
    give(&silent, 0);
    expect_only(AUDIT_NONE, NULL);
}

Test(audit, a_look_without_details_must_be_told_of_within_minutes_of_the_last_start)
{
    struct made silent = {.number = VF_AUTHORITY};
    line(&silent, v.wall, LOG_ACCESS, 0);
    line(&silent, v.wall + 10 * CPIS_MS_HOUR, LOG_STARTED, 1); /* it was down meanwhile */
    end = v.wall + 10 * CPIS_MS_HOUR + AUDIT_NOTIFIED_WITHIN;
    give(&silent, 0);
    expect_only(AUDIT_NONE, NULL);
    begin_anew();
    end++;
    give(&silent, 0);
    expect_only(AUDIT_UNNOTIFIED, NULL);
}

/* --- a log against what others hold --- */

Test(audit, a_log_rewritten_by_its_owner_is_found_by_what_others_hold)
{
    const struct made rewritten = without(&authority, 0);
    struct audit_finding f;
    size_t others;
    give(&rewritten, 0);
    hold_ack(ACK_RECORDED, 2);
    cr_assert_eq(found(AUDIT_ALTERED, &others, &f), 1);
    cr_expect_eq(f.entry, 2);
    cr_expect_eq(f.witness, 7);
    const struct cpis_id who = rf_id(VF_AUTHORITY);
    cr_expect(id_equal(&f.who, &who));
}

Test(audit, an_altered_log_is_told_up_to_where_it_is_as_signed)
{
    const struct made rewritten = without(&authority, 2);
    struct audit_finding f;
    size_t others;
    give(&rewritten, 0);
    hold_ack(ACK_RECORDED, 2);
    hold_ack(ACK_COMPLETED, 4);
    cr_assert_eq(found(AUDIT_ALTERED, &others, &f), 1);
    cr_expect_eq(f.agreed, 2);
    cr_expect_eq(f.entry, 4);
}

Test(audit, a_log_that_was_cut_is_found)
{
    struct audit_finding f;
    give_part(&authority, 0, 1);
    hold_ack(ACK_RECORDED, 2);
    expect_only(AUDIT_CUT, &f);
    cr_expect_eq(f.agreed, 1);
    cr_expect_eq(f.entry, 2);
}

Test(audit, what_was_signed_after_a_log_was_given_out_is_no_cut)
{
    end = v.wall; /* the ack is of later */
    give_part(&authority, 0, 1);
    hold_ack(ACK_RECORDED, 2);
    expect_only(AUDIT_NONE, NULL);
}

Test(audit, two_signed_heads_of_one_entry_convict_without_any_log)
{
    const struct made rewritten = without(&authority, 0);
    const struct signed_message m = ack_of(&rewritten, ACK_RECORDED, 2);
    hold_ack(ACK_RECORDED, 2);
    hold(8, &m);
    expect_only(AUDIT_FORKED, NULL);
}

/* The log says nothing of an entry that it does not have. */
Test(audit, two_signed_heads_of_one_entry_convict_beside_a_log_that_does_not_reach_it)
{
    const struct made rewritten = without(&authority, 0);
    const struct signed_message m = ack_of(&rewritten, ACK_RECORDED, 2);
    end = v.wall;
    give_part(&authority, 0, 1);
    hold_ack(ACK_RECORDED, 2);
    hold(8, &m);
    expect_only(AUDIT_FORKED, NULL);
}

Test(audit, two_signed_heads_of_one_entry_convict_beside_a_log_that_is_nobodys_word)
{
    const struct made rewritten = without(&authority, 0);
    const struct signed_message m = ack_of(&rewritten, ACK_RECORDED, 2);
    const struct signed_message word = word_for(&authority, 1);
    size_t others;
    give_with(&authority, 0, 2, &word);
    hold_ack(ACK_RECORDED, 2);
    hold(8, &m);
    cr_expect_eq(found(AUDIT_FORKED, &others, NULL), 1);
    cr_expect_eq(others, 1, "the file");
}

Test(audit, two_signed_heads_of_one_entry_are_told_once_where_the_log_has_it)
{
    const struct made rewritten = without(&authority, 0);
    const struct signed_message m = ack_of(&rewritten, ACK_RECORDED, 2);
    give_part(&authority, 0, 2);
    hold_ack(ACK_RECORDED, 2);
    hold(8, &m);
    expect_only(AUDIT_ALTERED, NULL);
}

/* A node that signs for what it never wrote: its log is whole, and convicts it. */
Test(audit, a_look_that_was_signed_for_and_is_not_in_the_log_is_found)
{
    authority.count = 1;
    line(&authority, v.wall + 10, LOG_IMPORT_UNDONE, 0);
    give(&authority, 0);
    hold_ack(ACK_RECORDED, 2);
    expect_only(AUDIT_ACK_UNRECORDED, NULL);
}

Test(audit, details_that_were_signed_for_and_are_not_in_the_log_are_found)
{
    authority.count = 3;
    give(&authority, 0);
    hold_ack(ACK_COMPLETED, 3);
    expect_only(AUDIT_ACK_UNDETAILED, NULL);
}

Test(audit, a_lookup_that_matched_nothing_needs_no_details)
{
    authority.count = 1;
    line(&authority, v.wall + 10, LOG_ACCESS, 1);
    give(&authority, 0);
    hold_ack(ACK_COMPLETED, 2);
    expect_only(AUDIT_NONE, NULL);
}

Test(audit, an_answer_to_a_look_that_is_not_in_the_log_is_found)
{
    const struct msg_answer a = vf_answer(&v, &asked, VF_AUTHORITY, ANSWER_FLAGS, 1);
    const struct signed_message m = vf_sign_answer(&v, VF_AUTHORITY, &a);
    authority.count = 1;
    give(&authority, 0);
    hold(7, &m);
    expect_only(AUDIT_ANSWER_UNRECORDED, NULL);
}

Test(audit, a_list_that_was_signed_elsewhere_is_found)
{
    struct vf_list l = vf_list(&v, VF_AUTHORITY, NULL);
    struct signed_message m = vf_head(&v, &l);
    struct msg_head h;
    struct bytes b;
    cr_assert_eq(head_decode(m.body, &v.a, &h), CPIS_OK);
    h.log_sequence = 1;
    h.log_head = authority.head[1].head;
    cr_assert_eq(head_encode(&h, &v.a, &b), CPIS_OK);
    m = vf_sign(&v, VF_AUTHORITY, SIGNED_HEAD, b);
    give(&authority, 0);
    hold(7, &m);
    expect_only(AUDIT_HEAD_UNLOGGED, NULL);
}

Test(audit, a_query_node_that_hides_that_it_asked_is_found)
{
    struct signed_message m;
    cr_assert_eq(signed_message_decode(sent.lookup, &v.a, &m), CPIS_OK);
    query.count = 1;
    give(&query, 0);
    hold(7, &m);
    expect_only(AUDIT_LOOKUP_UNLOGGED, NULL);
}

Test(audit, a_presence_without_a_stored_copy_is_found)
{
    const struct vf_list l = vf_list(&v, VF_AUTHORITY, &asked.keys.token);
    const struct cpis_hash state = {{1}};
    const struct msg_present p = vf_present(&v, &asked, DIRECTORY, &state, &l, 1);
    const struct signed_message m = vf_sign_present(&v, DIRECTORY, &p);
    directory.count = 1;
    give(&directory, 0);
    hold(7, &m);
    expect_only(AUDIT_PRESENT_UNSTORED, NULL);
}

Test(audit, a_message_that_its_signer_never_signed_convicts_nobody_but_the_file)
{
    struct signed_message m = ack_of(&authority, ACK_RECORDED, 2);
    struct audit_finding f;
    m.signature.b[3] ^= 1;
    authority.count = 1;
    give(&authority, 0);
    hold(7, &m);
    expect_only(AUDIT_NOT_SIGNED, &f);
    cr_expect_eq(f.file, 7);
}

/* --- a clock that steps back --- */

/* A node's corrected clock may step back (registry_time.c): what it signs after it gave its log out
 * then has an earlier time than its word for the log. */
static const struct {
    cpis_ms back;
    bool convicts;
} steps[] = {{6 * CPIS_MS_SECOND, false}, {LATE_MS, false}, {LATE_MS + CPIS_MS_SECOND, true}};
#define STEPS (sizeof steps / sizeof *steps)

/* `m`, signed at `time`, of which the log knows nothing up to entry 1. */
static void expect_by_step(const struct made *log, const struct signed_message *m, cpis_ms time,
                           enum audit_fault fault)
{
    for (size_t i = 0; i < STEPS; i++) {
        begin_anew();
        end = time + steps[i].back;
        give_part(log, 0, 1);
        hold(7, m);
        expect_only(steps[i].convicts ? fault : AUDIT_NONE, NULL);
    }
}

Test(audit, an_ack_signed_after_a_small_step_back_of_the_clock_is_no_cut)
{
    const struct signed_message m = ack_of(&authority, ACK_RECORDED, 2);
    expect_by_step(&authority, &m, v.wall + 500, AUDIT_CUT);
}

Test(audit, an_answer_signed_after_a_small_step_back_of_the_clock_is_not_without_record)
{
    const struct msg_answer a = vf_answer(&v, &asked, VF_AUTHORITY, ANSWER_FLAGS, 1);
    const struct signed_message m = vf_sign_answer(&v, VF_AUTHORITY, &a);
    expect_by_step(&authority, &m, a.time, AUDIT_ANSWER_UNRECORDED);
}

Test(audit, a_lookup_sent_after_a_small_step_back_of_the_clock_is_not_hidden)
{
    struct signed_message m;
    cr_assert_eq(signed_message_decode(sent.lookup, &v.a, &m), CPIS_OK);
    expect_by_step(&query, &m, asked.lookup.time, AUDIT_LOOKUP_UNLOGGED);
}

/* --- evidence --- */

static struct row_evidence ev;
static struct row_search search;
static struct row_statement statements[VF_T];
static struct row_answer answers[1];
static struct row_floor floors[VF_AUTHORITIES];
static struct signed_message heads[VF_AUTHORITIES], times[VF_T];
static struct cpis_hash head_hashes[VF_AUTHORITIES];
static struct vf_list list[VF_AUTHORITIES];
static cpis_ms older = 10 * CPIS_MS_MINUTE; /* that a list without the child is */

/* FLAG of a lookup of now: directory 1 proves the child in 101's list, which answers; 2 and 3 say
 * absent. */
static void record_flag(bool with_child_in_their_state)
{
    asked = vf_asked(&v, &number, &sent);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        list[i] = vf_list(&v, VF_AUTHORITY + i, i == 0 ? &asked.keys.token : NULL);
        struct vf_list shown = list[i];
        if (i == 0 && !with_child_in_their_state) {
            shown = vf_list(&v, VF_AUTHORITY, NULL); /* an older one, without the child */
            shown.version -= older;
        }
        heads[i] = vf_head(&v, &shown);
    }
    const struct cpis_hash state = vf_state(VF_EPOCH, heads, VF_AUTHORITIES);
    v.wall += 100;
    end += 200;
    for (unsigned i = 0; i < VF_AUTHORITIES; i++)
        head_hashes[i] = signed_hash(&heads[i]);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) /* vf_state has sorted them */
        floors[i] = (struct row_floor){heads[i].signer, list[0].version - older, 0};
    const struct msg_present p = vf_present(&v, &asked, 1, &state, &list[0], 1);
    statements[0] = (struct row_statement){.statement = vf_sign_present(&v, 1, &p)};
    for (unsigned i = 1; i < VF_T; i++) {
        const struct msg_absent m = vf_absent(&v, &asked, i + 1, &state);
        statements[i] = (struct row_statement){vf_sign_absent(&v, i + 1, &m),
                                               {head_hashes[0].b, sizeof head_hashes}};
    }
    for (unsigned i = 0; i < VF_T; i++)
        times[i] = vf_register_time(&v, i + 1);
    const struct msg_answer a = vf_answer(&v, &asked, VF_AUTHORITY, ANSWER_FLAGS, list[0].version);
    answers[0].answer = vf_sign_answer(&v, VF_AUTHORITY, &a);
    search = sent;
    search.statements = statements;
    search.statements_count = VF_T;
    search.answers = answers;
    search.answers_count = 1;
    ev = (struct row_evidence){.format = EVIDENCE_FORMAT,
                               .register_hash = *registry_hash(v.registry),
                               .register_version = registry_version(v.registry),
                               .judged = v.wall,
                               .verdict = VERDICT_FLAG,
                               .as_of = v.wall,
                               .searches = &search,
                               .searches_count = 1,
                               .floors = floors,
                               .floors_count = VF_AUTHORITIES,
                               .heads = heads,
                               .heads_count = VF_AUTHORITIES,
                               .register_times = times,
                               .register_times_count = VF_T};
    memcpy(ev.nhs_number, number.digits, sizeof ev.nhs_number);
}

Test(audit, a_directory_that_denied_what_it_held_is_convicted_by_the_evidence)
{
    struct audit_finding f;
    size_t others;
    record_flag(true);
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    cr_assert_eq(found(AUDIT_DENIED, &others, &f), 2, "directories 2 and 3");
    cr_expect_eq(others, 0);
    const struct cpis_id two = rf_id(2), one = rf_id(VF_AUTHORITY);
    cr_expect(id_equal(&f.who, &two));
    cr_expect(id_equal(&f.other, &one));
}

/* The list was on its way: nobody lied. */
Test(audit, a_directory_that_held_an_older_list_denied_nothing)
{
    record_flag(false);
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    expect_only(AUDIT_NONE, NULL);
}

Test(audit, a_directory_that_goes_back_behind_a_list_that_it_had_signed_over_is_convicted)
{
    struct audit_finding f;
    size_t others;
    record_flag(true);
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    v.wall += LATE_MS;
    record_flag(false); /* over two minutes later, over an older one */
    cr_assert_eq(audit_evidence(audit, 4, v.registry, &ev), CPIS_OK);
    cr_assert_eq(found(AUDIT_ROLLED_BACK, &others, &f), 2);
    cr_expect_eq(f.file, 4);
    cr_expect_eq(f.witness, 3);
    cr_expect_gt(f.found, f.entry);
}

/* Directories 2 and 3 state so, so long after what they have stated before. */
static void state_after(cpis_ms after, bool with_child)
{
    static size_t file;
    v.wall += after - 100; /* record_flag takes as long */
    record_flag(with_child);
    TAKE(audit_evidence(audit, file++, v.registry, &ev));
}

/* It may be the older list that was stated first, and the clock that stepped back. */
Test(audit, statements_in_an_order_that_a_small_step_back_of_the_clock_gives_convict_nobody)
{
    size_t others;
    for (size_t i = 0; i < STEPS; i++) {
        begin_anew();
        state_after(CPIS_MS_SECOND, true);
        state_after(steps[i].back, false);
        cr_expect_eq(found(AUDIT_ROLLED_BACK, &others, NULL), steps[i].convicts ? 2 : 0);
        cr_expect_eq(others, 2, "they denied the child, by the first");
    }
}

Test(audit, a_directory_that_goes_back_is_convicted_by_any_statement_that_is_old_enough)
{
    size_t others;
    state_after(CPIS_MS_SECOND, true);
    state_after(LATE_MS / 2 + 1, false);
    state_after(LATE_MS / 2 + 1, false);
    cr_expect_eq(found(AUDIT_ROLLED_BACK, &others, NULL), 2);
}

Test(audit, of_two_older_lists_that_were_stated_at_one_time_the_oldest_is_named)
{
    const cpis_ms old[] = {10 * CPIS_MS_MINUTE, 20 * CPIS_MS_MINUTE};
    for (size_t first = 0; first < 2; first++) { /* whichever of the two files is read first */
        struct audit_finding f;
        size_t others;
        begin_anew();
        state_after(CPIS_MS_SECOND, true);
        older = old[first];
        state_after(LATE_MS + CPIS_MS_SECOND, false);
        older = old[1 - first];
        state_after(0, false);
        cr_assert_eq(found(AUDIT_ROLLED_BACK, &others, &f), 2, "once for each directory");
        cr_expect_eq(f.entry, list[0].version - old[1]);
    }
}

Test(audit, evidence_that_does_not_hold_convicts_nobody)
{
    struct audit_finding f;
    record_flag(true);
    ev.verdict = VERDICT_NO_FLAG;
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    expect_only(AUDIT_EVIDENCE, &f);
    cr_expect_eq(f.evidence, EVIDENCE_VERDICT);
}

Test(audit, a_fault_that_two_files_show_is_told_once)
{
    authority.count = 1;
    line(&authority, v.wall + 10, LOG_IMPORT_UNDONE, 0);
    give(&authority, 0);
    const struct signed_message m = ack_of(&authority, ACK_RECORDED, 2);
    hold(7, &m);
    hold(8, &m); /* a copy, at another directory */
    struct audit_finding f;
    expect_only(AUDIT_ACK_UNRECORDED, &f);
    cr_expect_eq(f.who.b[0], rf_id(VF_AUTHORITY).b[0]);
}

Test(audit, a_message_that_says_nothing_of_a_log_convicts_nobody)
{
    const struct msg_lookup_reply m = {.rh = asked.rh, .outcome = LOOKUP_REFUSED};
    struct bytes b;
    cr_assert_eq(lookup_reply_encode(&m, &v.a, &b), CPIS_OK);
    const struct signed_message s = vf_sign(&v, DIRECTORY, SIGNED_DEALING, b);
    cr_assert_eq(signed_message_encode(&s, &v.a, &b), CPIS_OK);
    cr_assert_eq(audit_held(audit, 7, b), CPIS_OK);
    expect_only(AUDIT_NONE, NULL);
}

Test(audit, evidence_with_a_part_that_is_wrong_denies_nothing)
{
    struct audit_finding f;
    record_flag(true);
    ev.nhs_number[0] = '8';
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    expect_only(AUDIT_EVIDENCE, &f);
    cr_expect_eq(f.evidence, EVIDENCE_NUMBER);
    audit_free(&audit);
    cr_assert_eq(audit_new(v.registry, &audit), CPIS_OK);
    record_flag(true);
    ev.heads_count--; /* the last one's hash stands beside the absences, without the head */
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    size_t others;
    cr_expect_eq(found(AUDIT_EVIDENCE, &others, &f), 1);
    audit_free(&audit);
    cr_assert_eq(audit_new(v.registry, &audit), CPIS_OK);
    record_flag(true);
    struct vf_list wrong = list[0];
    wrong.entry[0].salt.b[0] ^= 1; /* its paths do not lead to the root that was signed */
    const struct cpis_hash state = vf_state(VF_EPOCH, heads, VF_AUTHORITIES);
    struct msg_present p = vf_present(&v, &asked, 1, &state, &list[0], 1);
    struct msg_inclusion *inclusion = (struct msg_inclusion *)(uintptr_t)p.inclusions;
    inclusion->salt.b[0] ^= 1;
    statements[0].statement = vf_sign_present(&v, 1, &p);
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    cr_expect_eq(found(AUDIT_DENIED, &others, &f), 0, "nothing proves that it held the child");
}

Test(audit, a_wrong_proof_beside_one_that_holds_denies_nothing)
{
    size_t others;
    record_flag(true);
    const struct cpis_hash state = vf_state(VF_EPOCH, heads, VF_AUTHORITIES);
    struct msg_present p = vf_present(&v, &asked, 1, &state, &list[0], 1);
    struct msg_inclusion both[] = {p.inclusions[0], p.inclusions[0]};
    both[1].authority_id = rf_id(VF_AUTHORITY + 1); /* its path leads to another list's root */
    both[1].head = vf_head(&v, &list[1]);
    p.inclusions = both;
    p.inclusions_count = p.holders = 2;
    statements[0].statement = vf_sign_present(&v, 1, &p);
    cr_assert_eq(audit_evidence(audit, 3, v.registry, &ev), CPIS_OK);
    cr_expect_eq(found(AUDIT_DENIED, &others, NULL), 2, "101's list only, by directories 2 and 3");
    cr_expect_eq(others, 0);
}

/* --- memory that fails --- */

/* Logs and evidence with most of what there is to find. */
static void take_all(void)
{
    const struct made rewritten = without(&authority, 2), hushed = without(&rewritten, 2);
    const struct bytes no_entry = {(const uint8_t *)"entry", 5};
    struct signed_message m = ack_of(&rewritten, ACK_RECORDED, 2);
    struct signed_message other = ack_of(&authority, ACK_COMPLETED, 4);
    begin_anew();
    give(&authority, 0);
    give(&rewritten, 1); /* altered, unnotified */
    give_part(&hushed, 2, 1);
    give_part(&query, 3, 1); /* has not sent the lookup of the evidence */
    give_part(&directory, 4, 0);
    TAKE(audit_entry(audit, 2, directory.entry[1])); /* should be 1 */
    give_part(&directory, 5, 0);
    TAKE(audit_entry(audit, 1, no_entry));
    for (size_t i = 0; i < 65; i++) /* more than there is room for at first */
        hold(6, &m);
    hold(7, &other);
    other.signature.b[0] ^= 1;
    hold(7, &other);
    record_flag(true); /* denied */
    TAKE(audit_evidence(audit, 8, v.registry, &ev));
    v.wall += LATE_MS;
    record_flag(false); /* rolled back */
    TAKE(audit_evidence(audit, 9, v.registry, &ev));
    ev.verdict = VERDICT_NO_FLAG; /* does not hold */
    TAKE(audit_evidence(audit, 10, v.registry, &ev));
    TAKE(audit_judge(audit));
}

static bool same_finding(const struct audit_finding *x, const struct audit_finding *y)
{
    return x->fault == y->fault && id_equal(&x->who, &y->who) && id_equal(&x->other, &y->other) &&
           x->file == y->file && x->witness == y->witness && x->entry == y->entry &&
           x->found == y->found && x->evidence == y->evidence;
}

Test(audit, a_call_without_memory_says_so_and_made_again_finds_the_same)
{
    struct audit_finding whole[32];
    size_t live = live_allocations();
    take_all();
    const struct audit_totals totals = audit_totals(audit);
    const size_t count = audit_count(audit);
    cr_assert(count > 15 && count <= sizeof whole / sizeof *whole, "%zu findings", count);
    for (size_t i = 0; i < count; i++)
        whole[i] = *audit_finding(audit, i);
    const size_t kept = live_allocations() - live; /* the fixture's, too */
    teardown();
    setup();
    live = live_allocations();
    refusing = true;
    take_all();
    cr_expect_eq(live_allocations() - live, kept, "memory leaks");
    const struct audit_totals again = audit_totals(audit);
    cr_expect_eq(memcmp(&again, &totals, sizeof totals), 0);
    cr_assert_eq(audit_count(audit), count, "%zu findings, not %zu", audit_count(audit), count);
    for (size_t i = 0; i < count; i++)
        cr_expect(same_finding(audit_finding(audit, i), &whole[i]), "finding %zu", i);
}
