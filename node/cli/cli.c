#include "node/cli/cli.h"

#include "node/cli/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PASSPHRASE_BYTES_MAX 1024U

const char *cli_value_at(const struct cli *c, const char *option, size_t i)
{
    for (size_t k = 0; k < c->given_count; k++)
        if (strcmp(c->given[k].option->name, option) == 0 && i-- == 0) return c->given[k].value;
    return NULL;
}

const char *cli_value(const struct cli *c, const char *option)
{
    const char *last = NULL;
    for (size_t i = 0; cli_value_at(c, option, i) != NULL; i++)
        last = cli_value_at(c, option, i);
    return last;
}

bool cli_has(const struct cli *c, const char *option) { return cli_value(c, option) != NULL; }

bool cli_number(const struct cli *c, const char *option, uint64_t min, uint64_t max, uint64_t *ret)
{
    const char *text = cli_value(c, option);
    if (text == NULL) return true;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max) {
        (void)cli_usage(c, "--%s: a whole number from %llu to %llu", option,
                        (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *ret = v;
    return true;
}

bool cli_args(const struct cli *c, size_t min, size_t max)
{
    if (c->args_count >= min && c->args_count <= max) return true;
    (void)cli_usage(c, "%s arguments; they are: %s", c->args_count < min ? "too few" : "too many",
                    c->command->args);
    return false;
}

int cli_usage(const struct cli *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "cpis %s: ", c->command->name);
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, " (see `cpis %s --help`)\n", c->command->name);
    va_end(args);
    return CLI_USAGE;
}

int cli_fail(const struct cli *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "cpis %s: ", c->command->name);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return CLI_ERROR;
}

cpis_ms cli_wall(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (cpis_ms)t.tv_sec * 1000 + (cpis_ms)t.tv_nsec / 1000000;
}

struct date cli_today(void)
{
    struct date_time t;
    utc_to_london(cli_wall(), &t);
    return t.date;
}

void cli_print_json(json_t *o)
{
    (void)json_dumpf(o, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    json_decref(o);
}

const char *cli_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

uint64_t cli_integer(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v < 0 ? 0 : (uint64_t)v;
}

cpis_ms cli_iso(const char *iso)
{
    unsigned y, mo, d, h, mi, s;
    if (sscanf(iso, "%4u-%2u-%2uT%2u:%2u:%2u", &y, &mo, &d, &h, &mi, &s) != 6) return 0;
    const struct date date = {.year = (uint16_t)y, .month = (uint8_t)mo, .day = (uint8_t)d};
    if (!date_is_valid(date) || date_days(date) < 0 || h > 23 || mi > 59 || s > 60) return 0;
    return ((cpis_ms)date_days(date) * 86400 + (cpis_ms)h * 3600 + (cpis_ms)mi * 60 + s) * 1000;
}

void cli_london(const char *iso, char ret[static WALL_LONDON_BYTES])
{
    const cpis_ms wall = cli_iso(iso);
    (void)memcpy(ret, "-", 2);
    if (wall != 0) wall_format_london(wall, ret);
}

bool cli_plan_time(const char *text, struct date_time *ret)
{
    struct date_time t = {.hour = 0};
    size_t len = strlen(text);
    if (date_parse(text, len, &t.date) != CPIS_OK && date_time_parse(text, len, &t) != CPIS_OK)
        return false;
    *ret = t;
    return true;
}

void cli_minute(const char *text, char ret[static CLI_MINUTE_BYTES])
{
    struct date_time t;
    ret[0] = '\0';
    if (!cli_plan_time(text, &t)) return;
    date_format(t.date, ret);
    if (t.hour != 0 || t.minute != 0)
        (void)snprintf(ret + DATE_BYTES - 1, CLI_MINUTE_BYTES - (DATE_BYTES - 1), " %02u:%02u",
                       t.hour % 24U, t.minute % 60U);
}

/* --- files --- */

bool cli_read_file(const struct cli *c, const char *path, size_t max, uint8_t **ret,
                   size_t *ret_len)
{
    bool from_stdin = strcmp(path, "-") == 0;
    int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *p = NULL;
    size_t len = 0, cap = 0;
    ssize_t n = -1;
    if (fd < 0) {
        (void)cli_fail(c, "%s: %s", path, strerror(errno));
        return false;
    }
    do {
        if (len == cap) {
            cap = cap == 0 ? 65536 : cap * 2;
            uint8_t *q = realloc(p, cap);
            if (q == NULL) break;
            p = q;
        }
        n = read(fd, p + len, cap - len);
        if (n > 0) len += (size_t)n;
    } while ((n > 0 || (n < 0 && errno == EINTR)) && len <= max);
    int error = errno;
    if (!from_stdin) (void)close(fd);
    if (n == 0 && len <= max) {
        *ret = p;
        *ret_len = len;
        return true;
    }
    free(p);
    (void)cli_fail(c, "%s: %s", path, len > max ? "too large" : strerror(error));
    return false;
}

static bool write_all(int fd, struct bytes b)
{
    for (size_t at = 0; at < b.len;) {
        ssize_t n = write(fd, b.p + at, b.len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return fsync(fd) == 0;
}

bool cli_write_file(const struct cli *c, const char *path, struct bytes b, unsigned mode,
                    bool replace)
{
    char temp[FOLDER_PATH_BYTES];
    int n = snprintf(temp, sizeof temp, "%s.new%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temp) {
        (void)cli_fail(c, "%s: the path is too long", path);
        return false;
    }
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok = fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, b);
    int error = errno;
    if (fd >= 0) (void)close(fd);
    if (ok) {
        ok = replace ? rename(temp, path) == 0 : link(temp, path) == 0;
        error = errno;
    }
    if (!ok || !replace) (void)unlink(temp);
    if (ok) {
        ok = folder_sync_of(path) == CPIS_OK;
        error = errno;
    }
    if (!ok) (void)cli_fail(c, "%s: %s", path, strerror(error));
    return ok;
}

bool cli_passphrase(const struct cli *c, const char *path, char **ret, size_t *ret_len)
{
    *ret = NULL;
    *ret_len = 0;
    if (path == NULL || path[0] == '\0') return true;
    uint8_t *p;
    size_t len, n = 0;
    if (!cli_read_file(c, path, PASSPHRASE_BYTES_MAX, &p, &len)) return false;
    while (n < len && p[n] != '\n' && p[n] != '\r')
        n++;
    char *text = n == 0 ? NULL : sodium_malloc(n);
    if (text != NULL) memcpy(text, p, n);
    sodium_memzero(p, len);
    free(p);
    if (text == NULL) {
        (void)cli_fail(c, "%s: holds no passphrase in its first line", path);
        return false;
    }
    *ret = text;
    *ret_len = n;
    return true;
}

bool cli_settings(const struct cli *c, struct node_settings *ret)
{
    char why[CONF_WHY_BYTES] = "";
    if (conf_read(c->dir, ret, why) == CPIS_OK) return true;
    return cli_fail(c, "%s", why) == CLI_OK;
}

void cli_hex(const void *p, size_t len, char *ret)
{
    (void)sodium_bin2hex(ret, 2 * len + 1, p, len);
}

bool cli_unhex(const char *hex, void *ret, size_t len)
{
    size_t got = 0;
    return strlen(hex) == 2 * len &&
           sodium_hex2bin(ret, len, hex, 2 * len, NULL, &got, NULL) == 0 && got == len;
}
