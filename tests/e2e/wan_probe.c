/* tests/e2e/wan_probe.c - what simulations/wan.h promises, seen with datagrams between two network
 * namespaces: the delay of the profile both ways, order, a one-way cut, loss, delay on top. Exit
 * code 0: all of it; 1: not; 3: no WAN can be made here (not root, or no /dev/net/tun). */
#define _GNU_SOURCE /* setns */
#include "simulations/wan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT      7001
#define ROUNDS    20U
#define ONE_WAY   20.0 /* ms */
#define LATE      15.0 /* ms that a busy machine may add to the median round trip */
#define SILENT_MS 300

struct end {
    int s;
    struct sockaddr_in at;
};

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void open_end(const struct wan *w, unsigned node, int home, struct end *ret)
{
    char address[WAN_ADDRESS_BYTES];
    wan_address(node, address);
    ret->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT)};
    bool ok = inet_pton(AF_INET, address, &ret->at.sin_addr) == 1 &&
              setns(wan_network(w, node), CLONE_NEWNET) == 0;
    ret->s = socket(AF_INET, SOCK_DGRAM, 0);
    ok = ok && ret->s >= 0 && bind(ret->s, (struct sockaddr *)&ret->at, sizeof ret->at) == 0;
    if (ok && setns(home, CLONE_NEWNET) == 0) return;
    perror("wan_probe: socket");
    exit(EXIT_FAILURE);
}

static void send_number(const struct end *from, const struct end *to, unsigned n)
{
    (void)sendto(from->s, &n, sizeof n, 0, (const struct sockaddr *)&to->at, sizeof to->at);
}

/* false: nothing came in time. */
static bool hears(const struct end *e, int ms, unsigned *ret)
{
    struct pollfd fd = {.fd = e->s, .events = POLLIN};
    return poll(&fd, 1, ms) == 1 && recv(e->s, ret, sizeof *ret, 0) == (ssize_t)sizeof *ret;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median; below 0: one was lost. */
static double round_trip(const struct end *a, const struct end *b, double *ret_least)
{
    double ms[ROUNDS];
    unsigned n;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const double began = now_ms();
        send_number(a, b, i);
        if (!hears(b, 2000, &n)) return -1;
        send_number(b, a, n);
        if (!hears(a, 2000, &n) || n != i) return -1;
        ms[i] = now_ms() - began;
    }
    qsort(ms, ROUNDS, sizeof *ms, rising);
    *ret_least = ms[0];
    return ms[ROUNDS / 2];
}

static bool check(bool ok, const char *what)
{
    printf("wan: %s: %s\n", what, ok ? "yes" : "NO");
    return ok;
}

static bool check_delay(const struct end *a, const struct end *b, double one_way, const char *what)
{
    double least = 0;
    const double median = round_trip(a, b, &least);
    printf("wan: round trip of 2 x %.0f ms: least %.2f ms, median %.2f ms\n", one_way, least,
           median);
    return check(least >= 2 * one_way && median <= 2 * one_way + LATE, what);
}

static bool check_order(const struct end *a, const struct end *b)
{
    unsigned n = 0, i = 0;
    for (unsigned k = 0; k < ROUNDS; k++)
        send_number(a, b, k);
    while (i < ROUNDS && hears(b, 1000, &n) && n == i)
        i++;
    return check(i == ROUNDS, "none overtakes another");
}

static bool check_trouble(struct wan *w, const struct end *a, const struct end *b)
{
    unsigned n;
    wan_set(w, 0, 1, &(struct wan_trouble){.cut = true});
    (void)hears(a, SILENT_MS, &n); /* the order has gone its way */
    send_number(a, b, 1);
    bool ok = check(!hears(b, SILENT_MS, &n), "nothing passes where it is cut");
    send_number(b, a, 2);
    ok &= check(hears(a, 1000, &n) && n == 2, "the way back stays open");
    wan_set(w, 0, 1, &(struct wan_trouble){.loss_permille = 1000});
    (void)hears(a, SILENT_MS, &n);
    send_number(a, b, 3);
    ok &= check(!hears(b, SILENT_MS, &n), "all is lost at 1000 permille");
    wan_set(w, 0, 1, &(struct wan_trouble){.twice_permille = 1000});
    (void)hears(a, SILENT_MS, &n);
    send_number(a, b, 4);
    ok &= check(hears(b, 1000, &n) && n == 4 && hears(b, 1000, &n) && n == 4, "each comes twice");
    wan_set(w, 0, 1, &(struct wan_trouble){.cut = false});
    (void)hears(a, SILENT_MS, &n);
    return ok;
}

int main(void)
{
    static struct scenario sc;
    static struct scenario_mistakes mistakes;
    static const char text[] =
        "topology = { authorities = 1; directories = 1; threshold = 1; queries = 1; };"
        "links = ( { name = \"slow\"; delay_min_us = 20000; delay_median_us = 20000;"
        " delay_p90_us = 20000; delay_p99_us = 20000; delay_max_us = 20000; },"
        " { name = \"ragged\"; delay_min_us = 1000; delay_median_us = 10000;"
        " delay_p90_us = 30000; delay_p99_us = 50000; delay_max_us = 50000; } );"
        "network = { directory_directory = \"slow\"; authority_directory = \"slow\";"
        " query_directory = \"ragged\"; };";
    char why[WAN_WHY_BYTES] = "";
    struct wan *w = NULL;
    struct end a, b, c;
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (scenario_parse(text, "probe", &sc, &mistakes) != CPIS_OK) {
        fputs(mistakes.text, stderr);
        return EXIT_FAILURE;
    }
    if (wan_new(&sc, 1, 3, why, &w) != CPIS_OK) {
        printf("wan: skipped: %s\n", why);
        return 3;
    }
    open_end(w, 0, home, &a);
    open_end(w, 1, home, &b);
    open_end(w, 2, home, &c);
    bool ok = check_delay(&a, &b, 0, "no delay before the run begins");
    wan_begin(w);
    unsigned n;
    (void)hears(&a, SILENT_MS, &n);
    ok &= check_delay(&a, &b, ONE_WAY, "the profile's delay, both ways");
    ok &= check_order(&a, &c);
    ok &= check_trouble(w, &a, &b);
    ok &= check_delay(&a, &b, ONE_WAY, "healed: as before");
    wan_free(&w);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
