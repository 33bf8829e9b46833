/* An authority's children over the control socket: changes that come in, and what is held. */
#include "tests/node/net/control_fixture.h"

#include <criterion/criterion.h>

Test(control, plans_come_in_as_changes_and_go_out_as_outcomes)
{
    struct command c;
    ctl.env.role = ROLE_AUTHORITY;
    cr_assert_eq(
        zstr_send(
            ctl.client,
            "{\"id\":3,\"command\":\"changes\",\"changes\":["
            "{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"birth_date\":\"2015-02-03\","
            "\"given\":\"Ann\",\"family\":\"Bee\",\"local_id\":\"L1\",\"plan\":\"cpp\","
            "\"start\":\"202601021530\",\"visibility\":\"contact-only\"},"
            "{\"type\":\"end\",\"nhs_number\":\"9990000026\",\"plan\":\"LAC\","
            "\"end\":\"2026-11-01\"}],\"dry_run\":true,\"import\":{\"id\":5,\"file_hash\":"
            "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
            "\"started\":1,\"applied_rows\":2,\"rows\":2,\"finished\":true,\"sequence\":41,"
            "\"sequence_hash\":"
            "\"ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}}"),
        0);
    ctl_serve_one();
    cr_assert(control_next(ctl.control, &c));
    cr_assert_eq(c.type, COMMAND_CHANGES);
    cr_assert_eq(c.changes_count, 2);
    cr_assert(c.dry_run);
    const struct child_change *up = &c.changes[0], *over = &c.changes[1];
    cr_assert_eq(up->type, CHANGE_UPSERT);
    cr_assert_str_eq(up->number.digits, "9990000018");
    cr_assert_eq(up->birth_date, 20150203);
    cr_assert_eq(up->start, 202601021530);
    cr_assert_eq(up->end, 0);
    cr_assert_eq(up->plan, PLAN_CPP);
    cr_assert_eq(up->visibility, VISIBILITY_CONTACT_ONLY);
    cr_assert_eq(up->import_id, 5);
    cr_assert_eq(over->type, CHANGE_END);
    cr_assert_eq(over->end, 202611010000);
    cr_assert_str_eq(over->given, "");
    cr_assert_eq(c.import->id, 5);
    cr_assert_eq(c.import->file_hash.b[31], 0xff);
    cr_assert(c.import->finished);
    cr_assert_eq(c.import->sequence, 41);
    cr_assert_eq(c.import->sequence_hash.b[0], 0xff);
    cr_assert_eq(over->visibility, 0); /* absent: as it is held */
    static const enum child_outcome outcomes[] = {OUTCOME_ADDED, OUTCOME_NOT_FOUND};
    const struct result res = {
        .type = RESULT_CHANGES, .why = "", .outcomes = outcomes, .outcomes_count = 2};
    control_result(ctl.control, &ctl.env, c.id, &res);
    control_committed(ctl.control, true);
    json_t *o = ctl_reply();
    const json_t *list = json_object_get(o, "outcomes");
    cr_assert_str_eq(json_string_value(json_array_get(list, 0)), "added");
    cr_assert_str_eq(json_string_value(json_array_get(list, 1)), "not_found");
    json_decref(o);
}

Test(control, a_change_that_can_not_be_is_refused_by_its_number)
{
    static const struct {
        const char *change, *text;
    } cases[] = {
        {"{}", "nhs_number must be a text"},
        {"7", "no object"},
        {"{\"type\":\"add\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\"}",
         "upsert, end, delete, keep or transfer"},
        {"{\"type\":\"keep\",\"nhs_number\":\"9990000018\"}", "\"end\" is missing"},
        {"{\"type\":\"transfer\",\"nhs_number\":\"9990000018\"}", "field \"to\" is missing"},
        {"{\"type\":\"end\",\"nhs_number\":\"9990000018\",\"plan\":\"XYZ\"}", "CPP, LAC or UCPP"},
        {"{\"type\":\"end\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\"}", "\"end\" is missing"},
        {"{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\"}", "\"start\""},
        {"{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"start\":"
         "\"2026-02-30\"}",
         "no date"},
        {"{\"type\":\"delete\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"visibility\":"
         "\"contact only\"}",
         "full or contact-only"},
        {"{\"type\":\"delete\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"given\":"
         "\"a\\nb\"}",
         "control characters"},
        {"{\"type\":\"delete\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"x\":1}", "\"x\""},
    };
    struct command c;
    ctl.env.role = ROLE_AUTHORITY;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[400];
        (void)snprintf(request, sizeof request,
                       "{\"id\":1,\"command\":\"changes\",\"changes\":[%s]}", cases[i].change);
        ctl_expect_error(request, "CPIS_E_MALFORMED", cases[i].text);
        ctl_expect_error(request, "CPIS_E_MALFORMED", "change 1: ");
    }
    cr_assert(!control_next(ctl.control, &c));
}

static void put_child(const char *number, uint64_t end)
{
    struct row_plan plan = {
        .plan = PLAN_LAC, .start = 202401010000, .end = end, .birth_date = 20150203, .saved = 1};
    struct row_child child = {.birth_date = 20150203,
                              .given = "Ann",
                              .visibility = VISIBILITY_FULL,
                              .plans = &plan,
                              .plans_count = 1};
    struct arena a = arena_make(65536);
    struct bytes b;
    memcpy(child.nhs_number, number, sizeof child.nhs_number);
    cr_assert_eq(row_child_encode(&child, &a, &b), CPIS_OK);
    store_put(ctl.store, TABLE_CHILD, (const uint8_t *)number, 10, b.p, b.len);
    cr_assert_eq(store_commit(ctl.store), CPIS_OK);
    arena_free(&a);
}

/* The numbers in the order in which they were listed, `limit` at a time. */
static void list_all(const char *limit, char ret[static 4][11], size_t *ret_count)
{
    char request[160], after[11] = "";
    *ret_count = 0;
    for (bool more = true; more;) {
        size_t i;
        const json_t *flag;
        (void)snprintf(request, sizeof request,
                       "{\"id\":1,\"command\":\"flags_list\",\"limit\":%s,\"after\":\"%s\"}", limit,
                       after);
        json_t *o = ctl_expect_done(request);
        cr_assert_leq(json_array_size(json_object_get(o, "flags")), strtoul(limit, NULL, 10));
        json_array_foreach(json_object_get(o, "flags"), i, flag)
        {
            cr_assert_lt(*ret_count, 4);
            (void)snprintf(ret[(*ret_count)++], 11, "%s", ctl_text_at(flag, "nhs_number"));
            cr_assert_eq(json_is_true(json_object_get(flag, "visible")),
                         strcmp(ctl_text_at(flag, "nhs_number"), "9990000018") != 0);
        }
        (void)snprintf(after, sizeof after, "%s", ctl_text_at(o, "next"));
        more = after[0] != '\0';
        if (more) cr_assert_str_eq(after, ret[*ret_count - 1]);
        json_decref(o);
    }
}

Test(control, what_is_held_is_listed_in_parts_and_shown_with_its_plans)
{
    char parts[4][11] = {""}, whole[4][11] = {""};
    size_t count;
    ctl.env.role = ROLE_AUTHORITY;
    put_child("9990000034", 0);
    put_child("9990000018", 202408010000); /* hidden 364 days after */
    put_child("9990000026", 202608010000);
    list_all("500", whole, &count);
    cr_assert_eq(count, 3);
    list_all("1", parts, &count);
    cr_assert_eq(count, 3);
    cr_assert_eq(memcmp(parts, whole, sizeof whole), 0);
    put_child("9990000050", 0); /* wherever it comes, the others stay in their order */
    list_all("2", parts, &count);
    cr_assert_eq(count, 4);
    size_t at = 0;
    for (size_t i = 0; i < 4; i++)
        if (strcmp(parts[i], "9990000050") != 0) cr_assert_str_eq(parts[i], whole[at++]);
    ctl_expect_error("{\"id\":1,\"command\":\"flags_list\",\"after\":\"999\"}", "CPIS_E_MALFORMED",
                     "after");
    json_t *o;
    o = ctl_expect_done("{\"id\":1,\"command\":\"flags_show\",\"nhs_number\":\"999 000 0026\"}");
    const json_t *plan = json_array_get(json_object_get(json_object_get(o, "flag"), "plans"), 0);
    cr_assert_str_eq(ctl_text_at(plan, "plan"), "LAC");
    cr_assert_str_eq(ctl_text_at(plan, "start"), "2024-01-01");
    cr_assert_str_eq(ctl_text_at(plan, "end"), "2026-08-01");
    json_decref(o);
    ctl_expect_error("{\"id\":1,\"command\":\"flags_show\",\"nhs_number\":\"9990000042\"}",
                     "CPIS_E_NOTFOUND", "nothing is held");
}
