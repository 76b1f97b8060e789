/* SPDX-License-Identifier: MIT
 *
 * hlog - a HdrHistogram log, readable by its stock tools
 *
 *      #[StartTime: 1790000000.000 (seconds since epoch), ...]
 *      "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
 *      0.000,1.000,2.311,HISTFAAAA...                  response (closed loop: service)
 *      Tag=service,0.000,1.000,1.904,HISTFAAAA...
 *      Tag=lateness,0.000,1.000,0.121,HISTFAAAA...     open loop only
 *      Tag=warmup,...                                  what the first line is, in the warm-up
 *
 * struct latency has the buckets of a HdrHistogram of two significant digits from 1 to 2^37 - 1 ns,
 * so its counts are written as they are: V2 encoding (zigzag LEB128), deflated, in base64.  Times
 * are seconds since StartTime, maxima milliseconds.  One thread. */
#ifndef LOAD_HLOG_H
#define LOAD_HLOG_H

#include <stdio.h>

#include "base/error.h"
#include "stats/latency.h"

enum {
    HLOG_HEADER_SIZE = 40,
    /* A count takes at most nine bytes; the headers of both layers come before. */
    HLOG_ENCODED_SIZE_MAX = HLOG_HEADER_SIZE + 9 * LATENCY_BUCKET_COUNT,
};

/* Writes the V2 encoding of @latency, not compressed, to @to (HLOG_ENCODED_SIZE_MAX bytes) and
 * returns its size. */
size_t hlog_encode(const struct latency_sum *latency, uint8_t *to);

/* Writes the base64 of @size bytes to @to, which has 4 * ((size + 2) / 3) + 1 bytes, and a NUL. */
void hlog_base64(const uint8_t *from, size_t size, char *to);

/* Writes the head of a log that starts at @start_s, seconds since 1970. */
int hlog_begin(FILE *to, double start_s);

/* Writes one line.  @tag may be NULL.  Returns 0 or a negative errno. */
int hlog_put(FILE *to, const char *tag, double at_s, double length_s,
             const struct latency_sum *latency);

#endif
