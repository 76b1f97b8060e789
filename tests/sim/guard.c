/* SPDX-License-Identifier: MIT
 *
 * guard - what a server does to protect itself: judged turn by turn
 *
 *      memory   its stages stand with the memory that is held; who is closed, is so in one of them
 *      stalls   timers are put off by a worker that ran late, by no other, and for a few turns
 *      rate     so many connections a second, and as many at once
 *
 * The marks are written down here once more; what is held is what the books are about. */
#include <string.h>

#include "world.h"

enum {
    /* Of a worker's memory, what the others need not know. */
    UNTOLD_SIZE_MAX = 64 * 1024,

    /* Pausing is in vain after so long; a worker that is later than that was stalled; and no
     * worker means to wait for longer than this. */
    PATIENCE_MS = 1000,
    LATE_MS = 500,
    WAIT_MS_MAX = 1000,

    /* Turns in a row in which timers are put off: one for each 16 connections, and two. */
    PUT_OFF_COUNT_MAX = WORLD_PEER_COUNT_MAX / 16 + 2,
};

static const uint32_t percents[] = {80, 85, 92, 97};

/* --- memory --- */

static uint64_t mark(const struct world *world, enum overload_stage stage)
{
    return world->options.memory_size_max / 100 * percents[stage];
}

/* What connections hold, as far as @worker can know. */
static uint64_t known_size(const struct world *world, const struct worker *worker)
{
    uint64_t size = worker->pool.made_size - worker->pool.kept_size +
                    worker->table.open_count * sizeof(struct session) +
                    counter_read(&worker->counters.deferred_bytes);

    for (uint32_t i = 0; i < world->server->worker_count; i++) {
        if (i != worker->index)
            size += world->server->workers[i].overload.published_size;
    }
    return size;
}

void guard_hear_stage(struct world *world, const struct worker *worker, const char *word)
{
    static const char *const words[] = {"calm", "no_accept", "pause", "close"};
    struct guard *const guard = &world->guards[worker->index];
    const uint64_t size = known_size(world, worker);
    int stage = OVERLOAD_CALM;

    while (strcmp(words[stage], word) != 0)
        stage++;
    const uint64_t mark_size = mark(world, (enum overload_stage)stage);
    if (stage > (int)guard->stage ? size + UNTOLD_SIZE_MAX < mark_size
                                  : size >= mark_size + UNTOLD_SIZE_MAX)
        world_fail(world, "worker %u: is in stage %s with %llu bytes", worker->index, word,
                   (unsigned long long)size);
    if (guard->stage < OVERLOAD_PAUSE)
        guard->shed_ms = world->now_ms;
    guard->stage = (enum overload_stage)stage;
    world_say(world, "worker %u: is in stage %s with %llu bytes", worker->index, word,
              (unsigned long long)size);
}

void guard_hear_shed(struct world *world, const struct worker *worker)
{
    struct guard *const guard = &world->guards[worker->index];
    const bool is_closing = guard->stage == OVERLOAD_CLOSE;
    const uint64_t least = mark(world, is_closing ? OVERLOAD_PAUSE : OVERLOAD_NO_ACCEPT);

    if (guard->stage < OVERLOAD_PAUSE || known_size(world, worker) + UNTOLD_SIZE_MAX < least ||
        (!is_closing && world->now_ms - guard->shed_ms < PATIENCE_MS))
        world_fail(world, "worker %u: closes for memory, which is not that short", worker->index);
    guard->shed_ms = world->now_ms;
}

/* After the first turn of a millisecond: what is above a mark has been seen. */
static void judge_stage(const struct world *world, const struct worker *worker)
{
    const struct guard *const guard = &world->guards[worker->index];
    const uint64_t size = known_size(world, worker);

    if (guard->turned_ms == world->now_ms || guard->stage == OVERLOAD_CLOSE)
        return;
    if (size >= mark(world, guard->stage + 1) + UNTOLD_SIZE_MAX)
        world_fail(world, "worker %u: does nothing about %llu bytes", worker->index,
                   (unsigned long long)size);
}

/* --- stalls --- */

static void judge_stall(struct world *world, const struct worker *worker)
{
    struct guard *const guard = &world->guards[worker->index];
    const uint64_t stalls = counter_read(&worker->counters.stalls);
    const bool had_grace = guard->put_off_count > 0;

    guard->is_stalled = stalls != guard->stalls;
    if (guard->is_stalled && (guard->jumped_ms < LATE_MS || had_grace))
        world_fail(world, "worker %u: puts timers off, and was not late", worker->index);
    if (!guard->is_stalled && !had_grace && guard->jumped_ms >= WAIT_MS_MAX + LATE_MS)
        world_fail(world, "worker %u: was late, and does not catch up", worker->index);
    guard->put_off_count = worker->grace_count > 0 ? guard->put_off_count + 1 : 0;
    if (guard->put_off_count > PUT_OFF_COUNT_MAX)
        world_fail(world, "worker %u: puts timers off in turn after turn", worker->index);
    guard->stalls = stalls;
    guard->jumped_ms = 0;
}

/* --- rate --- */

/* Connections that were let in, over all workers, or would have been if there had been memory. */
static uint64_t count_admitted(const struct world *world)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < world->server->worker_count; i++) {
        const struct worker *const worker = &world->server->workers[i];
        count += counter_read(&worker->counters.connections_accepted) +
                 counter_read(&worker->counters.rejected_no_memory) +
                 (worker->handoff.coming == UINT32_MAX ? 0 : worker->handoff.coming);
    }
    return count;
}

/* A bucket of thousandths of connections, which leaks conn_rate of them a millisecond. */
static void judge_rate(struct world *world, const struct worker *worker)
{
    struct guard *const guard = &world->guards[worker->index];
    const uint64_t rejected = counter_read(&worker->counters.rejected_conn_rate);
    const uint64_t admitted = count_admitted(world);
    const uint64_t rate = world->options.conn_rate;
    const uint64_t leaked = rate * (world->now_ms - world->rate_ms);

    world->rate_level = world->rate_level > leaked ? world->rate_level - leaked : 0;
    world->rate_level += (admitted - world->admitted) * 1000;
    if (rate > 0 && world->rate_level > rate * 1000 + 1000)
        world_fail(world, "connections are let in faster than %llu a second",
                   (unsigned long long)rate);
    if (rejected != guard->rejected && world->rate_level + 1000 < rate * 1000)
        world_fail(world, "a connection is rejected for a rate that nobody came near");
    world->rate_ms = world->now_ms;
    world->admitted = admitted;
    guard->rejected = rejected;
}

/* --- turns --- */

void guard_begin(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_WORKER_COUNT_MAX; i++)
        world->guards[i].turned_ms = world->now_ms;
    world->rate_ms = world->now_ms;
}

void guard_check(struct world *world, const struct worker *worker)
{
    judge_stage(world, worker);
    judge_stall(world, worker);
    judge_rate(world, worker);
    world->guards[worker->index].turned_ms = world->now_ms;
}
