/* simulations/scenario_fault.h - what can go wrong on purpose: the kinds of faults and schedules,
 * whom they are about, and their parameters. A part of scenario.h; keys.c says which parameter
 * belongs to which kind. Values only. */
#ifndef CPIS_SIMULATIONS_SCENARIO_FAULT_H
#define CPIS_SIMULATIONS_SCENARIO_FAULT_H
#include "proto/message.h"

enum nhs_region { /* of NHS England; 0: any */
                  REGION_ANY = 0,
                  REGION_LONDON,
                  REGION_NORTH_EAST_AND_YORKSHIRE,
                  REGION_MIDLANDS,
                  REGION_NORTH_WEST,
                  REGION_SOUTH_EAST,
                  REGION_SOUTH_WEST,
                  REGION_EAST_OF_ENGLAND,
                  REGION_END
};
const char *region_name(enum nhs_region r);

/* Whom a fault is about. Nodes of `role` (0: any) in `region`; of these [index, index + count), or
 * without an index so many (or such a share) drawn by the seed. scenario_select does it. */
#define INDEX_NONE UINT32_MAX
struct scenario_who {
    enum node_role role;
    enum nhs_region region;
    uint64_t index;          /* INDEX_NONE: drawn */
    uint64_t count;          /* 0: by share; with neither: all */
    uint64_t share_permille; /* 0: by count */
};

#define SCENARIO_FAULTS(X)                                                                         \
    X(FAULT_STOP, "stop", "killed at `at`, started again at `until` (or when all is healed)")      \
    X(FAULT_CRASH, "crash",                                                                        \
      "each step that puts something out dies with `permille`: half of them "                      \
      "before the commit, half between commit and sending; back within `down`")                    \
    X(FAULT_COMMIT_FAILS, "commit-fails", "each commit fails with `permille`; the node rebuilds")  \
    X(FAULT_DISK_SLOW, "disk-slow", "commits take `times` as long")                                \
    X(FAULT_DISK_FULL, "disk-full", "every commit fails: no space")                                \
    X(FAULT_CPU_SLOW, "cpu-slow", "work takes `times` as long")                                    \
    X(FAULT_CUT, "cut",                                                                            \
      "nothing passes from the chosen to the `to` ones; the way back stays open")                  \
    X(FAULT_PARTITION, "partition", "nothing passes between the chosen and all others")            \
    X(FAULT_LINK, "link", "the chosen ones' connections lose, double and delay more")              \
    X(FAULT_CLOCK_SKEW, "clock-skew", "the wall clock is off by `skew`")                           \
    X(FAULT_CLOCK_DRIFT, "clock-drift", "the wall clock runs `drift_ppm` too fast")                \
    X(FAULT_ROLLING_RESTART, "rolling-restart",                                                    \
      "each in turn is stopped for `down`, the next one `gap` after it is back")                   \
    X(FAULT_SURGE, "surge", "`times` as many lookups arrive")                                      \
    X(FAULT_RESTORE, "restore",                                                                    \
      "stopped for `down`, then back with a backup `age` old; an authority's officer sends all "   \
      "plans again and confirms")                                                                  \
    X(FAULT_COPY, "copy",                                                                          \
      "a second machine with the same keys, from a backup `age` old, runs "                        \
      "beside it")                                                                                 \
    X(FAULT_REVOKE, "revoke", "the stewards take it out of the register")                          \
    X(FAULT_SUSPEND, "suspend",                                                                    \
      "authority: the stewards suspend it (key stolen); list stays "                               \
      "searched")                                                                                  \
    X(FAULT_REINSTATE, "reinstate", "authority: admitted again with a new key")                    \
    X(FAULT_JOIN, "join",                                                                          \
      "authority: not in the register before; admitted now, counted when live")                    \
    X(FAULT_RETIRE, "retire",                                                                      \
      "authority: announced, its children move to `successor`, retired "                           \
      "seven days later")                                                                          \
    X(FAULT_NOTICE, "notice",                                                                      \
      "authority: the stewards give notice that it can't publish, until "                          \
      "`until`")                                                                                   \
    X(FAULT_EPOCH_CHANGE, "epoch-change",                                                          \
      "ceremony for the next key epoch; everyone switches `switch_after` later; the old one ends " \
      "`overlap` after that")                                                                      \
    X(FAULT_ROGUE, "rogue", "misbehaves as `behaviour` says")
enum scenario_fault_type {
    FAULT_NONE = 0,
#define CPIS_X(name, word, text) name,
    SCENARIO_FAULTS(CPIS_X)
#undef CPIS_X
        FAULT_TYPE_END
};
const char *fault_word(enum scenario_fault_type t); /* "disk-slow" */
const char *fault_text(enum scenario_fault_type t);

#define SCENARIO_ROGUES(X)                                                                         \
    X(ROGUE_LIES, "lies", ROLE_DIRECTORY, "says absent where it should say present")               \
    X(ROGUE_OMITS, "omits", ROLE_DIRECTORY, "leaves an authority out of its state")                \
    X(ROGUE_EQUIVOCATES, "equivocates", ROLE_DIRECTORY,                                            \
      "shows different heads to different nodes")                                                  \
    X(ROGUE_REPLAYS, "replays", ROLE_DIRECTORY, "sends old frames again")                          \
    X(ROGUE_COPIES_TOKENS, "copies-tokens", ROLE_AUTHORITY, "lists tokens taken from others")      \
    X(ROGUE_LISTS_FOREIGN, "lists-foreign", ROLE_AUTHORITY, "lists children that are not its own") \
    X(ROGUE_ROLLS_BACK, "rolls-back", ROLE_AUTHORITY, "publishes an old list again")               \
    X(ROGUE_PROBES, "probes", ROLE_QUERY, "looks up numbers in order, over its day's limit")       \
    X(ROGUE_FLOODS, "floods", ROLE_QUERY, "sends `per_second` frames, most of them malformed")     \
    X(ROGUE_QUERY_REPLAYS, "replays-lookups", ROLE_QUERY, "sends old lookups of its own again")
enum scenario_rogue {
    ROGUE_NONE = 0,
#define CPIS_X(name, word, role, text) name,
    SCENARIO_ROGUES(CPIS_X)
#undef CPIS_X
        ROGUE_END
};
const char *rogue_word(enum scenario_rogue r);
const char *rogue_text(enum scenario_rogue r);
enum node_role rogue_role(enum scenario_rogue r); /* who can behave so */

#define MOMENT_NONE UINT64_MAX
struct scenario_fault { /* only what its type uses is set (keys.c says which); else 0 or none */
    enum scenario_fault_type type;
    uint64_t at, until; /* ms from the start; until MOMENT_NONE: to the end of the safety phase */
    struct scenario_who who, to;
    enum scenario_rogue behaviour;
    uint64_t permille, times, per_second;
    uint64_t loss_permille, twice_permille, delay; /* delay: ms, on top */
    uint64_t age, down, gap, overlap, switch_after;
    int64_t skew, drift_ppm; /* skew: ms */
    uint64_t successor;      /* authority by index */
    uint64_t side;           /* partitions with one number are one side; 0: a side of its own */
    unsigned line;           /* where it stands, for messages */
};
#endif
