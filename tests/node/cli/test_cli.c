/* The built command itself: $CPIS_BIN, or build/release/cpis. Nothing here opens a network. */
#include "tests/node/feed/broken.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES 65536

static char work[] = "/tmp/cpis-cli.XXXXXX";
static char output[OUTPUT_BYTES]; /* of the last run: stdout and stderr */

static void init(void)
{
    cr_assert(mkdtemp(work) != NULL);
    const char *bin = getenv("CPIS_BIN");
    char path[4096] = "", cwd[2048];
    if (bin == NULL) bin = "build/release/cpis";
    cr_assert(getcwd(cwd, sizeof cwd) != NULL);
    (void)snprintf(path, sizeof path, "%s%s%.1500s", bin[0] == '/' ? "" : cwd,
                   bin[0] == '/' ? "" : "/", bin);
    cr_assert_eq(access(path, X_OK), 0, "the command is not built: %s", path);
    (void)setenv("CPIS", path, 1);
    (void)setenv("W", work, 1);
    (void)unsetenv("CPIS_DIR");
}
static void fini(void)
{
    char line[64];
    (void)snprintf(line, sizeof line, "rm -rf %s", work);
    (void)!system(line);
}
TestSuite(cli, .init = init, .fini = fini);

/* Runs a line of shell ($CPIS, $W): its exit code. */
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + 2, sizeof line - 16, format, args);
    va_end(args);
    cr_assert(n > 0 && n < (int)sizeof line - 16);
    memcpy(line, "( ", 2);
    memcpy(line + 2 + n, "\n) 2>&1", 8);
    FILE *p = popen(line, "r"); // NOLINT: a test's own words
    cr_assert(p != NULL);
    size_t len = fread(output, 1, sizeof output - 1, p);
    output[len] = '\0';
    int status = pclose(p);
    cr_assert(WIFEXITED(status), "%s: %s", line, output);
    return WEXITSTATUS(status);
}

static void expect(int code, const char *text, const char *line)
{
    int got = run("%s", line);
    cr_expect_eq(got, code, "%s: exit %d, not %d: %s", line, got, code, output);
    cr_expect(text == NULL || strstr(output, text) != NULL, "%s: \"%s\" is not in: %s", line, text,
              output);
}

static unsigned mode_of(const char *name)
{
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", work, name);
    cr_assert_eq(stat(path, &st), 0, "%s is not there", name);
    return st.st_mode & 0777;
}

static void found(void)
{
    expect(0, "signed", "$CPIS register init $W/reg --keys $W/k1 $W/k2 $W/k3 --threshold 2");
}
static void make_query(void)
{
    found();
    expect(0, NULL, "$CPIS init $W/q --role query --org RZZ99 --name Hospital --register $W/reg");
}

Test(cli, usage_errors_exit_2_and_say_what_is_meant)
{
    expect(2, "usage: cpis", "$CPIS");
    expect(2, "no command \"frobnicate\"", "$CPIS frobnicate");
    expect(2, "flags import", "$CPIS flags");
    expect(2, "flags import", "$CPIS flags frob");
    expect(2, "no such option", "$CPIS version --frob");
    expect(2, "too many", "$CPIS version x");
    expect(2, "which node?", "$CPIS status");
    expect(2, "not the folder of a node", "$CPIS status $W");
    expect(1, "CPIS_DIR", "CPIS_DIR=$W $CPIS status");
    expect(0, "cpis 0.", "$CPIS version");
    expect(0, "\"version\"", "$CPIS version --json");
}

Test(cli, every_command_has_help_with_exit_codes)
{
    cr_assert_eq(run("%s", "$CPIS --help"), 0);
    char list[OUTPUT_BYTES];
    memcpy(list, output, sizeof list);
    size_t commands = 0;
    char *save = NULL;
    for (char *l = strtok_r(list, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
        char name[32];
        if (strncmp(l, "  ", 2) != 0) continue;
        (void)snprintf(name, sizeof name, "%.23s", l + 2);
        cr_assert_eq(run("$CPIS %s --help", name), 0, "%s: %s", name, output);
        cr_assert(strstr(output, "usage: cpis ") != NULL && strstr(output, "exit codes: ") != NULL,
                  "%s", name);
        commands++;
    }
    cr_assert_geq(commands, 40U);
}

Test(cli, a_failed_write_is_never_success)
{
    expect(1, "could not be written", "$CPIS --help >/dev/full");
    expect(1, "could not be written", "$CPIS version >/dev/full");
    expect(1, NULL, "( sleep 0.3; $CPIS --help; echo $? >$W/code ) | true; exit $(cat $W/code)");
}

Test(cli, init_makes_a_folder_that_is_its_owners_alone)
{
    make_query();
    cr_assert_eq(mode_of("q"), 0700U);
    cr_assert_eq(mode_of("q/identity.key"), 0600U);
    cr_assert_eq(mode_of("q/node.conf"), 0600U);
    cr_assert_eq(mode_of("q/data"), 0700U);
    cr_assert_eq(mode_of("q/descriptor"), 0600U);
    cr_assert_eq(mode_of("k1"), 0600U);
    expect(1, "already",
           "$CPIS init $W/q --role query --org RZZ99 --name Hospital --register $W/reg");
    expect(2, "--emergency",
           "$CPIS init $W/a --role authority --org T001 --name T --register $W/reg");
    expect(2, "telephone",
           "$CPIS init $W/a --role authority --org T001 --name T --emergency 12x "
           "--register $W/reg");
    expect(2, "--endpoint",
           "$CPIS init $W/d --role directory --org D01 --name D --register $W/reg");
    expect(2, "tcp://",
           "$CPIS init $W/d --role directory --org D01 --name D --endpoint "
           "127.0.0.1:70 --register $W/reg");
    expect(2, "--role", "$CPIS init $W/d --role king --org D01 --name D --register $W/reg");
    expect(1, "register", "$CPIS init $W/d --role query --org D01 --name D --register $W/k1");
    cr_assert_neq(run("%s", "test -e $W/d"), 0, "nothing is left of a refused init");
}

Test(cli, an_init_that_was_cut_short_goes_on_with_the_key_it_had_made)
{
    make_query();
    expect(0, NULL, "cp $W/q/identity.key $W/before && rm $W/q/node.conf $W/q/descriptor");
    expect(0, NULL, "$CPIS init $W/q --role query --org RZZ99 --name Hospital --register $W/reg");
    expect(0, NULL, "cmp $W/q/identity.key $W/before && test -s $W/q/descriptor");
    expect(0, NULL, "rm $W/q/node.conf && printf x >$W/q/identity.key");
    expect(1, "backup", "$CPIS init $W/q --role query --org RZZ99 --name H --register $W/reg");
}

Test(cli, a_founding_that_was_cut_short_says_how_to_go_on)
{
    expect(0, NULL,
           "$CPIS register init $W/new --keys $W/n1 $W/n2 --threshold 2 && mv $W/new "
           "$W/new.next");
    expect(1, "register sign", "$CPIS register init $W/new --keys $W/n1 $W/n2 --threshold 2");
}

Test(cli, a_register_goes_from_init_by_admit_and_sign_to_verify)
{
    make_query();
    expect(0, NULL,
           "$CPIS init $W/a --role authority --org T001 --name Testborough --emergency "
           "'020 7946 0123' --register $W/reg");
    expect(0, "admitted: authority T001",
           "$CPIS register admit $W/reg $W/a/descriptor $W/q/descriptor");
    expect(0, NULL, "$CPIS register state $W/reg RZZ99 active");
    expect(1, "not enough",
           "$CPIS register show $W/reg | grep -q T001 || "
           "{ echo not enough; exit 1; }");
    expect(0, "T001", "$CPIS register show $W/reg --next");
    expect(0, "not by enough", "$CPIS register sign $W/reg $W/k3");
    expect(1, "signed already", "$CPIS register state $W/reg RZZ99 joining");
    expect(1, "no root key",
           "$CPIS register key $W/k9 >/dev/null && $CPIS register sign $W/reg $W/k9");
    expect(0, "new version", "$CPIS register sign $W/reg $W/k1");
    expect(1, "nothing to sign", "$CPIS register sign $W/reg $W/k2");
    expect(0, "versions 1 to 2", "$CPIS register verify $W/reg");
    expect(0, "\"state\":\"active\"", "$CPIS register show $W/reg --json");
    expect(0, NULL, "$CPIS register state $W/reg T001 active");
    expect(1, "no such node", "$CPIS register state $W/reg T009 active");
    expect(0, NULL, "$CPIS register discard $W/reg");
    expect(1, "in it already",
           "$CPIS register admit $W/reg $W/a/descriptor || "
           "{ echo in it already; exit 1; }");
}

/* Of three stewards one leaves, and another one comes. */
Test(cli, root_keys_change_by_enough_of_the_old_and_enough_of_the_new)
{
    make_query();
    expect(2, "what is to change", "$CPIS register roots $W/reg");
    expect(1, "64 hexadecimal digits", "$CPIS register roots $W/reg --add 12");
    expect(1, "no such root key",
           "$CPIS register roots $W/reg --remove $($CPIS register key $W/k9)");
    expect(1, "is in already", "$CPIS register roots $W/reg --add $($CPIS register key $W/k1)");
    expect(1, "the root threshold is larger", "$CPIS register roots $W/reg --threshold 4");
    expect(0, "2 of 3 root keys",
           "$CPIS register roots $W/reg --add $($CPIS register key $W/k4) "
           "--add $($CPIS register key $W/k5) --remove $($CPIS register key $W/k1) "
           "--remove $($CPIS register key $W/k2)");
    expect(0, "not by enough", "$CPIS register sign $W/reg $W/k1 $W/k2"); /* enough of the old */
    expect(0, "not by enough", "$CPIS register sign $W/reg $W/k4");
    expect(0, "new version", "$CPIS register sign $W/reg $W/k5");
    expect(0, "versions 1 to 2", "$CPIS register verify $W/reg");
    expect(0, NULL, "$CPIS register expect $W/reg T009=Later=02079460123");
    expect(1, "no root key", "$CPIS register sign $W/reg $W/k1 $W/k2"); /* who they were */
    expect(0, "new version", "$CPIS register sign $W/reg $W/k3 $W/k4");
}

Test(cli, a_tampered_register_or_descriptor_is_refused)
{
    make_query();
    expect(0, NULL, "$CPIS register admit $W/reg $W/q/descriptor");
    expect(0, NULL, "$CPIS register sign $W/reg $W/k1 $W/k2");
    /* each byte of the file turned over, every 37th of them tried */
    expect(0, NULL, "cp $W/reg $W/good");
    struct stat st;
    char path[64];
    (void)snprintf(path, sizeof path, "%s/reg", work);
    cr_assert_eq(stat(path, &st), 0);
    for (long at = 0; at < (long)st.st_size; at += 37) {
        FILE *f = fopen(path, "r+b");
        cr_assert(f != NULL && fseek(f, at, SEEK_SET) == 0);
        int byte = fgetc(f);
        cr_assert(fseek(f, at, SEEK_SET) == 0 && fputc(byte ^ 1, f) != EOF && fclose(f) == 0);
        cr_assert_eq(run("%s", "$CPIS register verify $W/reg"), 1, "byte %ld", at);
        (void)run("%s", "cp $W/good $W/reg");
    }
    expect(1, "descriptor",
           "head -c 100 $W/q/descriptor >$W/bad; "
           "$CPIS register admit $W/reg $W/bad");
    expect(1, "others can read",
           "chmod 644 $W/k1; $CPIS register state $W/reg RZZ99 active && "
           "$CPIS register sign $W/reg $W/k1");
}

Test(cli, keys_may_lie_in_different_hands_and_under_a_passphrase)
{
    expect(0, NULL, "echo 'a long passphrase' >$W/pass");
    expect(0, NULL, "$CPIS register key $W/k1 --passphrase-file $W/pass >$W/p1");
    expect(0, NULL, "$CPIS register key $W/k2 >$W/p2");
    expect(0, "not by enough",
           "$CPIS register init $W/reg --public $(cat $W/p1) --public "
           "$(cat $W/p2) --threshold 2");
    expect(1, "passphrase", "$CPIS register sign $W/reg $W/k1");
    expect(1, "wrong",
           "echo other >$W/no; $CPIS register sign $W/reg $W/k1 --passphrase-file $W/no");
    expect(0, "not by enough", "$CPIS register sign $W/reg $W/k1 --passphrase-file $W/pass");
    expect(0, "new version", "$CPIS register sign $W/reg $W/k2");
    expect(0, "versions 1 to 1", "$CPIS register verify $W/reg");
}

/* Twelve versions of some 120 KB: no message of this protocol holds them all. */
Test(cli, a_register_of_any_length_is_signed_verified_and_published_in_parts)
{
    make_query();
    expect(0, NULL, "$CPIS register admit $W/reg $W/q/descriptor --active");
    expect(0, NULL, "$CPIS register sign $W/reg $W/k1 $W/k2");
    expect(0, NULL,
           "n=$(printf 'x%.0s' $(seq 96)); for v in 3 4 5 6 7 8 9 10 11 12 13; do "
           "$CPIS register expect $W/reg $(for i in $(seq 1000 1999); do "
           "echo T$i=$n$v=02079460123; done) && $CPIS register sign $W/reg $W/k1 $W/k2 || exit 1; "
           "cp $W/reg $W/reg.$v; done >/dev/null");
    expect(0, "versions 1 to 13", "$CPIS register verify $W/reg");
    expect(0, "long", "[ $(stat -c %s $W/reg) -gt 1200000 ] && echo long");
    expect(0, NULL,
           "$CPIS run $W/q >$W/log 2>&1 & for i in $(seq 100); do "
           "$CPIS status $W/q >/dev/null 2>&1 && break; sleep 0.1; done");
    expect(0, "version 4 is in force", "$CPIS register publish $W/q $W/reg.4"); /* then cut short */
    expect(0, "version 13 is in force", "$CPIS register publish $W/q $W/reg");
    expect(0, "version 13 is in force", "$CPIS register publish $W/q $W/reg"); /* and again */
    expect(1, "it is an old one", "$CPIS register publish $W/q $W/reg.12");
    expect(0, "version 13", "$CPIS status $W/q");
    expect(0, "its own id",
           "$CPIS status $W/q --json | jq -r .node_id | grep -qE '^[0-9a-f]{32}$' && "
           "echo its own id");
    expect(0, NULL, "$CPIS backup $W/q $W/b && cmp $W/b/register $W/reg");
    expect(0, NULL,
           "$CPIS stop $W/q; for i in $(seq 100); do "
           "cmp -s $W/q/register $W/reg && break; sleep 0.1; done; "
           "cmp $W/q/register $W/reg");
    expect(1, "is cut off at byte 900000, in what follows version",
           "truncate -s 900000 $W/reg; $CPIS register show $W/reg");
    expect(1, "is cut off at byte 900000",
           "$CPIS init $W/n --role query --org RZZ98 --name Other "
           "--register $W/reg");
    cr_assert_neq(run("%s", "test -e $W/n"), 0, "nothing is left of a refused init");
}

#define SET(key, text) "sed -i -e 's|^" key " = .*|" key " = \"" text "\";|'"
static const struct {
    const char *edit, *text;
} mistakes[] = {
    {"sed -i 's/^org = .*/org = \"!\";/'", "org: expected an ODS code"},
    {"sed -i 's/^role = .*/role = \"boss\";/'", "role: expected \"authority\""},
    {"sed -i 's/^role = .*/role = \"authority\";/'", "emergency: authority needs it"},
    {"sed -i 's/^map_mib = .*/map_mib = \"much\";/'", "map_mib: expected a whole number"},
    {"sed -i 's/^map_mib = .*/map_mib = -1;/'", "map_mib: expected a whole number"},
    {"sed -i 's/^refuse_roles = .*/refuse_roles = \"R1,R2\";/'",
     "refuse_roles: expected at most 64 role codes with blanks between"},
    {"sed -i 's/^endpoint = .*/endpoint = \"host\";/'", "endpoint: expected \"tcp://"},
    {"sed -i 's/^office = .*/offise = \"1\";/'", "offise: there is no such key"},
    {"sed -i 's/^    setting = .*/    seting = \"1\";/'", "asker.seting: there is no such key"},
    {"sed -i 's/^    scheduled = .*/    scheduled = 3;/'", "asker.scheduled: expected true or"},
    {"sed -i 's/^organisation_lookups_a_day = .*/organisation_lookups_a_day = -3;/'",
     "organisation_lookups_a_day: expected a whole number"},
    {"sed -i 's/^organisation_limits = .*/organisation_limits = 7;/'",
     "organisation_limits: expected a list"},
    {"sed -i 's/^organisation_limits = .*/organisation_limits = ( { code = \"RJ1\"; } );/'",
     "organisation_limits: expected a list"},
    {"sed -i 's/^organisation_limits = .*/organisation_limits = "
     "( { code = \"!\"; lookups_a_day = 3; } );/'",
     "organisation_limits: code: expected an ODS code"},
    {"sed -i 's/^organisation_limits = .*/organisation_limits = "
     "( { code = \"RJ1\"; lookups_a_day = -3; } );/'",
     "organisation_limits: lookups_a_day: expected a whole number"},
    {"sed -i 's/^organisation_limits = .*/organisation_limits = ( { code = \"RJ1\"; "
     "lookups_a_day = 3; }, { code = \"rj1\"; lookups_a_day = 4; } );/'",
     "organisation_limits: this organisation stands there twice"},
    {"sed -i 's|^webhook_url = .*|webhook_url = \"http://cases.test.example/\";|'",
     "webhook_url: expected \"https://"},
    {"sed -i 's|^webhook_url = .*|webhook_url = \"https://me:word@cases.test.example/\";|'",
     "webhook_url: expected \"https://"},
    {"sed -i 's|^webhook_url = .*|webhook_url = \"https://cases.test.example/\";|'",
     "webhook_key_file: webhook_url needs it"},
    {"sed -i 's|^mail_url = .*|mail_url = \"mail.test.example\";|'",
     "mail_url: expected \"smtps://"},
    {"sed -i 's|^mail_url = .*|mail_url = \"smtps://mail.test.example\";|'",
     "mail_from: mail_url needs it"},
    {"sed -i 's|^mail_to = .*|mail_to = \"a@b, c@d\";|'", "mail_to: expected an address"},
    {"sed -i 's|^mail_user = .*|mail_user = \"cpis\";|'", "mail_password_file: mail_user needs it"},
    {"sed -i 's/^name = .*/name = ;/'", "syntax error"},
    {"sed -i 's/^log_level = .*/log_level = \"loud\";/'", "log_level: expected \"error\""},
    {SET("web_people", "all"), "web_people: expected"},
    {SET("web_people", "header"), "web_people_header: web_people needs it"},
    {SET("web_people", "header") " -e 's/^web_people_header = .*/web_people_header = \"X-User\";/'",
     "web_origin: web_people needs it"},
    {SET("web_people_header", "X_User"), "name of a header"},
    {SET("web_people_proxy", "dns:p"), "web_client_ca: web_people_proxy needs it"},
    {SET("web_origin", "https://p.test.example/"), "web_origin: expected"},
    {SET("web_origin", "https://p.test.example:443"), "web_origin: expected"},
    {SET("web_origin", "http://p.test.example"), "web_origin: expected"},
    {"sed -i 's/^web_session_minutes = .*/web_session_minutes = 0;/'",
     "_minutes: expected a whole"},
};

Test(cli, deliver_wants_somebody_to_tell_and_a_key_that_nobody_else_can_read)
{
    make_query();
    expect(1, "only an authority", "$CPIS deliver $W/q --once");
    expect(0, NULL,
           "$CPIS init $W/a --role authority --org T001 --name T --emergency 02079460123 "
           "--register $W/reg");
    expect(1, "nobody to be told", "$CPIS deliver $W/a --once");
    expect(0, NULL,
           "sed -i -e 's|^webhook_url = .*|webhook_url = \"http://localhost:1/\";|' -e "
           "\"s|^webhook_key_file = .*|webhook_key_file = \\\"$W/key\\\";|\" $W/a/node.conf");
    expect(1, "No such file", "$CPIS deliver $W/a --once");
    expect(0, NULL, "printf '%031d\\n' 7 >$W/key; chmod 0600 $W/key");
    expect(1, "32 to 4095 bytes", "$CPIS deliver $W/a --once"); /* the line's end does not count */
    expect(0, NULL, "printf '%032d\\n' 7 >$W/key; chmod 0640 $W/key");
    expect(1, "others can read", "$CPIS deliver $W/a --once");
    expect(1, "no node runs", "chmod 0600 $W/key; $CPIS deliver $W/a --once");
    expect(1, "webhook.state is damaged",
           "echo x >$W/a/feed/webhook.state; $CPIS deliver $W/a --once");
}

Test(cli, a_mistake_in_the_settings_is_told_with_file_line_and_key)
{
    make_query();
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        cr_assert_eq(run("cp $W/q/node.conf $W/keep; %s $W/q/node.conf", mistakes[i].edit), 0);
        expect(1, mistakes[i].text, "$CPIS run $W/q");
        cr_expect(strstr(output, "node.conf:") != NULL, "%s", output);
        cr_assert_eq(run("%s", "mv $W/keep $W/q/node.conf"), 0);
    }
}

#define NURSE "--role clinician --display 'N. Urse' --job Sister --job-code R0260 --password-file -"

Test(cli, accounts_of_people_are_made_changed_and_removed_without_a_secret_on_the_way)
{
    make_query();
    expect(0, "[]", "$CPIS accounts list $W/q --json");
    expect(0, "cpis accounts totp",
           "echo long enough words | $CPIS accounts add $W/q Nurse1 " NURSE);
    cr_expect_eq(mode_of("q/people/accounts"), 0600U);
    expect(1, "already", "echo long enough words | $CPIS accounts add $W/q nurse1 " NURSE);
    expect(1, "at least 12", "echo short | $CPIS accounts add $W/q nurse2 " NURSE);
    expect(2, "role clinician or operator",
           "$CPIS accounts add $W/q n --role inbox --display N --password-file /dev/null");
    expect(2, "--job and --job-code",
           "$CPIS accounts add $W/q n --role clinician --display N --password-file /dev/null");
    expect(1, "no terminal", "$CPIS accounts add $W/q n --role operator --display N </dev/null");
    expect(2, "expected clinician, inbox, officer or operator",
           "$CPIS accounts add $W/q n --role auditor --display N --password-file /dev/null");
    expect(1, "only at a terminal", "$CPIS accounts totp $W/q nurse1 </dev/null");
    expect(0, "no second factor yet", "$CPIS accounts list $W/q");
    expect(0, "\"lookups\":[\"unscheduled\"]", "$CPIS accounts list $W/q --json");
    cr_expect(strstr(output, "argon2") == NULL && strstr(output, "stamp") == NULL, "%s", output);
    expect(0, NULL, "$CPIS accounts role $W/q nurse1 --lookups both --org-code rj1 --org Other");
    expect(0, "\"lookups\":[\"unscheduled\",\"scheduled\"]", "$CPIS accounts list $W/q --json");
    cr_expect(strstr(output, "\"org_code\":\"RJ1\"") != NULL, "%s", output);
    expect(0, "locked", "$CPIS accounts lock $W/q nurse1 && $CPIS accounts list $W/q");
    expect(0, NULL, "cp $W/q/people/accounts $W/before; $CPIS accounts unlock $W/q nurse1");
    expect(0, NULL,
           "echo other long words | $CPIS accounts password $W/q nurse1 --password-file -");
    expect(0, "\"locked\":false", "$CPIS accounts list $W/q --json");
    expect(1, NULL,
           "h() { grep -o 'argon2id[^\"]*' $1; }; test $(h $W/before) = $(h $W/q/people/accounts)");
    expect(0, NULL, "$CPIS accounts remove $W/q nurse1");
    expect(0, "[]", "$CPIS accounts list $W/q --json");
    expect(1, "mend it", "echo '{}' >$W/q/people/accounts; $CPIS accounts list $W/q");
}

Test(cli, limits_of_organisations_are_read_and_their_use_is_shown)
{
    make_query();
    cr_assert_eq(run("%s", "sed -i -e 's/^organisation_lookups_a_day = .*/"
                           "organisation_lookups_a_day = 0;/' -e 's/^organisation_limits = .*/"
                           "organisation_limits = ( { code = \"rj1\"; lookups_a_day = 20; } );/' "
                           "$W/q/node.conf"),
                 0, "%s", output);
    expect(0, NULL,
           "$CPIS run $W/q >$W/log 2>&1 & for i in $(seq 100); do "
           "$CPIS status $W/q >/dev/null 2>&1 && break; sleep 0.1; done");
    expect(0, "all        0 lookups today\n", "$CPIS status $W/q");
    expect(0, "\"organisations\":[]", "$CPIS status $W/q --json");
    expect(0, NULL, "$CPIS stop $W/q");
}

Test(cli, a_wrong_number_is_refused_unsaid_before_anything_is_asked)
{
    make_query();
    expect(2, "number 1", "$CPIS lookup $W/q 9990000019");
    cr_expect(strstr(output, "9990000019") == NULL, "%s", output);
    expect(2, "number 2", "printf '9990000018\\n999000001X\\n' | $CPIS lookup $W/q -");
    cr_expect(strstr(output, "999000001X") == NULL, "%s", output);
    expect(2, "number 1", "$CPIS lookup $W/q 7777777777");
    expect(2, "which NHS number", "$CPIS lookup $W/q");
    expect(2, "which NHS number", "printf '\\n \\n' | $CPIS lookup $W/q -");
    expect(2, "give - alone", "$CPIS lookup $W/q 9990000018 --stream");
    expect(2, "give - alone", "$CPIS lookup $W/q 9990000018 - --stream");
    expect(1, "no node runs", "echo 9990000018 | $CPIS lookup $W/q - --stream");
    expect(1, "no node runs", "$CPIS lookup $W/q 9990000018");
    expect(1, "no node runs", "CPIS_DIR=$W/q $CPIS lookup 9990000018");
    expect(2, "first word", "$CPIS 9990000018");
    cr_expect(strstr(output, "9990000018") == NULL, "%s", output);
    expect(2, "not-brought", "$CPIS lookup $W/q 9990000018 --purpose curiosity");
}

/* no federation answers: each verdict is UNKNOWN, and there it is */
Test(cli, a_stream_answers_each_line_before_the_next_comes)
{
    make_query();
    expect(0, NULL,
           "$CPIS run $W/q >$W/log 2>&1 & for i in $(seq 100); do "
           "$CPIS status $W/q >/dev/null 2>&1 && break; sleep 0.1; done");
    expect(2, "number 3",
           "{ echo 9990000018; for i in $(seq 100); do grep -q verdict $W/out && break; sleep 0.1; "
           "done; wc -l <$W/out >$W/seen; echo 9990000018; echo 9990000019; echo 9990000018; } | "
           "$CPIS lookup $W/q - --stream --json --user me >$W/out");
    cr_expect(strstr(output, "9990000019") == NULL, "%s", output);
    expect(0, "1 2", "echo $(cat $W/seen) $(grep -c unknown $W/out)");
    expect(0, NULL, "$CPIS stop $W/q");
}

Test(cli, a_number_is_taken_out_of_argv)
{
    make_query();
    /* it waits for stdin: meanwhile ps sees what is left */
    expect(0, "xxxxxxxxxx",
           "mkfifo $W/in; $CPIS lookup $W/q 9990000018 - <$W/in >/dev/null 2>&1 & pid=$!; "
           "exec 3>$W/in; shown() { tr '\\0' ' ' </proc/$pid/cmdline; }; "
           "for i in $(seq 100); do shown | grep -q xxxxxxxxxx && break; sleep 0.1; done; shown; "
           "exec 3>&-; wait $pid; true");
}

Test(cli, doctor_names_what_is_wrong_and_who_mends_it)
{
    make_query();
    expect(1, "start it: cpis run", "$CPIS doctor $W/q");
    expect(1, "can be read or written by others", "chmod 640 $W/q/identity.key; $CPIS doctor $W/q");
    expect(1, "\"ok\":false", "$CPIS doctor $W/q --json");
}

Test(cli, doctor_tries_the_key_of_a_node_that_does_not_run)
{
    make_query();
    expect(1, "get the newest register from a steward", "$CPIS doctor $W/q");
    expect(0, NULL, "$CPIS register admit $W/reg $W/q/descriptor --active");
    expect(0, NULL, "$CPIS register sign $W/reg $W/k1 $W/k2; cp $W/reg $W/q/register");
    expect(1, "ok    key: identity.key opens, and is that of RZZ99", "$CPIS doctor $W/q");
    expect(0, NULL, "$CPIS register revoke $W/reg RZZ99");
    expect(0, NULL, "$CPIS register sign $W/reg $W/k1 $W/k2; cp $W/reg $W/q/register");
    expect(1, "WRONG key: identity.key opens; the register has suspended, retired",
           "$CPIS doctor $W/q");
    expect(1, "WRONG key: identity.key: ",
           "printf x | dd of=$W/q/identity.key bs=1 seek=90 conv=notrunc status=none; "
           "$CPIS doctor $W/q");
}

Test(cli, doctor_looks_at_files_that_wait_and_at_files_with_secrets)
{
    found();
    expect(0, NULL,
           "$CPIS init $W/a --role authority --org T001 --name T --emergency 02079460123 "
           "--register $W/reg");
    expect(1, "ok    feed: 0 files wait", "$CPIS doctor $W/a");
    expect(1, "ok    feed failed: 0 files", "$CPIS doctor $W/a");
    expect(1, "WRONG feed failed: 1 files",
           "mkdir $W/a/feed/failed; echo x >$W/a/feed/failed/p.csv; $CPIS doctor $W/a");
    expect(1, "ok    feed: 1 files wait in feed/in, the oldest for 0 min",
           "echo x >$W/a/feed/in/p.csv; $CPIS doctor $W/a");
    expect(
        0, NULL,
        "sed -i \"s|^webhook_key_file = .*|webhook_key_file = \\\"$W/key\\\";|\" $W/a/node.conf");
    expect(1, "WRONG permissions: webhook_key_file is not there", "$CPIS doctor $W/a");
    expect(1, "WRONG permissions: webhook_key_file can be read",
           "echo x >$W/key; chmod 640 $W/key; $CPIS doctor $W/a");
    expect(1, "ok    permissions: webhook_key_file is its owner's",
           "chmod 600 $W/key; $CPIS doctor $W/a");
}

Test(cli, doctor_says_what_is_wrong_with_the_certificate)
{
    make_query();
    expect(0, NULL,
           "sed -i -e \"s|^web_certificate = .*|web_certificate = \\\"$W/c.pem\\\";|\" "
           "-e \"s|^web_key = .*|web_key = \\\"$W/c.key\\\";|\" "
           "-e 's/^web_listen = .*/web_listen = \"127.0.0.1:1\";/' $W/q/node.conf");
    expect(1, "WRONG certificate: cpis web: ", "$CPIS doctor $W/q");
    expect(1, "WRONG certificate: cpis web: web_certificate, web_key, web_client_ca: ",
           "echo x >$W/c.pem; echo x >$W/c.key; chmod 600 $W/c.key; $CPIS doctor $W/q");
}

Test(cli, a_node_writes_no_line_that_is_less_urgent_than_its_log_level)
{
    make_query();
    expect(0, NULL,
           "$CPIS run $W/q >$W/log 2>&1 & for i in $(seq 100); do "
           "$CPIS status $W/q >/dev/null 2>&1 && break; sleep 0.1; done; $CPIS stop $W/q; wait");
    expect(0, "level=info", "cat $W/log");
    expect(0, NULL,
           "sed -i 's/^log_level = .*/log_level = \"error\";/' $W/q/node.conf; "
           "$CPIS run $W/q >$W/log 2>&1 & for i in $(seq 100); do "
           "$CPIS status $W/q >/dev/null 2>&1 && break; sleep 0.1; done; $CPIS stop $W/q; wait");
    expect(1, NULL, "grep -E 'level=(info|warn)' $W/log");
}

#define RUN_Q                                                                                      \
    "$CPIS run $W/q >$W/log 2>&1 & echo $! >$W/pid; for i in $(seq 100); do "                      \
    "$CPIS status $W/q >/dev/null 2>&1 && break; sleep 0.1; done"
#define STOP_Q                                                                                     \
    "$CPIS stop $W/q; for i in $(seq 100); do kill -0 $(cat $W/pid) 2>/dev/null || break; "        \
    "sleep 0.1; done"

static void admit_query(void)
{
    make_query();
    expect(0, NULL,
           "$CPIS register admit $W/reg $W/q/descriptor --active && "
           "$CPIS register sign $W/reg $W/k1 $W/k2 && cp $W/reg $W/q/register");
}

/* What this kernel and this build can do is another matter (test_sandbox.c): it is told as it is.
 */
Test(cli, a_running_node_says_what_confines_it_and_that_it_was_switched_off)
{
    admit_query();
    expect(0, NULL, RUN_Q);
    expect(0, "confined", "grep 'msg=\".*confined' $W/log");
    expect(1, "ok    confinement: ", "$CPIS doctor $W/q");
    expect(0, "core", "grep -q 'core file size *0 *0' /proc/$(cat $W/pid)/limits && echo core");
    expect(0, "as told",
           "s=$(sed -n 's/Seccomp:\t//p' /proc/$(cat $W/pid)/status); "
           "if grep -qE 'msg=.confined( in system calls|: files)' $W/log; then [ $s = 2 ] && echo "
           "as told; else echo as told; fi");
    expect(0, NULL, STOP_Q);
    expect(0, NULL, "sed -i 's/^confine = true/confine = false/' $W/q/node.conf; " RUN_Q);
    expect(0, "level=warn", "grep 'not confined: node.conf says confine = false' $W/log");
    expect(1, "WRONG confinement: not confined", "$CPIS doctor $W/q");
    expect(0, NULL, STOP_Q);
}

#define SAYS(text) "for i in $(seq 100); do grep -F '" text "' $W/log && break; sleep 0.1; done"

Test(cli, sighup_takes_what_can_change_and_tells_what_waits_for_a_start_and_what_is_wrong)
{
    admit_query();
    expect(0, NULL, RUN_Q);
    expect(0, "msg=\"SIGHUP: node.conf is read anew: nothing in it has changed",
           "kill -HUP $(cat $W/pid); " SAYS("nothing in it"));
    expect(
        0, "taken: organisation_lookups_a_day; at the next start: map_mib",
        "sed -i 's/^organisation_lookups_a_day = .*/organisation_lookups_a_day = 7;/; "
        "s/^map_mib = .*/map_mib = 32;/' $W/q/node.conf; kill -HUP $(cat $W/pid); " SAYS("taken:"));
    /* a wrong file: told with its line, nothing is taken, also not what is right in it */
    expect(0, "level=error msg=\"SIGHUP: all settings stay as they were: ",
           "sed -i 's/^organisation_lookups_a_day = .*/organisation_lookups_a_day = 9;/; "
           "s/^map_mib = .*/map_mib = \"much\";/' $W/q/node.conf; kill -HUP $(cat $W/pid); " SAYS(
               "stay as"));
    expect(0, "map_mib: expected", "grep 'stay as' $W/log");
    /* what waits is told again, until the node is started again */
    expect(0, "taken: organisation_lookups_a_day, metrics_listen; at the next start: map_mib",
           "sed -i 's/^map_mib = .*/map_mib = 32;/; s/^metrics_listen = .*/metrics_listen = "
           "\"127.0.0.1:1\";/' $W/q/node.conf; kill -HUP $(cat $W/pid); " SAYS("metrics_listen"));
    expect(0, "`cpis web`: ", SAYS("`cpis web`: ")); /* it was started */
    /* what reads a file that a confined node can't goes on with all that it has */
    expect(0,
           "taken: organisation_lookups_a_day; at the next start: map_mib, web_certificate, "
           "web_key, web_clients, metrics_listen; start the node again: until then what needs the "
           "file fails (web_certificate, web_key, web_clients)",
           "sed -i 's/^organisation_lookups_a_day = .*/organisation_lookups_a_day = 11;/; "
           "s/^metrics_listen = .*/metrics_listen = \"127.0.0.1:2\";/; "
           "s,^\\(web_certificate\\|web_key\\|web_clients\\) = .*,\\1 = \"/elsewhere/file\";,' "
           "$W/q/node.conf; kill -HUP $(cat $W/pid); " SAYS("web_clients"));
    expect(0, NULL, STOP_Q);
}

Test(cli, a_file_with_a_fault_is_told_without_a_node)
{
    make_query();
    expect(1, "CPF01",
           "printf 'nhs_number\\n9990000018\\n' >$W/f.csv; "
           "$CPIS flags import $W/q $W/f.csv --json");
    cr_expect(strstr(output, "9990000018") == NULL, "%s", output);
    expect(1, "No such file", "$CPIS flags import $W/q $W/none.csv");
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", work, name);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    cr_assert(fputs(text, f) >= 0 && fclose(f) == 0);
}

#define UPLOAD(n, count, records) XML OPEN CREATED ID(n) COUNT(count) TELEPHONES(EC) records CLOSE

Test(cli, uploads_are_taken_in_their_turn_and_acknowledged)
{
    found();
    write_file("one.xml", UPLOAD("1", "2", RECORD(CPP(BEGAN) A_MOTHER) THE_RIGHT));
    write_file("other.xml", UPLOAD("1", "1", RECORD(CPP(BEGAN) A_CHILD)));
    write_file("mother.xml", UPLOAD("2", "1",
                                    RECORD(UCPP(START("uCP", "202605061030")
                                                    END("uCP", "202612240000")) A_MOTHER)));
    write_file("cut.xml", XML OPEN CREATED ID("2"));
    expect(0, NULL,
           "$CPIS init $W/a --role authority --org T001 --name Test --emergency 02079460123 "
           "--register $W/reg");
    expect(2, "for CSV files", "$CPIS flags import $W/a $W/one.xml --snapshot");
    expect(2, "dry run", "$CPIS flags import $W/a $W/one.xml --dry-run --ack $W/ack");
    expect(1, "no node runs", "$CPIS flags import $W/a $W/one.xml --ack $W/ack");
    expect(1, NULL, "test -e $W/ack"); /* what was not imported is not acknowledged */
    expect(0, NULL,
           "$CPIS run $W/a >$W/log 2>&1 & for i in $(seq 100); do "
           "$CPIS status $W/a >/dev/null 2>&1 && break; sleep 0.1; done");
    expect(12, "CPF03", "$CPIS flags import $W/a $W/one.xml --ack $W/ack");
    cr_expect(strstr(output, "record 1 (line") != NULL && strstr(output, "999") == NULL, "%s",
              output);
    expect(0, "<id extension=\"1\"/>", "cat $W/ack");
    expect(0, "from 2026-01-02 11:30 open", "$CPIS flags list $W/a");
    expect(12, "imported before", "$CPIS flags import $W/a $W/one.xml");
    expect(13, "--accept-sequence", "$CPIS flags import $W/a $W/other.xml --ack $W/ack");
    expect(0, "CPF04", "cat $W/ack");
    expect(1, "CPF01", "$CPIS flags import $W/a $W/cut.xml --ack $W/ack");
    expect(0, "<id extension=\"2\"/>", "cat $W/ack");
    expect(13, "CPF04", "$CPIS flags import $W/a $W/other.xml --dry-run");
    expect(0, "accepted by hand", "$CPIS flags import $W/a $W/other.xml --accept-sequence --json");
    expect(0, "\"sequence\":1", "$CPIS flags imports $W/a --json");
    expect(0, NULL, "$CPIS flags import $W/a $W/mother.xml");
    expect(0, NULL, "$CPIS flags born $W/a 9990000034 9990000042 --birth-date 2026-05-07");
    expect(0, "from 2026-05-06 10:30 to 2026-05-07", "$CPIS flags show $W/a 9990000034");
    expect(0, "ended", "$CPIS flags end $W/a 9990000018 --plan CPP --start 202601021130");
    /* read beside the node that runs */
    expect(0, "restored", "$CPIS backup $W/a $W/copy && $CPIS restore $W/copy $W/again");
    expect(0, NULL, "$CPIS stop $W/a");
    expect(1, NULL, "grep 999000 $W/log");
}

Test(cli, a_backup_of_a_node_at_rest_can_be_restored)
{
    make_query();
    expect(0, NULL, "$CPIS backup $W/q $W/b");
    expect(0, NULL, "$CPIS restore $W/b $W/r");
    expect(0, NULL, "cmp $W/q/identity.key $W/r/identity.key");
    expect(1, "already", "$CPIS restore $W/b $W/r");
    cr_assert_eq(mode_of("b"), 0700U);
    cr_assert_eq(mode_of("r/identity.key"), 0600U);
}

Test(cli, a_verdict_reads_the_same_from_its_json)
{
    expect(0, "This is not \"no flag\"",
           "echo '{\"nhs_number\":\"9990000018\",\"verdict\":\"incomplete\",\"unconfirmed\":[{"
           "\"authority\":{\"code\":\"T001\",\"name\":\"Testborough\"},\"telephone\":{"
           "\"emergency\":\"02079460123\"}}]}' | $CPIS lookup-text");
    cr_expect(strstr(output, "02079460123") != NULL, "%s", output);
    expect(0, "UNKNOWN", "echo '{\"verdict\":\"none\"}' | $CPIS lookup-text");
    expect(1, "not what", "echo no | $CPIS lookup-text");
}
