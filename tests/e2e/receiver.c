/* What `cpis deliver` talks to in tests/e2e/deliver.sh: a receiver of webhooks that is slow to
 * please, and a mail server that writes down what it is told. One connection at a time, on
 * loopback.
 *
 *   receiver http PORT KEYFILE LOG REFUSED
 *
 * checks each signature; a child whose number stands in the file REFUSED gets 500; with "4" before
 * it: 403; with "wN" before it: 503 and Retry-After: N. A line of LOG each: STATUS EVENT ID NUMBER
 * IDEMPOTENCY-KEY SECONDS.
 *
 *   receiver smtp [ADDRESS:]PORT MAILS [starttls|tls CERTIFICATE KEY USER PASSWORD]
 *
 * appends each mail, ended by a line of dashes; without the last it offers no STARTTLS and asks for
 * nobody. With them nothing but STARTTLS is taken in clear, and no mail before AUTH PLAIN. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX ((size_t)1 << 20)

/* "PORT" of 127.0.0.1, or "ADDRESS:PORT" */
/* Not time(): tests/faults/clock.c stands before this one, so that it has the clock of its sender.
 */
static long long now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

static int listen_on(const char *text)
{
    char address[64] = "127.0.0.1";
    const char *colon = strchr(text, ':'), *port = colon == NULL ? text : colon + 1;
    if (colon != NULL) (void)snprintf(address, sizeof address, "%.*s", (int)(colon - text), text);
    const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr = {inet_addr(address)}};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0) {
        perror("receiver");
        exit(1);
    }
    return fd;
}

/* The first line of a file, or what holds `word`; "" when there is none. */
static void line_of(const char *path, const char *word, char ret[static 256])
{
    FILE *f = fopen(path, "r");
    ret[0] = '\0';
    while (f != NULL && fgets(ret, 256, f) != NULL) {
        ret[strcspn(ret, "\n")] = '\0';
        if (word[0] == '\0' || strstr(ret, word) != NULL) break;
        ret[0] = '\0';
    }
    if (f != NULL) (void)fclose(f);
}

/* --- http --- */

static const char *header(const char *head, const char *name, char ret[static 256])
{
    const char *at = strstr(head, name);
    ret[0] = '\0';
    if (at != NULL)
        (void)snprintf(ret, 256, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
    return ret;
}

/* NULL: it broke off. The body; *head ends before it. */
static char *read_request(int fd, char *text)
{
    size_t len = 0;
    for (;;) {
        const ssize_t n = read(fd, text + len, REQUEST_BYTES_MAX - len);
        if (n <= 0) return NULL;
        len += (size_t)n;
        text[len] = '\0';
        char *end = strstr(text, "\r\n\r\n"), value[256];
        if (end == NULL) continue;
        if (len - (size_t)(end + 4 - text) <
            strtoul(header(text, "\r\nContent-Length: ", value), NULL, 10))
            continue;
        *end = '\0';
        return end + 4;
    }
}

/* As the handbook says it. */
static bool is_signed(const char *keyfile, const char *head, const char *body)
{
    char value[256], key[256], at[24] = "", hex[65] = "", want[65];
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state h;
    line_of(keyfile, "", key);
    if (sscanf(header(head, "\r\nCPIS-Signature: ", value), "t=%20[0-9],v1=%64[0-9a-f]", at, hex) !=
        2)
        return false;
    const long long age = now() - atoll(at);
    (void)crypto_auth_hmacsha256_init(&h, (const unsigned char *)key, strlen(key));
    (void)crypto_auth_hmacsha256_update(&h, (const unsigned char *)at, strlen(at));
    (void)crypto_auth_hmacsha256_update(&h, (const unsigned char *)".", 1);
    (void)crypto_auth_hmacsha256_update(&h, (const unsigned char *)body, strlen(body));
    (void)crypto_auth_hmacsha256_final(&h, mac);
    (void)sodium_bin2hex(want, sizeof want, mac, sizeof mac);
    return age >= -5 && age < 60 && strcmp(want, hex) == 0;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "-" : s;
}

static int judge(char **argv, const char *head, const char *body, unsigned long *ret_after)
{
    char refused[256], key[256];
    json_t *o = json_loads(body, 0, NULL);
    line_of(argv[5], text_of(o, "nhs_number"), refused);
    const int status = !is_signed(argv[3], head, body) || o == NULL ? 401
                       : refused[0] == '4'                          ? 403
                       : refused[0] == 'w'                          ? 503
                       : refused[0] != '\0'                         ? 500
                                                                    : 204;
    *ret_after = status == 503 ? strtoul(refused + 1, NULL, 10) : 0;
    FILE *log = fopen(argv[4], "a");
    if (log == NULL) exit(1);
    (void)fprintf(log, "%d %s %lld %s %s %lld\n", status, text_of(o, "event"),
                  (long long)json_integer_value(json_object_get(o, "id")), text_of(o, "nhs_number"),
                  header(head, "\r\nIdempotency-Key: ", key), now());
    if (fclose(log) != 0) exit(1);
    json_decref(o);
    return status;
}

static void serve_http(int fd, char **argv, char *text)
{
    const char *body = read_request(fd, text);
    char patience[48] = "";
    unsigned long after = 0;
    if (body == NULL) return;
    const int status = judge(argv, text, body, &after);
    if (after > 0) (void)snprintf(patience, sizeof patience, "Retry-After: %lu\r\n", after);
    (void)dprintf(fd, "HTTP/1.1 %d x\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", status,
                  patience);
}

/* --- smtp --- */

struct talk {
    int fd;
    char **argv; /* behind MAILS; NULL: no TLS, and nobody is asked for */
    gnutls_certificate_credentials_t mine;
    gnutls_session_t tls; /* NULL: in clear */
    bool known, over;     /* known: it has said who it is */
    FILE *mails;
};

/* false: it is gone. ret: a line without its end. */
static bool hear(struct talk *t, char *ret, size_t cap)
{
    size_t len = 0;
    for (char c = '\0'; len + 1 < cap && c != '\n';) {
        const ssize_t n = t->tls == NULL ? read(t->fd, &c, 1) : gnutls_record_recv(t->tls, &c, 1);
        if (n != 1) return false;
        if (c != '\n' && c != '\r') ret[len++] = c;
    }
    ret[len] = '\0';
    return true;
}

static void answer(struct talk *t, const char *line)
{
    char text[256];
    const int len = snprintf(text, sizeof text, "%s\r\n", line);
    if (t->tls == NULL)
        (void)!write(t->fd, text, (size_t)len);
    else
        (void)gnutls_record_send(t->tls, text, (size_t)len);
}

static bool begin_tls(struct talk *t)
{
    return gnutls_init(&t->tls, GNUTLS_SERVER) == 0 && gnutls_set_default_priority(t->tls) == 0 &&
           gnutls_credentials_set(t->tls, GNUTLS_CRD_CERTIFICATE, t->mine) == 0 &&
           (gnutls_transport_set_int(t->tls, t->fd), gnutls_handshake(t->tls) == 0);
}

/* RFC 4616: nobody, user, password, with NUL between them. */
static bool is_user(struct talk *t)
{
    char plain[256], word[256];
    size_t len = 0;
    const char *user = t->argv[3], *password = t->argv[4];
    answer(t, "334 ");
    if (!hear(t, word, sizeof word) ||
        sodium_base642bin((unsigned char *)plain, sizeof plain - 1, word, strlen(word), NULL, &len,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    plain[len] = '\0';
    return len == strlen(user) + strlen(password) + 2 && plain[0] == '\0' &&
           strcmp(plain + 1, user) == 0 && strcmp(plain + strlen(user) + 2, password) == 0;
}

static void take_mail(struct talk *t)
{
    char line[1024];
    answer(t, "354 go on");
    while (hear(t, line, sizeof line) && strcmp(line, ".") != 0)
        (void)fprintf(t->mails, "%s\r\n", line);
    (void)fputs("---\n", t->mails);
    (void)fflush(t->mails);
    answer(t, "250 well");
}

static void take_command(struct talk *t, const char *line)
{
    const bool safe = t->argv == NULL || t->tls != NULL;
    if (strncmp(line, "EHLO", 4) == 0) {
        answer(t, "250-here");
        answer(t, !safe ? "250 STARTTLS" : t->argv != NULL ? "250 AUTH PLAIN" : "250 8BITMIME");
    } else if (!safe && strcmp(line, "STARTTLS") == 0) {
        answer(t, "220 go on");
        t->over = !begin_tls(t);
    } else if (strncmp(line, "QUIT", 4) == 0) {
        t->over = true;
    } else if (!safe) {
        answer(t, "530 in clear nothing is taken");
    } else if (strcmp(line, "AUTH PLAIN") == 0) {
        t->known = t->argv != NULL && is_user(t);
        answer(t, t->known ? "235 welcome" : "535 who is this?");
    } else if (!t->known) {
        answer(t, "530 who is this?");
    } else if (strcmp(line, "DATA") == 0) {
        take_mail(t);
    } else {
        answer(t, "250 well");
    }
}

static void serve_smtp(int fd, char **argv, gnutls_certificate_credentials_t mine)
{
    struct talk t = {.fd = fd,
                     .argv = argv[4] == NULL ? NULL : argv + 4,
                     .mine = mine,
                     .known = argv[4] == NULL,
                     .mails = fopen(argv[3], "a")};
    char line[1024];
    if (t.mails == NULL) exit(1);
    if (t.argv != NULL && strcmp(t.argv[0], "tls") == 0) t.over = !begin_tls(&t);
    if (!t.over) answer(&t, "220 here");
    while (!t.over && hear(&t, line, sizeof line))
        take_command(&t, line);
    if (t.tls != NULL) gnutls_deinit(t.tls);
    (void)fclose(t.mails);
}

int main(int argc, char **argv)
{
    const bool http = argc == 6 && strcmp(argv[1], "http") == 0;
    if (!http && !((argc == 4 || argc == 9) && strcmp(argv[1], "smtp") == 0)) return 2;
    char *text = malloc(REQUEST_BYTES_MAX + 1);
    gnutls_certificate_credentials_t mine = NULL;
    if (sodium_init() < 0 || text == NULL || signal(SIGPIPE, SIG_IGN) == SIG_ERR) return 1;
    if (argc == 9 &&
        (gnutls_certificate_allocate_credentials(&mine) != 0 ||
         gnutls_certificate_set_x509_key_file(mine, argv[5], argv[6], GNUTLS_X509_FMT_PEM) != 0))
        return 1;
    for (const int at = listen_on(argv[2]);;) {
        const int fd = accept(at, NULL, NULL);
        const struct timeval patience = {.tv_sec = 5};
        if (fd < 0) continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (http)
            serve_http(fd, argv, text);
        else
            serve_smtp(fd, argv, mine);
        (void)close(fd);
    }
}
