/* A register withheld from one query node, and its clock set back, so that it sees no time pass:
 * proto/README.md section 2. D01 is gone; D02 and D03 say nothing of registers to Q01, and are
 * honest in all else, so that every word that NO FLAG needs is there. Its clocks are moved, the
 * rules' times are as they are. */
#include "tests/conformance/attack/wire.h"

#include <string.h>

#define TRIES       60U /* after a move connections are made anew */
#define PAUSE       250U
#define MINUTES     60L
#define HOURS       3600L
#define UNCONFIRMED "too few directories confirm the register of the federation"

/* Of a child in no list, until it is `wanted` and, if `why` is not NULL, for that reason. */
static bool becomes(struct federation *f, const char *wanted, const char *why)
{
    char verdict[VERDICT_BYTES] = "";
    for (unsigned i = 0; i < TRIES; i++) {
        ask(f, next_child(&f->nobody), verdict);
        if (strcmp(verdict, wanted) == 0 && (why == NULL || strcmp(f->reason, why) == 0))
            return true;
        if (strcmp(verdict, "unknown") != 0 && strcmp(verdict, "incomplete") != 0 &&
            strcmp(verdict, "no_flag") != 0)
            break;
        pause_ms(PAUSE);
    }
    return attack_fails(f, "the verdict is %s (%s), not %s", verdict, f->reason, wanted);
}

/* Whoever is asked for. */
static bool stays_unknown(struct federation *f)
{
    char verdict[VERDICT_BYTES];
    for (unsigned i = 0; i < 6; i++) {
        ask(f, next_child(i % 2 == 0 ? &f->nobody : &f->listed), verdict);
        if (strcmp(verdict, "unknown") != 0) return attack_fails(f, "then it is %s", verdict);
    }
    return true;
}

static bool withhold(struct federation *f)
{
    return puppet_act(f, 0, "register withheld", "Q01") &&
           puppet_act(f, 1, "register withheld", "Q01");
}

/* Honest again: Q01 with the clocks as they are, D01 as the next case wants it. */
static bool end(struct federation *f, bool good)
{
    (void)puppet_stop(f, 0);
    (void)puppet_stop(f, 1);
    return node_stop(f, "Q01") && node_start(f, "Q01") && good && becomes(f, "no_flag", NULL);
}

/* The rule alone: the wall clock stands still, so that nothing else is late or old. */
static bool frozen(struct federation *f, const struct attack_case *c)
{
    struct events before;
    (void)c;
    bool good = node_stop(f, "Q01") && node_start_with_clock(f, "Q01") &&
                becomes(f, "no_flag", NULL) && withhold(f) && events_of(f, "Q01", &before);
    good = good && node_move_clock(f, "Q01", 0, 11 * MINUTES) &&
           event_rises(f, "Q01", &before, "EVENT_REGISTER_UNCONFIRMED", 1) &&
           becomes(f, "no_flag", NULL);
    good = good && node_move_clock(f, "Q01", 0, 23 * HOURS + 50 * MINUTES) &&
           becomes(f, "no_flag", NULL);
    good = good && node_move_clock(f, "Q01", 0, 24 * HOURS + MINUTES) &&
           becomes(f, "unknown", UNCONFIRMED);
    return end(f, good && stays_unknown(f));
}

/* The attacker's other hand: Q01's clock goes back, and nobody is heard who would correct it. What
 * it asks is late then, and what it heard of registers is of its future: each is enough. */
static bool set_back(struct federation *f, const struct attack_case *c)
{
    struct events before;
    (void)c;
    bool good = node_stop(f, "Q01") && node_start_with_clock(f, "Q01") &&
                becomes(f, "no_flag", NULL) && withhold(f);
    /* what was heard of the clock is forgotten after 10 minutes */
    good = good && node_move_clock(f, "Q01", 0, 11 * MINUTES) && becomes(f, "no_flag", NULL) &&
           events_of(f, "D02", &before) && node_move_clock(f, "Q01", -10 * MINUTES, 11 * MINUTES) &&
           becomes(f, "unknown", NULL) && event_rises(f, "D02", &before, "EVENT_LATE", 1);
    return end(f, good && stays_unknown(f));
}

/* Statements tell that there is a newer register, and nobody gives it. */
static bool newer(struct federation *f, const struct attack_case *c)
{
    const char *w = f->folder;
    (void)c;
    bool good = withhold(f);
    const long long had = status_number(f, "Q01", "register.version");
    good = good && command(f, "register expect %s/register T010=Later=02079460110", w) &&
           command(f, "register sign %s/register %s/keys/k1 %s/keys/k2", w, w, w) &&
           command(f, "register publish %s/D03 %s/register", w, w) && federation_reload(f);
    for (unsigned i = 0; good && i < TRIES; i++) {
        if (status_number(f, "D02", "register.version") == (long long)f->reg.version) break;
        pause_ms(PAUSE);
    }
    good = good && stays_unknown(f);
    (void)puppet_stop(f, 0);
    (void)puppet_stop(f, 1);
    return good && becomes(f, "no_flag", NULL) &&
           (status_number(f, "Q01", "register.version") > had ||
            attack_fails(f, "the register does not come"));
}

#define ADD(sentence, fn)                                                                          \
    attack_add(l, &(struct attack_case){                                                           \
                      .group = "9", .name = sentence, .run = fn, .away = true, .slow = true})

void cases_freeze(struct attack_list *l)
{
    ADD("a register that nobody confirms is an alarm after 10 minutes, and UNKNOWN after 24 hours",
        frozen);
    ADD("a query node whose clock is set back, and whom nobody corrects, gives no verdict",
        set_back);
    ADD("a register that statements name and nobody hands over leaves no NO FLAG", newer);
}
