/* node/cli/confine.h - what of its folder and of the system each process of a node needs, and no
 * more (sandbox.h says how that is kept). Call it when the settings are read, before anything from
 * outside is, and before the first thread. Nothing here ends a process: what the kernel lacks is
 * said, and the node runs. */
#ifndef CPIS_NODE_CLI_CONFINE_H
#define CPIS_NODE_CLI_CONFINE_H
#include "node/cli/conf.h"

#define CONFINE_TEXT_BYTES 256U

enum confine_role {
    CONFINE_NODE = 1, /* `cpis run`: its folder, and all that those below need, which it starts */
    CONFINE_FEED,     /* its folder; it runs this program */
    CONFINE_DELIVER,  /* feed/ and the webhook's and the mail's files */
    CONFINE_WEB       /* its folder, certificates, the pages */
};
/* ret: what is in force, or why not, in a sentence for the log. true: all is, or nothing is because
 * the build has a sanitizer, which can't be confined. */
bool confine(const char *dir, const struct node_settings *s, enum confine_role role,
             char ret[static CONFINE_TEXT_BYTES]);
/* Can a process that was confined when a setting named the file `before` read `after`? "": none. */
bool confine_reaches(const struct node_settings *s, const char *before, const char *after);
#endif
