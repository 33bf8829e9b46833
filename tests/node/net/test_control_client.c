/* Tests of node/net/control_client.h, as far as one call at a time goes. */
#include "node/net/control_client.h"
#include "tests/node/net/control_fixture.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <pthread.h>

static bool count_more(void *arg, const json_t *more)
{
    (void)more;
    ++*(unsigned *)arg;
    return true;
}

static void *call_in_thread(void *arg)
{
    struct control_client *c = arg;
    char why[CONTROL_WHY_BYTES];
    json_t *last = NULL, *fields = json_pack("{s:[s,s],s:{s:s}}", "numbers", "9990000018",
                                             "9990000026", "ask", "user_id", "u");
    unsigned more = 0;
    cpis_err err = control_call(c, "lookup", fields, 5000, count_more, &more, &last, why);
    json_decref(fields);
    bool good =
        err == CPIS_OK && more == 2 && json_integer_value(json_object_get(last, "count")) == 2;
    json_decref(last);
    last = NULL;
    err = control_call(c, "dance", NULL, 5000, NULL, NULL, &last, why);
    good = good && err == CPIS_E_NOTFOUND && strstr(why, "no such command: `cpis --help`") != NULL;
    json_decref(last);
    last = NULL;
    err = control_call(c, "lookup", NULL, 100, NULL, NULL, &last, why);
    good = good && err == CPIS_E_BUSY && strstr(why, "in time") != NULL && last == NULL;
    return good ? c : NULL;
}

Test(control, a_client_gets_each_reply_the_error_in_words_and_a_timeout)
{
    struct control_client *c;
    struct command command;
    pthread_t thread;
    void *good = NULL;
    cr_assert_eq(control_connect_inproc(&c), CPIS_OK);
    cr_assert_eq(pthread_create(&thread, NULL, call_in_thread, c), 0);
    ctl_serve_one();
    const struct result res = {
        .type = RESULT_VERDICT, .why = "", .verdict = {.kind = VERDICT_UNKNOWN}};
    while (control_next(ctl.control, &command))
        control_result(ctl.control, &ctl.env, command.id, &res);
    control_committed(ctl.control, true);
    ctl_serve_one();
    cr_assert_eq(pthread_join(thread, &good), 0);
    cr_assert_not_null(good);
    control_close(&c);
}

Test(control, a_client_says_at_once_that_no_node_runs)
{
    struct control_client *c = NULL;
    char why[CONTROL_WHY_BYTES], want[CONTROL_WHY_BYTES];
    cr_assert_eq(control_connect(place_dir(), &c, why), CPIS_E_NOTFOUND);
    (void)snprintf(want, sizeof want, "no node runs in %s: start it with `cpis run %s`",
                   place_dir(), place_dir());
    cr_assert_str_eq(why, want);
    char dir[120];
    memset(dir, 'd', sizeof dir);
    dir[sizeof dir - 1] = '\0';
    cr_assert_eq(control_connect(dir, &c, why), CPIS_E_LIMIT);
}
