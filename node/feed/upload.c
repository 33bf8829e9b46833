#include "node/feed/upload_impl.h"

#include <assert.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SEPARATOR '\n' /* between namespace and name: in neither */
#define NIL       "http://www.w3.org/2001/XMLSchema-instance\nnil"

/* --- faults --- */

/* The XPath of the open elements, and what follows them. */
static void where_is(const struct upload_reader *r, const char *rest,
                     char ret[static FEED_WHERE_BYTES])
{
    size_t at = 0;
    for (size_t i = 0; i < r->levels_count; i++) {
        const struct upload_level *f = &r->levels[i];
        int n =
            f->element->max == 1
                ? snprintf(ret + at, FEED_WHERE_BYTES - at, "/%s", f->element->name)
                : snprintf(ret + at, FEED_WHERE_BYTES - at, "/%s[%u]", f->element->name, f->index);
        at += (size_t)n;
        assert(at < FEED_WHERE_BYTES); /* names and indices are ours */
    }
    (void)snprintf(ret + at, FEED_WHERE_BYTES - at, "%s", rest);
}

uint32_t upload_line(const struct upload_reader *r)
{
    return (uint32_t)XML_GetCurrentLineNumber(r->parser);
}

void upload_file_fault(struct upload_reader *r, enum feed_file_fault f, const char *rest)
{
    if (r->file->fault != FEED_FILE_GOOD) return;
    r->file->fault = f;
    r->file->line = upload_line(r);
    where_is(r, rest, r->file->where);
    (void)XML_StopParser(r->parser, XML_FALSE);
}

/* What a value says is wrong: the record goes on being read, for its echo. */
void upload_fault(struct upload_reader *r, enum feed_fault f, const char *rest)
{
    if (r->record.fault != FEED_GOOD) return;
    r->record.fault = f;
    r->record.line = upload_line(r);
    where_is(r, rest, r->record.where);
}

/* What breaks the grammar. */
void upload_broken(struct upload_reader *r, enum feed_fault in_record,
                   enum feed_file_fault in_header, const char *rest)
{
    if (!r->in_record) {
        upload_file_fault(r, in_header, rest);
        return;
    }
    upload_fault(r, in_record, rest);
    r->echo = false;
    r->pass = true;
}

/* --- the grammar at work --- */

static const struct upload_element *child_named(const struct upload_element *e,
                                                const XML_Char *name)
{
    const char *cut = strchr(name, SEPARATOR);
    if (cut == NULL) return NULL;
    size_t space = (size_t)(cut - name);
    for (size_t i = 0; i < e->count; i++) {
        const struct upload_element *c = &e->children[i];
        const char *expected = c->local ? HL7_LOCALISATION : HL7_NAMESPACE;
        if (strcmp(cut + 1, c->name) == 0 && strlen(expected) == space &&
            memcmp(expected, name, space) == 0)
            return c;
    }
    return NULL;
}

/* Is all there that must stand in slots [f->slot, end)? Else that was told. */
static bool slots_full(struct upload_reader *r, struct upload_level *f, unsigned end)
{
    for (size_t i = 0; i < f->element->count; i++) {
        const struct upload_element *c = &f->element->children[i];
        uint32_t have = c->slot == f->slot ? f->count : 0;
        if (c->slot < f->slot || c->slot >= end || have >= c->min) continue;
        char rest[64] = "";
        bool choice = i + 1 < f->element->count && f->element->children[i + 1].slot == c->slot;
        if (!choice) (void)snprintf(rest, sizeof rest, "/%s", c->name);
        upload_broken(r, c->lacks == FEED_GOOD ? FEED_LACKS : c->lacks, FEED_FILE_LACKS, rest);
        return false;
    }
    return true;
}

static bool take_nil(struct upload_reader *r, struct upload_level *f, const XML_Char **list)
{
    const char *nil = upload_attribute(list, NIL);
    f->nil = nil != NULL && (strcmp(nil, "true") == 0 || strcmp(nil, "1") == 0);
    if (!f->nil || f->element->nil) return true;
    upload_broken(r, FEED_STRUCTURE, FEED_FILE_STRUCTURE, "/@xsi:nil");
    return false;
}

static void open_element(struct upload_reader *r, const struct upload_element *e, uint32_t index,
                         const XML_Char **list)
{
    assert(r->levels_count < UPLOAD_LEVELS_MAX); /* by the grammar */
    struct upload_level *f = &r->levels[r->levels_count++];
    *f = (struct upload_level){.element = e, .index = index};
    if (e->act == ACT_RECORD) upload_record_begin(r);
    if (take_nil(r, f, list) && !f->nil) upload_act_at_start(r, list);
}

static bool going_on(const struct upload_reader *r)
{
    return r->file->fault == FEED_FILE_GOOD && !r->stopped;
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **list)
{
    struct upload_reader *r = arg;
    if (!going_on(r)) return;
    if (++r->depth > UPLOAD_DEPTH_MAX) {
        upload_file_fault(r, FEED_FILE_HEAVY, "");
        return;
    }
    if (r->pass) {
        r->passed++;
        return;
    }
    if (r->levels_count == 0) {
        const struct upload_element *root = child_named(&upload_document, name);
        if (root != NULL)
            open_element(r, root, 1, list);
        else
            upload_file_fault(r, FEED_FILE_ROOT, "");
        return;
    }
    struct upload_level *f = &r->levels[r->levels_count - 1];
    const struct upload_element *e = f->nil ? NULL : child_named(f->element, name);
    if (e == NULL || e->slot < f->slot ||
        (e->slot == f->slot && e->max > 0 && f->count >= e->max)) {
        upload_broken(r, FEED_STRUCTURE, FEED_FILE_STRUCTURE, "/*");
        r->passed++;
        return;
    }
    if (!slots_full(r, f, e->slot)) {
        r->passed++;
        return;
    }
    if (e->slot > f->slot) f->count = 0;
    f->slot = e->slot;
    f->count++;
    open_element(r, e, f->count, list);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct upload_reader *r = arg;
    (void)name;
    if (!going_on(r)) return;
    r->depth--;
    if (r->passed > 0) {
        r->passed--;
        return;
    }
    struct upload_level *f = &r->levels[r->levels_count - 1];
    const struct upload_element *e = f->element;
    if (!r->pass && !f->nil && slots_full(r, f, UINT8_MAX)) upload_act_at_end(r);
    if (e->act == ACT_RECORD) upload_record_end(r);
    if (r->levels_count == 1 && r->quantity != r->file->read)
        upload_file_fault(r, FEED_FILE_QUANTITY, "/transmissionQuantity");
    r->levels_count--;
}

static void on_text(void *arg, const XML_Char *text, int len)
{
    struct upload_reader *r = arg;
    if (!going_on(r) || r->pass || r->levels_count == 0) return;
    const struct upload_level *f = &r->levels[r->levels_count - 1];
    for (int i = 0; i < len; i++) {
        bool space = upload_is_space(text[i]);
        if (upload_is_text(f->element->act)) {
            if (space && r->text_len == 0) continue;
            if (r->text_len < sizeof r->text) r->text[r->text_len] = text[i];
            r->text_len++;
        } else if (!space && !f->element->mixed) {
            upload_broken(r, FEED_STRUCTURE, FEED_FILE_STRUCTURE, "/text()");
            return;
        }
    }
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    upload_file_fault(arg, FEED_FILE_DOCTYPE, "");
}

static void on_declaration(void *arg, const XML_Char *version, const XML_Char *encoding,
                           int standalone)
{
    (void)version;
    (void)standalone;
    if (encoding != NULL && strcasecmp(encoding, "UTF-8") != 0)
        upload_file_fault(arg, FEED_FILE_NOT_UTF8, "");
}

/* --- memory --- */

/* All that expat holds for one file: counted, so that no file makes it hold more, and wiped. A
 * memory suite is given no context; a file is read within one call, so within one thread. */
static _Thread_local size_t parser_bytes;
static _Thread_local bool parser_refused, parser_starved; /* by us; by the machine */
union memory_head {
    size_t size;
    max_align_t align;
};

static void parser_free(void *p)
{
    if (p == NULL) return;
    union memory_head *h = (union memory_head *)p - 1;
    parser_bytes -= h->size;
    sodium_memzero(p, h->size);
    free(h);
}

static void *parser_malloc(size_t size)
{
    if (size > UPLOAD_PARSER_BYTES_MAX - parser_bytes) {
        parser_refused = true;
        return NULL;
    }
    union memory_head *h = malloc(sizeof *h + size);
    parser_starved = parser_starved || h == NULL;
    if (h == NULL) return NULL;
    h->size = size;
    parser_bytes += size;
    return h + 1;
}

static void *parser_realloc(void *p, size_t size)
{
    void *q = parser_malloc(size);
    if (p == NULL || q == NULL) return q;
    size_t old = ((union memory_head *)p - 1)->size;
    memcpy(q, p, old < size ? old : size);
    parser_free(p);
    return q;
}

/* --- the file --- */

static bool parser_start(struct upload_reader *r)
{
    static const XML_Memory_Handling_Suite memory = {parser_malloc, parser_realloc, parser_free};
    static const XML_Char separator[] = {SEPARATOR, '\0'};
    r->parser = XML_ParserCreate_MM("UTF-8", &memory, separator);
    if (r->parser == NULL) return false;
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    XML_SetXmlDeclHandler(r->parser, on_declaration);
    return true;
}

/* false: out of memory that is not the file's doing. Expat does not always call a refused
 * allocation by its name: so it is not asked. */
static bool parse(struct upload_reader *r, size_t len, bool last)
{
    if (XML_Parse(r->parser, (const char *)r->blocks.bytes, (int)len, last) != XML_STATUS_ERROR ||
        !going_on(r))
        return true;
    if (parser_starved) return false;
    upload_file_fault(r, parser_refused ? FEED_FILE_HEAVY : FEED_FILE_XML, "");
    return true;
}

static cpis_err read_all(struct upload_reader *r)
{
    bool more = true;
    while (more && going_on(r)) {
        enum feed_file_fault f;
        size_t len;
        cpis_err err = blocks_next(&r->blocks, &len, &f);
        if (err != CPIS_OK) return err;
        more = len > 0;
        if (f == FEED_FILE_GOOD || len > 0) {
            if (!parse(r, len, !more)) return CPIS_E_NOMEM;
        }
        if (f != FEED_FILE_GOOD && going_on(r)) upload_file_fault(r, f, "");
    }
    return r->stopped ? CPIS_E_STATE : CPIS_OK;
}

static struct upload_reader *reader_new(int fd, struct feed_file *file)
{
    struct upload_reader *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    *file = (struct feed_file){.format = FEED_UPLOAD};
    r->file = file;
    parser_bytes = 0;
    parser_refused = parser_starved = false;
    blocks_init(&r->blocks, fd);
    if (parser_start(r)) return r;
    free(r);
    return NULL;
}

static void reader_free(struct upload_reader *r)
{
    XML_ParserFree(r->parser);
    r->file->hash = blocks_deinit(&r->blocks);
    sodium_memzero(r, sizeof *r);
    free(r);
}

cpis_err upload_file_read(int fd, struct date today, feed_record_fn fn, void *arg,
                          struct feed_file *ret)
{
    struct feed_file file;
    struct upload_reader *r = reader_new(fd, &file);
    if (r == NULL) return CPIS_E_NOMEM;
    r->today = today;
    r->fn = fn;
    r->arg = arg;
    cpis_err err = read_all(r);
    reader_free(r);
    if (err == CPIS_OK) *ret = file;
    return err;
}

static bool enough(void *arg, const struct feed_record *record)
{
    (void)arg;
    (void)record;
    return false;
}

uint64_t upload_sequence(int fd)
{
    struct feed_file file;
    enum feed_file_fault f;
    size_t len;
    if (lseek(fd, 0, SEEK_SET) != 0) return 0;
    struct upload_reader *r = reader_new(fd, &file);
    if (r == NULL) return 0;
    r->fn = enough;
    /* a header fits into one block; what is wrong with the file is told when it is read whole */
    if (blocks_next(&r->blocks, &len, &f) == CPIS_OK && len > 0) (void)parse(r, len, false);
    reader_free(r);
    return file.sequence;
}
