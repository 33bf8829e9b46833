/* What the operator asks of a node. */
#include "crypto/cursor.h"
#include "node/core/receive.h"

#include <assert.h>

static void done(struct env *e, const struct command *c, cpis_err err, const char *why)
{
    const struct result r = {.type = RESULT_DONE, .err = err, .why = why};
    emit_result(e, c->id, &r, sizeof r);
}

static void run_changes(struct node *n, struct env *e, const struct command *c)
{
    struct result r = {.type = RESULT_CHANGES, .why = ""};
    enum child_outcome *outcomes = arena_take(e->scratch, c->changes_count * sizeof *outcomes);
    assert(c->changes_count <= CHANGES_MAX);
    if (outcomes == NULL) r.err = CPIS_E_NOMEM;
    for (size_t i = 0; i < c->changes_count && r.err == CPIS_OK; i++) {
        r.err = c->dry_run ? children_try(n->children, e, &c->changes[i], &outcomes[i])
                           : children_apply(n->children, e, &c->changes[i], &outcomes[i]);
        r.outcomes_count = i + 1;
    }
    if (r.err != CPIS_OK && !c->dry_run && r.outcomes_count > 1) {
        emit_failure(e); /* all of a command or nothing: the batch is dropped, the node rebuilt */
        return;
    }
    if (r.err == CPIS_OK && !c->dry_run && c->import != NULL) {
        uint8_t key[8];
        struct cursor k = cursor_write(key, sizeof key);
        cursor_put_u64(&k, c->import->id);
        EMIT_ROW(e, TABLE_IMPORT, key, sizeof key, row_import, c->import);
        if (c->import->finished)
            (void)log_append(e, LOG_IMPORT, &c->import->file_hash, c->import->rows);
    }
    for (size_t i = 0; r.err == CPIS_OK && !c->dry_run && i < c->changes_count; i++)
        if (c->changes[i].type == CHANGE_TRANSFER && outcomes[i] == OUTCOME_UPDATED)
            authority_transfer_announced(n->authority, e, &c->changes[i].number, &c->changes[i].to);
    r.outcomes = outcomes;
    emit_result(e, c->id, &r, sizeof r);
    if (r.err == CPIS_OK && !c->dry_run) publisher_children_changed(n->publisher, e);
}

static void run_test(struct node *n, struct env *e, const struct command *c)
{
    struct result r = {.type = RESULT_DONE, .why = ""};
    r.err = authority_test_notification(n->authority, e, c->by, &r.notification);
    emit_result(e, c->id, &r, sizeof r);
}

static void run_register(struct node *n, struct env *e, const struct command *c)
{
    struct msg_register_chain chain;
    const char *why = "not a register chain";
    cpis_err err = register_chain_decode(c->chain, e->scratch, &chain);
    if (err == CPIS_OK) err = node_take_chain(n, e, &chain, &why);
    done(e, c, err, why);
}

/* Which role a command is for; 0: every role. */
static enum node_role role_of(enum command_type t)
{
    switch (t) {
    case COMMAND_LOOKUP: return ROLE_QUERY;
    case COMMAND_CHANGES:
    case COMMAND_NOTIFICATION:
    case COMMAND_TEST:
    case COMMAND_CONFIRM_SHRINK:
    case COMMAND_CONFIRM_RESTORE: return ROLE_AUTHORITY;
    case COMMAND_CEREMONY:
    case COMMAND_ACCEPT_HEADS: return ROLE_DIRECTORY;
    case COMMAND_REGISTER: break;
    }
    return (enum node_role)0;
}

void command_run(struct node *n, struct env *e, const struct command *c)
{
    const enum node_role role = role_of(c->type);
    if (role != 0 && role != n->role) {
        done(e, c, CPIS_E_STATE, "this node's role can't do that");
        return;
    }
    if (role != 0 && !n->listed && c->type != COMMAND_CHANGES) {
        done(e, c, CPIS_E_STATE, "this node is not in force in its register yet");
        return;
    }
    switch (c->type) {
    case COMMAND_LOOKUP: lookups_start(n->lookups, e, c->id, &c->number, c->ask); break;
    case COMMAND_CHANGES: run_changes(n, e, c); break;
    case COMMAND_NOTIFICATION:
        done(e, c, authority_set_notification(n->authority, e, c->notification, c->state, c->by),
             "");
        break;
    case COMMAND_TEST: run_test(n, e, c); break;
    case COMMAND_CONFIRM_SHRINK:
        publisher_confirm_shrink(n->publisher, e);
        done(e, c, CPIS_OK, "");
        break;
    case COMMAND_CONFIRM_RESTORE:
        publisher_confirm_restore(n->publisher, e);
        done(e, c, CPIS_OK, "");
        break;
    case COMMAND_REGISTER: run_register(n, e, c); break;
    case COMMAND_CEREMONY:
        done(e, c, ceremony_start(n->ceremony, e, c->epoch, c->t, c->holders, c->n), "");
        break;
    case COMMAND_ACCEPT_HEADS:
        lists_accept_heads(n->lists, e);
        done(e, c, CPIS_OK, "");
        break;
    }
}
