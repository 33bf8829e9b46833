#include "simulations/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DAY  CPIS_MS_DAY
#define HOUR CPIS_MS_HOUR
#define SEC  CPIS_MS_SECOND

static const struct key_word role_words[] = {{"any", 0, "every node"},
                                             {"directory", ROLE_DIRECTORY, ""},
                                             {"authority", ROLE_AUTHORITY, ""},
                                             {"query", ROLE_QUERY, ""},
                                             {NULL, 0, NULL}};
static const struct key_word region_words[] = {
    {"any", REGION_ANY, ""},
    {"London", REGION_LONDON, ""},
    {"North East and Yorkshire", REGION_NORTH_EAST_AND_YORKSHIRE, ""},
    {"Midlands", REGION_MIDLANDS, ""},
    {"North West", REGION_NORTH_WEST, ""},
    {"South East", REGION_SOUTH_EAST, ""},
    {"South West", REGION_SOUTH_WEST, ""},
    {"East of England", REGION_EAST_OF_ENGLAND, ""},
    {NULL, 0, NULL}};
static const struct key_word size_words[] = {
    {"england", SIZES_ENGLAND, "in proportion to the 153 of England"},
    {"even", SIZES_EVEN, "all the same"},
    {"skewed", SIZES_SKEWED, "the i-th has 1/(i+1) of the first's"},
    {NULL, 0, NULL}};
static const struct key_word crypto_words[] = {
    {"stub", SCENARIO_CRYPTO_STUB, ""}, {"real", SCENARIO_CRYPTO_REAL, ""}, {NULL, 0, NULL}};
static const struct key_word storage_words[] = {
    {"memory", SCENARIO_STORAGE_MEMORY, ""}, {"lmdb", SCENARIO_STORAGE_LMDB, ""}, {NULL, 0, NULL}};
static const struct key_word fault_words[] = {
#define CPIS_X(name, word, text) {word, name, text},
    SCENARIO_FAULTS(CPIS_X)
#undef CPIS_X
        {NULL, 0, NULL}};
static const struct key_word rogue_words[] = {
#define CPIS_X(name, word, role, text) {word, name, text},
    SCENARIO_ROGUES(CPIS_X)
#undef CPIS_X
        {NULL, 0, NULL}};

#define AT(member)       offsetof(struct scenario, member)
#define LINK_AT(member)  offsetof(struct scenario_link, member)
#define BATCH_AT(member) offsetof(struct scenario_batch, member)
#define FAULT_AT(member) offsetof(struct scenario_fault, member)
#define NUMBER(group, name, at, min, max, value, help)                                             \
    {                                                                                              \
        group, name, KEY_NUMBER, at, min, max, value, NULL, help                                   \
    }
#define LASTING(group, name, at, min, max, value, help)                                            \
    {                                                                                              \
        group, name, KEY_DURATION, at, min, max, value, NULL, help                                 \
    }
#define CHOICE(group, name, at, value, words, help)                                                \
    {                                                                                              \
        group, name, KEY_CHOICE, at, 0, 0, value, words, help                                      \
    }
/* 0 to 1000, most of them 0 unless said */
#define PERMILLE(group, name, at, value, help) NUMBER(group, name, at, 0, 1000, value, help)
#define COST(name, value, help)                NUMBER(GROUP_CPU, #name, AT(cpu.name), 0, 1000000, value, help)
#define DELAY(group, prefix, point, at, value, help)                                               \
    NUMBER(group, prefix "_" #point "_us", at, 0, 600000000, value, help)
#define WEIGHTS(group, name, at, n, value, help)                                                   \
    {                                                                                              \
        group, name, KEY_WEIGHTS, at, 0, n, value, NULL, help                                      \
    }
#define WHO(prefix, member, whom)                                                                  \
    CHOICE(GROUP_FAULT, prefix "role", FAULT_AT(member.role), "any", role_words,                   \
           "Nodes of this role" whom),                                                             \
        CHOICE(GROUP_FAULT, prefix "region", FAULT_AT(member.region), "any", region_words,         \
               "Only those of this NHS region"),                                                   \
        NUMBER(GROUP_FAULT, prefix "index", FAULT_AT(member.index), 0, INDEX_NONE - 1, NULL,       \
               "The first of them, from 0; left out: the seed draws"),                             \
        NUMBER(GROUP_FAULT, prefix "count", FAULT_AT(member.count), 1, SCENARIO_NODES_MAX, NULL,   \
               "So many; left out: one with an index, else all"),                                  \
        NUMBER(GROUP_FAULT, prefix "share_permille", FAULT_AT(member.share_permille), 1, 1000,     \
               NULL, "Such a share of them, at least one, drawn by the seed")

const struct key keys[] = {
    {GROUP_TOP, "name", KEY_TEXT, AT(name), 1, SCENARIO_NAME_BYTES - 1, NULL, NULL,
     "The scenario's name; results carry it. Left out: the file's"},
    {GROUP_TOP, "description", KEY_TEXT, AT(description), 0, SCENARIO_TEXT_BYTES - 1, "", NULL,
     "What it is for, in a sentence or two"},
    {GROUP_TOP, "start", KEY_DATE, AT(start), 0, 0, "2026-11-23", NULL,
     "The day that is day 0; gives the days of the week"},
    LASTING(GROUP_TOP, "lasts", AT(lasts), SEC, SCENARIO_LASTS_MAX, "1 d",
            "The safety phase: lookups arrive, faults are on (--days changes it)"),
    LASTING(GROUP_TOP, "converge_within", AT(converge_within), SEC, 7 * DAY, "30 min",
            "The liveness phase: with all healed, everything must have converged by then"),
    PERMILLE(GROUP_TOP, "evidence_permille", AT(evidence_permille), "1000",
             "Share of verdicts whose evidence is verified offline again"),
    NUMBER(GROUP_TOP, "series_s", AT(series_s), 1, 86400, "600",
           "Width of a time bucket in results, in seconds"),
    CHOICE(GROUP_TOP, "crypto", AT(crypto), "stub", crypto_words,
           "Stand-ins with the same failures, or libsodium (--crypto changes it)"),
    CHOICE(GROUP_TOP, "storage", AT(storage), "memory", storage_words,
           "Rows in memory, or LMDB in a scratch folder (--storage changes it)"),
    LASTING(GROUP_TOP, "epoch_lasts", AT(epoch_lasts), DAY, 1000 * DAY, "365 d",
            "The first key epoch's length"),

    NUMBER(GROUP_TOPOLOGY, "authorities", AT(topology.authorities), 1, SCENARIO_AUTHORITIES_MAX,
           "153", "Local authorities"),
    CHOICE(GROUP_TOPOLOGY, "sizes", AT(topology.sizes), "england", size_words,
           "How plans fall on authorities"),
    NUMBER(GROUP_TOPOLOGY, "plans", AT(topology.plans), 0, 100000000, "0",
           "Visible plans of all authorities; 0: as many as are open in England"),
    PERMILLE(GROUP_TOPOLOGY, "shared_permille", AT(topology.shared_permille), "5",
             "Share of children whom a second authority lists as well"),
    NUMBER(GROUP_TOPOLOGY, "directories", AT(topology.directories), 1, 64, "7", "Directories"),
    NUMBER(GROUP_TOPOLOGY, "threshold", AT(topology.threshold), 1, 64, "4",
           "t: key shares, and absences, that it takes; not above directories"),
    NUMBER(GROUP_TOPOLOGY, "queries", AT(topology.queries), 1, SCENARIO_QUERIES_MAX, "20",
           "Query nodes"),
    NUMBER(GROUP_TOPOLOGY, "lookup_limit", AT(topology.lookup_limit), 0, 1000000000, "0",
           "Lookups a day in a query node's descriptor; 0: as many as a descriptor can say"),

    {GROUP_NETWORK, "directory_directory", KEY_LINK, 0, 0, 0, "hscn", NULL,
     "The link between two directories"},
    {GROUP_NETWORK, "authority_directory", KEY_LINK, SCENARIO_NAME_BYTES, 0, 0, "hscn", NULL,
     "The link between an authority and a directory"},
    {GROUP_NETWORK, "query_directory", KEY_LINK, 2 * SCENARIO_NAME_BYTES, 0, 0, "hscn", NULL,
     "The link between a query node and a directory"},

    COST(step_us, "15", "Any step, codec included"),
    COST(signature_us, "60", "A message that is signed or verified, on top"),
    COST(evaluation_us, "250", "Directory: one blind element and its proof"),
    COST(unblind_us, "400", "Asker: checking and combining one directory's evaluation"),
    COST(search_us, "200", "Directory: one lookup against the tokens of its bucket"),
    COST(answer_us, "250", "Authority: opening details, sealing an answer"),

#define COMMIT(point, index, value)                                                                \
    DELAY(GROUP_DISK, "commit", point, AT(disk.commit.us[index]), value, "One durable commit")
    COMMIT(min, POINT_MIN, "100"),
    COMMIT(median, POINT_MEDIAN, "300"),
    COMMIT(p90, POINT_P90, "900"),
    COMMIT(p99, POINT_P99, "4000"),
    COMMIT(max, POINT_MAX, "40000"),

    NUMBER(GROUP_DEMAND, "lookups_per_day", AT(demand.lookups_per_day), 0, 1000000000, "35000",
           "Lookups a day, the mean over a week"),
    WEIGHTS(GROUP_DEMAND, "hour", AT(demand.hour), 24,
            "40 32 26 22 20 20 24 36 60 85 100 98 92 88 86 88 95 102 104 100 92 80 64 50",
            "How lookups fall on the hours from 00:00"),
    WEIGHTS(GROUP_DEMAND, "weekday", AT(demand.weekday), 7, "158 141 140 140 140 140 141",
            "How lookups fall on the days from Monday"),
    PERMILLE(GROUP_DEMAND, "scheduled_permille", AT(demand.scheduled_permille), "200",
             "Share of silent reads, which no authority is notified of"),
    PERMILLE(GROUP_DEMAND, "hit_permille", AT(demand.hit_permille), "20",
             "Share of lookups whose child has a plan"),
    NUMBER(GROUP_DEMAND, "bursts_per_day", AT(demand.bursts_per_day), 0, 10000, "0",
           "Times a day that many come at once, besides"),
    NUMBER(GROUP_DEMAND, "burst_lookups", AT(demand.burst_lookups), 0, 10000, "0",
           "How many, within a second, at one query node"),

    NUMBER(GROUP_CHURN, "starts", AT(churn.starts), 0, 1000000, "373",
           "Plans that start, each working day, all authorities together"),
    NUMBER(GROUP_CHURN, "ends", AT(churn.ends), 0, 1000000, "384",
           "Plans that end; they stay visible 364 days"),
    NUMBER(GROUP_CHURN, "deletes", AT(churn.deletes), 0, 1000000, "8",
           "Plans that are deleted, entered in error"),
    WEIGHTS(GROUP_CHURN, "hour", AT(churn.hour), 24,
            "0 0 0 0 0 0 0 2 20 60 90 90 70 70 90 90 80 50 15 5 2 1 0 0",
            "How plan events fall on the hours from 00:00"),
    PERMILLE(GROUP_CHURN, "weekend_permille", AT(churn.weekend_permille), "50",
             "Of a working day's events, on a Saturday or Sunday"),

    {GROUP_LINK, "name", KEY_TEXT, LINK_AT(name), 1, SCENARIO_NAME_BYTES - 1, NULL, NULL,
     "The link's name; a built-in one is replaced"},
#define ONE_WAY(point, index)                                                                      \
    DELAY(GROUP_LINK, "delay", point, LINK_AT(delay.us[index]), NULL, "One way")
    ONE_WAY(min, POINT_MIN),
    ONE_WAY(median, POINT_MEDIAN),
    ONE_WAY(p90, POINT_P90),
    ONE_WAY(p99, POINT_P99),
    ONE_WAY(max, POINT_MAX),
    PERMILLE(GROUP_LINK, "loss_permille", LINK_AT(loss_permille), "0", "Messages lost"),
    PERMILLE(GROUP_LINK, "twice_permille", LINK_AT(twice_permille), "0", "Messages doubled"),
    {GROUP_LINK, "reorders", KEY_BOOL, LINK_AT(reorders), 0, 1, "false", NULL,
     "true: later messages may overtake earlier ones"},

    {GROUP_BATCH, "at", KEY_MOMENT, BATCH_AT(at), 0, 0, NULL, NULL, "When it begins"},
    NUMBER(GROUP_BATCH, "practices", BATCH_AT(practices), 1, 10000, "1",
           "Practices that trace their lists at once"),
    NUMBER(GROUP_BATCH, "children", BATCH_AT(children), 1, 1000000, "10000",
           "Children on each list"),
    NUMBER(GROUP_BATCH, "per_second", BATCH_AT(per_second), 1, 10000, "5",
           "Lookups a second of each practice, as scheduled ones"),
    NUMBER(GROUP_BATCH, "query", BATCH_AT(query), 0, SCENARIO_QUERIES_MAX - 1, NULL,
           "The query node they use; left out: spread over all"),

    {GROUP_FAULT, "at", KEY_MOMENT, FAULT_AT(at), 0, 0, NULL, NULL, "When it comes"},
    {GROUP_FAULT, "until", KEY_MOMENT, FAULT_AT(until), 0, 0, NULL, NULL,
     "When it goes; left out: at the end of the safety phase, when all is healed"},
    CHOICE(GROUP_FAULT, "what", FAULT_AT(type), NULL, fault_words, "The kind of fault"),
    WHO("", who, ""),
    WHO("to_", to, ", at the other end of a cut"),
    CHOICE(GROUP_FAULT, "behaviour", FAULT_AT(behaviour), NULL, rogue_words,
           "What a rogue node does"),
    NUMBER(GROUP_FAULT, "permille", FAULT_AT(permille), 1, 1000, NULL,
           "How often, in thousandths; a rogue node: 1000"),
    NUMBER(GROUP_FAULT, "times", FAULT_AT(times), 2, 100000, NULL, "The factor"),
    NUMBER(GROUP_FAULT, "per_second", FAULT_AT(per_second), 1, 100000, NULL,
           "The rate; a rogue node: 10"),
    PERMILLE(GROUP_FAULT, "loss_permille", FAULT_AT(loss_permille), NULL, "Messages lost"),
    PERMILLE(GROUP_FAULT, "twice_permille", FAULT_AT(twice_permille), NULL, "Messages doubled"),
    LASTING(GROUP_FAULT, "delay", FAULT_AT(delay), 1, HOUR, NULL,
            "Longer on the way, each message"),
    LASTING(GROUP_FAULT, "age", FAULT_AT(age), SEC, 365 * DAY, NULL, "How old the backup is"),
    LASTING(GROUP_FAULT, "down", FAULT_AT(down), 1, 30 * DAY, NULL,
            "How long a node is down; crash: at most"),
    LASTING(GROUP_FAULT, "gap", FAULT_AT(gap), 1, 30 * DAY, NULL,
            "From one node's return to the next one's stop"),
    LASTING(GROUP_FAULT, "switch_after", FAULT_AT(switch_after), 60 * SEC, 60 * DAY, NULL,
            "From the ceremony's beginning to the new epoch's"),
    LASTING(GROUP_FAULT, "overlap", FAULT_AT(overlap), 60 * SEC, 60 * DAY, NULL,
            "From the new epoch's beginning to the old one's end"),
    {GROUP_FAULT, "skew", KEY_SKEW, FAULT_AT(skew), 0, 365 * DAY, NULL, NULL,
     "How far its wall clock is ahead; \"-90 s\": behind"},
    {GROUP_FAULT, "drift_ppm", KEY_SIGNED, FAULT_AT(drift_ppm), 0, 100000, NULL, NULL,
     "Microseconds a second that its wall clock is too fast; negative: too slow"},
    NUMBER(GROUP_FAULT, "successor", FAULT_AT(successor), 0, SCENARIO_AUTHORITIES_MAX - 1, NULL,
           "The authority that takes over, from 0"),
    NUMBER(GROUP_FAULT, "side", FAULT_AT(side), 1, 63, NULL,
           "Partitions with the same number stand on one side together"),
};
const size_t keys_count = sizeof keys / sizeof *keys;

static const struct fault_rule rules[] = {
    {FAULT_STOP, 0, false, "", "until"},
    {FAULT_CRASH, 0, false, "permille down", "until"},
    {FAULT_COMMIT_FAILS, 0, false, "permille", "until"},
    {FAULT_DISK_SLOW, 0, false, "times", "until"},
    {FAULT_DISK_FULL, 0, false, "", "until"},
    {FAULT_CPU_SLOW, 0, false, "times", "until"},
    {FAULT_CUT, 0, false, "to_role", "until to_region to_index to_count to_share_permille"},
    {FAULT_PARTITION, 0, false, "", "until side"},
    {FAULT_LINK, 0, false, "", "until loss_permille twice_permille delay"},
    {FAULT_CLOCK_SKEW, 0, false, "skew", "until"},
    {FAULT_CLOCK_DRIFT, 0, false, "drift_ppm", "until"},
    {FAULT_ROLLING_RESTART, 0, false, "down gap", ""},
    {FAULT_SURGE, 0, true, "times", "until"},
    {FAULT_RESTORE, 0, false, "age down", ""},
    {FAULT_COPY, 0, false, "age", "until"},
    {FAULT_REVOKE, 0, false, "", ""},
    {FAULT_SUSPEND, ROLE_AUTHORITY, false, "", ""},
    {FAULT_REINSTATE, ROLE_AUTHORITY, false, "", ""},
    {FAULT_JOIN, ROLE_AUTHORITY, false, "", ""},
    {FAULT_RETIRE, ROLE_AUTHORITY, false, "successor", ""},
    {FAULT_NOTICE, ROLE_AUTHORITY, false, "until", ""},
    {FAULT_EPOCH_CHANGE, 0, true, "switch_after overlap", ""},
    {FAULT_ROGUE, 0, false, "behaviour", "until permille per_second"},
};

const struct fault_rule *fault_rule(enum scenario_fault_type t)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].type == t) return &rules[i];
    assert(!"every kind of fault has a rule");
    return NULL;
}

bool fault_rule_has(const char *words, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = words; (at = strstr(at, name)) != NULL; at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) return true;
    return false;
}

static const char *word_of(const struct key_word *words, int value, bool text)
{
    for (; words->word != NULL; words++)
        if (words->value == value) return text ? words->text : words->word;
    return "";
}
const char *fault_word(enum scenario_fault_type t) { return word_of(fault_words, (int)t, false); }
const char *fault_text(enum scenario_fault_type t) { return word_of(fault_words, (int)t, true); }
const char *rogue_word(enum scenario_rogue r) { return word_of(rogue_words, (int)r, false); }
const char *rogue_text(enum scenario_rogue r) { return word_of(rogue_words, (int)r, true); }
const char *region_name(enum nhs_region r) { return word_of(region_words, (int)r, false); }
enum node_role rogue_role(enum scenario_rogue r)
{
    static const enum node_role role[ROGUE_END] = {
#define CPIS_X(name, word, who, text) [name] = who,
        SCENARIO_ROGUES(CPIS_X)
#undef CPIS_X
    };
    return role[r];
}
