/* SPDX-License-Identifier: MIT
 *
 * chart - lines over two axes, as SVG inside of a page
 *
 *      y ┤      ╭──        linear, from 0
 *        ┤  ╭───╯          log: ticks at 1, 2 and 5, or at powers of ten
 *        ┼──┴──┴──┴─ x     percentile: 0, 90, 99, 99.9 ... at equal distances
 *
 * The colours are those of the page's style sheet (classes line-0, line-1, ...), so that a chart
 * follows light and dark.  Works without scripts: a point says its values in a <title>.  Pure but
 * for the writing. */
#ifndef LOAD_CHART_H
#define LOAD_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "load/text.h"

enum {
    CHART_SERIES_COUNT_MAX = 4,
    CHART_TICK_COUNT_MAX = 32,
};

enum chart_scale {
    CHART_LINEAR,
    CHART_LOG,
    CHART_PERCENTILE, /* values are fractions, from 0 to below 1 */
};

/* Writes a value as people read it. */
typedef const char *(*chart_format)(struct text *text, double value);

struct chart_axis {
    enum chart_scale scale;
    chart_format format;
    double step_min; /* linear: numbers are no closer; 0 = as close as they fit */
    double min;      /* found by chart_fit() */
    double max;
};

struct chart_point {
    double x;
    double y;
};

struct chart_series {
    const char *name;
    const struct chart_point *points;
    size_t count;
    bool dashed;
    bool marked; /* points can be pointed at */
};

struct chart {
    const char *title;
    struct chart_axis x;
    struct chart_axis y;
    struct chart_series series[CHART_SERIES_COUNT_MAX];
    size_t series_count;
};

/* Makes the axes hold all points, with room to round numbers.  A log axis leaves out what is not
 * above 0. */
void chart_fit(struct chart *chart);

/* Where @value stands on @axis: 0 at its start, 1 at its end. */
double chart_place(const struct chart_axis *axis, double value);

/* Writes the values of @axis that get a number, ascending, to @ret_ticks and returns their count.
 */
size_t chart_ticks(const struct chart_axis *axis, double *ret_ticks);

/* Writes the chart.  chart_fit() has been called. */
void chart_write(FILE *to, const struct chart *chart);

/* Writes @text so that it means itself in a page, also between quotes. */
void chart_write_text(FILE *to, const char *text);

/* Formats: 812 us (of nanoseconds), 1.84M, p99.9, 5 s. */
const char *chart_format_time(struct text *text, double ns);
const char *chart_format_amount(struct text *text, double amount);
const char *chart_format_percentile(struct text *text, double fraction);
const char *chart_format_seconds(struct text *text, double seconds);

#endif
