#include "node/cli/register_offer.h"

#include "node/cli/commands.h"
#include "node/net/chain_file.h"

#include <stdlib.h>
#include <unistd.h>

#define OFFER_ARENA_BYTES ((size_t)16 << 20)
#define LINK_OVERHEAD     8U /* a link's tag and length in the chain */

struct offer {
    const struct cli *c;
    struct control_client *client;
    struct msg_register_document links[REGISTER_LINKS_MAX]; /* of the next command */
    size_t count, bytes;
    struct arena arena;  /* they lie in it */
    uint64_t at, newest; /* the last version that was gathered; the file's last */
};

static void show_progress(const struct offer *o)
{
    if (isatty(STDERR_FILENO) == 1)
        (void)fprintf(stderr, "\rversion %llu of %llu%s", (unsigned long long)o->at,
                      (unsigned long long)o->newest, o->at == o->newest ? "\n" : "");
}

static bool give(struct offer *o)
{
    const struct msg_register_chain part = {.links = o->links, .links_count = o->count};
    struct bytes b;
    cpis_err err = register_chain_encode(&part, &o->arena, &b);
    if (err != CPIS_OK) {
        (void)cli_fail(o->c, "%s", cpis_strerror(err));
        return false;
    }
    json_t *reply = cli_call(o->c, o->client, "register_offer",
                             json_pack("{s:o}", "chain", cli_to_base64(b)), CLI_TIMEOUT_MS);
    if (reply == NULL) {
        (void)fprintf(stderr,
                      "versions %llu to %llu were refused, or the node's answer did not come; "
                      "what it had taken before stays, and the same command goes on there\n",
                      (unsigned long long)(o->at - o->count + 1), (unsigned long long)o->at);
        return false;
    }
    json_decref(reply);
    if (o->count < o->newest) show_progress(o);
    arena_free(&o->arena);
    o->count = o->bytes = 0;
    return true;
}

static bool gather(struct offer *o, struct bytes document, uint64_t version)
{
    const size_t more = document.len + LINK_OVERHEAD;
    if ((o->count == REGISTER_LINKS_MAX || o->bytes + more > FRAME_BYTES_MAX) && !give(o))
        return false;
    cpis_err err = register_document_decode(document, &o->arena, &o->links[o->count]);
    if (err != CPIS_OK) {
        (void)cli_fail(o->c, "%s", cpis_strerror(err));
        return false;
    }
    o->count++;
    o->bytes += more;
    o->at = version;
    return true;
}

static bool give_from(struct offer *o, const char *path, uint64_t first)
{
    char why[CHAIN_WHY_BYTES] = "";
    struct chain_reader r;
    struct bytes document;
    bool ok = true;
    cpis_err err = chain_file_open(path, &r, why);
    if (err == CPIS_OK) {
        while (ok && (err = chain_file_next(&r, &document, why)) == CPIS_OK)
            if (r.mark.links >= first) ok = gather(o, document, r.mark.links);
        chain_file_close(&r);
    }
    if (!ok) return false;
    if (err == CPIS_E_NOTFOUND) return give(o);
    (void)cli_fail(o->c, "%s: %s", path, why);
    return false;
}

int register_offer(const struct cli *c, const char *path, uint64_t newest)
{
    int code = CLI_ERROR;
    struct offer *o = calloc(1, sizeof *o);
    if (o == NULL) return cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    *o = (struct offer){.c = c, .newest = newest, .arena = arena_make(OFFER_ARENA_BYTES)};
    o->client = cli_connect(c);
    json_t *status =
        o->client == NULL ? NULL : cli_call(c, o->client, "status", NULL, CLI_TIMEOUT_MS);
    const uint64_t have = cli_integer(json_object_get(status, "register"), "version");
    if (status != NULL && have > newest)
        (void)cli_fail(c, "this node has version %llu already, %s ends with %llu: it is an old one",
                       (unsigned long long)have, path, (unsigned long long)newest);
    else if (status != NULL && give_from(o, path, have < newest ? have + 1 : newest))
        code = CLI_OK;
    json_decref(status);
    control_close(&o->client);
    arena_free(&o->arena);
    free(o);
    return code;
}
