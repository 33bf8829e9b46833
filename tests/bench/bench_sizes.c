/* tests/bench/bench_sizes.c - what grows with the data.
 *
 *   bench_sizes match [MAX]
 *                        matches a second of a directory that holds 10^4 to MAX (10^6) tokens
 *   bench_sizes lists [PLANS]
 *                        in machines without I/O: a list of PLANS (2,000) published, a plan added
 *                        to it, a directory that has missed that catching up; its tree alone
 *   bench_sizes fill DIR TOKENS AUTHORITY...
 *                        puts lists of so many tokens in all into the store of a directory that
 *                        does not run, as if from the authorities whose folders these are
 *
 * Tokens are random bytes: a real one is a hash of y and looks the same, and the 999 range has
 * 909,091 valid numbers, too few for 10^6. Figures as JSON lines. */
#include "node/net/folder.h"
#include "simulations/sim.h"
#include "storage/store.h"
#include "tests/bench/figure.h"
#include "tests/bench/operation.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 10000000U
#define EPOCH      1U
#define PLANS      2000U /* of a list, unless told otherwise */
#define BATCH_ROWS 20000U

static struct drbg dice;

/* --- match --- */

static struct token *tokens;
static size_t tokens_count;
/* As lists_match has it: a bucket's tokens lie in one piece, each lookup's in another bucket. */
static void match(void)
{
    static const struct handle h = {{1}};
    static const struct tag t = {{2}};
    static size_t bucket;
    const size_t from = tokens_count * bucket / OPERATION_BUCKETS;
    const size_t to = tokens_count * (bucket + 1) / OPERATION_BUCKETS;
    size_t at[4];
    MUST(handle_find(tokens + from, to - from, &h, &t, at, 4) == 0);
    bucket = (bucket + 1) % OPERATION_BUCKETS;
}
static int measure_match(size_t most)
{
    MUST(most <= TOKENS_MAX);
    tokens = malloc(most * sizeof *tokens);
    MUST(tokens != NULL);
    drbg_bytes(&dice, tokens, most * sizeof *tokens);
    for (tokens_count = 10000; tokens_count <= most; tokens_count *= 10) {
        char name[64];
        size_t n;
        (void)snprintf(name, sizeof name, "directory_matches_per_second_%zu", tokens_count);
        const double us = figure_time(match, 500, &n);
        figure(name, 1e6 / us, "1/s", n);
    }
    free(tokens);
    return 0;
}

/* --- lists --- */

static int rising(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

static struct list_entry *random_entries(size_t n)
{
    struct list_entry *e = malloc(n * sizeof *e);
    MUST(e != NULL);
    drbg_bytes(&dice, e, n * sizeof *e);
    qsort(e, n, sizeof *e, rising);
    return e;
}

static double settled(struct sim *s)
{
    const double from = figure_cpu_us();
    MUST(sim_settle(s, 10 * CPIS_MS_MINUTE));
    return figure_cpu_us() - from;
}
static struct list_entry *entries;
static size_t entries_count;
static void tree(void)
{
    struct merkle *m;
    MUST(merkle_build(entries, entries_count, &m) == CPIS_OK);
    merkle_free(&m);
}
static void measure_tree(size_t n)
{
    size_t times;
    entries = random_entries(n);
    entries_count = n;
    const double us = figure_time(tree, 200, &times);
    figure("list_tree_cpu_ms", us / 1e3, "ms", times);
    free(entries);
}

static int measure_lists(unsigned plans)
{
    const struct sim_conf conf = {.seed = 1,
                                  .directories = 3,
                                  .threshold = 2,
                                  .authorities = 1,
                                  .queries = 1,
                                  .link = {.delay = {.min = 100, .max = 500}}};
    struct sim *s = sim_new(&conf);
    const unsigned authority = sim_authority(s, 0), last = sim_directory(s, 2);
    uint32_t at = 0;
    struct nhs_number n;
    for (unsigned i = 0; i < plans; i++) {
        MUST(sim_next_number(&at, &n));
        sim_add_plan(s, authority, &n, 1, 1);
    }
    figure("list_publish_cpu_us_per_plan", settled(s) / plans, "us", plans);
    MUST(sim_next_number(&at, &n));
    sim_add_plan(s, authority, &n, 1, 1);
    figure("list_delta_cpu_ms", settled(s) / 1e3, "ms", 1); /* in three directories */
    sim_stop(s, last);
    MUST(sim_next_number(&at, &n));
    sim_add_plan(s, authority, &n, 1, 1);
    sim_run(s, 5 * CPIS_MS_SECOND);
    sim_start(s, last);
    figure("gossip_repair_cpu_ms", settled(s) / 1e3, "ms", 1); /* its start included */
    sim_free(&s);
    measure_tree(plans);
    return 0;
}

/* --- a directory's store --- */

static struct store *open_data(const char *dir)
{
    char path[FOLDER_PATH_BYTES];
    const char *why = "";
    struct folder_secrets secrets;
    struct rest_keys keys;
    struct store *s;
    MUST(folder_secrets_read(dir, NULL, 0, &secrets, &why) == CPIS_OK);
    MUST(folder_path(dir, FOLDER_DATA, sizeof path, path) == CPIS_OK);
    rest_keys_from(secrets.root, &keys);
    const struct store_conf conf = {.dir = path};
    MUST(store_open(&conf, &keys, &dice, &s) == CPIS_OK);
    sodium_memzero(&secrets, sizeof secrets);
    return s;
}

static void put_list(struct store *s, const struct net_id *net, const struct identity *id, size_t n)
{
    struct list_entry *list = random_entries(n);
    struct arena a = arena_make((size_t)1 << 20);
    struct merkle *m;
    uint8_t key[4 + CPIS_ID_BYTES + TOKEN_BYTES] = {0, 0, 0, EPOCH};
    struct bytes b;
    MUST(merkle_build(list, n, &m) == CPIS_OK);
    const struct msg_head head = {.authority_id = node_id_of(&id->pub.sign),
                                  .epoch = EPOCH,
                                  .version = 1,
                                  .root = merkle_root(m),
                                  .n = n,
                                  .time = (uint64_t)SIM_EPOCH_START};
    struct row_held row = {.head = {.type = SIGNED_HEAD, .signer = head.authority_id}};
    MUST(head_encode(&head, &a, &row.head.body) == CPIS_OK);
    sign_make(&id->sign, SIGNED_HEAD, net, row.head.body.p, row.head.body.len, &row.head.signature);
    MUST(row_held_encode(&row, &a, &b) == CPIS_OK);
    memcpy(key + 4, head.authority_id.b, CPIS_ID_BYTES);
    store_put(s, TABLE_HEAD, key, 4 + CPIS_ID_BYTES, b.p, b.len);
    for (size_t i = 0; i < n; i++) {
        memcpy(key + 4 + CPIS_ID_BYTES, list[i].token.b, TOKEN_BYTES);
        store_put(s, TABLE_LIST, key, sizeof key, list[i].salt.b, SALT_BYTES);
        if (i % BATCH_ROWS == BATCH_ROWS - 1) MUST(store_commit(s) == CPIS_OK);
    }
    MUST(store_commit(s) == CPIS_OK);
    merkle_free(&m);
    arena_free(&a);
    free(list);
}

static int fill(int argc, char **argv)
{
    static const struct net_id net = {{0}}; /* a start reads, and does not judge signatures anew */
    const size_t in_all = strtoul(argv[3], NULL, 10), authorities = (size_t)argc - 4;
    struct store *s = open_data(argv[2]);
    MUST(in_all >= authorities && in_all <= TOKENS_MAX);
    for (size_t i = 0; i < authorities; i++) {
        struct folder_secrets secrets;
        struct identity id;
        const char *why = "";
        MUST(folder_secrets_read(argv[4 + i], NULL, 0, &secrets, &why) == CPIS_OK);
        identity_from(secrets.seed, &id);
        put_list(s, &net, &id, in_all / authorities);
        identity_wipe(&id);
        sodium_memzero(&secrets, sizeof secrets);
    }
    store_close(&s);
    return 0;
}

int main(int argc, char **argv)
{
    MUST(sodium_init() >= 0);
    drbg_keygen(&dice);
    const unsigned long size = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (argc <= 3 && argc > 1 && strcmp(argv[1], "match") == 0)
        return measure_match(size == 0 ? 1000000 : size);
    if (argc <= 3 && argc > 1 && strcmp(argv[1], "lists") == 0)
        return measure_lists(size == 0 ? PLANS : (unsigned)size);
    if (argc > 4 && strcmp(argv[1], "fill") == 0) return fill(argc, argv);
    fprintf(stderr,
            "usage: bench_sizes match [MAX] | lists [PLANS] | fill DIR TOKENS AUTHORITY...\n");
    return 2;
}
