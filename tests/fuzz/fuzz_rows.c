/* Fuzz target: a node of each role started from rows that are damaged, as from a disk: it says so,
 * or it runs; it never falls over. The first byte: which node. Then what is done to its rows. */
#include "tests/fuzz/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES_PER_INPUT 12U

struct picked {
    size_t skip;
    enum table table;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    size_t key_len, value_len;
    uint8_t *value;
};

static bool pick_row(void *arg, const struct row *row)
{
    struct picked *p = arg;
    if (p->skip-- > 0) return true;
    p->table = row->table;
    p->key_len = row->key_len;
    memcpy(p->key, row->key, row->key_len);
    p->value_len = row->value_len;
    p->value = malloc(row->value_len + 1);
    assert(p->value != NULL);
    memcpy(p->value, row->value, row->value_len);
    return false;
}

/* One row: bytes of it changed, cut short, longer, put under another key or table, or gone. */
static void damage(struct history_node *m, struct cursor *c)
{
    const enum table t = (enum table)cursor_below(c, TABLE_COUNT);
    const size_t rows = rows_count(m->rows, t);
    if (rows == 0) return;
    struct picked p = {.skip = cursor_below(c, (uint32_t)(rows < 60000 ? rows : 60000))};
    assert(m->below.scan(m->below.ctx, t, NULL, 0, false, pick_row, &p) == CPIS_OK);
    const uint8_t how = cursor_byte(c);
    const size_t hidden = table_hidden(t);
    if (how % 8 == 0) {
        rows_delete(m->rows, t, p.key, p.key_len);
    } else if (how % 8 == 1 && p.value_len > 0) {
        p.value_len = cursor_u16(c) % p.value_len;
    } else if (how % 8 == 2) {
        p.value[p.value_len++] = cursor_byte(c);
    } else if (how % 8 == 3) {
        p.key[cursor_byte(c) % p.key_len] ^= (uint8_t)(cursor_byte(c) | 1U);
    } else if (how % 8 == 4 && p.key_len > hidden + 1) {
        rows_delete(m->rows, t, p.key, p.key_len);
        p.key_len--;
    } else {
        for (unsigned i = 0; i <= how / 64U && p.value_len > 0; i++)
            p.value[cursor_u16(c) % p.value_len] ^= (uint8_t)(cursor_byte(c) | (i == 0));
    }
    if (how % 8 != 0) rows_put(m->rows, t, p.key, p.key_len, p.value, p.value_len);
    free(p.value);
}

/* false: it says that a row can't be. */
static bool starts(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    const struct node_conf conf = {.role = m->role, .identity = &m->identity, .seed = {1}};
    struct node *node = NULL;
    struct out o;
    assert(node_new(&conf, &node) == CPIS_OK);
    const cpis_err err = node_start(node, h->now, h->wall, &m->below);
    assert(err == CPIS_OK || err == CPIS_E_STORE || err == CPIS_E_MALFORMED || err == CPIS_E_AUTH ||
           err == CPIS_E_NOTFOUND || err == CPIS_E_VERSION);
    while (node_pop(node, &o))
        continue;
    node_free(&node);
    rows_commit(m->rows);
    return err == CPIS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    size_t all;
    const unsigned n = cursor_below(&c, HISTORY_NODES);
    const struct told *pool = history_pool(n, &all);
    struct history *h = history_begin(0, 0);
    h->damaged = true;
    const unsigned before = cursor_below(&c, 4) * 40; /* so much was heard before */
    history_start(h, n);
    for (size_t i = 0; i < before && i < all; i++)
        history_message(h, n, pool[i].flight.from,
                        (struct bytes){pool[i].flight.p, pool[i].flight.len});
    history_kill(h, n);
    const unsigned changes = cursor_below(&c, CHANGES_PER_INPUT);
    for (unsigned i = 0; i < changes; i++) {
        damage(&h->node[n], &c);
        rows_commit(h->node[n].rows);
    }
    if (starts(h, n)) {
        history_start(h, n);
        for (size_t i = 0; i < all; i++) {
            history_message(h, n, pool[i].flight.from,
                            (struct bytes){pool[i].flight.p, pool[i].flight.len});
            if (i % 32 == 0) history_pass(h, 11 * CPIS_MS_SECOND, false);
        }
        for (unsigned i = 0; i < 8; i++)
            history_play_command(h, &c, n);
        history_pass(h, CPIS_MS_HOUR * 2, false);
    }
    history_end(&h);
    return 0;
}
