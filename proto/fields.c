#include "proto/fields.h"

#include "proto/cpis.pb-c.h"

#include <string.h>

#define AT(s, f)   offsetof(struct s, f)
#define SIZE(s, f) sizeof(((struct s *)0)->f)
#define U32F(s, f)                                                                                 \
    {                                                                                              \
        .name = #f, .kind = U32, .at = AT(s, f), .size = SIZE(s, f), .hi = UINT32_MAX              \
    }
#define RNG(s, f, a, b)                                                                            \
    {                                                                                              \
        .name = #f, .kind = U32, .at = AT(s, f), .size = SIZE(s, f), .lo = (a), .hi = (b)          \
    }
#define U64F(s, f)                                                                                 \
    {                                                                                              \
        .name = #f, .kind = U64, .at = AT(s, f), .size = SIZE(s, f), .hi = UINT64_MAX              \
    }
#define BOOLF(s, f)                                                                                \
    {                                                                                              \
        .name = #f, .kind = BOOL, .at = AT(s, f), .size = SIZE(s, f)                               \
    }
#define FIXF(s, f)                                                                                 \
    {                                                                                              \
        .name = #f, .kind = FIX, .at = AT(s, f), .size = SIZE(s, f)                                \
    }
#define VARF(s, f, max, mult)                                                                      \
    {                                                                                              \
        .name = #f, .kind = VAR, .at = AT(s, f), .size = (max), .multiple = (mult)                 \
    }
#define TXTF(s, f)                                                                                 \
    {                                                                                              \
        .name = #f, .kind = TXT, .at = AT(s, f), .size = SIZE(s, f)                                \
    }
#define SUBF(s, f, sh)                                                                             \
    {                                                                                              \
        .name = #f, .kind = SUB, .at = AT(s, f), .shape = SHAPE_##sh                               \
    }
#define LSTF(s, f, max, sh)                                                                        \
    {                                                                                              \
        .name = #f, .kind = LST, .at = AT(s, f), .size = (max), .count_at = AT(s, f##_count),      \
        .shape = SHAPE_##sh                                                                        \
    }

#define ELEMENTS_BYTES_MAX ((size_t)OPRF_BATCH_MAX * OPRF_ELEMENT_BYTES)
#define BODY_BYTES_MAX     (FRAME_BYTES_MAX - 1024U)
#define HOLDERS_BYTES_MAX  ((size_t)THRESHOLD_HOLDERS_MAX * CPIS_ID_BYTES)
#define COMMIT_BYTES_MAX   ((size_t)THRESHOLD_HOLDERS_MAX * OPRF_ELEMENT_BYTES)

static const struct field frame_fields[] = {
    RNG(frame, kind, 1, FRAME_KIND_END - 1),
    VARF(frame, payload, FRAME_BYTES_MAX, 1),
    VARF(frame, padding, CELL_BYTES_REPLY, 1),
};
static const struct field cell_fields[] = {
    LSTF(msg_cell, frames, CELL_FRAMES_MAX, frame),
};
static const struct field signed_message_fields[] = {
    RNG(signed_message, type, 1, SIGNED_DETAILS),
    FIXF(signed_message, signer),
    VARF(signed_message, body, BODY_BYTES_MAX, 1),
    FIXF(signed_message, signature),
};
static const struct field hello_fields[] = {
    U64F(msg_hello, session),
    U64F(msg_hello, register_version),
    BOOLF(msg_hello, answer),
};
static const struct field register_request_fields[] = {U64F(msg_register_request, have)};
static const struct field register_chain_fields[] = {
    LSTF(msg_register_chain, links, REGISTER_LINKS_MAX, register_document),
};
static const struct field register_document_fields[] = {
    VARF(msg_register_document, body, BODY_BYTES_MAX, 1),
    LSTF(msg_register_document, signatures, 2 * ROOT_KEYS_MAX, root_signature),
};
static const struct field root_signature_fields[] = {
    FIXF(msg_root_signature, key),
    FIXF(msg_root_signature, signature),
};
static const struct field evaluate_request_fields[] = {
    U64F(msg_evaluate_request, request),
    U32F(msg_evaluate_request, epoch),
    VARF(msg_evaluate_request, elements, ELEMENTS_BYTES_MAX, OPRF_ELEMENT_BYTES),
};
static const struct field evaluate_reply_fields[] = {
    U64F(msg_evaluate_reply, request),
    U32F(msg_evaluate_reply, epoch),
    RNG(msg_evaluate_reply, refused, 0, REFUSAL_END - 1),
    RNG(msg_evaluate_reply, index, 0, THRESHOLD_HOLDERS_MAX),
    VARF(msg_evaluate_reply, elements, ELEMENTS_BYTES_MAX, OPRF_ELEMENT_BYTES),
    FIXF(msg_evaluate_reply, proof),
};
static const struct field lookup_reply_fields[] = {
    FIXF(msg_lookup_reply, rh),
    RNG(msg_lookup_reply, outcome, LOOKUP_STATEMENT, LOOKUP_REFUSED),
    RNG(msg_lookup_reply, reason, 0, REFUSAL_END - 1),
    VARF(msg_lookup_reply, statement, FRAME_REPLY_BYTES, 1),
};
static const struct field list_update_fields[] = {
    U32F(msg_list_update, epoch),
    FIXF(msg_list_update, authority),
    FIXF(msg_list_update, from),
    U32F(msg_list_update, part),
    BOOLF(msg_list_update, last),
    VARF(msg_list_update, additions, LIST_PART_ENTRIES_MAX *(TOKEN_BYTES + SALT_BYTES),
         TOKEN_BYTES + SALT_BYTES),
    VARF(msg_list_update, removals, LIST_PART_ENTRIES_MAX *TOKEN_BYTES, TOKEN_BYTES),
    LSTF(msg_list_update, heads, HEAD_CHAIN_MAX, signed_message),
};
static const struct field list_refused_fields[] = {
    U32F(msg_list_refused, epoch),
    FIXF(msg_list_refused, authority),
    RNG(msg_list_refused, reason, 1, REFUSAL_END - 1),
    LSTF(msg_list_refused, held, 1, signed_message),
};
static const struct field list_request_fields[] = {
    U32F(msg_list_request, epoch),
    FIXF(msg_list_request, authority),
    FIXF(msg_list_request, have),
};
static const struct field head_shown_fields[] = {
    BOOLF(msg_head_shown, in_state),
    SUBF(msg_head_shown, head, signed_message),
};
static const struct field heads_fields[] = {
    U64F(msg_heads, session), U64F(msg_heads, sequence),
    U32F(msg_heads, epoch),   BOOLF(msg_heads, whole),
    BOOLF(msg_heads, ready),  LSTF(msg_heads, heads, HEADS_MAX, head_shown),
};
static const struct field heads_request_fields[] = {
    U32F(msg_heads_request, epoch),
    FIXF(msg_heads_request, have),
};
static const struct field recall_fields[] = {U64F(msg_recall, since)};
static const struct field lookup_fields[] = {
    U32F(msg_lookup, version),
    U32F(msg_lookup, epoch),
    FIXF(msg_lookup, query_id),
    FIXF(msg_lookup, rid),
    U64F(msg_lookup, time),
    FIXF(msg_lookup, ephemeral),
    RNG(msg_lookup, bucket, 0, (1U << BUCKET_BITS_MAX) - 1),
    FIXF(msg_lookup, tag),
    U64F(msg_lookup, register_version),
    FIXF(msg_lookup, register_hash),
    U64F(msg_lookup, log_sequence),
    FIXF(msg_lookup, log_head),
};
static const struct field absent_fields[] = {
    FIXF(msg_absent, rh),
    U32F(msg_absent, epoch),
    RNG(msg_absent, index, 1, THRESHOLD_HOLDERS_MAX),
    FIXF(msg_absent, directory_id),
    U64F(msg_absent, time),
    FIXF(msg_absent, state),
    U64F(msg_absent, register_version),
    FIXF(msg_absent, register_hash),
};
static const struct field inclusion_fields[] = {
    FIXF(msg_inclusion, authority_id),
    U64F(msg_inclusion, index),
    FIXF(msg_inclusion, salt),
    VARF(msg_inclusion, path, MERKLE_PATH_MAX *CPIS_HASH_BYTES, CPIS_HASH_BYTES),
    SUBF(msg_inclusion, head, signed_message),
};
static const struct field listed_elsewhere_fields[] = {
    U32F(msg_listed_elsewhere, epoch),
    FIXF(msg_listed_elsewhere, token),
    SUBF(msg_listed_elsewhere, listed, inclusion),
};
static const struct field listed_elsewhere_heard_fields[] = {
    FIXF(msg_listed_elsewhere_heard, token),
    FIXF(msg_listed_elsewhere_heard, authority_id),
};
static const struct field present_fields[] = {
    FIXF(msg_present, rh),
    U32F(msg_present, epoch),
    RNG(msg_present, index, 1, THRESHOLD_HOLDERS_MAX),
    FIXF(msg_present, directory_id),
    U64F(msg_present, time),
    FIXF(msg_present, state),
    U64F(msg_present, register_version),
    FIXF(msg_present, register_hash),
    RNG(msg_present, holders, 1, REGISTER_NODES_MAX),
    LSTF(msg_present, inclusions, INCLUSIONS_MAX, inclusion),
};
static const struct field answer_fields[] = {
    FIXF(msg_answer, authority_id), FIXF(msg_answer, rh),        U64F(msg_answer, time),
    U64F(msg_answer, head_version), FIXF(msg_answer, ephemeral), FIXF(msg_answer, nonce),
    FIXF(msg_answer, ciphertext),
};
static const struct field head_fields[] = {
    FIXF(msg_head, authority_id),
    U32F(msg_head, epoch),
    U64F(msg_head, version),
    VARF(msg_head, prev, HEAD_PREV_MAX *CPIS_HASH_BYTES, CPIS_HASH_BYTES),
    FIXF(msg_head, root),
    U64F(msg_head, n),
    U64F(msg_head, time),
    U64F(msg_head, log_sequence),
    FIXF(msg_head, log_head),
    BOOLF(msg_head, shrink_confirmed),
};
static const struct field ack_fields[] = {
    FIXF(msg_ack, authority_id), FIXF(msg_ack, rh),
    U64F(msg_ack, time),         RNG(msg_ack, outcome, ACK_RECORDED, ACK_COMPLETED),
    U64F(msg_ack, log_sequence), FIXF(msg_ack, log_head),
};
static const struct field register_time_fields[] = {
    FIXF(msg_register_time, node_id),       U64F(msg_register_time, version),
    FIXF(msg_register_time, register_hash), U64F(msg_register_time, time),
    U64F(msg_register_time, log_sequence),  FIXF(msg_register_time, log_head),
};
static const struct field log_head_fields[] = {
    FIXF(msg_log_head, node_id),
    U64F(msg_log_head, time),
    U64F(msg_log_head, sequence),
    FIXF(msg_log_head, head),
};
static const struct field dealing_fields[] = {
    U32F(msg_dealing, epoch),
    RNG(msg_dealing, index, 1, THRESHOLD_HOLDERS_MAX),
    RNG(msg_dealing, threshold, 1, THRESHOLD_HOLDERS_MAX),
    VARF(msg_dealing, holders, HOLDERS_BYTES_MAX, CPIS_ID_BYTES),
    FIXF(msg_dealing, hash),
};
static const struct field dealing_reveal_fields[] = {
    U32F(msg_dealing_reveal, epoch),
    RNG(msg_dealing_reveal, index, 1, THRESHOLD_HOLDERS_MAX),
    VARF(msg_dealing_reveal, commitments, COMMIT_BYTES_MAX, OPRF_ELEMENT_BYTES),
    VARF(msg_dealing_reveal, sealed_shares, (size_t)THRESHOLD_HOLDERS_MAX *THRESHOLD_SEALED_BYTES,
         THRESHOLD_SEALED_BYTES),
};
static const struct field share_accepted_fields[] = {
    U32F(msg_share_accepted, epoch),
    RNG(msg_share_accepted, index, 1, THRESHOLD_HOLDERS_MAX),
    RNG(msg_share_accepted, threshold, 1, THRESHOLD_HOLDERS_MAX),
    VARF(msg_share_accepted, holders, HOLDERS_BYTES_MAX, CPIS_ID_BYTES),
    VARF(msg_share_accepted, commitments, COMMIT_BYTES_MAX, OPRF_ELEMENT_BYTES),
};
static const struct field receipt_fields[] = {
    FIXF(msg_receipt, authority_id), FIXF(msg_receipt, list_id),
    U32F(msg_receipt, epoch),        RNG(msg_receipt, index, 1, THRESHOLD_HOLDERS_MAX),
    U64F(msg_receipt, time),
};
static const struct field details_fields[] = {
    FIXF(msg_details, query_id), FIXF(msg_details, rh),    FIXF(msg_details, authority_id),
    U64F(msg_details, time),     FIXF(msg_details, nonce), FIXF(msg_details, ciphertext),
};
static const struct field ask_details_fields[] = {
    TXTF(msg_ask_details, nhs_number),
    TXTF(msg_ask_details, user_id),
    TXTF(msg_ask_details, user_name),
    TXTF(msg_ask_details, role_code),
    TXTF(msg_ask_details, role_name),
    TXTF(msg_ask_details, device_id),
    TXTF(msg_ask_details, organisation_code),
    TXTF(msg_ask_details, organisation_name),
    TXTF(msg_ask_details, setting),
    BOOLF(msg_ask_details, scheduled),
    RNG(msg_ask_details, purpose, 0, PURPOSE_END - 1),
    TXTF(msg_ask_details, correlation),
};
static const struct field plan_shown_fields[] = {
    RNG(msg_plan_shown, plan, 1, 3),
    U64F(msg_plan_shown, start),
    U64F(msg_plan_shown, end),
};
static const struct field access_shown_fields[] = {
    U64F(msg_access_shown, time),
    TXTF(msg_access_shown, user_name),
    TXTF(msg_access_shown, role_name),
    TXTF(msg_access_shown, organisation_name),
};
static const struct field flag_payload_fields[] = {
    TXTF(msg_flag_payload, authority_code),
    TXTF(msg_flag_payload, authority_name),
    TXTF(msg_flag_payload, emergency),
    TXTF(msg_flag_payload, office),
    RNG(msg_flag_payload, visibility, 1, 2),
    BOOLF(msg_flag_payload, history_cut),
    LSTF(msg_flag_payload, plans, PLANS_PER_CHILD_MAX, plan_shown),
    LSTF(msg_flag_payload, accesses, HISTORY_SHOWN_MAX, access_shown),
};
static const struct field descriptor_fields[] = {
    FIXF(msg_descriptor, sign_key),      FIXF(msg_descriptor, sealing_key),
    FIXF(msg_descriptor, transport_key), RNG(msg_descriptor, role, ROLE_AUTHORITY, ROLE_QUERY),
    TXTF(msg_descriptor, code),          TXTF(msg_descriptor, name),
    TXTF(msg_descriptor, endpoint),      TXTF(msg_descriptor, emergency),
    TXTF(msg_descriptor, office),        U64F(msg_descriptor, not_before),
    U64F(msg_descriptor, not_after),
};
static const struct field signed_descriptor_fields[] = {
    SUBF(msg_signed_descriptor, descriptor, descriptor),
    FIXF(msg_signed_descriptor, signature),
};
static const struct field register_node_fields[] = {
    SUBF(msg_register_node, descriptor, descriptor),
    FIXF(msg_register_node, signature),
    RNG(msg_register_node, state, NODE_JOINING, NODE_REVOKED),
    U64F(msg_register_node, evaluations_per_day),
    U64F(msg_register_node, lookups_per_day),
    U64F(msg_register_node, tokens_max),
    FIXF(msg_register_node, replaces),
    VARF(msg_register_node, successors, SUCCESSORS_MAX *CPIS_ID_BYTES, CPIS_ID_BYTES),
};
static const struct field register_epoch_fields[] = {
    U32F(msg_register_epoch, number),
    VARF(msg_register_epoch, holders, HOLDERS_BYTES_MAX, CPIS_ID_BYTES),
    VARF(msg_register_epoch, commitments, COMMIT_BYTES_MAX, OPRF_ELEMENT_BYTES),
    RNG(msg_register_epoch, bucket_bits, 1, BUCKET_BITS_MAX),
    U64F(msg_register_epoch, not_before),
    U64F(msg_register_epoch, not_after),
};
static const struct field register_notice_fields[] = {
    FIXF(msg_register_notice, authority_id),
    U64F(msg_register_notice, list_time),
    U64F(msg_register_notice, until),
};
static const struct field register_expected_fields[] = {
    TXTF(msg_register_expected, code),
    TXTF(msg_register_expected, name),
    TXTF(msg_register_expected, emergency),
    TXTF(msg_register_expected, office),
};
static const struct field register_body_fields[] = {
    U64F(msg_register, version),
    FIXF(msg_register, previous),
    U64F(msg_register, issued),
    U64F(msg_register, expires),
    VARF(msg_register, root_keys, ROOT_KEYS_MAX *SIGN_PUBLIC_BYTES, SIGN_PUBLIC_BYTES),
    RNG(msg_register, root_threshold, 1, ROOT_KEYS_MAX),
    U64F(msg_register, head_age),
    LSTF(msg_register, nodes, REGISTER_NODES_MAX, register_node),
    LSTF(msg_register, epochs, REGISTER_EPOCHS_MAX, register_epoch),
    LSTF(msg_register, notices, REGISTER_NODES_MAX, register_notice),
    LSTF(msg_register, expected, REGISTER_NODES_MAX, register_expected),
};
static const struct field row_plan_fields[] = {
    RNG(row_plan, plan, 1, 3),  U64F(row_plan, start), U64F(row_plan, end),
    U32F(row_plan, birth_date), U64F(row_plan, saved), U64F(row_plan, import_id),
};
static const struct field row_child_fields[] = {
    TXTF(row_child, nhs_number),
    U32F(row_child, birth_date),
    TXTF(row_child, given),
    TXTF(row_child, family),
    TXTF(row_child, local_id),
    RNG(row_child, visibility, 1, 2),
    LSTF(row_child, plans, PLANS_PER_CHILD_MAX, row_plan),
    FIXF(row_child, transfer_to),
    U64F(row_child, transfer_since),
    U32F(row_child, keep_until),
};
static const struct field row_child_before_fields[] = {
    U64F(row_child_before, import_id),
    VARF(row_child_before, child, CHILD_ROW_BYTES_MAX, 1),
};
static const struct field row_entry_fields[] = {
    U32F(row_entry, epoch),      FIXF(row_entry, token),       FIXF(row_entry, salt),
    TXTF(row_entry, nhs_number), FIXF(row_entry, request_key), FIXF(row_entry, answer_key),
    U64F(row_entry, added),      U64F(row_entry, removed),
};
static const struct field row_access_fields[] = {
    FIXF(row_access, rh),           FIXF(row_access, query_id),
    FIXF(row_access, rid),          VARF(row_access, lookup, 4096, 1),
    TXTF(row_access, nhs_number),   FIXF(row_access, token),
    U64F(row_access, received),     RNG(row_access, state, ACCESS_AWAITING, ACCESS_COMPLETE),
    BOOLF(row_access, late),        BOOLF(row_access, revoked),
    BOOLF(row_access, twin),        U64F(row_access, sequence),
    U64F(row_access, notification), SUBF(row_access, details, ask_details),
};
static const struct field row_elsewhere_fields[] = {
    TXTF(row_elsewhere, nhs_number),
    FIXF(row_elsewhere, authority_id),
    U64F(row_elsewhere, since),
    U64F(row_elsewhere, heard),
};
static const struct field row_tell_fields[] = {U32F(row_tell, epoch), U64F(row_tell, since)};
static const struct field row_change_fields[] = {
    U64F(row_change, at),
    RNG(row_change, state, NOTIFICATION_NEW, NOTIFICATION_ACTIONED),
    TXTF(row_change, by),
};
static const struct field row_notification_fields[] = {
    U64F(row_notification, id),
    FIXF(row_notification, rh),
    TXTF(row_notification, nhs_number),
    TXTF(row_notification, local_id),
    U64F(row_notification, at),
    U64F(row_notification, received),
    TXTF(row_notification, asker_code),
    TXTF(row_notification, asker_name),
    BOOLF(row_notification, complete),
    RNG(row_notification, state, NOTIFICATION_NEW, NOTIFICATION_ACTIONED),
    U64F(row_notification, state_since),
    SUBF(row_notification, details, ask_details),
    RNG(row_notification, kind, NOTIFICATION_ACCESS, NOTIFICATION_TEST),
    U64F(row_notification, opened),
    U64F(row_notification, escalated),
    U64F(row_notification, import_id),
    U64F(row_notification, completion),
    VARF(row_notification, looks, PATTERN_LOOKS_MAX * 8, 8),
    LSTF(row_notification, changes, NOTIFICATION_CHANGES_MAX, row_change),
};
static const struct field row_history_fields[] = {
    FIXF(row_history, rh),
    U64F(row_history, pattern),
};
static const struct field row_log_entry_fields[] = {
    U64F(row_log_entry, time),
    RNG(row_log_entry, event, 1, LOG_EVENT_END - 1),
    FIXF(row_log_entry, about),
    U64F(row_log_entry, value),
};
static const struct field row_copy_fields[] = {
    FIXF(row_copy, rh),
    FIXF(row_copy, authority_id),
    U64F(row_copy, stored),
    U64F(row_copy, recorded),
    U64F(row_copy, completed),
    VARF(row_copy, lookup, 4096, 1),
    VARF(row_copy, details, 4096, 1),
    VARF(row_copy, ack, 4096, 1),
};
static const struct field row_held_fields[] = {
    SUBF(row_held, head, signed_message),
    VARF(row_held, twins, HEAD_PREV_MAX *CPIS_HASH_BYTES, CPIS_HASH_BYTES),
    VARF(row_held, peaks, HELD_PEAKS_MAX *HELD_PEAK_BYTES, HELD_PEAK_BYTES),
};
static const struct field row_quota_fields[] = {
    U64F(row_quota, evaluations),
    U64F(row_quota, lookups),
};
static const struct field row_asked_fields[] = {
    U64F(row_asked, lookups),
    BOOLF(row_asked, alarmed),
};
static const struct field row_share_fields[] = {
    U32F(row_share, epoch),
    RNG(row_share, index, 1, THRESHOLD_HOLDERS_MAX),
    FIXF(row_share, scalar),
    VARF(row_share, commitments, COMMIT_BYTES_MAX, OPRF_ELEMENT_BYTES),
};
static const struct field row_ceremony_fields[] = {
    U32F(row_ceremony, part),
    VARF(row_ceremony, payload, 65536, 1),
};
static const struct field row_evaluation_fields[] = {
    RNG(row_evaluation, index, 1, THRESHOLD_HOLDERS_MAX),
    FIXF(row_evaluation, element),
    FIXF(row_evaluation, proof),
};
static const struct field row_neighbour_fields[] = {
    RNG(row_neighbour, place, 0, EVIDENCE_TOGETHER_MAX - 1),
    FIXF(row_neighbour, blinded),
    VARF(row_neighbour, evaluated, THRESHOLD_HOLDERS_MAX *OPRF_ELEMENT_BYTES, OPRF_ELEMENT_BYTES),
};
static const struct field row_floor_fields[] = {
    FIXF(row_floor, authority_id),
    U64F(row_floor, version),
    U64F(row_floor, since),
};
static const struct field row_outbox_authority_fields[] = {
    FIXF(row_outbox_authority, authority_id),
    U64F(row_outbox_authority, head_version),
    RNG(row_outbox_authority, state, 1, 3),
    VARF(row_outbox_authority, details, 4096, 1),
};
static const struct field row_outbox_fields[] = {
    FIXF(row_outbox, rid),
    TXTF(row_outbox, nhs_number),
    FIXF(row_outbox, rh),
    VARF(row_outbox, lookup, 4096, 1),
    FIXF(row_outbox, ephemeral_secret),
    FIXF(row_outbox, token),
    FIXF(row_outbox, request_key),
    FIXF(row_outbox, answer_key),
    U64F(row_outbox, made),
    U32F(row_outbox, state),
    SUBF(row_outbox, details, ask_details),
    LSTF(row_outbox, authorities, OUTBOX_AUTHORITIES_MAX, row_outbox_authority),
};
static const struct field row_state_fields[] = {
    FIXF(row_state, whole),
    VARF(row_state, places, 2 * HEADS_MAX, 2),
    VARF(row_state, hashes, HEADS_MAX *CPIS_HASH_BYTES, CPIS_HASH_BYTES),
};
static const struct field row_statement_fields[] = {
    SUBF(row_statement, statement, signed_message),
    VARF(row_statement, heads, HEADS_MAX *CPIS_HASH_BYTES, CPIS_HASH_BYTES),
};
static const struct field row_answer_fields[] = {SUBF(row_answer, answer, signed_message)};
static const struct field row_search_fields[] = {
    FIXF(row_search, rid),
    FIXF(row_search, blind),
    FIXF(row_search, ephemeral_secret),
    VARF(row_search, lookup, 4096, 1),
    LSTF(row_search, evaluations, THRESHOLD_HOLDERS_MAX, row_evaluation),
    LSTF(row_search, statements, EVIDENCE_STATEMENTS_MAX, row_statement),
    LSTF(row_search, answers, OUTBOX_AUTHORITIES_MAX, row_answer),
    LSTF(row_search, neighbours, EVIDENCE_TOGETHER_MAX - 1, row_neighbour),
};
static const struct field row_evidence_fields[] = {
    RNG(row_evidence, format, EVIDENCE_FORMAT_OLDEST, EVIDENCE_FORMAT),
    TXTF(row_evidence, nhs_number),
    FIXF(row_evidence, register_hash),
    U64F(row_evidence, register_version),
    U64F(row_evidence, judged),
    U32F(row_evidence, verdict),
    U64F(row_evidence, as_of),
    LSTF(row_evidence, searches, EVIDENCE_SEARCHES_MAX, row_search),
    LSTF(row_evidence, floors, REGISTER_NODES_MAX, row_floor),
    LSTF(row_evidence, heads, HEADS_MAX, signed_message),
    LSTF(row_evidence, register_times, THRESHOLD_HOLDERS_MAX, signed_message),
};
static const struct field row_import_fields[] = {
    U64F(row_import, id),
    FIXF(row_import, file_hash),
    U64F(row_import, started),
    U64F(row_import, applied_rows),
    U64F(row_import, rows),
    BOOLF(row_import, finished),
    BOOLF(row_import, snapshot),
    U64F(row_import, sequence),
    FIXF(row_import, sequence_hash),
    BOOLF(row_import, undone),
    FIXF(row_import, traced_hash),
    FIXF(row_import, sequence_traced_hash),
    U64F(row_import, cpr01),
    U64F(row_import, cpr02),
    U64F(row_import, cpr03),
    U64F(row_import, cpr04),
    U64F(row_import, cpr05),
    U64F(row_import, cpr07),
};

const struct shape_fields codec_shapes[SHAPE_COUNT] = {
#define CPIS_X(name, plain, generated)                                                             \
    [SHAPE_##name] = {name##_fields, sizeof name##_fields / sizeof name##_fields[0],               \
                      sizeof(struct plain)},
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
};

/* --- the same as cpis.proto says? --- */

static const ProtobufCMessageDescriptor *const descriptors[SHAPE_COUNT] = {
#define CPIS_X(name, plain, generated) [SHAPE_##name] = &cpis__##generated##__descriptor,
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
};

static bool field_matches(const struct field *f, const ProtobufCFieldDescriptor *d)
{
    static const struct {
        ProtobufCType type;
        size_t size; /* in the plain struct; 0: any */
    } as[] = {
        [U32] = {PROTOBUF_C_TYPE_FIXED32, 4},
        [U64] = {PROTOBUF_C_TYPE_FIXED64, 8},
        [BOOL] = {PROTOBUF_C_TYPE_BOOL, sizeof(bool)},
        [FIX] = {PROTOBUF_C_TYPE_BYTES, 0},
        [VAR] = {PROTOBUF_C_TYPE_BYTES, 0},
        [TXT] = {PROTOBUF_C_TYPE_STRING, 0},
        [SUB] = {PROTOBUF_C_TYPE_MESSAGE, 0},
        [LST] = {PROTOBUF_C_TYPE_MESSAGE, 0},
    };
    const ProtobufCLabel label =
        f->kind == LST ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_REQUIRED;
    const bool nests = f->kind == SUB || f->kind == LST;
    return strcmp(f->name, d->name) == 0 && as[f->kind].type == d->type && label == d->label &&
           (as[f->kind].size == 0 || as[f->kind].size == f->size) &&
           (!nests || descriptors[f->shape] == d->descriptor);
}

bool codec_tables_match(const char **ret_message, const char **ret_field)
{
    for (size_t s = 0; s < SHAPE_COUNT; s++) {
        const ProtobufCMessageDescriptor *d = descriptors[s];
        *ret_message = d->name;
        *ret_field = "(count of fields)";
        if (d->n_fields != codec_shapes[s].count) return false;
        for (size_t i = 0; i < d->n_fields; i++) {
            *ret_field = d->fields[i].name;
            if (d->fields[i].id != i + 1) return false; /* the order is that of the numbers */
            if (!field_matches(&codec_shapes[s].fields[i], &d->fields[i])) return false;
        }
    }
    return true;
}
