/* Nodes as processes, and the commands that are given beside them. */
#include "simulations/emulate_state.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROBE_EVERY (50 * SIM_US_MS)
#define LEAVE_MS    5000U

struct emu_node *emu_find(struct emulation *t, enum node_role role, uint32_t index)
{
    for (size_t i = 0; i < t->nodes; i++)
        if (t->node[i].role == role && t->node[i].index == index) return &t->node[i];
    return NULL;
}

int emu_file(const struct emulation *t, const char *name, int flags)
{
    const int folder = open(t->o->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int fd = folder < 0 ? -1 : openat(folder, name, flags | O_CLOEXEC, 0600);
    if (folder >= 0) (void)close(folder);
    return fd;
}

/* --- commands --- */

static struct process_conf conf_of(const struct emulation *t, const char **argv)
{
    return (struct process_conf){.path = t->o->cpis,
                                 .argv = argv,
                                 .cwd = t->o->scratch,
                                 .net = -1,
                                 .error = t->errors,
                                 .out = PROCESS_PIPE};
}

static void fill_args(const char *argv[static PROCESS_ARGS_MAX + 2], const char *const *args)
{
    size_t n = 0;
    argv[n++] = "cpis";
    while (*args != NULL && n <= PROCESS_ARGS_MAX)
        argv[n++] = *args++;
    argv[n] = NULL;
}

int emu_command(struct emulation *t, const char *input, struct process_text *ret_out,
                const char *const *args)
{
    const char *argv[PROCESS_ARGS_MAX + 2];
    fill_args(argv, args);
    const struct process_conf c = conf_of(t, argv);
    if (ftruncate(t->errors, 0) != 0 || lseek(t->errors, 0, SEEK_SET) < 0) return -1;
    return process_run(&c, input, EMU_ANSWER_MS, ret_out);
}

bool emu_do(struct emulation *t, const char *const *args)
{
    struct process_text out = {.p = NULL};
    char said[160] = "";
    const int code = emu_command(t, NULL, &out, args);
    process_text_free(&out);
    if (code == 0) return true;
    const ssize_t n = pread(t->errors, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    (void)snprintf(t->why, RUN_WHY_BYTES, "cpis %s %s: %s", args[0], args[1],
                   code == 127 && said[0] == '\0' ? "the command is not there: --cpis names it"
                                                  : said);
    return false;
}

void emu_job(struct emulation *t, const char *const *args,
             void (*done)(struct emulation *t, void *arg, int code, const char *out), void *arg)
{
    const char *argv[PROCESS_ARGS_MAX + 2];
    struct emu_job *job = sim_must(calloc(1, sizeof *job));
    fill_args(argv, args);
    const struct process_conf c = conf_of(t, argv);
    *job = (struct emu_job){.p = PROCESS_NONE, .done = done, .arg = arg, .next = t->job};
    if (process_start(&c, &job->p) != CPIS_OK) {
        free(job);
        done(t, arg, -1, "");
        return;
    }
    t->job = job;
}

void emu_job_read(struct emulation *t, struct emu_job *job)
{
    if (process_read(&job->p, &job->text)) return;
    struct emu_job **at = &t->job;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    const int code = process_end(&job->p, 0);
    job->done(t, job->arg, code, job->text.p == NULL ? "" : job->text.p);
    process_text_free(&job->text);
    free(job);
}

json_t *emu_status(struct emulation *t, const struct emu_node *n)
{
    struct process_text out = {.p = NULL};
    const char *const args[] = {"status", n->name, "--json", NULL};
    json_t *o = NULL;
    if (emu_command(t, NULL, &out, args) == 0 && out.p != NULL) o = json_loads(out.p, 0, NULL);
    process_text_free(&out);
    return o;
}

/* --- nodes --- */

bool emu_start(struct emulation *t, struct emu_node *n)
{
    const char *const argv[] = {"cpis", "run", n->name, NULL};
    char path[EMU_NAME_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s.log", n->name);
    const int log = emu_file(t, path, O_WRONLY | O_CREAT | O_APPEND);
    const struct process_conf c = {.path = t->o->cpis,
                                   .argv = argv,
                                   .cwd = t->o->scratch,
                                   .net = t->wan == NULL ? -1 : wan_network(t->wan, n->wan),
                                   .error = log};
    const cpis_err err = process_start(&c, &n->p);
    if (log >= 0) (void)close(log);
    if (err != CPIS_OK) (void)snprintf(t->why, RUN_WHY_BYTES, "%s: no process", n->name);
    return err == CPIS_OK;
}

void emu_kill(struct emulation *t, struct emu_node *n)
{
    (void)process_end(&n->p, SIGKILL);
    n->up = false;
    if (n->role == ROLE_QUERY) emu_ask_down(t, n);
}

static void probe_again(struct emulation *t, void *arg)
{
    struct emu_node *n = arg;
    if (n->p.pid != 0 && !n->up) emu_probe(t, n);
}

static void probed(struct emulation *t, void *arg, int code, const char *out)
{
    struct emu_node *n = arg;
    (void)out;
    if (n->p.pid == 0 || n->up) return;
    n->up = code == 0;
    if (!n->up) {
        emu_at(t, emu_now(t) + PROBE_EVERY, probe_again, n);
    } else if (n->role == ROLE_QUERY) {
        emu_ask_ready(t, &t->query[n->index]);
    } else if (n->role == ROLE_AUTHORITY) {
        emu_plans_go(t, &t->authority[n->index]);
    }
}

void emu_probe(struct emulation *t, struct emu_node *n)
{
    const char *const args[] = {"status", n->name, NULL};
    emu_job(t, args, probed, n);
}

void emu_hold(struct emulation *t, struct emu_node *n)
{
    if (n->held++ == 0) emu_kill(t, n);
}

void emu_release(struct emulation *t, struct emu_node *n)
{
    if (n->held == 0 || --n->held > 0) return;
    if (emu_start(t, n))
        emu_probe(t, n);
    else
        emu_breach(t, "a node could not be started again");
}

void emu_look_after(struct emulation *t)
{
    for (size_t i = 0; i < t->nodes; i++) {
        struct emu_node *n = &t->node[i];
        char what[100];
        int code = 0;
        if (!process_ended(&n->p, &code)) continue;
        n->up = false;
        n->held = 1; /* stays down */
        if (n->role == ROLE_QUERY) emu_ask_down(t, n);
        (void)snprintf(what, sizeof what, "%s ended by itself, exit code %d", n->name, code);
        emu_breach(t, what);
    }
}

void emu_stop_all(struct emulation *t)
{
    int code;
    for (size_t i = 0; i < t->nodes; i++)
        process_signal(&t->node[i].p, SIGTERM);
    for (unsigned waited = 0; waited < LEAVE_MS; waited += 20) {
        bool any = false;
        for (size_t i = 0; i < t->nodes; i++)
            any |= t->node[i].p.pid != 0 && !process_ended(&t->node[i].p, &code);
        if (!any) break;
        const struct timespec while_they_end = {.tv_nsec = 20000000};
        (void)nanosleep(&while_they_end, NULL);
    }
    for (size_t i = 0; i < t->nodes; i++)
        (void)process_end(&t->node[i].p, SIGKILL);
}
