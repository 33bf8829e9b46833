/* What this machine takes for a lookup with nothing else under way, and for one fdatasync beside
 * it: for whoever gives a simulated run the same figures. */
#include "simulations/emulate_state.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS    30000
#define SYNC_BYTES 4096U

static int rising(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static json_t *points(uint64_t *us, size_t n)
{
    static const unsigned permille[POINTS] = {0, 500, 900, 990, 1000};
    json_t *list = json_array();
    qsort(us, n, sizeof *us, rising);
    for (size_t i = 0; i < POINTS; i++)
        (void)json_array_append_new(list,
                                    json_integer((json_int_t)us[(n - 1) * permille[i] / 1000U]));
    return list;
}

/* From the number written to the line read. false: none came. */
static bool one_lookup(struct emulation *t, struct process *p, const struct nhs_number *n,
                       uint64_t *ret_us)
{
    char line[NHS_NUMBER_DIGITS + 2];
    struct process_text text = {.p = NULL};
    bool open = true;
    (void)snprintf(line, sizeof line, "%s\n", n->digits);
    const sim_us began = emu_now(t);
    if (write(p->in, line, sizeof line - 1) != (ssize_t)sizeof line - 1) return false;
    while (open && (text.len == 0 || memchr(text.p, '\n', text.len) == NULL)) {
        struct pollfd fd = {.fd = p->out, .events = POLLIN};
        open = poll(&fd, 1, WAIT_MS) == 1 && process_read(p, &text);
    }
    *ret_us = emu_now(t) - began;
    process_text_free(&text);
    return open;
}

static bool time_lookups(struct emulation *t, uint64_t *us, size_t n)
{
    const char *const argv[] = {
        "cpis",   "lookup", t->query[0].node->name, "-",           "--stream",
        "--json", "--user", "Test FIGURES",         "--scheduled", NULL};
    const struct process_conf c = {.path = t->o->cpis,
                                   .argv = argv,
                                   .cwd = t->o->scratch,
                                   .net = -1,
                                   .error = t->errors,
                                   .in = PROCESS_PIPE,
                                   .out = PROCESS_PIPE};
    struct process p = PROCESS_NONE;
    struct random_stream dice;
    bool ok = process_start(&c, &p) == CPIS_OK;
    random_init(&dice, t->o->seed, random_name(0, "figures"));
    for (size_t i = 0; i <= n && ok && !emu_is_stopped(t); i++) {
        struct nhs_number number = arrival_nobody(&dice);
        if (i % 2 == 1) number = t->child[random_below(&dice, t->children)].c.number;
        /* the first one waits for the program, too */
        ok = one_lookup(t, &p, &number, &us[i == 0 ? 0 : i - 1]);
    }
    (void)process_end(&p, SIGKILL);
    return ok && !emu_is_stopped(t);
}

static bool time_syncs(struct emulation *t, uint64_t *us, size_t n)
{
    static const char block[SYNC_BYTES] = {0};
    const int fd = emu_file(t, "sync", O_RDWR | O_CREAT | O_TRUNC);
    bool ok = fd >= 0;
    for (size_t i = 0; i < n && ok; i++) {
        const sim_us began = emu_now(t);
        ok = write(fd, block, sizeof block) == (ssize_t)sizeof block && fdatasync(fd) == 0;
        us[i] = emu_now(t) - began;
    }
    if (fd >= 0) (void)close(fd);
    return ok;
}

bool emu_figures(struct emulation *t)
{
    const size_t n = (size_t)t->o->figures;
    if (n == 0) return true;
    uint64_t *lookup = sim_must(calloc(2 * n, sizeof *lookup)), *sync = lookup + n;
    const bool ok = time_lookups(t, lookup, n) && time_syncs(t, sync, n);
    if (ok) {
        json_t *o =
            json_pack("{s:I,s:o,s:I,s:o}", "lookups", (json_int_t)n, "lookup_us", points(lookup, n),
                      "syncs", (json_int_t)n, "sync_us", points(sync, n));
        (void)json_dumpf(o, t->o->figures_to, JSON_COMPACT);
        (void)fputc('\n', t->o->figures_to);
        (void)fflush(t->o->figures_to);
        json_decref(o);
    } else if (!emu_is_stopped(t)) {
        (void)snprintf(t->why, RUN_WHY_BYTES, "the machine's figures could not be measured");
    }
    free(lookup);
    return ok;
}
