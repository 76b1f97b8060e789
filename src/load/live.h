/* SPDX-License-Identifier: MIT
 *
 * live - what a person sees while a run lasts
 *
 *      on a terminal, rewritten in place         elsewhere, one line per second
 *
 *        5.0s [############------------] 5 s left     5.0s   1.84M acks/s  in flight 1,600 ...
 *        rate      1.84M acks/s   ▁▃▆▇█▇▇█
 *        latency   p50 812 us     p99 2.31 ms
 *        in flight 1,600          errors 0
 *
 * Main thread.  Keeps the rates of the last LIVE_HISTORY_MAX intervals and nothing else. */
#ifndef LOAD_LIVE_H
#define LOAD_LIVE_H

#include <stdio.h>

#include "load/run.h"

enum { LIVE_HISTORY_MAX = 60 };

struct live {
    FILE *to;
    bool terminal;
    bool unicode;         /* the terminal draws block characters */
    uint32_t columns;     /* of the terminal */
    uint32_t shown_count; /* lines that stand there, the last without its newline */
    double rates[LIVE_HISTORY_MAX];
    size_t rate_count; /* counts up; the ring holds the last of them */
};

void live_init(struct live *live, FILE *to);

/* Shows one interval of a run that lasts @duration_ns. */
void live_show(struct live *live, const struct interval *interval, uint64_t duration_ns);

/* Removes the lines from a terminal. */
void live_clear(struct live *live);

#endif
