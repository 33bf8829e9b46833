#define _GNU_SOURCE /* unshare, setns */
#include "simulations/wan.h"

#include "simulations/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PACKET_BYTES 2048U /* a TUN device's packets are of 1,500 */
#define IP_HEADER    20U
#define IP_TO        16U /* where an IPv4 header has its destination */
#define FIRST_HOST   ((10U << 24) | (66U << 16) | 1U)
#define NETMASK      0xffff0000U
#define READ_AT_ONCE 64U
#define IDLE_US      SIM_US_SECOND

struct wan {
    size_t nodes;
    int *net, *tun;
    int orders; /* to the carrier */
    pid_t carrier;
};
struct order {
    bool begin; /* else `trouble` of a pair */
    uint32_t from, to;
    struct wan_trouble trouble;
};

void wan_address(unsigned node, char ret[static WAN_ADDRESS_BYTES])
{
    const uint32_t a = FIRST_HOST + node;
    (void)snprintf(ret, WAN_ADDRESS_BYTES, "%u.%u.%u.%u", a >> 24, a >> 16 & 255U, a >> 8 & 255U,
                   a & 255U);
}
int wan_network(const struct wan *w, unsigned node) { return w->net[node]; }

/* --- the carrier: a process of its own --- */

struct packet {
    size_t len;
    uint8_t b[PACKET_BYTES];
};
struct pair {
    struct random_stream dice;
    sim_us last; /* when the last one leaves */
    struct wan_trouble trouble;
};
struct carrier {
    const struct scenario *sc;
    const struct wan *w;
    struct kernel *k; /* of packets under way: node is the receiver */
    struct pair *pair;
    uint64_t began_us;
    bool begun;
};

static uint64_t monotonic_us(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000U + (uint64_t)at.tv_nsec / 1000U;
}

static enum node_role role_of(const struct scenario *sc, uint32_t node)
{
    if (node < sc->topology.directories) return ROLE_DIRECTORY;
    return node < sc->topology.directories + sc->topology.authorities ? ROLE_AUTHORITY : ROLE_QUERY;
}

/* As run.c lays it: who is not a directory speaks with directories only. */
static const struct scenario_link *link_of(const struct scenario *sc, uint32_t a, uint32_t b)
{
    const enum node_role x = role_of(sc, a), y = role_of(sc, b);
    if (x == ROLE_DIRECTORY && y == ROLE_DIRECTORY)
        return &sc->link[sc->pair[PAIR_DIRECTORY_DIRECTORY]];
    return &sc->link[sc->pair[x == ROLE_AUTHORITY || y == ROLE_AUTHORITY ? PAIR_AUTHORITY_DIRECTORY
                                                                         : PAIR_QUERY_DIRECTORY]];
}

static unsigned larger(uint64_t a, unsigned b) { return a > b ? (unsigned)a : b; }

static void put_off(struct carrier *c, uint32_t to, sim_us at, const struct packet *p)
{
    struct packet *copy = sim_must(malloc(offsetof(struct packet, b) + p->len));
    copy->len = p->len;
    memcpy(copy->b, p->b, p->len);
    const sim_us now = kernel_now(c->k);
    kernel_add(c->k, &(struct kernel_event){.at = at > now ? at : now, .p = copy, .node = to});
}

/* A die is rolled for all of it, whatever comes of it: another cut shifts nothing. */
static void carry(struct carrier *c, uint32_t from, uint32_t to, const struct packet *p)
{
    struct pair *pair = &c->pair[from * c->w->nodes + to];
    const struct scenario_link *l = link_of(c->sc, from, to);
    const uint64_t dice = random_u64(&pair->dice);
    const bool lost =
        random_chance(&pair->dice, larger(l->loss_permille, pair->trouble.loss_permille));
    const bool twice =
        random_chance(&pair->dice, larger(l->twice_permille, pair->trouble.twice_permille));
    sim_us at = monotonic_us() - c->began_us;
    if (c->begun && (lost || pair->trouble.cut)) return;
    if (c->begun) at += distribution_us(&l->delay, (uint32_t)(dice >> 32)) + pair->trouble.delay_us;
    if (!l->reorders && at < pair->last) at = pair->last;
    pair->last = at;
    put_off(c, to, at, p);
    if (c->begun && twice) put_off(c, to, at, p);
}

static bool destination(const struct carrier *c, const struct packet *p, uint32_t *ret)
{
    uint32_t a;
    if (p->len < IP_HEADER || p->b[0] >> 4 != 4) return false; /* IPv6 looks for neighbours */
    memcpy(&a, p->b + IP_TO, sizeof a);
    a = ntohl(a);
    if (a < FIRST_HOST || a - FIRST_HOST >= c->w->nodes) return false;
    *ret = a - FIRST_HOST;
    return true;
}

static void read_packets(struct carrier *c, uint32_t from)
{
    struct packet p;
    uint32_t to;
    for (unsigned i = 0; i < READ_AT_ONCE; i++) {
        const ssize_t n = read(c->w->tun[from], p.b, sizeof p.b);
        if (n <= 0) return;
        p.len = (size_t)n;
        if (destination(c, &p, &to) && to != from) carry(c, from, to, &p);
    }
}

/* false: the owner is gone. */
static bool read_orders(struct carrier *c, int fd)
{
    struct order o;
    const ssize_t n = read(fd, &o, sizeof o); /* below PIPE_BUF: whole */
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n != sizeof o) return false;
    if (o.begin)
        c->begun = true;
    else
        c->pair[o.from * c->w->nodes + o.to].trouble = o.trouble;
    return true;
}

static void deliver(struct carrier *c)
{
    struct kernel_event e;
    while (kernel_take(c->k, monotonic_us() - c->began_us, &e)) {
        const struct packet *p = e.p;
        /* a full or absent device loses it, as a network does */
        const ssize_t n = write(c->w->tun[e.node], p->b, p->len);
        (void)n;
        free(e.p);
    }
}

static void wait_and_read(struct carrier *c, int poller, int orders, bool *open)
{
    struct epoll_event events[64];
    const sim_us next = kernel_due(c->k), now = monotonic_us() - c->began_us;
    const sim_us wait = next == SIM_US_NEVER ? IDLE_US : next <= now ? 0 : next - now;
    const struct timespec at_most = {.tv_sec = (time_t)(wait / SIM_US_SECOND),
                                     .tv_nsec = (long)(wait % SIM_US_SECOND * 1000U)};
    /* not epoll_wait: profiles of a LAN are finer than its milliseconds */
    const int n = epoll_pwait2(poller, events, 64, &at_most, NULL);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 == UINT32_MAX)
            *open = read_orders(c, orders);
        else
            read_packets(c, events[i].data.u32);
    }
}

static int watch_all(const struct wan *w, int orders)
{
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data = {.u32 = UINT32_MAX}};
    bool ok = poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, orders, &e) == 0;
    for (uint32_t i = 0; i < w->nodes && ok; i++) {
        e.data.u32 = i;
        ok = epoll_ctl(poller, EPOLL_CTL_ADD, w->tun[i], &e) == 0;
    }
    return ok ? poller : -1;
}

static void carry_on(const struct scenario *sc, uint64_t seed, const struct wan *w, int orders)
{
    struct carrier c = {.sc = sc, .w = w, .k = kernel_new(), .began_us = monotonic_us()};
    c.pair = sim_must(calloc(w->nodes * w->nodes, sizeof *c.pair));
    for (uint32_t a = 0; a < w->nodes; a++) {
        (void)kernel_add_node(c.k);
        for (uint32_t b = 0; b < w->nodes; b++) {
            char name[32];
            (void)snprintf(name, sizeof name, "wan %u %u", a, b);
            random_init(&c.pair[a * w->nodes + b].dice, seed, random_name(0, name));
        }
    }
    const int poller = watch_all(w, orders);
    for (bool open = poller >= 0; open;) {
        wait_and_read(&c, poller, orders, &open);
        deliver(&c);
    }
    _exit(0); /* the kernel takes the memory back */
}

/* --- namespaces and devices --- */

static bool set_up(int s, const char *device)
{
    struct ifreq r = {.ifr_flags = 0};
    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    if (ioctl(s, SIOCGIFFLAGS, &r) != 0) return false;
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP | IFF_RUNNING);
    return ioctl(s, SIOCSIFFLAGS, &r) == 0;
}

static bool set_address(int s, const char *device, unsigned long what, uint32_t address)
{
    struct ifreq r = {.ifr_flags = 0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(address)}};
    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    memcpy(&r.ifr_addr, &at, sizeof at);
    return ioctl(s, what, &r) == 0;
}

/* In a namespace that was just made: its device. -1: errno says why. */
static int make_device(unsigned node)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    const int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "wan0");
    const bool ok = tun >= 0 && s >= 0 && ioctl(tun, TUNSETIFF, &r) == 0 &&
                    set_address(s, "wan0", SIOCSIFADDR, FIRST_HOST + node) &&
                    set_address(s, "wan0", SIOCSIFNETMASK, NETMASK) && set_up(s, "wan0") &&
                    set_up(s, "lo");
    const int why = errno;
    if (s >= 0) (void)close(s);
    if (!ok && tun >= 0) (void)close(tun);
    errno = why;
    return ok ? tun : -1;
}

static bool make_networks(struct wan *w, const char **ret_what)
{
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    bool ok = home >= 0;
    *ret_what = "/proc/self/ns/net";
    for (unsigned i = 0; i < w->nodes && ok; i++) {
        *ret_what = "a network namespace (root?)";
        ok = unshare(CLONE_NEWNET) == 0;
        if (!ok) break;
        w->net[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        *ret_what = "a TUN device (/dev/net/tun)";
        w->tun[i] = make_device(i);
        ok = w->net[i] >= 0 && w->tun[i] >= 0;
    }
    const int why = errno;
    if (home >= 0 && setns(home, CLONE_NEWNET) != 0) ok = false;
    if (home >= 0) (void)close(home);
    errno = why;
    return ok;
}

static bool start_carrier(struct wan *w, const struct scenario *sc, uint64_t seed)
{
    int ends[2];
    const pid_t self = getpid();
    if (pipe(ends) != 0) return false;
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    w->carrier = fork();
    if (w->carrier == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(ends[1]);
        if (getppid() == self) carry_on(sc, seed, w, ends[0]);
        _exit(0);
    }
    (void)close(ends[0]);
    w->orders = ends[1];
    return w->carrier > 0;
}

cpis_err wan_new(const struct scenario *sc, uint64_t seed, size_t nodes,
                 char why[static WAN_WHY_BYTES], struct wan **ret)
{
    if (nodes > WAN_NODES_MAX) {
        (void)snprintf(why, WAN_WHY_BYTES, "a WAN has at most %u nodes", WAN_NODES_MAX);
        return CPIS_E_LIMIT;
    }
    struct wan *w = sim_must(calloc(1, sizeof *w));
    const char *what = "";
    *w = (struct wan){.nodes = nodes, .orders = -1};
    w->net = sim_must(malloc(nodes * sizeof *w->net));
    w->tun = sim_must(malloc(nodes * sizeof *w->tun));
    for (size_t i = 0; i < nodes; i++)
        w->net[i] = w->tun[i] = -1;
    if (make_networks(w, &what) && start_carrier(w, sc, seed)) {
        *ret = w;
        return CPIS_OK;
    }
    (void)snprintf(why, WAN_WHY_BYTES, "no WAN can be made here: %s: %s", what, strerror(errno));
    wan_free(&w);
    return CPIS_E_STATE;
}

void wan_free(struct wan **p)
{
    struct wan *w = *p;
    *p = NULL;
    if (w == NULL) return;
    if (w->orders >= 0) (void)close(w->orders);
    if (w->carrier > 0) {
        (void)kill(w->carrier, SIGKILL);
        while (waitpid(w->carrier, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    for (size_t i = 0; i < w->nodes; i++) {
        if (w->tun[i] >= 0) (void)close(w->tun[i]);
        if (w->net[i] >= 0) (void)close(w->net[i]);
    }
    free(w->net);
    free(w->tun);
    free(w);
}

static void give_order(struct wan *w, const struct order *o)
{
    ssize_t n;
    do
        n = write(w->orders, o, sizeof *o);
    while (n < 0 && errno == EINTR);
}

void wan_begin(struct wan *w) { give_order(w, &(struct order){.begin = true}); }
void wan_set(struct wan *w, unsigned from, unsigned to, const struct wan_trouble *trouble)
{
    give_order(w, &(struct order){.from = from, .to = to, .trouble = *trouble});
}
