/* SPDX-License-Identifier: MIT
 *
 * slo - a promise about a run (slo.h) */
#include "load/slo.h"

#include <string.h>

#include "base/units.h"

enum { TEXT_SIZE_MAX = 256 };

static const enum figure times[] = {FIGURE_P50,  FIGURE_P90,  FIGURE_P99,
                                    FIGURE_P999, FIGURE_MEAN, FIGURE_MAX};
static const enum figure counts[] = {FIGURE_LOST, FIGURE_FAILED, FIGURE_ERRORS};

static int fail(const char *term, struct ackd_error *error)
{
    return error_raise(error, -EINVAL,
                       "--slo '%s': give terms such as p99<500us,lost=0: one of p50 p90 p99 p99.9 "
                       "max mean with a time, or of lost failed errors with a number",
                       term);
}

static bool find(const enum figure *figures, size_t count, const char *name,
                 enum figure *ret_figure)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(figure_name(figures[i]), name) == 0) {
            *ret_figure = figures[i];
            return true;
        }
    }
    return false;
}

/* Cuts @text at its relation; NULL when there is none. */
static const char *cut(char *text, enum slo_relation *ret_relation)
{
    char *const at = strpbrk(text, "<=");

    if (!at)
        return NULL;
    const bool both = at[0] == '<' && at[1] == '=';
    *ret_relation = both ? SLO_AT_MOST : at[0] == '<' ? SLO_BELOW : SLO_EQUAL;
    *at = '\0';
    return at + (both ? 2 : 1);
}

/* Parses one term, which it cuts up. */
static bool parse_term(char *text, struct slo_term *term)
{
    const char *const value = cut(text, &term->relation);
    uint64_t number = 0;
    bool legal;

    if (!value)
        return false;
    if (find(times, sizeof times / sizeof times[0], text, &term->figure))
        legal = units_parse_duration_ns(value, &number) && number > 0;
    else
        legal = find(counts, sizeof counts / sizeof counts[0], text, &term->figure) &&
                units_parse_count(value, &number);
    term->value = (double)number;
    return legal;
}

int slo_parse(const char *text, struct slo *ret_slo, struct ackd_error *error)
{
    char copy[TEXT_SIZE_MAX];
    char *rest = copy;
    char *term;
    struct slo slo = {.count = 0};

    if (strlen(text) >= sizeof copy)
        return error_raise(error, -EINVAL, "--slo: more than %d bytes", TEXT_SIZE_MAX - 1);
    memcpy(copy, text, strlen(text) + 1);
    while ((term = strsep(&rest, ","))) {
        if (slo.count == SLO_TERM_MAX || !parse_term(term, &slo.terms[slo.count]))
            return fail(text, error);
        slo.count++;
    }
    *ret_slo = slo;
    return 0;
}

const struct slo_term *slo_find_broken(const struct slo *slo, const double *figures)
{
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_term *const term = &slo->terms[i];
        const double value = figures[term->figure];
        bool kept = false;
        switch (term->relation) {
        case SLO_BELOW:
            kept = value < term->value;
            break;
        case SLO_AT_MOST:
            kept = value <= term->value;
            break;
        case SLO_EQUAL:
            kept = value == term->value;
            break;
        }
        if (!kept)
            return term;
    }
    return NULL;
}
