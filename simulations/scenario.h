/* simulations/scenario.h - what a run is to be: a plain struct of values, read from a small
 * libconfig file. simulations/README.md describes the format for people; `cpis-sim explain KEY`
 * prints what the tables of keys.c know, which also drive parsing and checks.
 *
 * Time. Day 0 begins at 00:00 London on `start`; a moment is "2d 17:30" (day 2, half past five) or
 * "2d 17:30:15"; a day of a scenario has 24 hours, so clock changes do not shift it. A duration is
 * a whole number and its unit: "200 ms", "90 s", "15 min", "36 h", "62 d". In the struct both are
 * ms. A run has a safety phase (faults on, lookups arrive) of `lasts`, then a liveness phase: every
 * fault is healed, nothing new arrives, and within `converge_within` everything must have
 * converged.
 *
 * Values only; reading allocates nothing that outlives the call. Any thread. */
#ifndef CPIS_SIMULATIONS_SCENARIO_H
#define CPIS_SIMULATIONS_SCENARIO_H
#include "proto/date.h"
#include "proto/message.h"
#include "simulations/scenario_fault.h"

#define SCENARIO_AUTHORITIES_MAX 2000U
#define SCENARIO_QUERIES_MAX     500U
#define SCENARIO_LINKS_MAX       12U
#define SCENARIO_FAULTS_MAX      256U
#define SCENARIO_BATCHES_MAX     64U
#define SCENARIO_LASTS_MAX       ((uint64_t)400 * CPIS_MS_DAY)
#define SCENARIO_TEXT_BYTES      512U
#define SCENARIO_NAME_BYTES      40U

enum scenario_sizes {                    /* how plans fall on authorities */
                      SIZES_ENGLAND = 1, /* in proportion to the 153 of England (england.c) */
                      SIZES_EVEN,
                      SIZES_SKEWED /* the i-th has 1/(i+1) of the first's */
};
enum scenario_crypto { SCENARIO_CRYPTO_STUB = 1, SCENARIO_CRYPTO_REAL };
enum scenario_storage { SCENARIO_STORAGE_MEMORY = 1, SCENARIO_STORAGE_LMDB };

/* A distribution by five points, straight lines between: min, median, p90, p99, max; rising. */
enum { POINT_MIN, POINT_MEDIAN, POINT_P90, POINT_P99, POINT_MAX, POINTS };
struct distribution {
    uint64_t us[POINTS];
};
/* The value at dice of 2^32: integers only, the same on every machine. */
uint64_t distribution_us(const struct distribution *d, uint32_t dice);

struct scenario_link {
    char name[SCENARIO_NAME_BYTES];
    struct distribution delay; /* one way */
    uint64_t loss_permille, twice_permille;
    bool reorders; /* false: what is sent later on one connection never arrives earlier (TCP) */
};
/* Which connection uses which profile: everybody dials directories, nobody else. Indexes into
 * link[]. */
enum scenario_pair {
    PAIR_DIRECTORY_DIRECTORY,
    PAIR_AUTHORITY_DIRECTORY,
    PAIR_QUERY_DIRECTORY,
    PAIRS
};

struct scenario_cpu {       /* virtual time that work takes on one core of a node; 0: none */
    uint64_t step_us;       /* any step, codec included */
    uint64_t signature_us;  /* a message that is signed or verified, on top */
    uint64_t evaluation_us; /* directory: one blind element, with its proof */
    uint64_t unblind_us;    /* asker: checking and combining one directory's evaluation */
    uint64_t search_us;     /* directory: one lookup against its bucket */
    uint64_t answer_us;     /* authority: opening details, sealing an answer */
};
struct scenario_disk {
    struct distribution commit; /* one durable commit */
};

struct scenario_batch { /* practices tracing their whole lists, as scheduled lookups */
    uint64_t at;
    uint64_t practices, children; /* each traces so many, drawn over all children */
    uint64_t per_second;          /* of one practice */
    uint64_t query; /* at which query node; INDEX_NONE: the i-th practice at i mod n */
};
struct scenario_demand {
    uint64_t lookups_per_day;                  /* mean over a week */
    uint64_t hour[24], weekday[7];             /* weights; weekday from Monday */
    uint64_t scheduled_permille, hit_permille; /* share of silent reads; of children with a plan */
    uint64_t bursts_per_day, burst_lookups;    /* besides: so many at once at one query node */
};
struct scenario_churn {             /* plan events, all authorities together, by their size */
    uint64_t starts, ends, deletes; /* each working day */
    uint64_t hour[24];
    uint64_t weekend_permille; /* of a working day's events, on Saturdays and Sundays */
};
struct scenario {
    char name[SCENARIO_NAME_BYTES], description[SCENARIO_TEXT_BYTES];
    struct date start;
    uint64_t lasts, converge_within; /* ms */
    uint64_t evidence_permille;      /* of verdicts whose evidence is verified offline again */
    uint64_t series_s;               /* width of a time bucket in results */
    enum scenario_crypto crypto;
    enum scenario_storage storage;
    struct {
        uint64_t authorities, directories, threshold, queries;
        enum scenario_sizes sizes;
        uint64_t plans; /* visible ones, all authorities together; 0: as many as open in England */
        uint64_t shared_permille; /* children that a second authority lists as well */
        uint64_t lookup_limit;    /* of a query node and day, in its descriptor; 0: no limit */
    } topology;
    uint64_t epoch_lasts; /* of the first key epoch; ms */
    struct scenario_link link[SCENARIO_LINKS_MAX];
    size_t links;
    size_t pair[PAIRS]; /* the link of each */
    struct scenario_cpu cpu;
    struct scenario_disk disk;
    struct scenario_demand demand;
    struct scenario_churn churn;
    struct scenario_batch batch[SCENARIO_BATCHES_MAX];
    size_t batches;
    struct scenario_fault fault[SCENARIO_FAULTS_MAX]; /* by `at`, then as written */
    size_t faults;
};

void scenario_default(struct scenario *ret);

/* What is wrong with a file, a line each: "FILE:LINE: KEY: expected ..., found ...". */
#define SCENARIO_MISTAKES_BYTES 8192U
struct scenario_mistakes {
    unsigned count; /* also those that no longer fit into text */
    char text[SCENARIO_MISTAKES_BYTES];
};
/* CPIS_E_IO: can't be read; CPIS_E_MALFORMED: mistakes; both say why in *mistakes. *ret is written
 * only on CPIS_OK. */
CPIS_CHECK cpis_err scenario_read(const char *path, struct scenario *ret,
                                  struct scenario_mistakes *mistakes);
/* The same of a text; `name` stands in messages for the file. */
CPIS_CHECK cpis_err scenario_parse(const char *text, const char *name, struct scenario *ret,
                                   struct scenario_mistakes *mistakes);

/* The nation that a scenario describes; the same for every seed. Pre (asserted): i below the number
 * of such nodes. */
enum nhs_region scenario_region(const struct scenario *sc, enum node_role role, uint32_t i);
/* "Camden"; beyond England's 153, or with other sizes, "Authority 12". */
void scenario_authority_name(const struct scenario *sc, uint32_t i,
                             char ret[static SCENARIO_NAME_BYTES]);
/* Fills ret[topology.authorities] with visible plans of each, at least 1; their sum is
 * topology.plans when that is given and not less than the authorities. */
void scenario_plans(const struct scenario *sc, uint32_t *ret);
uint32_t scenario_count(const struct scenario *sc, enum node_role role);
struct scenario_node {
    enum node_role role;
    uint32_t index; /* within the role */
};
#define SCENARIO_NODES_MAX (SCENARIO_AUTHORITIES_MAX + SCENARIO_QUERIES_MAX + 64U)
/* Whom `who` means in a run with this seed, in order of role (directory, authority, query) and
 * index. salt: the fault's number, so that two faults draw independently. Returns how many. */
size_t scenario_select(const struct scenario *sc, const struct scenario_who *who, uint64_t seed,
                       uint64_t salt, struct scenario_node ret[static SCENARIO_NODES_MAX]);

/* The lookups that should arrive in the hour which begins at ms `at`, in thousandths, surges not
 * counted. */
uint64_t scenario_lookups_milli(const struct scenario *sc, uint64_t at);
/* The same for plan events of one kind (starts, ends or deletes a working day). */
uint64_t scenario_churn_milli(const struct scenario *sc, uint64_t per_day, uint64_t at);

/* "2d 17:30", "2d 17:30:15" */
#define MOMENT_BYTES 24U
CPIS_CHECK cpis_err moment_parse(const char *text, uint64_t *ret);
void moment_format(uint64_t at, char ret[static MOMENT_BYTES]);
/* "90 s"; CPIS_E_MALFORMED: other text, or beyond 64 bits. */
CPIS_CHECK cpis_err duration_parse(const char *text, uint64_t *ret);
void duration_format(uint64_t ms, char ret[static MOMENT_BYTES]); /* in the largest whole unit */
#endif
