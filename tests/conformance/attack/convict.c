/* Who lied, by name: in the log of who was lied to, and offline in the evidence, by the target's
 * own commands and the register alone. */
#include "tests/conformance/attack/attack.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1024U
#define NODES_MAX  8U

/* A line of one event and node is written at most once in a while: so all of this run counts. */
bool log_names_liar(struct federation *f, const char *event)
{
    char path[LINE_BYTES], line[LINE_BYTES], what[LINE_BYTES];
    unsigned named = 0, others = 0;
    (void)snprintf(path, sizeof path, "%s/log/Q01.log", f->folder);
    (void)snprintf(what, sizeof what, "event=%s ", event);
    FILE *in = fopen(path, "r");
    if (in == NULL) return attack_fails(f, "%s can't be read", path);
    while (fgets(line, sizeof line, in) != NULL) {
        const char *at = strstr(line, what);
        if (at == NULL) continue;
        if (strncmp(at + strlen(what), "peer=D02 ", 9) == 0)
            named++;
        else
            others++;
    }
    (void)fclose(in);
    if (named == 0) return attack_fails(f, "the log names no D02 with %s", event);
    return others == 0 || attack_fails(f, "the log names others than D02 with %s", event);
}

bool evidence_keep(struct federation *f, const char *file)
{
    char path[LINE_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, file);
    (void)unlink(path); /* no file is written over */
    if (!command(f, "evidence %s/Q01 %s --out %s/%s", f->folder, f->rid, f->folder, file))
        return attack_fails(f, "there is no evidence of %s", f->rid);
    return command(f, "evidence verify %s/%s --register %s/Q01/register", f->folder, file,
                   f->folder) ||
           attack_fails(f, "the evidence of %s does not verify", f->rid);
}

static bool id_is(const struct federation *f, const char *node, const char *hex)
{
    const struct cpis_id id = federation_id(f, node);
    char text[2 * sizeof id.b + 1];
    for (size_t i = 0; i < sizeof id.b; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", id.b[i]);
    return strcmp(text, hex) == 0;
}

/* Which of `names` (blanks between) this finding is of; NODES_MAX: none. */
static size_t convicted(const struct federation *f, const char *nodes, const json_t *finding)
{
    char names[LINE_BYTES], sentence[LINE_BYTES], *rest = names, *name;
    const char *kind = json_string_value(json_object_get(finding, "finding"));
    const char *node = json_string_value(json_object_get(finding, "node"));
    const char *text = json_string_value(json_object_get(finding, "text"));
    size_t i = 0;
    (void)snprintf(names, sizeof names, "%s", nodes);
    if (kind == NULL || node == NULL || text == NULL || strcmp(kind, "denied") != 0)
        return NODES_MAX;
    for (; (name = strtok_r(rest, " ", &rest)) != NULL; i++) {
        (void)snprintf(sentence, sizeof sentence, "directory %s ", name);
        if (id_is(f, name, node) && strstr(text, sentence) != NULL) return i;
    }
    return NODES_MAX;
}

bool audit_convicts(struct federation *f, const char *files, const char *nodes)
{
    char paths[LINE_BYTES] = "", names[LINE_BYTES], *rest = names, *name;
    size_t i, wanted = 0, len = 0;
    bool found[NODES_MAX] = {false}, good = true;
    json_t *one;
    (void)snprintf(names, sizeof names, "%s", files);
    while ((name = strtok_r(rest, " ", &rest)) != NULL && len < sizeof paths)
        len += (size_t)snprintf(paths + len, sizeof paths - len, "%s/%s ", f->folder, name);
    (void)snprintf(names, sizeof names, "%s", nodes);
    for (rest = names; strtok_r(rest, " ", &rest) != NULL;)
        wanted++;
    json_t *all = told(f, wanted > 0 ? 1 : 0, "log audit %s --register %s/Q01/register --json",
                       paths, f->folder);
    if (all == NULL) return false;
    json_array_foreach(all, i, one)
    {
        const size_t who = convicted(f, nodes, one);
        if (who < NODES_MAX)
            found[who] = true;
        else if (json_object_get(one, "finding") != NULL)
            good = attack_fails(f, "the audit finds %s",
                                json_string_value(json_object_get(one, "text")));
    }
    json_decref(all);
    for (i = 0; good && i < wanted; i++)
        if (!found[i]) good = attack_fails(f, "the audit does not convict all of %s", nodes);
    return good;
}
