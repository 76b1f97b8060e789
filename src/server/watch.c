/* SPDX-License-Identifier: MIT
 *
 * watch - a server's numbers for a program that shows them (ackd/watch.h)
 *
 * The series are gone through by one function, which gives each a place, a name and a value: so
 * the three cannot disagree. */
#include <ackd/watch.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/server.h"
#include "stats/process.h"

/* --- series --- */

/* What somebody wants of the series: their values, the name of one, or only their number. */
struct reader {
    size_t index; /* of the series that comes next */
    double *values;
    size_t wanted;
    char *name;
};

static void put(struct reader *to, double value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct reader *to, double value, const char *format, ...)
{
    const size_t index = to->index++;

    if (to->values)
        to->values[index] = value;
    if (to->name && index == to->wanted) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(to->name, ACKD_SERIES_NAME_SIZE, format, arguments);
        va_end(arguments);
    }
}

static uint64_t sum_of(const struct ackd_server *server, size_t offset)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < server->worker_count; i++) {
        const char *const counters = (const char *)&server->workers[i].counters;
        sum += counter_read((const counter *)(const void *)(counters + offset));
    }
    return sum;
}

static void put_counters(struct reader *to, const struct ackd_server *server)
{
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    for (size_t i = 0; i < count; i++) {
        const bool has_labels = info[i].labels[0] != '\0';

        /* A gauge may be caught between two workers: what one took up, another put down. */
        put(to, (double)(int64_t)sum_of(server, info[i].offset), "%s%s%s%s%s", info[i].family,
            info[i].kind == COUNTER_KIND_COUNTER ? "_total" : "", has_labels ? "{" : "",
            info[i].labels, has_labels ? "}" : "");
    }
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        put(to,
            (double)sum_of(server, offsetof(struct counters, closed) + (size_t)i * sizeof(counter)),
            "connections_closed_total{reason=\"%s\"}", close_reason_word((enum close_reason)i));
}

/* The histogram whose buckets stand at @offset in struct counters; @sum is in @scale's unit. */
static void put_histogram(struct reader *to, const struct ackd_server *server, size_t offset,
                          const char *family, const uint64_t *bounds, size_t bound_count,
                          uint64_t sum, double scale)
{
    uint64_t total = 0;

    for (size_t i = 0; i <= bound_count; i++) {
        char bound[EXPOSITION_BOUND_SIZE] = "+Inf";

        if (i < bound_count)
            exposition_bound((double)bounds[i] / scale, bound);
        total += sum_of(server, offset + i * sizeof(counter));
        put(to, (double)total, "%s_bucket{le=\"%s\"}", family, bound);
    }
    put(to, (double)sum / scale, "%s_sum", family);
    put(to, (double)total, "%s_count", family);
}

static void put_process(struct reader *to)
{
    struct process_values process = {0};

    if (to->values)
        process_read(&process);
    put(to, process.cpu_seconds, "process_cpu_seconds_total");
    put(to, process.resident_bytes, "process_resident_memory_bytes");
    put(to, process.open_fds, "process_open_fds");
    put(to, process.max_fds, "process_max_fds");
    put(to, process.threads, "process_threads");
}

static void put_worker(struct reader *to, const struct worker *worker)
{
    const struct counters *const counters = &worker->counters;

    put(to, to->values ? (double)worker_cpu_ns(worker) / 1e9 : 0,
        "worker_cpu_seconds_total{worker=\"%u\"}", worker->index);
    put(to, (double)counter_read(&counters->submits_received),
        "worker_req_recv_total{worker=\"%u\"}", worker->index);
    put(to, (double)counter_read(&counters->connections_open), "worker_connections{worker=\"%u\"}",
        worker->index);
}

static void read_series(const struct ackd_server *server, struct reader *to)
{
    put_counters(to, server);
    put_histogram(to, server, offsetof(struct counters, request_duration.bucket),
                  "request_duration_seconds", counters_duration_bounds_ns, DURATION_BOUND_COUNT,
                  sum_of(server, offsetof(struct counters, request_duration.sum)), 1e9);
    put_histogram(to, server, offsetof(struct counters, batch_frames.bucket), "batch_frames",
                  counters_batch_bounds, BATCH_BOUND_COUNT,
                  sum_of(server, offsetof(struct counters, submits_received)) +
                      sum_of(server, offsetof(struct counters, packets_conn)),
                  1);
    put_process(to);
    for (uint32_t i = 0; i < server->worker_count; i++)
        put_worker(to, &server->workers[i]);
}

size_t ackd_server_series_count(const struct ackd_server *server)
{
    struct reader to = {0};

    read_series(server, &to);
    return to.index;
}

void ackd_server_series_name(const struct ackd_server *server, size_t index, char *ret_name)
{
    struct reader to = {.wanted = index, .name = ret_name};

    ret_name[0] = '\0';
    read_series(server, &to);
    assert(index < to.index);
}

void ackd_server_series_read(const struct ackd_server *server, double *ret_values)
{
    struct reader to = {.values = ret_values};

    read_series(server, &to);
}

/* --- connections --- */

_Static_assert((int)ACKD_CONNS_COUNT_MAX == (int)TOP_COUNT_MAX, "two names for one bound");
_Static_assert((int)ACKD_CONNS_ORDER_COUNT == (int)TOP_ORDER_COUNT &&
                   (int)ACKD_CONNS_BY_QUEUED == (int)TOP_BY_QUEUED,
               "the same orders");
_Static_assert((int)ACKD_PEER_SIZE == (int)ADDRESS_TEXT_SIZE, "a peer is an address");

void watch_init(struct watch *watch)
{
    pthread_mutex_init(&watch->lock, NULL);
    sem_init(&watch->answered, 0, 0);
}

void watch_deinit(struct watch *watch)
{
    free(watch->questions);
    sem_destroy(&watch->answered);
    pthread_mutex_destroy(&watch->lock);
}

/* Asks every worker that does not still have the question from before. */
static void ask(struct ackd_server *server)
{
    while (sem_trywait(&server->watch.answered) == 0)
        continue; /* answers that came too late */
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct top *const question = &server->watch.questions[i];

        if (atomic_load_explicit(&question->state, memory_order_acquire) == TOP_ASKED)
            continue;
        question->mail.kind = MAIL_TOP;
        question->answered = &server->watch.answered;
        atomic_store_explicit(&question->state, TOP_ASKED, memory_order_relaxed);
        mailbox_post(&server->workers[i].mailbox, &question->mail);
    }
}

static uint32_t count_answers(const struct ackd_server *server)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < server->worker_count; i++)
        count += atomic_load_explicit(&server->watch.questions[i].state, memory_order_acquire) ==
                 TOP_FILLED;
    return count;
}

static void wait_for_answers(struct ackd_server *server, uint32_t timeout_ms)
{
    const uint64_t end_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    const struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                                 .tv_nsec = (long)(end_ns % NS_PER_S)};

    while (count_answers(server) < server->worker_count) {
        if (sem_clockwait(&server->watch.answered, CLOCK_MONOTONIC, &end) < 0 && errno != EINTR)
            return;
    }
}

static const char *state_word(enum session_state state)
{
    switch (state) {
    case SESSION_OPEN:
        return "open";
    case SESSION_FLUSHING:
        return "flushing";
    case SESSION_LINGERING:
        return "lingering";
    case SESSION_CLOSING:
    case SESSION_FREE:
        break;
    }
    return "closing";
}

static const char *pause_word(uint8_t pause)
{
    if (pause & PAUSE_ACK_BACKLOG)
        return "ack_backlog";
    if (pause & PAUSE_WINDOW)
        return "window";
    if (pause & PAUSE_MEMORY)
        return "memory";
    return pause & PAUSE_OVERLOAD ? "overload" : "";
}

/* What has left of the acks to @entry's requests: the session counts only what came in. */
static uint64_t count_sent(const struct top_entry *entry)
{
    const uint64_t queued_count = (entry->queued_size + ACK_FRAME_SIZE - 1) / ACK_FRAME_SIZE;
    const uint64_t owed_count = queued_count + entry->unanswered_count;

    return entry->submit_count > owed_count ? entry->submit_count - owed_count : 0;
}

static void describe(const struct top_entry *entry, uint32_t worker, struct ackd_conn *ret_conn)
{
    *ret_conn = (struct ackd_conn){
        .worker = worker,
        .slot = entry->slot,
        .generation = entry->generation,
        .age_s = entry->age_s,
        .submit_rate = entry->rate,
        .submits_received = entry->submit_count,
        .submit_acks_sent = count_sent(entry),
        .queued_bytes = entry->queued_size,
        .unanswered = entry->unanswered_count,
        .state = state_word((enum session_state)entry->state),
        .paused = pause_word(entry->pause),
    };
    if (entry->peer.size > 0)
        address_format(&entry->peer, ret_conn->peer);
}

static double key_of(const struct top_entry *entry, enum top_order order)
{
    return order == TOP_BY_QUEUED ? entry->queued_size : entry->rate;
}

/* The entry that comes next of all workers' lists; *@at says how far each list has been taken. */
static const struct top_entry *take_next(const struct ackd_server *server, enum top_order order,
                                         uint32_t *at, uint32_t *ret_worker)
{
    const struct top_entry *next = NULL;

    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct top *const question = &server->watch.questions[i];
        const struct top_list *const list = &question->lists[order];

        if (atomic_load(&question->state) != TOP_FILLED || at[i] == list->count)
            continue;
        const struct top_entry *const entry = &list->entries[at[i]];
        if (!next || key_of(entry, order) > key_of(next, order)) {
            next = entry;
            *ret_worker = i;
        }
    }
    if (next)
        at[*ret_worker]++;
    return next;
}

static void merge(const struct ackd_server *server, enum top_order order,
                  struct ackd_conns_list *ret_list)
{
    uint32_t at[WORKER_COUNT_MAX] = {0};
    const struct top_entry *entry;
    uint32_t worker = 0;

    while (ret_list->count < ACKD_CONNS_COUNT_MAX &&
           (entry = take_next(server, order, at, &worker)))
        describe(entry, worker, &ret_list->conns[ret_list->count++]);
}

int ackd_server_conns(struct ackd_server *server, uint32_t timeout_ms, struct ackd_conns *ret_conns)
{
    struct watch *const watch = &server->watch;
    const enum ackd_server_state state = ackd_server_state(server);
    int status = 0;

    memset(ret_conns, 0, sizeof *ret_conns);
    ret_conns->worker_count = server->worker_count;
    if (state == ACKD_SERVER_NEW || state == ACKD_SERVER_FINISHED)
        return 0;

    pthread_mutex_lock(&watch->lock);
    if (!watch->questions)
        watch->questions = calloc(server->worker_count, sizeof *watch->questions);
    if (watch->questions) {
        ask(server);
        wait_for_answers(server, timeout_ms);
        ret_conns->answered_count = count_answers(server);
        for (int i = 0; i < ACKD_CONNS_ORDER_COUNT; i++)
            merge(server, (enum top_order)i, &ret_conns->by[i]);
    } else {
        status = -ENOMEM;
    }
    pthread_mutex_unlock(&watch->lock);
    return status;
}
