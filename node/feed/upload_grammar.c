#include "node/feed/upload_impl.h"

#define CHILDREN(list) .children = (list), .count = sizeof(list) / sizeof *(list)
#define ONE            .min = 1, .max = 1
#define MAYBE          .max = 1

#define DATE(list, named, act_name, may_nil)                                                       \
    static const struct upload_element list##_value[] = {                                          \
        {.name = "value", ONE, .act = (act_name), .lacks = FEED_DATE_EMPTY}};                      \
    static const struct upload_element list[] = {                                                  \
        {.name = (named), ONE, .nil = (may_nil), CHILDREN(list##_value)}}
#define PLAN(list, prefix, may_nil, end_min)                                                       \
    DATE(list##_start, prefix "StartDate", ACT_START, false);                                      \
    DATE(list##_end, prefix "EndDate", ACT_END, may_nil);                                          \
    DATE(list##_delete, prefix "DeleteDate", ACT_DELETED, may_nil);                                \
    static const struct upload_element list[] = {                                                  \
        {.name = "component", ONE, .lacks = FEED_DATE_EMPTY, CHILDREN(list##_start)},              \
        {.name = "component1",                                                                     \
         .slot = 1,                                                                                \
         .min = (end_min),                                                                         \
         .max = 1,                                                                                 \
         .nil = (may_nil),                                                                         \
         .lacks = FEED_UNBORN_END,                                                                 \
         CHILDREN(list##_end)},                                                                    \
        {.name = "component2", .slot = 2, MAYBE, .nil = (may_nil), CHILDREN(list##_delete)}}
PLAN(cpp, "cPP", true, 0);
PLAN(lac, "lAC", true, 0);
PLAN(ucpp, "uCP", false, 1);

/* contentId names the element beside it with # for the dot */
#define CONTENT_ID                                                                                 \
    {                                                                                              \
        .name = "contentId", ONE, .local = true, .act = ACT_CONTENT_ID                             \
    }
static const struct upload_element information[] = {
    CONTENT_ID,
    {.name = "COCT_TP146101GB01.CPPInformation", .slot = 1, ONE, .act = ACT_CPP, CHILDREN(cpp)},
    {.name = "COCT_TP146100GB01.LACInformation", .slot = 1, ONE, .act = ACT_LAC, CHILDREN(lac)},
    {.name = "COCT_TP146102GB01.UCPInformation", .slot = 1, ONE, .act = ACT_UCPP, CHILDREN(ucpp)},
};
static const struct upload_element name_parts[] = {
    {.name = "given", ONE, .act = ACT_GIVEN},
    {.name = "family", .slot = 1, ONE, .act = ACT_FAMILY},
};
static const struct upload_element ids[] = {
    {.name = "id", .min = 1, .max = UPLOAD_IDS_MAX, .act = ACT_ID, .lacks = FEED_NUMBER_EMPTY}};
#define BIRTH_AND_NAME                                                                             \
    {.name = "birthTime", ONE, .act = ACT_BIRTH, .lacks = FEED_DATE_EMPTY},                        \
    {                                                                                              \
        .name = "name", .slot = 1, ONE, .mixed = true, CHILDREN(name_parts)                        \
    }
static const struct upload_element child_person[] = {BIRTH_AND_NAME};
static const struct upload_element child[] = {
    {.name = "id", .min = 1, .max = UPLOAD_IDS_MAX, .act = ACT_ID, .lacks = FEED_NUMBER_EMPTY},
    {.name = "childPerson", .slot = 1, ONE, CHILDREN(child_person)},
};
static const struct upload_element mother[] = {
    BIRTH_AND_NAME, {.name = "playedMother", .slot = 2, ONE, CHILDREN(ids)}};
static const struct upload_element unborn[] = {
    {.name = "parentMotherPerson", ONE, CHILDREN(mother)}};
static const struct upload_element subject[] = {
    CONTENT_ID,
    {.name = "COCT_TP145101GB01.Child", .slot = 1, ONE, .act = ACT_CHILD, CHILDREN(child)},
    {.name = "COCT_TP145100GB01.UnbornChild", .slot = 1, ONE, .act = ACT_UNBORN, CHILDREN(unborn)},
};
static const struct upload_element cpis_record[] = {
    {.name = "pertinentInformation", .min = 1, .max = FEED_ROWS_MAX, CHILDREN(information)},
    {.name = "subject", .slot = 1, .min = 1, .max = UPLOAD_SUBJECTS_MAX, CHILDREN(subject)},
};
static const struct upload_element record[] = {{.name = "CP-ISRecord", ONE, CHILDREN(cpis_record)}};
static const struct upload_element organisation[] = {
    {.name = "id", ONE, .act = ACT_ORGANISATION_ID},
    {.name = "name", .slot = 1, ONE, .act = ACT_ORGANISATION_NAME},
    {.name = "telecom", .slot = 2, .max = 2, .act = ACT_TELEPHONE}, /* none: CPF04, see there */
};
static const struct upload_element sender[] = {
    {.name = "organisation", ONE, .act = ACT_ORGANISATION, CHILDREN(organisation)}};
static const struct upload_element file_parts[] = {
    {.name = "creationTime", ONE, .act = ACT_CREATED},
    {.name = "id", .slot = 1, ONE, .act = ACT_SEQUENCE},
    {.name = "transmissionQuantity", .slot = 2, ONE, .act = ACT_QUANTITY},
    {.name = "communicationFunctionSnd", .slot = 3, ONE, CHILDREN(sender)},
    {.name = "record", .slot = 4, .min = 1, .act = ACT_RECORD, CHILDREN(record)},
};
static const struct upload_element root = {.name = "File", ONE, CHILDREN(file_parts)};
const struct upload_element upload_document = {.children = &root, .count = 1};
