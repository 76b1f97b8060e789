/* SPDX-License-Identifier: MIT
 *
 * live - what a person sees while a run lasts (live.h) */
#include "load/live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "load/text.h"

enum {
    BAR_WIDTH = 24,
    COLUMNS_DEFAULT = 80,
    COLUMNS_MIN = 50,   /* below it, one line is shown */
    SPARKS_COLUMN = 28, /* where the rates begin */
    SPARK_LEVEL_COUNT = 8,
};

#define COUNT(value)  text_count(&(struct text){{0}}, (value))
#define AMOUNT(value) text_amount(&(struct text){{0}}, (value))
#define TIME(value)   text_time(&(struct text){{0}}, (value))

/* The locale's variables in the order of their weight. */
static bool speaks_unicode(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *const value = getenv(names[i]);
        if (value && value[0] != '\0')
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

void live_init(struct live *live, FILE *to)
{
    struct winsize size = {0};

    *live = (struct live){
        .to = to,
        .terminal = isatty(fileno(to)) == 1,
        .unicode = speaks_unicode(),
        .columns = COLUMNS_DEFAULT,
    };
    if (live->terminal && ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        live->columns = size.ws_col;
}

static void print_bar(FILE *to, double share)
{
    const int full = share >= 1 ? BAR_WIDTH : (int)(share * BAR_WIDTH);

    fputc('[', to);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : '-', to);
    fputs("] ", to);
}

/* The rates so far, each as a bar from 0 to the highest of those shown. */
static void print_sparks(const struct live *live)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    size_t width = live->columns > SPARKS_COLUMN ? live->columns - SPARKS_COLUMN - 1 : 0;
    double highest = 0;

    if (width > LIVE_HISTORY_MAX)
        width = LIVE_HISTORY_MAX;
    const size_t first = live->rate_count > width ? live->rate_count - width : 0;
    for (size_t i = first; i < live->rate_count; i++) {
        if (live->rates[i % LIVE_HISTORY_MAX] > highest)
            highest = live->rates[i % LIVE_HISTORY_MAX];
    }
    for (size_t i = first; i < live->rate_count && highest > 0; i++) {
        const double share = live->rates[i % LIVE_HISTORY_MAX] / highest;
        const int level = (int)(share * (SPARK_LEVEL_COUNT - 1) + 0.5);
        fputs(live->unicode ? blocks[level] : letters[level], live->to);
    }
}

/* Moves to where the lines began, and takes them away. */
static void erase(struct live *live)
{
    if (live->shown_count > 1)
        fprintf(live->to, "\033[%uA", live->shown_count - 1);
    if (live->shown_count > 0)
        fputs("\r\033[J", live->to);
    live->shown_count = 0;
}

/* When the client is the limit, rates are at least and times at most what is seen. */
static void print_rate_of(FILE *to, const struct interval *interval)
{
    char cell[2 * TEXT_SIZE];

    snprintf(cell, sizeof cell, "%s%s", interval->client_bound ? ">= " : "",
             AMOUNT(interval->rate));
    fprintf(to, "%7s acks/s", cell);
}

static const char *at_most(const struct interval *interval)
{
    return interval->client_bound ? "<= " : "";
}

static void show_view(struct live *live, const struct interval *interval, double duration_s)
{
    FILE *const to = live->to;
    const double left_s = duration_s - interval->at_s;

    fprintf(to, "%6.1fs ", interval->at_s);
    print_bar(to, interval->at_s / duration_s);
    if (left_s > 0)
        fprintf(to, "%.0f s left\n", left_s);
    else if (interval->in_flight > 0)
        fputs("last acks\n", to);
    else
        fputs("done\n", to);
    fputs("  rate      ", to);
    print_rate_of(to, interval);
    fputs("  ", to);
    print_sparks(live);
    fputs("\n  latency   ", to);
    if (interval->acked > 0)
        fprintf(to, "p50 %s%-10s p99 %s%s", at_most(interval), TIME(interval->p50_ns),
                at_most(interval), TIME(interval->p99_ns));
    fprintf(to, "\n  in flight %-14s errors %s", COUNT(interval->in_flight),
            COUNT(interval->error));
    live->shown_count = 4;
}

static void show_line(struct live *live, const struct interval *interval, double duration_s)
{
    FILE *const to = live->to;

    fprintf(to, "%5.1fs ", interval->at_s);
    print_rate_of(to, interval);
    fprintf(to, "  in flight %-9s", COUNT(interval->in_flight));
    if (interval->acked > 0)
        fprintf(to, " p50 %s%-8s p99 %s%-8s", at_most(interval), TIME(interval->p50_ns),
                at_most(interval), TIME(interval->p99_ns));
    if (interval->at_s >= duration_s && interval->in_flight > 0)
        fputs("  waiting for the last acks", to);
    if (interval->error > 0)
        fprintf(to, "  ERRORS %s", COUNT(interval->error));
    if (live->terminal)
        live->shown_count = 1;
    else
        fputc('\n', to);
}

void live_show(struct live *live, const struct interval *interval, uint64_t duration_ns)
{
    const double duration_s = (double)duration_ns / (double)NS_PER_S;

    live->rates[live->rate_count++ % LIVE_HISTORY_MAX] = interval->rate;
    erase(live);
    if (live->terminal && live->columns >= COLUMNS_MIN)
        show_view(live, interval, duration_s);
    else
        show_line(live, interval, duration_s);
    fflush(live->to);
}

void live_clear(struct live *live)
{
    erase(live);
    fflush(live->to);
}
