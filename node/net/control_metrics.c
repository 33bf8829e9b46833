/* metrics: {} -> {families: [...]}, as prometheus.h says. What the driver has counted (metrics.h),
 * and what the node knows of itself now. Labels are codes of the register, names of our own lists;
 * never a child's anything, nor a person's name. */
#include "node/net/control_int.h"
#include "node/net/json_memory.h"
#include "node/net/metrics.h"
#include "node/net/prometheus.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LIST_MAX 2048U

static double seconds(cpis_ms ms) { return (double)ms / 1000; }

/* A gauge that has no value when there is nothing to tell the time of. */
static void put_time(json_t *f, const char *name, const char *help, bool any, cpis_ms at)
{
    json_t *samples = family_add(f, name, "gauge", help);
    if (any) family_value(samples, seconds(at), NULL, NULL, NULL, NULL);
}

/* "REASON_NO_AUTHORITY" as "no_authority" */
static const char *tail_of(const char *name, const char *prefix, char ret[static 64])
{
    const size_t skip = strncmp(name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    size_t i = 0;
    for (; name[skip + i] != '\0' && i + 1 < 64; i++)
        ret[i] = (char)tolower((unsigned char)name[skip + i]);
    ret[i] = '\0';
    return ret;
}

/* --- of every node --- */

/* The second number of /proc/self/statm (proc(5)); 0: not known. */
static uint64_t resident_pages(int statm)
{
    char text[128], *end;
    const ssize_t n = statm > 0 ? pread(statm, text, sizeof text - 1, 0) : 0;
    if (n <= 0) return 0;
    text[n] = '\0';
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10);
}

static void put_process(json_t *f, const struct control_env *env)
{
    struct rusage use;
    struct statvfs disk;
    const uint64_t pages = resident_pages(env->memory);
    if (pages > 0)
        family_one(f, "cpis_node_resident_memory_bytes", "Memory that the node's process has.",
                   (double)pages * (double)sysconf(_SC_PAGESIZE));
    if (getrusage(RUSAGE_SELF, &use) == 0)
        family_value(family_add(f, "cpis_node_cpu_seconds_total", "counter",
                                "Processor time that the node's process has used."),
                     (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                         (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6,
                     NULL, NULL, NULL, NULL);
    if (statvfs(env->dir, &disk) == 0)
        family_one(f, "cpis_disk_free_bytes", "Room on the disk of the node's folder.",
                   (double)disk.f_bavail * (double)disk.f_frsize);
}

static void put_events(json_t *f, const struct control_env *env)
{
    static const enum event refused[] = {EVENT_FRAME_MALFORMED,
                                         EVENT_PEER_UNKNOWN,
                                         EVENT_SIGNER_UNKNOWN,
                                         EVENT_SIGNATURE_WRONG,
                                         EVENT_SIGNER_NOT_PEER,
                                         EVENT_ROLE_WRONG,
                                         EVENT_BODY_MALFORMED,
                                         EVENT_REPLAY,
                                         EVENT_EPOCH_UNKNOWN,
                                         EVENT_QUOTA,
                                         EVENT_ORGANISATION_QUOTA,
                                         EVENT_ORGANISATIONS_MANY,
                                         EVENT_FUTURE,
                                         EVENT_LIST_REFUSED,
                                         EVENT_REGISTER_REFUSED,
                                         EVENT_BUSY,
                                         EVENT_NO_MEMORY,
                                         EVENT_NOT_EXPECTED};
    char name[64];
    json_t *all = family_add(f, "cpis_events_total", "counter",
                             "Events of the log, those that were not told included.");
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        family_count(
            all, note_count(env->notes, (enum event)e), "event",
            tail_of(event_name((enum event)e), "EVENT_", name), "level",
            (const char *[]){"count", "info", "warn", "error"}[event_level((enum event)e)]);
    all = family_add(f, "cpis_messages_refused_total", "counter",
                     "Messages and requests that were refused or dropped, by reason.");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        family_count(all, note_count(env->notes, refused[i]), "reason",
                     tail_of(event_name(refused[i]), "EVENT_", name), NULL, NULL);
}

static void put_transport(json_t *f, const struct control_env *env)
{
    struct transport_counts t;
    if (env->transport == NULL) return;
    transport_counts(env->transport, &t);
    family_total(f, "cpis_frames_received_total", "Frames received from peers.", t.received);
    family_total(f, "cpis_frames_sent_total", "Frames given to a connection.", t.sent);
    family_total(f, "cpis_connections_refused_total",
                 "Connections refused: their key is not in force in the register.", t.refused);
    json_t *lost = family_add(f, "cpis_frames_dropped_total", "counter",
                              "Frames that were not taken in or not sent, by reason.");
    family_count(lost, t.malformed, "reason", "malformed", NULL, NULL);
    family_count(lost, t.unreachable, "reason", "unreachable", NULL, NULL);
    family_count(lost, t.full, "reason", "full", NULL, NULL);
}

static void put_store(json_t *f, const struct control_env *env)
{
    struct store_stats s;
    if (store_stats(env->store, &s) != CPIS_OK) return;
    family_one(f, "cpis_store_used_bytes",
               "What of the store's file is or was in use; it never shrinks.",
               (double)s.used_bytes);
    family_one(f, "cpis_store_map_bytes", "How large the store may be now; it grows by itself.",
               (double)s.map_bytes);
    family_one(f, "cpis_store_map_max_bytes", "How large the store may become (map_mib_max).",
               (double)s.map_bytes_max);
    family_total(f, "cpis_store_writes_total", "Rows written since the store was made.",
                 s.row_version);
    json_t *rows = family_add(f, "cpis_store_rows", "gauge", "Rows held, by table.");
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        family_count(rows, s.rows[t], "table", table_name((enum table)t), NULL, NULL);
}

static void put_driver(json_t *f, const struct metrics *m)
{
    static const char *const steps[STEP_COUNT] = {"tick", "message", "command", "work"};
    if (m == NULL) return;
    family_one(f, "cpis_node_start_time_seconds", "When this process began, since 1970.",
               seconds(m->started));
    json_t *s = family_add(f, "cpis_step_duration_seconds", "histogram",
                           "Time that the node's logic took for one input.");
    for (unsigned i = 0; i < STEP_COUNT; i++)
        family_histogram(s, &m->step[i], "input", steps[i]);
    family_histogram(family_add(f, "cpis_commit_duration_seconds", "histogram",
                                "Time that the disk took to make a batch durable."),
                     &m->commit, NULL, NULL);
    family_total(f, "cpis_commits_failed_total",
                 "Batches that were lost: the disk was full or failed, or memory ran out.",
                 m->commits_failed);
}

static void put_cover(json_t *f, const struct control_env *env)
{
    struct cover_counts n;
    if (env->cover == NULL) return;
    cover_counts(env->cover, &n);
    family_one(f, "cpis_cover_on", "1: cover_traffic is set.", cover_is_on(env->cover));
    json_t *s = family_add(f, "cpis_cover_cells_total", "counter", "Cells of cover traffic.");
    family_count(s, n.sent, "direction", "sent", NULL, NULL);
    family_count(s, n.received, "direction", "received", NULL, NULL);
    s = family_add(f, "cpis_cover_messages_total", "counter",
                   "Messages that tell what a lookup found: in a cell, in the clear, lost for want "
                   "of room, or a reply at its time.");
    family_count(s, n.carried, "way", "cell", NULL, NULL);
    family_count(s, n.clear, "way", "clear", NULL, NULL);
    family_count(s, n.lost, "way", "lost", NULL, NULL);
    family_count(s, n.held, "way", "held", NULL, NULL);
}

static void put_register(json_t *f, const struct node_status *s)
{
    static const char *const trust[] = {[REGISTER_FRESH] = "fresh",
                                        [REGISTER_UNCONFIRMED] = "unconfirmed",
                                        [REGISTER_STALE] = "stale"};
    family_one(f, "cpis_register_version", "The register in force.", (double)s->register_version);
    family_one(f, "cpis_register_expires_timestamp_seconds", "When it expires, since 1970.",
               seconds(s->register_expires));
    json_t *t = family_add(f, "cpis_register_trust", "gauge",
                           "1 for what this node may think of its register.");
    for (unsigned i = REGISTER_FRESH; i <= REGISTER_STALE; i++)
        family_count(t, s->trust == i, "trust", trust[i], NULL, NULL);
    family_one(f, "cpis_node_listed", "1: this node is in force in the register.", s->listed);
    json_t *clock = family_add(f, "cpis_clock_offset_seconds", "gauge",
                               "How far the directories' median is ahead of this clock.");
    if (s->clock_known)
        family_value(clock, (double)s->clock_difference / 1000, NULL, NULL, NULL, NULL);
    family_total(f, "cpis_log_entries_total",
                 "Entries of the hash-chained log, up to its head (`cpis status --json`).",
                 s->log.sequence);
}

/* --- who is within reach --- */

/* One of several with one code, where one replaces the other: two would be one series. */
static bool is_the_one(const struct registry *r, const struct registry_node *p)
{
    return registry_by_code(r, (enum node_role)p->d.role, p->d.code) == p;
}

static void put_peers(json_t *f, const struct control_env *env)
{
    struct peer_status *all = json_memory_calloc(LIST_MAX, sizeof *all);
    size_t n = all == NULL ? 0 : node_peers(env->node, env->now, all, LIST_MAX);
    const struct registry *r = node_registry(env->node);
    const struct control_quorum q = control_quorum(env);
    json_t *peers =
        family_add(f, "cpis_peer_reachable", "gauge", "1: the peer was heard within 45 s.");
    for (size_t i = 0; i < n && i < LIST_MAX; i++) {
        const struct registry_node *p = registry_node(r, &all[i].id);
        if (p == NULL || !registry_in_force(p) || !is_the_one(r, p)) continue;
        family_count(peers, all[i].reachable, "peer", p->d.code, "role",
                     control_role_name((enum node_role)p->d.role));
    }
    free(all);
    if (q.needed == 0) return;
    family_one(f, "cpis_directories", "Directories that hold a share of the current key.",
               (double)q.holders);
    family_one(f, "cpis_directories_reachable", "Of these, heard within 45 s; itself included.",
               (double)q.reachable);
    family_one(f, "cpis_directories_needed", "How many a verdict needs (t).", q.needed);
    family_one(f, "cpis_epoch", "The number of the current key epoch.", q.epoch);
}

/* --- by role --- */

/* An authority that NO FLAG needs and whose list is not known stands there with time 0. */
static void put_freshness(json_t *f, const struct control_env *env, const struct newest_head *all,
                          size_t n)
{
    const struct registry *r = node_registry(env->node);
    json_t *times = family_add(f, "cpis_list_timestamp_seconds", "gauge",
                               "When each authority signed the newest list known here, since "
                               "1970; 0: none is known.");
    for (size_t i = 0; i < registry_role_count(r, ROLE_AUTHORITY); i++) {
        const struct registry_node *a = registry_role_at(r, ROLE_AUTHORITY, i);
        uint64_t newest = 0;
        if (!is_the_one(r, a)) continue;
        for (size_t k = 0; k < n; k++)
            if (id_equal(&all[k].authority, &a->id) && all[k].time > newest) newest = all[k].time;
        if (newest != 0 || registry_is_counted(a))
            family_value(times, seconds(newest), "authority", a->d.code, NULL, NULL);
    }
}

static void put_evaluated(json_t *f, const struct control_env *env)
{
    struct evaluator_use *all = json_memory_calloc(LIST_MAX, sizeof *all);
    size_t n = all == NULL ? 0 : node_evaluated(env->node, all, LIST_MAX);
    const struct registry *r = node_registry(env->node);
    json_t *used = family_add(f, "cpis_evaluations_today", "gauge",
                              "Evaluations that each node has had here today (UTC).");
    json_t *limit =
        family_add(f, "cpis_evaluations_limit", "gauge", "How many the register allows it a day.");
    json_t *lookups = family_add(f, "cpis_lookups_taken_today", "gauge",
                                 "Lookups that each query node has sent here today (UTC).");
    json_t *most = family_add(f, "cpis_lookups_taken_limit", "gauge",
                              "How many the register allows it a day.");
    for (size_t i = 0; i < n && i < LIST_MAX; i++) {
        const struct registry_node *p = registry_node(r, &all[i].node);
        if (p == NULL || !is_the_one(r, p)) continue;
        const char *role = control_role_name((enum node_role)p->d.role);
        family_count(used, all[i].evaluations, "peer", p->d.code, "role", role);
        family_value(limit, (double)p->evaluations_per_day, "peer", p->d.code, "role", role);
        if (p->d.role != ROLE_QUERY) continue;
        family_count(lookups, all[i].lookups, "peer", p->d.code, "role", role);
        family_value(most, (double)p->lookups_per_day, "peer", p->d.code, "role", role);
    }
    free(all);
}

static void put_directory(json_t *f, const struct control_env *env, const struct node_status *s)
{
    struct list_summary *all = json_memory_calloc(LIST_MAX, sizeof *all);
    struct newest_head *newest = json_memory_calloc(LIST_MAX, sizeof *newest);
    const bool room = all != NULL && newest != NULL;
    size_t n = room ? node_lists(env->node, all, LIST_MAX) : 0, out = 0;
    if (n > LIST_MAX) n = LIST_MAX;
    for (size_t i = 0; i < n; i++) {
        newest[i] = (struct newest_head){all[i].authority, all[i].version, all[i].time};
        out += !all[i].in_state;
    }
    put_freshness(f, env, newest, n);
    free(all);
    free(newest);
    family_one(f, "cpis_lists", "Lists held here, of all epochs.", (double)n);
    family_one(f, "cpis_lists_not_searched", "Of these, not confirmed and so not searched.",
               (double)out);
    family_one(f, "cpis_lists_ready", "1: every list held at the start is confirmed.",
               s->lists_ready);
    family_one(f, "cpis_share_held", "1: a share of the current key is held here.", s->has_share);
    family_one(f, "cpis_copies_waiting", "Lookups that wait for their authority's signature.",
               (double)s->copies_waiting);
    put_time(f, "cpis_copies_oldest_timestamp_seconds",
             "When the oldest of these came, since 1970.", s->copies_waiting > 0, s->copies_oldest);
    put_evaluated(f, env);
}

static void put_authority(json_t *f, const struct control_env *env, const struct node_status *s)
{
    struct publisher_status all[REGISTER_EPOCHS_MAX];
    size_t n = node_published(env->node, all, REGISTER_EPOCHS_MAX);
    json_t *live = family_add(f, "cpis_list_live", "gauge",
                              "1: the newest list of this epoch is live nationally.");
    json_t *time = family_add(f, "cpis_own_list_timestamp_seconds", "gauge",
                              "When the newest list of this epoch was signed, since 1970.");
    json_t *waiting = family_add(f, "cpis_list_waiting", "gauge",
                                 "Children who are not yet in a signed list of this epoch.");
    json_t *held = family_add(f, "cpis_list_held_back", "gauge",
                              "1: an officer has to confirm before a list is signed.");
    for (size_t i = 0; i < n && i < REGISTER_EPOCHS_MAX; i++) {
        const struct publisher_status *p = &all[i];
        char epoch[16];
        (void)snprintf(epoch, sizeof epoch, "%u", p->epoch);
        family_count(live, p->version > 0 && p->version_live == p->version, "epoch", epoch, NULL,
                     NULL);
        family_value(time, seconds(p->time), "epoch", epoch, NULL, NULL);
        family_count(waiting, p->waiting, "epoch", epoch, NULL, NULL);
        family_count(held, p->shrink_held || p->unsure, "epoch", epoch, NULL, NULL);
    }
    family_one(f, "cpis_children", "Children held.", (double)s->children);
    json_t *state = family_add(f, "cpis_notifications", "gauge",
                               "Notifications held, by what people have set them to.");
    family_count(state, s->inbox.state[NOTIFICATION_NEW], "state", "new", NULL, NULL);
    family_count(state, s->inbox.state[NOTIFICATION_SEEN], "state", "seen", NULL, NULL);
    family_count(state, s->inbox.state[NOTIFICATION_ACTIONED], "state", "actioned", NULL, NULL);
    family_one(f, "cpis_notifications_newest", "The number of the newest notification.",
               (double)s->inbox.newest);
    family_one(f, "cpis_notifications_unopened", "Notifications that nobody has opened.",
               (double)s->inbox.unopened);
    family_one(f, "cpis_notifications_escalated", "Of these, for too long.",
               (double)s->inbox.escalated);
    put_time(f, "cpis_notifications_oldest_timestamp_seconds",
             "When the oldest that nobody has opened came, since 1970.", s->inbox.unopened > 0,
             s->inbox.oldest);
    if (env->metrics == NULL) return;
    family_histogram(family_add(f, "cpis_list_live_duration_seconds", "histogram",
                                "From a list's signature until it was live nationally."),
                     &env->metrics->live, NULL, NULL);
}

static void put_lookups(json_t *f, const struct lookup_counts *c)
{
    static const char *const names[] = {
#define CPIS_X(name, text) [name] = #name,
        CPIS_VERDICT_REASONS(CPIS_X)
#undef CPIS_X
    };
    static const char *const parts[PART_COUNT] = {"evaluate", "statements", "details"};
    char name[64];
    json_t *s = family_add(f, "cpis_lookups_total", "counter", "Verdicts given.");
    for (unsigned v = VERDICT_FLAG; v <= VERDICT_UNKNOWN; v++)
        family_count(s, c->verdicts[v], "verdict", verdict_name((enum verdict_kind)v), NULL, NULL);
    s = family_add(f, "cpis_lookups_undecided_total", "counter",
                   "Verdicts that are no answer (incomplete, unknown), by reason.");
    for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++)
        family_count(s, c->reasons[r], "reason", tail_of(names[r], "REASON_", name), NULL, NULL);
    family_histogram(family_add(f, "cpis_lookup_duration_seconds", "histogram",
                                "From the question to the verdict; not of those refused unasked."),
                     &c->whole, NULL, NULL);
    s = family_add(f, "cpis_lookup_stage_duration_seconds", "histogram",
                   "Parts of it: evaluate (the number's key), statements (what directories say), "
                   "details (what the authority says).");
    for (unsigned i = 0; i < PART_COUNT; i++)
        family_histogram(s, &c->part[i], "stage", parts[i]);
}

/* Organisations are what their clients call them, and no labels: `cpis status` names them. */
static void put_organisations(json_t *f, const struct control_env *env)
{
    struct quota_use *all = json_memory_calloc(QUOTA_ORGANISATIONS_MAX, sizeof *all);
    size_t n = all == NULL ? 0 : node_asked(env->node, all, QUOTA_ORGANISATIONS_MAX);
    double most = 0;
    for (size_t i = 0; i < n && i < QUOTA_ORGANISATIONS_MAX; i++) {
        const double part = all[i].limit == 0 ? 1 : (double)all[i].lookups / (double)all[i].limit;
        if (part > most) most = part;
    }
    free(all);
    family_one(f, "cpis_organisations_today", "Organisations that have asked today (UTC).",
               (double)n);
    family_one(f, "cpis_organisation_use_ratio",
               "The part of its own limit that the one nearest to it has used today.", most);
}

static void put_query(json_t *f, const struct control_env *env, const struct node_status *s)
{
    struct newest_head *heads = json_memory_calloc(LIST_MAX, sizeof *heads);
    put_freshness(f, env, heads, heads == NULL ? 0 : node_heads(env->node, heads, LIST_MAX));
    free(heads);
    family_one(f, "cpis_lookups_active", "Lookups under way.", (double)s->lookups_active);
    family_one(f, "cpis_outbox_lookups", "Lookups that an authority has not signed for yet.",
               (double)s->outbox);
    put_time(f, "cpis_outbox_oldest_timestamp_seconds",
             "When the oldest of these was asked, since 1970.", s->outbox > 0, s->outbox_oldest);
    family_one(f, "cpis_lookups_today", "Lookups of this node today (UTC).",
               (double)s->asked_today);
    if (s->listed)
        family_one(f, "cpis_lookups_limit", "How many the register allows it a day.",
                   (double)s->asked_limit);
    put_organisations(f, env);
}

/* What was counted stays there while no node is built; what the node knows does not. */
static void put_node(json_t *f, const struct control_env *env)
{
    struct node_status s;
    node_status(env->node, env->now, env->wall, &s);
    put_register(f, &s);
    put_peers(f, env);
    switch (s.role) {
    case ROLE_DIRECTORY: put_directory(f, env, &s); break;
    case ROLE_AUTHORITY: put_authority(f, env, &s); break;
    case ROLE_QUERY: put_query(f, env, &s); break;
    }
}

json_t *control_metrics(struct control *c, const struct control_env *env, struct request *r,
                        struct fault *f)
{
    (void)c;
    (void)r;
    json_t *all = json_array(), *o = json_object();
    family_count(
        family_add(all, "cpis_node_up", "gauge", "1: the node runs; 0: its store can't be used."),
        env->node != NULL, "role", control_role_name(env->role), NULL, NULL);
    put_process(all, env);
    put_driver(all, env->metrics);
    put_events(all, env);
    put_transport(all, env);
    put_cover(all, env);
    put_store(all, env);
    if (env->role == ROLE_QUERY && env->metrics != NULL) put_lookups(all, &env->metrics->lookups);
    if (env->node != NULL) put_node(all, env);
    put(o, "families", all);
    (void)f;
    return o;
}
