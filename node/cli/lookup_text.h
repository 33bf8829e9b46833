/* node/cli/lookup_text.h - a verdict as a person reads it: what is known first, then whom to ring,
 * why, and how fresh; and the exit code that stands for it. */
#ifndef CPIS_NODE_CLI_LOOKUP_TEXT_H
#define CPIS_NODE_CLI_LOOKUP_TEXT_H
#include <jansson.h>
#include <stdio.h>

int lookup_exit(const char *verdict); /* a word that is none: CLI_UNKNOWN, never 0 */
void lookup_print(const json_t *verdict, FILE *to);
#endif
