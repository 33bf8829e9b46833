/* proto/message.h - the plain structs of all that crosses the wire (README.md in this folder says
 * what each field means). The codec fills and reads them; nobody else sees generated code.
 *
 * Ownership: `struct bytes` and lists (pointer and count) of a decoded message lie in the arena it
 * was decoded into and live as long as the arena; for an encoded one they are borrowed for the
 * call. */
#ifndef CPIS_PROTO_MESSAGE_H
#define CPIS_PROTO_MESSAGE_H
#include "crypto/chain.h"
#include "crypto/keys.h"
#include "crypto/merkle.h"
#include "crypto/oprf.h"
#include "crypto/seal.h"
#include "crypto/sign.h"
#include "crypto/threshold.h"

struct bytes { /* borrowed */
    const uint8_t *p;
    size_t len;
};

#define FRAME_BYTES_MAX   (1024U * 1024U)
#define FRAME_REPLY_BYTES 12288U /* every lookup reply, whatever it says */
/* Every cell of one direction (README.md, section 12), so that each has room for the largest frame
 * that may come in it: details; an answer; a lookup reply. */
#define CELL_BYTES_ASK         2048U  /* query node -> directory -> authority */
#define CELL_BYTES_ANSWER      9216U  /* authority -> directory */
#define CELL_BYTES_REPLY       12544U /* directory -> query node */
#define CELL_SLACK_BYTES       192U   /* of which a cell has so many less for its payload */
#define CELL_FRAMES_MAX        32U
#define NAME_BYTES_MAX         70U
#define ROLE_BYTES_MAX         60U
#define ORGANISATION_BYTES_MAX 100U
#define CODE_BYTES_MAX         12U
#define USER_ID_BYTES_MAX      36U
#define SETTING_BYTES_MAX      30U
#define TELEPHONE_BYTES_MAX    16U
#define ENDPOINT_BYTES_MAX     127U
#define LOCAL_ID_BYTES_MAX     40U
#define HEAD_PREV_MAX          8U
#define HEAD_CHAIN_MAX         1024U
#define HEADS_MAX              2048U
#define INCLUSIONS_MAX         8U
#define LIST_PART_ENTRIES_MAX  4096U
#define HISTORY_SHOWN_MAX      25U
#define PLANS_PER_CHILD_MAX    32U
#define REGISTER_NODES_MAX     1024U
#define REGISTER_EPOCHS_MAX    4U
#define REGISTER_LINKS_MAX     256U /* in one frame; the rest is asked for again */
#define ROOT_KEYS_MAX          16U
#define SUCCESSORS_MAX         8U

#define FRAME_KIND_LATER_MAX 255U /* kinds from FRAME_KIND_END to this: README.md, "Versions" */
enum frame_kind {                 /* what a frame's payload is */
                  FRAME_HELLO = 1,
                  FRAME_REGISTER_REQUEST,
                  FRAME_REGISTER_CHAIN,
                  FRAME_SIGNED, /* a lookup, details, ack, answer, receipt, register-time or dealing
                                 */
                  FRAME_EVALUATE_REQUEST,
                  FRAME_EVALUATE_REPLY,
                  FRAME_LOOKUP_REPLY,
                  FRAME_LIST_UPDATE,
                  FRAME_LIST_REFUSED,
                  FRAME_LIST_REQUEST,
                  FRAME_HEADS,
                  FRAME_HEADS_REQUEST,
                  FRAME_RECALL,
                  FRAME_LISTED_ELSEWHERE,
                  FRAME_LISTED_ELSEWHERE_HEARD,
                  FRAME_CELL, /* of constant rate and size: cover_traffic */
                  FRAME_KIND_END
};
enum signed_type { /* section 1; inside the signature */
                   SIGNED_LOOKUP = 1,
                   SIGNED_ABSENT = 2,
                   SIGNED_PRESENT = 3,
                   SIGNED_ANSWER = 4,
                   SIGNED_HEAD = 5,
                   SIGNED_ACK = 6,
                   SIGNED_REGISTER = 7,
                   SIGNED_DESCRIPTOR = 8,
                   SIGNED_REGISTER_TIME = 9,
                   SIGNED_LOG_HEAD = 10,
                   SIGNED_DEALING = 12,
                   SIGNED_DEALING_REVEAL = 13,
                   SIGNED_SHARE_ACCEPTED = 14,
                   SIGNED_RECEIPT = 15,
                   SIGNED_DETAILS = 16
};
enum refusal { /* why a directory did not do what it was asked; never "absent" */
               REFUSAL_NONE = 0,
               REFUSAL_BUSY,      /* can't store now: ask again */
               REFUSAL_QUOTA,     /* over the day's limit of the asker's descriptor */
               REFUSAL_EPOCH,     /* no share of that epoch, or the epoch is over */
               REFUSAL_ROLE,      /* the asker's role may not ask this */
               REFUSAL_REGISTER,  /* the asker is not in force in the register */
               REFUSAL_MALFORMED, /* elements or fields that can't be */
               REFUSAL_BASE,      /* list: the base is not held; send the whole list, or the heads
                                     between */
               REFUSAL_NOT_DESCENDANT, /* list: does not follow the head held */
               REFUSAL_FUTURE,         /* time or version over 120 s ahead */
               REFUSAL_SHRINK,         /* list: falls below 80 % without shrink_confirmed */
               REFUSAL_ROOT,           /* list: entries do not give the head's root and n */
               REFUSAL_LIMIT,          /* list: more entries than the descriptor allows */
               REFUSAL_SUSPENDED,      /* list: the authority is suspended or retired */
               REFUSAL_END
};
enum lookup_outcome { LOOKUP_STATEMENT = 1, LOOKUP_LATE, LOOKUP_REFUSED };
enum ack_outcome {
    ACK_RECORDED = 1, /* the lookup's access is durable */
    ACK_DUPLICATE,    /* it was already */
    ACK_COMPLETED     /* its details are durable too */
};
enum node_role { ROLE_AUTHORITY = 1, ROLE_DIRECTORY, ROLE_QUERY };
enum node_state { NODE_JOINING = 1, NODE_ACTIVE, NODE_SUSPENDED, NODE_RETIRED, NODE_REVOKED };
const char *node_state_name(enum node_state s); /* "joining" ...; static; "" for none (code.c) */
enum purpose { PURPOSE_DIRECT_CARE = 1, PURPOSE_NOT_BROUGHT, PURPOSE_END };
enum answer_status { /* first byte of an answer's plaintext; another value counts as not opened */
                     ANSWER_FLAGS = 1,
                     ANSWER_NONE_NOW = 2,
                     ANSWER_CONTACT_ONLY = 3,
                     ANSWER_REFUSED = 4 /* by the authority's policy: whom to ring, and no more */
};
#define LOOKUP_VERSION 1U

struct frame {
    uint32_t kind;
    struct bytes payload, padding;
};
struct msg_cell { /* whole frames, each as it would stand by itself; mostly none */
    struct frame *frames;
    size_t frames_count;
};
struct signed_message {
    uint32_t type;
    struct cpis_id signer;
    struct bytes body; /* as received; never re-encoded to verify */
    struct signature signature;
};
struct msg_hello {
    uint64_t session, register_version;
    bool answer;
};
struct msg_register_request {
    uint64_t have;
};
struct msg_root_signature {
    struct sign_public key;
    struct signature signature;
};
struct msg_register_document {
    struct bytes body;
    struct msg_root_signature *signatures;
    size_t signatures_count;
};
struct msg_register_chain {
    struct msg_register_document *links;
    size_t links_count;
};
struct msg_evaluate_request {
    uint64_t request;
    uint32_t epoch;
    struct bytes elements; /* m * 32 */
};
struct msg_evaluate_reply {
    uint64_t request;
    uint32_t epoch, refused, index;
    struct bytes elements;
    struct oprf_proof proof;
};
struct msg_lookup_reply {
    struct cpis_hash rh;
    uint32_t outcome, reason;
    struct bytes statement;
};
struct msg_list_update {
    uint32_t epoch;
    struct cpis_id authority;
    struct cpis_hash from;
    uint32_t part;
    bool last;
    struct bytes additions, removals; /* 48 and 32 bytes each */
    struct signed_message *heads;
    size_t heads_count;
};
struct msg_list_refused {
    uint32_t epoch;
    struct cpis_id authority;
    uint32_t reason;
    struct signed_message *held; /* none or one */
    size_t held_count;
};
struct msg_list_request {
    uint32_t epoch;
    struct cpis_id authority;
    struct cpis_hash have;
};
struct msg_head_shown {
    bool in_state;
    struct signed_message head;
};
struct msg_heads {
    uint64_t session, sequence;
    uint32_t epoch;
    bool whole, ready;
    struct msg_head_shown *heads;
    size_t heads_count;
};
struct msg_heads_request {
    uint32_t epoch;
    struct cpis_hash have; /* zeros: show all */
};
struct msg_recall {
    uint64_t since;
};

struct msg_lookup {
    uint32_t version, epoch;
    struct cpis_id query_id, rid;
    uint64_t time;
    struct box_public ephemeral;
    uint32_t bucket;
    struct tag tag;
    uint64_t register_version;
    struct cpis_hash register_hash;
    uint64_t log_sequence;
    struct cpis_hash log_head;
};
struct msg_absent {
    struct cpis_hash rh;
    uint32_t epoch, index;
    struct cpis_id directory_id;
    uint64_t time;
    struct cpis_hash state;
    uint64_t register_version;
    struct cpis_hash register_hash;
};
struct msg_inclusion {
    struct cpis_id authority_id;
    uint64_t index;
    struct salt salt;
    struct bytes path; /* k * 32 */
    struct signed_message head;
};
struct msg_listed_elsewhere {
    uint32_t epoch;
    struct token token;
    struct msg_inclusion listed;
};
struct msg_listed_elsewhere_heard {
    struct token token;
    struct cpis_id authority_id;
};
struct msg_present {
    struct cpis_hash rh;
    uint32_t epoch, index;
    struct cpis_id directory_id;
    uint64_t time;
    struct cpis_hash state;
    uint64_t register_version;
    struct cpis_hash register_hash;
    uint32_t holders;
    struct msg_inclusion *inclusions;
    size_t inclusions_count;
};
struct msg_answer {
    struct cpis_id authority_id;
    struct cpis_hash rh;
    uint64_t time, head_version;
    struct box_public ephemeral;
    uint8_t nonce[SEAL_NONCE_BYTES];
    uint8_t ciphertext[ANSWER_SEALED_BYTES];
};
struct msg_head {
    struct cpis_id authority_id;
    uint32_t epoch;
    uint64_t version;
    struct bytes prev; /* k * 32, k <= HEAD_PREV_MAX */
    struct cpis_hash root;
    uint64_t n, time, log_sequence;
    struct cpis_hash log_head;
    bool shrink_confirmed;
};
struct msg_ack {
    struct cpis_id authority_id;
    struct cpis_hash rh;
    uint64_t time;
    uint32_t outcome;
    uint64_t log_sequence;
    struct cpis_hash log_head;
};
struct msg_register_time {
    struct cpis_id node_id;
    uint64_t version;
    struct cpis_hash register_hash;
    uint64_t time, log_sequence;
    struct cpis_hash log_head;
};
struct msg_log_head {
    struct cpis_id node_id;
    uint64_t time, sequence;
    struct cpis_hash head;
};
struct msg_dealing {
    uint32_t epoch, index, threshold;
    struct bytes holders; /* n * 16 */
    struct cpis_hash hash;
};
struct msg_dealing_reveal {
    uint32_t epoch, index;
    struct bytes commitments;   /* t * 32 */
    struct bytes sealed_shares; /* n * 80 */
};
struct msg_share_accepted {
    uint32_t epoch, index, threshold;
    struct bytes holders, commitments;
};
struct msg_receipt {
    struct cpis_id authority_id;
    struct cpis_hash list_id;
    uint32_t epoch, index;
    uint64_t time;
};
struct msg_details {
    struct cpis_id query_id;
    struct cpis_hash rh;
    struct cpis_id authority_id;
    uint64_t time;
    uint8_t nonce[SEAL_NONCE_BYTES];
    uint8_t ciphertext[DETAILS_SEALED_BYTES];
};

struct msg_ask_details { /* who asks, and about whom; secret: only ever inside a seal */
    char nhs_number[11];
    char user_id[USER_ID_BYTES_MAX + 1], user_name[NAME_BYTES_MAX + 1];
    char role_code[CODE_BYTES_MAX + 1], role_name[ROLE_BYTES_MAX + 1];
    char device_id[USER_ID_BYTES_MAX + 1];
    char organisation_code[CODE_BYTES_MAX + 1], organisation_name[ORGANISATION_BYTES_MAX + 1];
    char setting[SETTING_BYTES_MAX + 1];
    bool scheduled;   /* true: recorded, not notified */
    uint32_t purpose; /* enum purpose */
    char correlation[USER_ID_BYTES_MAX + 1];
};
struct msg_plan_shown {
    uint32_t plan;       /* enum plan_type */
    uint64_t start, end; /* YYYYMMDDHHMM, London wall time; end 0: open */
};
struct msg_access_shown {
    uint64_t time;
    char user_name[NAME_BYTES_MAX + 1], role_name[ROLE_BYTES_MAX + 1];
    char organisation_name[ORGANISATION_BYTES_MAX + 1];
};
struct msg_flag_payload {
    char authority_code[CODE_BYTES_MAX + 1], authority_name[ORGANISATION_BYTES_MAX + 1];
    char emergency[TELEPHONE_BYTES_MAX + 1], office[TELEPHONE_BYTES_MAX + 1];
    uint32_t visibility; /* enum visibility */
    bool history_cut;
    struct msg_plan_shown *plans;
    size_t plans_count;
    struct msg_access_shown *accesses; /* newest first */
    size_t accesses_count;
};

struct msg_descriptor {
    uint32_t role; /* enum node_role; on the wire behind the keys */
    struct sign_public sign_key;
    struct box_public sealing_key, transport_key;
    char code[CODE_BYTES_MAX + 1], name[ORGANISATION_BYTES_MAX + 1];
    char endpoint[ENDPOINT_BYTES_MAX + 1]; /* directories: tcp://host:port */
    char emergency[TELEPHONE_BYTES_MAX + 1], office[TELEPHONE_BYTES_MAX + 1];
    uint64_t not_before, not_after;
};
struct msg_signed_descriptor {
    struct msg_descriptor descriptor;
    struct signature signature;
};
struct msg_register_node {
    struct msg_descriptor descriptor;
    struct signature signature;
    uint32_t state; /* enum node_state */
    uint64_t evaluations_per_day, lookups_per_day, tokens_max;
    struct cpis_id replaces;
    struct bytes successors; /* k * 16 */
};
struct msg_register_epoch {
    uint32_t number;
    struct bytes holders;     /* n * 16 */
    struct bytes commitments; /* t * 32 */
    uint32_t bucket_bits;
    uint64_t not_before, not_after;
};
struct msg_register_notice {
    struct cpis_id authority_id;
    uint64_t list_time, until;
};
struct msg_register_expected {
    char code[CODE_BYTES_MAX + 1], name[ORGANISATION_BYTES_MAX + 1];
    char emergency[TELEPHONE_BYTES_MAX + 1], office[TELEPHONE_BYTES_MAX + 1];
};
struct msg_register {
    uint64_t version;
    struct cpis_hash previous;
    uint64_t issued, expires;
    struct bytes root_keys; /* k * 32 */
    uint32_t root_threshold;
    uint64_t head_age; /* limits: how old a head may be, ms */
    struct msg_register_node *nodes;
    size_t nodes_count;
    struct msg_register_epoch *epochs;
    size_t epochs_count;
    struct msg_register_notice *notices;
    size_t notices_count;
    struct msg_register_expected *expected;
    size_t expected_count;
};
#endif
