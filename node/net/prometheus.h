/* node/net/prometheus.h - metric families as JSON, as the control command `metrics` gives them, and
 * those as text that Prometheus reads. Source: Prometheus' "Exposition formats", text format 0.0.4.
 *
 *   {"name": "cpis_lookups_total", "type": "counter", "help": "...", "samples": [
 *       {"labels": {"verdict": "no_flag"}, "value": 12}]}
 *
 * type: counter, gauge or histogram. A histogram's sample has, for value, "buckets": [{"le": 0.1,
 * "count": 3}, ...] (rising, cumulative), "sum" and "count". Whoever has families of its own (the
 * web process) adds them to the same list. Pure; any thread. */
#ifndef CPIS_NODE_NET_PROMETHEUS_H
#define CPIS_NODE_NET_PROMETHEUS_H
#include "node/net/metrics.h"

#include <jansson.h>

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Adds a family without samples to the list `families`; its samples, borrowed: give them to the
 * functions below. NULL: out of memory; those take it, too. A family without samples is no text. */
json_t *family_add(json_t *families, const char *name, const char *type, const char *help);
/* labels: up to two names and values, one after the other; NULL ends them. */
void family_value(json_t *samples, double value, const char *label, const char *is,
                  const char *label_2, const char *is_2);
void family_count(json_t *samples, uint64_t value, const char *label, const char *is,
                  const char *label_2, const char *is_2);
void family_histogram(json_t *samples, const struct histogram *h, const char *label,
                      const char *is);
/* The same for a family of one sample without labels. */
void family_one(json_t *families, const char *name, const char *help, double value); /* a gauge */
void family_total(json_t *families, const char *name, const char *help, uint64_t value);

/* The text: *ret for free(). CPIS_E_MALFORMED: not such a list - a name or label that can't be, a
 * type that is none, a family twice, a number that is none. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err prometheus_text(const json_t *families, char **ret);
#endif
