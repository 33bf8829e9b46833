#include "simulations/process.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct process_text out;
static void wipe(void) { process_text_free(&out); }
TestSuite(process, .fini = wipe);

static struct process_conf shell(const char **argv, const char *line)
{
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = line;
    argv[3] = NULL;
    return (struct process_conf){
        .path = "/bin/sh", .argv = argv, .cwd = "/", .net = -1, .error = -1};
}

static int run(const char *line, const char *input, unsigned ms)
{
    const char *argv[4];
    const struct process_conf c = shell(argv, line);
    return process_run(&c, input, ms, &out);
}

Test(process, all_that_it_writes_is_read_and_its_exit_code)
{
    cr_expect_eq(run("printf 'a line\\n'; exit 7", NULL, 10000), 7);
    cr_expect_str_eq(out.p, "a line\n");
}

Test(process, what_it_is_given_comes_back_whole_though_longer_than_a_pipe)
{
    static char text[300001];
    memset(text, 'x', sizeof text - 1);
    cr_expect_eq(run("cat >/dev/null; printf read", text, 10000), 0);
    cr_expect_str_eq(out.p, "read");
    process_text_free(&out);
    cr_expect_eq(
        run("i=0; while [ $i -lt 30000 ]; do echo 123456789; i=$((i+1)); done", NULL, 60000), 0);
    cr_expect_eq(out.len, 300000);
    cr_expect_eq(memcmp(out.p + out.len - 10, "123456789\n", 10), 0);
}

Test(process, one_that_does_not_end_is_killed)
{
    cr_expect_eq(run("echo begun; exec sleep 1000", NULL, 300), 128 + SIGKILL);
    cr_expect_str_eq(out.p, "begun\n");
}

Test(process, a_program_that_is_not_there_is_127)
{
    const char *argv[] = {"nothing", NULL};
    const struct process_conf c = {
        .path = "/nowhere/nothing", .argv = argv, .cwd = "/", .net = -1, .error = -1};
    cr_expect_eq(process_run(&c, NULL, 10000, &out), 127);
}

Test(process, its_environment_is_ours_alone)
{
    cr_assert_eq(setenv("CPIS_DIR", "/a/secret/place", 1), 0);
    cr_expect_eq(run("env", NULL, 10000), 0);
    cr_expect_null(strstr(out.p, "CPIS_DIR"));
    cr_expect_not_null(strstr(out.p, "LC_ALL=C.UTF-8"));
}

Test(process, a_line_in_an_answer_out_while_it_runs)
{
    const char *argv[4];
    struct process_conf c = shell(argv, "while read -r l; do echo \"got $l\"; done");
    struct process p = PROCESS_NONE;
    int code = 0;
    c.in = c.out = PROCESS_PIPE;
    cr_assert_eq(process_start(&c, &p), CPIS_OK);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(write(p.in, "x\n", 2), 2);
        while (out.len < 6 * (i + 1)) {
            struct pollfd fd = {.fd = p.out, .events = POLLIN};
            cr_assert_eq(poll(&fd, 1, 10000), 1);
            cr_assert(process_read(&p, &out));
        }
    }
    cr_expect_str_eq(out.p, "got x\ngot x\n");
    cr_expect_not(process_ended(&p, &code));
    cr_expect_eq(process_end(&p, SIGTERM), 128 + SIGTERM);
    cr_expect_eq(p.pid, 0);
}
