/* SPDX-License-Identifier: MIT
 *
 * session - the life of one connection (session.h)
 *
 * Each thing that comes to pass ends in settle(), which alone decides whether the session is read,
 * when its timer goes off, and whether it is done. */
#include "server/session.h"

#include "server/intake.h"
#include "server/worker.h"

/* What the largest batch holds: one receive, and the stashed frame that it completes. */
_Static_assert(ENGINE_RECV_SIZE / REQUEST_FRAME_SIZE_MIN + 1 <= 1 << BATCH_BOUND_COUNT,
               "a batch falls into one of the buckets that are shown");

static void settle(struct worker *worker, struct session *session);

/* --- closing --- */

static void drop_stash(struct worker *worker, struct session *session)
{
    buffer_put(&worker->pool, session->stash);
    session->stash = NULL;
}

/* How many SUBMIT_ACKs of @acks the kernel has not got as a whole. */
static uint32_t count_unsent(const struct buffer *acks, uint8_t submit_ack_command)
{
    const size_t size = buffer_size(acks);
    const uint8_t *const end = acks->data + acks->end;
    uint32_t count = 0;

    /* A buffer of acks begins with a whole one: that of which a part is sent is still there, in a
     * buffer to which the rest was moved, too. */
    _Static_assert((int)ACK_FRAME_SIZE <= (int)ENGINE_SENT_KEPT_SIZE, "its head is kept");
    for (size_t i = 1; i <= (size + ACK_FRAME_SIZE - 1) / ACK_FRAME_SIZE; i++)
        count += end[ACK_COMMAND_OFFSET - (ptrdiff_t)(i * ACK_FRAME_SIZE)] == submit_ack_command;
    assert(count <= acks->tag);
    return count;
}

/* Counts what becomes of the acks in a buffer that will not be sent. */
static void count_dropped(struct worker *worker, const struct session *session,
                          const struct buffer *acks)
{
    const uint32_t dropped =
        count_unsent(acks, packet_ack_command(COMMAND_SUBMIT, session->dialect));

    counter_add(&worker->counters.acks_dropped, dropped);
    counter_add(&worker->counters.submit_acks_sent, acks->tag - dropped);
}

static void charge_queue(struct worker *worker, struct session *session, int64_t size)
{
    session->queued_size += (uint32_t)size;
    counter_add(&worker->counters.write_queue_bytes, (uint64_t)size);
}

static void free_batch(struct worker *worker, struct ackd_batch *batch)
{
    counter_add(&worker->counters.deferred_requests, -(uint64_t)batch->submit_count);
    counter_add(&worker->counters.deferred_bytes, -(uint64_t)batch->charged_size);
    buffer_put(&worker->pool, batch->acks);
    batch->acks = NULL;
    batch_free(batch);
}

static void drop_acks(struct worker *worker, struct session *session)
{
    struct buffer *acks;
    struct ackd_batch *batch;

    if (session->socket.sending)
        count_dropped(worker, session, session->socket.sending);
    while ((acks = ack_queue_take(&session->acks))) {
        count_dropped(worker, session, acks);
        buffer_put(&worker->pool, acks);
    }
    charge_queue(worker, session, -(int64_t)session->queued_size);

    while ((batch = order_queue_take(&session->order))) {
        counter_add(&worker->counters.acks_dropped, batch->submit_count);
        if (batch->complete)
            free_batch(worker, batch);
        /* Otherwise its handler has it, and session_completed() sees it again. */
    }
}

static void close_with(struct worker *worker, struct session *session, enum close_reason reason,
                       enum engine_close how)
{
    if (session->state == SESSION_CLOSING)
        return;
    if (session->reason == CLOSE_NONE)
        session->reason = reason;
    drop_acks(worker, session);
    drop_stash(worker, session);
    wheel_disarm(&worker->wheel, &session->timer);
    session->state = SESSION_CLOSING;
    engine_close(worker->engine, &session->socket, how);
}

void session_abort(struct worker *worker, struct session *session, enum close_reason reason)
{
    /* A drain that could not end well did not close the connection: this does.  Where the drain
     * has, and only `closed` is still to come, its reason stands. */
    if (session->state != SESSION_CLOSING && session->reason == CLOSE_drain)
        session->reason = CLOSE_NONE;
    close_with(worker, session, reason, ENGINE_CLOSE_RESET);
}

/* Takes no request any more; what is owed still leaves. */
static void end_input(struct worker *worker, struct session *session, enum close_reason reason)
{
    assert(session->state == SESSION_OPEN);
    session->reason = reason;
    session->state = SESSION_FLUSHING;
    session->left_size = 0;
    session->pause = 0;
    drop_stash(worker, session);
    engine_receive(worker->engine, &session->socket, true); /* to discard it */
}

/* Everything owed is the kernel's: our FIN, and then the peer's. */
static void finish_output(struct worker *worker, struct session *session)
{
    if (session->socket.finished || worker->config->linger_timeout_ms == 0) {
        close_with(worker, session, session->reason, ENGINE_CLOSE_FIN);
        return;
    }
    engine_finish(worker->engine, &session->socket);
    session->state = SESSION_LINGERING;
    session->since_ms = worker_now_ms(worker);
}

static void discard(struct worker *worker, struct session *session, size_t size)
{
    counter_add(&worker->counters.bytes_discarded, size);
    session->left_size += (uint32_t)size;
    if (session->left_size > DISCARD_SIZE_MAX)
        engine_receive(worker->engine, &session->socket, false);
}

/* --- sending --- */

/* Sends @acks, and what the queue holds behind them, until the kernel takes no more. */
static void send_acks(struct worker *worker, struct session *session, struct buffer *acks)
{
    while (acks) {
        const int sent = engine_send(worker->engine, &session->socket, acks);

        if (sent == ENGINE_SENDING) {
            charge_queue(worker, session, session->socket.sending->end);
            return;
        }
        if (sent < 0) {
            count_dropped(worker, session, acks);
            buffer_put(&worker->pool, acks);
            session_broken(worker, session, sent);
            return;
        }
        counter_add(&worker->counters.submit_acks_sent, acks->tag);
        buffer_put(&worker->pool, acks);
        acks = ack_queue_take(&session->acks);
        if (acks)
            charge_queue(worker, session, -(int64_t)acks->end);
    }
}

static void put_acks(struct worker *worker, struct session *session, struct buffer *acks)
{
    if (!session->socket.sending) {
        send_acks(worker, session, acks);
        return;
    }
    charge_queue(worker, session, acks->end);
    ack_queue_put(&session->acks, &worker->pool, acks);
}

void session_sent(struct worker *worker, struct session *session, struct buffer *buffer)
{
    counter_add(&worker->counters.submit_acks_sent, buffer->tag);
    charge_queue(worker, session, -(int64_t)buffer->end);
    buffer_put(&worker->pool, buffer);
    session->active_ms = worker_now_ms(worker);

    struct buffer *const acks = ack_queue_take(&session->acks);
    if (acks) {
        charge_queue(worker, session, -(int64_t)acks->end);
        send_acks(worker, session, acks);
    }
    settle(worker, session);
}

/* --- requests --- */

/* The results of @batch are final: counts them and lets its acks go. */
static void release_acks(struct worker *worker, struct session *session, struct ackd_batch *batch)
{
    struct counters *const counters = &worker->counters;
    struct buffer *const acks = batch->acks;

    batch->acks = NULL;
    acks->tag = batch->submit_count;
    if (batch->error_count == 0) {
        counter_add(&counters->acks_ok, batch->submit_count);
    } else {
        counter_add(&counters->acks_ok, batch->submit_count - batch->error_count);
        counter_add(&counters->acks_error, batch->error_count);
    }
    put_acks(worker, session, acks);
}

/* Puts @batch, on the heap, behind the batches that wait already. */
static void queue_batch(struct worker *worker, struct session *session, struct ackd_batch *batch)
{
    session->unanswered_count += batch->submit_count;
    session->deferred_size += batch->charged_size;
    counter_add(&worker->counters.deferred_requests, batch->submit_count);
    counter_add(&worker->counters.deferred_bytes, batch->charged_size);
    order_queue_put(&session->order, batch);
}

/* Lets the acks of complete batches go, up to the first that is not. */
static void release_in_order(struct worker *worker, struct session *session)
{
    struct ackd_batch *batch;

    while (session->state != SESSION_CLOSING &&
           (batch = order_queue_take_complete(&session->order))) {
        session->unanswered_count -= batch->submit_count;
        session->deferred_size -= batch->charged_size;
        release_acks(worker, session, batch);
        worker_time_acks(worker, engine_now_ns(worker->engine) - batch->received_ns,
                         batch->submit_count);
        free_batch(worker, batch);
    }
}

static void handle_batch(struct worker *worker, struct session *session, struct ackd_batch *batch)
{
    const struct ackd_handler *const handler = &worker->config->handler;

    batch->mailbox = &worker->mailbox;
    batch->slot = session->slot;
    batch->generation = session->generation;
    batch->submit_ack_command = packet_ack_command(COMMAND_SUBMIT, session->dialect);
    batch->received_ns = worker->engine->turn_ns;
    batch->counters = &worker->counters;
    batch_rewind(batch);

    if (batch->submit_count > 0)
        handler->on_batch(handler->self, batch);
    if (batch->deferred) {
        queue_batch(worker, session, batch->deferred);
        return;
    }
    if (order_queue_is_empty(&session->order)) {
        release_acks(worker, session, batch);
        return;
    }

    /* Answered at once, but behind requests that are not. */
    struct ackd_batch *const moved = batch_move(batch, false);
    if (!moved) {
        counter_add(&worker->counters.acks_dropped, batch->submit_count);
        buffer_put(&worker->pool, batch->acks);
        close_with(worker, session, CLOSE_no_memory, ENGINE_CLOSE_RESET);
        return;
    }
    moved->complete = true;
    queue_batch(worker, session, moved);
}

/* Ends the session for what its peer sent; earned acks leave first. */
static void refuse(struct worker *worker, struct session *session, const struct intake *intake)
{
    struct counters *const counters = &worker->counters;
    enum close_reason reason = CLOSE_NONE;

    switch (intake->stop) {
    case ANSWER_FRAME_TOO_SHORT:
        counter_add(&counters->decode_frame_too_short, 1);
        reason = CLOSE_frame_too_short;
        break;
    case ANSWER_FRAME_TOO_LONG:
        counter_add(&counters->decode_frame_too_large, 1);
        reason = CLOSE_frame_too_large;
        break;
    case ANSWER_PACKET_TOO_SHORT:
        counter_add(&counters->decode_packet_too_short, 1);
        reason = CLOSE_packet_too_short;
        break;
    case ANSWER_UNKNOWN_COMMAND:
        counter_add(&counters->decode_unknown_command, 1);
        reason = CLOSE_unknown_command;
        break;
    case ANSWER_WRONG_DIRECTION:
        counter_add(&counters->decode_wrong_direction, 1);
        reason = CLOSE_wrong_direction;
        break;
    case ANSWER_PARTIAL:
        return;
    }
    session->reason = reason;
    worker_log_bytes(worker, LOG_REFUSED, "refused", session, intake->refused);
    end_input(worker, session, reason);
}

static void take_requests(struct worker *worker, struct session *session, struct bytes bytes)
{
    struct counters *const counters = &worker->counters;
    struct intake intake;

    intake_take(worker, session, bytes, &intake);

    struct ackd_batch *const batch = &intake.batch;
    if (batch->acks) {
        uint32_t request_count = batch->submit_count;

        counter_add(&counters->submits_received, request_count);
        session->submit_count += request_count;
        if (batch->conn_count > 0) {
            counter_add(&counters->packets_conn, batch->conn_count);
            request_count += batch->conn_count;
        }
        size_histogram_add(&counters->batch_frames, request_count);
        handle_batch(worker, session, batch);
    }
    if (session->state == SESSION_OPEN) {
        if (intake.failed)
            close_with(worker, session, CLOSE_no_memory, ENGINE_CLOSE_RESET);
        else
            refuse(worker, session, &intake);
    }
    buffer_put(&worker->pool, intake.joined);
}

/* --- what the engine says --- */

void session_open(struct worker *worker, struct session *session, enum dialect dialect)
{
    session->state = SESSION_OPEN;
    session->reason = CLOSE_NONE;
    session->dialect = dialect;
    session->active_ms = worker_now_ms(worker);
    session->accepted_s = worker_now_s(worker);
    settle(worker, session);
}

void session_received(struct worker *worker, struct session *session, struct bytes bytes)
{
    counter_add(&worker->counters.bytes_received, bytes.size);
    if (session->state != SESSION_OPEN) {
        discard(worker, session, bytes.size);
        return;
    }

    session->active_ms = worker_now_ms(worker);
    session->began = true;
    take_requests(worker, session, bytes);
    if (session->draining && session->state == SESSION_OPEN) {
        session->left_size -=
            bytes.size < session->left_size ? (uint32_t)bytes.size : session->left_size;
        if (session->left_size == 0)
            end_input(worker, session, CLOSE_drain);
    }
    settle(worker, session);
}

void session_finished(struct worker *worker, struct session *session)
{
    if (session->state == SESSION_OPEN)
        end_input(worker, session, session->stash ? CLOSE_eof_in_frame : CLOSE_eof);
    else if (session->state == SESSION_LINGERING)
        close_with(worker, session, session->reason, ENGINE_CLOSE_FIN);
    settle(worker, session);
}

void session_broken(struct worker *worker, struct session *session, int code)
{
    enum close_reason reason = CLOSE_io_error;

    if (code == -ECONNRESET || code == -EPIPE)
        reason = CLOSE_reset;
    else if (code == -ETIMEDOUT || code == -EHOSTUNREACH || code == -ENETUNREACH)
        reason = CLOSE_vanished;
    close_with(worker, session, reason, ENGINE_CLOSE_FIN);
}

void session_closed(struct worker *worker, struct session *session)
{
    assert(session->state == SESSION_CLOSING && session->reason != CLOSE_NONE);
    counter_add(&worker->counters.closed[session->reason], 1);
    counter_add(&worker->counters.connections_open, (uint64_t)-1);
    worker_log_conn(worker, LOG_TIMED_OUT, ACKD_LOG_DEBUG, "closed", session);
    session_table_put(&worker->table, session);
    worker_conn_gone(worker, session->peer);
}

void session_completed(struct worker *worker, struct session *session, struct ackd_batch *batch)
{
    if (!session || session->state == SESSION_CLOSING) {
        counter_add(&worker->counters.stale_completions, 1);
        free_batch(worker, batch);
        return;
    }
    batch->complete = true;
    session->active_ms = worker_now_ms(worker);
    release_in_order(worker, session);
    settle(worker, session);
}

void session_drain(struct worker *worker, struct session *session)
{
    if (session->state != SESSION_OPEN)
        return;
    session->draining = true;
    session->left_size = (uint32_t)engine_pending_size(worker->engine, &session->socket);
    if (session->left_size == 0)
        end_input(worker, session, CLOSE_drain);
    settle(worker, session);
}

void session_resume(struct worker *worker, struct session *session)
{
    settle(worker, session);
}

void session_pause_for_overload(struct worker *worker, struct session *session)
{
    if (session->state != SESSION_OPEN || (session->pause & PAUSE_OVERLOAD))
        return;
    session->pause |= PAUSE_OVERLOAD;
    worker->overload.has_paused = true;
    counter_add(&worker->counters.paused_overload, 1);
    engine_receive(worker->engine, &session->socket, false);
}

uint64_t session_held_size(const struct session *session)
{
    const struct buffer *const sending = session->socket.sending;

    return (session->stash ? session->stash->capacity : 0) + (sending ? sending->capacity : 0) +
           (uint64_t)session->queued_size + session->deferred_size;
}

/* --- settling: reading or not, timers, the end --- */

/* One reason to pause: it begins at its high mark and ends at its low mark. */
static void mark_pause(struct session *session, enum session_pause pause, bool above_high,
                       bool below_low, counter *count)
{
    if (above_high && !(session->pause & pause)) {
        session->pause = (session->pause | pause) & PAUSE_ALL;
        counter_add(count, 1);
    } else if (below_low) {
        session->pause = session->pause & ~pause & PAUSE_ALL;
    }
}

static bool has_large_stash(const struct session *session)
{
    return session->stash && session->stash->capacity >= SHED_SIZE_MIN;
}

static void update_pause(struct worker *worker, struct session *session)
{
    const struct worker_config *const config = worker->config;
    struct counters *const counters = &worker->counters;
    const uint32_t window = config->window_count;
    const uint64_t memory = counter_read(&counters->deferred_bytes);
    const bool was_paused = session->pause != 0;

    if (!was_paused && session_owes_nothing(session) && !has_large_stash(session))
        return;
    mark_pause(session, PAUSE_ACK_BACKLOG, session->queued_size >= config->ack_high_size,
               session->queued_size <= config->ack_low_size, &counters->paused_ack_backlog);
    mark_pause(session, PAUSE_WINDOW,
               session->unanswered_count >= window ||
                   session->deferred_size >= DEFERRED_CONN_SIZE_MAX,
               session->unanswered_count <= window / 2 &&
                   session->deferred_size <= DEFERRED_CONN_SIZE_MAX / 2,
               &counters->paused_window);
    mark_pause(session, PAUSE_MEMORY, memory >= DEFERRED_WORKER_SIZE_MAX,
               memory <= DEFERRED_WORKER_SIZE_MAX / 2, &counters->paused_memory);
    mark_pause(session, PAUSE_OVERLOAD,
               session_held_size(session) >= SHED_SIZE_MIN && overload_is_near(worker),
               worker->overload.stage < OVERLOAD_PAUSE, &counters->paused_overload);
    if (session->pause & PAUSE_MEMORY)
        worker->memory_paused = true;
    if (session->pause & PAUSE_OVERLOAD)
        worker->overload.has_paused = true;

    if (was_paused == (session->pause != 0))
        return;
    if (was_paused) {
        /* The time that we did not read is not the peer's fault. */
        session->active_ms = worker_now_ms(worker);
        session->since_ms = session->active_ms;
    }
    engine_receive(worker->engine, &session->socket, was_paused);
}

/* A timeout that runs: when it began, how long it is, and what it does to the session. */
struct timeout {
    uint32_t since_ms;
    uint32_t length_ms; /* 0: none runs */
    enum close_reason reason;
};

/* The timeout that applies to the peer's part of what goes on now. */
static struct timeout input_timeout(const struct worker *worker, const struct session *session)
{
    const struct worker_config *const config = worker->config;

    if (session->state == SESSION_LINGERING) {
        /* A reload that wants no lingering ends what lingers. */
        const uint32_t length_ms = config->linger_timeout_ms ? config->linger_timeout_ms : 1;
        return (struct timeout){session->since_ms, length_ms, session->reason};
    }
    if (session->state != SESSION_OPEN || session->pause != 0)
        return (struct timeout){0};
    if (session->stash)
        return (struct timeout){session->since_ms, config->frame_timeout_ms, CLOSE_frame_timeout};
    if (!session_owes_nothing(session))
        return (struct timeout){0};
    if (!session->began && config->first_frame_timeout_ms > 0 &&
        (config->idle_timeout_ms == 0 || config->first_frame_timeout_ms <= config->idle_timeout_ms))
        return (struct timeout){session->active_ms, config->first_frame_timeout_ms,
                                CLOSE_first_frame_timeout};
    return (struct timeout){session->active_ms, config->idle_timeout_ms, CLOSE_idle_timeout};
}

static struct timeout output_timeout(const struct worker *worker, const struct session *session)
{
    if (!session->socket.sending)
        return (struct timeout){0};
    return (struct timeout){session->socket.send_progress_ms, worker->config->write_timeout_ms,
                            CLOSE_write_timeout};
}

static void arm(struct worker *worker, struct session *session, struct timeout timeout)
{
    const uint32_t deadline_ms = timeout.since_ms + timeout.length_ms;

    /* A timer that goes off too early looks again; that is cheaper than moving it each time. */
    if (timeout.length_ms == 0 ||
        (session->timer.link && !time_before_ms(deadline_ms, session->timer.deadline_ms)))
        return;
    wheel_arm(&worker->wheel, &session->timer, deadline_ms);
}

static void settle(struct worker *worker, struct session *session)
{
    if (session->state == SESSION_FLUSHING && session_owes_nothing(session))
        finish_output(worker, session);
    if (session->state == SESSION_CLOSING)
        return;
    if (session->state == SESSION_OPEN)
        update_pause(worker, session);
    arm(worker, session, input_timeout(worker, session));
    arm(worker, session, output_timeout(worker, session));
}

static bool has_passed(const struct worker *worker, struct timeout timeout)
{
    return timeout.length_ms > 0 &&
           !time_before_ms(worker_now_ms(worker), timeout.since_ms + timeout.length_ms);
}

/* Peers that stall are worth a line; to be idle is no fault. */
static void log_timeout(struct worker *worker, struct session *session, enum close_reason reason)
{
    if (session->reason == CLOSE_NONE)
        session->reason = reason;
    worker_log_conn(worker, LOG_TIMED_OUT,
                    reason == CLOSE_idle_timeout ? ACKD_LOG_DEBUG : ACKD_LOG_INFO, "timed out",
                    session);
}

/* The peer's end did not come in time.  Closing would make a reset of what it goes on sending, and
 * that would overtake acks: as long as some are on their way, the connection has the time of one
 * whose peer is silent. */
static void end_lingering(struct worker *worker, struct session *session)
{
    const uint32_t fin_size = 1;
    const struct timeout delivery = {session->since_ms, worker->config->peer_timeout_ms,
                                     session->reason};

    if (delivery.length_ms > 0 && !has_passed(worker, delivery) &&
        engine_unconfirmed_size(worker->engine, &session->socket) > fin_size) {
        wheel_arm(&worker->wheel, &session->timer, worker_now_ms(worker) + LINGER_STEP_MS);
        return;
    }
    close_with(worker, session, session->reason, ENGINE_CLOSE_FIN);
}

void session_timer_expired(struct worker *worker, struct session *session)
{
    const struct timeout input = input_timeout(worker, session);
    const struct timeout output = output_timeout(worker, session);

    if (has_passed(worker, output)) {
        log_timeout(worker, session, output.reason);
        close_with(worker, session, output.reason, ENGINE_CLOSE_RESET);
        return;
    }
    if (has_passed(worker, input)) {
        if (session->state == SESSION_LINGERING) {
            end_lingering(worker, session);
            return;
        }
        log_timeout(worker, session, input.reason);
        end_input(worker, session, input.reason);
    }
    settle(worker, session);
}
