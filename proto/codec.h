/* proto/codec.h - for every message and row: NAME_encode and NAME_decode between the plain struct
 * and the one byte string that stands for it, which is what code generated from cpis.proto writes.
 *
 * Decoding refuses (CPIS_E_MALFORMED) whatever another encoder could have written differently:
 * unknown fields, a field twice, another order, long varints; and then checks each field: lengths,
 * multiples, counts, ranges, UTF-8 without control characters. What is refused has changed nothing.
 * Any thread; each call works in the arena it is given. */
#ifndef CPIS_PROTO_CODEC_H
#define CPIS_PROTO_CODEC_H
#include "proto/arena.h"
#include "proto/message.h"
#include "proto/row.h"

/*    name              plain struct              its name in cpis.proto, in snake case */
#define CPIS_MESSAGES(X)                                                                           \
    X(frame, frame, frame)                                                                         \
    X(cell, msg_cell, cell)                                                                        \
    X(signed_message, signed_message, signed)                                                      \
    X(hello, msg_hello, hello)                                                                     \
    X(register_request, msg_register_request, register_request)                                    \
    X(register_chain, msg_register_chain, register_chain)                                          \
    X(register_document, msg_register_document, register_document)                                 \
    X(root_signature, msg_root_signature, root_signature)                                          \
    X(evaluate_request, msg_evaluate_request, evaluate_request)                                    \
    X(evaluate_reply, msg_evaluate_reply, evaluate_reply)                                          \
    X(lookup_reply, msg_lookup_reply, lookup_reply)                                                \
    X(list_update, msg_list_update, list_update)                                                   \
    X(list_refused, msg_list_refused, list_refused)                                                \
    X(list_request, msg_list_request, list_request)                                                \
    X(head_shown, msg_head_shown, head_shown)                                                      \
    X(heads, msg_heads, heads)                                                                     \
    X(heads_request, msg_heads_request, heads_request)                                             \
    X(recall, msg_recall, recall)                                                                  \
    X(lookup, msg_lookup, lookup)                                                                  \
    X(absent, msg_absent, absent)                                                                  \
    X(inclusion, msg_inclusion, inclusion)                                                         \
    X(listed_elsewhere, msg_listed_elsewhere, listed_elsewhere)                                    \
    X(listed_elsewhere_heard, msg_listed_elsewhere_heard, listed_elsewhere_heard)                  \
    X(present, msg_present, present)                                                               \
    X(answer, msg_answer, answer)                                                                  \
    X(head, msg_head, head)                                                                        \
    X(ack, msg_ack, ack)                                                                           \
    X(register_time, msg_register_time, register_time)                                             \
    X(log_head, msg_log_head, log_head)                                                            \
    X(dealing, msg_dealing, dealing)                                                               \
    X(dealing_reveal, msg_dealing_reveal, dealing_reveal)                                          \
    X(share_accepted, msg_share_accepted, share_accepted)                                          \
    X(receipt, msg_receipt, receipt)                                                               \
    X(details, msg_details, details)                                                               \
    X(ask_details, msg_ask_details, ask_details)                                                   \
    X(plan_shown, msg_plan_shown, plan_shown)                                                      \
    X(access_shown, msg_access_shown, access_shown)                                                \
    X(flag_payload, msg_flag_payload, flag_payload)                                                \
    X(descriptor, msg_descriptor, descriptor)                                                      \
    X(signed_descriptor, msg_signed_descriptor, signed_descriptor)                                 \
    X(register_node, msg_register_node, register_node)                                             \
    X(register_epoch, msg_register_epoch, register_epoch)                                          \
    X(register_notice, msg_register_notice, register_notice)                                       \
    X(register_expected, msg_register_expected, register_expected)                                 \
    X(register_body, msg_register, register)                                                       \
    X(row_plan, row_plan, plan)                                                                    \
    X(row_child, row_child, child)                                                                 \
    X(row_child_before, row_child_before, child_before)                                            \
    X(row_entry, row_entry, entry)                                                                 \
    X(row_access, row_access, access)                                                              \
    X(row_change, row_change, notification_change)                                                 \
    X(row_elsewhere, row_elsewhere, elsewhere)                                                     \
    X(row_tell, row_tell, tell)                                                                    \
    X(row_notification, row_notification, notification)                                            \
    X(row_history, row_history, history)                                                           \
    X(row_log_entry, row_log_entry, log_entry)                                                     \
    X(row_copy, row_copy, copy)                                                                    \
    X(row_held, row_held, held_head)                                                               \
    X(row_quota, row_quota, quota)                                                                 \
    X(row_asked, row_asked, asked)                                                                 \
    X(row_share, row_share, share)                                                                 \
    X(row_ceremony, row_ceremony, ceremony_row)                                                    \
    X(row_evaluation, row_evaluation, evidence_evaluation)                                         \
    X(row_neighbour, row_neighbour, evidence_neighbour)                                            \
    X(row_floor, row_floor, floor)                                                                 \
    X(row_outbox_authority, row_outbox_authority, outbox_authority)                                \
    X(row_outbox, row_outbox, outbox)                                                              \
    X(row_state, row_state, seen_state)                                                            \
    X(row_statement, row_statement, evidence_statement)                                            \
    X(row_answer, row_answer, evidence_answer)                                                     \
    X(row_search, row_search, evidence_search)                                                     \
    X(row_evidence, row_evidence, evidence)                                                        \
    X(row_import, row_import, import)

/* encode: the bytes lie in the arena. CPIS_E_INVAL: a field is out of its range (our bug or a
 * person's input that nobody checked); CPIS_E_LIMIT: over FRAME_BYTES_MAX, which nobody would
 * decode; CPIS_E_NOMEM: over the arena's cap. decode: fills *ret, whose pointers lie in the arena;
 * b need not outlive the call. CPIS_E_MALFORMED: also over FRAME_BYTES_MAX; CPIS_E_NOMEM: over the
 * arena's cap, or no memory: never the sender's fault. *ret is written only on CPIS_OK. */
#define CPIS_X(name, plain, generated)                                                             \
    CPIS_CHECK cpis_err name##_encode(const struct plain *m, struct arena *a, struct bytes *ret);  \
    CPIS_CHECK cpis_err name##_decode(struct bytes b, struct arena *a, struct plain *ret);
CPIS_MESSAGES(CPIS_X)
#undef CPIS_X

/* A frame of `kind` around an encoded payload, padded with zeros to the kind's size where it has
 * one. CPIS_E_LIMIT: the payload is larger than its kind's frame, or the frame than
 * FRAME_BYTES_MAX. */
CPIS_CHECK cpis_err frame_wrap(enum frame_kind kind, struct bytes payload, struct arena *a,
                               struct bytes *ret);
/* The same for a cell, which has a size for each direction: one of CELL_BYTES_* (else
 * CPIS_E_INVAL). frame_wrap takes the smallest that has room. */
CPIS_CHECK cpis_err frame_wrap_cell(struct bytes payload, size_t size, struct arena *a,
                                    struct bytes *ret);
/* Checks size, kind and padding of what came off the wire. The payload is copied into the arena,
 * the padding stays in `wire`. */
CPIS_CHECK cpis_err frame_unwrap(struct bytes wire, struct arena *a, struct frame *ret);
/* Of what frame_unwrap refused: does it begin as a frame of a kind that a later version may have
 * (FRAME_KIND_LATER_MAX)? Whatever follows is not looked at. */
bool frame_is_later(struct bytes wire);

/* The codec's tables against cpis.proto (names, order, types), for the test: false: they differ
 * here. */
bool codec_tables_match(const char **ret_message, const char **ret_field);
#endif
