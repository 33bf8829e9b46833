/* What a directory in an attacker's hands can do where its word decides: of three one is gone, so
 * that a verdict needs the liar's statement (t = 2). And t liars at once, who can't be kept from a
 * wrong verdict, but are convicted. */
#include "tests/conformance/attack/attack.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TRIES 12U

/* c->a: of a child that T001 lists. c->b: D03 says nothing either, so that D02 is alone. A child in
 * no list: c->b lets NO FLAG come, where what D02 says is true. */
static bool decided(struct federation *f, const struct attack_case *c)
{
    char verdict[VERDICT_BYTES];
    const bool listed = c->a != 0, alone = c->b != 0;
    const char *number = next_child(listed ? &f->listed : &f->nobody);
    bool good =
        puppet_act(f, 0, c->act, "Q01") && (!alone || puppet_act(f, 1, "reply silent", "Q01"));
    if (good) ask(f, number, verdict);
    const uint64_t silent = puppet_stop(f, 1), acts = puppet_stop(f, 0);
    if (!good) return false;
    if (acts == 0 || (alone && silent == 0)) return attack_fails(f, "the attacker was not asked");
    if (strcmp(verdict, "no_flag") == 0 || strcmp(verdict, "none") == 0)
        return attack_fails(f, "the verdict is %s", verdict);
    if (listed && !alone && !is_flag(verdict))
        return attack_fails(f, "a listed child: the verdict is %s", verdict);
    if (!listed && is_flag(verdict))
        return attack_fails(f, "a child in no list: the verdict is %s", verdict);
    return evidence_keep(f, "decided.bin") && audit_convicts(f, "decided.bin", "");
}

/* --- t liars --- */

/* Freezes one directory, asks for a listed child while the others lie, and keeps the evidence. */
static bool look_without(struct federation *f, const char *frozen, const char *file,
                         char verdict[static VERDICT_BYTES])
{
    if (!node_signal(f, frozen, SIGSTOP)) return false;
    ask(f, next_child(&f->listed), verdict);
    return node_signal(f, frozen, SIGCONT) && evidence_keep(f, file);
}

/* With the honest one among those asked a child is found, and its evidence convicts who was with
 * it; the two liars together may say NO FLAG. */
static bool two_liars(struct federation *f, const struct attack_case *c)
{
    char verdict[VERDICT_BYTES];
    bool good = puppet_act(f, 0, c->act, "Q01") && puppet_act(f, 1, c->act, "Q01");
    good = good && look_without(f, "D03", "lie1.bin", verdict) &&
           (is_flag(verdict) || attack_fails(f, "with D01 and D02 the verdict is %s", verdict)) &&
           audit_convicts(f, "lie1.bin", "D02");
    good = good && look_without(f, "D02", "lie2.bin", verdict) &&
           (is_flag(verdict) || attack_fails(f, "with D01 and D03 the verdict is %s", verdict)) &&
           audit_convicts(f, "lie2.bin", "D03");
    good = good && look_without(f, "D01", "lie3.bin", verdict) &&
           (!is_flag(verdict) || attack_fails(f, "with two liars the verdict is %s", verdict)) &&
           audit_convicts(f, "lie1.bin lie2.bin lie3.bin", "D02 D03");
    (void)puppet_stop(f, 0);
    (void)puppet_stop(f, 1);
    return good;
}

static const struct decision {
    const char *act, *what;
    bool quick; /* without --slow as well: waiting for what does not come takes seconds */
} decisions[] = {
    {"deny state other", "over lists that nobody knows", true},
    {"deny index other", "under another holder's index", false},
    {"deny index beyond", "under an index of no holder", false},
    {"deny directory other", "in another's name", false},
    {"deny epoch other", "for another epoch", false},
    {"deny rh other", "of another lookup", false},
    {"deny rh outside", "as another lookup's reply", false},
    {"deny time old", "as of an hour ago", false},
    {"deny time future", "as of an hour ahead", false},
    {"deny register hash other", "under another register", false},
    {"deny register newer", "under a register that there is not", false},
    {"deny signature flipped", "with a wrong signature", false},
    {"deny signer other", "with another's name as signer", false},
    {"deny type present", "signed as if it were present", false},
    {"deny type ack", "under the type of an ack", false},
    {"deny body flipped", "with a bit flipped", false},
    {"deny body longer", "with a byte more", false},
};
static const struct decision alone[] = {
    {"deny", "once", false},
    {"deny three times", "three times", true},
    {"deny index other", "under another holder's index", false},
    {"deny directory other", "in another's name", false},
};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static void add(struct attack_list *l, const struct decision *d, bool listed, bool silent,
                const char *format)
{
    struct attack_case c = {.group = "2",
                            .run = decided,
                            .act = d->act,
                            .a = listed,
                            .b = silent,
                            .away = true,
                            .slow = !d->quick};
    (void)snprintf(c.name, sizeof c.name, "%s%s", format, d->what);
    attack_add(l, &c);
}

void cases_decided(struct attack_list *l)
{
    for (size_t i = 0; i < COUNT(decisions); i++)
        add(l, &decisions[i], false, false, "no NO FLAG rests on an absent that is needed and ");
    for (size_t i = 0; i < COUNT(decisions); i++)
        add(l, &decisions[i], true, false,
            "one honest directory is enough to find, beside absent ");
    for (size_t i = 0; i < COUNT(alone); i++)
        add(l, &alone[i], true, true, "one liar alone makes no NO FLAG, by absent ");
    attack_add(l, &(struct attack_case){
                      .group = "2",
                      .run = two_liars,
                      .act = "deny",
                      .name = "two liars of three are both convicted by name, and nobody else"});
}
