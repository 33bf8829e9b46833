/* cpis log audit FILE...: logs and evidence, judged against each other, for somebody who was not
 * there. Names nodes, entries and hashes; never a child's number. */
#include "node/cli/audit_file.h"
#include "node/cli/commands.h"
#include "node/core/audit.h"
#include "node/net/chain_file.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX       ((size_t)1 << 30)
#define EVIDENCE_ARENA_BYTES ((size_t)256 << 20)
#define MESSAGE_BYTES_MAX    (FRAME_BYTES_MAX + 1024U)
#define SENTENCE_BYTES       1024U
#define WHO_BYTES            160U

struct auditing {
    const struct cli *c;
    const char *register_path;
    struct registry *registry;
    struct audit *audit;
    uint8_t *message; /* MESSAGE_BYTES_MAX */
};

/* --- files in --- */

static int bad_line(const struct auditing *x, size_t file, size_t line, const char *what)
{
    return cli_fail(x->c, "%s:%zu: %s: it is no file of `cpis log export --audit`",
                    x->c->args[file], line, what);
}

static int take_line(const struct auditing *x, size_t file, size_t line, const json_t *o)
{
    const char *held = json_string_value(json_object_get(o, "held"));
    const char *entry = json_string_value(json_object_get(o, "entry"));
    const char *node = json_string_value(json_object_get(o, "node"));
    const char *hex = held != NULL ? held : entry;
    const size_t len = hex == NULL ? 0 : strlen(hex) / 2;
    struct cpis_id id;
    cpis_err err;
    if (hex != NULL && (len > MESSAGE_BYTES_MAX || !cli_unhex(hex, x->message, len)))
        return bad_line(x, file, line, "no hexadecimal bytes, or too many");
    if (held != NULL) {
        err = audit_held(x->audit, file, (struct bytes){x->message, len});
    } else if (entry != NULL) {
        err = audit_entry(x->audit, cli_integer(o, "sequence"), (struct bytes){x->message, len});
    } else if (node != NULL) {
        if (cli_integer(o, "log_format") != AUDIT_FORMAT)
            return bad_line(x, file, line, "of another version of this program");
        if (strlen(node) != 2 * CPIS_ID_BYTES || !cli_unhex(node, &id, sizeof id))
            return bad_line(x, file, line, "no id of a node");
        err = audit_log(x->audit, file, &id);
    } else {
        return bad_line(x, file, line, "neither an entry nor a signed message");
    }
    if (err == CPIS_E_STATE) return bad_line(x, file, line, "an entry before its node");
    if (err == CPIS_E_MALFORMED) return bad_line(x, file, line, "no signed message");
    return err == CPIS_OK ? CLI_OK : cli_fail(x->c, "%s", cpis_strerror(err));
}

static int take_log(const struct auditing *x, size_t file, const uint8_t *p, size_t len)
{
    int code = CLI_OK;
    size_t line = 0;
    for (size_t at = 0; at < len && code == CLI_OK;) {
        const uint8_t *end = memchr(p + at, '\n', len - at);
        const size_t n = end == NULL ? len - at : (size_t)(end - (p + at));
        json_t *o = json_loadb((const char *)p + at, n, JSON_REJECT_DUPLICATES, NULL);
        line++;
        code = json_is_object(o) ? take_line(x, file, line, o)
                                 : bad_line(x, file, line, "no JSON object");
        json_decref(o);
        at += n + 1;
    }
    return code;
}

/* The register is loaded up to the version that the record names. */
static int take_evidence(const struct auditing *x, size_t file, const uint8_t *p, size_t len)
{
    struct arena a = arena_make(EVIDENCE_ARENA_BYTES);
    struct registry *at = NULL;
    struct row_evidence ev;
    char why[CHAIN_WHY_BYTES] = "";
    int code = CLI_OK;
    cpis_err err = row_evidence_decode((struct bytes){p, len}, &a, &ev);
    if (err != CPIS_OK) {
        code = cli_fail(x->c, "%s: is neither a log nor evidence", x->c->args[file]);
    } else {
        err = registry_new(&at);
        if (err == CPIS_OK) err = chain_file_load(x->register_path, ev.register_version, at, why);
        if (err == CPIS_OK) err = audit_evidence(x->audit, file, at, &ev);
        if (err != CPIS_OK)
            code = cli_fail(x->c, "%s: %s", x->register_path,
                            why[0] != '\0' ? why : cpis_strerror(err));
    }
    registry_free(&at);
    arena_free(&a);
    return code;
}

static int take_file(const struct auditing *x, size_t file)
{
    uint8_t *p = NULL;
    size_t len;
    if (!cli_read_file(x->c, x->c->args[file], FILE_BYTES_MAX, &p, &len)) return CLI_ERROR;
    const int code =
        len > 0 && p[0] == '{' ? take_log(x, file, p, len) : take_evidence(x, file, p, len);
    sodium_memzero(p, len); /* evidence holds a number */
    free(p);
    return code;
}

/* --- what was found, in words --- */

static void who_text(const struct auditing *x, const struct cpis_id *id, char ret[WHO_BYTES])
{
    static const char *const roles[] = {[ROLE_AUTHORITY] = "authority",
                                        [ROLE_DIRECTORY] = "directory",
                                        [ROLE_QUERY] = "query node"};
    const struct registry_node *n = registry_node_ever(x->registry, id);
    char hex[2 * CPIS_ID_BYTES + 1];
    cli_hex(id->b, sizeof id->b, hex);
    if (n == NULL)
        (void)snprintf(ret, WHO_BYTES, "node %s, which is in no register", hex);
    else
        (void)snprintf(ret, WHO_BYTES, "%s %s (%s)", roles[n->d.role], n->d.code, n->d.name);
}

static const char *signed_text(uint32_t type)
{
    switch (type) {
    case SIGNED_LOOKUP: return "lookup";
    case SIGNED_ABSENT: return "statement \"absent\"";
    case SIGNED_PRESENT: return "statement \"present\"";
    case SIGNED_ANSWER: return "answer";
    case SIGNED_HEAD: return "list head";
    case SIGNED_ACK: return "acknowledgement";
    case SIGNED_REGISTER_TIME: return "register-time";
    case SIGNED_LOG_HEAD: return "log head";
    default: return "message";
    }
}

static const char *fault_name(enum audit_fault f)
{
    switch (f) {
    case AUDIT_NONE: return "none";
    case AUDIT_UNSIGNED: return "log-unsigned";
    case AUDIT_SEQUENCE: return "entry-missing";
    case AUDIT_ENTRY: return "entry-unreadable";
    case AUDIT_UNNOTIFIED: return "notification-missing";
    case AUDIT_ALTERED: return "log-altered";
    case AUDIT_CUT: return "log-cut";
    case AUDIT_FORKED: return "log-forked";
    case AUDIT_ACK_UNRECORDED: return "ack-without-record";
    case AUDIT_ACK_UNDETAILED: return "ack-without-details";
    case AUDIT_ANSWER_UNRECORDED: return "answer-without-record";
    case AUDIT_HEAD_UNLOGGED: return "head-not-logged";
    case AUDIT_LOOKUP_UNLOGGED: return "lookup-not-logged";
    case AUDIT_PRESENT_UNSTORED: return "present-without-copy";
    case AUDIT_DENIED: return "denied";
    case AUDIT_ROLLED_BACK: return "rolled-back";
    case AUDIT_NOT_SIGNED: return "not-signed";
    case AUDIT_EVIDENCE: return "evidence-wrong";
    }
    return "";
}

/* What the log's own entries show. */
static void say_log(const struct audit_finding *f, const char *who, const char *when, char *ret)
{
    const unsigned long long entry = f->entry, agreed = f->agreed, found = f->found;
    switch ((int)f->fault) {
    case AUDIT_UNSIGNED:
        (void)snprintf(ret, SENTENCE_BYTES,
                       "the log of %s does not end with its signature over these entries: it "
                       "proves nothing, for entries may have been cut off or changed since. Take "
                       "it anew, whole.",
                       who);
        break;
    case AUDIT_SEQUENCE:
        (void)snprintf(ret, SENTENCE_BYTES,
                       "in the log of %s entry %llu should follow, and entry %llu does: entries "
                       "were dropped or put in another order.",
                       who, entry, found);
        break;
    case AUDIT_ENTRY:
        (void)snprintf(ret, SENTENCE_BYTES, "in the log of %s entry %llu can't be read.", who,
                       entry);
        break;
    case AUDIT_UNNOTIFIED:
        (void)snprintf(ret, SENTENCE_BYTES,
                       "%s recorded a look (entry %llu, %s) that its people had to be told of, and "
                       "its log has no notification.",
                       who, entry, when);
        break;
    case AUDIT_ALTERED:
        (void)snprintf(
            ret, SENTENCE_BYTES,
            "the log of %s is not the one that it signed for: at entry %llu it gives "
            "another value. Up to entry %llu it is as signed, so an entry of %llu to "
            "%llu was dropped, altered or put in another order (or the node was restored "
            "from a backup there).",
            who, entry, agreed, agreed + 1, entry);
        break;
    case AUDIT_CUT:
        (void)snprintf(ret, SENTENCE_BYTES,
                       "the log of %s was cut: it ends with entry %llu, and before that it had "
                       "signed for entry %llu (or its clock was put back).",
                       who, agreed, entry);
        break;
    default:
        (void)snprintf(ret, SENTENCE_BYTES,
                       "%s has two logs: it signed two values for entry %llu (or it was restored "
                       "from a backup, or its key is used elsewhere).",
                       who, entry);
        break;
    }
}

/* What was signed, and is not in the log; what was stated; what is wrong with a file. */
static void say_signed(const struct audit_finding *f, const char *who, const char *other, char *ret)
{
    const char *text = "";
    switch ((int)f->fault) {
    case AUDIT_ACK_UNRECORDED:
        text = " signed that it has recorded a look, and its log has no record of it.";
        break;
    case AUDIT_ACK_UNDETAILED:
        text = " signed that it knows who looked, and its log has no such details.";
        break;
    case AUDIT_ANSWER_UNRECORDED:
        text = " answered a lookup, and its log has no record of it: nobody there was told.";
        break;
    case AUDIT_HEAD_UNLOGGED:
        text = "'s key signed a list that its log does not have: it hides one, or the key is "
               "used elsewhere.";
        break;
    case AUDIT_LOOKUP_UNLOGGED:
        text = " sent a lookup that its log does not have: it hides that it asked.";
        break;
    case AUDIT_PRESENT_UNSTORED:
        text = " said \"present\", and its log has no copy stored for the authority.";
        break;
    case AUDIT_DENIED:
        (void)snprintf(ret, SENTENCE_BYTES,
                       "%s denied what it held: it signed \"absent\" over a list of %s that is "
                       "proven to hold the child of this lookup.",
                       who, other);
        return;
    case AUDIT_ROLLED_BACK:
        (void)snprintf(
            ret, SENTENCE_BYTES,
            "%s went back: it signed \"absent\" over version %llu of the list of %s, and "
            "had signed over version %llu before (a directory restored from a backup "
            "must not; or its clock was put back).",
            who, (unsigned long long)f->entry, other, (unsigned long long)f->found);
        return;
    case AUDIT_NOT_SIGNED:
        (void)snprintf(
            ret, SENTENCE_BYTES,
            "a %s in the name of %s was not signed by it: it counts for nothing, and the "
            "file was altered or its node keeps what is false.",
            signed_text(f->type), other);
        return;
    default:
        (void)snprintf(ret, SENTENCE_BYTES, "this evidence does not hold: %s.",
                       evidence_fault_text(f->evidence));
        return;
    }
    (void)snprintf(ret, SENTENCE_BYTES, "%s%s", who, text);
}

static void sentence(const struct auditing *x, const struct audit_finding *f, char *ret)
{
    char who[WHO_BYTES], other[WHO_BYTES], when[WALL_UTC_BYTES];
    who_text(x, &f->who, who);
    who_text(x, &f->other, other);
    wall_format_utc(f->time, when);
    if (f->fault <= AUDIT_FORKED)
        say_log(f, who, when, ret);
    else
        say_signed(f, who, other, ret);
}

static const char *file_name(const struct auditing *x, size_t file)
{
    return file == AUDIT_NO_FILE ? NULL : x->c->args[file];
}

static void tell(const struct auditing *x, size_t i)
{
    static const struct cpis_hash none;
    const struct audit_finding *f = audit_finding(x->audit, i);
    char text[SENTENCE_BYTES], about[2 * CPIS_HASH_BYTES + 1] = "", when[WALL_UTC_BYTES] = "";
    char node[2 * CPIS_ID_BYTES + 1];
    const char *log = file_name(x, f->file), *witness = file_name(x, f->witness);
    sentence(x, f, text);
    cli_hex(f->who.b, sizeof f->who.b, node);
    if (!hash_equal(&f->about, &none)) cli_hex(f->about.b, sizeof f->about.b, about);
    if (f->time != 0) wall_format_utc(f->time, when);
    if (cli_has(x->c, "json")) {
        cli_print_json(json_pack(
            "{s:s,s:s,s:s,s:s?,s:s?,s:s,s:s,s:I,s:I,s:s}", "finding", fault_name(f->fault), "text",
            text, "node", node, "file", log, "witness", witness, "signed",
            f->type == 0 ? "" : signed_text(f->type), "time", when, "entry", (json_int_t)f->entry,
            "agreed", (json_int_t)f->agreed, "about", about));
        return;
    }
    (void)printf("FOUND %zu (%s): %s\n", i + 1, fault_name(f->fault), text);
    if (log != NULL) (void)printf("    file: %s\n", log);
    if (f->type != 0 && witness != NULL)
        (void)printf("    proof: the %s of %s, in %s\n", signed_text(f->type), when, witness);
    if (about[0] != '\0') (void)printf("    about: %s\n", about);
}

static int report(const struct auditing *x)
{
    const struct audit_totals t = audit_totals(x->audit);
    const size_t count = audit_count(x->audit);
    for (size_t i = 0; i < count; i++)
        tell(x, i);
    if (!cli_has(x->c, "json"))
        (void)printf("%s: %zu logs, %zu entries, %zu signatures of others, %zu records of "
                     "evidence; %zu found\n",
                     count == 0 ? "nothing found" : "FOUND", t.logs, t.entries, t.signatures,
                     t.records, count);
    return count == 0 ? CLI_OK : CLI_ERROR;
}

static int log_audit(struct cli *c)
{
    struct auditing x = {.c = c, .register_path = cli_value(c, "register")};
    char why[CHAIN_WHY_BYTES] = "";
    int code = CLI_OK;
    if (!cli_args(c, 1, SIZE_MAX)) return CLI_USAGE;
    if (x.register_path == NULL)
        return cli_usage(c, "--register: the federation's register, from a steward");
    x.message = malloc(MESSAGE_BYTES_MAX);
    cpis_err err = x.message == NULL ? CPIS_E_NOMEM : registry_new(&x.registry);
    if (err == CPIS_OK) err = chain_file_load(x.register_path, 0, x.registry, why);
    if (err == CPIS_OK) err = audit_new(x.registry, &x.audit);
    if (err != CPIS_OK)
        code = cli_fail(c, "%s: %s", x.register_path, why[0] != '\0' ? why : cpis_strerror(err));
    for (size_t i = 0; i < c->args_count && code == CLI_OK; i++)
        code = take_file(&x, i);
    if (code == CLI_OK) {
        err = audit_judge(x.audit);
        code = err == CPIS_OK ? report(&x) : cli_fail(c, "%s", cpis_strerror(err));
    }
    audit_free(&x.audit);
    registry_free(&x.registry);
    free(x.message);
    return code;
}
const struct cli_command cmd_log_audit = {
    .name = "log audit",
    .args = "FILE... --register CHAIN",
    .summary = "judge logs and evidence against each other, offline",
    .more =
        "FILE: what `cpis log export DIR --audit` wrote at a node, or evidence (`cpis evidence`). "
        "One shows whether it is whole; each more shows what it left out. No child's number is "
        "in what is printed.",
    .exits = "0 nothing found, 1 something is (or a file can't be read), 2 usage error",
    .fn = log_audit,
    .options =
        (const struct cli_option[]){{"register", "CHAIN", "the federation's newest register"},
                                    {"json", NULL, "one JSON object a finding"},
                                    {0}}};
