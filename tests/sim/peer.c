/* SPDX-License-Identifier: MIT
 *
 * peer - a client: what it does, and what it must see
 *
 * It judges by the protocol (reference.h) and by the limits that the server was given; where a rule
 * depends on what goes on inside (is the connection paused?), it looks at the session. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum {
    HEADER_SIZE = 13,
    COMPOSED_SIZE_MAX = 600 * 1024,

    /* A deadline is met at most two ticks of the timer wheel late. */
    LATE_MS_MAX = 3 * WHEEL_TICK_MS,

    /* Turns that it may take the worker to receive what one act has written. */
    RECEIVE_TURNS_MAX = 16,
};

/* --- what it does --- */

void peer_write(struct peer *peer, const void *data, size_t size)
{
    if (size == 0 || peer->finished || peer->reset)
        return;
    reference_append(&peer->asked, data, size);
    sim_write(peer->worker->engine, peer->conn, data, size);
}

void peer_finish(struct peer *peer)
{
    if (peer->finished || peer->reset)
        return;
    world_say(peer->world, "peer %u: finishes after %zu bytes", peer->index, peer->asked.size);
    peer->finished = true;
    sim_finish(peer->worker->engine, peer->conn);
}

void peer_reset(struct peer *peer)
{
    if (peer->reset)
        return;
    world_say(peer->world, "peer %u: resets", peer->index);
    peer->reset = true;
    sim_reset(peer->worker->engine, peer->conn);
}

static void put(struct peer *peer, const void *data, size_t size)
{
    memcpy(peer->outbox + peer->outbox_size, data, size);
    peer->outbox_size += size;
}

static void put_length(struct peer *peer, uint32_t length)
{
    const uint8_t bytes[4] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
                              (uint8_t)(length >> 8), (uint8_t)length};
    put(peer, bytes, sizeof bytes);
}

static void put_random(struct peer *peer, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = dice_next(&peer->world->dice);
        put(peer, &word, size - i < 8 ? size - i : 8);
    }
}

static void put_request(struct peer *peer)
{
    struct dice *const dice = &peer->world->dice;
    const struct manner *const manner = peer->manner;
    uint32_t payload_max = peer->asked.frame_size_max - HEADER_SIZE;
    uint8_t command = manner->conn_in > 0 && dice_chance(dice, manner->conn_in) ? 0x01 : 0x02;

    if (payload_max > manner->payload_max)
        payload_max = manner->payload_max;
    uint32_t size = dice_size(dice, payload_max + 1) - 1;
    if (dice_chance(dice, 16))
        size = payload_max; /* a frame of exactly the longest legal length, often */
    put_length(peer, HEADER_SIZE + size);
    put(peer, &command, 1);
    put_random(peer, 8 + size);
}

/* Something that no client may send; what follows it does not count. */
static void put_violation(struct peer *peer)
{
    static const uint8_t commands[] = {0x00, 0x03, 0x7f, 0x80, 0x81, 0x82, 0x83, 0xff};
    struct dice *const dice = &peer->world->dice;
    uint8_t command = 0x02;
    uint32_t length = HEADER_SIZE;

    switch (dice_roll(dice, 5)) {
    case 0:
        length = dice_roll(dice, 5);
        break;
    case 1:
        length = peer->asked.frame_size_max + 1;
        break;
    case 2:
        length = UINT32_MAX - dice_roll(dice, UINT32_MAX - peer->asked.frame_size_max);
        break;
    case 3:
        length = 5 + dice_roll(dice, 8);
        command = (uint8_t)(1 + dice_roll(dice, 2));
        break;
    default:
        command = commands[dice_roll(dice, sizeof commands)];
        length = 5 + dice_roll(dice, peer->asked.frame_size_max < 64 ? 9 : 60);
    }
    put_length(peer, length);
    put(peer, &command, 1);
    put_random(peer, dice_roll(dice, 100));
    peer->spoiled = true;
}

/* Fills the outbox, which is empty. */
static void compose(struct peer *peer)
{
    struct dice *const dice = &peer->world->dice;
    const struct manner *const manner = peer->manner;

    peer->outbox_size = 0;
    peer->outbox_written = 0;
    if (manner->burst_max == 0 || peer->asked.size > PEER_SIZE_MAX - COMPOSED_SIZE_MAX)
        return;
    if (manner->garbage) {
        put_random(peer, dice_size(dice, 200));
        return;
    }
    const uint32_t count = dice_size(dice, manner->burst_max);
    for (uint32_t i = 0; i < count && peer->outbox_size < COMPOSED_SIZE_MAX / 2 - 65536; i++)
        put_request(peer);
    if (manner->violate_in > 0 && dice_chance(dice, manner->violate_in))
        put_violation(peer);
}

static void write_some(struct peer *peer, size_t size_max)
{
    const size_t left = peer->outbox_size - peer->outbox_written;
    const size_t size = left < size_max ? left : size_max;

    peer_write(peer, peer->outbox + peer->outbox_written, size);
    peer->outbox_written += size;
}

/* Sets how much the worker receives at once, so that it comes to an end. */
static void set_receive_size(struct peer *peer)
{
    const size_t least = sim_unread_size(peer->worker->engine, peer->conn) / RECEIVE_TURNS_MAX + 1;
    const size_t size = dice_size(&peer->world->dice, peer->manner->receive_max);

    sim_set_receive_size(peer->worker->engine, peer->conn, size > least ? size : least);
}

static void set_window(struct peer *peer)
{
    struct dice *const dice = &peer->world->dice;
    struct engine *const engine = peer->worker->engine;
    const uint32_t window_max = peer->manner->window_max;

    if (window_max == UINT32_MAX)
        sim_set_send_sizes(engine, peer->conn, dice_size(dice, 1 << 16), SIZE_MAX);
    else if (window_max == 0)
        sim_set_send_sizes(engine, peer->conn, 0, 0);
    else
        sim_set_send_sizes(engine, peer->conn, dice_size(dice, 64) + window_max / 64,
                           dice_size(dice, window_max));
}

void peer_act(struct peer *peer)
{
    struct dice *const dice = &peer->world->dice;
    const struct manner *const manner = peer->manner;

    if (peer->gone || peer->reset)
        return;
    set_window(peer);
    if (peer->outbox_written == peer->outbox_size && !peer->spoiled)
        compose(peer);
    write_some(peer, dice_chance(dice, 2) ? manner->chunk_max : dice_size(dice, manner->chunk_max));
    set_receive_size(peer);
    if (manner->finish_in > 0 && dice_chance(dice, manner->finish_in))
        peer_finish(peer);
    if (manner->reset_in > 0 && dice_chance(dice, manner->reset_in))
        peer_reset(peer);
}

void peer_be_kind(struct peer *peer)
{
    if (peer->reset || peer->gone)
        return;
    sim_set_send_sizes(peer->worker->engine, peer->conn, SIZE_MAX, SIZE_MAX);
    write_some(peer, SIZE_MAX);
    set_receive_size(peer);
    peer_finish(peer);
}

void peer_deinit(struct peer *peer)
{
    reference_deinit(&peer->asked);
    free(peer->outbox);
}

/* --- acks --- */

/* The command of the ack to frame @frame. */
static uint8_t expected_command(const struct peer *peer, const struct reference_frame *frame)
{
    return (uint8_t)((peer->dialect == DIALECT_DEMO ? 0x80 : 0x81) + frame->is_submit);
}

static void check_ack(struct peer *peer)
{
    static const uint8_t header[] = {0, 0, 0, 14};
    struct world *const world = peer->world;
    const size_t index = peer->acked_count;

    if (index >= reference_count_within(&peer->asked, peer->taken_size))
        world_fail(world, "peer %u: ack %zu answers no request", peer->index, index);

    const struct reference_frame *const frame = &peer->asked.frames[index];
    if (memcmp(peer->ack, header, 4) != 0 || peer->ack[4] != expected_command(peer, frame))
        world_fail(world, "peer %u: ack %zu is no ack of its dialect", peer->index, index);
    if (memcmp(peer->ack + 5, reference_id(&peer->asked, frame), 8) != 0)
        world_fail(world, "peer %u: ack %zu has another id than its request", peer->index, index);
    if (frame->is_submit && !frame->decided)
        world_fail(world, "peer %u: ack %zu came before the handler's answer", peer->index, index);
    if (peer->ack[13] != (frame->is_submit ? frame->result : ACKD_RESULT_OK))
        world_fail(world, "peer %u: ack %zu has result %u", peer->index, index, peer->ack[13]);
    peer->acked_count++;
    peer->submit_acked_count += frame->is_submit;
    peer->ack_size = 0;
}

static void take_acks(struct peer *peer)
{
    size_t size;

    while ((size = sim_read(peer->worker->engine, peer->conn, peer->ack + peer->ack_size,
                            sizeof peer->ack - peer->ack_size)) > 0) {
        peer->acked_ms = peer->world->now_ms;
        peer->ack_size += size;
        if (peer->ack_size == sizeof peer->ack)
            check_ack(peer);
    }
}

/* --- how it ends --- */

static uint32_t since(const struct peer *peer, uint32_t time_ms)
{
    return peer->world->now_ms - time_ms;
}

/* The limit on how long @peer may send nothing, and the reason for which it then ends. */
static uint32_t silence_ms_max(const struct peer *peer, int *ret_reason)
{
    const struct ackd_server_options *const options = &peer->world->options;
    const uint32_t first_ms = peer->taken_size == 0 ? options->first_frame_timeout_ms : 0;

    *ret_reason = CLOSE_first_frame_timeout;
    if (first_ms > 0 && (options->idle_timeout_ms == 0 || first_ms <= options->idle_timeout_ms))
        return first_ms;
    *ret_reason = CLOSE_idle_timeout;
    return options->idle_timeout_ms;
}

/* Whether @peer may be ended for a time limit of @timeout_ms that began at @since_ms. */
static bool may_time_out(const struct peer *peer, uint32_t timeout_ms, uint32_t since_ms)
{
    /* A worker that ran late first takes what came meanwhile. */
    return timeout_ms > 0 && since(peer, since_ms) >= timeout_ms &&
           !peer->world->guards[peer->worker->index].is_stalled;
}

/* The end was decided: was it time for it? */
static void judge_reason(struct peer *peer, int reason)
{
    struct world *const world = peer->world;
    const struct ackd_server_options *const options = &world->options;
    int silence_reason;
    const uint32_t silence_ms = silence_ms_max(peer, &silence_reason);
    bool legal;

    switch (reason) {
    case CLOSE_eof:
    case CLOSE_eof_in_frame:
        legal = peer->finished && peer->taken_size == peer->asked.size &&
                peer->asked.violation == CLOSE_NONE &&
                reference_is_inside_frame(&peer->asked) == (reason == CLOSE_eof_in_frame);
        break;
    case CLOSE_reset:
    case CLOSE_io_error:
        legal = peer->reset;
        break;
    case CLOSE_first_frame_timeout:
    case CLOSE_idle_timeout:
        legal = reason == silence_reason && may_time_out(peer, silence_ms, peer->received_ms);
        break;
    case CLOSE_frame_timeout:
        legal = may_time_out(peer, options->frame_timeout_ms, peer->partial_ms);
        break;
    case CLOSE_write_timeout:
        legal = may_time_out(peer, options->write_timeout_ms, peer->acked_ms);
        break;
    case CLOSE_overload:
        legal = peer->shed;
        break;
    case CLOSE_drain:
        legal = world->draining;
        break;
    case CLOSE_drain_timeout:
        legal = world->draining && since(peer, world->drain_ms) >= options->drain_timeout_ms;
        break;
    case CLOSE_stopped:
        legal = world->stopped;
        break;
    case CLOSE_no_memory:
        legal = world->memory_fails_in > 0;
        break;
    default:
        legal = peer->asked.violation == reason;
    }
    if (!legal)
        world_fail(world, "peer %u: ended for '%s', which is not the case", peer->index,
                   close_reason_word((enum close_reason)reason));
}

/* Whether something has cut the connection off before its acks could leave. */
static bool was_cut_off(const struct peer *peer)
{
    const struct world *const world = peer->world;
    const struct ackd_server_options *const options = &world->options;

    if (peer->reset || peer->shed || world->stopped || world->memory_fails_in > 0)
        return true;
    if (peer->closed_reason == CLOSE_drain_timeout ||
        (world->draining && since(peer, world->drain_ms) >= options->drain_timeout_ms))
        return true;
    return sim_sees_reset(peer->worker->engine, peer->conn) && options->write_timeout_ms > 0 &&
           since(peer, peer->acked_ms) >= options->write_timeout_ms;
}

/* The connection is gone: did the peer get what it had earned? */
static void judge_close(struct peer *peer)
{
    struct world *const world = peer->world;
    struct engine *const engine = peer->worker->engine;

    peer->gone = true;
    if (peer->closed_reason != peer->reason)
        judge_reason(peer, peer->closed_reason);
    if (peer->closed_reason == CLOSE_overload && !peer->reset &&
        !sim_sees_reset(engine, peer->conn))
        world_fail(world, "peer %u: closed for memory, and not with a reset", peer->index);
    if (was_cut_off(peer))
        return;
    if (!peer->accepted) {
        if (peer->acked_count > 0 || peer->ack_size > 0)
            world_fail(world, "peer %u: acks without a connection", peer->index);
        return;
    }
    if (peer->acked_count != peer->ended_count || peer->ack_size != 0)
        world_fail(world, "peer %u: closed for '%s' with %zu acks and %zu bytes for %zu requests",
                   peer->index, close_reason_word((enum close_reason)peer->closed_reason),
                   peer->acked_count, peer->ack_size, peer->ended_count);
    if (peer->drained &&
        peer->acked_count < reference_count_within(&peer->asked, peer->drained_size) &&
        peer->reason == CLOSE_drain)
        world_fail(world, "peer %u: the drain left out requests that had arrived", peer->index);
    if (sim_sees_reset(engine, peer->conn) && world->options.linger_timeout_ms > 0 &&
        !(peer->fin_seen && since(peer, peer->fin_ms) >= world->options.linger_timeout_ms))
        world_fail(world, "peer %u: a reset, where it should have been a FIN", peer->index);
}

/* --- what it sees --- */

/* What the worker has received, and what that was the start of. */
static void see_received(struct peer *peer)
{
    const size_t taken_size = peer->asked.size - sim_unread_size(peer->worker->engine, peer->conn);

    if (taken_size == peer->taken_size)
        return;
    const size_t before = reference_count_within(&peer->asked, peer->taken_size);
    const size_t now = reference_count_within(&peer->asked, taken_size);
    const size_t begin = now > 0 ? peer->asked.frames[now - 1].end : 0;
    if (now != before || peer->taken_size <= begin)
        peer->partial_ms = peer->world->now_ms;
    peer->taken_size = taken_size;
    peer->received_ms = peer->world->now_ms;
}

static void see_closing(struct peer *peer, const struct session *session)
{
    if (peer->is_closing || !peer->accepted || (session && session->state != SESSION_CLOSING))
        return;
    peer->is_closing = true;
    peer->shed = peer->world->guards[peer->worker->index].stage >= OVERLOAD_PAUSE;
}

static void see_end(struct peer *peer, int reason)
{
    if (peer->reason != CLOSE_NONE || reason == CLOSE_NONE)
        return;
    judge_reason(peer, reason);
    peer->reason = reason;
    peer->ended_count = reference_count_within(&peer->asked, peer->taken_size);
    world_say(peer->world, "peer %u: is ended for '%s' with %zu requests, %zu acks", peer->index,
              close_reason_word((enum close_reason)reason), peer->ended_count, peer->acked_count);
}

void peer_look(struct peer *peer)
{
    struct engine *const engine = peer->worker->engine;
    const struct session *const session = world_session(peer);

    if (peer->gone)
        return;
    see_received(peer);
    see_closing(peer, session);
    /* The end before the acks: those of this turn count against the times of earlier ones. */
    if (session)
        see_end(peer, session->reason);
    else if (peer->closed)
        see_end(peer, peer->closed_reason);
    take_acks(peer);
    if (!peer->fin_seen && sim_sees_finish(engine, peer->conn)) {
        peer->fin_seen = true;
        peer->fin_ms = peer->world->now_ms;
    }
    if (sim_is_closed(engine, peer->conn))
        judge_close(peer);
}

/* --- when nothing happens any more at this time --- */

static void judge_open(struct peer *peer, const struct session *session)
{
    struct world *const world = peer->world;
    const size_t requests = reference_count_within(&peer->asked, peer->taken_size);

    if (peer->asked.violation != CLOSE_NONE && peer->taken_size == peer->asked.size &&
        peer->taken_size >= peer->asked.judged_size + 4)
        world_fail(world, "peer %u: its violation was received, and nothing happens", peer->index);
    if (session->pause & PAUSE_MEMORY &&
        counter_read(&peer->worker->counters.deferred_bytes) <= DEFERRED_WORKER_SIZE_MAX / 2)
        world_fail(world, "peer %u: is not read for want of memory, which is there", peer->index);
    for (size_t i = peer->handled_count; i < requests; i++) {
        if (peer->asked.frames[i].is_submit)
            world_fail(world, "peer %u: frame %zu never reached the handler", peer->index, i);
    }
    if (!session_owes_nothing(session))
        return;
    if (peer->acked_count != requests || peer->ack_size != 0)
        world_fail(world, "peer %u: %zu acks for %zu requests, and nothing is owed", peer->index,
                   peer->acked_count, requests);
    if (session->pause & (PAUSE_MEMORY | PAUSE_OVERLOAD))
        return;
    if (sim_unread_size(peer->worker->engine, peer->conn) > 0 || !session->socket.receiving)
        world_fail(world, "peer %u: nothing is owed, and it is not read", peer->index);
    if (world->draining)
        world_fail(world, "peer %u: nothing is owed, and the drain does not end it", peer->index);
}

/* Who is not read for overload is read again when that is over: a worker looks once a second. */
static void judge_shunned(struct peer *peer, const struct session *session)
{
    const bool shunned = session->pause & PAUSE_OVERLOAD &&
                         peer->world->guards[peer->worker->index].stage < OVERLOAD_PAUSE;

    if (!shunned || !peer->shunned)
        peer->shunned_ms = peer->world->now_ms;
    peer->shunned = shunned;
    if (since(peer, peer->shunned_ms) > HOUSEKEEPING_MS + LATE_MS_MAX)
        world_fail(peer->world, "peer %u: is not read for overload, which is over", peer->index);
}

static uint32_t later_of(uint32_t a_ms, uint32_t b_ms)
{
    return time_before_ms(a_ms, b_ms) ? b_ms : a_ms;
}

static bool is_late(const struct peer *peer, uint32_t timeout_ms, uint32_t a_ms, uint32_t b_ms)
{
    const uint32_t last_ms = later_of(a_ms, b_ms);

    return timeout_ms > 0 && since(peer, last_ms) < UINT32_MAX / 2 &&
           since(peer, last_ms) > timeout_ms + LATE_MS_MAX;
}

/* A peer that has not read all of its acks is waited for as long as one that is silent. */
static uint32_t lingering_ms_max(const struct peer *peer)
{
    const struct ackd_server_options *const options = &peer->world->options;
    const uint32_t linger_ms = options->linger_timeout_ms;

    return linger_ms == 0 ? 0 : later_of(linger_ms, options->peer_timeout_ms);
}

/* Whatever has a time limit has ended by then. */
static void judge_times(struct peer *peer, const struct session *session)
{
    const struct ackd_server_options *const options = &peer->world->options;
    const char *late = NULL;

    if (session->state == SESSION_LINGERING &&
        is_late(peer, lingering_ms_max(peer), peer->fin_ms, peer->fin_ms))
        late = "linger_timeout";
    if (session->socket.sending &&
        is_late(peer, options->write_timeout_ms, peer->acked_ms, peer->blocked_ms))
        late = "write_timeout";
    if (session->state == SESSION_OPEN && session_owes_nothing(session) && !session->pause) {
        const uint32_t busy_ms = later_of(peer->acked_ms, peer->paused_ms);
        if (session->stash && is_late(peer, options->frame_timeout_ms, peer->partial_ms, busy_ms))
            late = "frame_timeout";
        int reason;
        const uint32_t silence_ms = silence_ms_max(peer, &reason);
        if (!session->stash && is_late(peer, silence_ms, peer->received_ms, busy_ms))
            late = close_reason_word((enum close_reason)reason);
    }
    if (late)
        world_fail(peer->world, "peer %u: the %s has passed, and nothing happens", peer->index,
                   late);
}

void peer_judge_settled(struct peer *peer)
{
    const struct session *const session = world_session(peer);

    if (!session)
        return;
    if (session->socket.sending && !peer->blocked)
        peer->blocked_ms = peer->world->now_ms;
    peer->blocked = session->socket.sending != NULL;
    if (session->pause || peer->paused) /* or it was until now */
        peer->paused_ms = peer->world->now_ms;
    peer->paused = session->pause != 0;
    judge_shunned(peer, session);
    if (session->state == SESSION_OPEN)
        judge_open(peer, session);
    if (session->state == SESSION_FLUSHING && session_owes_nothing(session))
        world_fail(peer->world, "peer %u: nothing is owed, and its end does not come", peer->index);
    judge_times(peer, session);
}

void peer_judge_end(struct peer *peer)
{
    const struct world *const world = peer->world;

    if (peer->accepted && !peer->gone)
        world_fail(world, "peer %u: the server is over, and its connection is not", peer->index);
    if (peer->drained && !peer->gone && !world->stopped && world->memory_fails_in == 0 &&
        since(peer, world->drain_ms) < world->options.drain_timeout_ms)
        world_fail(world, "peer %u: had connected, and the drain did not accept it", peer->index);
}
