/* tests/conformance/attack/wire.h - the wire, spoken by an attacker who has the keys of a node and
 * runs none: proto/README.md sections 3, 4, 7 and 12. One thread. */
#ifndef CPIS_TESTS_CONFORMANCE_WIRE_H
#define CPIS_TESTS_CONFORMANCE_WIRE_H
#include "tests/conformance/attack/attack.h"

#include <czmq.h>

#define WIRE_WAIT_MS 3000U

struct peer { /* a connection to one directory */
    struct federation *f;
    struct identity identity;
    struct cpis_id id;
    zsock_t *socket;
    size_t frame_bytes; /* of the frame received last, as it came */
    struct arena arena; /* of what was received and made; given back by peer_close */
};
/* As the node of `folder` ("Q02", "T009"), to `directory` ("D01"); says hello, and has been
 * answered. false: noted. peer_close on every path. */
bool peer_open(struct federation *f, const char *folder, const char *directory, struct peer *ret);
/* The same, over what listens at `endpoint` and passes everything on. */
bool peer_open_over(struct federation *f, const char *folder, const char *directory,
                    const char *endpoint, struct peer *ret);
void peer_close(struct peer *p);
/* Says hello and waits for the answer, which may take `ms`. */
bool peer_hello(struct peer *p, unsigned ms);
bool read_identity(struct federation *f, const char *folder, struct identity *ret);

bool peer_send_bytes(struct peer *p, struct bytes wire);
bool peer_send(struct peer *p, enum frame_kind kind, struct bytes payload);
struct signed_message peer_sign(const struct peer *p, enum signed_type type, struct bytes body);
bool peer_send_signed(struct peer *p, const struct signed_message *m);
/* The frame around a signed message, not sent. */
struct bytes signed_frame(struct peer *p, const struct signed_message *m);
/* The next frame of this kind, at most `ms`; others are passed over. */
bool peer_wait(struct peer *p, enum frame_kind kind, unsigned ms, struct frame *ret);
/* The next signed frame of this type. */
bool peer_wait_signed(struct peer *p, enum signed_type type, unsigned ms,
                      struct signed_message *ret);

struct looked { /* a lookup as Q02 makes it */
    const char *number;
    struct child_keys keys;
    struct box_secret secret; /* e_q */
    struct msg_lookup m;
    struct signed_message as_signed;
    struct cpis_hash rh;
};
/* Evaluates with two directories, over connections of their own. false: noted. */
bool look_evaluate(struct federation *f, const char *number, struct child_keys *ret);
/* Makes the lookup of `number`, not sent; keys as look_evaluate gave them. */
void look_make(struct peer *p, const char *number, const struct child_keys *keys,
               struct looked *ret);
/* After a change of ret->m: encodes and signs it anew. */
void look_sign(struct peer *p, struct looked *l);
/* Sends it and waits for the reply. */
bool look_send(struct peer *p, const struct looked *l, struct msg_lookup_reply *ret);
/* Details for T001 as a `struct msg_details`, of this child. */
bool look_details(struct peer *p, const struct looked *l, const char *number,
                  struct msg_details *ret);
bool look_send_details(struct peer *p, const struct msg_details *d);

/* As the authority of `folder` to D01: a whole first list, right but for who sends it. It must be
 * refused for this reason (enum refusal). */
bool first_list_refused(struct federation *f, const char *folder, unsigned reason);

/* All that any peer of this process has received since `len` was last 0: what a harvester has. */
struct heard {
    uint8_t *p;
    size_t len, cap;
    size_t total; /* ever */
    bool cut;     /* there was more than is kept */
};
extern struct heard heard;
uint64_t wall_ms(void);
#endif
