/* SPDX-License-Identifier: MIT
 *
 * network - what the server finds in place of sockets and of an engine
 *
 * These have the names of what they stand in for: the linker takes them and leaves the library's
 * own where they are. */
#include "engine/listener.h"
#include "world.h"

struct world *network_world;

static uint32_t throw_dice(void *context, uint32_t count)
{
    return dice_roll(context, count);
}

static int new_engine(struct engine **ret_engine, const struct engine_events *events, void *owner,
                      struct buffer_pool *pool, struct counters *counters, struct ackd_error *error)
{
    const int status = engine_sim_new(ret_engine, events, owner, pool, counters, error);

    if (status < 0)
        return status;
    if (network_world->network) {
        sim_share(*ret_engine, network_world->network);
    } else {
        network_world->network = *ret_engine;
        sim_advance_ms(*ret_engine, network_world->start_ms);
        engine_date(*ret_engine, engine_now_ns(*ret_engine));
    }
    sim_set_dice(*ret_engine, throw_dice, &network_world->dice);
    return 0;
}

int engine_select(enum ackd_engine wanted, struct engine_choice *ret_choice,
                  struct ackd_error *error)
{
    (void)wanted;
    (void)error;
    *ret_choice = (struct engine_choice){.new = new_engine, .name = "sim"};
    return 0;
}

int listener_claim(const struct address *address, struct ackd_error *error)
{
    (void)address;
    (void)error;
    return 0;
}

int listener_open(const struct address *address, int *ret_fd, struct address *ret_bound,
                  struct ackd_error *error)
{
    (void)error;
    *ret_bound = *address;
    *ret_fd = INT32_MAX; /* nobody has that many: to close it does nothing */
    return 0;
}

bool listener_queue(int fd, uint32_t *ret_waiting, uint32_t *ret_limit)
{
    (void)fd;
    *ret_waiting = 1;
    *ret_limit = 2;
    return true;
}
