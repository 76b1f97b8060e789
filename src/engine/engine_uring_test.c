/* SPDX-License-Identifier: MIT
 *
 * engine_uring_test - the traps of io_uring, each of which somebody else has fallen into
 *
 * engine_test.c has the rules that all engines keep.  This one looks inside, so it includes the
 * sources: it holds completions back, and makes some that must not be.  All of it is done in each
 * way in which a ring may be set up, whatever this kernel prefers. */
#include "engine/socket_ops.h"

/* Socket pairs stand for TCP here: what is written to them has arrived. */
#define socket_ops_is_tcp(socket) ((socket)->fd >= 0)

#include "engine/engine_uring.c"
#include "engine/uring.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/test_net.h"

enum {
    PEER_COUNT_MAX = 3 * URING_BUFFER_COUNT,
    TURN_COUNT_MAX = 2000,
    STREAM_SIZE = 6 * 1024 * 1024,
};

static size_t setup_index; /* which of `setups` is tested now */

struct rig;

struct peer {
    struct engine_socket socket;
    struct rig *rig;
    int fd;
    size_t size; /* bytes received, of pattern() */
    int received_count;
    int finished_count;
    int broken_count;
    int sent_count;
    int closed_count;
    bool stop;  /* to receive, at the next `received` */
    bool leave; /* closes at the next `received` */
};

struct rig {
    struct engine *engine;
    struct buffer_pool pool;
    struct counters *counters;
    struct peer peers[PEER_COUNT_MAX];
    int peer_count;
};

/* The byte at @at of what every peer sends. */
static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 7 + at / 251);
}

static void on_received(void *owner, struct engine_socket *socket, struct bytes bytes)
{
    struct peer *const peer = (struct peer *)(void *)socket;

    assert_ptr_equal(owner, peer->rig);
    assert_false(socket->closing);
    for (size_t i = 0; i < bytes.size; i++, peer->size++) {
        if (bytes.data[i] != pattern(peer->size))
            fail_msg("byte %zu is another one", peer->size);
    }
    peer->received_count++;
    if (peer->stop)
        engine_receive(peer->rig->engine, socket, false);
    if (peer->leave)
        engine_close(peer->rig->engine, socket, ENGINE_CLOSE_FIN);
}

static void on_finished(void *owner, struct engine_socket *socket)
{
    (void)owner;
    ((struct peer *)(void *)socket)->finished_count++;
}

static void on_broken(void *owner, struct engine_socket *socket, int code)
{
    (void)owner;
    (void)code;
    ((struct peer *)(void *)socket)->broken_count++;
}

static void on_sent(void *owner, struct engine_socket *socket, struct buffer *buffer)
{
    struct rig *const rig = owner;

    ((struct peer *)(void *)socket)->sent_count++;
    buffer_put(&rig->pool, buffer);
}

static void on_closed(void *owner, struct engine_socket *socket)
{
    (void)owner;
    ((struct peer *)(void *)socket)->closed_count++;
}

static void on_woken(void *owner)
{
    (void)owner;
}

static const struct engine_events events = {
    .received = on_received,
    .finished = on_finished,
    .broken = on_broken,
    .sent = on_sent,
    .closed = on_closed,
    .woken = on_woken,
};

static struct engine_uring *uring_of(const struct rig *rig)
{
    return of(rig->engine);
}

/* An engine whose ring is set up in the way that is tested now. */
static struct rig *setup(void)
{
    struct rig *const rig = calloc(1, sizeof *rig);
    struct ackd_error error = {0};

    assert_non_null(rig);
    rig->counters = aligned_alloc(CACHE_LINE_SIZE, sizeof *rig->counters);
    assert_non_null(rig->counters);
    memset(rig->counters, 0, sizeof *rig->counters);
    if (engine_uring_new(&rig->engine, &events, rig, &rig->pool, rig->counters, &error) < 0)
        fail_msg("%s", error.text);

    struct uring *const uring = &uring_of(rig)->uring;
    uring_close(uring);
    *uring = (struct uring){.ring.ring_fd = -1};
    assert_int_equal(set_up(uring, setup_index), 0);
    assert_int_equal(register_buffers(uring), 0);
    arm_wake(uring_of(rig));
    return rig;
}

static void turn(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        engine_turn(rig->engine, 0);
}

static struct peer *add(struct rig *rig, int ours, int theirs)
{
    struct peer *const peer = &rig->peers[rig->peer_count++];

    assert_true(rig->peer_count <= PEER_COUNT_MAX);
    *peer = (struct peer){.rig = rig, .fd = theirs};
    assert_int_equal(engine_add(rig->engine, &peer->socket, ours), 0);
    return peer;
}

static struct peer *join(struct rig *rig)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    return add(rig, fds[0], fds[1]);
}

/* Closes what is open, and checks that everything came to its end once. */
static void teardown(struct rig *rig)
{
    for (int i = 0; i < rig->peer_count; i++) {
        if (!rig->peers[i].socket.closing)
            engine_close(rig->engine, &rig->peers[i].socket, ENGINE_CLOSE_FIN);
    }
    turn(rig, 8 + rig->peer_count / 10);
    for (int i = 0; i < rig->peer_count; i++) {
        assert_int_equal(rig->peers[i].closed_count, 1);
        assert_true(rig->peers[i].finished_count + rig->peers[i].broken_count <= 1);
        close(rig->peers[i].fd);
    }
    engine_free(rig->engine);
    poll(NULL, 0, 50); /* a ring that has gone interrupts its thread (uring.h): here, then */
    assert_int_equal(rig->pool.out_count, 0);
    buffer_pool_deinit(&rig->pool);
    free(rig->counters);
    free(rig);
}

/* Sends the bytes of pattern() from @at on, or as many as there is room for.  Returns how many. */
static size_t write_pattern(const struct peer *peer, size_t at, size_t size)
{
    static uint8_t bytes[256 * 1024];

    assert_true(size <= sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(at + i);
    const ssize_t sent = send(peer->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? (size_t)sent : 0;
}

/* A buffer of @size bytes of pattern(). */
static struct buffer *take_buffer(struct rig *rig, size_t size)
{
    struct buffer *const buffer = buffer_take(&rig->pool, size);

    assert_non_null(buffer);
    for (size_t i = 0; i < size; i++)
        buffer->data[i] = pattern(i);
    buffer->end = (uint32_t)size;
    return buffer;
}

/* Reads what is there, as the bytes of pattern() from @at on.  Returns how many. */
static size_t read_pattern(const struct peer *peer, size_t at)
{
    static uint8_t bytes[65536];
    const ssize_t size = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    for (ssize_t i = 0; i < size; i++, at++) {
        if (bytes[i] != pattern(at))
            fail_msg("byte %zu that was sent is another one", at);
    }
    return size > 0 ? (size_t)size : 0;
}

/* Lets the kernel complete what it can, and leaves the completions in the ring. */
static void hold_back(struct rig *rig)
{
    uring_enter(&uring_of(rig)->uring, 0, 0);
}

/* --- the traps --- */

/* A descriptor that is closed while a recv is in flight stays open: its peer never sees the end. */
static void trap_1_the_peer_sees_the_end_of_a_connection_with_operations_in_flight(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    struct buffer *const buffer = take_buffer(rig, 390000);
    static uint8_t bytes[390000];

    (void)state;
    assert_int_equal(engine_send(rig->engine, &peer->socket, buffer), ENGINE_SENDING);
    turn(rig, 2);
    assert_int_equal(peer->sent_count, 0);
    assert_int_equal(peer->socket.uring.operations,
                     bit_of(OPERATION_RECV) | bit_of(OPERATION_SEND));
    engine_close(rig->engine, &peer->socket, ENGINE_CLOSE_FIN);
    assert_int_equal(peer->closed_count, 0);
    turn(rig, 3);
    assert_int_equal(peer->closed_count, 1);
    assert_true(test_read(peer->fd, bytes, sizeof bytes) < sizeof bytes);
    assert_int_equal(recv(peer->fd, bytes, 1, MSG_DONTWAIT), 0);
    teardown(rig);
}

/* What the kernel reads from or writes into is its own until it says so, cancelled or not. */
static void trap_2_a_buffer_in_flight_outlives_the_close(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);

    (void)state;
    assert_int_equal(engine_send(rig->engine, &peer->socket, take_buffer(rig, 390000)),
                     ENGINE_SENDING);
    turn(rig, 2);
    engine_close(rig->engine, &peer->socket, ENGINE_CLOSE_FIN);
    assert_int_equal(rig->pool.out_count, 1);
    hold_back(rig);
    assert_int_equal(rig->pool.out_count, 1);
    turn(rig, 2);
    assert_int_equal(rig->pool.out_count, 0);
    teardown(rig);
}

/* A completion for the one who had this memory before. */
static void trap_3_a_stale_completion_is_counted_and_dropped(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    struct uring *const uring = &uring_of(rig)->uring;
    const uint16_t before = (uint16_t)(peer->socket.uring.generation - 1);

    (void)state;
    turn(rig, 1);
    for (enum operation operation = OPERATION_RECV; operation <= OPERATION_SEND; operation++)
        uring_sqe(uring)->user_data = user_data_of(&peer->socket, before, operation);
    turn(rig, 1);
    assert_int_equal(counter_read(&rig->counters->uring_stale), 4);

    /* Its own generation, but nothing of the kind is in flight. */
    uring_sqe(uring)->user_data =
        user_data_of(&peer->socket, peer->socket.uring.generation, OPERATION_SEND);
    turn(rig, 1);
    assert_int_equal(counter_read(&rig->counters->uring_stale), 5);
    assert_int_equal(peer->finished_count + peer->broken_count + peer->sent_count, 0);

    assert_int_equal(write_pattern(peer, 0, 100), 100);
    turn(rig, 1);
    assert_int_equal(peer->size, 100);
    teardown(rig);
}

/* The recv had its data when it was cancelled. */
static void trap_4_bytes_that_met_a_cancel_are_not_lost(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);

    (void)state;
    turn(rig, 1);
    assert_int_equal(write_pattern(peer, 0, 100), 100);
    hold_back(rig);
    engine_receive(rig->engine, &peer->socket, false);
    assert_int_equal(engine_pending_size(rig->engine, &peer->socket), 100);
    assert_int_equal(write_pattern(peer, 100, 50), 50);
    turn(rig, 3);
    assert_int_equal(peer->size + engine_pending_size(rig->engine, &peer->socket), 150);
    if (setup_index == 0) /* else any system call receives */
        assert_int_equal(peer->size, 100);
    engine_receive(rig->engine, &peer->socket, true);
    turn(rig, 3);
    assert_int_equal(peer->size, 150);
    teardown(rig);
}

/* Stopped and started again before the kernel has heard of either. */
static void trap_4_a_change_of_mind_is_no_second_recv(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    size_t size = 0;

    (void)state;
    for (int i = 0; i < 50; i++) {
        size += write_pattern(peer, size, 10);
        engine_receive(rig->engine, &peer->socket, false);
        if (i % 3 == 0)
            hold_back(rig);
        if (i % 5 == 0)
            turn(rig, 1);
        engine_receive(rig->engine, &peer->socket, true);
        if (i % 2 == 0)
            turn(rig, 1);
    }
    turn(rig, 4);
    assert_int_equal(peer->size, size);
    assert_int_equal(counter_read(&rig->counters->uring_stale), 0);
    teardown(rig);
}

/* More sockets have something to say than there are buffers: who got none is not forgotten, and
 * nobody is asked again and again. */
static void trap_5_who_found_no_buffer_is_served_next(void **state)
{
    struct rig *const rig = setup();

    (void)state;
    for (int i = 0; i < PEER_COUNT_MAX; i++)
        join(rig);
    turn(rig, PEER_COUNT_MAX / 10);
    for (size_t round = 0; round < 5; round++) {
        for (int i = 0; i < PEER_COUNT_MAX; i++)
            assert_int_equal(write_pattern(&rig->peers[i], round * 10, 10), 10);
        while (uring_ready_count(&uring_of(rig)->uring) < PEER_COUNT_MAX)
            hold_back(rig); /* all are told at once */
        for (int i = 0; i < PEER_COUNT_MAX / URING_BUFFER_COUNT; i++)
            turn(rig, 1 + PEER_COUNT_MAX / 10);
        for (int i = 0; i < PEER_COUNT_MAX; i++)
            assert_int_equal(rig->peers[i].size, (round + 1) * 10);
    }
    assert_true(counter_read(&rig->counters->uring_no_buffers) >=
                5 * (PEER_COUNT_MAX - URING_BUFFER_COUNT));

    const uint64_t told = counter_read(&rig->counters->uring_no_buffers);
    const uint64_t before = counter_read(&rig->counters->events);
    turn(rig, 20);
    assert_int_equal(counter_read(&rig->counters->uring_no_buffers), told);
    assert_int_equal(counter_read(&rig->counters->events), before);
    teardown(rig);
}

/* With a full completion ring a multishot recv ends, though it has received. */
static void trap_6_a_full_ring_loses_nothing(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    struct uring *const uring = &uring_of(rig)->uring;
    size_t size = 0;

    (void)state;
    turn(rig, 1);
    for (int i = 0; i < URING_CQ_COUNT + 100; i++)
        uring_sqe(uring)->opcode = IORING_OP_NOP;
    for (int i = 0; i < 5; i++) {
        size += write_pattern(peer, size, 10);
        hold_back(rig);
    }
    assert_true(uring_has_overflowed(uring));
    for (int i = 0; i < 10; i++) {
        size += write_pattern(peer, size, 10);
        turn(rig, 1);
    }
    assert_true(counter_read(&rig->counters->uring_overflows) > 0);
    assert_false(uring_has_overflowed(uring));
    assert_int_equal(peer->size, size);
    teardown(rig);
}

static void make_deep(struct rig *rig, struct peer *peer)
{
    peer->size = 0;
    assert_int_equal(write_pattern(peer, 0, 50000), 50000);
    turn(rig, 4);
    assert_int_equal(peer->size, 50000);
    assert_true(peer->socket.uring.deep);
}

/* Who keeps the half of a frame keeps no buffer of the ring: all are the kernel's again at once. */
static void trap_7_a_partial_frame_pins_no_buffer(void **state)
{
    struct rig *const rig = setup();
    const struct uring *const uring = &uring_of(rig)->uring;

    (void)state;
    for (int i = 0; i < PEER_COUNT_MAX; i++)
        join(rig);
    turn(rig, PEER_COUNT_MAX / 10);
    for (int i = 0; i < PEER_COUNT_MAX; i++) {
        const uint16_t before = uring->buffer_ring->tail;

        assert_int_equal(write_pattern(&rig->peers[i], 0, 5), 5);
        turn(rig, 1);
        assert_int_equal(rig->peers[i].size, 5);
        assert_int_equal(uring->buffer_ring->tail, (uint16_t)(before + 1));
    }
    assert_int_equal(counter_read(&rig->counters->uring_no_buffers), 0);
    teardown(rig);
}

/* Kernels have completed a receive with a buffer that was none, or with none: what they say is
 * looked at, and only that connection ends. */
static void trap_8_a_buffer_that_is_none_ends_its_connection_only(void **state)
{
    const uint32_t flags[] = {
        IORING_CQE_F_MORE, /* no buffer at all */
        IORING_CQE_F_MORE | IORING_CQE_F_BUFFER | URING_BUFFER_COUNT << IORING_CQE_BUFFER_SHIFT,
        IORING_CQE_F_MORE | IORING_CQE_F_BUFFER | 0xffffU << IORING_CQE_BUFFER_SHIFT,
    };
    struct rig *const rig = setup();
    struct peer *const other = join(rig);

    (void)state;
    turn(rig, 1);
    for (size_t i = 0; i <= sizeof flags / sizeof flags[0]; i++) {
        struct peer *const peer = join(rig);
        const bool is_too_long = i == sizeof flags / sizeof flags[0];
        struct uring_cqe cqe = {
            .user_data = user_data_of(&peer->socket, peer->socket.uring.generation, OPERATION_RECV),
            .result = is_too_long ? URING_BUFFER_SIZE + 1 : 5,
            .flags = is_too_long ? IORING_CQE_F_MORE | IORING_CQE_F_BUFFER : flags[i],
        };
        const uint16_t before = uring_of(rig)->uring.buffer_ring->tail;

        turn(rig, 1);
        dispatch(uring_of(rig), &cqe);
        assert_int_equal(peer->broken_count, 1);
        assert_int_equal(peer->size, 0);
        assert_int_equal(uring_of(rig)->uring.buffer_ring->tail, before);
    }
    assert_int_equal(write_pattern(other, 0, 100), 100);
    turn(rig, 1);
    assert_int_equal(other->size, 100);
    assert_int_equal(other->broken_count, 0);
    teardown(rig);
}

/* The second of two sends in flight would land in the middle of the first. */
static void check_short_send(bool deep)
{
    enum { SIZE = 390000 };
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    size_t size = 0;

    if (deep)
        make_deep(rig, peer);
    assert_int_equal(engine_send(rig->engine, &peer->socket, take_buffer(rig, SIZE)),
                     ENGINE_SENDING);
    turn(rig, 2);
    assert_int_equal(peer->sent_count, 0);
    assert_true(counter_read(&rig->counters->write_blocked) > 0);
    for (int i = 0; i < TURN_COUNT_MAX && size < SIZE; i++) {
        size += read_pattern(peer, size);
        turn(rig, 1);
    }
    assert_int_equal(size, SIZE);
    assert_int_equal(peer->sent_count, 1);
    teardown(rig);
}

static void trap_9_a_short_send_goes_on_where_it_stopped(void **state)
{
    (void)state;
    check_short_send(false);
    check_short_send(true);
}

/* A poll tells of what is new, or of what is there when it is armed: what a receive left behind is
 * received all the same. */
static void trap_11_a_full_receive_is_followed_by_another(void **state)
{
    const int room = 212992;
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    size_t size = 50000;
    size_t piece;

    (void)state;
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    make_deep(rig, peer);
    while ((piece = write_pattern(peer, size, 16384)) > 0)
        size += piece;
    const int before = peer->received_count;
    turn(rig, 1);
    assert_int_equal(peer->received_count, before + 1); /* one in a turn */
    turn(rig, 4);
    assert_int_equal(peer->size, size);
    teardown(rig);
}

/* Sends 14 bytes to @peer, whichever way it is served. */
static int send_ack(struct rig *rig, struct peer *peer)
{
    struct buffer *const buffer = take_buffer(rig, 14);
    const int sent = engine_send(rig->engine, &peer->socket, buffer);

    if (sent != ENGINE_SENDING)
        buffer_put(&rig->pool, buffer);
    turn(rig, 2);
    return sent;
}

/* A poll says HUP for half an end, too: who has sent a FIN still wants its acks. */
static void trap_12_a_half_closed_peer_gets_its_acks(void **state)
{
    struct rig *const rig = setup();

    (void)state;
    for (int i = 0; i < 4; i++) {
        const bool deep = i & 1;
        const bool receiving = i & 2;
        struct peer *const peer = join(rig);

        if (deep)
            make_deep(rig, peer);
        engine_receive(rig->engine, &peer->socket, receiving);
        turn(rig, 2);
        shutdown(peer->fd, SHUT_WR);
        turn(rig, 3);
        assert_int_equal(peer->finished_count, receiving);
        assert_true(send_ack(rig, peer) >= 0);
        assert_int_equal(peer->broken_count, 0);
        assert_int_equal(read_pattern(peer, 0), 14);
    }
    teardown(rig);
}

/* Nobody here ignores SIGPIPE: one would end this program. */
static void trap_14_a_send_to_the_dead_raises_no_signal(void **state)
{
    struct rig *const rig = setup();

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct peer *const peer = join(rig);

        if (i > 0)
            make_deep(rig, peer);
        turn(rig, 1);
        shutdown(peer->fd, SHUT_RD); /* to us as good as gone: EPIPE */
        const int sent = send_ack(rig, peer);
        assert_int_equal(sent, i > 0 ? -EPIPE : ENGINE_SENDING);
        assert_int_equal(peer->broken_count, i > 0 ? 0 : 1);
        assert_int_equal(peer->sent_count, 0);
    }
    teardown(rig);
}

/* The owner closes on what it was just told, and more of it has been received ahead. */
static void trap_23_a_callback_may_close_its_connection(void **state)
{
    struct rig *const rig = setup();

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct peer *const peer = join(rig);
        const size_t size = i > 0 ? 50000 : 0;

        if (i > 0)
            make_deep(rig, peer);
        turn(rig, 1);
        peer->leave = true;
        assert_int_equal(write_pattern(peer, size, 100), 100);
        hold_back(rig);
        assert_int_equal(write_pattern(peer, size + 100, 100), 100);
        hold_back(rig);
        turn(rig, 4);
        assert_true(peer->received_count > 0);
        assert_int_equal(peer->closed_count, 1);
        assert_int_equal(peer->finished_count + peer->broken_count, 0);
    }
    teardown(rig);
}

/* More than the submission ring holds, between two turns. */
static void a_full_submission_ring_is_submitted(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);

    (void)state;
    for (int i = 0; i < 3 * URING_SQ_COUNT; i++) {
        struct io_uring_sqe *const sqe = uring_sqe(&uring_of(rig)->uring);
        sqe->opcode = IORING_OP_NOP;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    }
    assert_int_equal(write_pattern(peer, 0, 10), 10);
    turn(rig, 2);
    assert_int_equal(peer->size, 10);
    teardown(rig);
}

/* --- the two ways to receive --- */

/* Small and large pieces, so that it goes to and fro between the ways; with pauses. */
static void bytes_stay_in_order_between_the_ways(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    int deep_count = 0;
    int shallow_count = 0;
    size_t size = 0;

    (void)state;
    for (int i = 0; size < STREAM_SIZE; i++) {
        const bool large = i / 100 % 2 == 0;
        const size_t piece = large ? (size_t)(i % 7 + 1) * 2999 : (size_t)(i % 5 + 1) * 31;

        size += write_pattern(peer, size, piece);
        if (i % 11 == 0)
            engine_receive(rig->engine, &peer->socket, false);
        if (i % 3 != 0)
            turn(rig, 1);
        if (i % 11 == 3)
            engine_receive(rig->engine, &peer->socket, true);
        deep_count += peer->socket.uring.deep;
        shallow_count += !peer->socket.uring.deep;
    }
    engine_receive(rig->engine, &peer->socket, true);
    for (int i = 0; i < TURN_COUNT_MAX && peer->size < size; i++)
        turn(rig, 1);
    assert_int_equal(peer->size, size);
    assert_true(deep_count > 100 && shallow_count > 100);
    assert_int_equal(counter_read(&rig->counters->uring_stale), 0);
    teardown(rig);
}

/* The end came with the last bytes: the poll has told of both at once. */
static void the_end_behind_the_last_bytes_is_seen_in_the_deep(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);

    (void)state;
    make_deep(rig, peer);
    assert_int_equal(write_pattern(peer, 50000, 1000), 1000);
    shutdown(peer->fd, SHUT_WR);
    turn(rig, 4);
    assert_int_equal(peer->size, 51000);
    assert_int_equal(peer->finished_count, 1);
    teardown(rig);
}

/* Turns are counted in one byte: who was last received from 256 turns ago is not taken for one who
 * has had its receive in this turn, or only for a turn. */
static void a_receive_comes_after_any_number_of_turns(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    size_t size = 50000;

    (void)state;
    make_deep(rig, peer);
    for (int count = 250; count < 260; count++) {
        turn(rig, count);
        size += write_pattern(peer, size, 3000);
        turn(rig, 2);
        assert_int_equal(peer->size, size);
    }
    teardown(rig);
}

static void deep_sends_leave_at_once(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);

    (void)state;
    make_deep(rig, peer);
    struct buffer *const small = take_buffer(rig, 1400);
    assert_int_equal(engine_send(rig->engine, &peer->socket, small), ENGINE_SENT);
    buffer_put(&rig->pool, small);
    assert_int_equal(read_pattern(peer, 0), 1400);
    assert_int_equal(peer->sent_count, 0); /* nothing is said of what was told at once */
    teardown(rig);
}

/* After a number of small receives in a row, not before. */
static void it_comes_back_from_the_deep(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    size_t size = 50000;

    (void)state;
    make_deep(rig, peer);
    for (int i = 0; i < SHALLOW_COUNT; i++) {
        assert_true(peer->socket.uring.deep);
        assert_int_equal(write_pattern(peer, size, 100), 100);
        size += 100;
        turn(rig, 1);
    }
    assert_false(peer->socket.uring.deep);
    const uint64_t before = counter_read(&rig->counters->syscalls_recv);
    turn(rig, 2);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(write_pattern(peer, size, 100), 100);
        size += 100;
        turn(rig, 1);
    }
    assert_int_equal(peer->size, size);
    assert_true(counter_read(&rig->counters->syscalls_recv) <= before + 1);
    teardown(rig);
}

/* The owner stops in the midst of what had been received ahead. */
static void a_stop_from_within_loses_nothing(void **state)
{
    struct rig *const rig = setup();
    struct peer *const peer = join(rig);
    size_t size = 0;

    (void)state;
    peer->stop = true;
    for (int i = 0; i < 200; i++) {
        size += write_pattern(peer, size, (size_t)(i % 9 + 1) * 1500);
        turn(rig, 1);
        engine_receive(rig->engine, &peer->socket, true);
    }
    peer->stop = false;
    for (int i = 0; i < TURN_COUNT_MAX && peer->size < size; i++)
        turn(rig, 1);
    assert_int_equal(peer->size, size);
    teardown(rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_1_the_peer_sees_the_end_of_a_connection_with_operations_in_flight),
        cmocka_unit_test(trap_2_a_buffer_in_flight_outlives_the_close),
        cmocka_unit_test(trap_3_a_stale_completion_is_counted_and_dropped),
        cmocka_unit_test(trap_4_bytes_that_met_a_cancel_are_not_lost),
        cmocka_unit_test(trap_4_a_change_of_mind_is_no_second_recv),
        cmocka_unit_test(trap_5_who_found_no_buffer_is_served_next),
        cmocka_unit_test(trap_6_a_full_ring_loses_nothing),
        cmocka_unit_test(trap_7_a_partial_frame_pins_no_buffer),
        cmocka_unit_test(trap_8_a_buffer_that_is_none_ends_its_connection_only),
        cmocka_unit_test(trap_9_a_short_send_goes_on_where_it_stopped),
        cmocka_unit_test(trap_11_a_full_receive_is_followed_by_another),
        cmocka_unit_test(trap_12_a_half_closed_peer_gets_its_acks),
        cmocka_unit_test(trap_14_a_send_to_the_dead_raises_no_signal),
        cmocka_unit_test(trap_23_a_callback_may_close_its_connection),
        cmocka_unit_test(a_full_submission_ring_is_submitted),
        cmocka_unit_test(bytes_stay_in_order_between_the_ways),
        cmocka_unit_test(the_end_behind_the_last_bytes_is_seen_in_the_deep),
        cmocka_unit_test(a_receive_comes_after_any_number_of_turns),
        cmocka_unit_test(deep_sends_leave_at_once),
        cmocka_unit_test(it_comes_back_from_the_deep),
        cmocka_unit_test(a_stop_from_within_loses_nothing),
    };
    static const char *const names[] = {"engine_uring", "engine_uring, cooperative",
                                        "engine_uring, plain"};
    struct uring uring;
    struct ackd_error error;
    int failed_count = 0;

    _Static_assert(sizeof names / sizeof names[0] == sizeof setups / sizeof setups[0], "all");
    if (uring_open(&uring, &error) < 0) {
        print_message("engine_uring is not tested: %s\n", error.text);
        return 0;
    }
    uring_close(&uring);
    for (setup_index = 0; setup_index < sizeof setups / sizeof setups[0]; setup_index++)
        failed_count += cmocka_run_group_tests_name(names[setup_index], tests, NULL, NULL);
    return failed_count;
}
