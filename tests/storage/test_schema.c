/* What lies on disk and what crosses the wire, each as one figure: a change of either shows here,
 * before a node that was upgraded shows it. */
#include "crypto/hash.h"
#include "proto/fields.h"
#include "proto/table.h"
#include "storage/store.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define CPIS_X(name, plain, generated) #name,
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
};
static const char *const tables[] = {
#define CPIS_X(name, text, hidden) text "/" #hidden,
    CPIS_TABLES(CPIS_X)
#undef CPIS_X
};

static bool is_row(size_t shape) { return strncmp(names[shape], "row_", 4) == 0; }

/* All that decides which bytes a field has. A frame's kinds alone may become more (README.md of
 * proto/, "Versions"). */
static void print_shape(FILE *f, size_t shape)
{
    const struct shape_fields *s = &codec_shapes[shape];
    (void)fprintf(f, "%s:", names[shape]);
    for (size_t i = 0; i < s->count; i++) {
        const struct field *x = &s->fields[i];
        const bool sized = x->kind != U32 && x->kind != U64 && x->kind != BOOL && x->kind != SUB;
        (void)fprintf(f, "%d %zu %zu %" PRIu64 " %" PRIu64 " %s;", (int)x->kind,
                      sized ? x->size : 0, x->multiple, x->lo,
                      shape == SHAPE_frame && i == 0 ? 0 : x->hi,
                      x->kind == SUB || x->kind == LST ? names[x->shape] : "");
    }
}

static uint64_t figure_of(bool rows)
{
    char *text = NULL;
    size_t len = 0;
    uint64_t figure;
    FILE *f = open_memstream(&text, &len);
    cr_assert_not_null(f);
    for (size_t i = 0; i < SHAPE_COUNT; i++)
        if (is_row(i) == rows) print_shape(f, i);
    for (size_t i = 0; rows && i < sizeof tables / sizeof *tables; i++)
        (void)fprintf(f, "%s;", tables[i]);
    cr_assert_eq(fclose(f), 0);
    const struct cpis_hash h = hash_of(text, len);
    memcpy(&figure, h.b, sizeof figure);
    free(text);
    return figure;
}

Test(schema, rows_are_those_of_the_schema_that_stands_in_store_h)
{
    static const uint64_t rows_of_schema_3 = UINT64_C(0xbc33b57390835a1d);
    cr_assert_eq(STORE_SCHEMA, 3U,
                 "a new schema: read the one before it, then put its figure here");
    cr_assert_eq(figure_of(true), rows_of_schema_3,
                 "a row or a table has changed (0x%016" PRIx64 "): raise STORE_SCHEMA, have "
                 "storage/ read the schema before it, and put the figure here",
                 figure_of(true));
}

Test(schema, messages_are_those_of_version_1_of_the_wire)
{
    static const uint64_t wire_of_version_1 = UINT64_C(0x9e51d5863fac9ad0);
    cr_assert_eq(figure_of(false), wire_of_version_1,
                 "a message has changed (0x%016" PRIx64 "): nodes of another minor version refuse "
                 "it; add a frame kind instead (proto/README.md, \"Versions\"). If a new kind's "
                 "message is all that was added: put the figure here",
                 figure_of(false));
}
