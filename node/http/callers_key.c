#include "node/http/callers_key.h"

#include "proto/code.h"
#include "proto/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define I(member)       offsetof(struct callers_issuer, member)
#define I_TOP(member)   (sizeof((struct callers_issuer *)0)->member - 1)
#define C(member)       offsetof(struct callers_client, member)
#define C_TOP(member)   (sizeof((struct callers_client *)0)->member - 1)
#define A_NAME          "a name of 1 to 40 letters, digits, full stops, underscores and hyphens"
#define YES_NO          "true or false"
#define PER_MINUTE      60000U
#define A_RATE          "a whole number from 1 to 60000"
#define NEEDS_NO_DEVICE "nothing unless token = \"never\""
#define CLAIM(member, default_name, text)                                                          \
    {                                                                                              \
        CLAIMS, #member, KEY_TEXT, offsetof(struct callers_claims, member), 0,                     \
            CALLERS_CLAIM_BYTES, default_name, NULL, "a text of at most 64 bytes", text            \
    }

const struct key callers_keys[] = {
    {ISSUER, "name", KEY_NAME, I(name), 1, I_TOP(name), "", "care-identity", A_NAME,
     "Its name in this file."},
    {ISSUER, "issuer", KEY_TEXT, I(issuer), 1, I_TOP(issuer), "", "https://issuer.test.example",
     "a text of 1 to 255 bytes", "What its tokens have as `iss`, letter for letter."},
    {ISSUER, "audiences", KEY_TEXTS, I(audiences), 1, BEARER_AUDIENCES_MAX, "", "cpis",
     "a list of 1 to 4 texts: [\"cpis\"]", "A token has to be meant for one of these (`aud`)."},
    {ISSUER, "keys_file", KEY_TEXT, I(keys_file), 1, I_TOP(keys_file), "", "issuer.jwks",
     "the path of a file",
     "Its public keys (a JWKS), beside this file unless the path begins with /. Fetch it anew when "
     "keys change, then SIGHUP."},
    {ISSUER, "algorithm", KEY_ALGORITHM, I(algorithm), 0, 5, "", NULL,
     "\"RS256\", \"RS512\", \"PS256\", \"ES256\" or \"\"",
     "Of keys that name none; \"\": each key has to."},
    {ISSUER, "skew_seconds", KEY_NUMBER, I(skew_seconds), 0, 300, "30", NULL,
     "a whole number from 0 to 300", "How far its clock and ours may be apart."},
    {ISSUER, "life_seconds", KEY_NUMBER, I(life_seconds), 60, 86400, "3600", NULL,
     "a whole number from 60 to 86400", "How long a token may live, from `iat` to `exp`."},
    CLAIM(user_id, "nhsid_useruid", "Who the user is; every token has it."),
    CLAIM(user_name, "name", "The user's name, as the authority reads it."),
    CLAIM(client, "client_id", "Which client the token was given to; compared with token_client."),
    CLAIM(roles, "nhsid_nrbac_roles",
          "The list of the user's roles, which the next keys are in; \"\": they are beside it."),
    CLAIM(selected, "selected_roleid", "Which of several roles the user acts in ..."),
    CLAIM(role_id, "person_roleid", "... by this of each role."),
    CLAIM(role_code, "role_code", "What stands behind the last colon counts."),
    CLAIM(role_name, "role_name", "Likewise."),
    CLAIM(activities, "activity_codes",
          "Where B0107 and B0170 stand; \"\": the client's own rights decide alone."),
    CLAIM(organisation_code, "org_code",
          "For which organisation the user asks; \"\": for the client's."),
    CLAIM(organisation_name, "org_name", ""),
    CLAIM(organisations, "nhsid_user_orgs",
          "A list of codes with names, for an organisation whose name is not told with the role."),
    {CLIENT, "name", KEY_NAME, C(name), 1, C_TOP(name), "", "emergency-system", A_NAME,
     "Its name in this file, the log and metrics."},
    {CLIENT, "fingerprints", KEY_FINGERPRINTS, C(fingerprints), 0, CALLERS_FINGERPRINTS_MAX, "",
     NULL, "a list of at most 4 SHA-256 fingerprints, 64 hexadecimal digits each",
     "Its certificates, as `openssl x509 -noout -fingerprint -sha256` tells them; several, for "
     "the time when one follows another ..."},
    {CLIENT, "subject", KEY_SUBJECT, C(subject), 0, C_TOP(subject), "", "dns:ed.test.example",
     "\"cn:...\", \"dns:...\" or \"uri:...\"",
     "... or whom an authority of web_client_ca has named in it. A fingerprint goes first."},
    {CLIENT, "token", KEY_TOKEN, C(token), 0, 8, "required", NULL,
     "\"required\", \"never\" or \"instead\"",
     "required: its certificate, and a user's token; never: its certificate alone, for a system "
     "that asks for itself; instead: a user's token alone."},
    {CLIENT, "issuers", KEY_NAMES, C(issuers), 0, CALLERS_ISSUERS_MAX, "", "care-identity",
     "a list of names of issuers", "Whose tokens are taken from it."},
    {CLIENT, "token_client", KEY_TEXT, C(token_client), 0, C_TOP(token_client), "", NULL,
     "a text of at most 255 bytes",
     "What its tokens have as claims.client; \"\": anything. token = \"instead\" is known by it."},
    {CLIENT, "organisation_code", KEY_CODE, C(organisation_code), 3, C_TOP(organisation_code), "",
     "RZZ99", "an ODS code of 3 to 12 letters and digits", "Whose system it is."},
    {CLIENT, "organisation_name", KEY_TEXT, C(organisation_name), 1, C_TOP(organisation_name), "",
     "Test Hospital", "a text of 1 to 100 bytes", ""},
    {CLIENT, "speaks_for", KEY_CODES, C(speaks_for), 0, CALLERS_CODES_MAX, "", NULL,
     "a list of ODS codes, or [\"*\"]",
     "Organisations that its users may ask for, besides its own; \"*\": any."},
    {CLIENT, "setting", KEY_TEXT, C(setting), 0, C_TOP(setting), "", "emergency department",
     "a text of at most 30 bytes", "The care setting, as the authority reads it."},
    {CLIENT, "device_id", KEY_TEXT, C(device_id), 0, C_TOP(device_id), "", NULL,
     "a text of at most 36 bytes; " NEEDS_NO_DEVICE, "Who asks, without a user."},
    {CLIENT, "responsible", KEY_TEXT, C(responsible), 0, C_TOP(responsible), "", NULL,
     "a text of at most 70 bytes; " NEEDS_NO_DEVICE, "The person who answers for that device."},
    {CLIENT, "unscheduled", KEY_BOOL, C(unscheduled), 0, 1, "true", NULL, YES_NO,
     "It may ask so that the authority is notified: a visit that nobody planned."},
    {CLIENT, "scheduled", KEY_BOOL, C(scheduled), 0, 1, "false", NULL, YES_NO,
     "It may ask silently: recorded, and nobody notified."},
    {CLIENT, "roles", KEY_ROLES, C(roles), 0, CALLERS_ROLES_MAX, "", NULL,
     "a list of role codes: [\"R8000\"]", "The only roles that may ask through it; []: any."},
    {CLIENT, "incomplete_as_200", KEY_BOOL, C(incomplete_as_200), 0, 1, "false", NULL, YES_NO,
     "true: it gets INCOMPLETE as 200 with an outcome entry, instead of 503. Only for one that was "
     "seen to show it."},
    {CLIENT, "requests_a_minute", KEY_NUMBER, C(requests_a_minute), 1, PER_MINUTE, "600", NULL,
     A_RATE, "Beyond it: 429."},
    {CLIENT, "user_requests_a_minute", KEY_NUMBER, C(user_requests_a_minute), 1, PER_MINUTE, "60",
     NULL, A_RATE, "Likewise, of one user."},
};
#define KEYS (sizeof callers_keys / sizeof *callers_keys)
const size_t callers_keys_count = KEYS;

const struct key *callers_key(enum section s, const char *name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (callers_keys[i].section == s && strcmp(callers_keys[i].name, name) == 0)
            return &callers_keys[i];
    return NULL;
}

static const char *const token_names[] = {
    [TOKEN_NEVER] = "never", [TOKEN_REQUIRED] = "required", [TOKEN_INSTEAD] = "instead"};
const char *callers_token_name(enum callers_token t) { return token_names[t]; }

static bool token_parse(const char *text, enum callers_token *ret)
{
    for (unsigned i = TOKEN_NEVER; i <= TOKEN_INSTEAD; i++)
        if (strcmp(text, token_names[i]) == 0) {
            *ret = (enum callers_token)i;
            return true;
        }
    return false;
}

static bool is_name(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t len = strlen(text);
    return len > 0 && len <= CALLERS_NAME_BYTES && strspn(text, letters) == len;
}

static bool is_subject(const char *text)
{
    const char *colon = strchr(text, ':');
    if (text[0] == '\0') return true;
    return colon != NULL && colon[1] != '\0' &&
           (strncmp(text, "cn:", 3) == 0 || strncmp(text, "dns:", 4) == 0 ||
            strncmp(text, "uri:", 4) == 0);
}

bool callers_key_text(const struct key *k, const char *text, char *at)
{
    const size_t len = strlen(text);
    struct ods_code code;
    enum callers_token token;
    if (len < k->min || len > k->max || text_check_utf8(text, len) != CPIS_OK) return false;
    switch (k->type) {
    case KEY_NAME:
        if (!is_name(text)) return false;
        break;
    case KEY_CODE:
        if (ods_code_parse(text, len, &code) != CPIS_OK) return false;
        text = code.text;
        break;
    case KEY_SUBJECT:
        if (!is_subject(text)) return false;
        break;
    case KEY_TOKEN:
        if (!token_parse(text, &token)) return false;
        memcpy(at, &token, sizeof token);
        return true;
    case KEY_ALGORITHM: {
        const enum bearer_algorithm a = bearer_algorithm_parse(text);
        if (len > 0 && a == BEARER_ANY) return false;
        memcpy(at, &a, sizeof a);
        return true;
    }
    case KEY_TEXT: break;
    case KEY_NUMBER:
    case KEY_BOOL:
    case KEY_NAMES:
    case KEY_TEXTS:
    case KEY_CODES:
    case KEY_ROLES:
    case KEY_FINGERPRINTS: return false;
    }
    memset(at, 0, k->max + 1);
    memcpy(at, text, strlen(text));
    return true;
}

/* As openssl prints it, with colons and in upper case, or without. */
static bool copy_fingerprint(const char *text, char *ret)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        if (*text == ':' && n % 2 == 0) continue;
        if (n == 2 * (size_t)PEER_FINGERPRINT_BYTES) return false;
        if (*text >= 'A' && *text <= 'F')
            ret[n++] = (char)(*text - 'A' + 'a');
        else if ((*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f'))
            ret[n++] = *text;
        else
            return false;
    }
    ret[n] = '\0';
    return n == 2 * (size_t)PEER_FINGERPRINT_BYTES;
}

bool callers_key_element(const struct key *k, const char *text, char ret[static CALLERS_TEXT_BYTES])
{
    const size_t len = strlen(text);
    struct ods_code code;
    if (len == 0 || len >= CALLERS_TEXT_BYTES || text_check_utf8(text, len) != CPIS_OK)
        return false;
    if (k->type == KEY_FINGERPRINTS) return copy_fingerprint(text, ret);
    if (k->type == KEY_NAMES && !is_name(text)) return false;
    if (k->type == KEY_ROLES && len > CODE_BYTES_MAX) return false;
    if (k->type == KEY_CODES && strcmp(text, "*") != 0) {
        if (ods_code_parse(text, len, &code) != CPIS_OK) return false;
        text = code.text;
    }
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

void callers_key_defaults(enum section s, void *base)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &callers_keys[i];
        char *at = (char *)base + k->offset;
        if (k->section != s || k->value[0] == '\0') continue;
        if (k->type == KEY_NUMBER)
            *(uint64_t *)(void *)at = strtoull(k->value, NULL, 10);
        else if (k->type == KEY_BOOL)
            *(bool *)at = strcmp(k->value, "true") == 0;
        else {
            const bool set = callers_key_text(k, k->value, at);
            assert(set);
        }
    }
}

/* --- the example --- */

static void write_value(FILE *f, const struct key *k)
{
    const char *value = k->shown != NULL ? k->shown : k->value;
    if (k->type == KEY_NUMBER || k->type == KEY_BOOL)
        (void)fputs(value, f);
    else if (k->type < KEY_NAMES)
        (void)fprintf(f, "\"%s\"", value);
    else
        (void)fprintf(f, value[0] == '\0' ? "[]" : "[\"%s\"]", value);
}

static void write_keys(FILE *f, enum section s, const char *indent)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &callers_keys[i];
        if (k->section != s) continue;
        if (k->help[0] != '\0') (void)fprintf(f, "%s# %s\n", indent, k->help);
        if (s != CLAIMS) (void)fprintf(f, "%s# Expected: %s.\n", indent, k->expected);
        (void)fprintf(f, "%s#%s = ", indent, k->name);
        write_value(f, k);
        (void)fputs(";\n", f);
    }
}

char *callers_conf_example(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL) return NULL;
    (void)fputs("# Who may ask this node over HTTP. `cpis web` reads it when it starts and at "
                "SIGHUP;\n# `cpis clients check` reads it as well and says what each client may "
                "do.\n# A number sign right before a word or a bracket is there to be taken away.\n"
                "\n# Whose tokens count, at most 8. None: no users, only systems that ask for "
                "themselves.\nissuers = (\n#{\n",
                f);
    write_keys(f, ISSUER, "    ");
    (void)fputs(
        "    # What the claims of its tokens are called; \"\": there is none.\n    #claims: "
        "{\n",
        f);
    write_keys(f, CLAIMS, "        ");
    (void)fputs(
        "    #};\n#}\n);\n\n# Who may ask, at most 256. Nobody else may.\nclients = (\n#{\n", f);
    write_keys(f, CLIENT, "    ");
    (void)fputs("#}\n);\n", f);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}
