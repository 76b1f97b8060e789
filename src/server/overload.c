/* SPDX-License-Identifier: MIT
 *
 * overload - what a worker does when connections hold too much memory (overload.h) */
#include "server/overload.h"

#include "server/worker.h"

/* --- how much --- */

static uint64_t own_size(const struct worker *worker)
{
    /* The acks of deferred requests stand in both, their buffers and their charge. */
    return worker->pool.made_size - worker->pool.kept_size +
           worker->table.open_count * sizeof(struct session) +
           counter_read(&worker->counters.deferred_bytes);
}

static uint64_t total_size(const struct worker *worker)
{
    return atomic_load_explicit(&worker->shared->memory_size, memory_order_relaxed);
}

/* Tells the others, where it has become more than @step_size more or less. */
static void publish(struct worker *worker, uint64_t step_size)
{
    struct overload *const overload = &worker->overload;
    const uint64_t size = own_size(worker);
    const uint64_t change = size - overload->published_size;

    if (change + step_size <= 2 * step_size)
        return;
    atomic_fetch_add(&worker->shared->memory_size, change);
    overload->published_size = size;
    counter_set(&worker->counters.memory_bytes, size);
}

static uint64_t percent(uint64_t size_max, uint64_t part)
{
    return size_max / 100 * part;
}

enum overload_stage overload_stage_of(uint64_t size, uint64_t size_max, enum overload_stage before)
{
    static const uint64_t parts[] = {MEMORY_CALM_PERCENT, MEMORY_ACCEPT_PERCENT,
                                     MEMORY_PAUSE_PERCENT, MEMORY_CLOSE_PERCENT};
    enum overload_stage stage = before;

    while (stage < OVERLOAD_CLOSE && size >= percent(size_max, parts[stage + 1]))
        stage++;
    while (stage > OVERLOAD_CALM && size < percent(size_max, parts[stage - 1]))
        stage--;
    return stage;
}

bool overload_is_near(const struct worker *worker)
{
    const uint64_t size_max = worker->config->memory_size_max;
    const uint64_t unpublished = own_size(worker) - worker->overload.published_size;

    return total_size(worker) + unpublished >= percent(size_max, MEMORY_PAUSE_PERCENT);
}

/* --- those that hold most --- */

struct largest {
    struct session *sessions[SHED_COUNT_MAX]; /* the largest first */
    uint64_t sizes[SHED_COUNT_MAX];
    int count;
};

static void insert(struct largest *largest, struct session *session, uint64_t size)
{
    int at = largest->count;

    if (at == SHED_COUNT_MAX && size <= largest->sizes[--at])
        return;
    for (; at > 0 && size > largest->sizes[at - 1]; at--) {
        largest->sessions[at] = largest->sessions[at - 1];
        largest->sizes[at] = largest->sizes[at - 1];
    }
    largest->sessions[at] = session;
    largest->sizes[at] = size;
    if (largest->count < SHED_COUNT_MAX)
        largest->count++;
}

static void find_largest(struct worker *worker, struct largest *ret_largest)
{
    struct session *session;
    uint32_t slot = 0;

    ret_largest->count = 0;
    while ((session = session_table_next(&worker->table, &slot))) {
        const uint64_t size = session_held_size(session);
        if (size >= SHED_SIZE_MIN && session->state != SESSION_CLOSING)
            insert(ret_largest, session, size);
    }
}

/* Does not read those that hold at least half of what the largest does. */
static void pause_largest(struct worker *worker, const struct largest *largest)
{
    struct session *session;
    uint32_t slot = 0;

    if (largest->count == 0)
        return;
    while ((session = session_table_next(&worker->table, &slot))) {
        if (session_held_size(session) >= largest->sizes[0] / 2)
            session_pause_for_overload(worker, session);
    }
}

/* Closes the largest, as many as bring all memory to less than @size, and at most @count. */
static void close_largest(struct worker *worker, const struct largest *largest, uint64_t size,
                          int count)
{
    uint64_t left = total_size(worker);

    for (int i = 0; i < largest->count && i < count && left >= size; i++) {
        worker_log_conn(worker, LOG_OVERLOAD, ACKD_LOG_WARN, "closed for its memory",
                        largest->sessions[i]);
        session_abort(worker, largest->sessions[i], CLOSE_overload);
        left -= largest->sizes[i] < left ? largest->sizes[i] : left;
        publish(worker, 0); /* at once, or the other workers close as many again */
        left = total_size(worker) < left ? total_size(worker) : left;
        worker->overload.since_ms = worker_now_ms(worker);
    }
}

static void shed(struct worker *worker)
{
    struct overload *const overload = &worker->overload;
    const uint64_t pause_size = percent(worker->config->memory_size_max, MEMORY_PAUSE_PERCENT);
    const uint32_t now_ms = worker_now_ms(worker);
    struct largest largest = {0};

    if (now_ms - overload->looked_ms <
        (overload->stage == OVERLOAD_CLOSE ? SHED_URGENT_MS : SHED_INTERVAL_MS))
        return;
    overload->looked_ms = now_ms;
    /* Whoever holds more than an equal part sheds: there is always one. */
    if (own_size(worker) < total_size(worker) / worker->shared->worker_count)
        return;
    find_largest(worker, &largest);
    pause_largest(worker, &largest);
    if (overload->stage == OVERLOAD_CLOSE)
        close_largest(worker, &largest, pause_size, SHED_COUNT_MAX);
    else if (now_ms - overload->since_ms >= SHED_PATIENCE_MS)
        close_largest(worker, &largest, 0, 1); /* pausing was in vain: what they hold stays */
}

/* --- stages --- */

static void log_stage(const struct worker *worker)
{
    static const char *const words[] = {"calm", "no_accept", "pause", "close"};
    const struct ackd_log *const log = &worker->config->log;
    const struct ackd_log_field fields[] = {
        {"worker", NULL, worker->index},
        {"stage", words[worker->overload.stage], 0},
        {"memory", NULL, (int64_t)total_size(worker)},
        {"limit", NULL, (int64_t)worker->config->memory_size_max},
    };

    if (log->on_line && log->level >= ACKD_LOG_WARN)
        log->on_line(log->self, ACKD_LOG_WARN, "memory", fields, 4);
}

static void change_stage(struct worker *worker, enum overload_stage stage)
{
    struct overload *const overload = &worker->overload;
    const enum overload_stage before = overload->stage;

    overload->stage = stage;
    counter_set(&worker->counters.overload_stage, stage);
    log_stage(worker);
    if (before == OVERLOAD_CALM) {
        buffer_pool_trim(&worker->pool);
        worker_pause_accept_for_overload(worker);
    }
    if (before < OVERLOAD_PAUSE && stage >= OVERLOAD_PAUSE)
        overload->since_ms = worker_now_ms(worker);
}

/* Reads them again.  A session pauses by what it sees in the middle of a turn, which may have
 * passed by the end of it: then there was no stage that could end. */
static void resume_paused(struct worker *worker)
{
    struct session *session;
    uint32_t slot = 0;

    worker->overload.has_paused = false;
    while ((session = session_table_next(&worker->table, &slot)))
        session_resume(worker, session);
}

void overload_watch(struct worker *worker)
{
    const uint64_t size_max = worker->config->memory_size_max;

    worker->overload.watched_ms = worker_now_ms(worker);
    /* Who has paused some has to know whether that was right. */
    publish(worker, worker->overload.has_paused ? 0 : MEMORY_STEP_SIZE);

    const enum overload_stage stage =
        overload_stage_of(total_size(worker), size_max, worker->overload.stage);
    if (stage != worker->overload.stage)
        change_stage(worker, stage);
    if (stage >= OVERLOAD_PAUSE)
        shed(worker);
    else if (worker->overload.has_paused)
        resume_paused(worker);
}

void overload_tell(struct worker *worker)
{
    publish(worker, 0);
}
