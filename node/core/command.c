/* What the operator asks of a node. */
#include "crypto/cursor.h"
#include "node/core/receive.h"

#include <assert.h>

static void done(struct env *e, const struct command *c, cpis_err err, const char *why)
{
    const struct result r = {.type = RESULT_DONE, .err = err, .why = why};
    emit_result(e, c->id, &r, sizeof r);
}

static void import_persist(struct env *e, const struct row_import *import)
{
    uint8_t key[8];
    struct cursor k = cursor_write(key, sizeof key);
    cursor_put_u64(&k, import->id);
    EMIT_ROW(e, TABLE_IMPORT, key, sizeof key, row_import, import);
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
        import_persist(e, c->import);
        if (c->import->finished) {
            (void)log_append(e, LOG_IMPORT, &c->import->file_hash, c->import->rows);
            children_forget_before(e, c->import->id);
        }
    }
    for (size_t i = 0; r.err == CPIS_OK && !c->dry_run && i < c->changes_count; i++)
        if (c->changes[i].type == CHANGE_TRANSFER && outcomes[i] == OUTCOME_UPDATED)
            authority_transfer_announced(n->authority, e, &c->changes[i].number, &c->changes[i].to);
    r.outcomes = outcomes;
    emit_result(e, c->id, &r, sizeof r);
    if (r.err == CPIS_OK && !c->dry_run) publisher_children_changed(n->publisher, e);
}

struct newest {
    struct env *e;
    struct row_import row;
    cpis_err err;
};

static bool take_newest(void *arg, const struct row *row)
{
    struct newest *x = arg;
    x->err = row_import_decode((struct bytes){row->value, row->value_len}, x->e->scratch, &x->row);
    return false; /* newest first: the first is enough */
}

/* An upload that is taken back has not used up its number; what a spreadsheet handed on stays. */
static void give_number_back(struct row_import *import)
{
    const bool is_upload = hash_equal(&import->sequence_hash, &import->file_hash) ||
                           bytes_are_zero(import->sequence_hash.b, sizeof import->sequence_hash.b);
    if (!is_upload || import->sequence == 0) return;
    import->sequence--;
    import->sequence_hash = (struct cpis_hash){{ 0 }};
}

/* Its marker says so in the same batch: the file can be sent again, and is then a new import. */
static void run_undo(struct node *n, struct env *e, const struct command *c)
{
    struct result r = {.type = RESULT_DONE, .why = ""};
    struct newest x = {.e = e, .err = CPIS_E_NOTFOUND};
    r.err = e->view->scan(e->view->ctx, TABLE_IMPORT, NULL, 0, true, take_newest, &x);
    if (r.err == CPIS_OK) r.err = x.err;
    if (r.err == CPIS_OK && (x.row.id != c->import_id || x.row.undone)) {
        r.err = CPIS_E_STATE;
        r.why = "only the newest import can be undone, and only once";
    }
    if (r.err == CPIS_OK)
        r.err = children_undo(n->children, e, c->import_id, c->dry_run, &r.undone, &r.kept);
    if (r.err != CPIS_OK && r.undone > 0 && !c->dry_run) {
        emit_failure(e); /* all of it or nothing */
        return;
    }
    if (r.err == CPIS_OK && !c->dry_run) {
        x.row.undone = x.row.finished = true;
        give_number_back(&x.row);
        import_persist(e, &x.row);
        (void)log_append(e, LOG_IMPORT_UNDONE, &x.row.file_hash, r.undone);
        publisher_children_changed(n->publisher, e);
    }
    emit_result(e, c->id, &r, sizeof r);
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
    case COMMAND_UNDO_IMPORT:
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
    case COMMAND_UNDO_IMPORT: run_undo(n, e, c); break;
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
