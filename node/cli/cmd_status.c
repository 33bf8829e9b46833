/* cpis status: what a node knows of itself, in lines. */
#include "node/cli/commands.h"

#include <string.h>

#define ORGANISATIONS_SHOWN 20U

static unsigned long long number(const json_t *o, const char *key)
{
    return (unsigned long long)cli_integer(o, key);
}

static void when(const json_t *o, const char *key, char ret[static WALL_LONDON_BYTES])
{
    cli_london(cli_text(o, key), ret);
}

static void print_authority(const json_t *a)
{
    size_t i;
    const json_t *p;
    char time[WALL_LONDON_BYTES];
    const json_t *inbox = json_object_get(a, "notifications");
    (void)printf("children   %llu\n", number(a, "children"));
    (void)printf("inbox      %llu notifications unopened, %llu of them for too long\n",
                 number(inbox, "unopened"), number(inbox, "escalated"));
    json_array_foreach(json_object_get(a, "published"), i, p)
    {
        when(p, "time", time);
        (void)printf("list       epoch %llu: version %llu of %s, %llu children, %s; receipts %llu, "
                     "live needs %llu; waiting %llu%s%s\n",
                     number(p, "epoch"), number(p, "version"), time, number(p, "real"),
                     json_is_true(json_object_get(p, "live")) ? "live nationally" : "NOT live yet",
                     number(p, "receipts"), number(p, "receipts_live"), number(p, "waiting"),
                     json_is_true(json_object_get(p, "shrink_held"))
                         ? "; HELD: it would fall below 80 %"
                         : "",
                     json_is_true(json_object_get(p, "unsure")) ? "; UNSURE after a restore" : "");
    }
}

static void print_directory(const json_t *d)
{
    size_t i;
    const json_t *l;
    const json_t *ceremony = json_object_get(d, "ceremony");
    char time[WALL_LONDON_BYTES];
    (void)printf("share      %s; lists %s; ceremony %s\ncopies     %llu waiting for authorities\n",
                 json_is_true(json_object_get(d, "has_share")) ? "held" : "NONE",
                 json_is_true(json_object_get(d, "lists_ready")) ? "ready" : "not ready",
                 cli_text(ceremony, "phase"), number(d, "copies_waiting"));
    json_array_foreach(json_object_get(d, "lists"), i, l)
    {
        const json_t *a = json_object_get(l, "authority");
        when(l, "time", time);
        (void)printf("list       %-8s %-30s epoch %llu version %llu, %llu entries, %s%s\n",
                     cli_text(a, "code"), cli_text(a, "name"), number(l, "epoch"),
                     number(l, "version"), number(l, "n"), time,
                     json_is_true(json_object_get(l, "in_state")) ? "" : "  NOT searched");
    }
}

static void print_use(const char *who, const json_t *o)
{
    (void)printf("%-10s %llu lookups today", who, number(o, "lookups"));
    if (json_is_integer(json_object_get(o, "limit"))) {
        (void)printf(" of %llu", number(o, "limit"));
        if (json_is_integer(json_object_get(o, "percent")))
            (void)printf(", %llu %%", number(o, "percent"));
    }
    (void)printf("%s\n", json_is_integer(json_object_get(o, "limit")) &&
                                 number(o, "lookups") >= number(o, "limit")
                             ? "  USED UP"
                             : "");
}

static void print_query(const json_t *q)
{
    size_t i;
    const json_t *o, *today = json_object_get(q, "today");
    const json_t *all = json_object_get(today, "organisations");
    (void)printf("lookups    %llu under way, %llu in the outbox\n", number(q, "lookups_active"),
                 number(q, "outbox"));
    print_use("all", today);
    json_array_foreach(all, i, o)
    {
        if (i == ORGANISATIONS_SHOWN) break;
        print_use(cli_text(o, "code")[0] != '\0' ? cli_text(o, "code") : "(no code)", o);
    }
    if (json_array_size(all) > ORGANISATIONS_SHOWN)
        (void)printf("           and %zu organisations more: --json\n",
                     json_array_size(all) - ORGANISATIONS_SHOWN);
}

static void print_cover(const json_t *o)
{
    if (!json_is_true(json_object_get(o, "on"))) return;
    (void)printf("cover      %llu cells sent, %llu received; %llu messages in them, %llu in the "
                 "clear, %llu lost\n",
                 number(o, "cells_sent"), number(o, "cells_received"), number(o, "carried"),
                 number(o, "clear"), number(o, "lost"));
}

static void print_peers(const json_t *peers)
{
    size_t i;
    const json_t *p;
    json_array_foreach(peers, i, p)
    {
        (void)printf("peer       %-9s %-8s %-30s %s", cli_text(p, "role"), cli_text(p, "code"),
                     cli_text(p, "name"),
                     json_is_true(json_object_get(p, "reachable")) ? "reachable" : "NOT reachable");
        if (json_is_integer(json_object_get(p, "heard_ago_ms")))
            (void)printf(", heard %llu s ago", number(p, "heard_ago_ms") / 1000);
        (void)printf("%s%s\n", json_is_true(json_object_get(p, "covered")) ? ", covered" : "",
                     json_is_true(json_object_get(p, "twice")) ? ", CONNECTED TWICE" : "");
    }
}

static void print_status(const json_t *s)
{
    const json_t *node = json_object_get(s, "node"), *r = json_object_get(s, "register");
    const json_t *clock = json_object_get(s, "clock"), *q = json_object_get(s, "query");
    const json_t *epoch = json_object_get(s, "epoch");
    char expires[WALL_LONDON_BYTES];
    if (!json_is_true(json_object_get(s, "runs"))) {
        (void)printf("DOWN       %s\n", cli_text(s, "why_down"));
        return;
    }
    const bool listed = json_is_true(json_object_get(s, "listed"));
    (void)printf("node       %s %s, %s%s%s\n", cli_text(s, "role"), cli_text(node, "code"),
                 cli_text(node, "name"), listed ? "" : "; NOT IN FORCE in the register: ",
                 listed ? "" : cli_text(s, "standing"));
    when(r, "expires", expires);
    (void)printf("register   version %llu, %s, expires %s\n", number(r, "version"),
                 cli_text(r, "trust"), expires);
    if (json_is_object(epoch))
        (void)printf("epoch      %llu, %llu of %llu directories needed%s\n",
                     number(epoch, "number"), number(epoch, "t"), number(epoch, "n"),
                     json_is_integer(json_object_get(epoch, "before"))
                         ? "; the one before is still in the register"
                         : "");
    if (json_is_true(json_object_get(clock, "known")))
        (void)printf("clock      %lld ms behind the directories\n",
                     (long long)json_integer_value(json_object_get(clock, "difference_ms")));
    if (json_object_get(s, "authority") != NULL) print_authority(json_object_get(s, "authority"));
    if (json_object_get(s, "directory") != NULL) print_directory(json_object_get(s, "directory"));
    if (q != NULL) print_query(q);
    print_cover(json_object_get(s, "cover"));
    print_peers(json_object_get(s, "peers"));
}

static int status(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *s = cli_ask(c, "status", NULL);
    if (s == NULL) return CLI_ERROR;
    if (cli_has(c, "json")) {
        (void)json_object_del(s, "id");
        (void)json_object_del(s, "done");
        (void)json_object_del(s, "error");
        cli_print_json(s);
        return CLI_OK;
    }
    print_status(s);
    json_decref(s);
    return CLI_OK;
}
const struct cli_command cmd_status = {
    .name = "status",
    .args = "DIR",
    .summary = "what a running node knows of itself; what to do about it: `cpis doctor`",
    .takes_dir = true,
    .fn = status,
    .options = (const struct cli_option[]){{"json", NULL, "one JSON object"}, {0}}};
