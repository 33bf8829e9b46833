/* node/http/terminal.h - secrets of accounts between a person at a terminal and a command: typed
 * without echo, shown nowhere else. Any process; one thread. */
#ifndef CPIS_NODE_HTTP_TERMINAL_H
#define CPIS_NODE_HTTP_TERMINAL_H
#include "node/cli/cli.h"
#include "node/http/password.h"
#include "node/http/totp.h"

/* Is a person there who sees what is printed, and types? */
bool terminal_is_there(void);
/* A line without its end, after a prompt on stderr; hidden: without echo. A signal leaves the
 * terminal as it was. false: end of input, or longer than cap - 1 bytes; that was told. */
bool terminal_read(const struct cli *c, const char *prompt, bool hidden, size_t cap, char *ret);
/* A password for `name`: the first line of the file (--password-file; "-": standard input), else
 * typed twice at a terminal; Enter alone: one is made, and shown once. It is none that
 * password_fault knows of. false: told. */
bool terminal_password(const struct cli *c, const char *file, const char *name, const char *display,
                       char ret[static PASSWORD_BYTES_MAX + 1]);
/* Shows a secret as a QR code and as text, and asks for the code that the telephone makes of it. At
 * a terminal alone. *ret_step: of that code, which is used up. false: told. */
bool terminal_enrol(const struct cli *c, const char *issuer, const char *name,
                    const uint8_t secret[static TOTP_SECRET_BYTES], uint64_t *ret_step);
#endif
