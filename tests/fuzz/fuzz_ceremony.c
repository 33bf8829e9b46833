/* Fuzz target: a key ceremony of three directories, of which the third has lost its keys to the
 * input. It may fail; but of two honest ones that have finished, nobody holds another key, and the
 * stewards can take up what they have signed. */
#include "node/core/steward.h"
#include "proto/codec.h"
#include "tests/fuzz/history.h"

#include <assert.h>
#include <string.h>

#define STEPS_MAX 200U
#define ROGUE     2U
#define HONEST    2U
#define EPOCH     2U

static void begin(struct history *h, unsigned n)
{
    struct command c = {.type = COMMAND_CEREMONY, .epoch = EPOCH, .t = 2, .n = HISTORY_AUTHORITY};
    for (unsigned i = 0; i < HISTORY_AUTHORITY; i++)
        c.holders[i] = *history_id(i);
    history_command(h, n, &c);
}

/* What a finished one holds; false: it has not. */
static bool result_of(const struct history *h, unsigned n, struct arena *a,
                      struct msg_share_accepted *ret)
{
    const struct signed_message *m[THRESHOLD_HOLDERS_MAX];
    const struct node *node = h->node[n].node;
    const size_t count = node == NULL ? 0 : node_acceptances(node, m, THRESHOLD_HOLDERS_MAX);
    if (count < HISTORY_AUTHORITY) return false;
    struct msg_register draft;
    struct signed_message all[THRESHOLD_HOLDERS_MAX];
    const struct steward_epoch ep = {8, h->wall, h->wall + CPIS_MS_DAY};
    const char *why = "";
    for (size_t i = 0; i < count; i++)
        all[i] = *m[i];
    assert(share_accepted_decode(all[0].body, a, ret) == CPIS_OK);
    assert(steward_next(node_registry(node), h->wall, h->wall + CPIS_MS_DAY, a, &draft) == CPIS_OK);
    cpis_err err =
        steward_add_epoch(&draft, a, registry_net(node_registry(node)), all, count, &ep, &why);
    assert(err == CPIS_OK);
    return true;
}

static void check(const struct history *h)
{
    struct arena a = arena_make((size_t)64 << 20);
    struct msg_share_accepted m[HONEST];
    bool have[HONEST];
    for (unsigned n = 0; n < HONEST; n++)
        have[n] = result_of(h, n, &a, &m[n]);
    if (have[0] && have[1] && m[0].epoch == m[1].epoch) {
        assert(m[0].commitments.len == m[1].commitments.len);
        assert(memcmp(m[0].commitments.p, m[1].commitments.p, m[0].commitments.len) == 0);
    }
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    struct history *h =
        history_begin(HISTORY_OF(0) | HISTORY_OF(1) | HISTORY_OF(ROGUE), HISTORY_OF(ROGUE));
    history_pass(h, 4 * CPIS_MS_SECOND, true);
    for (unsigned n = 0; n < HISTORY_AUTHORITY; n++)
        begin(h, n);
    for (unsigned i = 0; i < STEPS_MAX && history_play(h, &c); i++)
        check(h);
    for (unsigned n = 0; n < HISTORY_AUTHORITY; n++)
        history_start(h, n);
    history_pass(h, CPIS_MS_MINUTE, true);
    check(h);
    history_end(&h);
    return 0;
}
