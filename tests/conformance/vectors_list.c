/* list: an authority's list as a Merkle tree. */
#include "crypto/merkle.h"
#include "tests/conformance/vectors_case.h"

#include <string.h>

static struct list_entry *read_entries(struct vc *c, const struct vc_list *l, bool with_leaf)
{
    struct list_entry *entries = vc_alloc(c, l->count, sizeof *entries);
    for (size_t i = 0; !c->failed && i < l->count; i++) {
        struct vc_obj o = vc_list_obj(c, l, i);
        vc_fixed(c, &o, "token", entries[i].token.b, sizeof entries[i].token.b);
        vc_fixed(c, &o, "salt", entries[i].salt.b, sizeof entries[i].salt.b);
        struct cpis_hash leaf = merkle_leaf(&entries[i]);
        if (with_leaf) vc_want(c, &o, "leaf", leaf.b, sizeof leaf.b);
        vc_obj_end(c, &o);
    }
    return entries;
}

static void check_proof(struct vc *c, struct vc_obj *o, const struct merkle *tree,
                        const struct list_entry *entries)
{
    struct merkle_path path = {0};
    struct cpis_hash root = merkle_root(tree);
    size_t n = merkle_count(tree), index = (size_t)vc_uint(c, o, "index", MERKLE_LEAVES_MAX);
    if (index >= n) vc_fail(c, "field %s.index: not below the count", o->path);
    if (c->failed) return;
    vc_ok(c, merkle_path_of(tree, entries, index, &path), "inclusion path");
    struct vc_list l = vc_list_in(c, o, "path");
    vc_want_count(c, &l, path.count);
    for (size_t i = 0; i < l.count; i++)
        vc_want_at(c, &l, i, path.sibling[i].b, sizeof path.sibling[i].b);
    vc_ok(c, merkle_verify(&root, n, index, &entries[index], &path), "verifying inclusion");
    vc_obj_end(c, o);
}

static void check_list(struct vc *c, struct vc_obj *o)
{
    struct merkle *tree = NULL;
    struct vc_list l = vc_list_in(c, o, "entries");
    struct list_entry *entries = read_entries(c, &l, true);
    vc_want_uint(c, o, "count", l.count);
    if (c->failed) return;
    vc_ok(c, merkle_build(entries, l.count, &tree), "field entries: building the tree");
    if (c->failed) return;
    struct cpis_hash top = merkle_top(tree), root = merkle_root(tree);
    vc_want(c, o, "top", top.b, sizeof top.b);
    vc_want(c, o, "root", root.b, sizeof root.b);
    if (merkle_count(tree) != l.count) vc_fail(c, "the tree holds another number of entries");
    struct vc_list proofs = vc_list_in(c, o, "inclusion_proofs");
    if (proofs.count == 0 && l.count > 0) vc_fail(c, "field inclusion_proofs: none");
    for (size_t i = 0; i < proofs.count; i++) {
        struct vc_obj p = vc_list_obj(c, &proofs, i);
        check_proof(c, &p, tree, entries);
    }
    vc_obj_end(c, o);
    merkle_free(&tree);
}

static void check_proof_refused(struct vc *c, struct vc_obj *o)
{
    struct cpis_hash root;
    struct list_entry e;
    struct merkle_path path = {0};
    vc_fixed(c, o, "root", root.b, sizeof root.b);
    uint64_t n = vc_uint(c, o, "count", UINT64_MAX), index = vc_uint(c, o, "index", UINT64_MAX);
    vc_fixed(c, o, "token", e.token.b, sizeof e.token.b);
    vc_fixed(c, o, "salt", e.salt.b, sizeof e.salt.b);
    struct vc_list l = vc_list_in(c, o, "path");
    for (size_t i = 0; i < l.count; i++) { /* all are read: each must be well formed */
        struct cpis_hash sibling;
        vc_list_fixed(c, &l, i, sibling.b, sizeof sibling.b);
        if (i < MERKLE_PATH_MAX) path.sibling[i] = sibling;
    }
    vc_obj_end(c, o);
    if (c->failed || l.count > MERKLE_PATH_MAX) return; /* longer than any path: the decoder's */
    path.count = (uint32_t)l.count;
    vc_refused(c, merkle_verify(&root, n, index, &e, &path));
}

static void check_list_refused(struct vc *c, struct vc_obj *o)
{
    struct merkle *tree = NULL;
    struct vc_list l = vc_list_in(c, o, "entries");
    struct list_entry *entries = read_entries(c, &l, false);
    vc_obj_end(c, o);
    if (c->failed) return;
    vc_refused(c, merkle_build(entries, l.count, &tree));
    merkle_free(&tree);
}

void vectors_list(const struct vc_run *run, json_t *top)
{
    static const struct vc_section sections[] = {
        {"lists", check_list},
        {"refused_proofs", check_proof_refused},
        {"refused_lists", check_list_refused},
    };
    struct vc c;
    vc_begin(&c, run, "empty top");
    struct vc_obj o = vc_obj_of(&c, top, "");
    struct cpis_hash empty = merkle_empty_top();
    vc_want(&c, &o, "empty_top", empty.b, sizeof empty.b);
    vc_sections(&c, &o, true, sections, 3);
}
