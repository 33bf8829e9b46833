/* node/core/registry.h - who is in the federation: the accepted chain of registers, its rules of
 * acceptance in the manner of The Update Framework, register-times against freezing, the clock's
 * correction. Source: proto/README.md section 2. Inside a node; one owner; not thread-safe.
 *
 * ("register" is a keyword of C: hence registry.) */
#ifndef CPIS_NODE_CORE_REGISTRY_H
#define CPIS_NODE_CORE_REGISTRY_H
#include "node/core/io.h"

#define REGISTER_TIME_EVERY     CPIS_MS_MINUTE
#define REGISTER_TIME_FRESH     (10 * CPIS_MS_MINUTE)
#define REGISTER_UNKNOWN_AFTER  (24 * CPIS_MS_HOUR)
#define REGISTER_EXPIRED_LIMIT  (60 * CPIS_MS_DAY)
#define REGISTER_EXPIRES_MAX    (30 * CPIS_MS_DAY)
#define REGISTER_EXPIRING_ALARM (10 * CPIS_MS_DAY)
#define RETIRE_NOTICE           (7 * CPIS_MS_DAY)
#define EPOCH_OVERLAP           (48 * CPIS_MS_HOUR) /* e.not_after after e+1's not_before */
#define REGISTRY_ALARM_EVERY    CPIS_MS_HOUR
/* Kept in memory: 32 bytes of every link; its document lies in the store. Beyond it (a register a
 * day for 179 years) registers are refused. Nodes that have gone: beyond it the oldest are
 * forgotten. */
#define REGISTRY_LINKS_MAX      65536U
#define REGISTRY_GONE_MAX       16384U
#define REGISTER_BODY_BYTES_MAX (FRAME_BYTES_MAX - 8192U) /* with 32 signatures in one frame */
#define REGISTER_KEY_BYTES      8U /* of a link in TABLE_REGISTER; a fork's is longer */
#define CLOCK_CORRECTED_FROM    (5 * CPIS_MS_SECOND)
#define CLOCK_ALARM_FROM        (30 * CPIS_MS_SECOND)

struct registry_node { /* first what every message asks for */
    struct cpis_id id;
    enum node_state state;
    uint64_t gone; /* 0: in force or retired; else `issued` of the first register without it, or
                      where it is revoked */
    struct msg_descriptor d;
    uint64_t evaluations_per_day, lookups_per_day, tokens_max;
    struct cpis_id replaces;
    struct cpis_id successors[SUCCESSORS_MAX]; /* authorities: its retirement is announced */
    uint32_t successors_count;
    uint64_t announced; /* `issued` of the register since which these successors stand; 0: none */
};
struct registry_epoch {
    uint32_t number, n, t, bucket_bits;
    struct cpis_id holders[THRESHOLD_HOLDERS_MAX]; /* holders[i - 1] has index i */
    struct threshold_commitments commitments;
    struct threshold_public_shares public_shares;
    uint64_t not_before, not_after;
};
struct registry_notice {
    struct cpis_id authority_id;
    uint64_t list_time, until;
};
enum register_trust {
    REGISTER_FRESH = 1,   /* t directories named this very register within 10 min */
    REGISTER_UNCONFIRMED, /* not so for less than 24 h: alarm */
    REGISTER_STALE /* over 24 h, or never since the start, or over 60 days expired, or forked: no
                      verdict but UNKNOWN; an authority still records and notifies */
};

CPIS_CHECK cpis_err registry_new(struct registry **ret); /* CPIS_E_NOMEM */
void registry_free(struct registry **p);

/* The chain of a file, or the rows of TABLE_REGISTER at start in key order: links from version 1,
 * and what proves a fork. Checked like an offer, but nothing is persisted. CPIS_E_AUTH,
 * CPIS_E_MALFORMED, CPIS_E_STATE, CPIS_E_REPLAY as below; CPIS_OK also for a proof of a fork, which
 * is then remembered again. */
CPIS_CHECK cpis_err registry_load(struct registry *r, struct bytes document);
/* A register document from a peer or the operator. Persists each link before it is used.
 * CPIS_E_REPLAY: version not above ours (the same body again: CPIS_OK, nothing changes).
 * CPIS_E_STATE: a link between is missing (ask for the chain). CPIS_E_AUTH: too few signatures by
 * distinct root keys. CPIS_E_MALFORMED: breaks a rule of section 2. CPIS_E_LIMIT: over
 * REGISTRY_LINKS_MAX links. *ret_why is a static sentence, NULL with CPIS_OK. On error nothing has
 * changed, save that a fork is remembered, durably: another register of our version, or one that
 * follows another register of our version, with enough signatures. It ends when a register that
 * names ours as the one before it is accepted. */
CPIS_CHECK cpis_err registry_offer(struct registry *r, struct env *e, struct bytes document,
                                   const char **ret_why);
/* The same judgement, and nothing else happens. */
CPIS_CHECK cpis_err registry_would_accept(const struct registry *r, struct bytes document,
                                          const char **ret_why);
/* The rules alone, for the steward's tool: may `next` follow the newest register of `chain` (NULL
 * or empty: next is version 1)? NULL: yes; else a static sentence that says why not. Signatures are
 * not looked at. The whole chain is asked because two rules look further back than one register:
 * seven days since a retirement was announced, and no epoch number twice. */
const char *registry_may_follow(const struct registry *chain, const struct msg_register *next);
/* CPIS_E_AUTH: this is not the node's own signature (type 8) over its descriptor. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err registry_descriptor_check(const struct msg_descriptor *d,
                                              const struct signature *signature,
                                              const struct net_id *net);
/* CPIS_E_AUTH: fewer than `threshold` valid signatures by distinct keys of root_keys. */
CPIS_CHECK cpis_err registry_signatures_check(const struct msg_register_document *doc,
                                              const struct net_id *net, struct bytes root_keys,
                                              uint32_t threshold);

bool registry_is_empty(
    const struct registry *r); /* nothing loaded yet: all else asserts it is not */
const struct net_id *registry_net(const struct registry *r);
uint64_t registry_version(const struct registry *r);
const struct cpis_hash *registry_hash(const struct registry *r); /* H(body) of the newest */
/* Is this the hash of the link of that version: of ours, or of one before it? */
bool registry_has_link(const struct registry *r, uint64_t version, const struct cpis_hash *hash);
const struct msg_register *
registry_newest(const struct registry *r); /* as decoded; until the next offer */
uint64_t registry_expires(const struct registry *r);
uint64_t registry_head_age(const struct registry *r);
/* The key of a link's row in TABLE_REGISTER. */
void registry_key(uint64_t version, uint8_t ret[static REGISTER_KEY_BYTES]);
/* Documents of versions have+1.. as the store holds them, as many as one frame holds (at most
 * REGISTER_LINKS_MAX), decoded into the arena; what it has no room for is left out. On error *ret
 * is what came before it. CPIS_E_STORE: a row is missing or can't be read. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err registry_links_after(const struct registry *r, const struct view *view,
                                         uint64_t have, struct arena *a,
                                         struct msg_register_chain *ret);

/* Nodes: all of the newest register in rising order of id. Borrowed until the next offer. */
size_t registry_count(const struct registry *r);
const struct registry_node *registry_at(const struct registry *r, size_t i);
/* Those of one role that are in force, in the same order: what is sent to all directories, say, is
 * no walk over a thousand authorities. */
size_t registry_role_count(const struct registry *r, enum node_role role);
const struct registry_node *registry_role_at(const struct registry *r, enum node_role role,
                                             size_t i);
const struct registry_node *registry_node(const struct registry *r,
                                          const struct cpis_id *id); /* or NULL */
/* Also those of earlier links, with `gone` set: the signer of an old lookup. Or NULL. */
const struct registry_node *registry_node_ever(const struct registry *r, const struct cpis_id *id);
/* Is m, body and type, signed with this node's key? For what comes several times in the same bytes:
 * what was found right under this register is not checked again (verified.h). Whether the node may
 * sign it now is another question. */
bool registry_has_signed(const struct registry *r, const struct registry_node *n,
                         const struct signed_message *m);
const struct registry_node *registry_by_transport(const struct registry *r,
                                                  const struct box_public *key);
const struct registry_node *registry_by_code(const struct registry *r, enum node_role role,
                                             const char *code);
/* Who has taken over from an authority that is searched no more: nodes that replace it and its
 * announced successors, through as many steps as it took, those that are searched now; at most cap
 * (SUCCESSION_MAX are followed). Returns how many. */
#define SUCCESSION_MAX 64U
size_t registry_successors(const struct registry *r, const struct cpis_id *gone,
                           struct cpis_id *ret, size_t cap);
/* May this node be talked to now: listed, and joining, active or (authority) suspended. */
bool registry_in_force(const struct registry_node *n);
/* May it sign new heads, lookups, statements at `wall`: in force, not suspended, between its dates.
 */
bool registry_may_sign(const struct registry_node *n, cpis_ms wall);
/* An authority that NO FLAG needs: active or suspended, whatever dates say. */
bool registry_is_counted(const struct registry_node *n);
/* An authority whose list is searched: joining, active or suspended. */
bool registry_is_searched(const struct registry_node *n);
size_t registry_notice_count(const struct registry *r);
/* In force at `wall` for this authority, or NULL. */
const struct registry_notice *registry_notice(const struct registry *r,
                                              const struct cpis_id *authority, cpis_ms wall);
size_t registry_expected_count(const struct registry *r);
const struct msg_register_expected *registry_expected_at(const struct registry *r, size_t i);

/* Epochs. The current one: the highest number whose not_before has come; else the lowest there is.
 */
size_t registry_epoch_count(const struct registry *r);
const struct registry_epoch *registry_epoch_at(const struct registry *r, size_t i);
const struct registry_epoch *registry_epoch(const struct registry *r,
                                            uint32_t number); /* or NULL */
const struct registry_epoch *registry_epoch_current(const struct registry *r,
                                                    cpis_ms wall); /* or NULL */
/* The one before the current one, as long as the register carries it; or NULL. */
const struct registry_epoch *registry_epoch_before(const struct registry *r, cpis_ms wall);
/* Is it over: a newer one is current, and its not_after has come or the register carries it no
 * more. From then on it is there only for authorities that have no list in the current one. */
bool registry_epoch_is_over(const struct registry *r, uint32_t number, cpis_ms wall);
/* Is a list published in it: the current one, later ones, and the one before until its not_after.
 */
bool registry_epoch_published(const struct registry *r, const struct registry_epoch *ep,
                              cpis_ms wall);
uint32_t registry_index_of(const struct registry_epoch *ep,
                           const struct cpis_id *directory); /* 0: none */
static inline uint32_t receipts_searchable(const struct registry_epoch *ep)
{
    return ep->n - ep->t + 1;
}
static inline uint32_t receipts_live(const struct registry_epoch *ep)
{ /* n - t + 2, but never more than there are holders */
    return ep->n - ep->t + 2 < ep->n ? ep->n - ep->t + 2 : ep->n;
}

/* Register-times. Takes one whose signature has been verified and whose signer is a directory in
 * force; not newer than the last one of that signer: CPIS_E_REPLAY (the same time counts as newer
 * when the version is). CPIS_E_MALFORMED: node_id is not the signer, or the signer no directory.
 * CPIS_E_NOMEM. t is that of the current epoch; while there is none, more than half of the
 * directories in force. */
CPIS_CHECK cpis_err registry_heard_time(struct registry *r, const struct msg_register_time *m,
                                        const struct signed_message *as_signed, cpis_ms now,
                                        cpis_ms wall_uncorrected);
enum register_trust registry_trust(const struct registry *r, cpis_ms now, cpis_ms wall);
/* ms to add to this node's wall clock: 0 up to 5 s off the median of fresh register-times, else the
 * median's difference. Needs at least t of them, else 0; a directory's own word and clock count. */
int64_t registry_clock_offset(struct registry *r, cpis_ms now);
/* The difference itself, for doctor; false: too few register-times. */
bool registry_clock_difference(const struct registry *r, cpis_ms now, int64_t *ret);
/* Can a register-time of this `time` support what is judged at `wall`? */
static inline bool registry_time_supports(uint64_t time, cpis_ms wall)
{
    return !is_future(time, wall) && (wall <= time || wall - time <= REGISTER_UNKNOWN_AFTER);
}
/* For a verdict: as registry_trust, but stale, too, where fewer than t of registry_times support
 * what is judged at `wall`: its evidence would not hold. So it is until new ones come when this
 * node's own clock was set by minutes. */
enum register_trust registry_trust_shown(const struct registry *r, cpis_ms now, cpis_ms wall);
/* The newest register-time of each directory that names our register, or one before it in our chain
 * (just after a new one was accepted), heard within REGISTER_UNKNOWN_AFTER, as signed: for
 * evidence. */
size_t registry_times(const struct registry *r, cpis_ms now, const struct signed_message **ret,
                      size_t cap);
/* Directories: a register-time, signed, in the scratch arena; {NULL, 0} and a failed queue: out of
 * memory. One for all peers of a step. */
struct bytes registry_time(const struct registry *r, struct env *e);
/* Signs and sends a register-time to `peer`. */
void registry_send_time(const struct registry *r, struct env *e, const struct cpis_id *peer);
/* Alarms as time passes (expiry, unconfirmed, clock, this node is out of it): call each minute. */
void registry_tick(struct registry *r, struct env *e);
#endif
