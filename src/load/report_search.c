/* SPDX-License-Identifier: MIT
 *
 * report_search - the cards of search: the rates that were tried (report_verdict.h) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "load/chart.h"
#include "load/page.h"
#include "load/report_verdict.h"
#include "load/slo.h"
#include "load/text.h"

enum { KEY_SIZE = 64, LINE_SIZE = 256, OUTCOME_COUNT = 3 };

static const char *const outcomes[OUTCOME_COUNT] = {"ok", "miss", "invalid"};

static const char *rate_text(struct text *text, double rate)
{
    text_amount(text, rate);
    const size_t length = strlen(text->bytes);
    snprintf(text->bytes + length, sizeof text->bytes - length, "/s");
    return text->bytes;
}

static bool is_time(enum figure figure)
{
    return figure >= FIGURE_P50 && figure <= FIGURE_MAX;
}

/* The steps that came out as @outcome, as points: rate against @figure.  Returns their number. */
static size_t list_points(const json_t *curve, const char *outcome, const char *figure,
                          struct chart_point *ret_points)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(curve); i++) {
        const json_t *const step = json_array_get(curve, i);
        if (strcmp(report_pick(step, "outcome"), outcome) == 0)
            ret_points[count++] = (struct chart_point){report_pick_number(step, "rate"),
                                                       report_pick_number(step, figure)};
    }
    return count;
}

static void describe(const json_t *result, char *ret_words)
{
    const double rate = report_pick_number(result, "rate");
    const double failing = report_pick_number(result, "first_failing");

    snprintf(ret_words, LINE_SIZE, "%zu steps", json_array_size(json_object_get(result, "curve")));
    if (isfinite(rate) && isfinite(failing))
        snprintf(ret_words, LINE_SIZE, "%.0f/s keeps the promise, %.0f/s does not", rate, failing);
}

/* One term of the promise: its figure at each rate, and the limit. */
static void write_term(FILE *to, const json_t *result, const struct slo_term *term,
                       struct chart_point *memory)
{
    const json_t *const curve = json_object_get(result, "curve");
    const char *const figure = figure_name(term->figure);
    const double rate = report_pick_number(result, "rate");
    const double failing = report_pick_number(result, "first_failing");
    struct text limit;
    char limit_words[LINE_SIZE];
    char words[LINE_SIZE];
    char title[LINE_SIZE];
    struct chart chart = {
        .title = title,
        .description = words,
        .x = {.scale = CHART_LOG, .format = rate_text},
        .y = {.scale = is_time(term->figure) ? CHART_LOG : CHART_LINEAR,
              .format = is_time(term->figure) ? chart_format_time : chart_format_amount,
              .step_min = 1},
        .span = {isfinite(rate) && isfinite(failing) ? "the answer lies here" : NULL, rate,
                 failing},
        .limit = {limit_words, term->value},
        .series = {{.name = "kept", .shape = CHART_DISC},
                   {.name = "broken", .shape = CHART_CROSS},
                   {.name = "not valid", .shape = CHART_RING}},
        .series_count = OUTCOME_COUNT,
    };

    snprintf(title, sizeof title, "%s by rate", figure);
    snprintf(limit_words, sizeof limit_words, "%s: %s", figure,
             report_figure_text(&limit, figure, term->value));
    describe(result, words);
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        chart.series[i].points = memory;
        chart.series[i].count = list_points(curve, outcomes[i], figure, memory);
        memory += chart.series[i].count;
    }
    chart_fit(&chart);
    fputs("<section class=\"chart\">", to);
    chart_write(to, &chart);
    fputs("</section>\n", to);
}

/* Whether a step had any of @figure, a number of messages: a chart of noughts says nothing. */
static bool has_some(const json_t *result, enum figure figure)
{
    const json_t *const curve = json_object_get(result, "curve");

    for (size_t i = 0; i < json_array_size(curve); i++) {
        if (report_pick_number(json_array_get(curve, i), figure_name(figure)) > 0)
            return true;
    }
    return false;
}

static void write_terms(FILE *to, const json_t *result)
{
    const size_t count = json_array_size(json_object_get(result, "curve"));
    struct chart_point *const memory = calloc(count + 1, sizeof *memory);
    struct slo slo;

    if (memory && slo_parse(report_pick(result, "slo"), &slo, NULL) == 0) {
        for (size_t i = 0; i < slo.count; i++) {
            if (is_time(slo.terms[i].figure) || has_some(result, slo.terms[i].figure))
                write_term(to, result, &slo.terms[i], memory);
        }
    }
    free(memory);
}

static void write_step(FILE *to, size_t index, const json_t *step)
{
    static const char *const figures[] = {"p50", "p99", "max"};
    const char *const outcome = report_pick(step, "outcome");
    const bool kept = strcmp(outcome, "ok") == 0;
    const double rate = report_pick_number(step, "rate");
    char path[KEY_SIZE];

    fputs("<tr><td>", to);
    page_text(to, report_pick(step, "phase"));
    fputs("</td>", to);
    snprintf(path, sizeof path, "curve/%zu/rate", index);
    page_figure_cell(to, path, rate, rate_text(&(struct text){{0}}, rate));
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        const double value = report_pick_number(step, figures[i]);
        snprintf(path, sizeof path, "curve/%zu/%s", index, figures[i]);
        page_figure_cell(to, path, value,
                         report_figure_text(&(struct text){{0}}, figures[i], value));
    }
    fprintf(to, "<td class=\"%s\">", kept ? "yes" : strcmp(outcome, "miss") == 0 ? "no" : "");
    page_text(to, kept ? "kept" : strcmp(outcome, "miss") == 0 ? "broken: " : "not valid: ");
    if (!kept)
        page_text(to, report_pick(step, strcmp(outcome, "miss") == 0 ? "broken" : "reason"));
    fputs("</td></tr>\n", to);
}

static void write_steps(FILE *to, const json_t *result)
{
    const json_t *const curve = json_object_get(result, "curve");

    fputs("<section class=\"wide\"><h2>Steps</h2><table><tr><th>phase</th><th class=\"n\">rate</th>"
          "<th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">longest</th>"
          "<th>promise</th></tr>\n",
          to);
    for (size_t i = 0; i < json_array_size(curve); i++)
        write_step(to, i, json_array_get(curve, i));
    fputs("</table></section>\n", to);
}

static void write_rate_tile(FILE *to, const char *name, const char *key, const json_t *result)
{
    const double rate = report_pick_number(result, key);

    page_figure_tile(to, name, key, rate, rate_text(&(struct text){{0}}, rate));
}

void report_search_cards(FILE *to, const json_t *result)
{
    fputs("<div class=\"tiles\">", to);
    write_rate_tile(to, "the highest rate that keeps it", "rate", result);
    write_rate_tile(to, "the lowest that does not", "first_failing", result);
    page_tile(to, "steps",
              text_count(&(struct text){{0}}, json_array_size(json_object_get(result, "curve"))));
    fputs("</div>\n<p>The promise: <code>", to);
    page_text(to, report_pick(result, "slo"));
    fputs("</code></p>\n<div class=\"cards\">\n", to);
    write_terms(to, result);
    write_steps(to, result);
    fputs("</div>\n", to);
}
