/* SPDX-License-Identifier: MIT
 *
 * engine_test - the rules of engine.h on real sockets, for each engine on them
 *
 * The test is the engine's owner and the peer of its connections, in one thread: what a turn says
 * is written down, and what must never be said fails where it is said. */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/test_net.h"
#include "engine/engine_select.h"
#include "engine/listener.h"

/* An engine under test, and what it may do its own way. */
struct kind {
    const char *name;
    engine_new_function *new;
    bool queues_sends; /* small ones leave with the next turn */
};

static const struct kind *kind; /* the one that is tested now */

enum {
    TURN_COUNT_MAX = 10000,
    ACCEPTED_COUNT_MAX = 64,
    BYTES_SIZE_MAX = 4 * 1024 * 1024,
    LARGE_SIZE = 390000, /* more than a socket takes at once */
};

struct rig;

/* One connection, with the test at its other end. */
struct peer {
    struct engine_socket socket;
    struct rig *rig;
    int fd; /* the test's end; -1: closed */
    uint8_t *bytes;
    size_t size;
    int received_count;
    int finished_count;
    int broken_count;
    int broken_code;
    int sent_count;
    int closed_count;
    struct buffer *sent;
    void (*on_received)(struct peer *peer);
};

struct rig {
    struct engine *engine;
    struct buffer_pool pool;
    struct counters *counters;
    struct engine_listener listener;
    struct address address;
    int accepted[ACCEPTED_COUNT_MAX];
    int accepted_count;
    int accept_pause_after; /* stops accepting at so many; 0: never */
    int accept_failed_count;
    int accept_failed_code;
    bool pause_when_failed;
    int woken_count;
    struct peer *others[2]; /* for on_received */
};

/* --- what the engine says --- */

static struct peer *peer_of(struct engine_socket *socket)
{
    struct peer *const peer = (struct peer *)(void *)socket;

    assert_int_equal(peer->closed_count, 0);
    return peer;
}

/* What is said of a connection that is not closing. */
static struct peer *living(struct engine_socket *socket)
{
    assert_false(socket->closing);
    return peer_of(socket);
}

static void on_accepted(void *owner, struct engine_listener *listener, int fd)
{
    struct rig *const rig = owner;

    assert_true(rig->accepted_count < ACCEPTED_COUNT_MAX);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    rig->accepted[rig->accepted_count++] = fd;
    if (rig->accepted_count == rig->accept_pause_after)
        engine_listen_stop(rig->engine, listener);
}

static void on_accept_failed(void *owner, struct engine_listener *listener, int code)
{
    struct rig *const rig = owner;

    rig->accept_failed_count++;
    rig->accept_failed_code = code;
    if (rig->pause_when_failed)
        engine_listen_stop(rig->engine, listener);
}

static void on_received(void *owner, struct engine_socket *socket, struct bytes bytes)
{
    struct peer *const peer = living(socket);

    assert_ptr_equal(owner, peer->rig);
    assert_true(bytes.size > 0 && bytes.size <= ENGINE_RECV_SIZE);
    assert_true(socket->receiving);
    assert_int_equal(peer->finished_count + peer->broken_count, 0);
    assert_true(peer->size + bytes.size <= BYTES_SIZE_MAX);
    memcpy(peer->bytes + peer->size, bytes.data, bytes.size);
    peer->size += bytes.size;
    peer->received_count++;
    if (peer->on_received)
        peer->on_received(peer);
}

static void on_finished(void *owner, struct engine_socket *socket)
{
    struct peer *const peer = living(socket);

    assert_ptr_equal(owner, peer->rig);
    assert_int_equal(peer->finished_count + peer->broken_count, 0);
    peer->finished_count++;
}

static void on_broken(void *owner, struct engine_socket *socket, int code)
{
    struct peer *const peer = living(socket);

    assert_ptr_equal(owner, peer->rig);
    assert_int_equal(peer->broken_count, 0);
    assert_true(code < 0);
    peer->broken_count++;
    peer->broken_code = code;
}

static void on_sent(void *owner, struct engine_socket *socket, struct buffer *buffer)
{
    struct peer *const peer = living(socket);

    assert_ptr_equal(owner, peer->rig);
    assert_int_equal(peer->broken_count, 0);
    assert_null(socket->sending);
    assert_int_equal(buffer_size(buffer), 0);
    peer->sent_count++;
    peer->sent = buffer;
}

static void on_closed(void *owner, struct engine_socket *socket)
{
    struct peer *const peer = peer_of(socket);

    assert_ptr_equal(owner, peer->rig);
    assert_true(socket->closing);
    assert_null(socket->sending);
    peer->closed_count++;
}

static void on_woken(void *owner)
{
    struct rig *const rig = owner;
    rig->woken_count++;
}

static const struct engine_events events = {
    .accepted = on_accepted,
    .accept_failed = on_accept_failed,
    .received = on_received,
    .finished = on_finished,
    .broken = on_broken,
    .sent = on_sent,
    .closed = on_closed,
    .woken = on_woken,
};

/* --- the rig --- */

static void setup(struct rig *rig)
{
    struct ackd_error error = {0};

    *rig = (struct rig){.counters = aligned_alloc(CACHE_LINE_SIZE, sizeof *rig->counters)};
    assert_non_null(rig->counters);
    memset(rig->counters, 0, sizeof *rig->counters);
    if (kind->new (&rig->engine, &events, rig, &rig->pool, rig->counters, &error) < 0)
        fail_msg("%s", error.text);
}

static void setup_listening(struct rig *rig, bool shared)
{
    const struct address any = test_address("127.0.0.1:0");

    setup(rig);
    rig->listener = (struct engine_listener){.shared = shared};
    assert_int_equal(listener_open(&any, &rig->listener.fd, &rig->address, NULL), 0);
    assert_int_equal(engine_listen_start(rig->engine, &rig->listener), 0);
}

/* Everything that the engine took is back. */
static void teardown(struct rig *rig)
{
    for (int i = 0; i < rig->accepted_count; i++)
        close(rig->accepted[i]);
    if (rig->listener.fd > 0) {
        engine_listen_stop(rig->engine, &rig->listener);
        close(rig->listener.fd);
    }
    assert_int_equal(counter_read(&rig->counters->uring_stale), 0);
    engine_free(rig->engine);
    if (kind->queues_sends)
        poll(NULL, 0, 50); /* a ring that has gone interrupts its thread (uring.h): here, then */
    assert_int_equal(rig->pool.out_count, 0);
    buffer_pool_deinit(&rig->pool);
    free(rig->counters);
}

/* One turn that does not wait. */
static void turn(struct rig *rig)
{
    engine_turn(rig->engine, 0);
}

/* As many turns as it takes for what was begun to come to an end. */
static void settle(struct rig *rig)
{
    for (int i = 0; i < (kind->queues_sends ? 4 : 1); i++)
        turn(rig);
}

static void add(struct rig *rig, struct peer *peer, int ours, int theirs)
{
    *peer = (struct peer){.rig = rig, .fd = theirs, .bytes = malloc(BYTES_SIZE_MAX)};
    assert_non_null(peer->bytes);
    assert_int_equal(engine_add(rig->engine, &peer->socket, ours), 0);
}

/* A connection over a pair of unix sockets: what is written at one end is at the other at once. */
static void join(struct rig *rig, struct peer *peer)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    add(rig, peer, fds[0], fds[1]);
}

/* A connection over TCP, which can be reset. */
static void join_tcp(struct rig *rig, struct peer *peer)
{
    const struct address any = test_address("127.0.0.1:0");
    struct address bound;
    int listener;

    assert_int_equal(listener_open(&any, &listener, &bound, NULL), 0);
    const int theirs = test_connect(&bound);
    assert_true(theirs >= 0);
    const int ours = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(ours >= 0);
    close(listener);
    add(rig, peer, ours, theirs);
}

/* Turns until the connection is gone, and lets go of it. */
static void part(struct peer *peer)
{
    if (!peer->socket.closing)
        engine_close(peer->rig->engine, &peer->socket, ENGINE_CLOSE_FIN);
    settle(peer->rig);
    assert_int_equal(peer->closed_count, 1);
    turn(peer->rig);
    assert_int_equal(peer->closed_count, 1);
    if (peer->fd >= 0)
        close(peer->fd);
    free(peer->bytes);
}

/* Sends @buffer, which fits, and puts it back. */
static void send_whole(struct rig *rig, struct peer *peer, struct buffer *buffer)
{
    const int sent_before = peer->sent_count;
    const int sent = engine_send(rig->engine, &peer->socket, buffer);

    assert_int_equal(sent, kind->queues_sends ? ENGINE_SENDING : ENGINE_SENT);
    if (sent == ENGINE_SENDING) {
        assert_ptr_equal(peer->socket.sending, buffer);
        turn(rig);
        assert_int_equal(peer->sent_count, sent_before + 1);
        assert_ptr_equal(peer->sent, buffer);
    }
    buffer_put(&rig->pool, buffer);
}

static struct buffer *take_buffer(struct rig *rig, size_t size)
{
    struct buffer *const buffer = buffer_take(&rig->pool, size);

    assert_non_null(buffer);
    for (size_t i = 0; i < size; i++)
        buffer->data[i] = (uint8_t)(i * 7 + i / 251);
    buffer->end = (uint32_t)size;
    return buffer;
}

/* Reads what is there, as the next bytes of take_buffer()'s pattern from @at on. */
static size_t read_pattern(int fd, size_t at)
{
    static uint8_t bytes[65536];
    const ssize_t size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

    for (ssize_t i = 0; i < size; i++, at++) {
        if (bytes[i] != (uint8_t)(at * 7 + at / 251))
            fail_msg("byte %zu is another one", at);
    }
    return size > 0 ? (size_t)size : 0;
}

/* Writes until the socket is full.  Returns how much it took. */
static size_t fill(int fd)
{
    static const char zeros[4096];
    size_t size = 0;
    ssize_t sent;

    while ((sent = send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        size += (size_t)sent;
    return size;
}

/* --- receiving --- */

static void receives_what_was_written(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    turn(&rig);
    assert_int_equal(peer.received_count, 0);
    test_write(peer.fd, "hello ", 6);
    test_write(peer.fd, "world", 5);
    turn(&rig);
    assert_int_equal(peer.received_count, 1);
    assert_int_equal(peer.size, 11);
    assert_memory_equal(peer.bytes, "hello world", 11);
    turn(&rig);
    assert_int_equal(peer.received_count, 1);
    assert_int_equal(counter_read(&rig.counters->syscalls_recv), kind->queues_sends ? 0 : 1);
    part(&peer);
    teardown(&rig);
}

/* A connection that sends much waits for its next turn, however much is at hand. */
static void trap_19_one_receive_in_a_turn(void **state)
{
    enum { ROOM = 212992 }; /* what net.core.wmem_max allows without privileges; doubled */
    const int room = ROOM;
    struct rig rig;
    struct peer large;
    struct peer small;

    (void)state;
    setup(&rig);
    join(&rig, &large);
    join(&rig, &small);
    setsockopt(large.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    const size_t size = fill(large.fd);
    if (size <= ENGINE_RECV_SIZE)
        skip(); /* a kernel with smaller sockets */
    test_write(small.fd, "x", 1);
    turn(&rig);
    if (kind->queues_sends) {
        /* What the kernel had received ahead, in the order in which it did. */
        assert_in_range(large.received_count, 1, 2);
        assert_true(large.size <= ENGINE_RECV_SIZE);
        settle(&rig);
    } else {
        assert_int_equal(large.received_count, 1);
        assert_int_equal(large.size, ENGINE_RECV_SIZE);
        assert_int_equal(small.received_count, 1);
        turn(&rig);
        assert_int_equal(large.received_count, 2);
    }
    assert_int_equal(small.received_count, 1);
    assert_int_equal(large.size, size);
    part(&large);
    part(&small);
    teardown(&rig);
}

static void what_is_not_received_stays_in_the_kernel(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    engine_receive(rig.engine, &peer.socket, false);
    test_write(peer.fd, "0123456789", 10);
    for (int i = 0; i < 3; i++)
        turn(&rig);
    assert_int_equal(peer.received_count, 0);
    assert_int_equal(engine_pending_size(rig.engine, &peer.socket), 10);
    assert_int_equal(counter_read(&rig.counters->events), 0);

    engine_receive(rig.engine, &peer.socket, true);
    turn(&rig);
    assert_int_equal(peer.received_count, 1);
    assert_int_equal(peer.size, 10);
    assert_int_equal(engine_pending_size(rig.engine, &peer.socket), 0);
    part(&peer);
    teardown(&rig);
}

static void what_is_sent_is_unconfirmed_until_it_has_arrived(void **state)
{
    struct rig rig;
    struct peer peer;
    char got[16];

    (void)state;
    setup(&rig);
    join(&rig, &peer); /* a unix socket: it has arrived when it is read */
    assert_int_equal(engine_unconfirmed_size(rig.engine, &peer.socket), 0);
    send_whole(&rig, &peer, take_buffer(&rig, 10));
    assert_true(engine_unconfirmed_size(rig.engine, &peer.socket) >= 10);
    assert_int_equal(read(peer.fd, got, sizeof got), 10);
    assert_int_equal(engine_unconfirmed_size(rig.engine, &peer.socket), 0);
    part(&peer);
    teardown(&rig);
}

static void stop_receiving(struct peer *peer)
{
    engine_receive(peer->rig->engine, &peer->socket, false);
}

static void the_owner_can_stop_from_within(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    peer.on_received = stop_receiving;
    for (int i = 0; i < 3; i++) {
        test_write(peer.fd, "x", 1);
        turn(&rig);
    }
    assert_int_equal(peer.size, 1);
    assert_int_equal(engine_pending_size(rig.engine, &peer.socket), 2);
    part(&peer);
    teardown(&rig);
}

/* --- the peer's end --- */

static void finished_is_said_once_behind_the_last_byte(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    test_write(peer.fd, "last", 4);
    shutdown(peer.fd, SHUT_WR);
    turn(&rig);
    assert_int_equal(peer.size, 4);
    for (int i = 0; i < 3; i++)
        turn(&rig);
    assert_int_equal(peer.finished_count, 1);
    assert_int_equal(peer.broken_count, 0);

    /* It can still be answered, and nothing is said for nothing. */
    struct buffer *const buffer = take_buffer(&rig, 100);
    send_whole(&rig, &peer, buffer);
    assert_int_equal(read_pattern(peer.fd, 0), 100);
    const uint64_t events_before = counter_read(&rig.counters->events);
    turn(&rig);
    assert_int_equal(counter_read(&rig.counters->events), events_before);
    part(&peer);
    teardown(&rig);
}

static void the_end_waits_while_nothing_is_received(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    engine_receive(rig.engine, &peer.socket, false);
    shutdown(peer.fd, SHUT_WR);
    for (int i = 0; i < 3; i++)
        turn(&rig);
    assert_int_equal(peer.finished_count, 0);
    engine_receive(rig.engine, &peer.socket, true);
    turn(&rig);
    assert_int_equal(peer.finished_count, 1);
    part(&peer);
    teardown(&rig);
}

static void a_reset_is_said_once_behind_the_last_byte(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    test_write(peer.fd, "last", 4);
    test_reset(peer.fd);
    peer.fd = -1;
    for (int i = 0; i < 3; i++)
        turn(&rig);
    assert_int_equal(peer.size, 4);
    assert_int_equal(peer.finished_count, 0);
    assert_int_equal(peer.broken_count, 1);
    assert_int_equal(peer.broken_code, -ECONNRESET);
    part(&peer);
    teardown(&rig);
}

static void a_reset_is_seen_while_nothing_is_received(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    engine_receive(rig.engine, &peer.socket, false);
    test_write(peer.fd, "lost", 4);
    test_reset(peer.fd);
    peer.fd = -1;
    turn(&rig);
    assert_int_equal(peer.broken_count, 1);
    assert_int_equal(peer.broken_code, -ECONNRESET);
    assert_int_equal(peer.size, 0);
    part(&peer);
    teardown(&rig);
}

/* --- sending --- */

static void what_fits_is_sent_at_once(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    struct buffer *const buffer = take_buffer(&rig, 1400);
    send_whole(&rig, &peer, buffer);
    assert_null(peer.socket.sending);
    turn(&rig);
    assert_int_equal(peer.sent_count, kind->queues_sends ? 1 : 0);
    assert_int_equal(read_pattern(peer.fd, 0), 1400);
    assert_int_equal(counter_read(&rig.counters->bytes_sent), 1400);
    assert_int_equal(counter_read(&rig.counters->syscalls_send), kind->queues_sends ? 0 : 1);
    assert_int_equal(counter_read(&rig.counters->write_blocked), 0);
    part(&peer);
    teardown(&rig);
}

static void the_rest_is_sent_as_the_peer_reads(void **state)
{
    struct rig rig;
    struct peer peer;
    size_t read_size = 0;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    struct buffer *const buffer = take_buffer(&rig, LARGE_SIZE);
    buffer->tag = 4711;
    assert_int_equal(engine_send(rig.engine, &peer.socket, buffer), ENGINE_SENDING);
    assert_non_null(peer.socket.sending);
    turn(&rig);
    assert_int_equal(peer.sent_count, 0);
    for (int i = 0; i < TURN_COUNT_MAX && read_size < LARGE_SIZE; i++) {
        read_size += read_pattern(peer.fd, read_size);
        turn(&rig);
    }
    assert_int_equal(read_size, LARGE_SIZE);
    assert_int_equal(peer.sent_count, 1);
    assert_int_equal(peer.sent->tag, 4711);
    assert_int_equal(counter_read(&rig.counters->bytes_sent), LARGE_SIZE);
    assert_true(counter_read(&rig.counters->write_blocked) > 0);
    buffer_put(&rig.pool, peer.sent);

    /* Nothing is in flight: the socket's being writable is no event any more. */
    const uint64_t events_before = counter_read(&rig.counters->events);
    turn(&rig);
    assert_int_equal(counter_read(&rig.counters->events), events_before);
    part(&peer);
    teardown(&rig);
}

/* A peer that does not read must not hold a large buffer for the sake of a few bytes. */
static void a_small_rest_moves_to_a_small_buffer(void **state)
{
    struct rig rig;
    struct peer peer;
    static uint8_t bytes[65536];

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    size_t filled = fill(peer.socket.fd);
    struct buffer *const large = take_buffer(&rig, LARGE_SIZE);
    large->end = 1000;
    large->tag = 4711;
    assert_int_equal(engine_send(rig.engine, &peer.socket, large), ENGINE_SENDING);
    assert_true(peer.socket.sending->capacity <= 1024);
    assert_int_equal(peer.socket.sending->tag, 4711);
    assert_int_equal(rig.pool.out_count, 1);
    settle(&rig);

    while (filled > 0) {
        const ssize_t size = recv(peer.fd, bytes, filled < sizeof bytes ? filled : sizeof bytes, 0);
        assert_true(size > 0);
        filled -= (size_t)size;
    }
    turn(&rig);
    assert_int_equal(peer.sent_count, 1);
    assert_int_equal(peer.sent->tag, 4711);
    assert_int_equal(read_pattern(peer.fd, 0), 1000);
    buffer_put(&rig.pool, peer.sent);
    part(&peer);
    teardown(&rig);
}

static void a_large_rest_stays_where_it_is(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    fill(peer.socket.fd);
    struct buffer *const buffer = take_buffer(&rig, LARGE_SIZE);
    assert_int_equal(engine_send(rig.engine, &peer.socket, buffer), ENGINE_SENDING);
    assert_ptr_equal(peer.socket.sending, buffer);
    part(&peer); /* which puts the buffer back */
    teardown(&rig);
}

static void progress_is_dated(void **state)
{
    struct rig rig;
    struct peer peer;
    size_t read_size = 0;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    struct buffer *const buffer = take_buffer(&rig, LARGE_SIZE);
    assert_int_equal(engine_send(rig.engine, &peer.socket, buffer), ENGINE_SENDING);
    settle(&rig); /* which may send all there is room for */
    const uint32_t begun_ms = peer.socket.send_progress_ms;
    assert_true(begun_ms <= (uint32_t)(rig.engine->turn_ns / NS_PER_MS));
    engine_turn(rig.engine, 5 * (int64_t)NS_PER_MS);
    assert_int_equal(peer.socket.send_progress_ms, begun_ms);
    for (int i = 0; i < TURN_COUNT_MAX && peer.socket.send_progress_ms == begun_ms; i++) {
        read_size += read_pattern(peer.fd, read_size);
        turn(&rig);
    }
    assert_true(peer.socket.send_progress_ms - begun_ms >= 5);
    assert_int_equal(peer.socket.send_progress_ms, (uint32_t)(rig.engine->turn_ns / NS_PER_MS));
    if (peer.sent_count > 0)
        buffer_put(&rig.pool, peer.sent);
    part(&peer);
    teardown(&rig);
}

static void sending_to_the_dead_is_told_at_once(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    test_reset(peer.fd);
    peer.fd = -1;
    struct buffer *const buffer = take_buffer(&rig, 14);
    const int sent = engine_send(rig.engine, &peer.socket, buffer);
    if (sent < 0) {
        assert_true(sent == -ECONNRESET || sent == -EPIPE);
        buffer_put(&rig.pool, buffer);
    }
    turn(&rig);
    assert_int_equal(peer.broken_count, sent < 0 ? 0 : 1); /* said once */
    assert_int_equal(sent < 0, !kind->queues_sends);
    assert_int_equal(peer.sent_count, 0);
    part(&peer);
    teardown(&rig);
}

static void a_reset_ends_a_send_in_flight(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    fill(peer.socket.fd);
    struct buffer *const buffer = take_buffer(&rig, LARGE_SIZE);
    assert_int_equal(engine_send(rig.engine, &peer.socket, buffer), ENGINE_SENDING);
    test_reset(peer.fd);
    peer.fd = -1;
    turn(&rig);
    turn(&rig);
    assert_int_equal(peer.broken_count, 1);
    assert_int_equal(peer.sent_count, 0);
    part(&peer); /* the buffer is back, or teardown() would find it missing */
    teardown(&rig);
}

static void finish_lets_the_peer_see_the_end_and_go_on(void **state)
{
    struct rig rig;
    struct peer peer;
    char byte;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    struct buffer *const buffer = take_buffer(&rig, 14);
    send_whole(&rig, &peer, buffer);
    engine_finish(rig.engine, &peer.socket);
    assert_int_equal(read_pattern(peer.fd, 0), 14);
    assert_int_equal(recv(peer.fd, &byte, 1, 0), 0);
    test_write(peer.fd, "still", 5);
    shutdown(peer.fd, SHUT_WR);
    turn(&rig);
    turn(&rig);
    assert_int_equal(peer.size, 5);
    assert_int_equal(peer.finished_count, 1);
    part(&peer);
    teardown(&rig);
}

/* --- closing --- */

static void a_fin_delivers_what_was_sent(void **state)
{
    struct rig rig;
    struct peer peer;
    char byte;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    struct buffer *const buffer = take_buffer(&rig, 14);
    send_whole(&rig, &peer, buffer);
    engine_close(rig.engine, &peer.socket, ENGINE_CLOSE_FIN);
    assert_int_equal(peer.closed_count, 0);
    turn(&rig);
    assert_int_equal(peer.closed_count, 1);
    assert_int_equal(read_pattern(peer.fd, 0), 14);
    assert_int_equal(recv(peer.fd, &byte, 1, 0), 0);
    part(&peer);
    teardown(&rig);
}

static void a_reset_is_a_reset(void **state)
{
    struct rig rig;
    struct peer peer;
    char byte;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    engine_close(rig.engine, &peer.socket, ENGINE_CLOSE_RESET);
    turn(&rig);
    assert_int_equal(recv(peer.fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    part(&peer);
    teardown(&rig);
}

static void a_close_between_turns_does_not_wait(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join(&rig, &peer);
    engine_close(rig.engine, &peer.socket, ENGINE_CLOSE_FIN);
    engine_turn(rig.engine, -1); /* would never end */
    assert_int_equal(peer.closed_count, 1);
    assert_int_equal(peer.socket.fd, -1);
    part(&peer);
    teardown(&rig);
}

static void close_from_within(struct peer *peer)
{
    engine_close(peer->rig->engine, &peer->socket, ENGINE_CLOSE_FIN);
}

/* Everything happens at once to a connection that its owner closes at the first of it. */
static void nothing_but_closed_is_said_after_close(void **state)
{
    struct rig rig;
    struct peer peer;

    (void)state;
    setup(&rig);
    join_tcp(&rig, &peer);
    fill(peer.socket.fd);
    struct buffer *const buffer = take_buffer(&rig, LARGE_SIZE);
    assert_int_equal(engine_send(rig.engine, &peer.socket, buffer), ENGINE_SENDING);
    peer.on_received = close_from_within;
    test_write(peer.fd, "x", 1);
    shutdown(peer.fd, SHUT_WR);
    settle(&rig);
    assert_int_equal(peer.received_count, 1);
    assert_int_equal(peer.closed_count, 1);
    assert_int_equal(peer.finished_count + peer.broken_count + peer.sent_count, 0);
    assert_int_equal(rig.pool.out_count, 0);
    part(&peer);
    teardown(&rig);
}

static void close_the_other(struct peer *peer)
{
    engine_close(peer->rig->engine, &peer->rig->others[1]->socket, ENGINE_CLOSE_FIN);
}

/* One that could send its rest, and is closed by what comes to pass before it in the turn. */
static void nothing_is_sent_after_close(void **state)
{
    struct rig rig;
    struct peer first;
    struct peer second;
    static uint8_t bytes[65536];

    (void)state;
    setup(&rig);
    join(&rig, &first);
    join(&rig, &second);
    size_t filled = fill(second.socket.fd);
    struct buffer *const buffer = take_buffer(&rig, 1000);
    assert_int_equal(engine_send(rig.engine, &second.socket, buffer), ENGINE_SENDING);
    turn(&rig);
    rig.others[1] = &second;
    first.on_received = close_the_other;
    test_write(first.fd, "x", 1); /* before the second one can go on: events come in order */
    while (filled > 0)
        filled -= test_read(second.fd, bytes, filled < sizeof bytes ? filled : sizeof bytes);
    settle(&rig);
    assert_int_equal(first.received_count, 1);
    assert_int_equal(second.closed_count, 1);
    if (kind->queues_sends) { /* it was the kernel's already, and may have left before */
        if (second.sent_count > 0)
            buffer_put(&rig.pool, second.sent);
    } else {
        assert_int_equal(second.sent_count, 0);
        assert_int_equal(test_read(second.fd, bytes, 1), 0);
    }
    part(&first);
    part(&second);
    teardown(&rig);
}

/* Closes both connections of the rig, and takes on a new one in the same turn. */
static void close_both_and_join(struct peer *peer)
{
    struct rig *const rig = peer->rig;
    struct peer *const other = rig->others[0] == peer ? rig->others[1] : rig->others[0];
    struct peer *const fresh = malloc(sizeof *fresh);

    assert_non_null(fresh);
    engine_close(rig->engine, &peer->socket, ENGINE_CLOSE_FIN);
    engine_close(rig->engine, &other->socket, ENGINE_CLOSE_FIN);
    join(rig, fresh);
    rig->others[0] = fresh;
}

/* The second connection's event has been taken from the kernel when the first one's is handled. */
static void trap_18_an_old_event_never_meets_a_new_connection(void **state)
{
    struct rig rig;
    struct peer a;
    struct peer b;
    struct peer late;

    (void)state;
    setup(&rig);
    join(&rig, &a);
    join(&rig, &b);
    const int a_fd = a.socket.fd;
    const int b_fd = b.socket.fd;
    rig.others[0] = &a;
    rig.others[1] = &b;
    a.on_received = b.on_received = close_both_and_join;
    turn(&rig);
    test_write(a.fd, "a", 1);
    test_write(b.fd, "b", 1);
    settle(&rig);
    struct peer *const fresh = rig.others[0];
    assert_int_equal(a.received_count + b.received_count, 1);
    assert_int_equal(a.closed_count, 1);
    assert_int_equal(b.closed_count, 1);
    assert_true(fresh->socket.fd != a_fd && fresh->socket.fd != b_fd);
    assert_int_equal(fresh->received_count + fresh->finished_count + fresh->broken_count, 0);

    /* Now the numbers are free, and whoever gets them begins anew. */
    join(&rig, &late);
    assert_true(late.socket.fd == a_fd || late.socket.fd == b_fd);
    turn(&rig);
    assert_int_equal(late.received_count + late.finished_count + late.broken_count, 0);
    test_write(late.fd, "late", 4);
    test_write(fresh->fd, "fresh", 5);
    turn(&rig);
    assert_int_equal(late.size, 4);
    assert_int_equal(fresh->size, 5);

    part(&a);
    part(&b);
    part(&late);
    part(fresh);
    free(fresh);
    teardown(&rig);
}

/* --- accepting --- */

static void connect_clients(const struct rig *rig, int *clients, int count)
{
    for (int i = 0; i < count; i++) {
        clients[i] = test_connect(&rig->address);
        assert_true(clients[i] >= 0);
    }
}

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void accepts_so_many_in_a_turn(void **state)
{
    enum { CLIENT_COUNT = ENGINE_ACCEPT_COUNT_MAX + 4 };
    int clients[CLIENT_COUNT];
    struct rig rig;

    (void)state;
    setup_listening(&rig, false);
    connect_clients(&rig, clients, CLIENT_COUNT);
    turn(&rig);
    assert_int_equal(rig.accepted_count, ENGINE_ACCEPT_COUNT_MAX);
    turn(&rig);
    assert_int_equal(rig.accepted_count, CLIENT_COUNT);
    turn(&rig);
    assert_int_equal(rig.accepted_count, CLIENT_COUNT);
    assert_int_equal(rig.accept_failed_count, 0);
    close_all(clients, CLIENT_COUNT);
    teardown(&rig);
}

static void a_pause_from_within_leaves_the_others_in_the_queue(void **state)
{
    enum { CLIENT_COUNT = 5 };
    int clients[CLIENT_COUNT];
    struct rig rig;

    (void)state;
    setup_listening(&rig, false);
    rig.accept_pause_after = 2;
    connect_clients(&rig, clients, CLIENT_COUNT);
    for (int i = 0; i < 3; i++)
        turn(&rig);
    assert_int_equal(rig.accepted_count, 2);
    assert_false(rig.listener.accepting);
    engine_listen_stop(rig.engine, &rig.listener); /* twice is fine */

    assert_int_equal(engine_listen_start(rig.engine, &rig.listener), 0);
    assert_int_equal(engine_listen_start(rig.engine, &rig.listener), 0);
    turn(&rig);
    assert_int_equal(rig.accepted_count, CLIENT_COUNT);
    close_all(clients, CLIENT_COUNT);
    teardown(&rig);
}

/* By any engine: whoever accepted it. */
static void what_is_refused_is_closed(void **state)
{
    struct rig rig;
    struct rig other;
    int clients[2];
    char byte;

    (void)state;
    setup_listening(&rig, false);
    setup_listening(&other, false);
    connect_clients(&rig, clients, 2);
    turn(&rig);
    assert_int_equal(rig.accepted_count, 2);
    const int fd_count = test_fd_count();
    engine_refuse(rig.engine, rig.accepted[0]);
    assert_int_equal(test_fd_count(), fd_count - 1);
    engine_refuse(other.engine, rig.accepted[1]);
    assert_int_equal(test_fd_count(), fd_count - 2);
    rig.accepted_count = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(recv(clients[i], &byte, 1, 0), 0);
    close_all(clients, 2);
    teardown(&other);
    teardown(&rig);
}

static void trap_10_out_of_descriptors_is_told_once_and_passes(void **state)
{
    struct rlimit before;
    struct rlimit limit;
    struct rig rig;
    int client;

    (void)state;
    setup_listening(&rig, false);
    rig.pause_when_failed = true;
    connect_clients(&rig, &client, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)client; /* all numbers below it are in use */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    turn(&rig);
    turn(&rig);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(rig.accept_failed_count, 1);
    assert_int_equal(rig.accept_failed_code, -EMFILE);
    assert_int_equal(rig.accepted_count, 0);

    assert_int_equal(engine_listen_start(rig.engine, &rig.listener), 0);
    turn(&rig);
    assert_int_equal(rig.accepted_count, 1);
    close(client);
    teardown(&rig);
}

static void a_drain_empties_the_queue_and_stops(void **state)
{
    enum { CLIENT_COUNT = ENGINE_ACCEPT_COUNT_MAX * 2 + 1 };
    int clients[CLIENT_COUNT];
    struct rig rig;
    int late;

    (void)state;
    setup_listening(&rig, false);
    connect_clients(&rig, clients, CLIENT_COUNT);
    engine_listen_drain(rig.engine, &rig.listener);
    assert_int_equal(rig.accepted_count, CLIENT_COUNT);
    assert_false(rig.listener.accepting);
    connect_clients(&rig, &late, 1);
    turn(&rig);
    assert_int_equal(rig.accepted_count, CLIENT_COUNT);
    close(late);
    close_all(clients, CLIENT_COUNT);
    teardown(&rig);
}

static void two_engines_share_a_listener(void **state)
{
    enum { CLIENT_COUNT = 8 };
    int clients[CLIENT_COUNT];
    struct rig first;
    struct rig second;

    (void)state;
    setup_listening(&first, true);
    setup(&second);
    second.listener = (struct engine_listener){.fd = dup(first.listener.fd), .shared = true};
    assert_int_equal(engine_listen_start(second.engine, &second.listener), 0);
    connect_clients(&first, clients, CLIENT_COUNT);
    for (int i = 0; i < CLIENT_COUNT; i++) {
        turn(&second);
        turn(&first);
    }
    assert_int_equal(first.accepted_count + second.accepted_count, CLIENT_COUNT);
    assert_int_equal(first.accept_failed_count + second.accept_failed_count, 0);
    close_all(clients, CLIENT_COUNT);
    teardown(&second);
    teardown(&first);
}

/* --- waking and waiting --- */

struct waker {
    struct engine *engine;
    _Atomic int posted_count;
    int count;
};

static void *wake(void *context)
{
    struct waker *const waker = context;

    for (int i = 0; i < waker->count; i++) {
        atomic_fetch_add(&waker->posted_count, 1);
        engine_wake(waker->engine);
    }
    return NULL;
}

/* What was posted before a wake-up is seen after it: no last one is slept through. */
static void no_wake_up_is_lost(void **state)
{
    struct waker waker = {.count = 2000};
    struct rig rig;
    pthread_t thread;

    (void)state;
    setup(&rig);
    waker.engine = rig.engine;
    assert_int_equal(pthread_create(&thread, NULL, wake, &waker), 0);
    int seen_count = 0;
    while (seen_count < waker.count) {
        const int before = rig.woken_count;
        engine_turn(rig.engine, -1);
        assert_true(rig.woken_count == before + 1 || kind->queues_sends);
        seen_count = atomic_load(&waker.posted_count);
    }
    pthread_join(thread, NULL);
    turn(&rig);
    teardown(&rig);
}

static void many_wake_ups_are_one(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    for (int i = 0; i < 100; i++)
        engine_wake(rig.engine);
    turn(&rig);
    assert_int_equal(rig.woken_count, 1);
    turn(&rig);
    assert_int_equal(rig.woken_count, 1);
    teardown(&rig);
}

static void a_turn_waits_and_dates_itself(void **state)
{
    struct rig rig;
    const uint64_t wait_ns = 20 * NS_PER_MS;

    (void)state;
    setup(&rig);
    const uint64_t before_ns = engine_now_ns(rig.engine);
    engine_turn(rig.engine, (int64_t)wait_ns - 1); /* rounds up: never early */
    assert_true(rig.engine->turn_ns >= before_ns + wait_ns);
    assert_true(rig.engine->turn_ns <= engine_now_ns(rig.engine));
    assert_int_equal(counter_read(&rig.counters->loops), 1);
    assert_int_equal(counter_read(&rig.counters->events), 0);
    teardown(&rig);
}

/* --- making --- */

static void a_failed_start_leaves_nothing_open(void **state)
{
    struct counters *const counters = aligned_alloc(CACHE_LINE_SIZE, sizeof *counters);
    struct buffer_pool pool = {0};
    struct ackd_error error = {0};
    struct engine *engine = NULL;
    struct rlimit before;
    struct rlimit limit;

    (void)state;
    memset(counters, 0, sizeof *counters);
    const int fd_count = test_fd_count();
    const int next_fd = dup(STDIN_FILENO);
    assert_true(next_fd >= 0);
    close(next_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int spare = 0; spare < 2; spare++) { /* one descriptor too few, and two */
        limit = before;
        limit.rlim_cur = (rlim_t)(next_fd + spare);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        const int code = kind->new (&engine, &events, NULL, &pool, counters, &error);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(code, -EMFILE);
        assert_int_equal(error.code, -EMFILE);
        assert_null(engine);
        assert_int_equal(test_fd_count(), fd_count);
    }
    free(counters);
}

static void freeing_no_engine_is_fine(void **state)
{
    (void)state;
    engine_free(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(receives_what_was_written),
    cmocka_unit_test(trap_19_one_receive_in_a_turn),
    cmocka_unit_test(what_is_not_received_stays_in_the_kernel),
    cmocka_unit_test(what_is_sent_is_unconfirmed_until_it_has_arrived),
    cmocka_unit_test(the_owner_can_stop_from_within),
    cmocka_unit_test(finished_is_said_once_behind_the_last_byte),
    cmocka_unit_test(the_end_waits_while_nothing_is_received),
    cmocka_unit_test(a_reset_is_said_once_behind_the_last_byte),
    cmocka_unit_test(a_reset_is_seen_while_nothing_is_received),
    cmocka_unit_test(what_fits_is_sent_at_once),
    cmocka_unit_test(the_rest_is_sent_as_the_peer_reads),
    cmocka_unit_test(a_small_rest_moves_to_a_small_buffer),
    cmocka_unit_test(a_large_rest_stays_where_it_is),
    cmocka_unit_test(progress_is_dated),
    cmocka_unit_test(sending_to_the_dead_is_told_at_once),
    cmocka_unit_test(a_reset_ends_a_send_in_flight),
    cmocka_unit_test(finish_lets_the_peer_see_the_end_and_go_on),
    cmocka_unit_test(a_fin_delivers_what_was_sent),
    cmocka_unit_test(a_reset_is_a_reset),
    cmocka_unit_test(a_close_between_turns_does_not_wait),
    cmocka_unit_test(nothing_but_closed_is_said_after_close),
    cmocka_unit_test(nothing_is_sent_after_close),
    cmocka_unit_test(trap_18_an_old_event_never_meets_a_new_connection),
    cmocka_unit_test(accepts_so_many_in_a_turn),
    cmocka_unit_test(a_pause_from_within_leaves_the_others_in_the_queue),
    cmocka_unit_test(what_is_refused_is_closed),
    cmocka_unit_test(trap_10_out_of_descriptors_is_told_once_and_passes),
    cmocka_unit_test(a_drain_empties_the_queue_and_stops),
    cmocka_unit_test(two_engines_share_a_listener),
    cmocka_unit_test(no_wake_up_is_lost),
    cmocka_unit_test(many_wake_ups_are_one),
    cmocka_unit_test(a_turn_waits_and_dates_itself),
    cmocka_unit_test(a_failed_start_leaves_nothing_open),
    cmocka_unit_test(freeing_no_engine_is_fine),
};

int main(void)
{
    static const struct kind epoll = {.name = "engine_epoll", .new = engine_epoll_new};
    static const struct kind uring = {
        .name = "engine_uring", .new = engine_uring_new, .queues_sends = true};
    struct engine_choice choice;
    struct ackd_error error;

    kind = &epoll;
    int failed_count = cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
    if (engine_select(ACKD_ENGINE_URING, &choice, &error) < 0) {
        print_message("engine_uring is not tested: %s\n", error.text);
        return failed_count;
    }
    kind = &uring;
    failed_count += cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
    return failed_count;
}
