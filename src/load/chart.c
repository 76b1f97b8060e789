/* SPDX-License-Identifier: MIT
 *
 * chart - lines over two axes, as SVG (chart.h) */
#include "load/chart.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "load/page.h"

enum {
    WIDTH = 480,
    HEIGHT = 260,
    LEFT = 62,
    RIGHT = 14,
    TOP = 10,
    BOTTOM = 30,
    TICKS_WANTED = 5,
    PERCENTILE_DECADE_MAX = 9,
};

#define PLOT_WIDTH  (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)

/* The share of two decades above which a log axis shows powers of ten only. */
#define DECADES_OF_STEPS 2.5

const char *chart_format_time(struct text *text, double ns)
{
    return text_time(text, (uint64_t)(ns + 0.5));
}

const char *chart_format_amount(struct text *text, double amount)
{
    return text_amount(text, amount);
}

const char *chart_format_percentile(struct text *text, double fraction)
{
    snprintf(text->bytes, sizeof text->bytes, "p%.7g", 100 * fraction);
    return text->bytes;
}

const char *chart_format_seconds(struct text *text, double seconds)
{
    snprintf(text->bytes, sizeof text->bytes, "%.4g s", seconds);
    return text->bytes;
}

const char *chart_format_change(struct text *text, double share)
{
    /* Not -0. */
    const double percent = fabs(share) < 1e-9 ? 0 : 100 * share;

    snprintf(text->bytes, sizeof text->bytes, percent == 0 ? "%.3g %%" : "%+.3g %%", percent);
    return text->bytes;
}

/* The value in the unit in which the axis is even. */
static double unroll(const struct chart_axis *axis, double value)
{
    switch (axis->scale) {
    case CHART_LOG:
        return log10(value);
    case CHART_PERCENTILE:
        return -log10(1 - value);
    case CHART_LINEAR:
        break;
    }
    return value;
}

static bool can_show(const struct chart_axis *axis, double value)
{
    return isfinite(value) && (axis->scale != CHART_LOG || value > 0) &&
           (axis->scale != CHART_PERCENTILE || value < 1);
}

/* The largest of 1, 2 and 5 times a power of ten that is not above @value (> 0). */
static double step_below(double value)
{
    const double power = pow(10, floor(log10(value) + 1e-9));
    const double lead = value / power * (1 + 1e-9);

    return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}

/* The smallest of them that is not below @value. */
static double step_above(double value)
{
    const double below = step_below(value);

    if (value <= below * (1 + 1e-9))
        return below;
    return step_below(below * 2.6);
}

static double linear_step(const struct chart_axis *axis)
{
    return fmax(step_above((axis->max - axis->min) / TICKS_WANTED), axis->step_min);
}

/* 0 is always on it. */
static void round_linear(struct chart_axis *axis)
{
    axis->min = fmin(axis->min, 0);
    axis->max = fmax(axis->max, 0);
    if (axis->max <= axis->min) {
        axis->max = 1;
        return;
    }
    const double step = linear_step(axis);
    axis->min = floor(axis->min / step + 1e-9) * step;
    axis->max = ceil(axis->max / step - 1e-9) * step;
}

void chart_round(struct chart_axis *axis)
{
    switch (axis->scale) {
    case CHART_LINEAR:
        round_linear(axis);
        break;
    case CHART_LOG:
        axis->min = step_below(axis->min);
        axis->max = step_above(axis->max);
        if (axis->max <= axis->min)
            axis->max = step_above(axis->min * 1.5);
        break;
    case CHART_PERCENTILE:
        axis->min = 0;
        if (axis->max < 0.9)
            axis->max = 0.9;
        break;
    }
}

void chart_fit(struct chart *chart)
{
    chart->x.min = chart->y.min = INFINITY;
    chart->x.max = chart->y.max = -INFINITY;
    for (size_t s = 0; s < chart->series_count; s++) {
        const struct chart_series *const series = &chart->series[s];
        for (size_t i = 0; i < series->count; i++) {
            const struct chart_point *const point = &series->points[i];
            if (!can_show(&chart->x, point->x) || !can_show(&chart->y, point->y))
                continue;
            chart->x.min = fmin(chart->x.min, point->x);
            chart->x.max = fmax(chart->x.max, point->x);
            chart->y.min = fmin(chart->y.min, point->y);
            chart->y.max = fmax(chart->y.max, point->y);
        }
    }
    if (chart->limit.name && can_show(&chart->y, chart->limit.y)) {
        chart->y.min = fmin(chart->y.min, chart->limit.y);
        chart->y.max = fmax(chart->y.max, chart->limit.y);
    }
    if (chart->x.max < chart->x.min)
        chart->x.min = chart->x.max = chart->y.min = chart->y.max = 1;
    /* Time ends where the run did, and not at a round number. */
    if (chart->x.scale != CHART_LINEAR)
        chart_round(&chart->x);
    else
        chart->x.min = 0;
    chart_round(&chart->y);
}

double chart_place(const struct chart_axis *axis, double value)
{
    const double min = unroll(axis, axis->min);
    return (unroll(axis, value) - min) / (unroll(axis, axis->max) - min);
}

static size_t linear_ticks(const struct chart_axis *axis, double *ret_ticks)
{
    const double step = linear_step(axis);
    size_t count = 0;

    /* Not -0. */
    double index = ceil(axis->min / step - 1e-9) + 0.0;

    while (count < CHART_TICK_COUNT_MAX && index * step <= axis->max + step * 1e-9)
        ret_ticks[count++] = index++ * step;
    return count;
}

static size_t log_ticks(const struct chart_axis *axis, double *ret_ticks)
{
    const bool steps = log10(axis->max / axis->min) <= DECADES_OF_STEPS;
    double tick = axis->min;
    size_t count = 0;

    while (tick <= axis->max * (1 + 1e-9) && count < CHART_TICK_COUNT_MAX) {
        const double power = pow(10, round(log10(tick)));
        if (steps || fabs(tick / power - 1) < 1e-6)
            ret_ticks[count++] = tick;
        tick = step_above(tick * 1.5);
    }
    return count;
}

static size_t percentile_ticks(const struct chart_axis *axis, double *ret_ticks)
{
    size_t count = 0;

    ret_ticks[count++] = 0.5;
    for (int decade = 1; decade <= PERCENTILE_DECADE_MAX; decade++) {
        const double tick = 1 - pow(10, -decade);
        if (tick <= axis->max + 1e-12)
            ret_ticks[count++] = tick;
    }
    return count;
}

size_t chart_ticks(const struct chart_axis *axis, double *ret_ticks)
{
    switch (axis->scale) {
    case CHART_LOG:
        return log_ticks(axis, ret_ticks);
    case CHART_PERCENTILE:
        return percentile_ticks(axis, ret_ticks);
    case CHART_LINEAR:
        break;
    }
    return linear_ticks(axis, ret_ticks);
}

static double x_of(const struct chart *chart, double value)
{
    return LEFT + PLOT_WIDTH * chart_place(&chart->x, value);
}

static double y_of(const struct chart *chart, double value)
{
    return TOP + PLOT_HEIGHT * (1 - chart_place(&chart->y, value));
}

/* 10.0 ms as 10 ms: ticks are round. */
static const char *shorten(struct text *text)
{
    char *const point = strchr(text->bytes, '.');

    if (point) {
        char *end = point + strspn(point, ".0123456789");
        char *const rest = end;
        while (end[-1] == '0')
            end--;
        if (end[-1] == '.')
            end--;
        memmove(end, rest, strlen(rest) + 1);
    }
    return text->bytes;
}

const char *chart_tick_text(const struct chart_axis *axis, double tick, struct text *text)
{
    axis->format(text, tick);
    return axis->scale == CHART_PERCENTILE ? text->bytes : shorten(text);
}

static void write_grid(FILE *to, const struct chart *chart)
{
    double ticks[CHART_TICK_COUNT_MAX];
    struct text text;
    size_t count = chart_ticks(&chart->y, ticks);

    for (size_t i = 0; i < count; i++) {
        const double y = y_of(chart, ticks[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
        fprintf(to, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                LEFT - 6, y + 4, chart_tick_text(&chart->y, ticks[i], &text));
    }
    count = chart_ticks(&chart->x, ticks);
    for (size_t i = 0; i < count; i++) {
        const double x = x_of(chart, ticks[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, TOP, HEIGHT - BOTTOM);
        /* The last one stays inside of the drawing. */
        fprintf(to, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s</text>\n", x,
                HEIGHT - BOTTOM + 18, x > WIDTH - RIGHT - 1 ? "end" : "middle",
                chart_tick_text(&chart->x, ticks[i], &text));
    }
}

static void write_point_title(FILE *to, const struct chart *chart, size_t index,
                              const struct chart_point *point)
{
    struct text x;
    struct text y;

    fprintf(to, "<title>%s: %s at %s</title>", chart->series[index].name,
            chart->y.format(&y, point->y), chart->x.format(&x, point->x));
}

static void write_shape(FILE *to, const struct chart *chart, size_t index,
                        const struct chart_point *point)
{
    const double x = x_of(chart, point->x);
    const double y = y_of(chart, point->y);

    switch (chart->series[index].shape) {
    case CHART_CROSS:
        fprintf(to, "<path class=\"cross line-%zu\" d=\"M%.1f %.1fl10 10m0 -10l-10 10\">", index,
                x - 5, y - 5);
        write_point_title(to, chart, index, point);
        fputs("</path>\n", to);
        return;
    case CHART_LINE:
    case CHART_DISC:
    case CHART_RING:
        break;
    }
    fprintf(to, "<circle class=\"%s line-%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\">",
            chart->series[index].shape == CHART_LINE   ? "mark"
            : chart->series[index].shape == CHART_RING ? "ring"
                                                       : "disc",
            index, x, y, chart->series[index].shape == CHART_LINE ? 6 : 5);
    write_point_title(to, chart, index, point);
    fputs("</circle>\n", to);
}

static bool is_shown(const struct chart *chart, const struct chart_point *point)
{
    return can_show(&chart->x, point->x) && can_show(&chart->y, point->y);
}

static void write_line(FILE *to, const struct chart *chart, size_t index)
{
    const struct chart_series *const series = &chart->series[index];
    bool drawing = false;

    fprintf(to, "<path class=\"line line-%zu%s\" d=\"", index, series->dashed ? " dashed" : "");
    for (size_t i = 0; i < series->count; i++) {
        const struct chart_point *const point = &series->points[i];
        /* What a log axis cannot show is a gap. */
        const bool shown = is_shown(chart, point);
        if (shown)
            fprintf(to, "%c%.1f %.1f", drawing ? 'L' : 'M', x_of(chart, point->x),
                    y_of(chart, point->y));
        drawing = shown;
    }
    fputs("\"/>\n", to);
}

static void write_series(FILE *to, const struct chart *chart, size_t index)
{
    const struct chart_series *const series = &chart->series[index];

    if (series->shape == CHART_LINE)
        write_line(to, chart, index);
    for (size_t i = 0; i < series->count && (series->marked || series->shape != CHART_LINE); i++) {
        if (is_shown(chart, &series->points[i]))
            write_shape(to, chart, index, &series->points[i]);
    }
}

static void write_span(FILE *to, const struct chart *chart)
{
    const double from = x_of(chart, chart->span.from);
    const double width = x_of(chart, chart->span.to) - from;

    fprintf(to, "<rect class=\"span\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>",
            from, TOP, fmax(width, 2), PLOT_HEIGHT);
    page_text(to, chart->span.name);
    fputs("</title></rect>\n", to);
}

static void write_limit(FILE *to, const struct chart *chart)
{
    const double y = y_of(chart, chart->limit.y);

    fprintf(to,
            "<path class=\"limit\" d=\"M%d %.1fH%d\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\">",
            LEFT, y, WIDTH - RIGHT, LEFT + 4, y < TOP + 20 ? y + 15 : y - 5);
    page_text(to, chart->limit.name);
    fputs("</text>\n", to);
}

/* The names of the series beside the title. */
static void write_keys(FILE *to, const struct chart *chart)
{
    static const char *const signs[] = {
        [CHART_DISC] = "&#9679;", [CHART_CROSS] = "&#215;", [CHART_RING] = "&#9675;"};

    for (size_t i = 0; i < chart->series_count; i++) {
        const struct chart_series *const series = &chart->series[i];
        if (series->shape == CHART_LINE)
            fprintf(to, " <span class=\"key line-%zu%s\">", i, series->dashed ? " dashed" : "");
        else
            fprintf(to, " <span class=\"sign\"><i class=\"line-%zu\">%s</i> ", i,
                    signs[series->shape]);
        page_text(to, series->name);
        fputs("</span>", to);
    }
}

void chart_begin_svg(FILE *to, const char *title, const char *description, int width, int height)
{
    fprintf(to, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", width, height);
    page_text(to, title);
    if (description) {
        fputs(": ", to);
        page_text(to, description);
    }
    fputs("\"><title>", to);
    page_text(to, title);
    fputs("</title>", to);
    if (description) {
        fputs("<desc>", to);
        page_text(to, description);
        fputs("</desc>", to);
    }
    fputc('\n', to);
}

void chart_write(FILE *to, const struct chart *chart)
{
    assert(chart->series_count <= CHART_SERIES_COUNT_MAX);
    fputs("<figure><figcaption>", to);
    page_text(to, chart->title);
    if (chart->series_count > 1)
        write_keys(to, chart);
    fputs("</figcaption>\n", to);
    chart_begin_svg(to, chart->title, chart->description, WIDTH, HEIGHT);
    if (chart->span.name)
        write_span(to, chart);
    write_grid(to, chart);
    if (chart->limit.name)
        write_limit(to, chart);
    for (size_t i = 0; i < chart->series_count; i++)
        write_series(to, chart, i);
    fputs("</svg></figure>\n", to);
}
