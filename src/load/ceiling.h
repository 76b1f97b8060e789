/* SPDX-License-Identifier: MIT
 *
 * ceiling - what `ackload selftest` found that this client can do on this machine
 *
 * Kept in .ackload/selftest.json of the working folder: one entry for each shape (connections,
 * depth, size, threads); a newer one takes the place of an older one. */
#ifndef LOAD_CEILING_H
#define LOAD_CEILING_H

#include "load/options.h"

#define CEILING_FOLDER "./.ackload"
#define CEILING_PATH   CEILING_FOLDER "/selftest.json"

struct ceiling {
    uint64_t depth;
    uint32_t connection_count;
    uint32_t thread_count;
    uint32_t payload_size;
    bool teaching;
    double rate;      /* acks per second */
    double bare_rate; /* of the bare loop */
    double ratio;     /* median over pairs of slices */
    double cpu_ns;    /* CPU time of the client per ack */
    double bare_cpu_ns;
    uint32_t starved_count; /* pairs of slices that were left out */
};

/* How late messages were written that nothing but the client delayed. */
struct ceiling_pacing {
    enum idle_mode idle;
    uint64_t p50_ns;
    uint64_t p99_ns;
};

/* Adds @ceilings to the file @path, whose folder is made if need be. */
int ceiling_store(const char *path, const struct ceiling *ceilings, uint32_t count,
                  const struct ceiling_pacing *pacing, struct ackd_error *error);

/* The acks per second that a run of @options could reach: that of the entry with its size and
 * number of threads whose depth comes nearest from below to @batch, the messages it wrote at a
 * time, or else the smallest depth.  0 when nothing fits or @path cannot be read. */
double ceiling_find(const char *path, const struct options *options, double batch);

#endif
