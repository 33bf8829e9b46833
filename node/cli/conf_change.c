/* What of node.conf a running node takes over, and which files its settings name. */
#include "node/cli/conf.h"

#include <string.h>

#define LIMITS     "organisation_limits"
#define AT(member) offsetof(struct node_settings, member)

bool conf_begins_with(const char *key, const char *prefixes)
{
    for (const char *p = prefixes; *p != '\0';) {
        const size_t len = strcspn(p, " ");
        if (strncmp(key, p, len) == 0) return true;
        p += len + (p[len] == ' ');
    }
    return false;
}

size_t conf_files(const struct node_settings *s, const char *prefixes, const char **ret, size_t cap)
{
    struct conf_key k;
    size_t n = 0;
    for (size_t i = 0; n < cap && conf_key_at(i, &k); i++)
        if (k.is_path && conf_begins_with(k.name, prefixes)) ret[n++] = (const char *)s + k.offset;
    return n;
}

/* A node that runs goes on with those that it was started with. */
static const size_t at_start[] = {
    AT(role),    AT(org),     AT(name),        AT(endpoint), AT(listen), AT(passphrase_file),
    AT(confine), AT(map_mib), AT(map_mib_max), AT(workers)};

static bool is_at_start(const struct conf_key *k)
{
    for (size_t i = 0; i < sizeof at_start / sizeof *at_start; i++)
        if (at_start[i] == k->offset) return true;
    return false;
}

static bool are_same_limits(const struct node_settings *a, const struct node_settings *b)
{
    bool same = a->organisation_limits_count == b->organisation_limits_count;
    for (size_t i = 0; same && i < a->organisation_limits_count; i++)
        same = ods_code_compare(&a->organisation_limits[i].code, &b->organisation_limits[i].code) ==
                   0 &&
               a->organisation_limits[i].lookups_a_day == b->organisation_limits[i].lookups_a_day;
    return same;
}

void conf_take(struct node_settings *now, const struct node_settings *file, conf_change_fn fn,
               void *arg)
{
    struct node_settings taken = *file;
    struct conf_key k;
    for (size_t i = 0; conf_key_at(i, &k); i++) {
        const char *before = (const char *)now + k.offset, *after = (const char *)file + k.offset;
        if (memcmp(before, after, k.size) == 0) continue;
        if (!fn(arg, k.name, is_at_start(&k), k.is_path ? before : NULL, k.is_path ? after : NULL))
            memcpy((char *)&taken + k.offset, before, k.size);
    }
    if (!are_same_limits(now, file)) (void)fn(arg, LIMITS, false, NULL, NULL);
    *now = taken;
}
