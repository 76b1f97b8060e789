/* SPDX-License-Identifier: MIT
 *
 * conn - one connection (conn.h) */
#include "load/conn.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    BATCH_COUNT_MIN = 64,
};

static int watch(struct conn *conn, const struct lane *lane, int operation, bool out)
{
    struct epoll_event event = {
        .events = EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0),
        .data.ptr = conn,
    };

    conn->watching_out = out;
    return epoll_ctl(lane->epoll_fd, operation, conn->fd, &event) < 0 ? -errno : 0;
}

int conn_open(struct conn *conn, struct lane *lane, int fd, uint32_t first_frame)
{
    conn->fd = fd;
    conn->frame = first_frame;
    conn->batch_max = lane->train.frame_count;
    conn->next_id = id_of(1);
    conn->first_measured = UINT64_MAX;

    const int status = watch(conn, lane, EPOLL_CTL_ADD, false);
    if (status < 0) {
        conn->fd = -1;
        return status;
    }
    lane->open_count++;
    return 0;
}

/* Asks for EPOLLOUT only while the socket is full. */
static void watch_out(struct conn *conn, const struct lane *lane, bool out)
{
    if (conn->watching_out == out)
        return;
    const int status = watch(conn, lane, EPOLL_CTL_MOD, out);
    assert(status == 0);
}

static void note_error(const struct conn *conn, struct lane *lane, enum error_cause cause,
                       uint64_t count, struct bytes bytes)
{
    if (count > 0)
        error_log_note(&lane->errors, cause, count, clock_monotonic_ns(), conn->index, bytes);
}

/* The socket took bytes again, or never will. */
static void end_stall(struct conn *conn, struct lane *lane, uint64_t now_ns)
{
    if (conn->full_since_ns > 0 && now_ns - conn->full_since_ns > lane->stall_ns)
        note_error(conn, lane, CAUSE_SEND_STALL, 1, (struct bytes){0});
    conn->full_since_ns = 0;
}

/* Closes the socket and settles the ledger.  Unanswered messages are cut off if the server ended
 * the connection, else lost. */
static void end(struct conn *conn, struct lane *lane, bool cut)
{
    const uint64_t unanswered = conn->sent - conn->verify.top;
    const uint64_t lost = conn->verify.missing_count + (cut ? 0 : unanswered);

    assert(conn->fd >= 0);
    end_stall(conn, lane, clock_monotonic_ns());
    close(conn->fd);
    conn->fd = -1;
    lane->ledger.cut += cut ? unanswered : 0;
    lane->ledger.lost += lost;
    note_error(conn, lane, CAUSE_ACK_TIMEOUT, lost, (struct bytes){0});
    lane->begun_count -= conn->begun_size > 0;
    lane->open_count--;
}

/* The peer ended the connection, or sent what cannot be followed; @bytes is what it sent last. */
static void disconnect(struct conn *conn, struct lane *lane, enum error_cause cause,
                       struct bytes bytes)
{
    if (conn->split_size > 0 || cause == CAUSE_EXTRA_BYTES)
        lane->ledger.malformed++;
    if (!lane->closing)
        lane->disconnect_count++;
    if (!lane->closing || cause != CAUSE_EOF)
        note_error(conn, lane, cause, 1, bytes);
    end(conn, lane, !lane->overdue);
}

/* No more can be read: @code is 0 at the end of the stream, else an errno. */
static void disconnect_read(struct conn *conn, struct lane *lane, int code)
{
    const struct bytes split = {conn->split, conn->split_size};

    if (code != 0)
        disconnect(conn, lane, CAUSE_RESET, split);
    else
        disconnect(conn, lane, conn->split_size > 0 ? CAUSE_EOF_MID_FRAME : CAUSE_EOF, split);
}

void conn_finish(struct conn *conn)
{
    shutdown(conn->fd, SHUT_WR);
}

void conn_close(struct conn *conn, struct lane *lane)
{
    const struct bytes split = {conn->split, conn->split_size};

    /* No ack is owed any more, and yet something has come that might begin one. */
    if (conn->split_size > 0 && conn->verify.top == conn->sent) {
        lane->ledger.malformed++;
        note_error(conn, lane, CAUSE_EXTRA_BYTES, 1, split);
    }
    end(conn, lane, false);
}

void conn_begin(struct conn *conn, const struct lane *lane)
{
    schedule_first(lane->schedule, conn->index, &conn->released);
    conn->written = conn->released;
    conn->acked = conn->released;
}

static void put_pending(struct conn *conn, struct lane *lane)
{
    if (conn->queued)
        return;
    conn->queued = true;
    lane->pending[lane->pending_count++] = conn;
}

/* True when a message that is due now has to wait for the server. */
static bool is_blocked(const struct conn *conn, const struct lane *lane)
{
    return conn->watching_out || conn->due > conn->verify.top + lane->window ||
           conn->sent < conn->blocked_mark;
}

void conn_release(struct conn *conn, struct lane *lane)
{
    conn->due = conn->released.sequence;
    if (conn->first_measured == UINT64_MAX && conn->released.time_ns >= lane->measure_start_ns)
        conn->first_measured = conn->due;
    schedule_next(lane->schedule, &conn->released);
    if (conn->fd < 0)
        return;
    if (is_blocked(conn, lane)) {
        if (conn->sent >= conn->blocked_mark)
            conn->blocked_first = conn->due;
        conn->blocked_mark = conn->due;
        lane->blocked_count++;
    }
    if (!conn->watching_out)
        put_pending(conn, lane);
}

void lane_flush(struct lane *lane)
{
    const uint32_t count = lane->pending_count;

    /* Who has more to write comes back into the list, never ahead of who is still to be taken. */
    lane->pending_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct conn *const conn = lane->pending[i];
        conn->queued = false;
        conn_pump(conn, lane);
    }
}

/* How many frames may be written now, at most a batch. */
static uint32_t allowance(const struct conn *conn, const struct lane *lane)
{
    if (!lane->sending)
        return conn->begun_size > 0;

    uint64_t limit = conn->verify.top + lane->window;
    if (lane->schedule && conn->due < limit)
        limit = conn->due;
    if (limit <= conn->sent)
        return 0;

    const uint64_t count = limit - conn->sent;
    return count < conn->batch_max ? (uint32_t)count : conn->batch_max;
}

/* The times of the phase that message @sequence belongs to. */
static struct clocks *clocks_of(const struct conn *conn, const struct lane *lane, uint64_t sequence)
{
    return sequence >= conn->first_measured ? &lane->tally->measured : &lane->tally->warmup;
}

static void note_lateness(struct conn *conn, struct lane *lane, uint32_t count, uint64_t now_ns)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t sequence = conn->written.sequence;
        const uint64_t late_ns = now_ns - conn->written.time_ns;
        latency_add(&clocks_of(conn, lane, sequence)->lateness, late_ns, 1);
        const bool blocked = sequence >= conn->blocked_first && sequence <= conn->blocked_mark;
        if (!blocked && sequence >= conn->first_measured)
            latency_add(&lane->tally->pacing, late_ns, 1);
        schedule_next(lane->schedule, &conn->written);
    }
}

/* Notes that @whole_count messages were written whole, and @rest_size bytes of the next one. */
static void note_written(struct conn *conn, struct lane *lane, uint32_t whole_count,
                         uint32_t rest_size, uint64_t next_id, uint64_t now_ns)
{
    lane->begun_count -= conn->begun_size > 0;
    lane->begun_count += rest_size > 0;
    conn->begun_size = rest_size;
    if (whole_count == 0)
        return;

    if (lane->schedule)
        note_lateness(conn, lane, whole_count, now_ns);
    else if (conn->first_measured == UINT64_MAX && now_ns >= lane->measure_start_ns)
        conn->first_measured = conn->sent + 1;
    if (lane->measuring)
        latency_add(&lane->tally->frames_per_write, whole_count, 1);
    sendlog_put(&conn->log, conn->sent + whole_count, now_ns);
    conn->sent += whole_count;
    conn->next_id = next_id;
    conn->frame += whole_count;
    if (conn->frame >= lane->train.frame_count)
        conn->frame -= lane->train.frame_count;
    lane->ledger.sent += whole_count;
}

/* Lets the batches follow what the socket takes, so that few ids are written for nothing. */
static void follow_socket(struct conn *conn, const struct lane *lane, uint32_t whole_count,
                          bool short_write)
{
    if (short_write)
        conn->batch_max = whole_count + whole_count / 4;
    else if (whole_count == conn->batch_max)
        conn->batch_max *= 2;
    if (conn->batch_max < BATCH_COUNT_MIN)
        conn->batch_max = BATCH_COUNT_MIN;
    if (conn->batch_max > lane->train.frame_count)
        conn->batch_max = lane->train.frame_count;
}

/* The socket is full: EPOLLOUT starts the next write. */
static void note_full(struct conn *conn, struct lane *lane, uint64_t now_ns)
{
    lane->full_count++;
    if (conn->full_since_ns == 0)
        conn->full_since_ns = now_ns;
    watch_out(conn, lane, true);
}

/* Sends @count frames.  False when the socket takes no more for now, or ever. */
static bool write_batch(struct conn *conn, struct lane *lane, uint32_t count)
{
    uint64_t next_id;
    struct bytes frames = train_load(&lane->train, conn->frame, count, conn->next_id, &next_id);
    frames = bytes_skip(frames, conn->begun_size);

    const uint64_t now_ns = clock_monotonic_ns();
    lane_follow_flight(lane, now_ns);
    const ssize_t took = send(conn->fd, frames.data, frames.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took < 0) {
        conn->send_broken = errno != EAGAIN && errno != EINTR;
        if (conn->send_broken)
            watch_out(conn, lane, false);
        else
            note_full(conn, lane, now_ns);
        return false;
    }

    end_stall(conn, lane, now_ns);
    const bool short_write = (size_t)took < frames.size;
    uint32_t whole_count = count;
    uint32_t rest_size = 0;
    if (short_write) {
        whole_count = train_whole_count(&lane->train, conn->frame, conn->begun_size + (size_t)took,
                                        &rest_size);
        next_id = id_of(conn->sent + whole_count + 1);
    }
    lane->traffic.sent_size += (size_t)took;
    lane->traffic.write_count++;
    follow_socket(conn, lane, whole_count, short_write);
    note_written(conn, lane, whole_count, rest_size, next_id, now_ns);
    if (short_write)
        note_full(conn, lane, now_ns);
    return !short_write;
}

void conn_pump(struct conn *conn, struct lane *lane)
{
    uint32_t left = lane->schedule ? lane->burst : UINT32_MAX;
    uint32_t count;

    if (conn->fd < 0 || conn->send_broken)
        return;
    while (left > 0 && (count = allowance(conn, lane)) > 0) {
        if (count > left)
            count = left;
        if (!write_batch(conn, lane, count))
            return;
        left -= count;
    }
    watch_out(conn, lane, false);
    if (left == 0 && allowance(conn, lane) > 0)
        put_pending(conn, lane);
}

static void note_responses(struct conn *conn, const struct lane *lane, struct latency *response,
                           uint64_t from, uint64_t to, uint64_t now_ns)
{
    while (conn->acked.sequence <= from)
        schedule_next(lane->schedule, &conn->acked);
    while (conn->acked.sequence <= to) {
        latency_add(response, now_ns - conn->acked.time_ns, 1);
        schedule_next(lane->schedule, &conn->acked);
    }
}

/* Adds the times of the messages after @from up to @to, all of one phase.  Returns how many were
 * late. */
static uint64_t note_phase(struct conn *conn, struct lane *lane, struct clocks *clocks,
                           uint64_t from, uint64_t to, uint64_t now_ns)
{
    if (lane->schedule)
        note_responses(conn, lane, &clocks->response, from, to, now_ns);
    return sendlog_settle(&conn->log, from, to, now_ns, lane->timeout_ns, &clocks->service);
}

/* Adds the times of the messages after @from up to the top.  Returns how many were late. */
static uint64_t note_acked(struct conn *conn, struct lane *lane, uint64_t from, uint64_t now_ns)
{
    const uint64_t to = conn->verify.top;
    const uint64_t border = conn->first_measured - 1;
    uint64_t late_count = 0;

    if (from < border) {
        const uint64_t end = to < border ? to : border;
        late_count += note_phase(conn, lane, &lane->tally->warmup, from, end, now_ns);
        from = end;
    }
    if (from < to)
        late_count += note_phase(conn, lane, &lane->tally->measured, from, to, now_ns);
    return late_count;
}

/* Takes the late ones out of the @ok_count successes that have just been counted. */
static void note_late(const struct conn *conn, struct lane *lane, uint64_t late_count,
                      uint64_t ok_count)
{
    if (lane->overdue || late_count > ok_count)
        late_count = ok_count;
    lane->ledger.ok -= late_count;
    lane->ledger.late += late_count;
    note_error(conn, lane, CAUSE_ACK_TIMEOUT, late_count, (struct bytes){0});
}

static enum error_cause cause_of(enum verify_verdict verdict)
{
    switch (verdict) {
    case VERIFY_OUT_OF_ORDER:
        return CAUSE_OUT_OF_ORDER;
    case VERIFY_DUPLICATE:
        return CAUSE_DUPLICATE;
    case VERIFY_UNKNOWN:
        return CAUSE_UNKNOWN_ID;
    case VERIFY_MALFORMED:
        return CAUSE_BAD_COMMAND;
    case VERIFY_UNFRAMED:
        return CAUSE_BAD_LENGTH;
    case VERIFY_FAILED:
    case VERIFY_OK:
        break;
    }
    return CAUSE_BAD_STATUS;
}

/* Judges the ack at the front of @input, which is not simply the next success. */
static enum verify_verdict judge_one(struct conn *conn, struct lane *lane, struct bytes *input,
                                     uint64_t now_ns)
{
    struct bad_ack bad = {
        .time_ns = now_ns,
        .connection_index = conn->index,
        .expected_id = conn->verify.expected_id,
    };

    const struct bytes whole = *input;
    memcpy(bad.bytes, input->data, sizeof bad.bytes);
    bad.verdict = verify_one(&conn->verify, input, conn->sent, &lane->ledger);
    if (lane->first_bad.verdict == VERIFY_OK)
        lane->first_bad = bad;
    /* What cannot be followed is noted where the connection ends. */
    if (bad.verdict != VERIFY_OK && bad.verdict != VERIFY_UNFRAMED)
        note_error(conn, lane, lane->closing ? CAUSE_EXTRA_BYTES : cause_of(bad.verdict), 1, whole);
    return bad.verdict;
}

/* Counts the whole acks in @input as successes.  False when there are more than messages. */
static bool count_acks(struct conn *conn, struct lane *lane, struct bytes *input, uint64_t now_ns)
{
    const uint64_t from = conn->verify.top;
    const uint64_t count = input->size / ACK_FRAME_SIZE;

    if (count > conn->sent - from)
        return false;
    conn->verify.top += count;
    lane->ledger.ok += count;
    *input = bytes_skip(*input, count * ACK_FRAME_SIZE);
    note_late(conn, lane, note_acked(conn, lane, from, now_ns), count);
    return true;
}

/* Judges all whole acks in @input; what remains of it is a split one.  False when the bytes cannot
 * be followed any further. */
static bool judge(struct conn *conn, struct lane *lane, struct bytes *input, uint64_t now_ns)
{
    struct verify *const verify = &conn->verify;
    const struct ledger before = lane->ledger;
    uint64_t late_count = 0;
    bool followed = true;

    while (input->size >= ACK_FRAME_SIZE && followed) {
        const uint64_t top = verify->top;
        const uint64_t run_count = verify_run(verify, input, conn->sent, &lane->ledger);

        if (run_count == 0)
            followed = judge_one(conn, lane, input, now_ns) != VERIFY_UNFRAMED;
        /* Messages that were jumped over have no times. */
        if (verify->top > top)
            late_count += note_acked(conn, lane, run_count > 0 ? top : verify->top - 1, now_ns);
    }
    if (late_count > 0 || lane->overdue)
        note_late(conn, lane, late_count, lane->ledger.ok - before.ok);
    note_error(conn, lane, CAUSE_ACK_TIMEOUT, lane->ledger.lost - before.lost, (struct bytes){0});
    return followed;
}

void conn_receive(struct conn *conn, struct lane *lane)
{
    uint8_t *const at = lane->receive + LANE_HEADROOM_SIZE;
    const ssize_t got = recv(conn->fd, at, LANE_RECEIVE_SIZE, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        disconnect_read(conn, lane, got == 0 ? 0 : errno);
        return;
    }

    const uint64_t now_ns = clock_monotonic_ns();
    lane_follow_flight(lane, now_ns);
    struct bytes input = {at - conn->split_size, conn->split_size + (size_t)got};
    memcpy(at - conn->split_size, conn->split, conn->split_size);
    lane->traffic.received_size += (size_t)got;
    lane->traffic.read_count++;
    if (lane->measuring)
        latency_add(&lane->tally->acks_per_read, input.size / ACK_FRAME_SIZE, 1);

    const bool followed =
        lane->counting ? count_acks(conn, lane, &input, now_ns) : judge(conn, lane, &input, now_ns);
    conn->split_size = 0;
    if (!followed) {
        disconnect(conn, lane, lane->counting ? CAUSE_EXTRA_BYTES : CAUSE_BAD_LENGTH, input);
        return;
    }
    conn->split_size = (uint8_t)input.size;
    memcpy(conn->split, input.data, input.size);
    /* While the socket is full, only EPOLLOUT starts the next write. */
    if (!conn->watching_out && !conn->queued)
        conn_pump(conn, lane);
}
