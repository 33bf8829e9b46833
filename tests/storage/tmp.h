/* tests/storage/tmp.h - a folder of one's own under build/, and files as bytes. */
#ifndef CPIS_TESTS_STORAGE_TMP_H
#define CPIS_TESTS_STORAGE_TMP_H
#include "crypto/types.h"

void tmp_make(void);                 /* an empty folder; asserts */
void tmp_remove(void);               /* with all that is in it */
const char *tmp_path(const char *s); /* inside it; valid for the next 15 calls */
size_t tmp_size(const char *s);      /* of the file there */
struct file_bytes {
    uint8_t *p; /* free() */
    size_t len;
};
struct file_bytes file_read(const char *path); /* {NULL, 0}: not there */
bool bytes_contain(struct file_bytes b, const void *p, size_t len);
bool bytes_equal(struct file_bytes a, struct file_bytes b);
void file_patch(const char *path, long at, const void *p, size_t len);
void file_limit(uint64_t bytes); /* RLIMIT_FSIZE: longer files can't be written; 0: no limit */
/* Turns the open descriptors of data.mdb in this process into a full device: the one for meta pages
 * (O_DSYNC) or the one for all others. */
void data_file_becomes_full(bool meta);
#endif
