/* What stands around the attacks: the target's command, its counters, the puppets. */
#include "node/net/chain_file.h"
#include "tests/conformance/attack/attack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ASKER                                                                                      \
    "--user 'Test NURSE' --role-code R0110 --role 'Emergency nurse' --setting 'emergency "         \
    "department'"
#define COMMAND_BYTES 1024U
#define WAIT_MS       6000U
#define STEP_MS       20U
#define SETTLE_MS     200U /* for a record that must not come */

static const char *const event_names[] = {
#define CPIS_X(name, level, text) #name,
    CPIS_EVENTS(CPIS_X)
#undef CPIS_X
};
_Static_assert(EVENT_COUNT <= EVENTS_MAX, "a place for each event");

bool attack_fails(struct federation *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(f->why, sizeof f->why, format, ap);
    va_end(ap);
    return false;
}

void pause_ms(unsigned ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};
    (void)nanosleep(&t, NULL);
}

/* --- the command --- */

static FILE *start(struct federation *f, const char *format, va_list ap)
{
    char arguments[COMMAND_BYTES], line[2 * COMMAND_BYTES];
    (void)vsnprintf(arguments, sizeof arguments, format, ap);
    (void)snprintf(line, sizeof line, "%s %s 2>/dev/null", f->cpis, arguments);
    return popen(line, "r");
}

bool command(struct federation *f, const char *format, ...)
{
    char buffer[4096];
    va_list ap;
    va_start(ap, format);
    FILE *p = start(f, format, ap);
    va_end(ap);
    if (p == NULL) return false;
    while (fread(buffer, 1, sizeof buffer, p) > 0)
        ;
    return pclose(p) == 0;
}

/* All that a command says; *ret_exit stays where it was not started, and is -1 where it did not end
 * by itself. */
static json_t *read_all(FILE *p, int *ret_exit)
{
    json_t *all = json_array(), *one;
    if (p == NULL) return all;
    while ((one = json_loadf(p, JSON_DISABLE_EOF_CHECK, NULL)) != NULL)
        (void)json_array_append_new(all, one);
    const int status = pclose(p);
    *ret_exit = status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return all;
}

json_t *told(struct federation *f, int wanted, const char *format, ...)
{
    va_list ap;
    int is = -1;
    va_start(ap, format);
    json_t *all = read_all(start(f, format, ap), &is);
    va_end(ap);
    if (is == wanted) return all;
    (void)attack_fails(f, "the command ended with %d, not %d: %s", is, wanted, format);
    json_decref(all);
    return NULL;
}

/* The number goes over standard input. */
static json_t *told_about(struct federation *f, const char *number, const char *what, int *ret_exit)
{
    char line[2 * COMMAND_BYTES];
    (void)snprintf(line, sizeof line, "echo %s | %s %s 2>/dev/null", number, f->cpis, what);
    *ret_exit = -1;
    return read_all(popen(line, "r"), ret_exit);
}

void ask(struct federation *f, const char *number, char ret[static VERDICT_BYTES])
{
    char what[COMMAND_BYTES];
    (void)snprintf(what, sizeof what, "lookup %s/Q01 - %s --json", f->folder, ASKER);
    int code; /* each verdict has its own */
    json_t *all = told_about(f, number, what, &code);
    const char *v = json_string_value(json_object_get(json_array_get(all, 0), "verdict"));
    const char *rid = json_string_value(json_object_get(json_array_get(all, 0), "rid"));
    (void)snprintf(ret, VERDICT_BYTES, "%s", v != NULL ? v : "none");
    const char *reason = json_string_value(json_object_get(json_array_get(all, 0), "reason"));
    (void)snprintf(f->reason, sizeof f->reason, "%s", reason != NULL ? reason : "");
    (void)snprintf(f->rid, sizeof f->rid, "%s", rid != NULL ? rid : "");
    json_decref(all);
}

bool is_flag(const char *verdict)
{
    return strcmp(verdict, "flag") == 0 || strcmp(verdict, "flag_details_to_follow") == 0;
}

static bool notifications_of(struct federation *f, const char *number, struct records *ret)
{
    size_t i;
    json_t *one, *all = told(f, 0, "notifications list %s/T001 --json", f->folder);
    json_array_foreach(all, i, one)
    {
        const char *of = json_string_value(json_object_get(one, "nhs_number"));
        ret->notifications += of != NULL && strcmp(of, number) == 0;
    }
    json_decref(all);
    return all != NULL;
}

bool records_of(struct federation *f, const char *number, struct records *ret)
{
    char what[COMMAND_BYTES];
    size_t i;
    int code;
    json_t *one;
    *ret = (struct records){0};
    (void)snprintf(what, sizeof what, "accesses %s/T001 - --json", f->folder);
    json_t *all = told_about(f, number, what, &code);
    json_array_foreach(all, i, one)
    {
        const char *state = json_string_value(json_object_get(one, "state"));
        ret->accesses++;
        ret->complete += state != NULL && strcmp(state, "complete") == 0;
        ret->twins += json_is_true(json_object_get(one, "twin"));
        ret->late += json_is_true(json_object_get(one, "late"));
    }
    json_decref(all);
    if (code != 0) return attack_fails(f, "the records can't be read: exit %d", code);
    return notifications_of(f, number, ret);
}

bool records_wait(struct federation *f, const char *number, unsigned accesses, struct records *ret)
{
    bool good = records_of(f, number, ret);
    for (unsigned waited = 0; good && ret->accesses < accesses && waited < WAIT_MS;
         waited += STEP_MS) {
        pause_ms(STEP_MS);
        good = records_of(f, number, ret);
    }
    return good;
}

bool records_settled(struct federation *f, const char *number, struct records *ret)
{
    pause_ms(SETTLE_MS);
    return records_of(f, number, ret);
}

bool no_records(struct federation *f, const char *number)
{
    struct records r;
    return records_settled(f, number, &r) &&
           (r.accesses == 0 || attack_fails(f, "%u records of what was to leave none", r.accesses));
}

/* --- counters --- */

static json_t *status(struct federation *f, const char *node)
{
    json_t *all = told(f, 0, "status %s/%s --json", f->folder, node);
    json_t *one = json_incref(json_array_get(all, 0));
    json_decref(all);
    return one;
}

bool events_of(struct federation *f, const char *node, struct events *ret)
{
    json_t *s = status(f, node);
    const json_t *events = json_object_get(s, "events");
    const bool is = json_is_object(events);
    for (size_t i = 0; i < EVENT_COUNT; i++)
        ret->count[i] = (uint64_t)json_integer_value(json_object_get(events, event_names[i]));
    json_decref(s);
    return is || attack_fails(f, "%s does not answer", node);
}

uint64_t event_in(const struct events *e, const char *name)
{
    for (size_t i = 0; i < EVENT_COUNT; i++)
        if (strcmp(event_names[i], name) == 0) return e->count[i];
    return 0;
}

uint64_t events_refused(const struct events *e)
{
    static const enum event refused[] = {
        EVENT_FRAME_MALFORMED, EVENT_FRAME_LATER,     EVENT_PEER_UNKNOWN,
        EVENT_SIGNER_UNKNOWN,  EVENT_SIGNATURE_WRONG, EVENT_SIGNER_NOT_PEER,
        EVENT_ROLE_WRONG,      EVENT_BODY_MALFORMED,  EVENT_NOT_EXPECTED};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        sum += e->count[refused[i]];
    return sum;
}

bool event_rises(struct federation *f, const char *node, const struct events *before,
                 const char *name, uint64_t by)
{
    struct events now;
    uint64_t rose = 0;
    for (unsigned waited = 0; waited < WAIT_MS; waited += STEP_MS) {
        if (!events_of(f, node, &now)) return false;
        rose = event_in(&now, name) - event_in(before, name);
        if (rose >= by) return true;
        pause_ms(STEP_MS);
    }
    return attack_fails(f, "%s of %s rose by %llu, not by %llu", name, node,
                        (unsigned long long)rose, (unsigned long long)by);
}

long long status_number(struct federation *f, const char *node, const char *path)
{
    char words[COMMAND_BYTES], *rest = words, *word;
    json_t *s = status(f, node);
    const json_t *at = s;
    (void)snprintf(words, sizeof words, "%s", path);
    while ((word = strtok_r(rest, ".", &rest)) != NULL)
        at = json_object_get(at, word);
    long long number = json_is_integer(at) ? (long long)json_integer_value(at) : -1;
    if (json_is_boolean(at)) number = json_is_true(at);
    json_decref(s);
    return number;
}

double metric(struct federation *f, const char *node, const char *name)
{
    char line[COMMAND_BYTES];
    double found = -1;
    const size_t len = strlen(name);
    (void)snprintf(line, sizeof line, "%s metrics %s/%s 2>/dev/null", f->cpis, f->folder, node);
    FILE *p = popen(line, "r");
    if (p == NULL) return found;
    while (fgets(line, sizeof line, p) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ' ') found = strtod(line + len, NULL);
    (void)pclose(p);
    return found;
}

bool node_runs(struct federation *f, const char *node)
{
    json_t *s = status(f, node);
    const bool runs = json_is_true(json_object_get(s, "runs"));
    json_decref(s);
    return runs;
}

/* --- who is there --- */

static bool read_register(struct federation *f)
{
    char path[COMMAND_BYTES], why[CHAIN_WHY_BYTES];
    struct chain_reader r;
    struct bytes document;
    bool first = true, good = true;
    (void)snprintf(path, sizeof path, "%s/register", f->folder);
    if (chain_file_open(path, &r, why) != CPIS_OK) return false;
    while (good && chain_file_next(&r, &document, why) == CPIS_OK) {
        f->documents.p = arena_copy(&f->arena, document.p, document.len);
        f->documents.len = document.len;
        good = f->documents.p != NULL &&
               register_document_decode(f->documents, &f->arena, &f->newest) == CPIS_OK;
        if (good && first) f->net = net_id_of(f->newest.body.p, f->newest.body.len);
        first = false;
    }
    chain_file_close(&r);
    return good && !first && register_body_decode(f->newest.body, &f->arena, &f->reg) == CPIS_OK;
}

static bool read_children(struct federation *f, const char *file, struct children *ret)
{
    char path[COMMAND_BYTES], line[COMMAND_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, file);
    FILE *in = fopen(path, "r");
    if (in == NULL) return false;
    while (ret->count < CHILDREN_MAX && fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "999", 3) != 0) continue;
        memcpy(ret->number[ret->count], line, 10);
        ret->number[ret->count++][10] = '\0';
    }
    (void)fclose(in);
    return ret->count > 0;
}

const char *next_child(struct children *c)
{
    const char *number = c->number[c->at];
    c->at = (c->at + 1) % c->count;
    return number;
}

const struct msg_register_node *federation_node(const struct federation *f, const char *folder)
{
    const char *code = strcmp(folder, "Q01") == 0 ? "RZZ99" : folder;
    code = strcmp(folder, "Q02") == 0 ? "RZZ98" : code;
    code = strcmp(folder, "Q03") == 0 ? "RZZ97" : code;
    for (size_t i = 0; i < f->reg.nodes_count; i++)
        if (strcmp(f->reg.nodes[i].descriptor.code, code) == 0) return &f->reg.nodes[i];
    (void)fprintf(stderr, "conformance: %s is not in the register\n", folder);
    exit(2);
}

struct cpis_id federation_id(const struct federation *f, const char *folder)
{
    return node_id_of(&federation_node(f, folder)->descriptor.sign_key);
}

/* --- puppets --- */

static uint64_t order(struct federation *f, unsigned which, enum puppet_op op, struct bytes a,
                      struct bytes b)
{
    const struct puppet_order o = {(uint32_t)op, (uint32_t)(a.len + b.len)};
    const int fd = f->puppet[which];
    uint64_t answer = 0;
    if (send(fd, &o, sizeof o, MSG_NOSIGNAL | MSG_MORE) != sizeof o) return 0;
    if (a.len > 0 && send(fd, a.p, a.len, MSG_NOSIGNAL) != (ssize_t)a.len) return 0;
    if (b.len > 0 && send(fd, b.p, b.len, MSG_NOSIGNAL) != (ssize_t)b.len) return 0;
    if (recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) return 0;
    return answer;
}

#define NOTHING ((struct bytes){NULL, 0})
static struct bytes bytes_of(const void *p, size_t len) { return (struct bytes){p, len}; }

static bool lead_puppet(struct federation *f, unsigned which, const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/%s.puppet", f->folder, name);
    f->puppet[which] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(f->puppet[which], (struct sockaddr *)&at, sizeof at) == 0 &&
           order(f, which, PUPPET_NET, bytes_of(&f->net, sizeof f->net), NOTHING) == 1;
}

bool puppet_act(struct federation *f, unsigned which, const char *act, const char *peer)
{
    struct puppet_act o = {.peer = federation_id(f, peer)};
    (void)snprintf(o.name, sizeof o.name, "%s", act);
    return order(f, which, PUPPET_ACT, bytes_of(&o, sizeof o), NOTHING) == 1 ||
           attack_fails(f, "no puppet knows \"%s\"", act);
}

uint64_t puppet_acts(struct federation *f, unsigned which)
{
    return order(f, which, PUPPET_COUNT, NOTHING, NOTHING);
}

uint64_t puppet_stop(struct federation *f, unsigned which)
{
    return order(f, which, PUPPET_STOP, NOTHING, NOTHING);
}

bool puppet_send(struct federation *f, unsigned which, const char *peer, struct bytes frame)
{
    const struct cpis_id id = federation_id(f, peer);
    return order(f, which, PUPPET_SEND, bytes_of(&id, sizeof id), frame) == 1 ||
           attack_fails(f, "the puppet's frame did not leave");
}

bool federation_open(struct federation *f, const char *folder, const char *cpis)
{
    *f = (struct federation){
        .folder = folder, .cpis = cpis, .arena = arena_make((size_t)64 << 20), .puppet = {-1, -1}};
    const bool good = read_register(f) && read_children(f, "T001.csv", &f->listed) &&
                      read_children(f, "nobody.csv", &f->nobody) &&
                      read_children(f, "spare.csv", &f->spare) && lead_puppet(f, 0, "D02") &&
                      lead_puppet(f, 1, "D03");
    if (!good) (void)fprintf(stderr, "conformance: no federation stands in %s\n", folder);
    return good;
}

bool federation_reload(struct federation *f)
{
    return read_register(f) || attack_fails(f, "the register can't be read");
}

void federation_close(struct federation *f)
{
    for (size_t i = 0; i < 2; i++)
        if (f->puppet[i] >= 0) (void)close(f->puppet[i]);
    arena_free(&f->arena);
}
