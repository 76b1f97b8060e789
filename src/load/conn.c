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

/* Closes the socket and settles the ledger.  The messages in flight go to @unanswered. */
static void end(struct conn *conn, struct lane *lane, uint64_t *unanswered)
{
    assert(conn->fd >= 0);
    close(conn->fd);
    conn->fd = -1;
    *unanswered += conn->sent - conn->verify.top;
    lane->ledger.lost += conn->verify.missing_count;
    lane->begun_count -= conn->begun_size > 0;
    lane->open_count--;
}

/* The peer ended the connection, or sent what cannot be followed. */
static void disconnect(struct conn *conn, struct lane *lane)
{
    if (conn->split_size > 0)
        lane->ledger.malformed++;
    if (!lane->closing)
        lane->disconnect_count++;
    end(conn, lane, &lane->ledger.cut);
}

void conn_finish(struct conn *conn)
{
    shutdown(conn->fd, SHUT_WR);
}

void conn_close(struct conn *conn, struct lane *lane)
{
    end(conn, lane, &lane->ledger.lost);
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

static void note_lateness(const struct conn *conn, struct lane *lane, uint32_t count,
                          uint64_t now_ns)
{
    for (uint64_t sequence = conn->sent + 1; sequence <= conn->sent + count; sequence++) {
        const uint64_t due_ns = schedule_due_ns(lane->schedule, conn->index, sequence);
        latency_add(&lane->tally->lateness, now_ns - due_ns, 1);
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
    else
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

/* Sends @count frames.  False when the socket takes no more for now, or ever. */
static bool write_batch(struct conn *conn, struct lane *lane, uint32_t count)
{
    uint64_t next_id;
    struct bytes frames = train_load(&lane->train, conn->frame, count, conn->next_id, &next_id);
    frames = bytes_skip(frames, conn->begun_size);

    const uint64_t now_ns = clock_monotonic_ns();
    const ssize_t took = send(conn->fd, frames.data, frames.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took < 0) {
        conn->send_broken = errno != EAGAIN && errno != EINTR;
        watch_out(conn, lane, !conn->send_broken);
        return false;
    }

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
        watch_out(conn, lane, true);
    return !short_write;
}

void conn_pump(struct conn *conn, struct lane *lane)
{
    uint32_t count;

    if (conn->fd < 0 || conn->send_broken)
        return;
    while ((count = allowance(conn, lane)) > 0) {
        if (!write_batch(conn, lane, count))
            return;
    }
    watch_out(conn, lane, false);
}

/* Adds the latencies of the messages after @from up to the top. */
static void note_acked(struct conn *conn, struct lane *lane, uint64_t from, uint64_t now_ns)
{
    struct latency *const latency = &lane->tally->latency;

    if (!lane->schedule) {
        sendlog_settle(&conn->log, from, conn->verify.top, now_ns, latency);
        return;
    }
    for (uint64_t sequence = from + 1; sequence <= conn->verify.top; sequence++)
        latency_add(latency, now_ns - schedule_due_ns(lane->schedule, conn->index, sequence), 1);
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

    memcpy(bad.bytes, input->data, sizeof bad.bytes);
    bad.verdict = verify_one(&conn->verify, input, conn->sent, &lane->ledger);
    if (lane->first_bad.verdict == VERIFY_OK)
        lane->first_bad = bad;
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
    note_acked(conn, lane, from, now_ns);
    return true;
}

/* Judges all whole acks in @input; what remains of it is a split one.  False when the bytes cannot
 * be followed any further. */
static bool judge(struct conn *conn, struct lane *lane, struct bytes *input, uint64_t now_ns)
{
    struct verify *const verify = &conn->verify;

    while (input->size >= ACK_FRAME_SIZE) {
        const uint64_t top = verify->top;
        const uint64_t run_count = verify_run(verify, input, conn->sent, &lane->ledger);

        if (run_count == 0 && judge_one(conn, lane, input, now_ns) == VERIFY_UNFRAMED)
            return false;
        /* Messages that were jumped over have no latency. */
        if (verify->top > top)
            note_acked(conn, lane, run_count > 0 ? top : verify->top - 1, now_ns);
    }
    return true;
}

void conn_receive(struct conn *conn, struct lane *lane)
{
    uint8_t *const at = lane->receive + LANE_HEADROOM_SIZE;
    const ssize_t got = recv(conn->fd, at, LANE_RECEIVE_SIZE, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        disconnect(conn, lane);
        return;
    }

    const uint64_t now_ns = clock_monotonic_ns();
    struct bytes input = {at - conn->split_size, conn->split_size + (size_t)got};
    memcpy(at - conn->split_size, conn->split, conn->split_size);
    lane->traffic.received_size += (size_t)got;
    lane->traffic.read_count++;

    const bool followed =
        lane->counting ? count_acks(conn, lane, &input, now_ns) : judge(conn, lane, &input, now_ns);
    conn->split_size = 0;
    if (!followed) {
        disconnect(conn, lane);
        return;
    }
    conn->split_size = (uint8_t)input.size;
    memcpy(conn->split, input.data, input.size);
    /* While the socket is full, only EPOLLOUT starts the next write. */
    if (!conn->watching_out)
        conn_pump(conn, lane);
}
