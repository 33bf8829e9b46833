#include "node/feed/digest.h"

#include <criterion/criterion.h>
#include <string.h>

static char line[DIGEST_LINE_BYTES], mail[DIGEST_MAIL_BYTES];

static const char *line_of(struct digest g)
{
    digest_line(&g, line);
    return line;
}

Test(digest, a_line_says_how_many_and_for_how_long)
{
    const cpis_ms four = 4 * CPIS_MS_HOUR;
    cr_expect_str_eq(line_of((struct digest){.fresh = 3,
                                             .oldest = 134 * CPIS_MS_MINUTE + 59999,
                                             .overdue = 1,
                                             .escalate_after = four}),
                     "3 new, oldest 02:14; 1 unopened for over 4 h");
    cr_expect_str_eq(line_of((struct digest){.fresh = 1, .escalate_after = four}),
                     "1 new, oldest 00:00");
    cr_expect_str_eq(line_of((struct digest){.overdue = 12, .escalate_after = 90 * CPIS_MS_MINUTE}),
                     "12 unopened for over 90 min");
    cr_expect_lt(strlen(line_of((struct digest){.fresh = UINT64_MAX,
                                                .oldest = CPIS_MS_NEVER,
                                                .overdue = UINT64_MAX,
                                                .escalate_after = CPIS_MS_NEVER})),
                 sizeof line);
}

Test(digest, what_was_told_before_is_no_news)
{
    cr_expect_not(digest_is_news(&(struct digest){.overdue = 5}));
    cr_expect(digest_is_news(&(struct digest){.fresh = 1}));
    cr_expect(digest_is_news(&(struct digest){.overdue_fresh = 1}));
}

Test(digest, one_in_a_period_whatever_the_clock_does)
{
    cpis_ms tried = 0;
    cr_expect(digest_is_due(&tried, 100, 5), "never one before");
    tried = 1000;
    cr_expect_not(digest_is_due(&tried, 100, 1099));
    cr_expect(digest_is_due(&tried, 100, 1100));
    cr_expect_eq(tried, 1000U);
    cr_expect_not(digest_is_due(&tried, 100, 500), "the clock was set back");
    cr_expect_not(digest_is_due(&tried, 100, 599));
    cr_expect(digest_is_due(&tried, 100, 600), "not only when it is where it was");
}

Test(digest, a_mail_is_whole)
{
    const struct digest g = {.fresh = 3, .oldest = 134 * CPIS_MS_MINUTE};
    struct digest_mail m = {.from = "cpis@a.test.example",
                            .to = "duty@a.test.example",
                            .org = "T001",
                            .id = "0011",
                            .wall = 1795456980000};
    cr_assert_eq(digest_write(&g, &m, mail), CPIS_OK);
    static const char *const parts[] = {"From: <cpis@a.test.example>\r\n",
                                        "\r\nTo: <duty@a.test.example>\r\n",
                                        "\r\nSubject: CP-IS T001: 3 new, oldest 02:14\r\n",
                                        "\r\nDate: Mon, 23 Nov 2026 18:03:00 +0000\r\n",
                                        "\r\nMessage-ID: <0011@cpis.invalid>\r\n",
                                        "\r\n\r\nNotifications at T001: 3 new, oldest 02:14.\r\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect(strstr(mail, parts[i]) != NULL, "%s in %s", parts[i], mail);
    for (const char *p = mail; (p = strchr(p, '\n')) != NULL; p++)
        cr_assert(p > mail && p[-1] == '\r');
    static char longest[DIGEST_MAIL_BYTES];
    memset(longest, 'x', sizeof longest - 1);
    m.to = longest;
    cr_expect_eq(digest_write(&g, &m, mail), CPIS_E_LIMIT);
}
