/* simulations/keys.h - the tables of a scenario file's keys: each with its type, bounds, default
 * and help. Reading, checking, defaults, `cpis-sim explain` and --help-scenario all use them. */
#ifndef CPIS_SIMULATIONS_KEYS_H
#define CPIS_SIMULATIONS_KEYS_H
#include "simulations/scenario.h"

#include <stdio.h>

enum key_group { /* of the file; the last three are lists of groups */
                 GROUP_TOP = 0,
                 GROUP_TOPOLOGY,
                 GROUP_NETWORK,
                 GROUP_CPU,
                 GROUP_DISK,
                 GROUP_DEMAND,
                 GROUP_CHURN,
                 GROUP_LINK,
                 GROUP_BATCH,
                 GROUP_FAULT,
                 GROUPS
};
enum key_type {
    KEY_TEXT = 1,
    KEY_NUMBER, /* uint64_t */
    KEY_SIGNED, /* int64_t */
    KEY_BOOL,
    KEY_CHOICE,   /* an enum, by words */
    KEY_MOMENT,   /* uint64_t ms */
    KEY_DURATION, /* uint64_t ms; bounds too */
    KEY_SKEW,     /* int64_t ms: a duration, "-" before it for the past */
    KEY_DATE,
    KEY_WEIGHTS, /* uint64_t[max] */
    KEY_LINK     /* a link's name, resolved when all are read: char[SCENARIO_NAME_BYTES] */
};
struct key_word {
    const char *word; /* NULL: the end */
    int value;
    const char *text;
};
struct key {
    enum key_group group;
    const char *name;
    enum key_type type;
    size_t offset; /* in the group's struct, see key_group_at */
    uint64_t min, max;
    const char *value; /* the default, as written in a file; NULL: must be given or has none */
    const struct key_word *words;
    const char *help;
};
#define KEY_WEIGHT_MAX     10000U
#define KEY_EXPECTED_BYTES 1024U

extern const struct key keys[];
extern const size_t keys_count;
/* "demand"; "" for the top. Lists: "faults". */
const char *key_group_name(enum key_group g);
bool key_group_is_list(enum key_group g);
const struct key *key_find(enum key_group g, const char *name); /* NULL: no such key */
/* The key or group whose name is nearest to a misspelt one; NULL: none is near. */
const char *key_nearest(enum key_group g, const char *name);
/* What a value must be, in words: "a whole number from 0 to 1000". */
void key_expected(const struct key *k, char ret[static KEY_EXPECTED_BYTES]);
/* Sets the value at base + offset from its written form; false: not as expected. */
bool key_set_text(const struct key *k, const char *text, void *base);
bool key_set_number(const struct key *k, int64_t v, void *base);
void key_set_defaults(enum key_group g, void *base);

/* A fault's rule: what must and may stand in its entry besides at, what, and whom. */
struct fault_rule {
    enum scenario_fault_type type;
    enum node_role role;             /* the only role it can be about; 0: any */
    bool nobody;                     /* it is about nobody: role, index, ... are mistakes */
    const char *required, *optional; /* words, separated by blanks */
};
const struct fault_rule *fault_rule(enum scenario_fault_type t);
bool fault_rule_has(const char *words, const char *name);

/* For people. key: "demand.hit_permille", "hit_permille", "demand", "stop", "rogue"; false: no such
 * key. */
bool keys_explain(FILE *to, const char *key);
void keys_explain_all(FILE *to);
#endif
