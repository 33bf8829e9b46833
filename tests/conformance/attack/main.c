/* The attacks, one after the other, against a federation that stands: conformance.sh runs this.
 *   conformance FOLDER CPIS [--list] [--only TEXT] [--slow] [--json]
 * Exit 0: all passed; 1: some failed; 2: there is nothing to attack. */
#include "tests/conformance/attack/attack.h"

#include <czmq.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void attack_add(struct attack_list *l, const struct attack_case *c)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 256 : 2 * l->cap;
        l->list = realloc(l->list, l->cap * sizeof *l->list);
        if (l->list == NULL) abort();
    }
    l->list[l->count++] = *c;
}

struct options {
    const char *folder, *cpis, *only; /* only: NULL: all */
    bool list, json, slow;
};

static bool parse(int argc, char **argv, struct options *ret)
{
    *ret = (struct options){0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            ret->list = true;
        else if (strcmp(argv[i], "--json") == 0)
            ret->json = true;
        else if (strcmp(argv[i], "--slow") == 0)
            ret->slow = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            ret->only = argv[++i];
        else if (ret->folder == NULL)
            ret->folder = argv[i];
        else if (ret->cpis == NULL)
            ret->cpis = argv[i];
        else
            return false;
    }
    return ret->list || ret->cpis != NULL;
}

/* By its name or a part of it, or by its group ("group 3"). */
static bool is_chosen(const struct options *o, const struct attack_case *c)
{
    char group[32];
    if (c->slow && !o->slow && !o->list) return false;
    (void)snprintf(group, sizeof group, "group %s", c->group);
    return o->only == NULL || strcmp(group, o->only) == 0 || strstr(c->name, o->only) != NULL;
}

/* Those that failed, told once more at the end: of 600 lines a log often keeps the last ones. */
struct failures {
    size_t count;
    struct {
        const struct attack_case *what;
        char why[ATTACK_WHY_BYTES];
    } list[16]; /* the first ones; the rest are in the lines before */
};

static void failures_add(struct failures *s, const struct attack_case *c, const char *why)
{
    if (s->count < sizeof s->list / sizeof s->list[0]) {
        s->list[s->count].what = c;
        (void)snprintf(s->list[s->count].why, sizeof s->list[0].why, "%s", why);
    }
    s->count++;
}

static void failures_tell(const struct failures *s)
{
    for (size_t i = 0; i < s->count && i < sizeof s->list / sizeof s->list[0]; i++)
        printf("failed: %s: %s\n", s->list[i].what->name, s->list[i].why);
}

static bool run_one(struct federation *f, const struct options *o, const struct attack_case *c)
{
    const cpis_ms began = (cpis_ms)zclock_mono();
    f->why[0] = '\0';
    const bool passed = federation_away(f, c->away) && c->run(f, c);
    const unsigned long long took = (unsigned long long)((cpis_ms)zclock_mono() - began);
    if (o->json) /* no name or reason holds a quote or a backslash */
        printf("{\"group\":%s,\"name\":\"%s\",\"passed\":%s,\"ms\":%llu,\"why\":\"%s\"}\n",
               c->group, c->name, passed ? "true" : "false", took, f->why);
    else
        printf("%s  %2s  %s%s%s\n", passed ? "pass" : "FAIL", c->group, c->name, passed ? "" : ": ",
               f->why);
    (void)fflush(stdout);
    return passed;
}

int main(int argc, char **argv)
{
    struct attack_list all = {0};
    struct options o;
    struct federation f;
    struct failures failed = {0};
    size_t passed = 0;
    cases_query(&all); /* first: one of them is looked at again a minute later */
    cases_harvest(&all);
    cases_directory(&all);
    cases_decided(&all);
    cases_authority(&all);
    cases_member(&all); /* D01 is ready again 30 s later: see the end */
    cases_message(&all);
    cases_freeze(&all);
    cases_transport(&all);
    cases_register(&all);
    cases_query_end(&all);
    cases_member_end(&all);
    cases_end(&all);
    if (!parse(argc, argv, &o)) {
        (void)fputs("usage: conformance FOLDER CPIS [--list] [--only TEXT] [--slow] [--json]\n",
                    stderr);
        return 2;
    }
    zsys_handler_set(NULL); /* Ctrl-C ends this too, not only the nodes */
    if (sodium_init() < 0 || (!o.list && !federation_open(&f, o.folder, o.cpis))) return 2;
    for (size_t i = 0; i < all.count; i++) {
        if (!is_chosen(&o, &all.list[i])) continue;
        if (o.list)
            printf("%2s  %s%s\n", all.list[i].group, all.list[i].name,
                   all.list[i].slow ? " (--slow)" : "");
        else if (run_one(&f, &o, &all.list[i]))
            passed++;
        else
            failures_add(&failed, &all.list[i], f.why);
    }
    if (!o.json) failures_tell(&failed);
    free(all.list);
    if (o.list) return 0;
    f.why[0] = '\0';
    if (!federation_away(&f, false)) (void)fprintf(stderr, "conformance: %s\n", f.why);
    federation_close(&f);
    printf(o.json ? "{\"passed\":%zu,\"failed\":%zu}\n" : "%zu passed, %zu failed\n", passed,
           failed.count);
    if (passed + failed.count == 0) (void)fputs("conformance: no case has that name\n", stderr);
    return failed.count == 0 && passed > 0 ? 0 : 1;
}
