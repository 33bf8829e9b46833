/* tests/bench/bench_feed.c - how fast files of plans are read and checked, and in how much memory.
 *
 *   bench_feed [--json] [--quick]
 *
 * --quick: of each kind the middle size alone.
 *
 * Each file is read in a process of its own, the first time to warm up: rows a second of processor
 * time, and the process's peak memory. The goal is 50,000 rows a second, and for reading a peak
 * that does not grow with the file; an import holds 16 bytes a plan. */
#include "node/feed/acknowledgement.h"
#include "node/feed/csv.h"
#include "node/feed/hl7.h"
#include "node/feed/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(c)                                                                                    \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "bench_feed: line %d: %s\n", __LINE__, #c);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const struct date today = {.year = 2026, .month = 11, .day = 23};

static void next_number(unsigned *at, char ret[static 11])
{
    struct nhs_number n;
    do
        (void)snprintf(ret, 11, "999%07u", (*at)++ % 10000000);
    while (nhs_number_parse(ret, 10, &n) != CPIS_OK);
}

static void write_csv(FILE *f, unsigned rows)
{
    unsigned at = 0; /* the test range has 900,000 right numbers; then they come again */
    fputs("nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n", f);
    for (unsigned i = 0; i < rows; i++) {
        char n[11];
        next_number(&at, n);
        fprintf(f, "%s,2019-03-04,Givenname,\"Family, name\",L%u,CPP,2026-01-02,,,\n", n, i);
    }
}

static void write_upload(FILE *f, unsigned rows)
{
    unsigned at = 0;
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<File xmlns=\"" HL7_NAMESPACE "\" xmlns:npfitlc=\"" HL7_LOCALISATION "\">\n"
            "  <creationTime value=\"20261123060000+0000\"/>\n"
            "  <id extension=\"1\"/>\n"
            "  <transmissionQuantity value=\"%u\"/>\n"
            "  <communicationFunctionSnd>\n"
            "    <organisation>\n"
            "      <id root=\"" HL7_ORGANISATION "\" extension=\"T001\"/>\n"
            "      <name>Testborough</name>\n"
            "      <telecom value=\"tel:02079460123\" use=\"EC\"/>\n"
            "    </organisation>\n"
            "  </communicationFunctionSnd>\n",
            rows);
    for (unsigned i = 0; i < rows; i++) {
        char n[11];
        next_number(&at, n);
        fprintf(f,
                "  <record>\n"
                "    <CP-ISRecord>\n"
                "      <pertinentInformation>\n"
                "        <npfitlc:contentId root=\"" HL7_CONTENT
                "\" extension=\"COCT_TP146101GB01#CPPInformation\"/>\n"
                "        <COCT_TP146101GB01.CPPInformation>\n"
                "          <component><cPPStartDate><value value=\"202601021130\"/>"
                "</cPPStartDate></component>\n"
                "          <component1><cPPEndDate><value value=\"202612241200\"/>"
                "</cPPEndDate></component1>\n"
                "        </COCT_TP146101GB01.CPPInformation>\n"
                "      </pertinentInformation>\n"
                "      <subject>\n"
                "        <npfitlc:contentId root=\"" HL7_CONTENT
                "\" extension=\"COCT_TP145101GB01#Child\"/>\n"
                "        <COCT_TP145101GB01.Child>\n"
                "          <id root=\"" HL7_NHS_NUMBER "\" extension=\"%s\"/>\n"
                "          <id root=\"" HL7_LOCAL_ID "\" extension=\"L%u\"/>\n"
                "          <childPerson>\n"
                "            <birthTime value=\"20190304\"/>\n"
                "            <name><given>Givenname</given><family>Familyname</family></name>\n"
                "          </childPerson>\n"
                "        </COCT_TP145101GB01.Child>\n"
                "      </subject>\n"
                "    </CP-ISRecord>\n"
                "  </record>\n",
                n, i);
    }
    fputs("</File>\n", f);
}

/* --- what is measured --- */

static bool pass(void *arg, const struct feed_record *r)
{
    unsigned *good = arg;
    *good += r->fault == FEED_GOOD;
    return true;
}

static void read_csv(int fd, unsigned rows)
{
    struct feed_file f;
    unsigned good = 0;
    MUST(csv_file_read(fd, today, pass, &good, &f) == CPIS_OK && good == rows);
}

static void read_upload(int fd, unsigned rows)
{
    struct feed_file f;
    unsigned good = 0;
    MUST(upload_file_read(fd, today, pass, &good, &f) == CPIS_OK && good == rows);
}

/* All of an import but the authority: two passes, and the two of its acknowledgement. */
static cpis_err take(void *arg, const struct import_batch *b, enum child_outcome *ret)
{
    (void)arg;
    for (size_t i = 0; i < b->count; i++)
        ret[i] = OUTCOME_ADDED;
    return CPIS_OK;
}
static void import_all(int fd, unsigned rows)
{
    static const struct feed_organisation own = {.code = {"T001"}};
    struct import *m;
    char path[] = "/tmp/cpis-bench-ack.XXXXXX";
    int out = mkstemp(path);
    MUST(out >= 0 && close(out) == 0);
    MUST(import_check(fd, today, false, NULL, &m) == CPIS_OK);
    import_place(m, NULL, &own, false);
    MUST(import_apply(m, 1, take, NULL) == CPIS_OK && import_report(m)->ok == rows);
    MUST(acknowledgement_write(m, &own, 1, path) == CPIS_OK);
    import_free(&m);
    (void)unlink(path);
}

struct figure {
    double rows_a_second, file_mb;
    long peak_kib;
};

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static struct figure measure(void (*make)(FILE *, unsigned), void (*fn)(int, unsigned),
                             unsigned rows)
{
    FILE *f = tmpfile();
    MUST(f != NULL);
    make(f, rows);
    MUST(fflush(f) == 0);
    struct rusage r = {.ru_maxrss = 0};
    for (unsigned i = 0; i < 2; i++) {
        int told[2], status;
        MUST(pipe(told) == 0);
        pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) {
            MUST(lseek(fileno(f), 0, SEEK_SET) == 0);
            fn(fileno(f), rows);
            MUST(getrusage(RUSAGE_SELF, &r) == 0);
            MUST(write(told[1], &r, sizeof r) == (ssize_t)sizeof r);
            _exit(0);
        }
        MUST(read(told[0], &r, sizeof r) == (ssize_t)sizeof r);
        MUST(waitpid(child, &status, 0) == child && status == 0);
        MUST(close(told[0]) == 0 && close(told[1]) == 0);
    }
    struct figure g = {.peak_kib = r.ru_maxrss, .file_mb = (double)ftell(f) / 1e6};
    g.rows_a_second = rows / (seconds_of(r.ru_utime) + seconds_of(r.ru_stime));
    (void)fclose(f);
    return g;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(FILE *, unsigned);
        void (*fn)(int, unsigned);
        unsigned rows;
        bool quick;
    } runs[] = {
        {"csv, 1,000 rows", write_csv, read_csv, 1000, false},
        {"csv, 200,000 rows", write_csv, read_csv, 200000, true},
        {"csv, 1,400,000 rows", write_csv, read_csv, 1400000, false},
        {"upload, 1,000 records", write_upload, read_upload, 1000, false},
        {"upload, 20,000 records", write_upload, read_upload, 20000, true},
        {"upload, 95,000 records", write_upload, read_upload, 95000, false},
        {"upload imported and acknowledged, 1,000", write_upload, import_all, 1000, false},
        {"upload imported and acknowledged, 95,000", write_upload, import_all, 95000, false},
    };
    bool json = false, quick = false;
    for (int i = 1; i < argc; i++) {
        json |= strcmp(argv[i], "--json") == 0;
        quick |= strcmp(argv[i], "--quick") == 0;
    }
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        if (quick && !runs[i].quick) continue;
        struct figure g = measure(runs[i].make, runs[i].fn, runs[i].rows);
        if (json)
            printf("{\"what\":\"%s\",\"file_mb\":%.1f,\"rows_a_second\":%.0f,\"peak_kib\":%ld}\n",
                   runs[i].name, g.file_mb, g.rows_a_second, g.peak_kib);
        else
            printf("%-42s %6.1f MB %9.0f rows/s %7ld KiB\n", runs[i].name, g.file_mb,
                   g.rows_a_second, g.peak_kib);
    }
    return 0;
}
