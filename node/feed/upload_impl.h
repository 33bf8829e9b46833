/* node/feed/upload_impl.h - what the parts of the upload's reader share:
 *
 *   upload_grammar.c  what may stand where: one table
 *   upload_values.c   what elements say: header, plans, subjects; records made of them
 *   upload.c          the grammar at work on what expat tells, the parser's memory, the file
 *
 * Inside node/feed. */
#ifndef CPIS_NODE_FEED_UPLOAD_IMPL_H
#define CPIS_NODE_FEED_UPLOAD_IMPL_H
#include "node/feed/blocks.h"
#include "node/feed/hl7.h"
#include "node/feed/upload.h"

#include <expat.h>

#define UPLOAD_LEVELS_MAX 10U
#define UPLOAD_TEXT_BYTES (ORGANISATION_BYTES_MAX + 1U)

/* what an element does, by its attributes or text */
enum upload_act {
    ACT_NONE,
    ACT_CREATED,
    ACT_SEQUENCE,
    ACT_QUANTITY,
    ACT_ORGANISATION,
    ACT_ORGANISATION_ID,
    ACT_ORGANISATION_NAME,
    ACT_TELEPHONE,
    ACT_RECORD,
    ACT_CONTENT_ID,
    ACT_CPP, /* a plan's template, as the next two */
    ACT_LAC,
    ACT_UCPP,
    ACT_START,
    ACT_END,
    ACT_DELETED,
    ACT_CHILD,
    ACT_UNBORN,
    ACT_ID,
    ACT_BIRTH,
    ACT_GIVEN,
    ACT_FAMILY
};
/* Elements of one slot stand for each other. A content model is its slots in their order, each with
 * so many elements. */
struct upload_element {
    const char *name;
    uint8_t slot, min, max; /* max 0: any number */
    bool local;             /* of the localisation's namespace */
    bool nil;               /* may be xsi:nil */
    bool mixed;             /* text in it says nothing */
    enum upload_act act;
    enum feed_fault lacks; /* when it is missing inside a record; GOOD: FEED_LACKS */
    const struct upload_element *children;
    size_t count;
};
/* Stands for the document: its only child is the root. */
extern const struct upload_element upload_document;

struct upload_level {
    const struct upload_element *element;
    uint8_t slot;   /* where its content stands */
    uint32_t count; /* of that slot */
    uint32_t index; /* among its like, from 1 */
    bool nil;
};
struct upload_reader {
    XML_Parser parser;
    struct date today;
    feed_record_fn fn;
    void *arg;
    struct feed_file *file;
    bool stopped;
    struct upload_level levels[UPLOAD_LEVELS_MAX];
    size_t levels_count;
    size_t depth;  /* of all open elements */
    size_t passed; /* of them, in something that is passed over */
    uint64_t quantity;
    bool emergency;
    /* text under way */
    char text[UPLOAD_TEXT_BYTES];
    size_t text_len; /* goes on counting past its end */
    /* the record under way */
    bool in_record, pass; /* pass: its grammar is broken, so the rest is not looked at */
    bool echo;
    char content[64]; /* of the last contentId */
    struct upload_record raw;
    struct {
        struct nhs_number number;
        struct date birth;
        const char *local_id;
        bool number_known;
    } subjects[UPLOAD_SUBJECTS_MAX];
    struct date_time start;
    struct feed_record record;
    struct blocks blocks;
};

/* A fault of the file ends the reading; one of a record is kept, and the record goes on being read
 * for its echo. Only the first of each counts. `rest` follows the path of the open elements. */
void upload_file_fault(struct upload_reader *r, enum feed_file_fault f, const char *rest);
void upload_fault(struct upload_reader *r, enum feed_fault f, const char *rest);
/* What breaks the grammar: a fault of whichever of them is being read. The rest of a record is then
 * passed over. */
void upload_broken(struct upload_reader *r, enum feed_fault in_record,
                   enum feed_file_fault in_header, const char *rest);

uint32_t upload_line(const struct upload_reader *r); /* where the parser is, from 1 */
void upload_record_begin(struct upload_reader *r);
void upload_record_end(struct upload_reader *r);
static inline bool upload_is_space(char c) /* XML's */
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool upload_is_text(enum upload_act a); /* is what stands in it its value? */
const char *upload_attribute(const XML_Char **list, const char *name); /* or NULL */
/* What the innermost open element says: by its attributes; by its text and all that stood in it. */
void upload_act_at_start(struct upload_reader *r, const XML_Char **list);
void upload_act_at_end(struct upload_reader *r);
#endif
