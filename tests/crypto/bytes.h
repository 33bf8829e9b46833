/* tests/crypto/bytes.h - small helpers of the tests of crypto/: bytes from hex or from a number,
 * and one flipped bit. */
#ifndef CPIS_TESTS_CRYPTO_BYTES_H
#define CPIS_TESTS_CRYPTO_BYTES_H
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

static inline void from_hex(const char *hex, void *ret, size_t len)
{
    size_t got = 0;
    cr_assert_eq(sodium_hex2bin(ret, len, hex, strlen(hex), NULL, &got, NULL), 0);
    cr_assert_eq(got, len);
}

static inline void assert_hex(const void *p, size_t len, const char *hex)
{
    char got[513];
    cr_assert_lt(2 * len, sizeof got);
    cr_assert_str_eq(sodium_bin2hex(got, sizeof got, p, len), hex);
}

/* The same bytes for the same number, other bytes for another. */
static inline void fill_from(uint32_t number, void *ret, size_t len)
{
    uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                           (uint8_t)(number >> 8), (uint8_t)number};
    randombytes_buf_deterministic(ret, len, seed);
}

static inline void flip(void *p, size_t bit)
{
    ((uint8_t *)p)[bit / 8] ^= (uint8_t)(1U << bit % 8);
}
#endif
