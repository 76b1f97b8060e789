/* SPDX-License-Identifier: MIT
 *
 * chart - lines and points over two axes, as SVG inside of a page
 *
 *      y ┤      ╭──        linear, from 0 (or below, when there is something)
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

/* How the points of a series look: told apart without colours. */
enum chart_shape {
    CHART_LINE, /* not at all: a line joins them */
    CHART_DISC,
    CHART_CROSS,
    CHART_RING,
};

struct chart_series {
    const char *name;
    const struct chart_point *points;
    size_t count;
    bool dashed;
    bool marked; /* the points of a line can be pointed at */
    enum chart_shape shape;
};

/* A part of the x axis on a ground of its own; without a name there is none. */
struct chart_span {
    const char *name;
    double from;
    double to;
};

/* A line across the chart; without a name there is none. */
struct chart_limit {
    const char *name;
    double y;
};

struct chart {
    const char *title;
    const char *description; /* for who cannot see it; NULL = the title says enough */
    struct chart_span span;
    struct chart_limit limit;
    struct chart_axis x;
    struct chart_axis y;
    struct chart_series series[CHART_SERIES_COUNT_MAX];
    size_t series_count;
};

/* Makes the ends of @axis round, outside of what min and max are. */
void chart_round(struct chart_axis *axis);

/* Makes the axes hold all points and the limit, with room to round numbers.  A log axis leaves out
 * what is not above 0. */
void chart_fit(struct chart *chart);

/* Where @value stands on @axis: 0 at its start, 1 at its end. */
double chart_place(const struct chart_axis *axis, double value);

/* Writes the values of @axis that get a number, ascending, to @ret_ticks and returns their count.
 */
size_t chart_ticks(const struct chart_axis *axis, double *ret_ticks);

/* The number of a tick, as short as it can be. */
const char *chart_tick_text(const struct chart_axis *axis, double tick, struct text *text);

/* Begins a drawing of @width x @height, which has title and @description (NULL = none) for who
 * cannot see it. */
void chart_begin_svg(FILE *to, const char *title, const char *description, int width, int height);

/* Writes the chart.  chart_fit() has been called. */
void chart_write(FILE *to, const struct chart *chart);

/* Formats: 812 us (of nanoseconds), 1.84M, p99.9, 5 s, +3.5 % (of 0.035). */
const char *chart_format_time(struct text *text, double ns);
const char *chart_format_amount(struct text *text, double amount);
const char *chart_format_percentile(struct text *text, double fraction);
const char *chart_format_seconds(struct text *text, double seconds);
const char *chart_format_change(struct text *text, double share);

#endif
