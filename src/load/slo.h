/* SPDX-License-Identifier: MIT
 *
 * slo - a promise about a run: p99<500us,lost=0
 *
 *      promise    term *( "," term )
 *      term       figure ( "<" | "<=" | "=" ) value
 *      figure     p50 p90 p99 p99.9 max mean       value: a time such as 500us or 2ms
 *                 lost failed errors               value: a number of messages */
#ifndef LOAD_SLO_H
#define LOAD_SLO_H

#include "load/measure.h"

enum { SLO_TERM_MAX = 16 };

enum slo_relation {
    SLO_BELOW,
    SLO_AT_MOST,
    SLO_EQUAL,
};

struct slo_term {
    enum figure figure;
    enum slo_relation relation;
    double value; /* ns, or messages */
};

struct slo {
    struct slo_term terms[SLO_TERM_MAX];
    size_t count;
};

/* Parses @text; on failure @error says what is legal. */
int slo_parse(const char *text, struct slo *ret_slo, struct ackd_error *error);

/* The first term that @figures (FIGURE_COUNT of them) break; NULL when they keep all.  What was not
 * measured keeps nothing. */
const struct slo_term *slo_find_broken(const struct slo *slo, const double *figures);

#endif
