/* What a directory in an attacker's hands can do to a query node: D02 acts, D01 and D03 are honest,
 * so it is one of at most t-1. */
#include "tests/conformance/attack/attack.h"

#include <stdio.h>
#include <string.h>

#define TRIES 16U /* lookups until D02 was among those who were asked */

enum about { LISTED = 1, NOBODY, BOTH };

/* One lookup of a child that no case has looked at. */
static bool look(struct federation *f, bool listed)
{
    char verdict[VERDICT_BYTES];
    const char *number = next_child(listed ? &f->listed : &f->nobody);
    ask(f, number, verdict);
    if (!listed)
        return strcmp(verdict, "no_flag") == 0 ||
               attack_fails(f, "a child in no list: the verdict is %s", verdict);
    if (!is_flag(verdict)) return attack_fails(f, "a listed child: the verdict is %s", verdict);
    struct records r;
    if (!records_wait(f, number, 1, &r)) return false;
    return (r.accesses == 1 && r.notifications == 1) ||
           attack_fails(f, "read, with %u records and %u notifications", r.accesses,
                        r.notifications);
}

/* The target asks those first that were quickest; so D03 is slow, and, where D02 once was silent,
 * silent itself for a lookup in which D02 is honest: then D02 is asked again. */
static bool come_first(struct federation *f)
{
    (void)puppet_stop(f, 0);
    return puppet_act(f, 1, "evaluation silent", "Q01") && look(f, false) &&
           puppet_act(f, 1, "slow", "Q01");
}

/* Counted, and, if it is one that the log tells, with the liar's name. */
static bool noticed(struct federation *f, const struct attack_case *c, const struct events *before)
{
    if (c->event == NULL) return true;
    return event_rises(f, "Q01", before, c->event, 1) &&
           (strcmp(c->event, "EVENT_STATE_UNKNOWN") == 0 || log_names_liar(f, c->event));
}

/* What anybody can prove of it afterwards: the liar's name, and nobody else's. */
static bool proven(struct federation *f, const struct attack_case *c)
{
    return evidence_keep(f, "evidence.bin") &&
           audit_convicts(f, "evidence.bin", c->convicts ? "D02" : "");
}

static bool act_and_look(struct federation *f, const struct attack_case *c)
{
    struct events before;
    bool good = events_of(f, "Q01", &before) && puppet_act(f, 1, "slow", "Q01");
    for (unsigned i = 0; good && i < TRIES && (i == 0 || puppet_acts(f, 0) == 0); i++) {
        if (i % 3 == 2) good = come_first(f);
        if (good && i % 3 != 1) good = puppet_act(f, 0, c->act, "Q01");
        if (good && c->a == BOTH) good = look(f, c->b == LISTED);
        if (good) good = look(f, c->a == BOTH ? c->b != LISTED : c->a == LISTED);
    }
    (void)puppet_stop(f, 1);
    const uint64_t acts = puppet_stop(f, 0);
    if (good && acts == 0) return attack_fails(f, "the attacker was never asked");
    return good && proven(f, c) && noticed(f, c, &before);
}

/* A list grows, so that heads are streamed, and the wrong ones of D02 with them. */
static bool act_and_publish(struct federation *f, const struct attack_case *c)
{
    char file[512], verdict[VERDICT_BYTES];
    struct events before;
    const char *number = next_child(&f->spare);
    (void)snprintf(file, sizeof file, "%s/one.csv", f->folder);
    FILE *out = fopen(file, "w");
    if (out == NULL) return attack_fails(f, "%s can't be written", file);
    (void)fprintf(out,
                  "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
                  "%s,2015-01-01,Given,Family,S%s,CPP,2026-01-15,,,\n",
                  number, number);
    (void)fclose(out);
    bool good = events_of(f, "Q01", &before) && come_first(f) && puppet_act(f, 0, c->act, "Q01");
    if (good && !command(f, "flags import %s/T001 %s --wait", f->folder, file))
        good = attack_fails(f, "the list was not published");
    if (good) ask(f, number, verdict);
    if (good && !is_flag(verdict))
        good = attack_fails(f, "a child just listed: the verdict is %s", verdict);
    good = good && look(f, false) && look(f, true);
    (void)puppet_stop(f, 1);
    const uint64_t acts = puppet_stop(f, 0);
    if (good && acts == 0) return attack_fails(f, "no heads were streamed");
    return good && noticed(f, c, &before);
}

static const struct kind {
    const char *group, *act, *what, *event;
} evaluations[] = {
    {"1", "evaluation other element", "is another element than the share gives",
     "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation identity", "is the identity", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation no element", "is no element's encoding", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation challenge flipped", "has a bit of its proof's challenge flipped",
     "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation response flipped", "has a bit of its proof's response flipped",
     "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation proof zero", "has a proof of zeros", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation proof too large", "has a proof of scalars over the group's order",
     "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation index none", "has index 0", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation index other", "has another holder's index", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation index beyond", "has an index of no holder", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation element missing", "lacks its element", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation element twice", "has one element too many", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation epoch other", "is of another epoch", NULL},
    {"1", "evaluation request other", "answers another request", NULL},
    {"1", "evaluation of before", "is a right one of another question", "EVENT_EVALUATION_WRONG"},
    {"1", "evaluation refused busy", "is refused as busy", NULL},
    {"1", "evaluation refused quota", "is refused for quota", NULL},
    {"1", "evaluation refused epoch", "is refused for its epoch", NULL},
    {"1", "evaluation refused role", "is refused for the role", NULL},
    {"1", "evaluation refused register", "is refused for the register", NULL},
    {"1", "evaluation refused malformed", "is refused as malformed", NULL},
    {"1", "evaluation silent", "does not come", NULL},
    {"1", "evaluation thrice", "comes three times", NULL},
};
static const struct kind denials[] = {
    {"2", "deny", "denies what it holds", NULL},
    {"2", "deny index other", "says absent under another holder's index", NULL},
    {"2", "deny index beyond", "says absent under an index of no holder", NULL},
    {"2", "deny directory other", "says absent in another's name", NULL},
    {"2", "deny epoch other", "says absent for another epoch", NULL},
    {"2", "deny rh other", "says absent of another lookup", NULL},
    {"2", "deny rh outside", "wraps absent as another lookup's reply", NULL},
    {"2", "deny time old", "says absent as of an hour ago", NULL},
    {"2", "deny time future", "says absent as of an hour ahead", NULL},
    {"2", "deny state other", "says absent over lists that nobody knows", "EVENT_STATE_UNKNOWN"},
    {"2", "deny register hash other", "says absent under another register", NULL},
    {"2", "deny register newer", "says absent under a register that there is not", NULL},
    {"2", "deny signature flipped", "says absent with a wrong signature", "EVENT_SIGNATURE_WRONG"},
    {"2", "deny signer other", "says absent with another's name as signer", NULL},
    {"2", "deny type present", "signs absent as if it were present", NULL},
    {"2", "deny type ack", "says absent under the type of an ack", NULL},
    {"2", "deny body flipped", "says absent with a bit flipped", NULL},
    {"2", "deny body longer", "says absent with a byte more", NULL},
    {"2", "deny three times", "says absent three times", NULL},
    {"2", "reply late", "says late", NULL},
    {"2", "reply refused busy", "refuses as busy", NULL},
    {"2", "reply refused quota", "refuses for quota", NULL},
    {"2", "reply refused epoch", "refuses for the epoch", NULL},
    {"2", "reply refused role", "refuses for the role", NULL},
    {"2", "reply refused register", "refuses for the register", NULL},
    {"2", "reply refused malformed", "refuses as malformed", NULL},
    {"2", "reply refused future", "refuses as future", NULL},
    {"2", "reply silent", "says nothing", NULL},
    {"2", "reply thrice", "says the truth three times", NULL},
};
static const struct kind presences[] = {
    {"8", "present salt flipped", "a wrong salt", "EVENT_PROOF_WRONG"},
    {"8", "present place other", "another leaf's place", "EVENT_PROOF_WRONG"},
    {"8", "present path flipped", "a wrong path", "EVENT_PROOF_WRONG"},
    {"8", "present path shorter", "a path too short", "EVENT_PROOF_WRONG"},
    {"8", "present path none", "no path", "EVENT_PROOF_WRONG"},
    {"8", "present authority other", "another authority's name", "EVENT_PROOF_WRONG"},
    {"8", "present head signature flipped", "a head with a wrong signature", "EVENT_PROOF_WRONG"},
    {"8", "present head body flipped", "a head with a bit flipped", "EVENT_PROOF_WRONG"},
    {"8", "present inclusions none", "no inclusion", NULL},
    {"8", "present inclusions twice", "one inclusion twice", NULL},
    {"8", "present holders more", "more holders than it shows", NULL},
    {"8", "present rh other", "another lookup's rh", NULL},
    {"8", "present index other", "another holder's index", NULL},
};
static const struct kind forgeries[] = {
    {"8", "forge", "with another child's inclusion", "EVENT_PROOF_WRONG"},
    {"8", "forge salt flipped", "with another child's inclusion and a wrong salt",
     "EVENT_PROOF_WRONG"},
    {"8", "forge place other", "with another child's inclusion at another place",
     "EVENT_PROOF_WRONG"},
    {"8", "forge authority other", "with another child's inclusion and another authority's name",
     "EVENT_PROOF_WRONG"},
    {"8", "forge inclusions none", "without an inclusion", NULL},
    {"8", "forge inclusions twice", "with another child's inclusion twice", "EVENT_PROOF_WRONG"},
    {"8", "forge holders more", "with another child's inclusion and more holders than shown",
     "EVENT_PROOF_WRONG"},
};

static const struct kind streams[] = {
    {"3", "heads withheld", "withholds the heads", NULL},
    {"3", "heads omitted", "streams the heads as not in its state", NULL},
    {"3", "heads signature flipped", "streams heads with wrong signatures", NULL},
    {"3", "heads session other", "streams the heads in another session", NULL},
    {"3", "heads sequence ahead", "leaves a gap in the stream", NULL},
    {"3", "heads sequence before", "streams a sequence again", NULL},
    {"3", "heads whole empty", "says that it has no heads at all", NULL},
    {"3", "heads oldest", "streams the oldest heads again", NULL},
    {"3", "heads signed by itself", "signs the authorities' heads itself", NULL},
    {"3", "omits", "leaves all authorities out, in heads and statements alike", NULL},
    {"3", "rolls back", "goes back to the oldest lists, in heads and statements alike", NULL},
};

/* Seconds each, of what others show as well. */
static const struct kind streams_slow[] = {
    {"3", "heads body flipped", "streams heads with a bit flipped", NULL},
    {"3", "heads epoch other", "streams the heads for another epoch", NULL},
    {"3", "heads whole not", "streams all heads as changes", NULL},
    {"3", "heads doubled", "streams everything twice", NULL},
};

static void add(struct attack_list *l, const struct kind *k, unsigned a, unsigned b,
                const char *format)
{
    struct attack_case c = {
        .group = k->group, .run = act_and_look, .act = k->act, .event = k->event, .a = a, .b = b};
    char rest[ATTACK_NAME_BYTES / 2];
    (void)snprintf(rest, sizeof rest, "%s", k->what);
    (void)snprintf(c.name, sizeof c.name, "%s%s", format, rest);
    attack_add(l, &c);
}
/* Over the very list that the honest one proves to hold the child. */
static void convict(struct attack_case *c)
{
    c->convicts = true;
    (void)strncat(c->name, ", and is convicted by its name", sizeof c->name - strlen(c->name) - 1);
}
#define COUNT(list) (sizeof(list) / sizeof *(list))

void cases_directory(struct attack_list *l)
{
    for (size_t i = 0; i < COUNT(evaluations); i++) {
        add(l, &evaluations[i], LISTED, 0, "a listed child is found when an evaluation ");
        add(l, &evaluations[i], NOBODY, 0, "a child in no list is no flag when an evaluation ");
    }
    for (size_t i = 0; i < COUNT(denials); i++) {
        add(l, &denials[i], LISTED, 0, "a listed child is found when a directory ");
        if (strcmp(denials[i].act, "deny") == 0 || strcmp(denials[i].act, "deny three times") == 0)
            convict(&l->list[l->count - 1]);
        add(l, &denials[i], NOBODY, 0, "a child in no list is no flag when a directory ");
    }
    const struct kind replay = {"2", "reply replayed", "a directory replays its statement", NULL};
    add(l, &replay, BOTH, NOBODY, "a listed child is found when of one before, ");
    add(l, &replay, BOTH, LISTED, "a child in no list is no flag when of one before, ");
    for (size_t i = 0; i < COUNT(streams); i++) {
        add(l, &streams[i], 0, 0, "verdicts are right when a directory ");
        l->list[l->count - 1].run = act_and_publish;
    }
    for (size_t i = 0; i < COUNT(streams_slow); i++) {
        add(l, &streams_slow[i], 0, 0, "verdicts are right when a directory ");
        l->list[l->count - 1].run = act_and_publish;
        l->list[l->count - 1].slow = true;
    }
    for (size_t i = 0; i < COUNT(presences); i++)
        add(l, &presences[i], LISTED, 0, "a listed child is found when a presence has ");
    for (size_t i = 0; i < COUNT(forgeries); i++)
        add(l, &forgeries[i], BOTH, LISTED, "a child in no list is no flag when present is said ");
}
