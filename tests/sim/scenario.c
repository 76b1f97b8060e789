/* SPDX-License-Identifier: MIT
 *
 * scenario - what a seed makes happen: a server, its clients, and what befalls them
 *
 *      options -> steps (connect, write, complete, time, trouble) -> an end: kind, drain or stop */
#include <stdlib.h>

#include <ackd/metrics.h>

#include "world.h"

enum {
    ALL = UINT32_MAX, /* as a window: whatever there is */

    /* Longer than any pause of accept, and than the last timers that an end waits for. */
    SETTLING_MS = 3000,

    MEBIBYTE = 1024 * 1024,
};

static const uint64_t MEMORY_ENOUGH = UINT64_C(1) << 40;

static const struct manner manners[] = {
    {"good", 20, 200, 4096, ENGINE_RECV_SIZE, ALL, 20, 30, 0, 0, false},
    {"one at a time", 1, 40, 4096, ENGINE_RECV_SIZE, ALL, 0, 60, 0, 0, false},
    {"pipeliner", 6000, 16, 262144, ENGINE_RECV_SIZE, ALL, 0, 20, 0, 0, false},
    {"slow reader", 300, 30, 8192, ENGINE_RECV_SIZE, 400, 0, 20, 60, 0, false},
    {"deaf pipeliner", 8000, 4, 262144, ENGINE_RECV_SIZE, 0, 50, 40, 40, 0, false},
    {"dribbler", 3, 60, 3, 4, ALL, 10, 60, 0, 0, false},
    {"in small pieces", 30, 300, 900, 7, 64, 10, 60, 100, 0, false},
    {"resetter", 40, 200, 5000, 500, 1000, 20, 0, 4, 0, false},
    {"half-closer", 50, 100, 2000, 300, 300, 10, 3, 0, 0, false},
    {"violator", 30, 100, 3000, ENGINE_RECV_SIZE, ALL, 10, 0, 0, 3, false},
    {"violator who does not read", 200, 50, 9000, 2000, 0, 10, 30, 0, 4, false},
    {"garbage", 1, 0, 100, 100, ALL, 0, 20, 0, 0, true},
    {"conn and submit", 40, 60, 4096, 2048, 2000, 2, 40, 0, 0, false},
    {"huge frames", 2, 250000, 262144, ENGINE_RECV_SIZE, ALL, 8, 20, 0, 0, false},
    {"silent", 0, 0, 1, 1, ALL, 0, 200, 200, 0, false},
};
enum { MANNER_COUNT = sizeof manners / sizeof manners[0] };

static uint32_t one_of(struct dice *dice, const uint32_t *values, uint32_t count)
{
    return values[dice_roll(dice, count)];
}

static void draw_options(struct world *world)
{
    static const uint32_t frame_sizes[] = {13, 14, 40, 300, 4096, 65536, 65536, 262144};
    static const uint32_t windows[] = {1, 2, 7, 64, 4096, 4096};
    static const uint32_t timeouts[] = {0, 20, 300, 2000, 10000, 60000};
    static const uint32_t conns[] = {1, 4, 100, 100, 100, 100};
    struct dice *const dice = &world->dice;
    struct ackd_server_options *const options = &world->options;

    ackd_server_options_init(options);
    options->listen[options->listen_count++] = "127.0.0.1:8888";
    if (dice_chance(dice, 3))
        options->listen[options->listen_count++] = "127.0.0.1:8890,dialect=demo";
    options->worker_count = dice_chance(dice, 2) ? 1 + dice_roll(dice, WORLD_WORKER_COUNT_MAX) : 1;
    options->frame_size_max = one_of(dice, frame_sizes, 8);
    options->window_count = one_of(dice, windows, 6);
    options->conns_max = one_of(dice, conns, 6);
    options->first_frame_timeout_ms = one_of(dice, timeouts, 6);
    options->idle_timeout_ms = one_of(dice, timeouts, 6);
    options->frame_timeout_ms = one_of(dice, timeouts, 6);
    options->write_timeout_ms = one_of(dice, timeouts, 6);
    options->linger_timeout_ms = one_of(dice, timeouts, 6);
    options->peer_timeout_ms = one_of(dice, timeouts, 6);
    options->drain_timeout_ms = one_of(dice, timeouts, 6);
    options->conn_rate = dice_chance(dice, 8) ? 1 + dice_roll(dice, 8) : 0;
    /* Never what depends on the machine. */
    options->memory_size_max =
        dice_chance(dice, 4) ? MEBIBYTE + dice_size(dice, 3 * MEBIBYTE) : MEMORY_ENOUGH;
}

/* Whether there is a limit of memory that a few connections reach. */
static bool is_tight(const struct world *world)
{
    return world->options.memory_size_max != MEMORY_ENOUGH;
}

static void draw_world(struct world *world)
{
    struct dice *const dice = &world->dice;

    draw_options(world);
    /* The workers' milliseconds wrap after 49 days. */
    world->start_ms = dice_chance(dice, 4) ? UINT32_MAX - dice_roll(dice, 30000) : 0;
    world->defer_in = dice_chance(dice, 2) ? 1 + dice_roll(dice, 4) : 0;
    world->fail_in = dice_chance(dice, 2) ? 1 + dice_roll(dice, 40) : 0;
    world->is_crowded = world->defer_in > 0 && dice_chance(dice, 4);
    world->is_crowded |= is_tight(world) && dice_chance(dice, 2);
    world->complete_at_once_in = dice_chance(dice, 3) ? 1 + dice_roll(dice, 6) : 0;
    world->memory_fails_in = dice_chance(dice, 10) ? 2 + dice_roll(dice, 60) : 0;
}

/* --- one step --- */

static void fail_accepts(struct world *world)
{
    static const int codes[] = {-EMFILE, -ENFILE, -ECONNABORTED, -ENOMEM};
    struct dice *const dice = &world->dice;
    struct worker *const worker =
        &world->server->workers[dice_roll(dice, world->server->worker_count)];

    world_say(world, "worker %u: accepts fail", worker->index);
    sim_fail_accepts(worker->engine, 1 + (int)dice_roll(dice, 4), codes[dice_roll(dice, 4)]);
}

static void fail_adds(struct world *world)
{
    struct dice *const dice = &world->dice;
    struct worker *const worker =
        &world->server->workers[dice_roll(dice, world->server->worker_count)];

    world_say(world, "worker %u: there is no memory for connections or listeners", worker->index);
    sim_fail_adds(worker->engine, (int)dice_roll(dice, 3), (int)dice_roll(dice, 3));
}

/* To a part of the limit of memory, near which something happens; or to nothing. */
static void move_small_ballast(struct world *world)
{
    static const uint32_t percents[] = {0, 50, 75, 86, 90, 94, 96, 98};
    const uint64_t part = world->options.memory_size_max / world->server->worker_count / 100;

    world_set_ballast(world, part * one_of(&world->dice, percents, 8));
}

/* To just below what a worker may have, or to just below where it goes on, or to nothing. */
static void move_ballast(struct world *world)
{
    static const uint32_t sizes[] = {0, DEFERRED_WORKER_SIZE_MAX / 2, DEFERRED_WORKER_SIZE_MAX,
                                     DEFERRED_WORKER_SIZE_MAX};
    const uint32_t size = one_of(&world->dice, sizes, 4);

    world_set_ballast(
        world, size > 0
                   ? size - dice_size(&world->dice, dice_chance(&world->dice, 2) ? 1 << 20 : 512)
                   : 0);
}

static void complete_some(struct world *world)
{
    uint32_t count = world->held_count > 0 ? dice_size(&world->dice, world->held_count) : 0;

    for (; count > 0; count--)
        handler_complete(world, dice_roll(&world->dice, world->held_count));
}

static void read_metrics(struct world *world)
{
    char *text;
    size_t size;

    if (ackd_server_metrics(world->server, (enum ackd_metrics_format)dice_roll(&world->dice, 2),
                            "ackd", &text, &size) == 0)
        free(text);
}

static void pass_time(struct world *world)
{
    static const uint32_t spans[] = {1, 1, 2, 5, 17, 17, 50, 300, 2100, 11000};

    world_pass(world, 1 + dice_roll(&world->dice, one_of(&world->dice, spans, 10)));
}

static void act_somebody(struct world *world)
{
    if (world->peer_count > 0)
        peer_act(&world->peers[dice_roll(&world->dice, world->peer_count)]);
}

/* Much comes while nobody looks. */
static void stall(struct world *world)
{
    static const uint32_t spans[] = {400, 600, 1600, 3000, 12000};

    for (uint32_t count = dice_roll(&world->dice, 4); count > 0; count--)
        act_somebody(world);
    world_stall(world, 1 + dice_roll(&world->dice, one_of(&world->dice, spans, 5)));
}

static void connect_somebody(struct world *world)
{
    world_connect(world, &manners[dice_roll(&world->dice, MANNER_COUNT)]);
}

/* Some have connected, and no worker has seen them, when the server is to end. */
static void crowd_the_door(struct world *world)
{
    for (uint32_t count = dice_roll(&world->dice, 5); count > 0; count--)
        connect_somebody(world);
}

static void step(struct world *world)
{
    switch (dice_roll(&world->dice, 16)) {
    case 0:
    case 1:
        connect_somebody(world);
        break;
    case 2:
    case 3:
        complete_some(world);
        break;
    case 4:
    case 5:
        pass_time(world);
        break;
    case 6:
        if (world->is_crowded && dice_chance(&world->dice, 2))
            is_tight(world) ? move_small_ballast(world) : move_ballast(world);
        else if (dice_chance(&world->dice, 4))
            fail_accepts(world);
        else if (dice_chance(&world->dice, 8))
            read_metrics(world);
        else if (dice_chance(&world->dice, 6))
            fail_adds(world);
        else if (dice_chance(&world->dice, 3))
            stall(world);
        break;
    default:
        act_somebody(world);
    }
    /* Things come together, too: not after each is the worker done. */
    if (!dice_chance(&world->dice, 4))
        world_settle(world);
}

/* --- the end --- */

/* Everybody does what lets the server come to its end, and it comes. */
static void be_kind(struct world *world)
{
    world_set_ballast(world, 0);
    /* Who is accepted only after a pause may be deferred only then. */
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < world->peer_count; i++)
            peer_be_kind(&world->peers[i]);
        world_settle(world);
        while (world->held_count > 0) { /* what is answered may make room for more */
            handler_complete_all(world);
            world_settle(world);
        }
        world_pass(world, SETTLING_MS);
    }
    for (uint32_t i = 0; i < world->peer_count; i++) {
        const struct peer *const peer = &world->peers[i];
        if (peer->accepted && !peer->gone)
            world_fail(world, "peer %u: has done its part, and its connection stays", i);
        if (!peer->accepted && !peer->gone && !world->draining)
            world_fail(world, "peer %u: has waited, and is not accepted", i);
    }
}

static void end(struct world *world)
{
    struct dice *const dice = &world->dice;

    world_say(world, "the end");
    if (dice_chance(dice, 2) && !world_is_over(world))
        crowd_the_door(world);
    if (dice_chance(dice, 4))
        world_stop(world);
    else if (dice_chance(dice, 3))
        world_drain(world); /* in the middle of it */
    if (!world->stopped && dice_chance(dice, 8)) {
        world_pass(world, 1 + dice_roll(dice, 4000));
        world_stop(world);
    }
    world_settle(world);
    if (!world->stopped)
        be_kind(world);
    world_drain(world);
    world_pass(world, SETTLING_MS);
    world_pass(world, world->options.drain_timeout_ms + SETTLING_MS);
    if (!world_is_over(world) && world->memory_fails_in > 0)
        world_stop(world);
    world_settle(world);
}

static struct outcome sum_up(const struct world *world)
{
    struct outcome outcome = {.sum = world->turn_count,
                              .turns = world->turn_count,
                              .conns = world->peer_count,
                              .ms = world->now_ms - world->start_ms};

    for (uint32_t i = 0; i < world->peer_count; i++) {
        const struct peer *const peer = &world->peers[i];
        outcome.acks += peer->acked_count;
        if (peer->closed_reason != CLOSE_NONE)
            outcome.closed[peer->closed_reason]++;
        outcome.sum = (outcome.sum ^ peer->acked_count) * UINT64_C(0x100000001b3);
        outcome.sum = (outcome.sum ^ (uint64_t)(peer->closed_reason + 1)) * UINT64_C(0x100000001b3);
    }
    for (uint32_t i = 0; i < world->server->worker_count; i++)
        outcome.handed += counter_read(&world->server->workers[i].counters.connections_handed);
    return outcome;
}

struct outcome scenario_play(uint64_t seed, bool verbose)
{
    struct world *const world = calloc(1, sizeof *world);

    world->seed = seed;
    world->verbose = verbose;
    world->dice.state = seed;
    draw_world(world);
    world_begin(world);

    const uint32_t step_count =
        10 + dice_roll(&world->dice, dice_chance(&world->dice, 4) ? 800 : 200);
    const uint32_t drain_at =
        dice_chance(&world->dice, 3) ? dice_roll(&world->dice, step_count) : UINT32_MAX;
    for (uint32_t i = 0; i < step_count && !world_is_over(world); i++) {
        if (i == drain_at) {
            crowd_the_door(world);
            world_drain(world);
        }
        step(world);
    }
    end(world);

    const struct outcome outcome = sum_up(world);
    world_end(world);
    free(world);
    return outcome;
}
