/* SPDX-License-Identifier: MIT
 *
 * world - a server, its clients and the time, in one thread (world.h) */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ackd/metrics.h>

enum {
    /* Turns in which a worker has something to say and nothing comes of it.  Dice leave things
     * for later, but not so often. */
    IDLE_TURN_COUNT_MAX = 300,

    /* Waits of no time at all, one after the other. */
    SPIN_COUNT_MAX = 8,

    OUTBOX_SIZE = 600 * 1024,
};

/* --- what is said --- */

void world_say(const struct world *world, const char *format, ...)
{
    va_list arguments;

    if (!world->verbose)
        return;
    printf("%7u ms  turn %-5llu ", world->now_ms - world->start_ms,
           (unsigned long long)world->turn_count);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void world_fail(const struct world *world, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "seed %llu, %u ms, turn %llu: ", (unsigned long long)world->seed,
            world->now_ms - world->start_ms, (unsigned long long)world->turn_count);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* What a field of a log line is. */
static uint32_t field_number(const struct ackd_log_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return (uint32_t)fields[i].number;
    }
    return UINT32_MAX;
}

static const char *field_text(const struct ackd_log_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].text;
    }
    return "";
}

static struct peer *peer_at(struct world *world, const struct worker *worker, uint32_t slot)
{
    for (uint32_t i = 0; i < world->peer_count; i++) {
        struct peer *const peer = &world->peers[i];
        if (peer->worker == worker && peer->accepted && !peer->closed && peer->slot == slot)
            return peer;
    }
    world_fail(world, "slot %u of worker %u is nobody's", slot, worker->index);
}

struct peer *world_peer(struct world *world, sim_conn conn)
{
    for (uint32_t i = 0; i < world->peer_count; i++) {
        if (world->peers[i].conn == conn)
            return &world->peers[i];
    }
    return NULL;
}

/* A worker has opened a connection: the one that has accepted it, or another. */
static void hear_accepted(struct world *world, struct worker *worker, const struct session *session)
{
    struct peer *const peer = world_peer(world, sim_conn_of(&session->socket));

    if (!peer || peer->accepted)
        world_fail(world, "slot %u of worker %u is nobody's, or accepted twice", session->slot,
                   worker->index);
    if (peer->worker == worker && world->guards[worker->index].stage >= OVERLOAD_NO_ACCEPT &&
        !world->draining)
        world_fail(world, "peer %u: is accepted, and memory is short", peer->index);
    if (peer->worker != worker)
        world_say(world, "peer %u: is worker %u's from now on", peer->index, worker->index);
    peer->worker = worker;
    peer->accepted = true;
    peer->slot = session->slot;
    peer->received_ms = peer->acked_ms = world->now_ms;
    peer->partial_ms = peer->paused_ms = world->now_ms;
}

/* The log tells which connection got which slot, and why it ended. */
static void hear(void *self, enum ackd_log_level level, const char *event,
                 const struct ackd_log_field *fields, size_t count)
{
    struct world *const world = self;
    const uint32_t index = field_number(fields, count, "worker");
    const uint32_t slot = field_number(fields, count, "conn");

    (void)level;
    if (index == UINT32_MAX)
        return;
    struct worker *const worker = &world->server->workers[index];
    if (strcmp(event, "memory") == 0)
        guard_hear_stage(world, worker, field_text(fields, count, "stage"));
    else if (strcmp(event, "closed for its memory") == 0)
        guard_hear_shed(world, worker);
    if (slot == UINT32_MAX)
        return;
    const struct session *const session =
        &worker->table.chunks[slot / SESSION_CHUNK_COUNT][slot % SESSION_CHUNK_COUNT];
    if (strcmp(event, "accepted") == 0) {
        hear_accepted(world, worker, session);
    } else if (strcmp(event, "closed") == 0) {
        struct peer *const peer = peer_at(world, worker, slot);
        peer->closed = true;
        peer->closed_reason = session->reason;
    }
}

struct session *world_session(const struct peer *peer)
{
    if (!peer->accepted || peer->closed)
        return NULL;
    return &peer->worker->table
                .chunks[peer->slot / SESSION_CHUNK_COUNT][peer->slot % SESSION_CHUNK_COUNT];
}

/* --- beginning --- */

void world_begin(struct world *world)
{
    struct ackd_error error;

    network_world = world;
    world->now_ms = world->start_ms + 1000; /* as engine_sim begins */
    world->options.handler = handler_of_world(world);
    world->options.log = (struct ackd_log){.self = world, .level = ACKD_LOG_DEBUG, .on_line = hear};
    guard_begin(world);
    memory_fail_in(&world->dice, world->memory_fails_in);
    if (ackd_server_new(&world->server, &world->options, &error) < 0)
        world_fail(world, "no server: %s", error.text);

    /* What ackd_server_start() does, without threads. */
    atomic_store(&world->server->state, ACKD_SERVER_RUNNING);
    atomic_store(&world->server->shared.running_count, world->server->worker_count);
    for (uint32_t i = 0; i < world->server->worker_count; i++)
        worker_begin(&world->server->workers[i]);
}

struct peer *world_connect(struct world *world, const struct manner *manner)
{
    struct worker *const worker =
        &world->server->workers[dice_roll(&world->dice, world->server->worker_count)];

    if (world->peer_count == WORLD_PEER_COUNT_MAX || worker->listener_count == 0)
        return NULL;
    struct worker_listener *const listener =
        &worker->listeners[dice_roll(&world->dice, worker->listener_count)];
    struct peer *const peer = &world->peers[world->peer_count];
    *peer = (struct peer){
        .world = world,
        .manner = manner,
        .worker = worker,
        .index = world->peer_count++,
        .dialect = listener->dialect,
        .conn = sim_connect(worker->engine, &listener->engine),
        .reason = CLOSE_NONE,
        .closed_reason = CLOSE_NONE,
        .outbox = malloc(OUTBOX_SIZE),
    };
    reference_init(&peer->asked, world->options.frame_size_max);
    world_say(world, "peer %u: connects to worker %u, %s", peer->index, worker->index,
              manner ? manner->name : "raw");
    return peer;
}

void world_set_ballast(struct world *world, uint64_t size)
{
    const bool is_less = size < world->ballast_size;

    for (uint32_t i = 0; i < world->server->worker_count; i++) {
        struct worker *const worker = &world->server->workers[i];
        counter_add(&worker->counters.deferred_bytes, size - world->ballast_size);
        if (is_less) /* a completion is mail */
            engine_wake(worker->engine);
    }
    world->ballast_size = size;
    world_say(world, "other connections have %llu bytes of deferred requests",
              (unsigned long long)size);
}

/* --- turns --- */

/* Whatever changes when something comes of a turn. */
static uint64_t progress_of(const struct worker *worker)
{
    const struct counters *const counters = &worker->counters;
    uint64_t progress =
        counter_read(&counters->bytes_received) + counter_read(&counters->bytes_sent) +
        counter_read(&counters->connections_accepted) + counter_read(&counters->connections_open) +
        counter_read(&counters->connections_handed) + counter_read(&counters->rejected_max_conns) +
        counter_read(&counters->rejected_conn_rate) + counter_read(&counters->rejected_no_memory) +
        counter_read(&counters->accept_emfile) + counter_read(&counters->accept_aborted) +
        counter_read(&counters->deferred_requests);

    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        progress += counter_read(&counters->closed[i]) * 3;
    return progress;
}

static void finish_worker(struct world *world, struct worker *worker)
{
    struct worker_shared *const shared = worker->shared;

    world_say(world, "worker %u: finished", worker->index);
    world->worker_finished[worker->index] = true;
    if (atomic_fetch_sub(&shared->running_count, 1) == 1)
        shared->on_finished(shared->context);
}

static void turn(struct world *world, struct worker *worker)
{
    world->turn_count++;
    memory_watch(true);
    worker_turn(worker);
    memory_watch(false);
    books_check(world, worker);
    guard_check(world, worker);
    for (uint32_t i = 0; i < world->peer_count; i++) {
        struct peer *const peer = &world->peers[i];
        if (peer->worker == worker || !peer->accepted) /* else it may be on its way to anybody */
            peer_look(peer);
    }
    if (worker->finished)
        finish_worker(world, worker);
}

static bool is_ready(const struct world *world, const struct worker *worker)
{
    return !world->worker_finished[worker->index] && sim_is_ready(worker->engine);
}

/* One of the workers whose engine has something to say; NULL when there is none. */
static struct worker *find_ready(struct world *world)
{
    const uint32_t count = world->server->worker_count;
    const uint32_t first = count > 1 ? dice_roll(&world->dice, count) : 0;

    for (uint32_t i = 0; i < count; i++) {
        struct worker *const worker = &world->server->workers[(first + i) % count];
        if (is_ready(world, worker))
            return worker;
    }
    return NULL;
}

/* Nothing is on its way from one worker to another when nobody has anything to say. */
static void judge_handed(const struct world *world)
{
    for (uint32_t i = 0; i < world->server->worker_count; i++) {
        const struct worker *const worker = &world->server->workers[i];
        if (!world->worker_finished[i] && worker->handoff.coming != 0)
            world_fail(world, "worker %u: %u connections are on their way, and do not come", i,
                       worker->handoff.coming);
    }
}

/* Turns workers for as long as an engine of them has something to say. */
static void settle_workers(struct world *world)
{
    uint64_t progress[WORLD_WORKER_COUNT_MAX] = {0};
    int idle_count[WORLD_WORKER_COUNT_MAX] = {0};
    struct worker *worker;

    while ((worker = find_ready(world))) {
        const uint32_t index = worker->index;
        turn(world, worker);
        const uint64_t now = progress_of(worker);
        idle_count[index] = now == progress[index] ? idle_count[index] + 1 : 0;
        progress[index] = now;
        if (idle_count[index] > IDLE_TURN_COUNT_MAX)
            world_fail(world, "worker %u: turns and turns, and nothing comes of it", index);
    }
    judge_handed(world);
}

static void judge_settled(struct world *world)
{
    for (uint32_t i = 0; i < world->peer_count; i++)
        peer_judge_settled(&world->peers[i]);
}

void world_settle(struct world *world)
{
    settle_workers(world);
    judge_settled(world);
}

/* How long @worker would wait now if nothing happened.  A turn in which nothing happens tells; or
 * something does happen, to it or to another, and is over then. */
static uint32_t worker_wait_ms(struct world *world, struct worker *worker)
{
    const struct guard *const guard = &world->guards[worker->index];
    enum overload_stage stage;
    int spin_count = 0;

    do {
        settle_workers(world);
        if (world->worker_finished[worker->index])
            return UINT32_MAX;
        stage = guard->stage;
        turn(world, worker);
        if (spin_count++ > SPIN_COUNT_MAX)
            world_fail(world, "worker %u: waits for no time, and nothing happens", worker->index);
    } while (is_ready(world, worker) || sim_wait_ns(worker->engine) == 0 || guard->stage != stage);
    return (uint32_t)((uint64_t)sim_wait_ns(worker->engine) / NS_PER_MS);
}

/* How long all workers would wait now if nothing happened: asked until nothing does. */
static uint32_t wait_ms(struct world *world)
{
    uint64_t end_count;
    uint32_t least;

    do {
        least = UINT32_MAX;
        end_count = world->turn_count;
        for (uint32_t i = 0; i < world->server->worker_count; i++) {
            const uint32_t wait = worker_wait_ms(world, &world->server->workers[i]);
            least = wait < least ? wait : least;
            end_count += !world->worker_finished[i]; /* a turn that tells */
        }
    } while (world->turn_count != end_count || find_ready(world));
    return least;
}

static bool is_catching_up(const struct world *world)
{
    for (uint32_t i = 0; i < world->server->worker_count; i++) {
        if (!world->worker_finished[i] && world->guards[i].put_off_count > 0)
            return true;
    }
    return false;
}

/* Time has passed: turns workers until nobody puts timers off, which guard.c sees to. */
static void catch_up(struct world *world)
{
    do {
        wait_ms(world);
    } while (is_catching_up(world));
}

void world_pass(struct world *world, uint32_t ms)
{
    while (ms > 0 && !world_is_over(world)) {
        const uint32_t wait = wait_ms(world);
        const uint32_t step_ms = wait < ms ? wait : ms;

        world->now_ms += step_ms;
        ms -= step_ms;
        sim_advance_ms(world->network, step_ms);
        catch_up(world);
        judge_settled(world);
    }
}

void world_stall(struct world *world, uint32_t ms)
{
    world_say(world, "nobody has a turn for %u ms", ms);
    for (uint32_t i = 0; i < world->server->worker_count; i++)
        world->guards[i].jumped_ms += ms;
    world->now_ms += ms;
    sim_advance_ms(world->network, ms);
    catch_up(world);
    judge_settled(world);
}

/* --- ending --- */

void world_drain(struct world *world)
{
    if (world->draining || world->stopped)
        return;
    world_say(world, "the server drains");
    world->draining = true;
    world->drain_ms = world->now_ms;
    for (uint32_t i = 0; i < world->peer_count; i++) {
        struct peer *const peer = &world->peers[i];
        peer->drained = !peer->gone && !peer->reset;
        peer->drained_size = peer->asked.size;
    }
    ackd_server_drain(world->server);
}

void world_stop(struct world *world)
{
    world_say(world, "the server stops");
    world->stopped = true;
    ackd_server_stop(world->server);
}

bool world_is_over(const struct world *world)
{
    return ackd_server_state(world->server) == ACKD_SERVER_FINISHED;
}

void world_end(struct world *world)
{
    struct ackd_server *const server = world->server;
    struct ackd_server_stats stats;
    uint64_t submit_acks_taken = 0;

    if (!world_is_over(world))
        world_fail(world, "the server does not come to its end");
    if (ackd_server_wait(server, 0) != 0)
        world_fail(world, "the server is over, and nobody who waits is told");
    ackd_server_stats(server, &stats);
    if (stats.connections_open != 0 || server->shared.admission.conn_count != 0)
        world_fail(world, "the server is over, and connections are open");
    if (stats.submits_received != stats.submit_acks_sent + stats.acks_dropped)
        world_fail(world, "%llu SUBMITs, %llu acks sent, %llu dropped",
                   (unsigned long long)stats.submits_received,
                   (unsigned long long)stats.submit_acks_sent,
                   (unsigned long long)stats.acks_dropped);
    for (uint32_t i = 0; i < world->peer_count; i++) {
        peer_judge_end(&world->peers[i]);
        submit_acks_taken += world->peers[i].submit_acked_count;
    }
    if (submit_acks_taken != stats.submit_acks_sent)
        world_fail(world, "%llu acks to SUBMITs are counted as sent, %llu have arrived whole",
                   (unsigned long long)stats.submit_acks_sent,
                   (unsigned long long)submit_acks_taken);
    ackd_server_free(server); /* asserts that all buffers are back */
    for (uint32_t i = 0; i < world->peer_count; i++)
        peer_deinit(&world->peers[i]);
    world->server = NULL;
}
