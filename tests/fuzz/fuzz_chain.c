/* Fuzz target: a file of registers. The input is read as it is, and laid over a right file byte by
 * byte; either way it is read to its end or refused with a reason, and what is read was written. */
#include "node/net/chain_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENTS 3U
#define FILE_MAX  65536U

static char path[64];
static uint8_t right[FILE_MAX];
static size_t right_len;

static void remove_files(void) { (void)unlink(path); }

static void put(const uint8_t *p, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert(f != NULL);
    assert(len == 0 || fwrite(p, 1, len, f) == len);
    assert(fclose(f) == 0);
}

static void set_up(void)
{
    struct chain_writer w;
    if (path[0] != '\0') return;
    const char *dir = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%.40s/cpis-chain-%d", dir != NULL ? dir : "/tmp",
                   (int)getpid());
    assert(atexit(remove_files) == 0);
    assert(chain_file_create(path, 0600, &w) == CPIS_OK);
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        uint8_t document[40];
        memset(document, (int)i + 1, sizeof document);
        assert(chain_file_write(&w, (struct bytes){document, sizeof document - i}) == CPIS_OK);
    }
    assert(chain_file_finish(&w) == CPIS_OK);
    FILE *f = fopen(path, "rb");
    assert(f != NULL);
    right_len = fread(right, 1, sizeof right, f);
    assert(fclose(f) == 0 && right_len > 0);
}

/* How many documents; -1: refused. */
static int read_all(bool *ret_whole)
{
    struct chain_reader r;
    struct chain_mark mark;
    struct bytes document;
    char why[CHAIN_WHY_BYTES] = "";
    int count = 0;
    *ret_whole = false;
    cpis_err err = chain_file_open(path, &r, why);
    assert(err == CPIS_OK || err == CPIS_E_MALFORMED || err == CPIS_E_VERSION);
    assert((err == CPIS_OK) == (why[0] == '\0'));
    if (err != CPIS_OK) return -1;
    while ((err = chain_file_next(&r, &document, why)) == CPIS_OK) {
        assert(document.len > 0);
        count++;
    }
    assert(err == CPIS_E_NOTFOUND || (err == CPIS_E_MALFORMED && why[0] != '\0'));
    *ret_whole = err == CPIS_E_NOTFOUND;
    chain_file_close(&r);
    assert((chain_file_check(path, &mark, why) == CPIS_OK) == *ret_whole);
    assert(!*ret_whole || mark.links == (uint64_t)count);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t changed[FILE_MAX];
    bool whole, same = true;
    set_up();
    put(data, size < FILE_MAX ? size : FILE_MAX);
    (void)read_all(&whole);
    size_t len = right_len;
    memcpy(changed, right, right_len);
    if (size > 2) { /* where, how long it is then, what is xored over */
        const size_t at = data[0] % right_len;
        if (data[1] < 128) len = (right_len + data[1]) % (right_len + 16);
        for (size_t i = 2; i < size && at + i - 2 < right_len; i++)
            changed[at + i - 2] ^= data[i];
        same = len == right_len && memcmp(changed, right, right_len) == 0;
    }
    put(changed, len);
    const int count = read_all(&whole);
    assert(whole == same);
    assert(!same || count == (int)DOCUMENTS);
    return 0;
}
