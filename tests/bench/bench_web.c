/* tests/bench/bench_web.c - what HTTP adds to a lookup at a running query node, and what else it
 * bears meanwhile. Numbers from standard input, one a line.
 *
 *   bench_web DIR URL CA CERTIFICATE KEY <numbers
 *
 * URL: of the FHIR base. Each number is asked for once at the control socket and once over HTTPS on
 * one kept connection, the two taking turns to be first. Then over HTTPS alone while other threads
 * send RATE requests a second of refused and of metadata traffic; then while IDLE connections stand
 * open that say nothing. */
#include "node/net/control_client.h"
#include "tests/bench/timing.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS_MAX 4000U
#define THREADS     4U
#define RATE        1000U /* of all threads, requests a second */
#define IDLE        10000U
#define MUST(c)                                                                                    \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "bench_web: line %d: %s\n", __LINE__, #c);                             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *base, *ca, *certificate, *key;
static char numbers[NUMBERS_MAX][11];
static size_t count;

static void rest(double ms)
{
    const struct timespec t = {.tv_sec = (time_t)(ms / 1e3),
                               .tv_nsec = (long)((ms - 1e3 * (double)(time_t)(ms / 1e3)) * 1e6)};
    (void)nanosleep(&t, NULL);
}

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    (void)p;
    *(size_t *)arg += size * n;
    return size * n;
}

static CURL *client(bool shows_certificate, size_t *received)
{
    CURL *c = curl_easy_init();
    MUST(c != NULL);
    (void)curl_easy_setopt(c, CURLOPT_CAINFO, ca);
    if (shows_certificate) {
        (void)curl_easy_setopt(c, CURLOPT_SSLCERT, certificate);
        (void)curl_easy_setopt(c, CURLOPT_SSLKEY, key);
    }
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, received);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
    return c;
}

static long get(CURL *c, const char *path, const char *number)
{
    char url[512];
    long status = 0;
    (void)snprintf(url, sizeof url, "%s%s%s", base, path, number);
    (void)curl_easy_setopt(c, CURLOPT_URL, url);
    MUST(curl_easy_perform(c) == CURLE_OK);
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static double over_http(CURL *c, const char *number)
{
    const double began = timing_now_ms();
    const long status =
        get(c, "/CareTeam?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C", number);
    MUST(status == 200);
    return timing_now_ms() - began;
}

static double at_socket(struct control_client *c, const char *number)
{
    char why[CONTROL_WHY_BYTES];
    json_t *reply = NULL;
    const double began = timing_now_ms();
    json_t *fields = json_pack("{s:[s],s:{s:s,s:s,s:s,s:b}}", "numbers", number, "ask", "user_name",
                               "Test BENCH", "organisation_code", "RZZ99", "organisation_name",
                               "Test Hospital", "scheduled", 1);
    MUST(control_call(c, "lookup", fields, 10000, NULL, NULL, &reply, why) == CPIS_OK);
    json_decref(fields);
    json_decref(reply);
    return timing_now_ms() - began;
}

/* --- what goes on beside --- */

static atomic_bool over;
static atomic_size_t refused, told, slowest_us;

static void *flood(void *arg)
{
    size_t received = 0;
    const bool certified = (uintptr_t)arg % 2 == 0;
    CURL *c = client(certified, &received);
    const double each = 1e3 * THREADS / RATE;
    double due = timing_now_ms();
    while (!atomic_load(&over)) {
        const double began = timing_now_ms();
        if (began < due) {
            rest(due - began);
            continue;
        }
        due += each;
        const long status =
            certified ? get(c, "/metadata", "")
                      : get(c, "/CareTeam?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C",
                            numbers[0]);
        MUST(status == (certified ? 200 : 401));
        atomic_fetch_add(certified ? &told : &refused, 1);
        const size_t us = (size_t)((timing_now_ms() - began) * 1e3);
        if (us > atomic_load(&slowest_us)) atomic_store(&slowest_us, us);
    }
    curl_easy_cleanup(c);
    return NULL;
}

static void while_flooded(CURL *c, double *ms)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], NULL, flood, (void *)i) == 0);
    rest(300);
    atomic_store(&refused, 0);
    atomic_store(&told, 0);
    const double began = timing_now_ms();
    for (size_t i = 0; i < count; i++)
        ms[i] = over_http(c, numbers[i]);
    const double took = timing_now_ms() - began;
    const size_t n = atomic_load(&refused) + atomic_load(&told);
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    printf("beside them: %.0f requests/s, %zu refused, %zu of metadata; the slowest %.1f ms\n",
           (double)n * 1e3 / took, atomic_load(&refused), atomic_load(&told),
           (double)atomic_load(&slowest_us) / 1e3);
}

static size_t open_idle(int *fds)
{
    const char *port = strrchr(base + strlen("https://"), ':');
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)(port == NULL ? 0 : atoi(port + 1))),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t n = 0;
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    while (n < IDLE) {
        fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[n] < 0 || connect(fds[n], (const struct sockaddr *)&a, sizeof a) != 0) break;
        n++;
    }
    return n;
}

static void while_idle(CURL *c, double *ms)
{
    static int fds[IDLE];
    const size_t n = open_idle(fds);
    size_t alive = 0;
    for (size_t i = 0; i < count; i++)
        ms[i] = over_http(c, numbers[i]);
    for (size_t i = 0; i < n; i++) {
        char byte;
        if (recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0) alive++;
        (void)close(fds[i]);
    }
    printf("beside them: %zu idle connections, at the end still %zu\n", n, alive);
    MUST(alive == IDLE);
}

static void compare(struct control_client *control, CURL *c)
{
    static double socket_ms[NUMBERS_MAX], http_ms[NUMBERS_MAX], ms[NUMBERS_MAX];
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 0) socket_ms[i] = at_socket(control, numbers[i]);
        http_ms[i] = over_http(c, numbers[i]);
        if (i % 2 != 0) socket_ms[i] = at_socket(control, numbers[i]);
    }
    timing_print("lookup at the control socket", socket_ms, count);
    timing_print("lookup over HTTPS", http_ms, count);
    const double alone = timing_at(http_ms, count, 0.5);
    printf("HTTPS over the socket, p50: %.3f\n", alone / timing_at(socket_ms, count, 0.5));
    while_flooded(c, ms);
    timing_print("lookup over HTTPS, flooded", ms, count);
    printf("flooded over alone, p50: %.3f\n", timing_at(ms, count, 0.5) / alone);
    while_idle(c, ms);
    timing_print("lookup over HTTPS, idle ones open", ms, count);
    printf("with idle ones over alone, p50: %.3f\n", timing_at(ms, count, 0.5) / alone);
}

int main(int argc, char **argv)
{
    char why[CONTROL_WHY_BYTES], line[64];
    struct control_client *control = NULL;
    size_t received = 0;
    if (argc != 6) {
        fprintf(stderr, "usage: bench_web DIR URL CA CERTIFICATE KEY <numbers\n");
        return 2;
    }
    base = argv[2];
    ca = argv[3];
    certificate = argv[4];
    key = argv[5];
    while (count < NUMBERS_MAX && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        (void)snprintf(numbers[count++], sizeof numbers[0], "%.10s", line);
    }
    MUST(count > 0 && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    if (control_connect(argv[1], &control, why) != CPIS_OK) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }
    CURL *c = client(true, &received);
    compare(control, c);
    curl_easy_cleanup(c);
    control_close(&control);
    return EXIT_SUCCESS;
}
