/* cpis-vectors FILE...: checks files of test vectors. Exit 0: every file was read, at least one
 * case passed and none failed; 1: not so; 2: called wrongly. */
#include "tests/conformance/vectors.h"

#include <sodium.h>
#include <string.h>

static const char usage[] =
    "usage: cpis-vectors FILE...\n"
    "Checks test vectors (JSON; formats in tests/vectors/README.md) against this implementation.\n"
    "One line per case, then \"N passed, N failed\". Exit 0: all files were read, at least one "
    "case\n"
    "passed and none failed; 1: not so; 2: called wrongly.\n";

int main(int argc, char **argv)
{
    struct vectors_tally tally = {0};
    int rc = 0;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc < 2 || (argv[1][0] == '-' && argv[1][1] != '\0')) {
        fputs(usage, stderr);
        return 2;
    }
    if (sodium_init() < 0) {
        fputs("cpis-vectors: libsodium does not start\n", stderr);
        return 1;
    }
    for (int i = 1; i < argc; i++)
        if (vectors_check_file(argv[i], stdout, &tally) != 0) rc = 1;
    if (tally.unused > 0) printf("%zu not used here\n", tally.unused);
    printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    if (fflush(stdout) != 0 || ferror(stdout)) return 1;
    return rc == 0 && tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}
