/* tests/e2e/wan.c - simulations/wan.h for scripts: a network between processes that can be cut,
 * made slow or lossy in one direction at a time while they run.
 *
 *   wan NODES [SEED]
 *
 * Prints a line for each node, its address and the file of its network namespace, which is there as
 * long as this process: `nsenter --net=FILE COMMAND`. Then it reads orders, a line each, and says
 * ok when the network has been told:
 *
 *   FROM TO cut
 *   FROM TO open                        as at first
 *   FROM TO LOSS_PERMILLE DELAY_US      what else is lost, and late, from FROM to TO
 *
 * Nodes are numbers from 0. Ends with its standard input, and the network with it. Exit code 3: no
 * such network can be made here (not root, or no /dev/net/tun); it says what is missing. */
#include "simulations/wan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 128
#define CANT       3

/* One kind of link, of a local network, whoever its ends are: what is worse than that is ordered.
 */
static const char NEAR[] =
    "topology = { authorities = 1; directories = 1; threshold = 1; queries = 1; };"
    "links = ( { name = \"near\"; delay_min_us = 100; delay_median_us = 100; delay_p90_us = 200;"
    " delay_p99_us = 500; delay_max_us = 500; } );"
    "network = { directory_directory = \"near\"; authority_directory = \"near\";"
    " query_directory = \"near\"; };";

static bool read_order(const char *line, unsigned nodes, unsigned ret_pair[static 2],
                       struct wan_trouble *ret)
{
    char word[8];
    unsigned loss;
    unsigned long delay;
    *ret = (struct wan_trouble){.cut = false};
    if (sscanf(line, "%u %u", &ret_pair[0], &ret_pair[1]) != 2) return false;
    if (ret_pair[0] >= nodes || ret_pair[1] >= nodes || ret_pair[0] == ret_pair[1]) return false;
    if (sscanf(line, "%*u %*u %u %lu", &loss, &delay) == 2) {
        ret->loss_permille = loss;
        ret->delay_us = delay;
        return loss <= 1000;
    }
    if (sscanf(line, "%*u %*u %7s", word) != 1) return false;
    ret->cut = strcmp(word, "cut") == 0;
    return ret->cut || strcmp(word, "open") == 0;
}

static int obey(struct wan *w, unsigned nodes)
{
    char line[LINE_BYTES];
    struct wan_trouble trouble;
    unsigned pair[2];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (!read_order(line, nodes, pair, &trouble)) {
            fprintf(stderr, "wan: not an order: %s", line);
            return EXIT_FAILURE;
        }
        wan_set(w, pair[0], pair[1], &trouble);
        puts("ok");
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct scenario sc;
    static struct scenario_mistakes mistakes;
    char why[WAN_WHY_BYTES] = "", address[WAN_ADDRESS_BYTES];
    struct wan *w = NULL;
    const unsigned long nodes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    const unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    if (nodes < 2 || nodes > WAN_NODES_MAX) {
        fputs("usage: wan NODES [SEED]\n", stderr);
        return 2;
    }
    if (scenario_parse(NEAR, "wan", &sc, &mistakes) != CPIS_OK) {
        fputs(mistakes.text, stderr);
        return EXIT_FAILURE;
    }
    if (wan_new(&sc, seed, nodes, why, &w) != CPIS_OK) {
        fprintf(stderr, "wan: %s\n", why);
        return CANT;
    }
    wan_begin(w);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; i < nodes; i++) {
        wan_address(i, address);
        printf("%s /proc/%ld/fd/%d\n", address, (long)getpid(), wan_network(w, i));
    }
    const int status = obey(w, (unsigned)nodes);
    wan_free(&w);
    return status;
}
