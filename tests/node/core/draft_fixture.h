/* tests/node/core/draft_fixture.h - the register of rf_federation (3) in force at a query node, and
 * drafts of the next one. The suite `registry` is the fixture's, its stories stand in
 * test_registry*.c. Built on registry_fixture; asserts on what must work. Tests only. */
#ifndef CPIS_TESTS_DRAFT_FIXTURE_H
#define CPIS_TESTS_DRAFT_FIXTURE_H
#include "tests/node/core/registry_fixture.h"

/* Tests of one process share it. */
extern struct draft {
    struct arena a; /* of the whole test */
    struct registry *r;
    struct net_id net;
    struct rf_store store;
    struct rf_node node; /* 201 */
} draft;

/* --- a draft, in the arena --- */
struct msg_register draft_next_after(cpis_ms later); /* issued so long after the newest one */
struct msg_register draft_next(void);                /* an hour */
struct msg_register_node *draft_in(struct msg_register *m, unsigned number); /* NULL: is not */
struct msg_register_node *draft_with(struct msg_register *m, unsigned number, enum node_role role,
                                     const char *code);
void draft_without(struct msg_register *m, unsigned number);
void draft_with_epoch(struct msg_register *m, const struct msg_register_epoch *ep);
void draft_announce(struct msg_register *m, unsigned number, unsigned successor);
/* One notice, for a day; there is room for a second. */
void draft_with_notice(struct msg_register *m, unsigned about, uint64_t list_time);
/* These are the codes expected; two may be NULL. Borrowed until the next call. */
void draft_expect_codes(struct msg_register *m, const char *one, const char *two);

/* --- what the node is offered, and hears --- */
cpis_err draft_offer(struct bytes document, const char **why); /* as registry_offer; committed */
void draft_accept(const struct msg_register *m);               /* signed by two roots; in force */
/* Directory `number` tells a registry its own register, at that time by its clock. */
cpis_err draft_tell(struct registry *to, unsigned number, cpis_ms now, uint64_t time,
                    cpis_ms wall_own);
void draft_tell_all(struct registry *to, cpis_ms now, cpis_ms time); /* all three of them */
#endif
