/* SPDX-License-Identifier: MIT
 *
 * effect_chart - how far B lies from A (effect_chart.h) */
#include "load/effect_chart.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "load/chart.h"
#include "load/page.h"

enum {
    WIDTH = 480,
    LEFT = 24,
    RIGHT = 24,
    TOP = 8,
    DOTS_HEIGHT = 84,
    RANGE_Y = TOP + DOTS_HEIGHT + 18,
    BOTTOM_Y = RANGE_Y + 18,
    HEIGHT = BOTTOM_Y + 26,
    COLUMNS_LEFT = 44,
    COLUMNS_BOTTOM_Y = 190,
    COLUMNS_HEIGHT = COLUMNS_BOTTOM_Y + 26,
    COLUMN_COUNT = 31, /* odd: one stands on 0 */
    TONE_COUNT = 3,
    LINE_SIZE = 256,
};

/* Dots farther out than this many times the rest of the drawing are put at its edge. */
#define FAR 2.0

/* The axis of changes, and where it lies. */
struct frame {
    struct chart_axis axis;
    int left;
    int bottom_y;
};

const char *effect_tone(enum answer answer)
{
    switch (answer) {
    case ANSWER_FASTER:
    case ANSWER_SAME:
        return "good";
    case ANSWER_SLOWER:
        return "bad";
    case ANSWER_INCONCLUSIVE:
        break;
    }
    return "warn";
}

/* Where @change stands; what is beyond the drawing stands at its edge. */
static double x_of(const struct frame *frame, double change)
{
    const double place = fmin(fmax(chart_place(&frame->axis, change), 0), 1);

    return frame->left + (WIDTH - RIGHT - frame->left) * place;
}

static void widen(struct chart_axis *axis, double value)
{
    if (isfinite(value)) {
        axis->min = fmin(axis->min, value);
        axis->max = fmax(axis->max, value);
    }
}

static struct frame make_frame(double threshold, int left, int bottom_y)
{
    struct frame frame = {
        .axis = {.scale = CHART_LINEAR, .format = chart_format_change},
        .left = left,
        .bottom_y = bottom_y,
    };

    /* The ground ends inside of the drawing. */
    widen(&frame.axis, -1.3 * threshold);
    widen(&frame.axis, 1.3 * threshold);
    return frame;
}

/* The ground of what does not matter, the numbers of the axis, and 0. */
static void write_frame(FILE *to, const struct frame *frame, double threshold)
{
    double ticks[CHART_TICK_COUNT_MAX];
    struct text text;
    const size_t count = chart_ticks(&frame->axis, ticks);
    const double same_x = x_of(frame, -threshold);

    fprintf(to,
            "<rect class=\"same\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>up to "
            "%.3g %% does not matter</title></rect>\n",
            same_x, TOP, x_of(frame, threshold) - same_x, frame->bottom_y - TOP, 100 * threshold);
    for (size_t i = 0; i < count; i++) {
        const double x = x_of(frame, ticks[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, TOP, frame->bottom_y);
        fprintf(to, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                x, frame->bottom_y + 18, chart_tick_text(&frame->axis, ticks[i], &text));
    }
    fprintf(to, "<path class=\"zero\" d=\"M%.1f %dV%d\"/>\n", x_of(frame, 0), TOP, frame->bottom_y);
}

static void write_dots(FILE *to, const struct frame *frame, const struct effect_chart *chart)
{
    const size_t count =
        chart->dot_count < INFERENCE_COUNT_MAX ? chart->dot_count : INFERENCE_COUNT_MAX;

    for (size_t i = 0; i < count; i++) {
        const double change = chart->dots[i];
        const double place = chart_place(&frame->axis, change);
        const double y = TOP + 6 + (DOTS_HEIGHT - 6) * ((double)i + 0.5) / (double)count;
        if (!isfinite(change))
            continue;
        fprintf(to,
                "<circle class=\"dot%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%s %zu: %+.2f "
                "%%</title></circle>\n",
                place < 0 || place > 1 ? " beyond" : "", x_of(frame, change), y,
                count > 40 ? 2.5 : 4.0, chart->dot_name, i + 1, 100 * change);
    }
}

static void write_estimate(FILE *to, const struct frame *frame, const struct effect_chart *chart)
{
    const char *const tone = effect_tone(chart->answer);

    if (isfinite(chart->low))
        fprintf(to,
                "<path class=\"range %s\" d=\"M%.1f %dH%.1f\"><title>95 %% interval: %+.2f %% to "
                "%+.2f %%</title></path>\n",
                tone, x_of(frame, chart->low), RANGE_Y, x_of(frame, chart->high), 100 * chart->low,
                100 * chart->high);
    if (isfinite(chart->change))
        fprintf(to,
                "<path class=\"hit %s\" d=\"M%.1f %dl8 8l-8 8l-8 -8z\"><title>B/A: %+.2f "
                "%%</title></path>\n",
                tone, x_of(frame, chart->change), RANGE_Y - 8, 100 * chart->change);
}

static void write_floor(FILE *to, const struct frame *frame, double floor)
{
    const double sides[] = {-floor / (1 + floor), floor};

    for (int i = 0; i < 2 && floor > 0; i++)
        fprintf(to,
                "<path class=\"floor\" d=\"M%.1f %dV%d\"><title>floor: %.2f %%</title></path>\n",
                x_of(frame, sides[i]), TOP, BOTTOM_Y, 100 * floor);
}

/* Appends to the text of LINE_SIZE bytes; what has no room is left out. */
__attribute__((format(printf, 2, 3))) static void append(char *words, const char *format, ...)
{
    const size_t length = strlen(words);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words + length, LINE_SIZE - length, format, arguments);
    va_end(arguments);
}

static void describe(const struct effect_chart *chart, char *ret_words)
{
    ret_words[0] = '\0';
    append(ret_words, "B lies %+.2f %% from A", 100 * chart->change);
    if (isfinite(chart->low))
        append(ret_words, ", 95 %% interval %+.2f %% to %+.2f %%", 100 * chart->low,
               100 * chart->high);
    if (isfinite(chart->floor))
        append(ret_words, ", floor %.2f %%", 100 * chart->floor);
    append(ret_words, ": %s", answer_name(chart->answer));
}

void effect_chart_write(FILE *to, const struct effect_chart *chart)
{
    struct frame frame = make_frame(chart->threshold, LEFT, BOTTOM_Y);
    char words[LINE_SIZE];

    widen(&frame.axis, chart->change);
    widen(&frame.axis, chart->low);
    widen(&frame.axis, chart->high);
    widen(&frame.axis, chart->floor);
    widen(&frame.axis, -chart->floor);
    const double reach = FAR * fmax(-frame.axis.min, frame.axis.max);
    for (size_t i = 0; i < chart->dot_count; i++)
        widen(&frame.axis, fmin(fmax(chart->dots[i], -reach), reach));
    frame.axis.min = fmax(frame.axis.min, -1);
    chart_round(&frame.axis);

    describe(chart, words);
    fputs("<figure><figcaption>", to);
    page_text(to, chart->title);
    fputs("</figcaption>\n", to);
    chart_begin_svg(to, chart->title, words, WIDTH, HEIGHT);
    write_frame(to, &frame, chart->threshold);
    write_floor(to, &frame, chart->floor);
    write_dots(to, &frame, chart);
    write_estimate(to, &frame, chart);
    fputs("</svg></figure>\n", to);
}

/* The order in which tones stand on each other. */
static int tone_index(enum answer answer)
{
    switch (answer) {
    case ANSWER_SAME:
        return 0;
    case ANSWER_INCONCLUSIVE:
        return 1;
    case ANSWER_FASTER:
    case ANSWER_SLOWER:
        break;
    }
    return 2;
}

struct column {
    size_t counts[TONE_COUNT];
    size_t count;
};

static size_t fill_columns(const struct effect_columns *from, double half, struct column *columns)
{
    size_t highest = 1;

    for (size_t i = 0; i < from->count; i++) {
        const double at = (from->changes[i] + half) / (2 * half) * COLUMN_COUNT;
        struct column *const column = &columns[(int)fmin(fmax(at, 0), COLUMN_COUNT - 1)];
        column->counts[tone_index(from->answers[i])]++;
        column->count++;
        if (column->count > highest)
            highest = column->count;
    }
    return highest;
}

static void write_column(FILE *to, const struct frame *frame, const struct column *column,
                         double from, double until, double unit)
{
    static const char *const tones[TONE_COUNT] = {"good", "warn", "bad"};
    static const char *const names[TONE_COUNT] = {"SAME", "INCONCLUSIVE", "FASTER or SLOWER"};
    double y = frame->bottom_y;

    for (int tone = 0; tone < TONE_COUNT; tone++) {
        const double height = (double)column->counts[tone] * unit;
        if (column->counts[tone] == 0)
            continue;
        y -= height;
        fprintf(to,
                "<rect class=\"column %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                "<title>%zu %s from %+.2f %% to %+.2f %%</title></rect>\n",
                tones[tone], x_of(frame, from) + 0.5, y, x_of(frame, until) - x_of(frame, from) - 1,
                height, column->counts[tone], names[tone], 100 * from, 100 * until);
    }
}

static void write_counts(FILE *to, const struct frame *frame, const struct chart_axis *axis)
{
    double ticks[CHART_TICK_COUNT_MAX];
    struct text text;
    const size_t count = chart_ticks(axis, ticks);

    for (size_t i = 0; i < count; i++) {
        const double y = frame->bottom_y - chart_place(axis, ticks[i]) * (frame->bottom_y - TOP);
        fprintf(to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", frame->left, y, WIDTH - RIGHT);
        fprintf(to, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                frame->left - 6, y + 4, chart_tick_text(axis, ticks[i], &text));
    }
}

void effect_columns_write(FILE *to, const struct effect_columns *columns)
{
    struct frame frame = make_frame(columns->threshold, COLUMNS_LEFT, COLUMNS_BOTTOM_Y);
    struct column filled[COLUMN_COUNT] = {{{0}, 0}};
    char words[LINE_SIZE];

    for (size_t i = 0; i < columns->count; i++)
        widen(&frame.axis, columns->changes[i]);
    const double half = fmax(-frame.axis.min, frame.axis.max);
    frame.axis.min = -half;
    frame.axis.max = half;
    struct chart_axis counts = {
        .scale = CHART_LINEAR, .format = chart_format_amount, .step_min = 1, .min = 0};
    counts.max = (double)fill_columns(columns, half, filled);
    chart_round(&counts);

    snprintf(words, sizeof words, "%zu comparisons of a server with itself", columns->count);
    fputs("<figure><figcaption>", to);
    page_text(to, columns->title);
    fputs(" <span class=\"sign\"><i class=\"of-good\">&#9632;</i> SAME</span> <span "
          "class=\"sign\"><i "
          "class=\"of-warn\">&#9632;</i> INCONCLUSIVE</span> <span class=\"sign\"><i "
          "class=\"of-bad\">&#9632;</i> false alarm</span></figcaption>\n",
          to);
    chart_begin_svg(to, columns->title, words, WIDTH, COLUMNS_HEIGHT);
    write_counts(to, &frame, &counts);
    write_frame(to, &frame, columns->threshold);
    for (int i = 0; i < COLUMN_COUNT; i++)
        write_column(to, &frame, &filled[i], half * (2.0 * i / COLUMN_COUNT - 1),
                     half * (2.0 * (i + 1) / COLUMN_COUNT - 1),
                     (frame.bottom_y - TOP) / counts.max);
    fputs("</svg></figure>\n", to);
}
