/* What an audit takes in: logs, signed messages, evidence. */
#include "node/core/audit.h"

#include "node/core/audit_state.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_ARENA_BYTES 65536U

cpis_err audit_grow(void **list, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return CPIS_OK;
    const size_t room = *cap == 0 ? 64 : 2 * *cap;
    void *grown = realloc(*list, room * size);
    if (grown == NULL) return CPIS_E_NOMEM;
    *list = grown;
    *cap = room;
    return CPIS_OK;
}

int audit_compare(const struct cpis_hash *a, const struct cpis_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b); /* hashes of what was signed: no secrets */
}

cpis_err audit_find(struct audit *a, const struct audit_finding *f)
{
    void *list = a->finding;
    const cpis_err err = audit_grow(&list, a->findings, &a->findings_cap, sizeof *f);
    a->finding = list;
    if (err == CPIS_OK) a->finding[a->findings++] = *f;
    return err;
}

cpis_err audit_new(const struct registry *r, struct audit **ret)
{
    struct audit *a = calloc(1, sizeof *a);
    if (a == NULL) return CPIS_E_NOMEM;
    a->registry = r;
    *ret = a;
    return CPIS_OK;
}

void audit_free(struct audit **p)
{
    struct audit *a = *p;
    if (a == NULL) return;
    for (size_t i = 0; i < a->logs; i++) {
        free(a->log[i].line);
        free(a->log[i].by_about);
    }
    free(a->log);
    free(a->said);
    free(a->stated);
    free(a->finding);
    free(a);
    *p = NULL;
}

/* --- a log --- */

cpis_err audit_log(struct audit *a, size_t file, const struct cpis_id *node)
{
    void *list = a->log;
    const cpis_err err = audit_grow(&list, a->logs, &a->logs_cap, sizeof *a->log);
    a->log = list;
    if (err == CPIS_OK) a->log[a->logs++] = (struct audit_log){.node = *node, .file = file};
    return err;
}

/* What comes after an entry that is not there, or can't be read, has no head that could be known:
 * the log is judged as far as here. */
static cpis_err break_off(struct audit *a, struct audit_log *l, enum audit_fault fault,
                          uint64_t found)
{
    const cpis_err err = audit_find(a, &(struct audit_finding){.fault = fault,
                                                               .who = l->node,
                                                               .file = l->file,
                                                               .witness = AUDIT_NO_FILE,
                                                               .entry = l->count + 1,
                                                               .agreed = l->count,
                                                               .found = found});
    l->broken = err == CPIS_OK;
    return err;
}

cpis_err audit_entry(struct audit *a, uint64_t sequence, struct bytes entry)
{
    if (a->logs == 0) return CPIS_E_STATE;
    struct audit_log *l = &a->log[a->logs - 1];
    if (l->broken) return CPIS_OK;
    if (sequence != l->count + 1) return break_off(a, l, AUDIT_SEQUENCE, sequence);
    struct row_log_entry e;
    struct arena memory = arena_make(ENTRY_ARENA_BYTES);
    cpis_err err = row_log_entry_decode(entry, &memory, &e);
    arena_free(&memory);
    if (err == CPIS_E_NOMEM) return err;
    if (err != CPIS_OK) return break_off(a, l, AUDIT_ENTRY, sequence);
    struct chain_head head = {.sequence = l->count};
    if (l->count > 0) head.head = l->line[l->count - 1].head;
    head = chain_next(&head, entry.p, entry.len);
    void *list = l->line;
    err = audit_grow(&list, l->count, &l->cap, sizeof *l->line);
    l->line = list;
    if (err == CPIS_OK)
        l->line[l->count++] = (struct audit_line){e.time, e.value, e.event, e.about, head.head};
    return err;
}

/* --- what was signed --- */

/* What each kind says, as far as an audit goes. CPIS_E_NOTFOUND: of no use here. */
static cpis_err read_said(const struct signed_message *m, struct arena *memory,
                          struct audit_said *s)
{
    union {
        struct msg_lookup lookup;
        struct msg_absent absent;
        struct msg_present present;
        struct msg_answer answer;
        struct msg_head head;
        struct msg_ack ack;
        struct msg_register_time time;
        struct msg_log_head log;
    } u;
    struct cpis_id who = m->signer;
    cpis_err err;
    s->about = signed_hash(m); /* a lookup's rh */
    switch (m->type) {
    case SIGNED_LOOKUP:
        err = lookup_decode(m->body, memory, &u.lookup);
        if (err != CPIS_OK) break;
        who = u.lookup.query_id;
        s->time = u.lookup.time;
        s->sequence = u.lookup.log_sequence;
        s->head = u.lookup.log_head;
        break;
    case SIGNED_ABSENT:
        err = absent_decode(m->body, memory, &u.absent);
        if (err != CPIS_OK) break;
        who = u.absent.directory_id;
        s->time = u.absent.time;
        s->about = u.absent.rh;
        break;
    case SIGNED_PRESENT:
        err = present_decode(m->body, memory, &u.present);
        if (err != CPIS_OK) break;
        who = u.present.directory_id;
        s->time = u.present.time;
        s->about = u.present.rh;
        break;
    case SIGNED_ANSWER:
        err = answer_decode(m->body, memory, &u.answer);
        if (err != CPIS_OK) break;
        who = u.answer.authority_id;
        s->time = u.answer.time;
        s->about = u.answer.rh;
        break;
    case SIGNED_HEAD:
        err = head_decode(m->body, memory, &u.head);
        if (err != CPIS_OK) break;
        who = u.head.authority_id;
        s->time = u.head.time;
        s->sequence = u.head.log_sequence;
        s->head = u.head.log_head;
        s->about = head_list_id(&u.head);
        break;
    case SIGNED_ACK:
        err = ack_decode(m->body, memory, &u.ack);
        if (err != CPIS_OK) break;
        who = u.ack.authority_id;
        s->time = u.ack.time;
        s->about = u.ack.rh;
        s->outcome = u.ack.outcome;
        s->sequence = u.ack.log_sequence;
        s->head = u.ack.log_head;
        break;
    case SIGNED_REGISTER_TIME:
        err = register_time_decode(m->body, memory, &u.time);
        if (err != CPIS_OK) break;
        who = u.time.node_id;
        s->time = u.time.time;
        s->sequence = u.time.log_sequence;
        s->head = u.time.log_head;
        break;
    case SIGNED_LOG_HEAD:
        err = log_head_decode(m->body, memory, &u.log);
        if (err != CPIS_OK) break;
        who = u.log.node_id;
        s->time = u.log.time;
        s->sequence = u.log.sequence;
        s->head = u.log.head;
        break;
    default: return CPIS_E_NOTFOUND;
    }
    if (err == CPIS_OK && !id_equal(&who, &m->signer)) err = CPIS_E_AUTH;
    return err;
}

/* The log that a file ends with is its node's own word, if that is of these entries: audit_judge
 * looks, for what it is of may not be all here. */
static void end_log(struct audit *a, const struct audit_said *s)
{
    struct audit_log *l = a->logs > 0 ? &a->log[a->logs - 1] : NULL;
    if (l == NULL || l->file != s->file || !id_equal(&l->node, &s->who)) return;
    l->ended = true;
    l->end = s->time;
    l->signed_head = (struct chain_head){s->sequence, s->head};
}

static cpis_err take_said(struct audit *a, size_t file, const struct signed_message *m)
{
    struct audit_said s = {.type = m->type, .file = file, .who = m->signer};
    const struct registry_node *n = registry_node_ever(a->registry, &m->signer);
    struct arena memory = arena_make(2 * FRAME_BYTES_MAX);
    cpis_err err = read_said(m, &memory, &s);
    arena_free(&memory);
    if (err == CPIS_E_NOTFOUND) return CPIS_OK;
    if (err == CPIS_OK)
        err = n == NULL ? CPIS_E_AUTH
                        : sign_check(&n->d.sign_key, (uint8_t)m->type, registry_net(a->registry),
                                     m->body.p, m->body.len, &m->signature);
    if (err == CPIS_E_NOMEM) return err;
    if (err != CPIS_OK)
        return audit_find(a, &(struct audit_finding){.fault = AUDIT_NOT_SIGNED,
                                                     .file = file,
                                                     .other = m->signer,
                                                     .witness = file,
                                                     .type = m->type,
                                                     .about = s.about});
    if (s.type == SIGNED_LOG_HEAD) end_log(a, &s);
    void *list = a->said;
    err = audit_grow(&list, a->said_count, &a->said_cap, sizeof s);
    a->said = list;
    if (err == CPIS_OK) a->said[a->said_count++] = s;
    return err;
}

cpis_err audit_held(struct audit *a, size_t file, struct bytes message)
{
    struct signed_message m;
    struct arena memory = arena_make(2 * FRAME_BYTES_MAX);
    cpis_err err = signed_message_decode(message, &memory, &m);
    if (err == CPIS_OK) err = take_said(a, file, &m);
    arena_free(&memory);
    return err == CPIS_E_NOMEM || err == CPIS_OK ? err : CPIS_E_MALFORMED;
}

/* --- evidence --- */

struct listed { /* lists that are proven to hold the lookup's token */
    struct cpis_id authority[STATEMENTS_MAX * INCLUSIONS_MAX];
    struct cpis_hash list[STATEMENTS_MAX * INCLUSIONS_MAX];
    size_t count;
};

static void gather_listed(const struct registry *at, const struct asked *asked,
                          const struct row_search *s, struct arena *memory, struct listed *ret)
{
    for (size_t i = 0; i < s->statements_count; i++) {
        struct msg_present p;
        const struct signed_message *m = &s->statements[i].statement;
        if (m->type != SIGNED_PRESENT || present_decode(m->body, memory, &p) != CPIS_OK) continue;
        for (size_t k = 0; k < p.inclusions_count && ret->count < STATEMENTS_MAX * INCLUSIONS_MAX;
             k++) {
            struct judged_presence judged;
            struct msg_head h;
            if (!evidence_inclusion_holds(at, asked->lookup.epoch, &asked->keys.token,
                                          &p.inclusions[k], memory, &judged) ||
                head_decode(p.inclusions[k].head.body, memory, &h) != CPIS_OK)
                continue;
            ret->authority[ret->count] = judged.authority;
            ret->list[ret->count++] = head_list_id(&h);
        }
    }
}

static const struct signed_message *head_of(const struct row_evidence *ev,
                                            const struct cpis_hash *hash)
{
    for (size_t i = 0; i < ev->heads_count; i++) {
        const struct cpis_hash h = signed_hash(&ev->heads[i]);
        if (hash_equal(&h, hash)) return &ev->heads[i];
    }
    return NULL;
}

static cpis_err take_stated(struct audit *a, const struct audit_stated *s)
{
    void *list = a->stated;
    const cpis_err err = audit_grow(&list, a->stated_count, &a->stated_cap, sizeof *s);
    a->stated = list;
    if (err == CPIS_OK) a->stated[a->stated_count++] = *s;
    return err;
}

/* An absence, over the heads that give its S: the directory signed that it searched these lists. */
static cpis_err take_absence(struct audit *a, size_t file, const struct row_evidence *ev,
                             const struct row_statement *row, const struct listed *listed,
                             struct arena *memory)
{
    struct msg_absent b;
    cpis_err err = absent_decode(row->statement.body, memory, &b);
    for (size_t at = 0; err == CPIS_OK && at + CPIS_HASH_BYTES <= row->heads.len;
         at += CPIS_HASH_BYTES) {
        struct cpis_hash hash;
        struct msg_head h;
        memcpy(hash.b, row->heads.p + at, sizeof hash.b);
        const struct signed_message *m = head_of(ev, &hash);
        if (m == NULL || head_decode(m->body, memory, &h) != CPIS_OK) continue;
        const struct cpis_hash list = head_list_id(&h);
        bool denied = false;
        for (size_t i = 0; i < listed->count; i++)
            denied |= id_equal(&listed->authority[i], &h.authority_id) &&
                      hash_equal(&listed->list[i], &list);
        err = take_stated(a, &(struct audit_stated){b.directory_id, h.authority_id, file, h.epoch,
                                                    b.time, h.version, b.rh});
        if (err == CPIS_OK && denied)
            err = audit_find(a, &(struct audit_finding){.fault = AUDIT_DENIED,
                                                        .who = b.directory_id,
                                                        .other = h.authority_id,
                                                        .file = file,
                                                        .witness = file,
                                                        .type = SIGNED_ABSENT,
                                                        .time = b.time,
                                                        .about = b.rh});
    }
    return err;
}

static cpis_err take_search(struct audit *a, size_t file, const struct registry *at,
                            const struct row_evidence *ev, const struct row_search *s,
                            struct arena *memory)
{
    struct asked asked = {0};
    struct listed *listed = arena_take(memory, sizeof *listed);
    if (listed == NULL) return CPIS_E_NOMEM;
    if (evidence_asked(at, ev, s, memory, &asked) == EVIDENCE_HOLDS)
        gather_listed(at, &asked, s, memory, listed);
    keys_wipe(&asked.keys);
    box_secret_wipe(&asked.ephemeral);
    cpis_err err = audit_held(a, file, s->lookup);
    for (size_t i = 0; err == CPIS_OK && i < s->statements_count; i++) {
        const struct row_statement *row = &s->statements[i];
        err = take_said(a, file, &row->statement);
        if (err == CPIS_OK && row->statement.type == SIGNED_ABSENT)
            err = take_absence(a, file, ev, row, listed, memory);
    }
    for (size_t i = 0; err == CPIS_OK && i < s->answers_count; i++)
        err = take_said(a, file, &s->answers[i].answer);
    return err;
}

cpis_err audit_evidence(struct audit *a, size_t file, const struct registry *at,
                        const struct row_evidence *ev)
{
    struct verdict v;
    const struct audit before = *a;
    struct arena memory = arena_make((size_t)256 << 20);
    const enum evidence_fault fault = evidence_verify(at, ev, &memory, &v);
    cpis_err err = fault == EVIDENCE_NO_MEMORY ? CPIS_E_NOMEM : CPIS_OK;
    if (fault != EVIDENCE_HOLDS && err == CPIS_OK)
        err = audit_find(
            a, &(struct audit_finding){
                   .fault = AUDIT_EVIDENCE, .file = file, .witness = file, .evidence = fault});
    else /* only what holds convicts */
        for (size_t i = 0; err == CPIS_OK && i < ev->searches_count; i++)
            err = take_search(a, file, at, ev, &ev->searches[i], &memory);
    for (size_t i = 0; err == CPIS_OK && fault == EVIDENCE_HOLDS && i < ev->heads_count; i++)
        err = take_said(a, file, &ev->heads[i]);
    for (size_t i = 0; err == CPIS_OK && fault == EVIDENCE_HOLDS && i < ev->register_times_count;
         i++)
        err = take_said(a, file, &ev->register_times[i]);
    if (memory.failed) err = CPIS_E_NOMEM; /* what could not be read was passed over */
    arena_free(&memory);
    if (err == CPIS_OK) {
        a->records++;
    } else { /* or what was taken would be told twice when the record is taken again */
        a->said_count = before.said_count;
        a->stated_count = before.stated_count;
        a->findings = before.findings;
    }
    return err;
}

struct audit_totals audit_totals(const struct audit *a)
{
    struct audit_totals t = {.logs = a->logs, .signatures = a->said_count, .records = a->records};
    for (size_t i = 0; i < a->logs; i++)
        t.entries += a->log[i].count;
    return t;
}

size_t audit_count(const struct audit *a) { return a->findings; }
const struct audit_finding *audit_finding(const struct audit *a, size_t i)
{
    return &a->finding[i];
}
