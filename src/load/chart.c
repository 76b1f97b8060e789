/* SPDX-License-Identifier: MIT
 *
 * chart - lines over two axes, as SVG (chart.h) */
#include "load/chart.h"

#include <assert.h>
#include <math.h>
#include <string.h>

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
    return fmax(step_above(axis->max / TICKS_WANTED), axis->step_min);
}

static void round_axis(struct chart_axis *axis)
{
    switch (axis->scale) {
    case CHART_LINEAR: {
        const double step = axis->max > 0 ? linear_step(axis) : 1;
        axis->min = 0;
        axis->max = axis->max > 0 ? ceil(axis->max / step - 1e-9) * step : 1;
        break;
    }
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
    if (chart->x.max < chart->x.min)
        chart->x.min = chart->x.max = chart->y.min = chart->y.max = 1;
    /* Time ends where the run did, and not at a round number. */
    if (chart->x.scale != CHART_LINEAR)
        round_axis(&chart->x);
    else
        chart->x.min = 0;
    round_axis(&chart->y);
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

    while (count < CHART_TICK_COUNT_MAX && (double)count * step <= axis->max * (1 + 1e-9)) {
        ret_ticks[count] = (double)count * step;
        count++;
    }
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

void chart_write_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&#39;", to);
            break;
        default:
            fputc(*text, to);
        }
    }
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

static const char *format_tick(const struct chart_axis *axis, double tick, struct text *text)
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
                LEFT - 6, y + 4, format_tick(&chart->y, ticks[i], &text));
    }
    count = chart_ticks(&chart->x, ticks);
    for (size_t i = 0; i < count; i++) {
        const double x = x_of(chart, ticks[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, TOP, HEIGHT - BOTTOM);
        fprintf(to, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                x, HEIGHT - BOTTOM + 18, format_tick(&chart->x, ticks[i], &text));
    }
}

static void write_mark(FILE *to, const struct chart *chart, size_t index,
                       const struct chart_point *point)
{
    struct text x;
    struct text y;

    fprintf(to, "<circle class=\"mark line-%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"><title>", index,
            x_of(chart, point->x), y_of(chart, point->y));
    fprintf(to, "%s: %s at %s</title></circle>\n", chart->series[index].name,
            chart->y.format(&y, point->y), chart->x.format(&x, point->x));
}

static void write_series(FILE *to, const struct chart *chart, size_t index)
{
    const struct chart_series *const series = &chart->series[index];
    bool drawing = false;

    fprintf(to, "<path class=\"line line-%zu%s\" d=\"", index, series->dashed ? " dashed" : "");
    for (size_t i = 0; i < series->count; i++) {
        const struct chart_point *const point = &series->points[i];
        /* What a log axis cannot show is a gap. */
        const bool shown = can_show(&chart->x, point->x) && can_show(&chart->y, point->y);
        if (shown)
            fprintf(to, "%c%.1f %.1f", drawing ? 'L' : 'M', x_of(chart, point->x),
                    y_of(chart, point->y));
        drawing = shown;
    }
    fputs("\"/>\n", to);
    for (size_t i = 0; i < series->count && series->marked; i++) {
        if (can_show(&chart->x, series->points[i].x) && can_show(&chart->y, series->points[i].y))
            write_mark(to, chart, index, &series->points[i]);
    }
}

void chart_write(FILE *to, const struct chart *chart)
{
    assert(chart->series_count <= CHART_SERIES_COUNT_MAX);
    fputs("<figure><figcaption>", to);
    chart_write_text(to, chart->title);
    for (size_t i = 0; i < chart->series_count && chart->series_count > 1; i++) {
        fprintf(to, " <span class=\"key line-%zu%s\">", i,
                chart->series[i].dashed ? " dashed" : "");
        chart_write_text(to, chart->series[i].name);
        fputs("</span>", to);
    }
    fprintf(to, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
            HEIGHT);
    chart_write_text(to, chart->title);
    fputs("\">\n", to);
    write_grid(to, chart);
    for (size_t i = 0; i < chart->series_count; i++)
        write_series(to, chart, i);
    fputs("</svg></figure>\n", to);
}
