/* Three clients that read less than they should, and every verdict: none of them can take for
 * "none" what is not. node/http/fhir_answer.h. */
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fhir_naive, .init = ff_begin, .fini = ff_end);

/* What the client shows its user. A library fails what is no 2xx, as all do. */
enum reads { READS_ERROR, READS_NONE, READS_SOMETHING };

static bool is_failed(void) { return ff_got.no_memory || ff_got.status / 100 != 2; }

static enum reads counts_entries(const char *type)
{
    if (is_failed()) return READS_ERROR;
    return ff_count(ff_got.body, type) == 0 ? READS_NONE : READS_SOMETHING;
}

static enum reads reads_total(const char *type)
{
    (void)type;
    if (is_failed()) return READS_ERROR;
    const json_int_t total = json_integer_value(json_object_get(ff_got.body, "total"));
    return total == 0 ? READS_NONE : READS_SOMETHING; /* a missing one is 0 to it */
}

/* "It went well, and 404 is nobody": what a good answer holds it leaves to the user's eyes. */
static enum reads checks_status(const char *type)
{
    if (!ff_got.no_memory && ff_got.status == 404) return READS_NONE;
    if (is_failed()) return READS_ERROR;
    return ff_count(ff_got.body, type) == 0 ? READS_NONE : READS_SOMETHING;
}

static enum reads (*const clients[])(const char *type) = {counts_entries, reads_total,
                                                          checks_status};
static const char *const searches[][2] = {{"CareTeam", "CareTeam"},
                                          {"PatientFlag", "Flag"},
                                          {"CarePlan", "CarePlan"},
                                          {"AuditEvent", "AuditEvent"}};

static void each_reads(enum reads want, size_t search)
{
    for (size_t c = 0; c < 3; c++)
        cr_expect_eq(clients[c](searches[search][1]), want, "client %zu of %s: status %u", c,
                     searches[search][0], ff_got.status);
}

static void ask_for(enum ff_kind k, size_t search)
{
    json_decref(ff.verdict);
    ff.verdict = ff_verdict(k);
    ff_get(searches[search][0], FF_NUMBER);
    cr_assert_eq(ff_got.answers, 1);
    ff.now += CPIS_MS_HOUR; /* nothing is kept from one to the next */
}

Test(fhir_naive, read_a_flag_as_something_and_no_flag_as_none)
{
    for (size_t s = 0; s < 4; s++) {
        ask_for(FF_FLAG, s);
        each_reads(READS_SOMETHING, s);
        ask_for(FF_FLAG_PENDING, s);
        each_reads(READS_SOMETHING, s);
        ask_for(FF_NO_FLAG, s);
        each_reads(READS_NONE, s);
        ask_for(FF_NO_FLAG_NOTED, s);
        each_reads(READS_NONE, s);
    }
}

Test(fhir_naive, never_read_unknown_and_incomplete_as_none)
{
    for (size_t s = 0; s < 4; s++) {
        ask_for(FF_UNKNOWN, s);
        each_reads(READS_ERROR, s);
        cr_expect_eq(ff_got.status, 503);
        ask_for(FF_INCOMPLETE, s);
        each_reads(READS_ERROR, s);
        cr_expect_eq(ff_got.status, 503);
        cr_expect_null(json_object_get(ff_got.body, "entry"));
    }
}

Test(fhir_naive, read_details_to_follow_and_contact_only_as_something)
{
    for (size_t s = 0; s < 3; s++) {
        ask_for(FF_DETAILS_TO_FOLLOW, s);
        each_reads(READS_SOMETHING, s);
        cr_expect_eq(ff_count(ff_got.body, searches[s][1]), 2, "one for each authority");
        cr_expect_eq(json_integer_value(json_object_get(ff_got.body, "total")), 2);
        ask_for(FF_CONTACT_ONLY, s);
        each_reads(READS_SOMETHING, s);
        ask_for(FF_FLAG_UNSEEN, s);
        each_reads(READS_SOMETHING, s);
        ask_for(FF_FLAG_CUT_ALL, s);
        each_reads(READS_SOMETHING, s);
        ask_for(FF_REFUSED, s);
        each_reads(READS_SOMETHING, s);
    }
}

Test(fhir_naive, never_read_a_history_that_is_not_told_as_none)
{
    ask_for(FF_DETAILS_TO_FOLLOW, 3);
    each_reads(READS_ERROR, 3);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_DETAILS_TO_FOLLOW));
    cr_expect(ff_says(ff_got.body, "02079460456") && ff_says(ff_got.body, "02079460789"));
    ask_for(FF_CONTACT_ONLY, 3);
    each_reads(READS_ERROR, 3);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_HISTORY_WITHHELD));
    cr_expect(ff_says(ff_got.body, "02079460123"));
    ask_for(FF_REFUSED, 3);
    each_reads(READS_ERROR, 3);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_DETAILS_REFUSED));
    cr_expect(ff_says(ff_got.body, "02079460456"));
}

Test(fhir_naive, never_read_a_known_child_whom_nobody_has_seen_as_none)
{
    ask_for(FF_FLAG_UNSEEN, 3);
    each_reads(READS_ERROR, 3);
    cr_expect_eq(ff_got.status, 422);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_KNOWN_WITHOUT_HISTORY));
}

/* "Nobody has looked" would be wrong of it: somebody has, and there was no room to say so. */
Test(fhir_naive, never_read_a_history_that_was_cut_as_a_whole_one)
{
    ask_for(FF_FLAG_CUT, 3);
    each_reads(READS_SOMETHING, 3);
    cr_expect(ff_is_outcome(ff_entry(ff_got.body, "OperationOutcome", 0), FHIR_HISTORY_WITHHELD));
    ask_for(FF_FLAG_CUT_ALL, 3);
    each_reads(READS_ERROR, 3);
    cr_expect_eq(ff_got.status, 403);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_HISTORY_WITHHELD));
    ask_for(FF_FLAG, 3);
    cr_expect_null(ff_entry(ff_got.body, "OperationOutcome", 0));
    ask_for(FF_FLAG_CUT, 0);
    cr_expect_null(ff_entry(ff_got.body, "OperationOutcome", 0), "it is the history's alone");
}

Test(fhir_naive, never_read_a_node_that_fails_as_none)
{
    static const cpis_err errors[] = {
        CPIS_OK,         CPIS_E_INVAL, CPIS_E_NOMEM, CPIS_E_LIMIT, CPIS_E_STATE, CPIS_E_AUTH,
        CPIS_E_NOTFOUND, CPIS_E_STORE, CPIS_E_FULL,  CPIS_E_BUSY,  CPIS_E_IO,    CPIS_E_MALFORMED};
    ff.answer_at_once = false;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        for (size_t s = 0; s < 4; s++) {
            ff_get(searches[s][0], FF_NUMBER);
            cr_assert_eq(ff_got.answers, 0);
            ff_fail(ff.calls_count - 1, errors[i]);
            cr_assert_eq(ff_got.answers, 1);
            each_reads(READS_ERROR, s);
        }
    }
}

/* A node out of memory may have left something out; another version may say something new. */
Test(fhir_naive, never_read_a_verdict_that_contradicts_itself_as_none)
{
    static const struct {
        enum ff_kind kind;
        const char *key, *value; /* put in; value NULL: taken out */
    } damages[] = {
        {FF_NO_FLAG, "verdict", "\"none\""},
        {FF_NO_FLAG, "verdict", NULL},
        {FF_NO_FLAG, "verdict", "null"},
        {FF_NO_FLAG, "unconfirmed", "[{}]"},
        {FF_NO_FLAG, "unconfirmed", NULL},
        {FF_NO_FLAG, "flags", NULL},
        {FF_NO_FLAG, "flags", "{}"},
        {FF_NO_FLAG, "flags", "[{}]"},
        {FF_NO_FLAG, "pending", "[{}]"},
        {FF_NO_FLAG, "pending", NULL},
        {FF_NO_FLAG, "notes", NULL},
        {FF_NO_FLAG, "accesses", NULL},
        {FF_NO_FLAG, "history_cut", "null"},
        {FF_FLAG, "flags", "[]"},
        {FF_FLAG, "flags", NULL},
        {FF_DETAILS_TO_FOLLOW, "pending", "[]"},
        {FF_DETAILS_TO_FOLLOW, "pending", NULL},
        {FF_FLAG, "accesses", NULL},
        {FF_FLAG_UNSEEN, "history_cut", NULL},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        for (size_t s = 0; s < 4; s++) {
            json_t *v = ff_verdict(damages[i].kind);
            if (damages[i].value == NULL)
                json_object_del(v, damages[i].key);
            else
                json_object_set_new(v, damages[i].key,
                                    json_loads(damages[i].value, JSON_DECODE_ANY, NULL));
            json_decref(ff.verdict);
            ff.verdict = v;
            ff_get(searches[s][0], FF_NUMBER);
            ff.now += CPIS_MS_HOUR;
            each_reads(READS_ERROR, s);
            cr_expect_eq(ff_got.status, 500, "damage %zu", i);
        }
    }
}

Test(fhir_naive, of_another_childs_verdict_hear_nothing)
{
    ff.answer_at_once = false;
    ff_get("CareTeam", FF_NUMBER);
    json_t *v = ff_verdict(FF_NO_FLAG);
    json_object_set_new(v, "nhs_number", json_string(FF_OTHER));
    const struct control_call call = ff.calls[0];
    call.more(call.arg, v);
    json_decref(v);
    ff_fail(0, CPIS_OK);
    each_reads(READS_ERROR, 0);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_INTERNAL_ERROR));
}

/* Agreed with a client that is known to read outcomes: it gets a Bundle, and no number to read. */
Test(fhir_naive, get_incomplete_as_200_only_where_that_was_agreed)
{
    ff.who.incomplete_as_200 = true;
    for (size_t s = 0; s < 4; s++) {
        ask_for(FF_INCOMPLETE, s);
        cr_assert_eq(ff_got.status, 200);
        cr_expect_null(json_object_get(ff_got.body, "total"));
        cr_expect_eq(ff_count(ff_got.body, NULL), 1);
        const json_t *o = ff_entry(ff_got.body, "OperationOutcome", 0);
        cr_expect(ff_is_outcome(o, FHIR_INCOMPLETE));
        cr_expect(ff_says(o, "Exampleton (T002): emergency duty team 02079460456; office hours "
                             "01632960456"));
        ask_for(FF_UNKNOWN, s);
        each_reads(READS_ERROR, s);
    }
}
