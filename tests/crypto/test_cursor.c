#include "crypto/cursor.h"
#include "tests/crypto/bytes.h"

#include <signal.h>

TestSuite(cursor);

Test(cursor, writes_big_endian_and_reads_it_back)
{
    uint8_t b[18];
    struct cursor c = cursor_write(b, sizeof b);
    cursor_put_u8(&c, 0x01);
    cursor_put_u16(&c, 0x0203);
    cursor_put_u32(&c, 0x04050607);
    cursor_put_u64(&c, 0x08090a0b0c0d0e0f);
    cursor_put(&c, "xyz", 3);
    cursor_put(&c, NULL, 0);
    cr_assert(cursor_done(&c));
    assert_hex(b, sizeof b, "0102030405060708090a0b0c0d0e0f78797a");
    char xyz[3];
    c = cursor_read(b, sizeof b);
    cr_assert_eq(cursor_get_u8(&c), 0x01);
    cr_assert_eq(cursor_get_u16(&c), 0x0203);
    cr_assert_eq(cursor_get_u32(&c), 0x04050607);
    cr_assert_eq(cursor_get_u64(&c), 0x08090a0b0c0d0e0f);
    cr_assert_eq(cursor_left(&c), 3);
    cr_assert_not(cursor_done(&c));
    cursor_get(&c, xyz, sizeof xyz);
    cr_assert_arr_eq(xyz, "xyz", 3);
    cr_assert(cursor_done(&c));
}

Test(cursor, reads_zeros_past_the_end_and_stays_bad)
{
    const uint8_t b[] = {1, 2, 3};
    struct cursor c = cursor_read(b, sizeof b);
    cr_assert_eq(cursor_get_u32(&c), 0);
    cr_assert(c.bad);
    cr_assert_eq(cursor_get_u8(&c), 0); /* though a byte would be there */
    uint8_t out[2] = {9, 9};
    cursor_get(&c, out, sizeof out);
    cr_assert(out[0] == 0 && out[1] == 0);
    cr_assert_eq(cursor_left(&c), 0);
    cr_assert_not(cursor_done(&c));
}

Test(cursor, writes_nothing_past_the_end_and_stays_bad)
{
    uint8_t b[4] = {9, 9, 9, 9};
    struct cursor c = cursor_write(b, 3);
    cursor_put_u32(&c, 0);
    cursor_put_u8(&c, 0);
    cursor_put(&c, "abc", 3);
    cr_assert(c.bad);
    cr_assert_not(cursor_done(&c));
    assert_hex(b, sizeof b, "09090909");
}

Test(cursor, refuses_a_length_that_would_wrap)
{
    uint8_t b[4] = {0}, out[1];
    struct cursor c = cursor_read(b, sizeof b);
    (void)cursor_get_u8(&c);
    cursor_get(&c, out, 0);
    cr_assert_not(c.bad);
    c = cursor_write(b, sizeof b);
    cursor_put_u8(&c, 1);
    cursor_put(&c, b, SIZE_MAX);
    cr_assert(c.bad);
}

Test(cursor, made_for_reading_is_never_written_through, .signal = SIGABRT)
{
    const uint8_t b[4] = {0};
    struct cursor c = cursor_read(b, sizeof b);
    cursor_put_u8(&c, 1);
}
