/* `cpis notifications export` against a control socket and a store, without a node: what the store
 * holds is what has come. */
#include "node/net/folder.h"
#include "tests/node/net/place.h"
#include "tests/node/net/served.h"

#include <criterion/criterion.h>
#include <czmq.h>
#include <jansson.h>
#include <sys/wait.h>

static struct served served;
static struct folder_lock lock;
static char output[4096], after[64];

static void begin(void)
{
    char path[FOLDER_PATH_BYTES];
    pid_t holder;
    served_begin(ROLE_AUTHORITY, &served);
    cr_assert_eq(folder_path(place_dir(), FOLDER_CONF, sizeof path, path), CPIS_OK);
    FILE *f = fopen(path, "w"); /* that it is a node's folder */
    cr_assert(f != NULL && fclose(f) == 0);
    cr_assert_eq(folder_lock(place_dir(), &lock, &holder), CPIS_OK);
    (void)snprintf(after, sizeof after, "0");
}
static void end(void)
{
    folder_unlock(&lock);
    served_end(&served);
}
TestSuite(export, .init = begin, .fini = end, .timeout = 60);

/* completion: 0 and not complete, or what an authority has given it. */
static void put(uint64_t id, bool complete, uint64_t completion)
{
    const struct row_notification n = {.id = id,
                                       .kind = NOTIFICATION_ACCESS,
                                       .nhs_number = "9990000018",
                                       .at = 1795400000000,
                                       .received = 1795400001000,
                                       .asker_code = "RTST",
                                       .complete = complete,
                                       .completion = completion,
                                       .state = NOTIFICATION_NEW,
                                       .state_since = 1795400001000,
                                       .details = {.nhs_number = "9990000018"}};
    struct arena a = arena_make(65536);
    struct bytes b;
    const uint8_t key[8] = {[6] = (uint8_t)(id >> 8), [7] = (uint8_t)id};
    cr_assert_eq(row_notification_encode(&n, &a, &b), CPIS_OK);
    store_put(served.store, TABLE_NOTIFICATION, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(served.store), CPIS_OK);
    arena_free(&a);
}

/* Runs the command while its requests are answered: its exit code. `changed`: called between the
 * first answer and the second. */
static int export(const char *options, void (*changed)(void))
{
    char line[512];
    const char *bin = getenv("CPIS_BIN");
    (void)snprintf(line, sizeof line,
                   "%s notifications export %s --format json --out %s/out --after %s --json %s "
                   "2>&1; echo $?",
                   bin == NULL ? "build/release/cpis" : bin, place_dir(), place_dir(), after,
                   options);
    FILE *p = popen(line, "r"); // NOLINT: a test's own words
    cr_assert(p != NULL);
    struct inlet *inlet = control_inlet(served.control);
    struct pollfd said = {.fd = fileno(p), .events = POLLIN};
    size_t len = 0, n = 1;
    for (unsigned answers = 0; n > 0;) {
        inlets_wait(&inlet, 1, &said, 1, 20000);
        while (control_read(served.control, &served.env))
            if (++answers == 1 && changed != NULL) changed();
        if (said.revents == 0) continue;
        n = fread(output + len, 1, 1, p);
        len += n;
        cr_assert_lt(len, sizeof output - 1);
    }
    output[len] = '\0';
    (void)pclose(p);
    const char *last = len < 2 ? output : output + len - 2;
    return atoi(last);
}

/* The ids of the file, with a "+" where it says that the details are there; and goes on after it.
 */
static const char *exported(const char *options)
{
    static char ids[4096];
    char path[128], line[4096];
    size_t len = 0;
    cr_assert_eq(export(options, NULL), 0, "%s", output);
    json_t *o = json_loads(output, JSON_DISABLE_EOF_CHECK, NULL);
    cr_assert(o != NULL, "%s", output);
    (void)snprintf(after, sizeof after, "%s", json_string_value(json_object_get(o, "after")));
    json_decref(o);
    (void)snprintf(path, sizeof path, "%s/out", place_dir());
    FILE *f = fopen(path, "r");
    ids[0] = '\0';
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        o = json_loads(line, 0, NULL);
        len += (size_t)snprintf(ids + len, sizeof ids - len, "%s%lld%s", len > 0 ? " " : "",
                                (long long)json_integer_value(json_object_get(o, "id")),
                                json_is_true(json_object_get(o, "complete")) ? "+" : "");
        json_decref(o);
    }
    if (f != NULL) (void)fclose(f);
    return ids;
}

Test(export, one_whose_details_came_later_comes_again_with_them_once)
{
    put(1, true, 0);
    put(2, false, 0);
    put(3, false, 0);
    cr_expect_str_eq(exported(""), "1+ 2 3");
    cr_expect_str_eq(after, "3");
    put(3, true, 1);
    put(4, true, 0);
    cr_expect_str_eq(exported(""), "3+ 4+");
    cr_expect_str_eq(after, "4.1");
    cr_expect_str_eq(exported(""), "");
    put(2, true, 2);
    cr_expect_str_eq(exported(""), "2+");
    cr_expect_str_eq(after, "4.2");
    put(5, true, 3);
    cr_expect_str_eq(exported(""), "5+", "completed before it was ever told: once");
    cr_expect_str_eq(exported(""), "");
}

Test(export, in_parts_none_is_lost_and_none_comes_twice)
{
    for (uint64_t id = 1; id <= 4; id++)
        put(id, false, 0);
    cr_expect_str_eq(exported("--limit 3"), "1 2 3");
    put(2, true, 1);
    put(4, true, 2);
    put(1, true, 3);
    put(5, true, 0);
    cr_expect_str_eq(exported("--limit 1"), "2+");
    cr_expect_str_eq(exported("--limit 1"), "1+");
    cr_expect_str_eq(exported("--limit 1"), "4+");
    cr_expect_str_eq(exported("--limit 1"), "5+");
    cr_expect_str_eq(exported("--limit 1"), "");
    put(3, true, 4);
    cr_expect_str_eq(exported("--since 2026-11-24"), "", "received on the day before");
}

static void change(void)
{
    put(2, true, 1); /* completed after the newest completion was asked for */
    put(3, true, 0);
}

Test(export, what_changes_meanwhile_comes_the_next_time_whole)
{
    put(1, true, 0);
    put(2, false, 0);
    cr_assert_eq(export("", change), 0, "%s", output);
    cr_expect(strstr(output, "\"written\":2") != NULL && strstr(output, "\"after\":\"3\"") != NULL,
              "%s", output); /* 1 and 3 */
    (void)snprintf(after, sizeof after, "3");
    cr_expect_str_eq(exported(""), "2+");
}

Test(export, a_place_that_was_never_given_is_refused)
{
    put(1, false, 0);
    static const char *const wrong[] = {"1.", ".1", "1.1.1", "x", "-1", "1,1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        (void)snprintf(after, sizeof after, "%s", wrong[i]);
        cr_expect_eq(export("", NULL), 2, "%s", wrong[i]);
    }
    static const char *const others[] = {"2", "1.1", "0.7"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        (void)snprintf(after, sizeof after, "%s", others[i]);
        cr_expect_eq(export("", NULL), 1, "%s", others[i]);
        cr_expect(strstr(output, "numbers again") != NULL, "%s", output);
    }
}
