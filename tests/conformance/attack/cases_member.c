/* Members who change: restored, set back, copied, suspended, over their limit, shut out. T002 is
 * the authority that it happens to, D01 the directory, Q03 (keys only) the query node. */
#include "tests/conformance/attack/wire.h"

#include <stdio.h>
#include <string.h>

#define LINE_BYTES  512U
#define REACHED_MS  60000U /* a register is in force everywhere */
#define SETTLES     20U
#define TOLD_MS     45000U /* other directories tell their heads: GOSSIP_EVERY */
#define HEARD_TRIES 5U     /* of some seconds each */
#define EVALUATIONS 12U    /* Q03's limit a day: conformance.sh */

static const char *own; /* the child that T002 lists, after the backup was made */

/* After a change lists lag for a moment: INCOMPLETE and UNKNOWN may come then, a wrong word never.
 */
static bool asked(struct federation *f, const char *number, bool listed)
{
    char verdict[VERDICT_BYTES] = "";
    for (unsigned i = 0; i < SETTLES; i++) {
        ask(f, number, verdict);
        if (listed ? is_flag(verdict) : strcmp(verdict, "no_flag") == 0) return true;
        if (strcmp(verdict, "incomplete") != 0 && strcmp(verdict, "unknown") != 0) break;
        pause_ms(250);
    }
    return attack_fails(f, "a child %s: the verdict is %s", listed ? "listed" : "in no list",
                        verdict);
}

static bool verdicts_right(struct federation *f)
{
    return asked(f, next_child(&f->listed), true) && asked(f, next_child(&f->nobody), false) &&
           (own == NULL || asked(f, own, true));
}

/* `shell` works in the federation's folder. */
static bool files(struct federation *f, const char *shell)
{
    char line[2 * LINE_BYTES];
    (void)snprintf(line, sizeof line, "cd '%s' && %s", f->folder, shell);
    FILE *p = popen(line, "r");
    return (p != NULL && pclose(p) == 0) || attack_fails(f, "failed: %s", shell);
}

static bool import(struct federation *f, const char *authority, const char *number,
                   const char *more)
{
    char file[LINE_BYTES];
    (void)snprintf(file, sizeof file, "%s/member.csv", f->folder);
    FILE *out = fopen(file, "w");
    if (out == NULL) return attack_fails(f, "%s can't be written", file);
    (void)fprintf(out,
                  "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
                  "%s,2015-01-01,Given,Family,M%s,CPP,2026-01-15,,,\n",
                  number, number);
    (void)fclose(out);
    return command(f, "flags import %s/%s %s --wait %s", f->folder, authority, file, more) ||
           attack_fails(f, "the list of %s was not published", authority);
}

static bool own_child(struct federation *f)
{
    if (own != NULL) return true;
    own = next_child(&f->spare);
    return (command(f, "backup %s/T002 %s/T002.backup", f->folder, f->folder) ||
            attack_fails(f, "no backup")) &&
           import(f, "T002", own, "") && asked(f, own, true);
}

/* --- authorities --- */

/* Its backup does not hold the child that it lists: the answer must not be that there is none. */
static bool restored(struct federation *f, const struct attack_case *c)
{
    (void)c;
    if (!own_child(f) || !node_stop(f, "T002") || !files(f, "mv T002 T002.lost")) return false;
    if (!command(f, "restore %s/T002.backup %s/T002", f->folder, f->folder))
        return attack_fails(f, "the backup is not restored");
    const struct events none = {{0}};
    return node_start(f, "T002") && verdicts_right(f) &&
           event_rises(f, "T002", &none, "EVENT_HEAD_UNKNOWN_OWN", 1) &&
           import(f, "T002", own, "--snapshot") &&
           (command(f, "flags confirm-restore %s/T002", f->folder) ||
            attack_fails(f, "the restore is not confirmed")) &&
           verdicts_right(f);
}

static bool run_twice(struct federation *f, const struct attack_case *c)
{
    struct events before;
    (void)c;
    if (!own_child(f) || !events_of(f, "D01", &before)) return false;
    bool good = node_stop(f, "T002") && files(f, "cp -a T002 T002twin") && node_start(f, "T002") &&
                node_start(f, "T002twin");
    bool told_of = false; /* when the first is heard again after the second */
    for (unsigned i = 0; good && !told_of && i < HEARD_TRIES; i++)
        told_of = event_rises(f, "D01", &before, "EVENT_TWICE_CONNECTED", 1);
    good = good && told_of && verdicts_right(f);
    return node_stop(f, "T002twin") && good && verdicts_right(f);
}

/* The stewards' next version, with this change, is in force at D01, Q01 and T001. */
static bool change_register(struct federation *f, const char *verb, const char *arguments)
{
    static const char *const nodes[] = {"D01", "Q01", "T001"};
    const char *w = f->folder;
    const cpis_ms began = wall_ms();
    if (!command(f, "register %s %s/register %s", verb, w, arguments) ||
        !command(f, "register sign %s/register %s/keys/k1 %s/keys/k2", w, w, w) ||
        !command(f, "register publish %s/D01 %s/register", w, w) || !federation_reload(f))
        return attack_fails(f, "no register with %s %s", verb, arguments);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        while (status_number(f, nodes[i], "register.version") < (long long)f->reg.version) {
            if (wall_ms() - began > REACHED_MS)
                return attack_fails(f, "the register does not reach %s", nodes[i]);
            pause_ms(50);
        }
    return true;
}

/* Whoever has the key of a suspended authority publishes nothing; its last list stays searched. */
static bool suspended(struct federation *f, const struct attack_case *c)
{
    (void)c;
    if (!own_child(f) || !change_register(f, "state", "T002 suspended")) return false;
    if (!node_stop(f, "T002")) return false;
    bool good = first_list_refused(f, "T002", REFUSAL_SUSPENDED) && verdicts_right(f);
    good = node_start(f, "T002") && good;
    return change_register(f, "state", "T002 active") && good && verdicts_right(f);
}

/* --- a directory set back to its folder of before, shares and all --- */

static bool set_back(struct federation *f, const struct attack_case *c)
{
    const char *number = next_child(&f->spare);
    (void)c;
    bool good = node_stop(f, "D01") && files(f, "cp -a D01 D01.old") && node_start(f, "D01") &&
                import(f, "T001", number, "") && asked(f, number, true);
    good = good && node_stop(f, "D01") && files(f, "mv D01 D01.new && mv D01.old D01") &&
           node_start(f, "D01") && puppet_act(f, 0, "reply silent", "Q01");
    for (unsigned i = 0; good && i < 5; i++) /* while it catches up: of D01 and D03 */
        good = asked(f, number, true);
    (void)puppet_stop(f, 0);
    return good && asked(f, number, true) && verdicts_right(f);
}

/* --- a query node --- */

static bool ask_evaluation(struct peer *p, uint64_t request, struct msg_evaluate_reply *ret)
{
    uint8_t input[THRESHOLD_INPUT_BYTES];
    struct oprf_scalar blind;
    struct oprf_element blinded;
    struct bytes payload;
    struct frame frame;
    const uint32_t epoch = p->f->reg.epochs[0].number;
    threshold_input(epoch, next_child(&p->f->nobody), input);
    if (oprf_blind(OPRF_MODE_VOPRF, input, sizeof input, &blind, &blinded) != CPIS_OK) return false;
    const struct msg_evaluate_request m = {
        .request = request, .epoch = epoch, .elements = {blinded.b, sizeof blinded.b}};
    return evaluate_request_encode(&m, &p->arena, &payload) == CPIS_OK &&
           peer_send(p, FRAME_EVALUATE_REQUEST, payload) &&
           peer_wait(p, FRAME_EVALUATE_REPLY, 1000, &frame) &&
           evaluate_reply_decode(frame.payload, &p->arena, ret) == CPIS_OK;
}

/* Each directory counts by itself, so n of them give n limits: not one more, on no connection. */
static bool spread(struct federation *f, const struct attack_case *c)
{
    static const char *const nodes[] = {"D01", "D02", "D03", "D01"};
    struct events before;
    (void)c;
    bool good = events_of(f, "D01", &before);
    for (size_t i = 0; good && i < sizeof nodes / sizeof *nodes; i++) {
        struct peer p = {.f = f};
        struct msg_evaluate_reply r = {0};
        unsigned given = 0;
        good = peer_open(f, "Q03", nodes[i], &p);
        for (unsigned k = 0; good && k < 2 * EVALUATIONS; k++) {
            good = ask_evaluation(&p, k + 1, &r) ||
                   attack_fails(f, "%s does not answer question %u", nodes[i], k + 1);
            given += good && r.refused == 0;
        }
        peer_close(&p);
        if (good && given != (i == 3 ? 0 : EVALUATIONS))
            good = attack_fails(f, "%s gave %u evaluations", nodes[i], given);
        if (good && r.refused != REFUSAL_QUOTA)
            good = attack_fails(f, "%s refused for reason %u", nodes[i], r.refused);
    }
    return good && event_rises(f, "D01", &before, "EVENT_QUOTA", EVALUATIONS);
}

static bool revoked(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct events before;
    struct msg_evaluate_reply r;
    (void)c;
    bool good = peer_open(f, "Q03", "D01", &p) &&
                (ask_evaluation(&p, 1, &r) || attack_fails(f, "a member is not answered"));
    good = good && events_of(f, "D01", &before) && change_register(f, "revoke", "RZZ97");
    if (good && ask_evaluation(&p, 2, &r)) good = attack_fails(f, "a revoked node is answered");
    good = good && event_rises(f, "D01", &before, "EVENT_PEER_UNKNOWN", 1);
    peer_close(&p);
    return good && verdicts_right(f);
}

/* A directory that was started anew leaves a list out of S until its authority has pushed it, or
 * n-t+1 others have told theirs, which D03 can't do any more once it is out: so before. */
static bool start_is_over(struct federation *f, const char *node)
{
    for (unsigned waited = 0; waited < TOLD_MS; waited += 100) {
        if (status_number(f, node, "directory.lists_ready") == 1) return true;
        pause_ms(100);
    }
    return attack_fails(f, "%s is not ready: some list waits to be told of", node);
}

/* The share of a revoked directory is of no more use: two are left, which is t; with D02 silent it
 * is D01 alone. The register in force may be one that a case has sent: the stewards go on from it.
 */
static bool directory_revoked(struct federation *f, const struct attack_case *c)
{
    char verdict[VERDICT_BYTES];
    (void)c;
    if (!files(f, "cp D01/register register") || !federation_reload(f) || !verdicts_right(f))
        return false;
    bool good = start_is_over(f, "D01") && start_is_over(f, "D02") &&
                change_register(f, "revoke", "D03") && verdicts_right(f) &&
                puppet_act(f, 0, "reply silent", "Q01");
    if (good) ask(f, next_child(&f->nobody), verdict);
    const uint64_t silent = puppet_stop(f, 0);
    if (good && silent == 0) return attack_fails(f, "D02 was not asked");
    return good && (strcmp(verdict, "unknown") == 0 || strcmp(verdict, "incomplete") == 0 ||
                    attack_fails(f, "with one directory in force the verdict is %s", verdict));
}

#define ADD(sentence, fn)                                                                          \
    attack_add(l, &(struct attack_case){.group = "11", .name = sentence, .run = fn})

void cases_member(struct attack_list *l)
{
    ADD("a directory set back to an old copy of its folder denies nobody", set_back);
    ADD("an authority restored from an old backup says no wrong none, and raises the alarm",
        restored);
    ADD("an authority copied and run twice is told of, and its children are found", run_twice);
    l->list[l->count - 1].slow = true; /* both say hello only now and then */
    ADD("a suspended authority's key publishes nothing, and its last list stays searched",
        suspended);
    ADD("a limit spread over all directories is one limit at each, on every connection", spread);
    ADD("a revoked query node gets nothing more on its open connection", revoked);
}

/* There is no way back: only what two registers of one version need is left after it. */
void cases_member_end(struct attack_list *l)
{
    ADD("no verdict rests on a revoked directory with an open connection", directory_revoked);
}
