/* SPDX-License-Identifier: MIT
 *
 * exposition - writes metrics as Prometheus reads them
 *
 * Two formats from the same calls: the text format 0.0.4 and OpenMetrics 1.0.0.  They differ in
 * where _total stands and in the end mark.  Memory is the caller's to free; a failed allocation
 * is remembered, and later calls do nothing.
 *
 * Sources: prometheus.io/docs/instrumenting/exposition_formats, openmetrics.io 1.0.0. */
#ifndef STATS_EXPOSITION_H
#define STATS_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/histogram.h"

enum exposition_format {
    EXPOSITION_TEXT,
    EXPOSITION_OPENMETRICS,
};

enum exposition_type {
    EXPOSITION_COUNTER,
    EXPOSITION_GAUGE,
    EXPOSITION_HISTOGRAM,
    EXPOSITION_INFO, /* a gauge of 1 in the text format */
};

struct exposition {
    enum exposition_format format;
    const char *prefix; /* stands with an underscore before every name; "" for none */
    char *text;         /* ends with a NUL; freed by who uses the exposition */
    size_t size;
    size_t capacity;
    bool failed; /* memory ran out: the text is not whole */

    /* The family whose series are being written. */
    const char *family;
    enum exposition_type type;
};

/* Begins a family: HELP and TYPE.  @family is without prefix and _total and lives until the
 * last of its series is written. */
void exposition_family(struct exposition *to, const char *family, enum exposition_type type,
                       const char *help);

/* One series of the family.  @labels is name="value",... or "". */
void exposition_count(struct exposition *to, const char *labels, uint64_t value);
void exposition_number(struct exposition *to, const char *labels, double value);

/* The histogram of the family: @bucket and @sum as summed by the caller, @bounds in the unit of
 * the sum, written as they stand divided by @scale (1e9: nanoseconds as seconds). */
void exposition_histogram(struct exposition *to, const uint64_t *bounds, size_t bound_count,
                          const uint64_t *bucket, uint64_t sum, double scale);

enum { EXPOSITION_BOUND_SIZE = 32 };

/* Writes the bound of a bucket as its label `le` has it.  The same in both formats, with a point in
 * it: a bound that changes its spelling is another series. */
void exposition_bound(double bound, char *ret_text);

/* Ends the text (OpenMetrics wants a mark). */
void exposition_end(struct exposition *to);

/* Copies @value to @ret_label, escaped for use between the quotes of a label. */
void exposition_escape(const char *value, char *ret_label, size_t label_size);

#endif
