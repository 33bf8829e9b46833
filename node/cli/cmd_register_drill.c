/* cpis register drill: every telephone number of the register, to be rung by people. A verdict's
 * last word is a number: one that nobody answers is as bad as no verdict. */
#include "node/cli/commands.h"
#include "node/cli/register_file.h"
#include "proto/telephone.h"

#include <stdlib.h>
#include <string.h>

struct drill {
    struct cli *c;
    const struct msg_register *r;
    char *list; /* CSV */
    size_t len, numbers, faults;
    bool failed;
};

static bool is_rung(const struct msg_register_node *n)
{
    return n->descriptor.role == ROLE_AUTHORITY &&
           (n->state == NODE_JOINING || n->state == NODE_ACTIVE || n->state == NODE_SUSPENDED);
}

static void tell(struct drill *d, const struct msg_descriptor *of, const char *number,
                 const char *what)
{
    d->faults++;
    if (cli_has(d->c, "json"))
        cli_print_json(json_pack("{s:s,s:s,s:s,s:s}", "code", of->code, "name", of->name, "number",
                                 number, "fault", what));
    else
        (void)printf("%-8s %-30s %-16s %s\n", of->code, of->name, number, what);
}

/* Numbers that Ofcom keeps for plays: nobody answers there. */
static bool is_for_plays(const char *number)
{
    static const char *const begins[] = {"0207946",    "+44207946", "01632960",
                                         "+441632960", "07700900",  "+447700900"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(number, begins[i], strlen(begins[i])) == 0) return true;
    return false;
}

static void check_number(struct drill *d, const struct msg_descriptor *of, const char *number)
{
    struct telephone t;
    if (telephone_parse(number, strlen(number), &t) != CPIS_OK)
        tell(d, of, number, "this is no telephone number");
    else if (is_for_plays(number))
        tell(d, of, number, "a number of the range for plays: nobody answers there");
}

static void check_node(struct drill *d, size_t i)
{
    const struct msg_descriptor *of = &d->r->nodes[i].descriptor;
    check_number(d, of, of->emergency);
    if (of->office[0] == '\0')
        tell(d, of, "", "no number for office hours: the emergency one is rung all day");
    else
        check_number(d, of, of->office);
    for (size_t k = 0; k < i; k++) {
        const struct msg_descriptor *other = &d->r->nodes[k].descriptor;
        if (is_rung(&d->r->nodes[k]) && strcmp(other->emergency, of->emergency) == 0) {
            tell(d, of, of->emergency, "another authority has the same emergency number");
            break;
        }
    }
}

/* Quoted, and what a spreadsheet would take for a formula is not. */
static void add_field(struct drill *d, const char *text, const char *behind)
{
    const size_t len = strlen(text);
    char *grown = realloc(d->list, d->len + 2 * len + 16);
    if (grown == NULL) {
        d->failed = true;
        return;
    }
    d->list = grown;
    d->list[d->len++] = '"';
    if (text[0] != '\0' && strchr("=+-@", text[0]) != NULL) d->list[d->len++] = '\'';
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') d->list[d->len++] = '"';
        d->list[d->len++] = text[i];
    }
    d->list[d->len++] = '"';
    memcpy(d->list + d->len, behind, strlen(behind));
    d->len += strlen(behind);
}

static void add_line(struct drill *d, const struct msg_descriptor *of, const char *when,
                     const char *number)
{
    if (number[0] == '\0') return;
    d->numbers++;
    add_field(d, of->code, ",");
    add_field(d, of->name, ",");
    add_field(d, when, ",");
    add_field(d, number, ",,,,\n");
}

static bool write_list(struct drill *d, const char *path)
{
    static const char head[] = "code,name,when,number,rung_at,answered_by,right,remark\n";
    const size_t len = strlen(head) + d->len;
    char *text = d->failed ? NULL : malloc(len + 1);
    if (text == NULL) {
        (void)cli_fail(d->c, "out of memory");
        return false;
    }
    memcpy(text, head, strlen(head));
    if (d->len > 0) memcpy(text + strlen(head), d->list, d->len);
    const bool ok =
        cli_write_file(d->c, path, (struct bytes){(const uint8_t *)text, len}, 0600, true);
    free(text);
    return ok;
}

static int register_drill(struct cli *c)
{
    struct register_file f;
    struct drill d = {.c = c};
    const char *list = cli_value(c, "list");
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    int code = CLI_OK;
    if (registry_is_empty(f.chain)) {
        code = cli_fail(c, "no version of the register is signed yet");
    } else {
        d.r = registry_newest(f.chain);
        for (size_t i = 0; i < d.r->nodes_count; i++) {
            const struct msg_descriptor *of = &d.r->nodes[i].descriptor;
            if (!is_rung(&d.r->nodes[i])) continue;
            check_node(&d, i);
            add_line(&d, of, "day and night", of->emergency);
            add_line(&d, of, "office hours", of->office);
        }
        if (list != NULL && !write_list(&d, list)) code = CLI_ERROR;
        if (code == CLI_OK && !cli_has(c, "json"))
            (void)printf("%zu numbers to ring, %zu that look wrong\n", d.numbers, d.faults);
        if (code == CLI_OK && d.faults > 0) code = CLI_FINDINGS;
    }
    free(d.list);
    register_file_close(&f);
    return code;
}
const struct cli_command cmd_register_drill = {
    .name = "register drill",
    .args = "FILE",
    .summary = "every telephone number of the register, for people to ring, and what looks wrong",
    .more =
        "FILE is the stewards' register, or DIR/register of any node. Ring each number, by day\n"
        "and by night, twice a year: a verdict's last word is a number. --list writes a CSV file\n"
        "with room for who answered and when.",
    .exits = "0 nothing looks wrong, 14 something does, 1 error, 2 usage",
    .fn = register_drill,
    .options =
        (const struct cli_option[]){{"list", "OUT", "a CSV file to be filled in"},
                                    {"json", NULL, "one JSON object for each that looks wrong"},
                                    {0}}};
