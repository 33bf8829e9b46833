/* tests/conformance/vectors.h - checks files of test vectors against our own implementation: every
 * derived field is computed anew, every `refused...` entry must be refused, and a field that nobody
 * computes is a failure. Formats: tests/vectors/README.md. Out of memory ends the process. One
 * thread; sodium_init() first. */
#ifndef CPIS_TESTS_CONFORMANCE_VECTORS_H
#define CPIS_TESTS_CONFORMANCE_VECTORS_H
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

struct vectors_tally {
    size_t passed, failed;
    size_t unused; /* suites and modes of RFC 9497 that we do not use: neither passed nor failed */
};

/* Reads one file and adds to the tally; a line per case goes to out ("ok FORMAT CASE", "FAIL FORMAT
 * CASE: why", "-- FORMAT CASE: not used here"). 0: it was read, held at least one case, and none
 * failed. -1 otherwise: what kept it from being read counts as one failure. */
int vectors_check_file(const char *path, FILE *out, struct vectors_tally *tally);
/* The same of a document already read; `label` names it in the error line. Borrowed. */
int vectors_check_json(json_t *doc, const char *label, FILE *out, struct vectors_tally *tally);
#endif
