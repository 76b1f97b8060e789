/* SPDX-License-Identifier: MIT
 *
 * machine_fuzz - bytes and actions through a whole connection, on engine_sim
 *
 *      input   | options: 8 | seed of the dice: 2 | action ... |
 *      action  | which and whose: 1 | argument: 1 | bytes, if it writes |
 *
 * The fuzzer is all peers, the handler's clock, and time itself.  What must hold is what must hold
 * in a simulation (world.h): the reference, the books, the peers' judgement. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD_SIZE = 10,
    PEER_COUNT = 4,
    SETTLING_MS = 3000,
};

static const struct manner raw = {.name = "raw", .chunk_max = 1, .receive_max = ENGINE_RECV_SIZE};

static uint32_t pick(const uint32_t *values, uint32_t count, uint8_t by)
{
    return values[by % count];
}

static void set_options(struct world *world, const uint8_t *head)
{
    static const uint32_t frame_sizes[] = {65536, 13, 14, 64, 1024};
    static const uint32_t windows[] = {4096, 1, 2, 5};
    static const uint32_t timeouts[] = {10000, 0, 20, 500};
    struct ackd_server_options *const options = &world->options;

    ackd_server_options_init(options);
    options->listen[options->listen_count++] =
        head[0] & 1 ? "127.0.0.1:8890,dialect=demo" : "127.0.0.1:8888";
    options->worker_count = 1;
    options->conns_max = head[0] & 2 ? 2 : 100;
    options->frame_size_max = pick(frame_sizes, 5, head[1]);
    options->window_count = pick(windows, 4, head[2]);
    options->first_frame_timeout_ms = pick(timeouts, 4, head[0] >> 2);
    options->memory_size_max = UINT64_C(1) << (head[0] & 16 ? 20 : 40);
    options->idle_timeout_ms = pick(timeouts, 4, head[3]);
    options->frame_timeout_ms = pick(timeouts, 4, head[4]);
    options->write_timeout_ms = pick(timeouts, 4, head[5]);
    options->linger_timeout_ms = pick(timeouts, 4, head[6]);
    options->drain_timeout_ms = 10000;
    world->defer_in = head[7] & 3;
    world->fail_in = head[7] & 4 ? 3 : 0;
    world->complete_at_once_in = head[7] & 8 ? 2 : 0;
    world->dice.state = (uint64_t)head[8] << 8 | head[9];
}

/* One action of @peer.  Returns how many of the @left bytes behind it, at @bytes, it has used. */
static size_t act(struct world *world, struct peer *peer, uint8_t which, uint8_t argument,
                  const uint8_t *bytes, size_t left)
{
    struct engine *const engine = peer->worker->engine;
    const size_t size = argument < left ? argument : left;

    switch (which) {
    case 0:
    case 1:
        peer_write(peer, bytes, size);
        return peer->finished || peer->reset ? 0 : size;
    case 2:
        sim_set_receive_size(engine, peer->conn, argument + 1U);
        break;
    case 3:
        sim_set_send_sizes(engine, peer->conn, argument, argument & 1 ? SIZE_MAX : argument);
        break;
    case 4:
        peer_finish(peer);
        break;
    case 5:
        peer_reset(peer);
        break;
    case 6:
        world_pass(world, argument * argument + 1U);
        break;
    default:
        if (world->held_count > 0)
            handler_complete(world, argument % world->held_count);
    }
    return 0;
}

static void play(struct world *world, const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 2 && !world_is_over(world)) {
        const uint8_t what = *at++;
        const uint8_t argument = *at++;
        const uint32_t whose = what >> 3 & (PEER_COUNT - 1);

        if ((what & 0xe0) == 0xe0) {
            if (argument == 0)
                world_drain(world);
            else if (argument == 1)
                world_stop(world);
            else
                sim_fail_accepts(world->server->workers[0].engine, 1, -EMFILE);
        } else if (whose >= world->peer_count) {
            world_connect(world, &raw);
            at -= 2; /* and then what it does, unless nobody listens any more */
            at += whose >= world->peer_count ? 2 : 0;
        } else {
            at += act(world, &world->peers[whose], what & 7, argument, at, (size_t)(end - at));
        }
        if (!(what & 0x80))
            world_settle(world);
    }
}

static void end(struct world *world)
{
    for (uint32_t i = 0; i < world->peer_count; i++)
        peer_be_kind(&world->peers[i]);
    world->defer_in = 0;
    world_settle(world);
    handler_complete_all(world);
    world_pass(world, SETTLING_MS);
    handler_complete_all(world);
    world_drain(world);
    world_pass(world, world->options.drain_timeout_ms + SETTLING_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return 0;

    struct world *const world = calloc(1, sizeof *world);
    set_options(world, data);
    world_begin(world);
    play(world, data + HEAD_SIZE, data + size);
    end(world);
    world_end(world);
    free(world);
    return 0;
}
