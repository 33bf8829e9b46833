/* Unit tests of node/http/password.h, with limits that cost little. */
#include "node/http/password.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

static const struct password_limits cheap = {.passes = 1, .mem = 8192},
                                    dearer = {.passes = 2, .mem = 16384};

static void begin(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(password, .init = begin);

Test(password, is_known_by_its_hash_and_no_other_is)
{
    char hash[PASSWORD_HASH_BYTES], again[PASSWORD_HASH_BYTES];
    cr_assert_eq(password_hash("correct horse battery", &cheap, hash), CPIS_OK);
    cr_assert_eq(password_hash("correct horse battery", &cheap, again), CPIS_OK);
    cr_expect_str_neq(hash, again, "each has a salt of its own");
    cr_expect_eq(password_check(hash, "correct horse battery"), CPIS_OK);
    cr_expect_eq(password_check(hash, "correct horse batterY"), CPIS_E_AUTH);
    cr_expect_eq(password_check(hash, "correct horse battery "), CPIS_E_AUTH);
    cr_expect_eq(password_check(hash, ""), CPIS_E_AUTH);
}

Test(password, is_argon2id_of_the_strength_that_the_default_says)
{
    char hash[PASSWORD_HASH_BYTES];
    cr_assert_eq(password_hash("correct horse battery", &password_limits_default, hash), CPIS_OK);
    cr_expect_eq(strncmp(hash, "$argon2id$v=19$m=65536,t=3,p=1$", 31), 0, "%s", hash);
}

Test(password, is_old_when_the_limits_have_changed)
{
    char hash[PASSWORD_HASH_BYTES];
    cr_assert_eq(password_hash("correct horse battery", &cheap, hash), CPIS_OK);
    cr_expect_not(password_is_old(hash, &cheap));
    cr_expect(password_is_old(hash, &dearer));
}

Test(password, can_be_anything_that_is_long_and_not_plainly_guessed)
{
    char large[PASSWORD_BYTES_MAX + 2];
    cr_expect_null(password_fault("correct horse battery", "nurse1", "N. Urse"));
    cr_expect_null(password_fault("lang gen\xc3\xbc"
                                  "gend ist es",
                                  "nurse1", "N. Urse"));
    cr_expect_not_null(password_fault("", "nurse1", "N. Urse"));
    cr_expect_not_null(password_fault("eleven char", "nurse1", "N. Urse"));
    cr_expect_null(password_fault("twelve chars", "nurse1", "N. Urse"));
    cr_expect_not_null(password_fault("abababababababab", "nurse1", "N. Urse"));
    cr_expect_not_null(password_fault("my NURSE1 password", "nurse1", "N. Urse"));
    cr_expect_not_null(password_fault("this is n. urse here", "nurse1", "N. Urse"));
    cr_expect_null(password_fault("abc are three letters", "abc", "N. Urse"), "too short to mean");
    cr_expect_not_null(password_fault("with a tab\tin the middle", "nurse1", "N. Urse"));
    cr_expect_not_null(password_fault("no utf-8 at all \xff", "nurse1", "N. Urse"));
    memset(large, 'x', sizeof large);
    memcpy(large, "abcdefg", 7);
    large[PASSWORD_BYTES_MAX + 1] = '\0';
    cr_expect_not_null(password_fault(large, "nurse1", "N. Urse"));
    large[PASSWORD_BYTES_MAX] = '\0';
    cr_expect_null(password_fault(large, "nurse1", "N. Urse"));
}

Test(password, made_ones_are_good_and_differ)
{
    char one[PASSWORD_MADE_BYTES], other[PASSWORD_MADE_BYTES];
    password_keygen(one);
    password_keygen(other);
    cr_expect_eq(strlen(one), PASSWORD_MADE_BYTES - 1);
    cr_expect_null(password_fault(one, "nurse1", "N. Urse"), "%s", one);
    cr_expect_str_neq(one, other);
}

/* What stands in a file could cost a check any memory and time. */
Test(password, hashes_from_a_file_are_checked_before_they_cost_anything)
{
    char hash[PASSWORD_HASH_BYTES], changed[2 * PASSWORD_HASH_BYTES];
    static const char *const wrong[] = {"",
                                        "$argon2id$",
                                        "plain",
                                        "$argon2i$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0c2E$aGFzaA",
                                        "$argon2id$v=19$m=65536,t=3,p=1$",
                                        "$argon2id$v=19$m=0,t=3,p=1$c2FsdHNhbHRz$aGFzaA"};
    cr_assert_eq(password_hash("correct horse battery", &cheap, hash), CPIS_OK);
    cr_expect(password_hash_is_valid(hash));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(password_hash_is_valid(wrong[i]), "%s", wrong[i]);
    const char *rest = strstr(hash, "$m=8,t=1,p=1$");
    cr_assert_not_null(rest);
    static const char *const costs[] = {"$m=1048577,t=1,p=1$", "$m=8,t=17,p=1$", "$m=8,t=0,p=1$",
                                        "$m=4294967295,t=1,p=1$", "$m=8,t=1,p=2$"};
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(rest - hash), hash, costs[i],
                       rest + strlen("$m=8,t=1,p=1$"));
        cr_expect_not(password_hash_is_valid(changed), "%s", changed);
    }
    for (size_t n = 0; n < strlen(hash) - 1; n++) { /* a shorter last part is another hash */
        (void)snprintf(changed, sizeof changed, "%.*s", (int)n, hash);
        cr_expect(!password_hash_is_valid(changed) ||
                      password_check(changed, "correct horse battery") == CPIS_E_AUTH,
                  "%s", changed);
    }
}
