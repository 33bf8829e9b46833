/* Many calls to a node at once, and what becomes of them when it is silent, killed or replaced: the
 * node is a process of its own that answers as it is told to. */
#include "node/net/control_link.h"
#include "node/net/folder.h"
#include "node/net/json_memory.h"
#include "tests/fail_malloc.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <czmq.h>
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>

#define HELD_MAX 400U

/* --- a node --- */

struct held {
    zframe_t *from;
    long long id;
};

static void answer(zsock_t *s, zframe_t *from, long long id, const char *rest)
{
    char text[128];
    (void)snprintf(text, sizeof text, "{\"id\":%lld,%s}", id, rest);
    (void)zframe_send(&from, s, ZFRAME_MORE | ZFRAME_REUSE);
    (void)zstr_send(s, text);
}

/* lookup: held until `release`; then all held ones are answered with how many they were. */
static void serve(zsock_t *s)
{
    static struct held held[HELD_MAX];
    size_t n = 0;
    for (;;) {
        zframe_t *from = zframe_recv(s);
        char *text = zstr_recv(s);
        json_t *o = json_loads(text == NULL ? "" : text, 0, NULL);
        const char *command = json_string_value(json_object_get(o, "command"));
        const long long id = json_integer_value(json_object_get(o, "id"));
        char rest[64];
        (void)snprintf(rest, sizeof rest, "\"done\":true,\"n\":%zu", n);
        if (command == NULL || strcmp(command, "die") == 0) _exit(0);
        if (strcmp(command, "lookup") == 0) {
            if (n < HELD_MAX) held[n++] = (struct held){zframe_dup(from), id};
        } else if (strcmp(command, "release") == 0) {
            for (size_t i = 0; i < n; i++) {
                answer(s, held[i].from, held[i].id, rest);
                zframe_destroy(&held[i].from);
            }
            n = 0;
            answer(s, from, id, rest);
        } else if (strcmp(command, "parts") == 0) {
            answer(s, from, id, "\"part\":1");
            answer(s, from, id, "\"part\":2");
            answer(s, from, id, "\"done\":true");
        } else if (strcmp(command, "garbage") == 0) {
            (void)zframe_send(&from, s, ZFRAME_MORE | ZFRAME_REUSE);
            (void)zstr_send(s, "{\"id\":");
        } else if (strcmp(command, "refused") == 0) {
            answer(s, from, 0, "\"done\":true,\"error\":{\"code\":\"CPIS_E_NOMEM\"}");
        } else if (strcmp(command, "wrong") == 0) {
            answer(
                s, from, id,
                "\"done\":true,\"error\":{\"code\":\"CPIS_E_INVAL\",\"text\":\"no such thing\"}");
        } else if (strcmp(command, "silent") != 0) {
            answer(s, from, id, rest);
        }
        json_decref(o);
        zstr_free(&text);
        zframe_destroy(&from);
    }
}

static pid_t node;
static void start_node(void)
{
    int ready[2];
    char byte;
    cr_assert_eq(pipe(ready), 0);
    node = fork();
    cr_assert_geq(node, 0);
    if (node == 0) {
        struct folder_lock lock;
        pid_t holder;
        char path[FOLDER_SOCKET_BYTES], endpoint[FOLDER_SOCKET_BYTES + 8];
        if (folder_lock(place_dir(), &lock, &holder) != CPIS_OK) _exit(1);
        if (folder_socket(place_dir(), path) != CPIS_OK) _exit(1);
        (void)snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
        zsock_t *s = zsock_new(ZMQ_ROUTER);
        zsock_set_rcvhwm(s, 0);
        zsock_set_sndhwm(s, 0);
        if (zsock_bind(s, "%s", endpoint) != 0 || write(ready[1], "r", 1) != 1) _exit(1);
        serve(s);
    }
    (void)close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
}
static void kill_node(void)
{
    int status;
    if (node <= 0) return;
    (void)kill(node, SIGKILL);
    cr_assert_eq(waitpid(node, &status, 0), node);
    node = 0;
}

/* --- calls --- */

static struct control_link *link_;
static cpis_ms now = 1000;
static size_t good, parts;
static size_t failed[64]; /* by error */
static char last_why[512];
static json_int_t last_n;

static bool on_more(void *arg, const json_t *more)
{
    (void)arg;
    cr_assert_eq(json_integer_value(json_object_get(more, "part")), (json_int_t)++parts);
    return true;
}
static bool count_part(void *arg, const json_t *more)
{
    if (json_is_integer(json_object_get(more, "part"))) ++*(size_t *)arg;
    return true;
}
static void on_done(void *arg, cpis_err err, json_t *reply, const char *why)
{
    (void)arg;
    if (err == CPIS_OK)
        good++;
    else
        failed[(unsigned)err % 64]++;
    if (err == CPIS_OK) last_n = json_integer_value(json_object_get(reply, "n"));
    (void)snprintf(last_why, sizeof last_why, "%s", why);
    json_decref(reply);
}
static size_t failed_by(cpis_err err) { return failed[(unsigned)err % 64]; }

static void call_within(const char *command, cpis_ms within)
{
    const struct control_call c = {
        .command = command, .within = within, .more = on_more, .done = on_done};
    control_link_call(link_, &c, now);
}
static void call(const char *command) { call_within(command, CPIS_MS_MINUTE); }

/* Real time waits for the other process; the link's time is the test's. */
static void turn(void)
{
    control_link_wait(link_, NULL, 0, 5);
    control_link_turn(link_, now);
}
static void turn_until(const size_t *what, size_t is)
{
    for (unsigned i = 0; *what != is && i < 2000; i++)
        turn();
    cr_assert_eq(*what, is);
}

static void setup(void)
{
    place_make();
    cr_assert_eq(folder_make(place_dir()), CPIS_OK);
    json_memory_use();
    start_node();
    control_leave_signals();
    cr_assert_eq(control_link_new(place_dir(), 100, &link_), CPIS_OK);
}
static void teardown(void)
{
    control_link_free(&link_);
    kill_node();
    place_remove();
}
TestSuite(control_link, .init = setup, .fini = teardown);

Test(control_link, a_call_is_answered_in_parts_and_what_the_node_refuses_is_told)
{
    call("parts");
    cr_assert_eq(good, 0); /* never from within */
    turn_until(&good, 1);
    cr_assert_eq(parts, 2);
    call("wrong");
    turn_until(&failed[(unsigned)CPIS_E_INVAL % 64], 1);
    cr_assert_not_null(strstr(last_why, "no such thing"), "%s", last_why);
    cr_assert_eq(control_link_count(link_), 0);
}

Test(control_link, lookups_that_wait_keep_neither_others_nor_later_lookups_out)
{
    for (unsigned i = 0; i < 300; i++)
        call("lookup");
    call("status");
    turn_until(&good, 1);
    cr_assert(last_n <= 160, "%lld lookups are with the node", (long long)last_n);
    size_t releases = 0;
    while (good < 300 + 1 + releases && releases < 50) {
        call("release");
        releases++;
        for (size_t before = good; good == before;)
            turn();
        for (unsigned i = 0; i < 20; i++)
            turn();
    }
    cr_assert_eq(good, 301 + releases);
    cr_assert_geq(releases, 2, "the node never held all of them at once");
    cr_assert_eq(control_link_count(link_), 0);
}

Test(control_link, what_is_not_answered_in_time_ends_and_its_late_answer_is_nobody_s)
{
    call_within("lookup", 500);
    turn();
    now += 499;
    turn();
    cr_assert_eq(failed_by(CPIS_E_BUSY), 0);
    cr_assert_leq(control_link_deadline(link_), now + 1);
    now += 1;
    turn();
    cr_assert_eq(failed_by(CPIS_E_BUSY), 1);
    call("release");
    turn_until(&good, 1); /* the release's own */
    cr_assert_eq(last_n, 1);
    cr_assert_eq(control_link_count(link_), 0);
}

Test(control_link, a_node_that_dies_ends_its_calls_and_the_next_one_is_found)
{
    call("lookup");
    call("silent");
    turn();
    kill_node();
    now += 250;
    turn_until(&failed[(unsigned)CPIS_E_IO % 64], 2);
    cr_assert_not_null(strstr(last_why, "not known"));
    call("status");
    turn();
    cr_assert_eq(failed_by(CPIS_E_NOTFOUND), 1);
    cr_assert_not_null(strstr(last_why, "cpis run"));
    start_node();
    call("status");
    turn_until(&good, 1);
}

/* Replaced between two looks at its lock: what the first one had is not waited for. */
Test(control_link, a_node_that_was_replaced_unseen_has_none_of_the_calls_of_the_one_before)
{
    call("lookup");
    turn();
    kill_node();
    start_node();
    now += 250;
    turn_until(&failed[(unsigned)CPIS_E_IO % 64], 1);
    call("status");
    turn_until(&good, 1);
    cr_assert_eq(last_n, 0);
}

Test(control_link, more_calls_than_may_wait_are_refused_and_all_end_with_the_link)
{
    const size_t all = 160 + CONTROL_LINK_WAITING_MAX + 7;
    for (size_t i = 0; i < all; i++)
        call("lookup");
    turn();
    cr_assert_eq(failed_by(CPIS_E_LIMIT), 7);
    control_link_free(&link_);
    cr_assert_eq(failed_by(CPIS_E_IO), all - 7);
}

/* --- what is lost --- */

static size_t ended(void)
{
    size_t n = good;
    for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
        n += failed[i];
    return n;
}

Test(control_link, a_call_of_which_a_part_was_lost_for_want_of_memory_is_no_good_one)
{
    size_t whole = 0, lost = 0;
    for (int n = 0; n < 60; n++) {
        size_t got = 0;
        const size_t before = ended(), good_before = good;
        const struct control_call c = {.command = "parts",
                                       .within = CPIS_MS_MINUTE,
                                       .more = count_part,
                                       .done = on_done,
                                       .arg = &got};
        control_link_call(link_, &c, now);
        fail_malloc_at(n);
        for (unsigned i = 0; ended() == before && i < 400; i++)
            turn();
        fail_malloc_at(-1);
        cr_assert_eq(ended(), before + 1, "allocation %d: nothing was told", n);
        if (good > good_before)
            whole++;
        else
            lost++;
        cr_assert(good == good_before || got == 2, "allocation %d: %zu parts of 2", n, got);
    }
    cr_assert_eq(failed_by(CPIS_E_NOMEM), lost);
    cr_assert_gt(lost, 20);
    cr_assert_gt(whole, 0);
    cr_assert_eq(control_link_count(link_), 0);
}

Test(control_link, a_reply_that_names_no_call_ends_all_that_are_with_the_node)
{
    call("lookup");
    call("silent");
    call("garbage");
    turn_until(&failed[(unsigned)CPIS_E_MALFORMED % 64], 3);
    cr_assert_not_null(strstr(last_why, "another version"), "%s", last_why);
    call("silent");
    call("refused");
    turn_until(&failed[(unsigned)CPIS_E_NOMEM % 64], 2);
    cr_assert_not_null(strstr(last_why, "may have done"), "%s", last_why);
    call("status");
    turn_until(&good, 1);
}

Test(control_link, a_call_for_which_there_is_no_memory_is_told_so_and_never_from_within)
{
    size_t lost = 0;
    call("status");
    turn_until(&good, 1); /* the socket is there: it is czmq's, which ends the program */
    for (int n = 0; n < 30; n++) {
        const size_t before = ended(), no_memory = failed_by(CPIS_E_NOMEM);
        fail_malloc_at(n);
        call("status");
        fail_malloc_at(-1);
        cr_assert_eq(ended(), before, "from within");
        cr_assert_eq(control_link_count(link_), 1);
        for (unsigned i = 0; ended() == before && i < 400; i++)
            turn();
        cr_assert_eq(ended(), before + 1, "allocation %d: nothing was told", n);
        lost += failed_by(CPIS_E_NOMEM) - no_memory;
    }
    cr_assert_gt(lost, 5);
    cr_assert_lt(lost, 30);
    fail_malloc_at(0);
    call("status");
    fail_malloc_at(-1);
    cr_assert_eq(control_link_deadline(link_), 0);
    control_link_free(&link_);
    cr_assert_eq(failed_by(CPIS_E_NOMEM), lost + 1);
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
static size_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

Test(control_link, what_was_asked_is_not_kept_until_the_answer)
{
    enum { LARGE = 1 << 20 };
    char *large = malloc(LARGE);
    cr_assert_not_null(large);
    memset(large, 'x', LARGE);
    call("status");
    turn_until(&good, 1);
    const size_t before = heap_bytes();
    const struct control_call c = {.command = "silent",
                                   .fields = json_pack("{s:s#}", "text", large, LARGE),
                                   .within = CPIS_MS_MINUTE,
                                   .done = on_done};
    control_link_call(link_, &c, now);
    for (unsigned i = 0; heap_bytes() > before + LARGE / 2 && i < 400; i++)
        turn(); /* libzmq's own copy */
    cr_assert_leq(heap_bytes(), before + LARGE / 2);
    cr_assert_eq(control_link_count(link_), 1);
    free(large);
}

/* --- and by one call at a time --- */

Test(control_link, a_client_that_could_not_read_a_part_has_no_answer)
{
    struct control_client *client;
    char why[CONTROL_WHY_BYTES];
    size_t whole = 0;
    cr_assert_eq(control_connect(place_dir(), &client, why), CPIS_OK);
    for (int n = 0; n < 60; n++) {
        size_t got = 0;
        json_t *reply = NULL;
        fail_malloc_at(n);
        const cpis_err err =
            control_call(client, "parts", NULL, 5000, count_part, &got, &reply, why);
        fail_malloc_at(-1);
        if (err == CPIS_OK) whole++;
        cr_assert(err == CPIS_OK ? got == 2 : err == CPIS_E_NOMEM, "allocation %d: %s", n, why);
        json_decref(reply);
    }
    cr_assert_gt(whole, 0);
    cr_assert_lt(whole, 40);
    control_close(&client);
}
