/* SPDX-License-Identifier: MIT
 *
 * screen - a view as lines of text (screen.h) */
#include "top/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "load/text.h"

enum {
    BAR_SIZE = 20,
    PEER_COLUMNS_MIN = 21,
    CONN_COLUMNS = 56,        /* of a connection's row, beside the peer */
    WORKER_ROW_COUNT_MAX = 8, /* more are only counted */
};

static void put(struct screen *screen, enum screen_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct screen *screen, enum screen_style style, const char *format, ...)
{
    va_list arguments;

    if (screen->row_count == screen->row_max)
        return;
    struct screen_row *const row = &screen->rows[screen->row_count++];
    row->style = style;
    va_start(arguments, format);
    vsnprintf(row->text, screen->column_count + 1, format, arguments);
    va_end(arguments);
}

static const char *duration(struct text *text, double seconds)
{
    const unsigned whole = seconds > 0 ? (unsigned)seconds : 0;

    if (whole >= 24 * 3600)
        snprintf(text->bytes, TEXT_SIZE, "%ud %uh", whole / 86400, whole / 3600 % 24);
    else if (whole >= 3600)
        snprintf(text->bytes, TEXT_SIZE, "%uh %02um", whole / 3600, whole / 60 % 60);
    else
        snprintf(text->bytes, TEXT_SIZE, "%um %02us", whole / 60, whole % 60);
    return text->bytes;
}

static const char *latency(struct text *text, double seconds)
{
    if (seconds < 0)
        return "-";
    return text_time(text, (uint64_t)(seconds * 1e9));
}

static void draw_head(struct screen *screen, const struct view *view,
                      const struct screen_words *words)
{
    struct text uptime;

    put(screen, SCREEN_STRONG, "ackd %s  %s%s  up %s  pid %lld  %s", view->version,
        words->paused ? "PAUSED, was " : "", view->state[0] ? view->state : "no answer yet",
        duration(&uptime, view->uptime_s), (long long)view->pid, words->url);
    if (words->notice[0])
        put(screen, SCREEN_ALARM, "%s", words->notice);
    else
        put(screen, SCREEN_PLAIN, "%s", words->hint);
}

static void draw_numbers(struct screen *screen, const struct view *view)
{
    struct text a;
    struct text b;
    struct text c;

    put(screen, SCREEN_PLAIN, "SUBMITs   %9s/s   %18s in all   latency p50 %8s",
        text_amount(&a, view->submit_rate), text_count(&b, view->submits),
        latency(&c, view->p50_s));
    put(screen, SCREEN_PLAIN, "acks      %9s/s   %18s in all           p99 %8s",
        text_amount(&a, view->ack_rate), text_count(&b, view->acks), latency(&c, view->p99_s));
    put(screen, SCREEN_PLAIN, "connected %9s     %18s accepted      closed %6s/s",
        text_amount(&a, (double)view->connected), text_count(&b, view->accepted),
        text_amount(&c, view->close_rate));
    put(screen, view->error_rate > 0 ? SCREEN_ALARM : SCREEN_PLAIN,
        "errors    %9s/s   %12s/s in  %10s/s out", text_amount(&a, view->error_rate),
        text_size(&b, view->in_rate), text_size(&c, view->out_rate));
    put(screen, SCREEN_PLAIN, "CPU       %9.2f     memory %11s   fds %llu of %llu   queued %s",
        view->cpu_cores, text_size(&a, (double)view->resident_bytes),
        (unsigned long long)view->open_fds, (unsigned long long)view->max_fds,
        text_size(&b, (double)view->queued_bytes));
}

static void draw_workers(struct screen *screen, const struct view *view)
{
    put(screen, SCREEN_PLAIN, "%s", "");
    put(screen, SCREEN_HEADING, "WORKER  CPU                          SUBMITS/S  CONNECTIONS");
    for (uint32_t i = 0; i < view->worker_count && i < WORKER_ROW_COUNT_MAX; i++) {
        const struct view_worker *const worker = &view->workers[i];
        const double share = worker->cpu_cores < 1 ? worker->cpu_cores : 1;
        char bar[BAR_SIZE + 1];
        struct text rate;

        memset(bar, '.', BAR_SIZE);
        memset(bar, '#', (size_t)(share * BAR_SIZE + 0.5));
        bar[BAR_SIZE] = '\0';
        put(screen, SCREEN_PLAIN, "%6u  [%s] %3.0f %%  %9s  %11llu", i, bar, share * 100,
            text_amount(&rate, worker->submit_rate), (unsigned long long)worker->connections);
    }
    if (view->worker_count > WORKER_ROW_COUNT_MAX)
        put(screen, SCREEN_PLAIN, "        and %u more", view->worker_count - WORKER_ROW_COUNT_MAX);
}

static void draw_conns(struct screen *screen, const struct view *view,
                       const struct screen_words *words)
{
    const int peer_size = screen->column_count > CONN_COLUMNS + PEER_COLUMNS_MIN
                              ? (int)(screen->column_count - CONN_COLUMNS)
                              : PEER_COLUMNS_MIN;

    put(screen, SCREEN_PLAIN, "%s", "");
    put(screen, SCREEN_HEADING, "%-*s WORKER      AGE SUBMITS/S   QUEUED WAITING  STATE", peer_size,
        view->conn_count > 0 ? words->order : "NO CONNECTIONS");
    for (uint32_t i = 0; i < view->conn_count; i++) {
        const struct view_conn *const conn = &view->conns[i];
        struct text age;
        struct text rate;
        struct text queued;

        put(screen, SCREEN_PLAIN, "%-*.*s %6u %8s %9s %8s %7llu  %s", peer_size, peer_size,
            conn->peer[0] ? conn->peer : "unix socket", conn->worker, duration(&age, conn->age_s),
            text_amount(&rate, conn->submit_rate), text_size(&queued, (double)conn->queued_bytes),
            (unsigned long long)conn->unanswered, conn->state);
    }
}

void screen_draw(struct screen *screen, uint32_t row_count, uint32_t column_count,
                 const struct view *view, const struct screen_words *words)
{
    screen->row_count = 0;
    screen->row_max = row_count < SCREEN_ROW_COUNT_MAX ? row_count : SCREEN_ROW_COUNT_MAX;
    screen->column_count =
        column_count < SCREEN_COLUMN_COUNT_MAX ? column_count : SCREEN_COLUMN_COUNT_MAX;
    draw_head(screen, view, words);
    draw_numbers(screen, view);
    draw_workers(screen, view);
    draw_conns(screen, view, words);
}
