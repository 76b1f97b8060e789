/* SPDX-License-Identifier: MIT
 *
 * handler - what happens to the requests of a simulated server: now or later, in any order
 *
 * It knows who asked what, so it judges what it is given: each SUBMIT of a connection once, in
 * order, byte for byte.  The results it draws are what the peers then expect. */
#include <string.h>

#include "world.h"

static struct worker *worker_of(const struct ackd_batch *batch)
{
    return (struct worker *)(void *)((char *)batch->mailbox - offsetof(struct worker, mailbox));
}

static struct peer *peer_of(struct world *world, const struct ackd_batch *batch)
{
    const struct session *const session =
        session_table_find(&worker_of(batch)->table, batch->slot, batch->generation);

    if (!session || session->state == SESSION_CLOSING)
        return NULL;
    struct peer *const peer = world_peer(world, sim_conn_of(&session->socket));
    if (!peer || peer->worker != worker_of(batch))
        world_fail(world, "a batch of slot %u is nobody's", batch->slot);
    return peer;
}

/* The next SUBMIT of @peer behind frame @index. */
static size_t next_submit(const struct peer *peer, size_t index)
{
    while (index < peer->asked.count && !peer->asked.frames[index].is_submit)
        index++;
    return index;
}

static void check_submit(struct peer *peer, size_t index, const struct ackd_submit *submit)
{
    const struct reference_frame *const frame = &peer->asked.frames[index];
    const size_t size = frame->end - frame->begin - 13;

    if (memcmp(submit->id, reference_id(&peer->asked, frame), ACKD_ID_SIZE) != 0)
        world_fail(peer->world, "peer %u: the handler got another id for frame %zu", peer->index,
                   index);
    if (submit->payload_size != size ||
        (size > 0 && memcmp(submit->payload, peer->asked.stream + frame->begin + 13, size) != 0))
        world_fail(peer->world, "peer %u: the handler got another payload for frame %zu",
                   peer->index, index);
}

/* Checks that @batch has the SUBMITs of @peer that come next. */
static void check_batch(struct peer *peer, struct ackd_batch *batch)
{
    struct world *const world = peer->world;
    const uint32_t count = ackd_batch_count(batch);
    struct ackd_submit submit;
    size_t index = peer->handled_count;
    uint32_t seen = 0;

    for (; ackd_batch_next(batch, &submit); seen++) {
        index = next_submit(peer, index);
        if (index == peer->asked.count)
            world_fail(world, "peer %u: the handler got a SUBMIT that nobody sent", peer->index);
        if (submit.index != seen)
            world_fail(world, "peer %u: SUBMIT %u of a batch says it is %u", peer->index, seen,
                       submit.index);
        check_submit(peer, index++, &submit);
    }
    if (seen != count)
        world_fail(world, "peer %u: a batch of %u SUBMITs holds %u", peer->index, count, seen);
    peer->handled_count = index;
}

/* Decides the results of @count SUBMITs of @peer (may be NULL) from frame @first on. */
static void decide(struct world *world, struct ackd_batch *batch, struct peer *peer, size_t first,
                   uint32_t count, bool all_fail)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t result = ACKD_RESULT_OK;

        if (all_fail || (world->fail_in > 0 && dice_chance(&world->dice, world->fail_in)))
            result = ACKD_RESULT_FAILED;
        if (result != ACKD_RESULT_OK || (world->fail_in > 0 && dice_chance(&world->dice, 8)))
            ackd_batch_set_result(batch, i, result);
        if (!peer)
            continue;
        first = next_submit(peer, first);
        peer->asked.frames[first].result = result;
        peer->asked.frames[first].decided = true;
        first++;
    }
}

void handler_complete(struct world *world, uint32_t index)
{
    const struct held held = world->held[index];

    world->held[index] = world->held[--world->held_count];
    decide(world, held.batch, held.peer, held.first, held.count, false);
    world_say(world, "handler: completes %u SUBMITs of peer %d", held.count,
              held.peer ? (int)held.peer->index : -1);
    ackd_batch_complete(held.batch);
}

void handler_complete_all(struct world *world)
{
    while (world->held_count > 0)
        handler_complete(world, dice_roll(&world->dice, world->held_count));
}

static void handle(void *self, struct ackd_batch *batch)
{
    struct world *const world = self;
    struct peer *const peer = peer_of(world, batch);
    const uint32_t count = ackd_batch_count(batch);

    if (!peer)
        world_fail(world, "a batch of a connection that is closing");
    const size_t first = peer->handled_count;
    check_batch(peer, batch);
    if (world->held_count == WORLD_HELD_COUNT_MAX || world->defer_in == 0 ||
        !dice_chance(&world->dice, world->defer_in)) {
        decide(world, batch, peer, first, count, false);
        return;
    }

    struct ackd_batch *const deferred =
        ackd_batch_defer(batch, dice_chance(&world->dice, 2) ? ACKD_KEEP_PAYLOADS : 0);
    if (!deferred) {
        decide(world, batch, peer, first, count, true);
        ackd_batch_count_error(batch);
        return;
    }
    world->held[world->held_count++] =
        (struct held){.batch = deferred, .peer = peer, .first = first, .count = count};
    if (world->complete_at_once_in > 0 && dice_chance(&world->dice, world->complete_at_once_in))
        handler_complete(world, world->held_count - 1);
}

static void end(void *self)
{
    handler_complete_all(self);
}

struct ackd_handler handler_of_world(struct world *world)
{
    return (struct ackd_handler){.self = world, .on_batch = handle, .free = end};
}
