/* tests/conformance/attack/attack.h - the attacks as named cases, the federation that they are
 * played on, and what is asked of it afterwards.
 *
 * conformance.sh founds the federation and starts its nodes: D01, T001, T002 and Q01 are the
 * target's; D02 and D03 are puppets (puppet.h); Q02 and T009 are only folders with keys: their wire
 * is spoken here (wire.h). One thread. */
#ifndef CPIS_TESTS_CONFORMANCE_ATTACK_H
#define CPIS_TESTS_CONFORMANCE_ATTACK_H
#include "proto/codec.h"
#include "proto/nhs_number.h"
#include "tests/conformance/attack/puppet.h"

#include <jansson.h>

#define ATTACK_NAME_BYTES 160U
#define ATTACK_WHY_BYTES  512U
#define VERDICT_BYTES     32U
#define DIRECTORIES       3
#define RID_BYTES         64U
#define CHILDREN_MAX      1024U

struct children { /* of one file; a case takes those that no case before it has looked at */
    char number[CHILDREN_MAX][11];
    size_t count, at;
};
struct federation {
    const char *folder, *cpis; /* both without a space or a quote */
    struct net_id net;
    struct arena arena;     /* of what follows */
    struct bytes documents; /* the register's newest document, as encoded */
    struct msg_register_document newest;
    struct msg_register reg;    /* its body */
    struct children listed;     /* all by T001 */
    struct children nobody;     /* by no authority */
    struct children spare;      /* by no authority yet */
    int puppet[2];              /* D02, D03 */
    char rid[RID_BYTES];        /* of the last lookup of Q01 */
    char reason[RID_BYTES * 2]; /* of the same */
    bool away;                  /* D01 is gone */
    char why[ATTACK_WHY_BYTES];
};

struct attack_case {
    const char *group;
    char name[ATTACK_NAME_BYTES]; /* a sentence */
    bool (*run)(struct federation *f, const struct attack_case *c);
    const char *act;   /* of a puppet, if one acts */
    const char *event; /* that the target must count, or NULL */
    unsigned a, b;     /* of the case */
    bool away;         /* D01 is gone meanwhile */
    bool convicts;     /* the evidence of a lookup proves that D02 lied */
    bool slow;         /* only with --slow */
};
struct attack_list {
    struct attack_case *list;
    size_t count, cap;
};
void attack_add(struct attack_list *l, const struct attack_case *c);
void cases_directory(struct attack_list *l);
void cases_decided(struct attack_list *l); /* D01 is gone: the liar's word is needed */
void cases_member(struct attack_list *l);
void cases_member_end(struct attack_list *l);
void cases_message(struct attack_list *l);
void cases_transport(struct attack_list *l);
void cases_query(struct attack_list *l);
void cases_harvest(struct attack_list *l);
void cases_query_end(struct attack_list *l); /* what only shows after a while */
void cases_register(struct attack_list *l);
void cases_authority(struct attack_list *l);
void cases_freeze(struct attack_list *l);
void cases_end(struct attack_list *l); /* after which the federation is of no use */

/* Notes why the case fails; always false. */
bool attack_fails(struct federation *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- federation.c --- */

/* false: told on stderr. federation_close on every path. */
bool federation_open(struct federation *f, const char *folder, const char *cpis);
/* After a new version in FOLDER/register. */
bool federation_reload(struct federation *f);
void federation_close(struct federation *f);
/* The node of this folder in the register; it must be there. */
const struct msg_register_node *federation_node(const struct federation *f, const char *folder);
struct cpis_id federation_id(const struct federation *f, const char *folder);
const char *next_child(struct children *c);

/* The verdict of Q01, "none" if there was none, and how long it took does not matter. */
void ask(struct federation *f, const char *number, char ret[static VERDICT_BYTES]);
bool is_flag(const char *verdict); /* with or without details */
/* Of this number at T001. */
struct records {
    unsigned accesses, complete, notifications, twins, late;
};
/* false, noted: T001 can't be asked. */
bool records_of(struct federation *f, const char *number, struct records *ret);
/* Waits until there are at least so many accesses, at most some seconds. */
bool records_wait(struct federation *f, const char *number, unsigned accesses, struct records *ret);
/* After a moment in which one would have come that must not. */
bool records_settled(struct federation *f, const char *number, struct records *ret);
bool no_records(struct federation *f, const char *number); /* after such a moment */

#define EVENTS_MAX 96U
struct events { /* all counters of a node at one moment */
    uint64_t count[EVENTS_MAX];
};
bool events_of(struct federation *f, const char *node, struct events *ret);
uint64_t event_in(const struct events *e, const char *name); /* "EVENT_REPLAY" */
/* Of what is refused or dropped: the sum. */
uint64_t events_refused(const struct events *e);
/* Waits until `name` has risen by at least `by` over `before`. */
bool event_rises(struct federation *f, const char *node, const struct events *before,
                 const char *name, uint64_t by);
/* A number of `cpis status NODE --json`, by a path such as "directory.copies_waiting"; a
 * truth is 0 or 1; -1: none. */
long long status_number(struct federation *f, const char *node, const char *path);
/* A counter of `cpis metrics NODE`, by its whole name; -1: none. */
double metric(struct federation *f, const char *node, const char *name);
bool node_runs(struct federation *f, const char *node);
/* All JSON values that `cpis` with these arguments says, in one array: for json_decref. NULL,
 * noted: its exit code is not `wanted`. */
json_t *told(struct federation *f, int wanted, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What it answers is not looked at, but for its exit code: 0. */
bool command(struct federation *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* which: 0 is D02, 1 is D03 */
bool puppet_act(struct federation *f, unsigned which, const char *act, const char *peer);
uint64_t puppet_acts(struct federation *f, unsigned which);
uint64_t puppet_stop(struct federation *f, unsigned which);
bool puppet_send(struct federation *f, unsigned which, const char *peer, struct bytes frame);
void pause_ms(unsigned ms);

/* --- processes.c: false is noted --- */
bool node_signal(struct federation *f, const char *node, int number);
bool node_stop(struct federation *f, const char *node);
bool node_start(struct federation *f, const char *node);
/* So that its clocks can be moved while it runs: by so many seconds off what they are. */
bool node_start_with_clock(struct federation *f, const char *node);
bool node_move_clock(struct federation *f, const char *node, long wall, long monotonic);
bool federation_away(struct federation *f, bool away);

/* --- convict.c: who lied, by name --- */

/* Q01's log names D02 with this event, and nobody else. */
bool log_names_liar(struct federation *f, const char *event);
/* The evidence of the last lookup into `file` of the folder; it must verify offline. */
bool evidence_keep(struct federation *f, const char *file);
/* `cpis log audit` over files of the folder convicts (with `denied`) exactly these nodes: names
 * separated by blanks, files as well. */
bool audit_convicts(struct federation *f, const char *files, const char *nodes);
#endif
