/* What `cpis deliver` talks to in tests/e2e/deliver.sh: a receiver of webhooks that is slow to
 * please, and a mail server that writes down what it is told. One connection at a time, on
 * loopback.
 *
 *   receiver http PORT KEYFILE LOG REFUSED
 *
 * checks each signature; a child whose number stands in the file REFUSED gets 500 (with "4" before
 * it: 403). A line of LOG each: STATUS EVENT ID NUMBER IDEMPOTENCY-KEY.
 *
 *   receiver smtp [ADDRESS:]PORT MAILS
 *
 * appends each mail, ended by a line of dashes; it offers no STARTTLS. */
#include <arpa/inet.h>
#include <jansson.h>
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
    const long long age = (long long)time(NULL) - atoll(at);
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

static int judge(char **argv, const char *head, const char *body)
{
    char refused[256], key[256];
    json_t *o = json_loads(body, 0, NULL);
    line_of(argv[5], text_of(o, "nhs_number"), refused);
    const int status = !is_signed(argv[3], head, body) || o == NULL ? 401
                       : refused[0] == '4'                          ? 403
                       : refused[0] != '\0'                         ? 500
                                                                    : 204;
    FILE *log = fopen(argv[4], "a");
    if (log == NULL) exit(1);
    (void)fprintf(log, "%d %s %lld %s %s\n", status, text_of(o, "event"),
                  (long long)json_integer_value(json_object_get(o, "id")), text_of(o, "nhs_number"),
                  header(head, "\r\nIdempotency-Key: ", key));
    if (fclose(log) != 0) exit(1);
    json_decref(o);
    return status;
}

static void serve_http(int fd, char **argv, char *text)
{
    const char *body = read_request(fd, text);
    if (body != NULL)
        (void)dprintf(fd, "HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                      judge(argv, text, body));
}

/* --- smtp --- */

static void serve_smtp(int fd, char **argv)
{
    char line[1024];
    bool data = false;
    FILE *in = fdopen(dup(fd), "r"), *mails = fopen(argv[3], "a");
    if (in == NULL || mails == NULL) exit(1);
    (void)dprintf(fd, "220 here\r\n");
    while (fgets(line, sizeof line, in) != NULL) {
        if (data && strcmp(line, ".\r\n") != 0) {
            (void)fputs(line, mails);
            continue;
        }
        if (data) (void)fputs("---\n", mails);
        (void)fflush(mails);
        const bool ends = data;
        data = !ends && strncmp(line, "DATA", 4) == 0;
        (void)dprintf(fd, data ? "354 go on\r\n" : "250 well\r\n");
        if (!ends && strncmp(line, "QUIT", 4) == 0) break;
    }
    (void)fclose(in);
    (void)fclose(mails);
}

int main(int argc, char **argv)
{
    const bool http = argc == 6 && strcmp(argv[1], "http") == 0;
    if (!http && !(argc == 4 && strcmp(argv[1], "smtp") == 0)) return 2;
    char *text = malloc(REQUEST_BYTES_MAX + 1);
    if (sodium_init() < 0 || text == NULL) return 1;
    for (const int at = listen_on(argv[2]);;) {
        const int fd = accept(at, NULL, NULL);
        const struct timeval patience = {.tv_sec = 5};
        if (fd < 0) continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (http)
            serve_http(fd, argv, text);
        else
            serve_smtp(fd, argv);
        (void)close(fd);
    }
}
