/* Fuzz target: what people and files write. The first byte picks a reader; what it accepts reads
 * the same once it is written out. */
#include "proto/code.h"
#include "proto/date.h"
#include "proto/nhs_number.h"
#include "proto/telephone.h"
#include "proto/text.h"
#include "proto/visible.h"

#include <assert.h>
#include <string.h>

static void number(const char *s, size_t len)
{
    struct nhs_number n, again;
    char shown[NHS_NUMBER_SHOWN_BYTES];
    cpis_err err = nhs_number_parse(s, len, &n);
    assert((err == CPIS_OK) == (nhs_number_fault(s, len) == NHS_NUMBER_OK));
    if (err != CPIS_OK) return;
    nhs_number_format(&n, shown);
    assert(nhs_number_parse(shown, strlen(shown), &again) == CPIS_OK);
    assert(nhs_number_compare(&n, &again) == 0);
}

static void day(const char *s, size_t len)
{
    struct date d;
    char shown[DATE_BYTES];
    if (date_parse(s, len, &d) != CPIS_OK) return;
    assert(date_is_valid(d));
    date_format(d, shown);
    assert(strlen(shown) == len && memcmp(shown, s, len) == 0);
    assert(date_compare(date_from_days(date_days(d)), d) == 0);
    const struct plan_dates plan = {.type = PLAN_CPP, .start = d, .has_end = true, .end = d};
    cpis_ms until = plan_visible_until(&plan, d);
    assert(!plan_visible_at(&plan, d, until));
}

static void minute(const char *s, size_t len)
{
    struct date_time t;
    char shown[DATE_TIME_BYTES];
    if (date_time_parse(s, len, &t) != CPIS_OK) return;
    date_time_format(t, shown);
    assert(strlen(shown) == len && memcmp(shown, s, len) == 0);
    (void)london_to_utc(t.date, t.hour, t.minute);
}

static void wall(const char *s, size_t len)
{
    cpis_ms w = 0;
    char utc[WALL_UTC_BYTES], london[WALL_LONDON_BYTES];
    memcpy(&w, s, len < sizeof w ? len : sizeof w);
    wall_format_utc(w, utc);
    wall_format_london(w, london);
    assert(strlen(utc) == WALL_UTC_BYTES - 1);
    assert(strlen(london) < WALL_LONDON_BYTES);
}

static void telephone(const char *s, size_t len)
{
    struct telephone t, again;
    if (telephone_parse(s, len, &t) != CPIS_OK) return;
    assert(telephone_parse(t.text, strlen(t.text), &again) == CPIS_OK);
    assert(memcmp(&t, &again, sizeof t) == 0);
}

static void codes(const char *s, size_t len)
{
    struct ods_code c, again;
    enum plan_type type;
    enum visibility v;
    if (ods_code_parse(s, len, &c) == CPIS_OK) {
        assert(ods_code_parse(c.text, strlen(c.text), &again) == CPIS_OK);
        assert(ods_code_compare(&c, &again) == 0);
    }
    if (plan_type_parse(s, len, &type) == CPIS_OK) assert(strlen(plan_type_name(type)) == len);
    if (visibility_parse(s, len, &v) == CPIS_OK && len > 0)
        assert(strlen(visibility_name(v)) == len);
}

/* What is good is good in two halves cut between characters, and a bad half spoils the whole. */
static void text(const char *s, size_t len)
{
    size_t cut = len / 2;
    while (cut < len && ((uint8_t)s[cut] & 0xC0U) == 0x80U)
        cut++;
    bool whole = text_check_utf8(s, len) == CPIS_OK;
    bool halves =
        text_check_utf8(s, cut) == CPIS_OK && text_check_utf8(s + cut, len - cut) == CPIS_OK;
    assert(whole == halves);
    for (size_t i = 0; whole && i < len; i++)
        assert((uint8_t)s[i] >= 0x20 && s[i] != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const char *, size_t) = {number,    day,   minute, wall,
                                                            telephone, codes, text};
    if (size == 0) return 0;
    readers[data[0] % (sizeof readers / sizeof *readers)]((const char *)data + 1, size - 1);
    return 0;
}
