/* SPDX-License-Identifier: MIT
 *
 * report_html - the result as one page (report_html.h) */
#include "load/report_html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "load/chart.h"
#include "load/page.h"
#include "load/report.h"
#include "load/text.h"

enum {
    CURVE_POINT_COUNT = 240,
    LINE_SIZE = 256,
};

#define CURVE_DECADES_MAX 7.0
#define MOST              "&#8804; "

#define COUNT(value)  text_count(&(struct text){{0}}, (value))
#define AMOUNT(value) text_amount(&(struct text){{0}}, (value))
#define TIME(value)   text_time(&(struct text){{0}}, (value))
#define SIZE(value)   text_size(&(struct text){{0}}, (value))

/* What is to be shown. */
struct page {
    FILE *to;
    const char *command;
    const struct options *options;
    const struct plan *plan;
    const struct outcome *outcome;
};

/* The times that a run knows, with their names. */
struct clock_times {
    const char *name;
    const struct latency_sum *times;
};

/* Writes those of the run to @ret_clocks (3) and returns their number. */
static size_t list_clocks(const struct page *page, struct clock_times *ret_clocks)
{
    const struct outcome *const outcome = page->outcome;

    if (page->options->rate <= 0) {
        ret_clocks[0] = (struct clock_times){"service", &outcome->service};
        return 1;
    }
    ret_clocks[0] = (struct clock_times){"response", &outcome->latency};
    ret_clocks[1] = (struct clock_times){"service", &outcome->service};
    ret_clocks[2] = (struct clock_times){"lateness", &outcome->lateness};
    return 3;
}

static bool is_client_bound(const struct page *page)
{
    return page->outcome->validity.verdict == VALIDITY_CLIENT_BOUND;
}

static const char *verdict_class(enum verdict verdict)
{
    return verdict == VERDICT_PASS ? "good" : verdict == VERDICT_FAIL ? "bad" : "warn";
}

static void write_header(const struct page *page)
{
    const struct options *const options = page->options;
    const struct outcome *const outcome = page->outcome;
    const enum verdict verdict = outcome_verdict(outcome);
    const enum validity_verdict stamp = outcome->validity.verdict;
    char address[ADDRESS_TEXT_SIZE];

    address_format(&options->address, address);
    fputs("<header><p>ackload run</p><h1>", page->to);
    page_text(page->to, address);
    fputs(" &#183; ", page->to);
    if (options->rate > 0)
        fprintf(page->to, "%s messages/s over %s connections", AMOUNT(options->rate),
                COUNT(options->connection_count));
    else
        fprintf(page->to, "%s connections &#215; %s in flight", COUNT(options->connection_count),
                COUNT(options->window));
    fputs("</h1><div>", page->to);
    page_badge(page->to, verdict_class(verdict), report_headline(verdict));
    if (stamp != VALIDITY_UNCHECKED)
        page_badge(page->to, validity_is_good(stamp) ? "good" : "warn", validity_name(stamp));
    fprintf(page->to, "</div><p>%s%s.</p>", outcome_reason(outcome),
            outcome->interrupted ? " (ended early)" : "");
    if (is_client_bound(page))
        fputs("<p>The client was the limit: rates are at least, and times at most, what is shown."
              "</p>",
              page->to);
    fputs("</header>\n", page->to);
}

/* A figure, with @bound before it. */
static void write_tile(FILE *to, const char *words, const char *bound, const char *value)
{
    char html[2 * TEXT_SIZE];

    snprintf(html, sizeof html, "%s%s", bound, value);
    page_tile(to, words, html);
}

static void write_tiles(const struct page *page)
{
    const struct outcome *const outcome = page->outcome;
    const struct latency_sum *const times = &outcome->latency;
    const char *const least = is_client_bound(page) ? "&#8805; " : "";
    const char *const most = is_client_bound(page) ? MOST : "";
    FILE *const to = page->to;

    fputs("<div class=\"tiles\">", to);
    write_tile(to, "acks/s", least, AMOUNT(outcome->rate));
    write_tile(to, "p50", most, TIME(latency_percentile_ns(times, 0.5)));
    write_tile(to, "p99", most, TIME(latency_percentile_ns(times, 0.99)));
    write_tile(to, "p99.9", most, TIME(latency_percentile_ns(times, 0.999)));
    write_tile(to, "longest", most, TIME(times->max_ns));
    if (outcome->measured_acked > 0)
        write_tile(to, "client's CPU per ack", "",
                   TIME(outcome->client_cpu_ns / outcome->measured_acked));
    if (outcome->server.known && outcome->server_acked > 0)
        write_tile(to, "server's CPU per ack", "",
                   TIME(outcome->server.cpu_ns / outcome->server_acked));
    fputs("</div>\n", to);
}

/* The times at evenly spaced places of a percentile axis, up to the last message.  Returns how many
 * points it wrote to @ret_points (CURVE_POINT_COUNT). */
static size_t make_curve(const struct latency_sum *times, struct chart_point *ret_points)
{
    double decades = times->count > 0 ? log10((double)times->count) : 0;

    if (decades > CURVE_DECADES_MAX)
        decades = CURVE_DECADES_MAX;
    if (times->count < 2)
        return 0;
    for (size_t i = 0; i < CURVE_POINT_COUNT; i++) {
        /* The few fastest messages are left out: they would stretch the axis for nothing. */
        const double fraction = 1 - pow(10, -decades * (double)(i + 1) / CURVE_POINT_COUNT);
        ret_points[i] =
            (struct chart_point){fraction, (double)latency_percentile_ns(times, fraction)};
    }
    return CURVE_POINT_COUNT;
}

static void write_curves(const struct page *page)
{
    static struct chart_point points[3][CURVE_POINT_COUNT];
    struct clock_times clocks[3];
    struct chart chart = {
        .title = is_client_bound(page) ? "Time by percentile, at most" : "Time by percentile",
        .x = {.scale = CHART_PERCENTILE, .format = chart_format_percentile},
        .y = {.scale = CHART_LOG, .format = chart_format_time},
    };

    chart.series_count = list_clocks(page, clocks);
    for (size_t i = 0; i < chart.series_count; i++) {
        chart.series[i] = (struct chart_series){
            .name = clocks[i].name,
            .points = points[i],
            .count = make_curve(clocks[i].times, points[i]),
            .dashed = i == 2,
        };
    }
    chart_fit(&chart);
    fputs("<section>", page->to);
    chart_write(page->to, &chart);
    fputs("</section>\n", page->to);
}

/* A chart over the intervals: @values has @series_count blocks of one value for each. */
static void write_history(const struct page *page, struct chart *chart,
                          struct chart_point *const *values)
{
    const size_t count = page->outcome->interval_count;

    for (size_t i = 0; i < chart->series_count; i++) {
        chart->series[i].points = values[i];
        chart->series[i].count = count;
        chart->series[i].marked = count <= LINE_SIZE && !chart->series[i].dashed;
    }
    chart_fit(chart);
    fputs("<section>", page->to);
    chart_write(page->to, chart);
    fputs("</section>\n", page->to);
}

static const char *times_title(const struct page *page)
{
    if (page->options->rate > 0)
        return is_client_bound(page) ? "Response over time, at most" : "Response over time";
    return is_client_bound(page) ? "Service over time, at most" : "Service over time";
}

/* @memory has room for four points of each interval. */
static void write_charts(const struct page *page, struct chart_point *memory)
{
    const struct outcome *const outcome = page->outcome;
    const size_t count = outcome->interval_count;
    struct chart_point *const values[] = {memory, memory + count, memory + 2 * count,
                                          memory + 3 * count};
    struct chart rates = {
        .title = is_client_bound(page) ? "Acks per second, at least" : "Acks per second",
        .x = {.scale = CHART_LINEAR, .format = chart_format_seconds},
        .y = {.scale = CHART_LINEAR, .format = chart_format_amount, .step_min = 1},
        .series = {{.name = "acks/s"}},
        .series_count = 1,
    };
    struct chart times = {
        .title = times_title(page),
        .x = {.scale = CHART_LINEAR, .format = chart_format_seconds},
        .y = {.scale = CHART_LOG, .format = chart_format_time},
        .series = {{.name = "p50"}, {.name = "p99"}},
        .series_count = 2,
    };
    struct chart flight = rates;

    flight.title = "Messages in flight";
    flight.series[0].name = "in flight";
    for (size_t i = 0; i < count; i++) {
        const struct interval *const interval = &outcome->intervals[i];
        values[0][i] = (struct chart_point){interval->at_s, interval->rate};
        values[1][i] = (struct chart_point){interval->at_s, (double)interval->p50_ns};
        values[2][i] = (struct chart_point){interval->at_s, (double)interval->p99_ns};
        values[3][i] = (struct chart_point){interval->at_s, (double)interval->in_flight};
    }
    write_history(page, &rates, values);
    write_history(page, &times, values + 1);
    write_history(page, &flight, values + 3);
}

static void write_histories(const struct page *page)
{
    struct chart_point *const memory =
        calloc(4 * page->outcome->interval_count + 1, sizeof *memory);

    if (memory)
        write_charts(page, memory);
    free(memory);
}

static void write_times_table(const struct page *page)
{
    static const double fractions[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999};
    enum { FRACTION_COUNT = sizeof fractions / sizeof fractions[0] };
    struct clock_times clocks[3];
    const size_t clock_count = list_clocks(page, clocks);
    FILE *const to = page->to;
    /* The client's own lateness is no bound of anything. */
    const char *const bounds[] = {is_client_bound(page) ? MOST : "",
                                  is_client_bound(page) ? MOST : "", ""};

    fputs("<section><h2>Times</h2><table><tr><th></th>", to);
    for (size_t c = 0; c < clock_count; c++)
        fprintf(to, "<th class=\"n\">%s</th>", clocks[c].name);
    fputs("</tr>\n<tr><th>mean</th>", to);
    for (size_t c = 0; c < clock_count; c++)
        fprintf(to, "<td class=\"n\">%s%s</td>", bounds[c],
                TIME((uint64_t)latency_mean_ns(clocks[c].times)));
    for (size_t i = 0; i < FRACTION_COUNT; i++) {
        fprintf(to, "</tr>\n<tr><th>%s</th>",
                chart_format_percentile(&(struct text){{0}}, fractions[i]));
        for (size_t c = 0; c < clock_count; c++) {
            /* Ten messages beyond it, or it says nothing. */
            const bool known = (double)clocks[c].times->count * (1 - fractions[i]) >= 10;
            fprintf(to, "<td class=\"n\">%s%s</td>", known ? bounds[c] : "",
                    known ? TIME(latency_percentile_ns(clocks[c].times, fractions[i])) : "-");
        }
    }
    fputs("</tr>\n<tr><th>longest</th>", to);
    for (size_t c = 0; c < clock_count; c++)
        fprintf(to, "<td class=\"n\">%s%s</td>", bounds[c], TIME(clocks[c].times->max_ns));
    fputs("</tr></table>", to);
    if (clock_count > 1)
        fputs("<p class=\"note\">response: due to acked; service: written to acked; lateness: due "
              "to written.</p>",
              to);
    fputs("</section>\n", to);
}

static void write_column(FILE *to, const char *words, uint64_t count)
{
    fprintf(to, "<tr><th>%s</th><td class=\"n\">%s</td></tr>\n", words, COUNT(count));
}

static void write_ledger(const struct page *page)
{
    const struct ledger *const ledger = &page->outcome->ledger;
    const double sent = ledger->sent > 0 ? (double)ledger->sent : 1;
    const double ok = (double)ledger->ok / sent;
    FILE *const to = page->to;

    fputs("<section><h2>Messages</h2>", to);
    /* A single bad message can be seen. */
    fprintf(to, "<div class=\"bar\"><i style=\"flex:%.6f\"></i>", ok);
    if (ledger->ok < ledger->sent)
        fprintf(to, "<i class=\"b\" style=\"flex:%.6f;min-width:4px\"></i>", 1 - ok);
    fputs("</div><table>", to);
    write_column(to, "sent", ledger->sent);
    write_column(to, "= ok", ledger->ok);
    write_column(to, "+ failed", ledger->failed);
    write_column(to, "+ lost", ledger->lost);
    write_column(to, "+ late", ledger->late);
    write_column(to, "+ cut off", ledger->cut);
    fputs("</table><h2 style=\"margin-top:14px\">Bad acks</h2><table>", to);
    write_column(to, "duplicate", ledger->duplicate);
    write_column(to, "unknown", ledger->unknown);
    write_column(to, "out of order", ledger->out_of_order);
    write_column(to, "malformed", ledger->malformed);
    write_column(to, "connections that ended early", page->outcome->disconnect_count);
    fputs("</table></section>\n", to);
}

static void write_errors(const struct page *page)
{
    const struct error_log *const errors = &page->outcome->errors;
    FILE *const to = page->to;

    if (error_log_count(errors) == 0)
        return;
    fputs("<section class=\"wide\"><h2>Errors</h2><table><tr><th>cause</th><th class=\"n\">count"
          "</th><th class=\"n\">first</th><th class=\"n\">connection</th><th>bytes</th></tr>\n",
          to);
    for (int i = 0; i < CAUSE_COUNT; i++) {
        const struct error_entry *const entry = &errors->entries[i];
        if (entry->count == 0)
            continue;
        fprintf(to,
                "<tr><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td>"
                "<td class=\"n\">%s</td><td><code>",
                error_cause_text((enum error_cause)i), COUNT(entry->count), TIME(entry->first_ns),
                COUNT(entry->connection));
        for (size_t b = 0; b < entry->size; b++)
            fprintf(to, "%02x", entry->bytes[b]);
        fputs("</code></td></tr>\n", to);
    }
    fputs("</table></section>\n", to);
}

static void write_validity(const struct page *page)
{
    const struct validity *const validity = &page->outcome->validity;
    FILE *const to = page->to;

    if (validity->check_count == 0)
        return;
    fputs("<section><h2>Was the client fit?</h2><table><tr><th>check</th><th class=\"n\">value</th>"
          "<th class=\"n\">limit</th><th></th></tr>\n",
          to);
    for (uint32_t i = 0; i < validity->check_count; i++) {
        const struct validity_check *const check = &validity->checks[i];
        const bool only_shown = check->fails_as == VALIDITY_VALID;
        fprintf(to,
                "<tr><td>%s<br><span class=\"note\">%s</span></td><td class=\"n\">%s</td>"
                "<td class=\"n\">%s</td><td class=\"%s\">%s</td></tr>\n",
                check->name, check->meaning,
                report_check_value(&(struct text){{0}}, check, check->value),
                report_check_value(&(struct text){{0}}, check, check->limit),
                check->ok    ? "yes"
                : only_shown ? ""
                             : "no",
                check->ok    ? "ok"
                : only_shown ? "noted"
                             : "failed");
    }
    fputs("</table></section>\n", to);
}

static void write_counts(FILE *to, const char *name, const struct latency_sum *counts)
{
    fprintf(to,
            "<tr><th>%s</th><td class=\"n\">%.1f</td><td class=\"n\">%s</td>"
            "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
            name, latency_mean_ns(counts), COUNT(latency_percentile_ns(counts, 0.5)),
            COUNT(latency_percentile_ns(counts, 0.99)), COUNT(counts->max_ns));
}

static void write_shape(const struct page *page)
{
    const struct outcome *const outcome = page->outcome;
    FILE *const to = page->to;
    char line[LINE_SIZE];

    fputs("<section><h2>Shape and cost</h2><table><tr><th></th><th class=\"n\">mean</th>"
          "<th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">most</th></tr>\n",
          to);
    write_counts(to, "messages per write", &outcome->frames_per_write);
    write_counts(to, "acks per read", &outcome->acks_per_read);
    fputs("</table><table>", to);
    snprintf(line, sizeof line, "%s out, %s in", SIZE((double)outcome->traffic.sent_size),
             SIZE((double)outcome->traffic.received_size));
    page_row(to, "bytes", line);
    snprintf(line, sizeof line, "%.2f s user, %.2f s system; busiest thread %.0f %%",
             outcome->cpu_user_s, outcome->cpu_system_s, 100 * outcome->busy);
    page_row(to, "client's CPU", line);
    if (outcome->server.known) {
        snprintf(line, sizeof line, "%s; busiest thread %.0f %%", TIME(outcome->server.cpu_ns),
                 100 * outcome->server.busiest);
        page_row(to, "server's CPU", line);
    }
    for (int i = 0; i < MIX_KIND_COUNT; i++) {
        const struct mix_tally *const tally = &outcome->mix[i];
        if (tally->connection_count == 0)
            continue;
        snprintf(line, sizeof line, "%s opened, %s refused, %s closed by the server",
                 COUNT(tally->connect_count), COUNT(tally->refused_count),
                 COUNT(tally->closed_count));
        page_row(to, mix_kind_name((enum mix_kind)i), line);
    }
    fputs("</table></section>\n", to);
}

/* The first model name of /proc/cpuinfo; "" when there is none. */
static void read_cpu_model(char *ret_model, size_t model_size)
{
    FILE *const from = fopen("/proc/cpuinfo", "re");
    char line[LINE_SIZE];

    ret_model[0] = '\0';
    while (from && fgets(line, sizeof line, from)) {
        const char *const value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) == 0 && value) {
            snprintf(ret_model, model_size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
            break;
        }
    }
    if (from)
        fclose(from);
}

static void write_environment(const struct page *page)
{
    struct utsname name = {0};
    char model[LINE_SIZE];
    char line[2 * LINE_SIZE];
    FILE *const to = page->to;

    uname(&name);
    read_cpu_model(model, sizeof model);
    fputs("<section class=\"wide\"><h2>How it was measured</h2><table>", to);
    page_command_rows(to, page->command);
    snprintf(line, sizeof line, "seed %llu, hash %016llx, frames of %.1f bytes",
             (unsigned long long)page->options->plan.seed, (unsigned long long)page->plan->hash,
             plan_mean_frame_size(page->plan));
    page_row(to, "stream", line);
    snprintf(line, sizeof line, "%u thread(s), %s measured after %s of warm-up",
             page->options->thread_count, TIME(page->options->duration_ns),
             TIME(page->options->warmup_ns));
    page_row(to, "client", line);
    snprintf(line, sizeof line, "%s %s, %s", name.sysname, name.release, name.machine);
    page_row(to, "system", line);
    if (model[0] != '\0')
        page_row(to, "CPU", model);
    fputs("</table></section>\n", to);
}

void report_html_write(FILE *to, const char *command, const struct options *options,
                       const struct plan *plan, const struct outcome *outcome)
{
    const struct page page = {to, command, options, plan, outcome};

    page_begin(to, "ackload run");
    write_header(&page);
    write_tiles(&page);
    fputs("<div class=\"cards\">\n", to);
    write_curves(&page);
    write_histories(&page);
    write_times_table(&page);
    write_ledger(&page);
    write_errors(&page);
    write_validity(&page);
    write_shape(&page);
    write_environment(&page);
    fputs("</div>", to);
    page_end(to);
}

static void write_page(FILE *to, const void *content)
{
    const struct page *const page = content;

    report_html_write(to, page->command, page->options, page->plan, page->outcome);
}

int report_html(const char *path, const struct options *options, const struct plan *plan,
                const struct outcome *outcome, struct ackd_error *error)
{
    char command[PAGE_COMMAND_SIZE];
    const struct page page = {NULL, command, options, plan, outcome};

    page_read_command(command);
    return page_save(path, write_page, &page, error);
}
