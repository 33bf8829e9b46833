/* doctor_log - what somebody does who has a node's key and wants its log, or evidence, to say
 * something else. For tests/e2e/audit.sh.
 *
 *   doctor_log drop FILE DIR RH   without the entries about RH: numbered, hashed and signed anew
 *                                 (of no entry: as it is, only given out later; see LATER)
 *   doctor_log hush FILE DIR RH   the same, but only the entry that people were told is left out
 *   doctor_log deny FILE DIR      evidence in which DIR's directory says absent where it said
 * present
 */
#include "crypto/chain.h"
#include "node/core/io.h"
#include "node/net/chain_file.h"
#include "node/net/folder.h"
#include "proto/codec.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES ((size_t)64 << 20)
/* The logs are signed anew as if they were given out so much later: what was signed in the last two
 * minutes before a log's end proves nothing against it by its time (node/core/audit_judge.c). */
#define LATER (LATE_MS + CPIS_MS_SECOND)

static struct identity self;
static struct net_id net;
static struct arena memory;

static void die(const char *what)
{
    (void)fprintf(stderr, "doctor_log: %s\n", what);
    exit(1);
}

static void need(bool so, const char *what)
{
    if (!so) die(what);
}

static struct bytes unhex(const char *hex)
{
    const size_t len = strlen(hex) / 2;
    uint8_t *p = arena_take(&memory, len + 1);
    need(p != NULL && sodium_hex2bin(p, len + 1, hex, 2 * len, NULL, NULL, NULL) == 0, "hex");
    return (struct bytes){p, len};
}

static json_t *hex_of(struct bytes b)
{
    char *text = arena_take(&memory, 2 * b.len + 1);
    need(text != NULL, "memory");
    return json_string(sodium_bin2hex(text, 2 * b.len + 1, b.p, b.len));
}

static struct signed_message sign(enum signed_type type, struct bytes body)
{
    struct signed_message m = {.type = type, .signer = node_id_of(&self.pub.sign), .body = body};
    sign_make(&self.sign, (uint8_t)type, &net, body.p, body.len, &m.signature);
    return m;
}

static void be_the_node(const char *dir)
{
    struct folder_secrets secrets;
    char path[4096], chain_why[CHAIN_WHY_BYTES];
    const char *why = NULL;
    struct chain_reader r;
    struct bytes document;
    struct msg_register_document first;
    need(folder_secrets_read(dir, NULL, 0, &secrets, &why) == CPIS_OK, "key file");
    identity_from(secrets.seed, &self);
    need(folder_path(dir, "register", sizeof path, path) == CPIS_OK, "path");
    need(chain_file_open(path, &r, chain_why) == CPIS_OK &&
             chain_file_next(&r, &document, chain_why) == CPIS_OK &&
             register_document_decode(document, &memory, &first) == CPIS_OK,
         "register");
    net = net_id_of(first.body.p, first.body.len);
    chain_file_close(&r);
}

static bool is_left_out(bool hush, struct bytes entry, const struct cpis_hash *rh)
{
    struct row_log_entry e;
    need(row_log_entry_decode(entry, &memory, &e) == CPIS_OK, "an entry");
    return hash_equal(&e.about, rh) && (!hush || e.event == LOG_NOTIFIED);
}

/* The last line that is the node's own log head is signed anew; all else that is held stays. */
static void doctor_log(const char *path, bool hush, const struct cpis_hash *rh)
{
    char *line = NULL;
    size_t cap = 0;
    struct chain_head head = {0};
    FILE *f = fopen(path, "r");
    need(f != NULL, "no such file");
    while (getline(&line, &cap, f) > 0) {
        json_t *o = json_loads(line, 0, NULL);
        const char *held = json_string_value(json_object_get(o, "held"));
        const char *hex = json_string_value(json_object_get(o, "entry"));
        struct signed_message m = {.type = 0};
        struct msg_log_head end;
        if (held != NULL) need(signed_message_decode(unhex(held), &memory, &m) == CPIS_OK, "held");
        if (m.type == SIGNED_LOG_HEAD) {
            struct bytes b;
            need(log_head_decode(m.body, &memory, &end) == CPIS_OK, "log head");
            end.time += LATER;
            end.sequence = head.sequence;
            end.head = head.head;
            need(log_head_encode(&end, &memory, &b) == CPIS_OK, "log head");
            m = sign(SIGNED_LOG_HEAD, b);
            need(signed_message_encode(&m, &memory, &b) == CPIS_OK, "log head");
            (void)json_object_set_new(o, "held", hex_of(b));
        }
        if (hex == NULL || !is_left_out(hush, unhex(hex), rh)) {
            if (hex != NULL) {
                const struct bytes entry = unhex(hex);
                head = chain_next(&head, entry.p, entry.len);
                (void)json_object_set_new(o, "sequence", json_integer((json_int_t)head.sequence));
            }
            (void)json_dumpf(o, stdout, JSON_COMPACT);
            (void)putchar('\n');
        }
        json_decref(o);
    }
    free(line);
    (void)fclose(f);
}

/* "absent" with all else that this directory's "present" said, over the one list that it proved. */
static bool deny(struct row_evidence *ev, struct row_statement *row)
{
    const struct cpis_id id = node_id_of(&self.pub.sign);
    struct msg_present p;
    struct msg_head h;
    struct bytes body;
    if (row->statement.type != SIGNED_PRESENT || !id_equal(&row->statement.signer, &id))
        return false;
    need(present_decode(row->statement.body, &memory, &p) == CPIS_OK, "present");
    need(head_decode(p.inclusions[0].head.body, &memory, &h) == CPIS_OK, "head");
    struct cpis_hash *hash = arena_take(&memory, sizeof *hash);
    need(hash != NULL, "memory");
    *hash = signed_hash(&p.inclusions[0].head);
    const struct msg_absent m = {.rh = p.rh,
                                 .epoch = p.epoch,
                                 .index = p.index,
                                 .directory_id = id,
                                 .time = p.time,
                                 .state = state_of(h.epoch, hash, 1),
                                 .register_version = p.register_version,
                                 .register_hash = p.register_hash};
    need(absent_encode(&m, &memory, &body) == CPIS_OK, "absent");
    row->statement = sign(SIGNED_ABSENT, body);
    row->heads = (struct bytes){hash->b, sizeof *hash};
    struct signed_message *heads = arena_take(&memory, (ev->heads_count + 1) * sizeof *heads);
    need(heads != NULL, "memory");
    if (ev->heads_count > 0) memcpy(heads, ev->heads, ev->heads_count * sizeof *heads);
    heads[ev->heads_count] = p.inclusions[0].head;
    ev->heads = heads;
    ev->heads_count++;
    return true;
}

static void doctor_evidence(const char *path)
{
    static uint8_t file[1 << 24];
    struct row_evidence ev;
    struct bytes b;
    bool done = false;
    FILE *f = fopen(path, "rb");
    need(f != NULL, "no such file");
    const size_t len = fread(file, 1, sizeof file, f);
    (void)fclose(f);
    need(row_evidence_decode((struct bytes){file, len}, &memory, &ev) == CPIS_OK, "no evidence");
    for (size_t i = 0; i < ev.searches[0].statements_count && !done; i++)
        done = deny(&ev, &ev.searches[0].statements[i]);
    need(done, "this directory has said nothing here");
    need(row_evidence_encode(&ev, &memory, &b) == CPIS_OK, "evidence");
    need(fwrite(b.p, 1, b.len, stdout) == b.len, "write");
}

int main(int argc, char **argv)
{
    memory = arena_make(MEMORY_BYTES);
    need(sodium_init() >= 0 && argc >= 4, "drop|hush FILE DIR RH, or deny FILE DIR");
    be_the_node(argv[3]);
    if (strcmp(argv[1], "deny") == 0) {
        doctor_evidence(argv[2]);
    } else {
        struct cpis_hash rh;
        need(argc == 5 && strlen(argv[4]) == 2 * sizeof rh.b, "RH");
        memcpy(rh.b, unhex(argv[4]).p, sizeof rh.b);
        doctor_log(argv[2], strcmp(argv[1], "hush") == 0, &rh);
    }
    identity_wipe(&self);
    arena_free(&memory);
    return 0;
}
