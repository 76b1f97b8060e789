/* SPDX-License-Identifier: MIT
 *
 * report_duel - the cards of ab, compare and aa: how far B lies from A (report_verdict.h) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "load/effect_chart.h"
#include "load/page.h"
#include "load/report_verdict.h"
#include "load/text.h"

enum { KEY_SIZE = 64, LINE_SIZE = 256 };

#define CHANGE(value)       report_change_text(&(struct text){{0}}, (value))
#define FIGURE(name, value) report_figure_text(&(struct text){{0}}, (name), (value))

static const char *const figure_words[][2] = {
    {"server_ns", "server's CPU time per ack"},
    {"client_ns", "client's CPU time per ack"},
    {"acks", "acks per second"},
    {"p50", "p50"},
    {"p99", "p99"},
};

static const char *words_of(const char *figure)
{
    for (size_t i = 0; i < sizeof figure_words / sizeof figure_words[0]; i++) {
        if (strcmp(figure_words[i][0], figure) == 0)
            return figure_words[i][1];
    }
    return figure;
}

/* The sum of a figure's logs over the slices of one side, and their number; NaN when one of them
 * lacks it. */
static double sum_logs(const json_t *pair, const char *side, const char *figure, int *ret_count)
{
    double sum = 0;

    *ret_count = 0;
    for (size_t i = 0; i < json_array_size(pair); i++) {
        const json_t *const slice = json_array_get(pair, i);
        if (strcmp(report_pick(slice, "side"), side) != 0)
            continue;
        sum += log(report_pick_number(slice, figure));
        ++*ret_count;
    }
    return sum;
}

static double pair_change(const json_t *pair, const char *figure)
{
    int a_count;
    int b_count;
    const double a = sum_logs(pair, "a", figure, &a_count);
    const double b = sum_logs(pair, "b", figure, &b_count);

    return a_count > 0 && b_count > 0 ? expm1(b / b_count - a / a_count) : NAN;
}

/* Each pair's change of @figure, to @ret_changes (INFERENCE_COUNT_MAX).  A pair that lacked the
 * primary figure was run again and does not count. */
static size_t list_changes(const json_t *result, const char *figure, double *ret_changes)
{
    const json_t *const pairs = json_object_get(result, "pairs");
    const char *const primary = report_pick(result, "primary");
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(pairs) && count < INFERENCE_COUNT_MAX; i++) {
        const json_t *const pair = json_array_get(pairs, i);
        if (isfinite(pair_change(pair, primary)))
            ret_changes[count++] = pair_change(pair, figure);
    }
    return count;
}

static void write_pairs_chart(FILE *to, const json_t *result, const char *figure,
                              const json_t *metric)
{
    double changes[INFERENCE_COUNT_MAX];
    char title[LINE_SIZE];
    const bool decides = strcmp(figure, report_pick(result, "primary")) == 0;
    const struct effect_chart chart = {
        .title = title,
        .answer = report_answer(report_pick(metric, "verdict")),
        .change = report_pick_number(metric, "change"),
        .low = report_pick_number(metric, "low"),
        .high = report_pick_number(metric, "high"),
        .threshold = report_pick_number(result, "threshold"),
        .floor = report_pick_number(metric, "floor"),
        .dots = changes,
        .dot_count = list_changes(result, figure, changes),
        .dot_name = "pair",
    };

    snprintf(title, sizeof title, "%s: B/A %s, %s%s", words_of(figure), CHANGE(chart.change),
             report_pick(metric, "verdict"), decides ? " (decides)" : "");
    fputs("<section>", to);
    effect_chart_write(to, &chart);
    fputs("</section>\n", to);
}

/* The metrics that are known, the one that decides first. */
static void write_pairs_charts(FILE *to, const json_t *result)
{
    json_t *const metrics = json_object_get(result, "metrics");
    const char *const primary = report_pick(result, "primary");
    const char *figure;
    json_t *metric;

    for (int pass = 0; pass < 2; pass++) {
        json_object_foreach(metrics, figure, metric)
        {
            const bool decides = strcmp(figure, primary) == 0;
            if (json_is_object(metric) && decides == (pass == 0))
                write_pairs_chart(to, result, figure, metric);
        }
    }
}

static void write_cell(FILE *to, const char *figure, const char *key, const json_t *metric,
                       const char *words)
{
    char path[KEY_SIZE];

    snprintf(path, sizeof path, "metrics/%.24s/%.24s", figure, key);
    page_figure_cell(to, path, report_pick_number(metric, key), words);
}

static void write_metric(FILE *to, const char *figure, const json_t *metric)
{
    static const char *const changes[] = {"change", "low", "high", "floor"};
    char p[TEXT_SIZE];

    fprintf(to, "<tr><th>%s</th>", words_of(figure));
    for (int side = 0; side < 2; side++) {
        const char *const key = side == 0 ? "a" : "b";
        write_cell(to, figure, key, metric, FIGURE(figure, report_pick_number(metric, key)));
    }
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        write_cell(to, figure, changes[i], metric, CHANGE(report_pick_number(metric, changes[i])));
    snprintf(p, sizeof p, "%.4f", report_pick_number(metric, "p"));
    write_cell(to, figure, "p", metric, p);
    fputs("<td>", to);
    page_text(to, json_is_object(metric) ? report_pick(metric, "verdict") : "not known");
    fputs("</td></tr>\n", to);
}

static void write_metrics(FILE *to, const json_t *result)
{
    json_t *const metrics = json_object_get(result, "metrics");
    const char *figure;
    json_t *metric;

    fputs("<section class=\"wide\"><h2>Figures</h2><table><tr><th></th><th class=\"n\">A</th>"
          "<th class=\"n\">B</th><th class=\"n\">B/A</th><th class=\"n\">from</th>"
          "<th class=\"n\">to</th><th class=\"n\">floor</th><th class=\"n\">p</th><th>verdict</th>"
          "</tr>\n",
          to);
    json_object_foreach(metrics, figure, metric)
    {
        write_metric(to, figure, metric);
    }
    fputs("</table>", to);
    fputs("<p class=\"note\">from, to: the 95 % interval of B/A. Floor: what the servers show "
          "against themselves in the same series; below it nothing is a finding. p of all but "
          "the deciding figure is corrected for their number (Holm).</p></section>\n",
          to);
}

static void write_reading(FILE *to)
{
    fputs("<p class=\"note\">Each dot is a pair of fresh processes, the first at the top. The bar "
          "is the 95 % interval, the diamond the estimate. Changes on the grey ground do not "
          "matter (--threshold); the dotted lines are the floor.</p>\n",
          to);
}

/* The primary metric's figures in large type. */
static void write_ab_tiles(FILE *to, const json_t *result)
{
    const char *const primary = report_pick(result, "primary");
    const json_t *const metric = json_object_get(json_object_get(result, "metrics"), primary);
    const double pairs = report_pick_number(result, "pair_count");
    const double seconds = report_pick_number(result, "seconds");
    char words[LINE_SIZE];

    fputs("<div class=\"tiles\">", to);
    snprintf(words, sizeof words, "%.40s of B against A; 95 %% interval %+.1f to %+.1f %%", primary,
             100 * report_pick_number(metric, "low"), 100 * report_pick_number(metric, "high"));
    page_tile(to, words, CHANGE(report_pick_number(metric, "change")));
    snprintf(words, sizeof words, "%.4f", report_pick_number(metric, "p"));
    page_tile(to, "p", words);
    snprintf(words, sizeof words, "%.0f", pairs);
    page_figure_tile(to, "pairs of fresh processes", "pair_count", pairs, words);
    page_figure_tile(to, "it took", "seconds", seconds,
                     text_time(&(struct text){{0}}, (uint64_t)(seconds * 1e9)));
    fputs("</div>\n", to);
}

void report_ab_cards(FILE *to, const json_t *result)
{
    write_ab_tiles(to, result);
    fputs("<div class=\"cards\">\n", to);
    write_pairs_charts(to, result);
    write_metrics(to, result);
    fputs("</div>\n", to);
    write_reading(to);
}

/* The numbers of an array, at most INFERENCE_COUNT_MAX, as changes from @base. */
static size_t read_changes(const json_t *values, double base, double *ret_changes)
{
    size_t count = 0;

    for (; count < json_array_size(values) && count < INFERENCE_COUNT_MAX; count++)
        ret_changes[count] = json_number_value(json_array_get(values, count)) / base - 1;
    return count;
}

/* The seconds of side @key against A's median second. */
static void write_seconds(FILE *to, const json_t *result, const char *key)
{
    const json_t *const seconds = json_object_get(result, "seconds");
    const bool is_b = strcmp(key, "b") == 0;
    double changes[INFERENCE_COUNT_MAX];
    char title[LINE_SIZE];
    const struct effect_chart chart = {
        .title = title,
        .answer = is_b ? report_answer(report_pick(result, "verdict")) : ANSWER_SAME,
        .change = is_b ? report_pick_number(result, "change") : 0,
        .low = is_b ? report_pick_number(result, "low") : NAN,
        .high = is_b ? report_pick_number(result, "high") : NAN,
        .threshold = report_pick_number(result, "threshold"),
        .floor = NAN,
        .dots = changes,
        .dot_count = read_changes(json_object_get(seconds, key),
                                  report_pick_number(seconds, "a_median"), changes),
        .dot_name = "second",
    };

    snprintf(title, sizeof title, "%s: the seconds of %s (%.64s) against A's median",
             words_of(report_pick(result, "figure")), is_b ? "B" : "A",
             report_pick(json_object_get(result, key), "name"));
    fputs("<section>", to);
    effect_chart_write(to, &chart);
    fputs("</section>\n", to);
}

static void write_compared_figures(FILE *to, const json_t *result)
{
    json_t *const figures = json_object_get(result, "figures");
    const char *figure;
    json_t *values;

    fputs("<section class=\"wide\"><h2>Figures of the whole runs</h2><table><tr><th></th>"
          "<th class=\"n\">A</th><th class=\"n\">B</th><th class=\"n\">B/A</th></tr>\n",
          to);
    json_object_foreach(figures, figure, values)
    {
        static const char *const keys[] = {"a", "b", "change"};
        fprintf(to, "<tr><th>%s</th>", words_of(figure));
        for (int i = 0; i < 3; i++) {
            const double value = report_pick_number(values, keys[i]);
            char path[KEY_SIZE];
            snprintf(path, sizeof path, "figures/%.24s/%s", figure, keys[i]);
            page_figure_cell(to, path, value, i < 2 ? FIGURE(figure, value) : CHANGE(value));
        }
        fputs("</tr>\n", to);
    }
    fputs("</table></section>\n", to);
}

void report_compare_cards(FILE *to, const json_t *result)
{
    const double change = report_pick_number(result, "change");
    const double low = report_pick_number(result, "low");
    const double high = report_pick_number(result, "high");
    const double p = report_pick_number(result, "p");
    char words[LINE_SIZE];

    fputs("<div class=\"tiles\">", to);
    snprintf(words, sizeof words, "%.40s of B's median second against A's",
             report_pick(result, "figure"));
    page_figure_tile(to, words, "change", change, CHANGE(change));
    page_figure_tile(to, "the lower end of its 95 % interval", "low", low, CHANGE(low));
    page_figure_tile(to, "the upper end", "high", high, CHANGE(high));
    snprintf(words, sizeof words, "%.4f", p);
    page_figure_tile(to, "p (Mann-Whitney)", "p", p, words);
    fputs("</div>\n<div class=\"cards\">\n", to);
    if (isfinite(change)) {
        write_seconds(to, result, "a");
        write_seconds(to, result, "b");
    }
    write_compared_figures(to, result);
    fputs("</div>\n<p class=\"note\">One run per side: what lies between them besides the server "
          "is in the difference, so this is indicative and ackload ab decides. Each dot is a "
          "second, the first at the top.</p>\n",
          to);
}

static void write_count_tile(FILE *to, const char *name, const char *key, const json_t *result)
{
    const double value = report_pick_number(result, key);
    char words[TEXT_SIZE];

    snprintf(words, sizeof words, "%.0f", value);
    page_figure_tile(to, name, key, value, words);
}

static void write_aa_tiles(FILE *to, const json_t *result)
{
    const double alarms = report_pick_number(result, "false_alarms");
    char words[TEXT_SIZE];

    fputs("<div class=\"tiles\">", to);
    snprintf(words, sizeof words, "%.1f %%", 100 * alarms);
    page_figure_tile(to, "false alarms (5 % are allowed)", "false_alarms", alarms, words);
    write_count_tile(to, "comparisons", "trials", result);
    write_count_tile(to, "FASTER", "faster", result);
    write_count_tile(to, "SLOWER", "slower", result);
    write_count_tile(to, "SAME", "same", result);
    write_count_tile(to, "INCONCLUSIVE", "inconclusive", result);
    fputs("</div>\n", to);
}

void report_aa_cards(FILE *to, const json_t *result)
{
    const json_t *const comparisons = json_object_get(result, "comparisons");
    const size_t count = json_array_size(comparisons);
    double *const changes = calloc(count + 1, sizeof *changes);
    enum answer *const answers = calloc(count + 1, sizeof *answers);
    struct effect_columns columns = {
        .title = "Changes found where there are none",
        .changes = changes,
        .answers = answers,
        .threshold = report_pick_number(result, "threshold"),
    };

    for (; changes && answers && columns.count < count; columns.count++) {
        const json_t *const it = json_array_get(comparisons, columns.count);
        changes[columns.count] = report_pick_number(it, "change");
        answers[columns.count] = report_answer(report_pick(it, "verdict"));
    }
    write_aa_tiles(to, result);
    fputs("<div class=\"cards\"><section class=\"wide\">\n", to);
    effect_columns_write(to, &columns);
    fputs("<p class=\"note\">Each comparison holds a server against itself, so the true change is "
          "0. Changes on the grey ground do not matter (--threshold).</p></section></div>\n",
          to);
    free(changes);
    free(answers);
}
