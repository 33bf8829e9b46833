/* Runs a fuzz target over files, without a fuzzer: `make test` replays the corpus with gcc. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    static uint8_t buf[2U << 20];
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (f == NULL) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        size_t n = fread(buf, 1, sizeof buf, f);
        fclose(f);
        uint8_t *exact = malloc(n > 0 ? n : 1); /* exact size: ASan sees an over-read */
        if (exact == NULL) return EXIT_FAILURE;
        for (size_t j = 0; j < n; j++)
            exact[j] = buf[j];
        (void)LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    printf("replayed %d inputs\n", argc - 1);
    return EXIT_SUCCESS;
}
