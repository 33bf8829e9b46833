#define _GNU_SOURCE /* MAP_ANONYMOUS */
/* Memory that fails in one step: of each kind of input that any role takes in a story of all
 * machines, each piece of memory that the step asks for is refused once, in a copy of the process.
 * The step then is lost whole (the driver builds the node anew from its store), or it does what it
 * would have done, or it says that it did not, has kept nothing and does it when it is asked again.
 */
#include "simulations/payload.h"
#include "simulations/sim.h"
#include "tests/fail_malloc.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NONE SIZE_MAX

/* --- what a step came to --- */

struct outcome {
    size_t pieces;       /* that it asked for */
    size_t changes;      /* rows put or deleted */
    size_t live;         /* allocations, when the node has been freed */
    uint64_t rows, rest; /* rolling hashes of what it put out: all but random bytes */
    bool failed, told;   /* lost; said that memory is short */
};

static uint64_t roll(uint64_t h, uint64_t v) { return (h ^ v) * 0x100000001b3U; }

/* It says that it did not do it, or that memory is short; of a child never "no". */
static bool tells(const struct out *o)
{
    const struct result *r = o->type == OUT_RESULT ? o->result : NULL;
    if (r != NULL)
        return r->err == CPIS_E_NOMEM ||
               (r->type == RESULT_VERDICT && r->verdict.kind == VERDICT_UNKNOWN);
    return o->type == OUT_EVENT && (o->event == EVENT_NO_MEMORY || o->event == EVENT_BUSY ||
                                    (o->event == EVENT_LIST_REFUSED && o->number == REFUSAL_BUSY));
}

static void take_in(struct outcome *x, const struct out *o)
{
    const bool row = o->type == OUT_PERSIST || o->type == OUT_DELETE;
    if (row && o->table == TABLE_QUOTA) return; /* what is refused counts, too */
    uint64_t *h = row ? &x->rows : &x->rest;
    *h = roll(*h, o->type);
    if (row) {
        x->changes++;
        *h = roll(roll(roll(*h, o->table), o->key.len), o->value.len);
    } else if (o->type == OUT_SEND) {
        const struct frame_look look = frame_look(o->frame);
        *h = roll(roll(roll(*h, look.kind), look.signed_type), o->frame.len);
    } else if (o->type == OUT_EVENT) {
        *h = roll(roll(*h, o->event), o->number);
    } else {
        const struct result *r = o->result;
        *h = roll(roll(*h, r->type), (uint64_t)r->err);
        *h = roll(*h, r->type == RESULT_VERDICT ? (uint64_t)r->verdict.kind : 0);
    }
    x->told = x->told || tells(o);
}

static struct outcome step(struct node *n, const struct node_in *in, size_t nth)
{
    struct outcome x = {.rows = 1, .rest = 1};
    struct node_in copy = *in;
    struct out o;
    copy.view = fail_piece(in->view, nth);
    node_step(n, &copy);
    x.pieces = fail_piece_over();
    while (node_pop(n, &o))
        take_in(&x, &o);
    x.failed = node_failed(n);
    return x;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return !a->failed && !b->failed && a->changes == b->changes && a->rows == b->rows &&
           a->rest == b->rest;
}

/* --- in copies --- */

enum found {
    LOST = 1,
    DONE_ALL_THE_SAME,
    DONE_WHEN_ASKED_AGAIN,
    RIGHT_END,
    LEAK,
    SILENT,
    HALF,
    NOT_AGAIN
};
static const char *const found_text[] = {[LEAK] = "memory leaks",
                                         [SILENT] = "something else, and nothing is said",
                                         [HALF] = "half a step is kept",
                                         [NOT_AGAIN] = "asked again it does not do it"};

static enum found judge(struct node *n, const struct node_in *in, const struct outcome *x,
                        const struct outcome *whole)
{
    if (x->failed) return LOST;
    if (same(x, whole)) return DONE_ALL_THE_SAME;
    if (!x->told) return SILENT;
    if (x->changes > 0) return HALF;
    const struct outcome again = step(n, in, NONE);
    return same(&again, whole) ? DONE_WHEN_ASKED_AGAIN : NOT_AGAIN;
}

static enum found try_one(struct node *n, const struct node_in *in, size_t nth,
                          const struct outcome *whole)
{
    const struct outcome x = step(n, in, nth);
    const enum found f = judge(n, in, &x, whole);
    node_free(&n);
    return live_allocations() == whole->live ? f : LEAK;
}

static size_t tally[RIGHT_END];

/* Returns what the copy's end says; 0: it crashed. */
static enum found in_a_copy(struct node *n, const struct node_in *in, size_t nth,
                            const struct outcome *whole)
{
    int status = 0;
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) _exit(try_one(n, in, nth, whole));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? (enum found)WEXITSTATUS(status) : 0;
}

static struct outcome undisturbed(struct node *n, const struct node_in *in)
{
    static struct outcome *shared;
    if (shared == NULL)
        shared =
            mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)shared, MAP_FAILED);
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        *shared = step(n, in, NONE);
        node_free(&n);
        shared->live = live_allocations();
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    return *shared;
}

/* --- which steps: of each kind the 1st, 2nd, 4th, 8th, ... --- */

struct kind {
    unsigned part, role, type, frame, signed_type, command;
};
static struct seen {
    struct kind k;
    size_t count;
} seen[512];
static size_t kinds;
static unsigned part; /* of the story */

static struct kind kind_of(struct node *n, const struct node_in *in)
{
    struct node_status st;
    struct kind k = {.part = part, .type = in->type};
    node_status(n, in->now, in->wall, &st);
    k.role = st.role;
    if (in->type == NODE_MESSAGE) {
        const struct frame_look look = frame_look(in->message);
        k.frame = look.kind;
        k.signed_type = look.signed_type;
    }
    if (in->type == NODE_COMMAND) k.command = in->command->type;
    return k;
}

static bool is_due(struct node *n, const struct node_in *in, struct seen **ret)
{
    const struct kind k = kind_of(n, in);
    size_t i = 0;
    while (i < kinds && memcmp(&seen[i].k, &k, sizeof k) != 0)
        i++;
    cr_assert_lt(i, sizeof seen / sizeof *seen);
    if (i == kinds) seen[kinds++].k = k;
    const size_t count = ++seen[i].count;
    *ret = &seen[i];
    return (count & (count - 1)) == 0;
}

static void each_step(struct node *n, const struct node_in *in)
{
    struct seen *w;
    if (is_due(n, in, &w)) {
        const struct outcome whole = undisturbed(n, in);
        for (size_t nth = 0; nth < whole.pieces; nth++) {
            const enum found f = in_a_copy(n, in, nth, &whole);
            if (f > 0 && f < RIGHT_END)
                tally[f]++;
            else
                cr_expect(false,
                          "part %u, role %u, input %u, frame %u, signed %u, command %u, time %zu: "
                          "piece %zu of %zu is refused: %s",
                          w->k.part, w->k.role, w->k.type, w->k.frame, w->k.signed_type,
                          w->k.command, w->count, nth, whole.pieces,
                          f == 0 ? "a crash" : found_text[f]);
        }
    }
    node_step(n, in);
}

/* --- the story --- */

static const struct quota_conf quotas = {.lookups_a_day = 1000};
static const struct inbox_conf inbox = {
    .pattern_count = 2, .pattern_days = 1, .escalate_after = CPIS_MS_HOUR};
static const struct sim_conf quiet = {.seed = 7,
                                      .directories = 3,
                                      .threshold = 2,
                                      .authorities = 2,
                                      .queries = 1,
                                      .link = {.delay = {.min = 2000, .max = 8000}},
                                      .quotas = &quotas,
                                      .inbox = &inbox};
static struct sim *s;

static void init(void) { cr_assert_geq(sodium_init(), 0); }
static void fini(void)
{
    watch_steps(NULL);
    sim_free(&s);
}
TestSuite(memory, .init = init, .fini = fini, .timeout = 900);

static void settle(void) { cr_assert(sim_settle(s, 10 * CPIS_MS_MINUTE)); }

static void fresher(void *arg, struct msg_register *draft, struct arena *a)
{
    (void)arg;
    (void)a;
    draft->head_age += CPIS_MS_MINUTE;
}

static void looks(unsigned first)
{
    for (unsigned i = first; i < first + 4; i++) {
        const struct nhs_number n = sim_number(i);
        (void)sim_ask(s, sim_query(s, 0), &n, i % 2 == 1);
    }
}

static void command_of(unsigned node, enum command_type type)
{
    const struct command c = {
        .type = type, .notification = 1, .state = NOTIFICATION_ACTIONED, .by = "officer"};
    (void)sim_command(s, node, &c);
    sim_run(s, CPIS_MS_SECOND);
}

static bool no_details(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len)
{
    (void)arg;
    (void)from;
    (void)to;
    return frame_look((struct bytes){p, len}).signed_type != SIGNED_DETAILS;
}

static void look(unsigned i)
{
    const struct nhs_number n = sim_number(i);
    (void)sim_ask(s, sim_query(s, 0), &n, false);
}

static void look_from_elsewhere(unsigned i) /* which makes a pattern */
{
    const struct nhs_number n = sim_number(i);
    const struct msg_ask_details who = {.user_name = "Test GP",
                                        .organisation_code = "RZZ96",
                                        .organisation_name = "Test Practice",
                                        .setting = "general practice",
                                        .purpose = PURPOSE_DIRECT_CARE};
    (void)sim_lookup_as(s, sim_query(s, 0), &n, &who);
    sim_run(s, 10 * CPIS_MS_SECOND);
}

static void plan(unsigned authority, unsigned i)
{
    const struct nhs_number n = sim_number(i);
    sim_add_plan(s, authority, &n, 1 + i % 3, 1);
}

/* Lists, looks at what is in one, in two and in none, with and without a notification. */
static void everyday(unsigned a0, unsigned directory)
{
    const unsigned a1 = sim_authority(s, 1);
    (void)directory;
    for (unsigned i = 0; i < 6; i++)
        plan(i < 4 ? a0 : a1, i);
    settle();
    plan(a1, 1);
    settle();
    looks(0);
    looks(10);
    look_from_elsewhere(1);
    const struct nhs_number ended = sim_number(2);
    sim_end_plan(s, a0, &ended, true);
    settle();
}

static void operators(unsigned a0, unsigned directory)
{
    command_of(a0, COMMAND_NOTIFICATION);
    command_of(a0, COMMAND_TEST);
    command_of(a0, COMMAND_CONFIRM_SHRINK);
    command_of(a0, COMMAND_CONFIRM_RESTORE);
    command_of(a0, COMMAND_UNDO_IMPORT);
    command_of(directory, COMMAND_ACCEPT_HEADS);
    sim_new_register(s, fresher, NULL);
    settle();
}

/* Copies that wait for who is away; details that come after the notification was made. */
static void late(unsigned a0, unsigned directory)
{
    (void)directory;
    sim_stop(s, a0);
    look(3);
    sim_start(s, a0);
    settle();
    sim_set_tap(s, no_details, NULL);
    look(0);
    sim_run(s, 2 * CPIS_MS_MINUTE);
    sim_set_tap(s, NULL, NULL);
    settle();
}

/* A directory that is behind; an authority that does not know what it is asked about. */
static void behind(unsigned a0, unsigned directory)
{
    struct rows *backup = disk_copy(sim_disk(s, a0), DISK_SNAPSHOT);
    sim_stop(s, directory);
    plan(a0, 20);
    sim_run(s, 10 * CPIS_MS_SECOND);
    sim_start(s, directory);
    settle();
    sim_stop(s, a0);
    sim_restore(s, a0, backup);
    rows_free(&backup);
    sim_start(s, a0);
    sim_run(s, CPIS_MS_MINUTE);
    look(20);
    plan(a0, 20);
    sim_run(s, 5 * CPIS_MS_MINUTE);
    settle();
}

static void epochs(unsigned a0, unsigned directory)
{
    (void)a0;
    (void)directory;
    sim_next_epoch(s, CPIS_MS_MINUTE, 10 * CPIS_MS_MINUTE);
    sim_run(s, 12 * CPIS_MS_MINUTE);
    settle();
    looks(0);
    sim_run(s, 2 * CPIS_MS_HOUR); /* nobody opens the notifications */
    settle();
}

static void story(void)
{
    static void (*const parts[])(unsigned, unsigned) = {everyday, late, operators, behind, epochs};
    for (part = 0; part < sizeof parts / sizeof *parts; part++)
        parts[part](sim_authority(s, 0), sim_directory(s, 2));
}

Test(memory, of_each_kind_of_step_every_piece_is_refused_once)
{
    watch_steps(each_step);
    s = sim_new(&quiet);
    story();
    cr_expect_geq(kinds, 150, "the story has become shorter: %zu", kinds);
    cr_expect_gt(tally[LOST], 2500, "only %zu", tally[LOST]);
    cr_expect_gt(tally[DONE_WHEN_ASKED_AGAIN], 300, "only %zu", tally[DONE_WHEN_ASKED_AGAIN]);
}

/* --- a start --- */

static cpis_err start_without(unsigned which, size_t nth, size_t *ret_pieces)
{
    const struct node_conf conf = {.role = sim_role(s, which),
                                   .identity = sim_identity(s, which),
                                   .quotas = &quotas,
                                   .inbox = &inbox};
    struct node *n = NULL;
    const struct view *view = fail_piece(disk_view(sim_disk(s, which)), nth);
    cpis_err err = node_new(&conf, &n);
    if (err == CPIS_OK) err = node_start(n, sim_now(s), SIM_EPOCH_START + sim_now(s), view);
    *ret_pieces = fail_piece_over();
    if (err == CPIS_OK && node_failed(n)) err = CPIS_E_NOMEM;
    node_free(&n);
    return err;
}

Test(memory, a_start_says_so_and_leaks_nothing_whichever_piece_is_refused)
{
    size_t refused = 0;
    s = sim_new(&quiet);
    story();
    for (unsigned which = 0; which < sim_nodes(s); which++) {
        const size_t live = live_allocations();
        size_t pieces = 0, asked;
        cr_expect_eq(start_without(which, NONE, &pieces), CPIS_OK);
        for (size_t nth = 0; nth < pieces; nth++) {
            cpis_err err = start_without(which, nth, &asked);
            cr_assert(err == CPIS_E_NOMEM || err == CPIS_OK, "%s, piece %zu: %s",
                      sim_name(s, which), nth, cpis_strerror(err));
            cr_assert_eq(live_allocations(), live, "%s, piece %zu: memory leaks",
                         sim_name(s, which), nth);
            refused += err != CPIS_OK;
        }
    }
    cr_expect_gt(refused, 500, "only %zu", refused);
}
