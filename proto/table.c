#include "proto/table.h"

static const struct {
    const char *name;
    size_t hidden;
} tables[TABLE_COUNT] = {
#define CPIS_X(name, text, hidden) [name] = {text, hidden},
    CPIS_TABLES(CPIS_X)
#undef CPIS_X
};

const char *table_name(enum table t) { return (unsigned)t < TABLE_COUNT ? tables[t].name : ""; }

size_t table_hidden(enum table t) { return (unsigned)t < TABLE_COUNT ? tables[t].hidden : 0; }

bool table_is_secret_of_holder(enum table t) { return t == TABLE_SHARE || t == TABLE_CEREMONY; }
