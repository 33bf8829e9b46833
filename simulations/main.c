#include "simulations/tool.h"

#include <signal.h>
#include <sodium.h>

static const struct tool_entry *const table[] = {
    &tool_run,  &tool_emulate, &tool_sweep,   &tool_report,    &tool_compare,
    &tool_list, &tool_check,   &tool_explain, &tool_calibrate, NULL};

int main(int argc, char **argv)
{
    /* a closed pipe must become a failed write, which is told, not a silent death */
    (void)signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0) {
        (void)fprintf(stderr, "cpis-sim: the cryptographic library could not be started\n");
        return TOOL_TROUBLE;
    }
    int code = tool_dispatch(table, argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "cpis-sim: the result could not be written: is the disk full, or the "
                              "reader gone?\n");
        code = TOOL_TROUBLE;
    }
    return code;
}
