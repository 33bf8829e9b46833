/* tests/bench/bench_lookup.c - the distribution of lookup times at a running query node, one after
 * the other, with the disk's own fsync time beside it (each lookup waits for some). Numbers from
 * standard input, one a line. */
#include "node/net/control_client.h"
#include "tests/bench/timing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS_MAX 20000U
#define SYNCS       200U

struct counts {
    unsigned flag, no_flag, other;
};

static bool count(void *arg, const json_t *more)
{
    struct counts *c = arg;
    const char *verdict = json_string_value(json_object_get(more, "verdict"));
    if (verdict != NULL && strcmp(verdict, "flag") == 0)
        c->flag++;
    else if (verdict != NULL && strcmp(verdict, "no_flag") == 0)
        c->no_flag++;
    else if (verdict != NULL)
        c->other++;
    return true;
}

static size_t time_lookups(struct control_client *client, double *ms, struct counts *c)
{
    char line[64], why[CONTROL_WHY_BYTES];
    size_t n = 0;
    while (n < NUMBERS_MAX && fgets(line, sizeof line, stdin) != NULL) {
        json_t *reply = NULL;
        line[strcspn(line, "\r\n")] = 0;
        json_t *fields = json_pack("{s:[s],s:{s:s,s:s,s:s,s:b}}", "numbers", line, "ask",
                                   "user_name", "Test BENCH", "organisation_code", "RZZ99",
                                   "organisation_name", "Test Hospital", "scheduled", 1);
        double began = timing_now_ms();
        cpis_err err = control_call(client, "lookup", fields, 10000, count, c, &reply, why);
        ms[n++] = timing_now_ms() - began;
        json_decref(fields);
        json_decref(reply);
        if (err != CPIS_OK) {
            fprintf(stderr, "lookup: %s\n", why);
            exit(EXIT_FAILURE);
        }
    }
    return n;
}

static void time_syncs(const char *dir, double *ms)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/sync", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    for (unsigned i = 0; fd >= 0 && i < SYNCS; i++) {
        double began = timing_now_ms();
        if (write(fd, path, sizeof path) < 0 || fdatasync(fd) != 0) break;
        ms[i] = timing_now_ms() - began;
    }
    if (fd >= 0) (void)close(fd);
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    static double ms[NUMBERS_MAX], sync_ms[SYNCS];
    char why[CONTROL_WHY_BYTES];
    struct control_client *client = NULL;
    struct counts c = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_lookup DIR <numbers\n");
        return 2;
    }
    if (control_connect(argv[1], &client, why) != CPIS_OK) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }
    size_t n = time_lookups(client, ms, &c);
    control_close(&client);
    time_syncs(argv[1], sync_ms);
    if (n == 0) return EXIT_FAILURE;
    timing_print("lookup", ms, n);
    timing_print("write 4 KiB and fdatasync", sync_ms, SYNCS);
    printf("verdicts: %u flag, %u no flag, %u other\n", c.flag, c.no_flag, c.other);
    return c.other == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
