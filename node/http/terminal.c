#define _GNU_SOURCE /* ppoll */
#include "node/http/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define TRIES 3

bool terminal_is_there(void) { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

static volatile sig_atomic_t interrupted;
static void on_signal(int signal) { interrupted = signal; }

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define SIGNALS (sizeof signals / sizeof *signals)

/* Byte by byte: what comes after the line is somebody else's. Signals come in while it waits, and
 * at no other moment: none is lost between a look at `interrupted` and a read. */
static bool read_line(const sigset_t *while_waiting, size_t cap, char *ret)
{
    size_t len = 0;
    for (;;) {
        char c;
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        const int ready = ppoll(&in, 1, NULL, while_waiting);
        if (ready < 0 && errno == EINTR && interrupted == 0) continue;
        if (ready < 0 || read(STDIN_FILENO, &c, 1) != 1) return false;
        if (c == '\n' || c == '\r') break;
        if (len < cap) ret[len++] = c; /* one beyond: too long */
    }
    if (len == cap) return false;
    ret[len] = '\0';
    return strlen(ret) == len; /* no NUL was typed */
}

static void catch_signals(struct sigaction old[static SIGNALS], sigset_t *ret_before)
{
    struct sigaction act = {.sa_handler = on_signal};
    sigset_t ours;
    interrupted = 0;
    (void)sigemptyset(&act.sa_mask);
    (void)sigemptyset(&ours);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaddset(&ours, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &ours, ret_before);
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaction(signals[i], NULL, &old[i]);
        if (old[i].sa_handler != SIG_IGN) (void)sigaction(signals[i], &act, NULL);
    }
}

static void release_signals(const struct sigaction old[static SIGNALS], const sigset_t *before)
{
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &old[i], NULL);
    (void)sigprocmask(SIG_SETMASK, before, NULL);
}

bool terminal_read(const struct cli *c, const char *prompt, bool hidden, size_t cap, char *ret)
{
    struct termios before, quiet;
    struct sigaction old[SIGNALS];
    sigset_t mask;
    const bool hides = hidden && tcgetattr(STDIN_FILENO, &before) == 0;
    catch_signals(old, &mask);
    if (hides) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    (void)fprintf(stderr, "%s", prompt);
    const bool ok = read_line(&mask, cap, ret);
    if (hides) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputc('\n', stderr);
    }
    release_signals(old, &mask); /* what is pending ends the process now */
    if (ok) return true;
    sodium_memzero(ret, cap);
    if (interrupted != 0) (void)raise(interrupted);
    (void)cli_fail(c, "nothing was typed, or too much; nothing was changed");
    return false;
}

/* --- passwords --- */

static bool from_file(const struct cli *c, const char *file,
                      char ret[static PASSWORD_BYTES_MAX + 1])
{
    char *text;
    size_t len;
    if (!cli_passphrase(c, file, &text, &len)) return false;
    const bool fits = text != NULL && len <= PASSWORD_BYTES_MAX && memchr(text, '\0', len) == NULL;
    if (fits) {
        memcpy(ret, text, len);
        ret[len] = '\0';
    }
    sodium_free(text);
    if (!fits)
        (void)cli_fail(c, "--password-file: its first line is a password of 12 to 256 bytes");
    return fits;
}

static bool typed(const struct cli *c, const char *name, const char *display,
                  char ret[static PASSWORD_BYTES_MAX + 1])
{
    char again[PASSWORD_BYTES_MAX + 1];
    for (int i = 0; i < TRIES; i++) {
        if (!terminal_read(c, "password (Enter alone: one is made): ", true, PASSWORD_BYTES_MAX + 1,
                           ret))
            return false;
        if (ret[0] == '\0') {
            password_keygen(ret);
            (void)printf("the password, shown this once: %s\n", ret);
            return true;
        }
        const char *fault = password_fault(ret, name, display);
        if (fault != NULL) {
            (void)fprintf(stderr, "%s\n", fault);
            continue;
        }
        if (!terminal_read(c, "once more: ", true, sizeof again, again)) return false;
        const bool same = strcmp(ret, again) == 0;
        sodium_memzero(again, sizeof again);
        if (same) return true;
        (void)fprintf(stderr, "they differ\n");
    }
    (void)cli_fail(c, "no password was given; nothing was changed");
    return false;
}

bool terminal_password(const struct cli *c, const char *file, const char *name, const char *display,
                       char ret[static PASSWORD_BYTES_MAX + 1])
{
    if (file == NULL) {
        if (terminal_is_there()) return typed(c, name, display, ret);
        (void)cli_fail(c, "--password-file: there is no terminal to ask for a password at");
        return false;
    }
    if (!from_file(c, file, ret)) return false;
    const char *fault = password_fault(ret, name, display);
    if (fault != NULL) (void)cli_fail(c, "%s", fault);
    return fault == NULL;
}

/* --- the second factor --- */

#define QUIET_ZONE 4U /* ISO/IEC 18004, 6.3.8: light modules around it */

static bool is_dark(const struct totp_qr *q, unsigned row, unsigned column)
{
    if (row < QUIET_ZONE || column < QUIET_ZONE || row >= q->size + QUIET_ZONE ||
        column >= q->size + QUIET_ZONE)
        return false;
    return q->dark[(row - QUIET_ZONE) * q->size + column - QUIET_ZONE] != 0;
}

/* Two rows of modules in one line; black on white whatever the terminal's colours are. */
static void print_qr(const struct totp_qr *q)
{
    static const char *const blocks[] = {" ", "\u2584", "\u2580", "\u2588"};
    const unsigned side = q->size + 2 * QUIET_ZONE;
    for (unsigned row = 0; row < side; row += 2) {
        (void)printf("\033[30;107m");
        for (unsigned column = 0; column < side; column++)
            (void)printf("%s", blocks[2 * is_dark(q, row, column) + is_dark(q, row + 1, column)]);
        (void)printf("\033[0m\n");
    }
}

static bool show(const struct cli *c, const char *issuer, const char *name,
                 const uint8_t secret[static TOTP_SECRET_BYTES])
{
    static struct totp_qr qr; /* 31 KiB */
    char uri[TOTP_URI_BYTES], text[TOTP_TEXT_BYTES];
    cpis_err err = totp_uri(secret, issuer, name, uri);
    if (err == CPIS_OK) err = totp_qr(uri, &qr);
    if (err == CPIS_OK) {
        totp_text(secret, text);
        print_qr(&qr);
        (void)printf("%s\nor, typed by hand: %s\nNobody else may see this. It is shown once.\n",
                     uri, text);
        (void)fflush(stdout);
    } else {
        (void)cli_fail(c, "%s", cpis_strerror(err));
    }
    sodium_memzero(&qr, sizeof qr);
    sodium_memzero(uri, sizeof uri);
    sodium_memzero(text, sizeof text);
    return err == CPIS_OK;
}

bool terminal_enrol(const struct cli *c, const char *issuer, const char *name,
                    const uint8_t secret[static TOTP_SECRET_BYTES], uint64_t *ret_step)
{
    char code[32];
    if (!terminal_is_there()) {
        (void)cli_fail(c, "only at a terminal: what it shows opens the account");
        return false;
    }
    if (!show(c, issuer, name, secret)) return false;
    for (int i = 0; i < TRIES; i++) {
        if (!terminal_read(c, "the code that the telephone shows: ", false, sizeof code, code))
            return false;
        *ret_step = totp_check(secret, code, cli_wall(), 0);
        if (*ret_step != 0) return true;
        (void)fprintf(stderr, "it is another; is the telephone's clock right, and this one's?\n");
    }
    (void)cli_fail(c, "the codes differ; nothing was changed");
    return false;
}
