/* From a libconfig file to a struct scenario. Goes on after a mistake, so that all of them are told
 * at once. */
#include "simulations/keys.h"

#include <assert.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 96U
struct reading {
    const char *file; /* as it stands in messages */
    struct scenario *sc;
    struct scenario_mistakes *mistakes;
    char network[PAIRS][SCENARIO_NAME_BYTES]; /* names of links, until all links are known */
    const config_setting_t *network_at[PAIRS];
};

static void say(struct scenario_mistakes *m, const char *line)
{
    size_t used = strlen(m->text), len = strlen(line);
    m->count++;
    if (used + len + 2 > sizeof m->text) return;
    memcpy(m->text + used, line, len);
    memcpy(m->text + used + len, "\n", 2);
}

static void wrong(struct reading *r, const config_setting_t *at, const char *path,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
static void wrong(struct reading *r, const config_setting_t *at, const char *path,
                  const char *format, ...)
{
    char line[KEY_EXPECTED_BYTES + 512];
    const char *file = config_setting_source_file(at); /* another one after an @include */
    int n = snprintf(line, sizeof line, "%.200s:%u: %.90s: ", file != NULL ? file : r->file,
                     (unsigned)config_setting_source_line(at), path);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    say(r->mistakes, line);
}

static void describe(const config_setting_t *s, char *ret, size_t cap)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        (void)snprintf(ret, cap, "%lld", (long long)config_setting_get_int64(s));
        break;
    case CONFIG_TYPE_FLOAT:
        (void)snprintf(ret, cap, "the fraction %g", config_setting_get_float(s));
        break;
    case CONFIG_TYPE_BOOL:
        (void)snprintf(ret, cap, "%s", config_setting_get_bool(s) ? "true" : "false");
        break;
    case CONFIG_TYPE_STRING:
        (void)snprintf(ret, cap, "\"%.60s\"", config_setting_get_string(s));
        break;
    case CONFIG_TYPE_ARRAY:
        (void)snprintf(ret, cap, "an array of %d", config_setting_length(s));
        break;
    case CONFIG_TYPE_GROUP: (void)snprintf(ret, cap, "a group { }"); break;
    default: (void)snprintf(ret, cap, "a list ( )"); break;
    }
}

static bool set_weights(const struct key *k, const config_setting_t *s, void *base)
{
    char text[24 * 8] = "";
    size_t used = 0;
    if (config_setting_type(s) != CONFIG_TYPE_ARRAY || (uint64_t)config_setting_length(s) != k->max)
        return false;
    for (int i = 0; i < config_setting_length(s); i++) {
        int v = config_setting_get_int_elem(s, i);
        if (config_setting_type(config_setting_get_elem(s, (unsigned)i)) != CONFIG_TYPE_INT ||
            v < 0 || v > (int)KEY_WEIGHT_MAX)
            return false;
        used += (size_t)snprintf(text + used, sizeof text - used, "%d ", v);
    }
    text[used - 1] = '\0';
    return key_set_text(k, text, base);
}

static bool set_value(const struct key *k, const config_setting_t *s, void *base)
{
    int type = config_setting_type(s);
    if (k->type == KEY_NUMBER || k->type == KEY_SIGNED)
        return (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) &&
               key_set_number(k, config_setting_get_int64(s), base);
    if (k->type == KEY_WEIGHTS) return set_weights(k, s, base);
    if (k->type == KEY_BOOL)
        return type == CONFIG_TYPE_BOOL &&
               key_set_text(k, config_setting_get_bool(s) ? "true" : "false", base);
    return type == CONFIG_TYPE_STRING && key_set_text(k, config_setting_get_string(s), base);
}

static void read_value(struct reading *r, const struct key *k, const config_setting_t *s,
                       const char *path, void *base)
{
    char expected[KEY_EXPECTED_BYTES], found[96];
    if (set_value(k, s, base)) return;
    key_expected(k, expected);
    describe(s, found, sizeof found);
    wrong(r, s, path, "expected %s, found %s", expected, found);
}

static void unknown(struct reading *r, enum key_group g, const config_setting_t *s,
                    const char *path)
{
    const char *near = key_nearest(g, config_setting_name(s));
    if (near != NULL)
        wrong(r, s, path, "no such key here; did you mean \"%s\"?", near);
    else
        wrong(r, s, path,
              "no such key here; expected one of those that `cpis-sim explain %s` lists",
              g == GROUP_TOP ? "" : key_group_name(g));
}

static void join(const char *group, const char *name, char ret[static PATH_BYTES])
{
    (void)snprintf(ret, PATH_BYTES, "%.40s%s%.50s", group, group[0] != '\0' ? "." : "", name);
}

/* One key of a group that stands at base. */
static void read_child(struct reading *r, enum key_group g, const config_setting_t *s,
                       const char *group_path, void *base)
{
    char path[PATH_BYTES];
    const struct key *k = key_find(g, config_setting_name(s));
    join(group_path, config_setting_name(s), path);
    if (k == NULL)
        unknown(r, g, s, path);
    else
        read_value(r, k, s, path, base);
}

static void need(struct reading *r, const config_setting_t *group, const char *path,
                 const char *words)
{
    for (size_t i = 0; i < keys_count; i++) {
        char at[PATH_BYTES], expected[KEY_EXPECTED_BYTES];
        if (!fault_rule_has(words, keys[i].name) ||
            strcmp(config_setting_name(config_setting_parent(group)),
                   key_group_name(keys[i].group)) != 0 ||
            config_setting_get_member(group, keys[i].name) != NULL)
            continue;
        join(path, keys[i].name, at);
        key_expected(&keys[i], expected);
        wrong(r, group, at, "is missing; expected %s", expected);
    }
}

static void check_rising(struct reading *r, const config_setting_t *at, const char *path,
                         const struct distribution *d)
{
    for (size_t i = 1; i < POINTS; i++)
        if (d->us[i] < d->us[i - 1]) {
            wrong(r, at, path,
                  "expected min, median, p90, p99 and max to rise, found %" PRIu64
                  " after %" PRIu64,
                  d->us[i], d->us[i - 1]);
            return;
        }
}

/* --- the three lists --- */

static void read_link(struct reading *r, const config_setting_t *s, const char *path)
{
    struct scenario *sc = r->sc;
    struct scenario_link link = {0};
    key_set_defaults(GROUP_LINK, &link);
    for (int i = 0; i < config_setting_length(s); i++)
        read_child(r, GROUP_LINK, config_setting_get_elem(s, (unsigned)i), path, &link);
    need(r, s, path, "name delay_min_us delay_median_us delay_p90_us delay_p99_us delay_max_us");
    check_rising(r, s, path, &link.delay);
    size_t at = 0;
    while (at < sc->links && strcmp(sc->link[at].name, link.name) != 0)
        at++;
    if (at == SCENARIO_LINKS_MAX) {
        wrong(r, s, path, "expected at most %u links, the built-in ones included",
              SCENARIO_LINKS_MAX);
        return;
    }
    if (at == sc->links) sc->links++;
    sc->link[at] = link;
}

static void read_batch(struct reading *r, const config_setting_t *s, const char *path)
{
    struct scenario *sc = r->sc;
    struct scenario_batch batch = {.query = INDEX_NONE};
    key_set_defaults(GROUP_BATCH, &batch);
    for (int i = 0; i < config_setting_length(s); i++)
        read_child(r, GROUP_BATCH, config_setting_get_elem(s, (unsigned)i), path, &batch);
    need(r, s, path, "at");
    if (sc->batches == SCENARIO_BATCHES_MAX) {
        wrong(r, s, path, "expected at most %u batches", SCENARIO_BATCHES_MAX);
        return;
    }
    sc->batch[sc->batches++] = batch;
}

static const char whom[] = "role region index count share_permille";

static void check_whom(struct reading *r, const config_setting_t *s, const char *path,
                       struct scenario_fault *f)
{
    const struct fault_rule *rule = fault_rule(f->type);
    enum node_role only = f->type == FAULT_ROGUE ? rogue_role(f->behaviour) : rule->role;
    static const char *const roles[] = {"any", "authority", "directory", "query"};
    if (only != 0 && f->who.role == 0) f->who.role = only;
    if (only != 0 && f->who.role != only)
        wrong(r, s, path,
              "expected role \"%s\", the only one that \"%s\" can be about, found \"%s\"",
              roles[only], f->type == FAULT_ROGUE ? rogue_word(f->behaviour) : fault_word(f->type),
              roles[f->who.role]);
    if (f->who.index != INDEX_NONE && f->who.role == 0)
        wrong(r, s, path, "index: expected a role beside it: numbers are of a role's nodes");
    if (f->who.count > 0 && f->who.share_permille > 0)
        wrong(r, s, path, "expected count or share_permille, found both");
}

static void check_fault(struct reading *r, const config_setting_t *s, const char *path,
                        struct scenario_fault *f)
{
    const struct fault_rule *rule = fault_rule(f->type);
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *child = config_setting_get_elem(s, (unsigned)i);
        const char *name = config_setting_name(child);
        char at[PATH_BYTES];
        if (key_find(GROUP_FAULT, name) == NULL || fault_rule_has("at what", name) ||
            fault_rule_has(rule->required, name) || fault_rule_has(rule->optional, name) ||
            (!rule->nobody && fault_rule_has(whom, name)))
            continue;
        join(path, name, at);
        wrong(r, child, at, "does not belong to \"%s\"; expected at what%s%s%s%s%s%s",
              fault_word(f->type), rule->nobody ? "" : " ", rule->nobody ? "" : whom,
              rule->required[0] != '\0' ? " " : "", rule->required,
              rule->optional[0] != '\0' ? " " : "", rule->optional);
    }
    need(r, s, path, rule->required);
    if (f->type == FAULT_ROGUE && f->permille == 0) f->permille = 1000;
    if (f->type == FAULT_ROGUE && f->per_second == 0) f->per_second = 10;
    check_whom(r, s, path, f);
    if (f->until <= f->at) wrong(r, s, path, "until: expected a moment after `at`");
    if (f->type == FAULT_LINK && f->loss_permille + f->twice_permille + f->delay == 0)
        wrong(r, s, path, "expected at least one of loss_permille, twice_permille, delay");
}

static void read_fault(struct reading *r, const config_setting_t *s, const char *path)
{
    struct scenario *sc = r->sc;
    struct scenario_fault f = {.until = MOMENT_NONE,
                               .who.index = INDEX_NONE,
                               .to.index = INDEX_NONE,
                               .line = (unsigned)config_setting_source_line(s)};
    for (int i = 0; i < config_setting_length(s); i++)
        read_child(r, GROUP_FAULT, config_setting_get_elem(s, (unsigned)i), path, &f);
    need(r, s, path, "at what");
    if (f.type != FAULT_NONE) check_fault(r, s, path, &f);
    if (sc->faults == SCENARIO_FAULTS_MAX) {
        wrong(r, s, path, "expected at most %u faults", SCENARIO_FAULTS_MAX);
        return;
    }
    size_t at = sc->faults++;
    for (; at > 0 && sc->fault[at - 1].at > f.at; at--)
        sc->fault[at] = sc->fault[at - 1];
    sc->fault[at] = f;
}

static void read_list(struct reading *r, enum key_group g, const config_setting_t *list)
{
    const char *name = key_group_name(g);
    char found[96], path[PATH_BYTES];
    if (config_setting_type(list) != CONFIG_TYPE_LIST) {
        describe(list, found, sizeof found);
        wrong(r, list, name, "expected a list ( { ... }, ... ), found %s", found);
        return;
    }
    for (int i = 0; i < config_setting_length(list); i++) {
        const config_setting_t *s = config_setting_get_elem(list, (unsigned)i);
        (void)snprintf(path, sizeof path, "%s[%d]", name, i);
        describe(s, found, sizeof found);
        if (config_setting_type(s) != CONFIG_TYPE_GROUP)
            wrong(r, s, path, "expected a group { }, found %s", found);
        else if (g == GROUP_LINK)
            read_link(r, s, path);
        else if (g == GROUP_BATCH)
            read_batch(r, s, path);
        else
            read_fault(r, s, path);
    }
}

/* --- the groups --- */

static void read_network(struct reading *r, const config_setting_t *s)
{
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *child = config_setting_get_elem(s, (unsigned)i);
        const struct key *k = key_find(GROUP_NETWORK, config_setting_name(child));
        read_child(r, GROUP_NETWORK, child, "network", r->network);
        if (k != NULL) r->network_at[k->offset / SCENARIO_NAME_BYTES] = child;
    }
}

static void resolve_links(struct reading *r)
{
    static const char *const pairs[PAIRS] = {
        "network.directory_directory", "network.authority_directory", "network.query_directory"};
    for (size_t p = 0; p < PAIRS; p++) {
        size_t i = 0;
        if (r->network_at[p] == NULL || r->network[p][0] == '\0') continue;
        while (i < r->sc->links && strcmp(r->sc->link[i].name, r->network[p]) != 0)
            i++;
        if (i == r->sc->links)
            wrong(r, r->network_at[p], pairs[p],
                  "expected the name of a link: loopback, lan, hscn, mobile, bad, or one of "
                  "`links`; found \"%s\"",
                  r->network[p]);
        else
            r->sc->pair[p] = i;
    }
}

static void read_group(struct reading *r, enum key_group g, const config_setting_t *s)
{
    char found[96];
    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        describe(s, found, sizeof found);
        wrong(r, s, key_group_name(g), "expected a group { }, found %s", found);
    } else if (g == GROUP_NETWORK) {
        read_network(r, s);
    } else {
        for (int i = 0; i < config_setting_length(s); i++)
            read_child(r, g, config_setting_get_elem(s, (unsigned)i), key_group_name(g), r->sc);
    }
}

static void read_top(struct reading *r, const config_setting_t *root)
{
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        unsigned g = GROUP_TOPOLOGY;
        while (g < GROUPS && strcmp(key_group_name((enum key_group)g), config_setting_name(s)) != 0)
            g++;
        if (g == GROUPS)
            read_child(r, GROUP_TOP, s, "", r->sc);
        else if (key_group_is_list((enum key_group)g))
            read_list(r, (enum key_group)g, s);
        else
            read_group(r, (enum key_group)g, s);
    }
}

/* --- what can only be said when all is read --- */

static void check_fault_fits(struct reading *r, const struct scenario_fault *f)
{
    const struct scenario *sc = r->sc;
    char line[512], moment[MOMENT_BYTES], end[MOMENT_BYTES];
    static const char *const roles[] = {"any", "authority", "directory", "query"};
    const struct scenario_who *who[] = {&f->who, &f->to};
    moment_format(f->at, moment);
    moment_format(sc->lasts, end);
    if (f->at >= sc->lasts) {
        (void)snprintf(line, sizeof line,
                       "%.200s:%u: faults: at: expected a moment before the end "
                       "(%s, by `lasts`), found \"%s\"",
                       r->file, f->line, end, moment);
        say(r->mistakes, line);
    }
    for (size_t i = 0; i < 2; i++)
        if (who[i]->index != INDEX_NONE && who[i]->role != 0 &&
            who[i]->index >= scenario_count(sc, who[i]->role)) {
            (void)snprintf(line, sizeof line,
                           "%.200s:%u: faults: index: expected a number below %u, "
                           "as many as there are of role \"%s\", found %" PRIu64,
                           r->file, f->line, scenario_count(sc, who[i]->role), roles[who[i]->role],
                           who[i]->index);
            say(r->mistakes, line);
        }
    if (f->type == FAULT_RETIRE && f->successor >= sc->topology.authorities) {
        (void)snprintf(line, sizeof line,
                       "%.200s:%u: faults: successor: expected a number below %" PRIu64
                       ", found %" PRIu64,
                       r->file, f->line, sc->topology.authorities, f->successor);
        say(r->mistakes, line);
    }
}

static void check_whole(struct reading *r, const config_t *c)
{
    const struct scenario *sc = r->sc;
    const config_setting_t *root = config_root_setting(c), *at;
    if (sc->topology.threshold > sc->topology.directories) {
        at = config_lookup(c, "topology.threshold");
        if (at == NULL) at = config_lookup(c, "topology.directories");
        wrong(r, at != NULL ? at : root, "topology.threshold",
              "expected at most as many as there are directories (%" PRIu64 "), found %" PRIu64,
              sc->topology.directories, sc->topology.threshold);
    }
    at = config_lookup(c, "disk");
    if (at != NULL) check_rising(r, at, "disk", &sc->disk.commit);
    for (size_t i = 0; i < sc->faults; i++)
        check_fault_fits(r, &sc->fault[i]);
    at = config_lookup(c, "batches");
    for (size_t i = 0; at != NULL && i < sc->batches; i++) {
        if (sc->batch[i].at >= sc->lasts)
            wrong(r, at, "batches", "at: expected a moment before the end of the run (`lasts`)");
        if (sc->batch[i].query != INDEX_NONE && sc->batch[i].query >= sc->topology.queries)
            wrong(r, at, "batches", "query: expected a number below %" PRIu64 ", found %" PRIu64,
                  sc->topology.queries, sc->batch[i].query);
    }
}

static void name_from(const char *file, char ret[static SCENARIO_NAME_BYTES])
{
    const char *slash = strrchr(file, '/'), *base = slash == NULL ? file : slash + 1;
    size_t len = strcspn(base, ".");
    if (len == 0 || len >= SCENARIO_NAME_BYTES) return;
    memcpy(ret, base, len);
    ret[len] = '\0';
}

static cpis_err read_config(config_t *c, bool parsed, const char *file, struct scenario *ret,
                            struct scenario_mistakes *m)
{
    char line[512];
    if (!parsed) {
        const char *where = config_error_file(c) != NULL ? config_error_file(c) : file;
        (void)snprintf(line, sizeof line, "%.200s:%d: not a libconfig file: %s", where,
                       config_error_line(c), config_error_text(c));
        if (config_error_type(c) == CONFIG_ERR_FILE_IO)
            (void)snprintf(line, sizeof line, "%.200s: can't be read", file);
        say(m, line);
        return config_error_type(c) == CONFIG_ERR_FILE_IO ? CPIS_E_IO : CPIS_E_MALFORMED;
    }
    struct scenario *sc = malloc(sizeof *sc);
    if (sc == NULL) return CPIS_E_NOMEM;
    scenario_default(sc);
    name_from(file, sc->name);
    struct reading r = {.file = file, .sc = sc, .mistakes = m};
    read_top(&r, config_root_setting(c));
    resolve_links(&r);
    if (m->count == 0) check_whole(&r, c);
    if (m->count == 0) *ret = *sc;
    free(sc);
    return m->count == 0 ? CPIS_OK : CPIS_E_MALFORMED;
}

cpis_err scenario_read(const char *path, struct scenario *ret, struct scenario_mistakes *mistakes)
{
    config_t c;
    memset(mistakes, 0, sizeof *mistakes);
    config_init(&c);
    bool parsed = config_read_file(&c, path) == CONFIG_TRUE;
    cpis_err err = read_config(&c, parsed, path, ret, mistakes);
    config_destroy(&c);
    return err;
}

cpis_err scenario_parse(const char *text, const char *name, struct scenario *ret,
                        struct scenario_mistakes *mistakes)
{
    config_t c;
    memset(mistakes, 0, sizeof *mistakes);
    config_init(&c);
    bool parsed = config_read_string(&c, text) == CONFIG_TRUE;
    cpis_err err = read_config(&c, parsed, name, ret, mistakes);
    config_destroy(&c);
    return err;
}
