/* Fuzz target: an authority's officers: changes of plans, imports and their undoing, notifications,
 * with commits and reads that fail, days that pass, kills. A dry run says what then happens; what
 * is held is what the rows say; a restart finds the same. */
#include "tests/fuzz/history.h"

#include <assert.h>
#include <string.h>

#define STEPS_MAX 150U
#define SELF      HISTORY_AUTHORITY

/* As history_play_command makes it of the same bytes; dry when there is something to compare. */
static void both_ways(struct history *h, struct cursor *c)
{
    const struct history_node *m = &h->node[SELF];
    struct cursor dry = *c;
    if (m->node == NULL || m->hold > 0 || m->commits_fail > 0 || m->reads_fail_in > 0) return;
    h->dry_run = true;
    history_play_command(h, &dry, SELF);
    h->dry_run = false;
    const struct history_result said = h->result;
    history_play_command(h, c, SELF);
    const struct history_result *did = &h->result;
    if (said.type != did->type || did->type != RESULT_CHANGES || said.count != did->count ||
        said.count != 1)
        return; /* of several of one child each is said as if it were alone */
    assert(said.err == did->err);
    assert(said.err != CPIS_OK || said.outcome[0] == did->outcome[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    struct history *h = history_begin(HISTORY_OF(SELF), 0);
    for (unsigned i = 0; i < STEPS_MAX && c.left > 0; i++) {
        const uint8_t op = cursor_byte(&c);
        if (op < 150)
            both_ways(h, &c);
        else if (op < 170)
            history_restart(h, SELF);
        else if (op < 190)
            history_pass(h, (cpis_ms)op % 16U * CPIS_MS_DAY, false);
        else
            (void)history_play(h, &c);
    }
    history_restart(h, SELF);
    history_end(&h);
    return 0;
}
