/* Unit tests of node/net/note.h. */
#include "node/net/note.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct notes *n;
static FILE *to;
static char told[4096];

static void begin(void)
{
    to = tmpfile();
    cr_assert_not_null(to);
    cr_assert_eq(notes_new(to, &n), CPIS_OK);
}
static void end(void)
{
    notes_free(&n);
    (void)fclose(to);
}
TestSuite(note, .init = begin, .fini = end);

static const char *all_told(void)
{
    rewind(to);
    size_t len = fread(told, 1, sizeof told - 1, to);
    told[len] = '\0';
    return told;
}

static const struct cpis_id peer = {{0xab, 1}}, other = {{2}}, nobody = {{0}};

Test(note, what_is_below_the_level_is_counted_and_not_told)
{
    notes_set_level(n, NOTE_WARN);
    note_event(n, EVENT_LIVE, &peer, "T001", 1, 10);
    note(n, NOTE_INFO, "news");
    note_event(n, EVENT_QUOTA, &peer, "T001", 3, 10);
    notes_set_level(n, NOTE_ERROR);
    note_event(n, EVENT_QUOTA, &other, "T002", 3, 10);
    note(n, NOTE_WARN, "a warning");
    note(n, NOTE_ERROR, "an alarm");
    const char *text = all_told();
    cr_expect_eq(strncmp(text, "<4>level=warn event=EVENT_QUOTA peer=T001 ", 42), 0, "%s", text);
    cr_expect(strstr(text, "\n<3>level=error msg=\"an alarm\"\n") != NULL, "%s", text);
    cr_expect(strstr(text, "T002") == NULL && strstr(text, "news") == NULL, "%s", text);
    cr_expect_eq(note_count(n, EVENT_LIVE), 1);
    cr_expect_eq(note_count(n, EVENT_QUOTA), 2);
}

Test(note, an_event_is_one_line_with_its_peer_and_number)
{
    note_event(n, EVENT_QUOTA, &peer, "T001", 3, 10);
    note_event(n, EVENT_CLOCK_OFF, &nobody, "", 4, 10);
    note_event(n, EVENT_LIVE, &peer, "T001", 1, 10);
    note_event(n, EVENT_QUOTA, &other, "a \"b", 5, 10);
    note(n, NOTE_ERROR, "two\nlines and a \"quote\" %d", 7);
    cr_assert_str_eq(
        all_told(),
        "<4>level=warn event=EVENT_QUOTA peer=T001 number=3 msg=\"request refused: over the day's "
        "limit in the asker's descriptor\"\n"
        "<3>level=error event=EVENT_CLOCK_OFF number=4 msg=\"this node's clock is over 30 s off "
        "the directories' median\"\n"
        "<6>level=info event=EVENT_LIVE peer=T001 number=1 msg=\"list is live nationally\"\n"
        "<4>level=warn event=EVENT_QUOTA peer=a??b number=5 msg=\"request refused: over the day's "
        "limit in the asker's descriptor\"\n"
        "<3>level=error msg=\"two'lines and a 'quote' 7\"\n");
}

Test(note, the_same_of_one_peer_is_told_once_a_minute_with_how_many_were_held_back)
{
    for (cpis_ms now = 1000; now < 1000 + NOTE_EVERY; now += 1000)
        note_event(n, EVENT_QUOTA, &peer, "T001", 3, now);
    note_event(n, EVENT_QUOTA, &other, "T002", 3, 2000);
    note_event(n, EVENT_QUOTA, &peer, "T001", 3, 1000 + NOTE_EVERY);
    note_event(n, EVENT_LATE, &peer, "T001", 1, 1000); /* only counted */
    cr_assert_eq(note_count(n, EVENT_QUOTA), 62);
    cr_assert_eq(note_count(n, EVENT_LATE), 1);
    const char *lines = all_told();
    unsigned count = 0;
    for (const char *l = lines; (l = strchr(l, '\n')) != NULL; l++)
        count++;
    cr_assert_eq(count, 3, "%s", lines);
    cr_assert(strstr(lines, "peer=T001 number=3 held_back=59 msg=") != NULL, "%s", lines);
    cr_assert(strstr(lines, "EVENT_LATE") == NULL);
}

Test(note, more_peers_than_are_kept_apart_are_told_all_the_same)
{
    for (unsigned i = 0; i < 2 * NOTE_KEPT; i++) {
        const struct cpis_id p = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        note_event(n, EVENT_QUOTA, &p, "T001", 3, 1000 + i);
    }
    cr_assert_eq(note_count(n, EVENT_QUOTA), 2 * NOTE_KEPT);
}
