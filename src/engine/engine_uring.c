/* SPDX-License-Identifier: MIT
 *
 * engine_uring - the engine on io_uring (engine.h)
 *
 *      one io_uring_enter a turn: sends of the last turn go out, completions come back
 *
 *      shallow  a multishot recv takes small pieces into buffers that all sockets share; acks are
 *               queued as sends and leave together.  No system call per socket.
 *      deep     a poll says that there is more; it is received and answered at once, by recv(2) and
 *               send(2) through one large buffer that stays in the cache, as the epoll engine does.
 *
 *               a piece fills a buffer                     SHALLOW_COUNT small receives in a row
 *      shallow ------------------------> recv cancelled -> deep ------------------------> shallow
 *                                        and ended
 *
 * Bytes stay in order, since a socket's recv has said its last when it is first polled, and no poll
 * is in flight when the recv is armed again.
 *
 * Listeners are polled and accepted from by accept4(2), not by a multishot accept: connections stay
 * in the kernel's queue, where a pause, a drain and the limit of a turn find them.
 *
 * An operation's user_data is the socket, its generation and which operation it is.  A socket is
 * closed once no operation of it is in flight: nothing is ever said of a socket that is gone; if
 * the kernel should do so all the same, it is counted and dropped.
 *
 * Sources: io_uring_enter(2), io_uring(7), poll(2). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/socket_ops.h"
#include "engine/uring.h"

enum {
    /* Receives of at most this much are better served shallow, once so many came in a row. */
    SHALLOW_SIZE = URING_BUFFER_SIZE / 2,
    SHALLOW_COUNT = 16,

    /* A completion comes with one of the next enters; or never, if the ring has overflowed. */
    CANCEL_TRY_COUNT_MAX = 64,

    /* Sends that wait for their turn are moved to smaller buffers, if those are as large. */
    SHRINK_CAPACITY_MIN = 4096,

    OPERATION_MASK = 7, /* the low bits of user_data */
    GENERATION_SHIFT = 48,
};

enum operation {
    OPERATION_NONE, /* of which nobody wants to know how it went */
    OPERATION_RECV,
    OPERATION_POLL,  /* until there is something to receive */
    OPERATION_WATCH, /* for the end of a connection that is not received from */
    OPERATION_SEND,
    OPERATION_LISTEN,
    OPERATION_WAKE,
};

struct engine_uring {
    struct engine engine;
    struct uring uring;
    int wake_fd;
    uint16_t generation;         /* the latest that was given */
    uint8_t turn;                /* counts them */
    struct engine_socket *first; /* of those that wait for the end of the turn */
    struct engine_socket *last;
    uint8_t receive_buffer[ENGINE_RECV_SIZE];
};

static struct engine_uring *of(struct engine *engine)
{
    return (struct engine_uring *)(void *)engine;
}

/* --- operations in flight --- */

static uint64_t user_data_of(const void *pointer, uint16_t generation, enum operation operation)
{
    const uint64_t address = (uint64_t)(uintptr_t)pointer;

    assert(address >> GENERATION_SHIFT == 0 && (address & OPERATION_MASK) == 0);
    return (uint64_t)generation << GENERATION_SHIFT | address | operation;
}

static void *pointer_of(uint64_t user_data)
{
    const uint64_t address = user_data & (((uint64_t)1 << GENERATION_SHIFT) - 1);
    return (void *)(uintptr_t)(address & ~(uint64_t)OPERATION_MASK);
}

static uint8_t bit_of(enum operation operation)
{
    return (uint8_t)(1U << (operation - OPERATION_RECV));
}

static bool is_in_flight(const struct engine_socket *socket, enum operation operation)
{
    return (socket->uring.operations & bit_of(operation)) != 0;
}

static bool is_cancelled(const struct engine_socket *socket, enum operation operation)
{
    return (socket->uring.operations & bit_of(operation) << 4) != 0;
}

static void mark_ended(struct engine_socket *socket, enum operation operation)
{
    socket->uring.operations &= (uint8_t) ~(bit_of(operation) | bit_of(operation) << 4);
}

/* The entry for a new operation of @socket, of which none like it is in flight. */
static struct io_uring_sqe *begin(struct engine_uring *self, struct engine_socket *socket,
                                  enum operation operation)
{
    struct io_uring_sqe *const sqe = uring_sqe(&self->uring);

    assert(!is_in_flight(socket, operation));
    socket->uring.operations |= bit_of(operation);
    sqe->fd = socket->fd;
    sqe->user_data = user_data_of(socket, socket->uring.generation, operation);
    return sqe;
}

/* Cancels what has @user_data.  True if the kernel has not seen it yet and never will. */
static bool cancel_user_data(struct engine_uring *self, uint64_t user_data)
{
    struct io_uring_sqe *sqe = uring_find_unsubmitted(&self->uring, user_data);
    const bool unseen = sqe != NULL;

    if (!unseen)
        sqe = uring_sqe(&self->uring);
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = unseen ? IORING_OP_NOP : IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->addr = unseen ? 0 : user_data;
    return unseen;
}

static void cancel(struct engine_uring *self, struct engine_socket *socket,
                   enum operation operation)
{
    if (!is_in_flight(socket, operation) || is_cancelled(socket, operation))
        return;
    if (cancel_user_data(self, user_data_of(socket, socket->uring.generation, operation)))
        mark_ended(socket, operation);
    else
        socket->uring.operations |= (uint8_t)(bit_of(operation) << 4);
}

/* Lists @socket to be looked after when the turn ends. */
static void list(struct engine_uring *self, struct engine_socket *socket)
{
    if (socket->uring.listed)
        return;
    socket->uring.listed = 1;
    socket->next = NULL;
    if (self->first)
        self->last->next = socket;
    else
        self->first = socket;
    self->last = socket;
}

/* --- what a socket waits for --- */

static void arm_recv(struct engine_uring *self, struct engine_socket *socket)
{
    struct io_uring_sqe *const sqe = begin(self, socket, OPERATION_RECV);

    sqe->opcode = IORING_OP_RECV;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
}

/* Says what is new, again and again: arming it anew for each receive costs pipelines up to 4 %.
 * There is nothing new where a receive did not take everything: receive_again(). */
static void arm_poll(struct engine_uring *self, struct engine_socket *socket)
{
    struct io_uring_sqe *const sqe = begin(self, socket, OPERATION_POLL);

    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->poll32_events = POLLIN;
    sqe->len = IORING_POLL_ADD_MULTI;
}

/* Polls for errors, which the kernel always adds.  It adds the peer's FIN as well, and that would
 * be there each time: so this one says what is new. */
static void arm_watch(struct engine_uring *self, struct engine_socket *socket)
{
    struct io_uring_sqe *const sqe = begin(self, socket, OPERATION_WATCH);

    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->len = IORING_POLL_ADD_MULTI;
}

static void arm_send(struct engine_uring *self, struct engine_socket *socket, uint32_t flags)
{
    const struct buffer *const buffer = socket->sending;
    struct io_uring_sqe *const sqe = begin(self, socket, OPERATION_SEND);

    sqe->opcode = IORING_OP_SEND;
    sqe->addr = (uintptr_t)(buffer->data + buffer->begin);
    sqe->len = (uint32_t)buffer_size(buffer);
    sqe->msg_flags = MSG_NOSIGNAL | flags;
}

/* Arms what the socket is to wait for, and cancels what it is not; what is being cancelled calls
 * here again when it has ended. */
static void update(struct engine_uring *self, struct engine_socket *socket)
{
    if (socket->closing || socket->broken)
        return;
    if (!socket->receiving) {
        cancel(self, socket, OPERATION_RECV);
        cancel(self, socket, OPERATION_POLL);
        if (!is_in_flight(socket, OPERATION_WATCH))
            arm_watch(self, socket);
    } else if (is_in_flight(socket, OPERATION_RECV)) {
        if (socket->uring.deep)
            cancel(self, socket, OPERATION_RECV);
    } else if (is_in_flight(socket, OPERATION_POLL)) {
        if (!socket->uring.deep)
            cancel(self, socket, OPERATION_POLL);
    } else if (socket->uring.deep) {
        arm_poll(self, socket);
    } else {
        arm_recv(self, socket);
    }
}

/* --- receiving --- */

/* What a receive of @size bytes says about how the socket is best received from.  A unix socket is
 * never deep: a receive from it stops behind descriptors that are passed, and no poll tells of the
 * rest. */
static void judge_depth(struct engine_socket *socket, size_t size)
{
    if (size >= URING_BUFFER_SIZE) {
        if (!socket->uring.deep)
            socket->uring.deep = socket_ops_is_tcp(socket);
        socket->uring.shallow_count = 0;
    } else if (socket->uring.deep && size <= SHALLOW_SIZE) {
        if (++socket->uring.shallow_count >= SHALLOW_COUNT)
            socket->uring.deep = 0;
    } else {
        socket->uring.shallow_count = 0;
    }
}

static void say_received(struct engine_uring *self, struct engine_socket *socket,
                         struct bytes bytes)
{
    judge_depth(socket, bytes.size);
    self->engine.events->received(self->engine.owner, socket, bytes);
}

static void say_finished(struct engine_uring *self, struct engine_socket *socket)
{
    if (!socket->receiving)
        return; /* it will be said again when somebody listens */
    socket->finished = true;
    socket->receiving = false;
    self->engine.events->finished(self->engine.owner, socket);
}

/* True if bytes came in one of our buffers: kernels have erred, and we would read anything. */
static bool has_buffer(int32_t result, uint32_t flags)
{
    return result <= URING_BUFFER_SIZE && (flags & IORING_CQE_F_BUFFER) &&
           uring_buffer_of(flags) < URING_BUFFER_COUNT;
}

/* True when the next completion brings more of what @cqe brought. */
static bool goes_on(const struct engine_uring *self, const struct uring_cqe *cqe, size_t size)
{
    if (!(cqe->flags & IORING_CQE_F_MORE) || uring_ready_count(&self->uring) == 0)
        return false;
    const struct io_uring_cqe *const next = uring_peek(&self->uring, 0);
    return next->user_data == cqe->user_data && next->res > 0 &&
           has_buffer(next->res, next->flags) && size + (size_t)next->res <= ENGINE_RECV_SIZE;
}

/* Takes the pieces that follow the one of @cqe and belong to it, and says all of it at once. */
static void take_pieces(struct engine_uring *self, struct engine_socket *socket,
                        struct uring_cqe *cqe)
{
    size_t size = 0;

    for (;;) {
        const uint16_t index = uring_buffer_of(cqe->flags);
        const bool last = !goes_on(self, cqe, size + (size_t)cqe->result);

        if (size == 0 && last) {
            say_received(self, socket,
                         (struct bytes){uring_buffer(&self->uring, index), (size_t)cqe->result});
            uring_give_back(&self->uring, index);
            return;
        }
        memcpy(self->receive_buffer + size, uring_buffer(&self->uring, index), (size_t)cqe->result);
        uring_give_back(&self->uring, index);
        size += (size_t)cqe->result;
        if (last)
            break;
        *cqe = uring_take(&self->uring);
    }
    say_received(self, socket, (struct bytes){self->receive_buffer, size});
}

static void recv_done(struct engine_uring *self, struct engine_socket *socket,
                      struct uring_cqe *cqe)
{
    const bool dead = socket->closing || socket->broken;

    if (cqe->result > 0 && !has_buffer(cqe->result, cqe->flags)) {
        cqe->result = -EIO;
        cqe->flags &= IORING_CQE_F_MORE;
    }
    if (cqe->result > 0 && !dead) {
        take_pieces(self, socket, cqe);
    } else if (cqe->flags & IORING_CQE_F_BUFFER) {
        uring_give_back(&self->uring, uring_buffer_of(cqe->flags));
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        mark_ended(socket, OPERATION_RECV);
    if (dead || cqe->result > 0)
        return;

    if (cqe->result == 0) {
        say_finished(self, socket);
    } else if (cqe->result == -ENOBUFS) {
        /* All buffers will be back when the turn ends; who comes first is served first then. */
        counter_add(&self->engine.counters->uring_no_buffers, 1);
        list(self, socket);
    } else if (cqe->result != -ECANCELED && cqe->result != -EAGAIN && cqe->result != -EINTR) {
        socket_ops_broken(&self->engine, socket, cqe->result);
    }
}

/* Receives in the next turn, whatever the poll says. */
static void receive_again(struct engine_uring *self, struct engine_socket *socket)
{
    socket->uring.again = 1;
    list(self, socket);
}

/* Receives what is at hand; @at_end when the peer's end is behind it, of which no poll will tell
 * any more.  Nor will one tell of what is behind urgent data, at which a receive stops: that comes
 * with what comes next (docs/decisions/0006 says why it is not asked for). */
static void receive_now(struct engine_uring *self, struct engine_socket *socket, bool at_end)
{
    if (socket->closing || socket->broken || !socket->receiving)
        return;
    if (socket->turn == self->turn) { /* one receive in a turn: others wait */
        receive_again(self, socket);
        return;
    }

    socket->turn = self->turn;
    const ssize_t size = socket_ops_recv(socket, self->receive_buffer);
    counter_add(&self->engine.counters->syscalls_recv, 1);
    if (size == ENGINE_RECV_SIZE || (size > 0 && at_end))
        receive_again(self, socket);
    if (size > 0)
        say_received(self, socket, (struct bytes){self->receive_buffer, (size_t)size});
    else if (size == 0)
        say_finished(self, socket);
    else if (size != -EAGAIN)
        socket_ops_broken(&self->engine, socket, (int)size);
}

static void poll_done(struct engine_uring *self, struct engine_socket *socket,
                      const struct uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        mark_ended(socket, OPERATION_POLL);
    receive_now(self, socket, cqe->result > 0 && (cqe->result & (POLLRDHUP | POLLERR | POLLHUP)));
}

static void watch_done(struct engine_uring *self, struct engine_socket *socket,
                       const struct uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        mark_ended(socket, OPERATION_WATCH);
    if (!socket->receiving && cqe->result > 0 && (cqe->result & (POLLERR | POLLHUP)))
        socket_ops_broken(&self->engine, socket, socket_ops_error(socket));
}

/* --- sending --- */

static void send_done(struct engine_uring *self, struct engine_socket *socket,
                      const struct uring_cqe *cqe)
{
    struct engine *const engine = &self->engine;
    struct buffer *const buffer = socket->sending;
    const int result = cqe->result;

    mark_ended(socket, OPERATION_SEND);
    if (socket->closing || socket->broken)
        return;
    if (result < 0 && result != -EAGAIN && result != -EINTR && result != -ENOBUFS) {
        socket_ops_broken(engine, socket, result);
        return;
    }
    if (result > 0)
        socket_ops_took(engine, socket, buffer, (size_t)result);
    if (buffer_size(buffer) > 0) {
        /* The socket is full: the rest goes when there is room. */
        counter_add(&engine->counters->write_blocked, 1);
        arm_send(self, socket, 0);
        return;
    }
    socket->sending = NULL;
    engine->events->sent(engine->owner, socket, buffer);
}

static int send_at_once(struct engine_uring *self, struct engine_socket *socket,
                        struct buffer *buffer)
{
    const int status = socket_ops_send(&self->engine, socket, buffer);

    if (status == 0)
        return ENGINE_SENT;
    if (status < 0) {
        socket->broken = true;
        return status;
    }
    socket->sending = socket_ops_shrink(&self->engine, buffer);
    arm_send(self, socket, 0);
    return ENGINE_SENDING;
}

static int uring_send(struct engine *engine, struct engine_socket *socket, struct buffer *buffer)
{
    struct engine_uring *const self = of(engine);

    socket->send_progress_ms = engine->turn_ms;
    if (socket->uring.deep)
        return send_at_once(self, socket, buffer);
    /* The owner has seen the buffer's size when it turns out that the socket is full. */
    socket->sending =
        buffer->capacity < SHRINK_CAPACITY_MIN ? buffer : socket_ops_shrink(engine, buffer);
    arm_send(self, socket, MSG_DONTWAIT);
    return ENGINE_SENDING;
}

/* --- the turn --- */

static void arm_listen(struct engine_uring *self, struct engine_listener *listener)
{
    struct io_uring_sqe *const sqe = uring_sqe(&self->uring);

    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = listener->fd;
    sqe->poll32_events = POLLIN | (listener->shared ? EPOLLEXCLUSIVE : 0);
    sqe->user_data = user_data_of(listener, ++listener->generation, OPERATION_LISTEN);
    listener->armed = true;
}

static void listen_done(struct engine_uring *self, struct engine_listener *listener,
                        uint16_t generation)
{
    if (generation != listener->generation || !listener->armed)
        return; /* it was stopped */
    listener->armed = false;
    socket_ops_accept(&self->engine, listener, ENGINE_ACCEPT_COUNT_MAX);
    if (listener->accepting && !listener->armed)
        arm_listen(self, listener);
}

/* A multishot poll: each write to the eventfd is one more event, whether it was read or not. */
static void arm_wake(struct engine_uring *self)
{
    struct io_uring_sqe *const sqe = uring_sqe(&self->uring);

    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = self->wake_fd;
    sqe->poll32_events = POLLIN;
    sqe->len = IORING_POLL_ADD_MULTI;
    sqe->user_data = user_data_of(NULL, 0, OPERATION_WAKE);
}

static void wake_done(struct engine_uring *self, const struct uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_wake(self);
    self->engine.events->woken(self->engine.owner);
}

static void socket_done(struct engine_uring *self, struct engine_socket *socket,
                        enum operation operation, struct uring_cqe *cqe)
{
    if (operation == OPERATION_RECV)
        recv_done(self, socket, cqe);
    else if (operation == OPERATION_SEND)
        send_done(self, socket, cqe);
    else if (operation == OPERATION_POLL)
        poll_done(self, socket, cqe);
    else
        watch_done(self, socket, cqe);
}

/* Gives @cqe to whom it belongs.  False when it says nothing to anybody. */
static bool dispatch(struct engine_uring *self, struct uring_cqe *cqe)
{
    const enum operation operation = (enum operation)(cqe->user_data & OPERATION_MASK);
    const uint16_t generation = (uint16_t)(cqe->user_data >> GENERATION_SHIFT);
    const bool cancelled = cqe->result == -ECANCELED;

    switch (operation) {
    case OPERATION_NONE:
        return false;
    case OPERATION_LISTEN:
        listen_done(self, pointer_of(cqe->user_data), generation);
        return !cancelled;
    case OPERATION_WAKE:
        wake_done(self, cqe);
        return true;
    case OPERATION_RECV:
    case OPERATION_POLL:
    case OPERATION_WATCH:
    case OPERATION_SEND:
        break;
    }

    struct engine_socket *const socket = pointer_of(cqe->user_data);
    if (socket->uring.generation != generation || !is_in_flight(socket, operation)) {
        counter_add(&self->engine.counters->uring_stale, 1);
        return false;
    }
    socket_done(self, socket, operation, cqe);
    if (!socket->closing)
        update(self, socket);
    else if (socket->uring.operations == 0)
        list(self, socket);
    return !cancelled;
}

/* Does for each socket that waits for the end of the turn what it waits for: to be closed, or to be
 * received from, now or when bytes come.  What that lists anew is for the next turn. */
static void end_turn(struct engine_uring *self)
{
    struct engine_socket *socket = self->first;

    self->first = self->last = NULL;
    while (socket) {
        struct engine_socket *const next = socket->next;
        const bool again = socket->uring.again;

        socket->uring.listed = socket->uring.again = 0;
        if (!socket->closing) {
            if (again)
                receive_now(self, socket, true);
            update(self, socket);
        } else if (socket->uring.operations == 0) {
            socket_ops_close(&self->engine, socket);
        }
        socket = next;
    }
}

static bool look(void *context)
{
    const struct engine_uring *const self = context;
    return uring_has_news(&self->uring);
}

/* Submits what there is, and waits. */
static void wait_for_news(struct engine_uring *self, int64_t timeout_ns)
{
    struct engine *const engine = &self->engine;

    if (self->first)
        timeout_ns = 0;
    if (timeout_ns != 0 && engine->busy_poll.spin_ns > 0) {
        if (uring_unsubmitted_count(&self->uring) > 0) {
            uring_enter(&self->uring, 0, 0);
            counter_add(&engine->counters->syscalls_enter, 1);
        }
        if (busy_poll_spin(&engine->busy_poll, timeout_ns, look, self))
            timeout_ns = 0;
    }
    uring_enter(&self->uring, timeout_ns != 0, timeout_ns);
    counter_add(&engine->counters->syscalls_enter, 1);
}

static void uring_turn(struct engine *engine, int64_t timeout_ns)
{
    struct engine_uring *const self = of(engine);
    struct counters *const counters = engine->counters;
    uint64_t event_count = 0;

    wait_for_news(self, timeout_ns);
    self->turn++;
    engine_date(engine, clock_monotonic_ns());
    counter_add(&counters->loops, 1);

    /* What completes while these are handled is for the next turn. */
    for (unsigned left = uring_ready_count(&self->uring); left > 0;) {
        struct uring_cqe cqe = uring_take(&self->uring);
        event_count += dispatch(self, &cqe);
        const unsigned ready = uring_ready_count(&self->uring);
        left = ready < left ? ready : left - 1;
    }
    if (event_count > 0)
        counter_add(&counters->events, event_count);
    if (uring_has_overflowed(&self->uring))
        counter_add(&counters->uring_overflows, 1);
    end_turn(self);
}

/* --- the rest of engine.h --- */

static int uring_listen_start(struct engine *engine, struct engine_listener *listener)
{
    if (listener->accepting)
        return 0;
    listener->accepting = true;
    arm_listen(of(engine), listener);
    return 0;
}

static bool has_completed(const struct engine_uring *self, uint64_t user_data)
{
    for (unsigned i = uring_ready_count(&self->uring); i-- > 0;) {
        if (uring_peek(&self->uring, i)->user_data == user_data)
            return true;
    }
    return false;
}

/* Waits until the poll has ended, which holds on to the listening socket: the owner may close it
 * next, and then it must be gone. */
static void uring_listen_stop(struct engine *engine, struct engine_listener *listener)
{
    struct engine_uring *const self = of(engine);
    const uint64_t listen = user_data_of(listener, listener->generation, OPERATION_LISTEN);

    listener->accepting = false;
    if (!listener->armed)
        return;
    listener->armed = false;
    if (cancel_user_data(self, listen))
        return;
    for (int i = 0; i < CANCEL_TRY_COUNT_MAX && !has_completed(self, listen); i++) {
        uring_enter(&self->uring, 0, 0);
        counter_add(&engine->counters->syscalls_enter, 1);
    }
}

static void uring_listen_drain(struct engine *engine, struct engine_listener *listener)
{
    socket_ops_accept(engine, listener, ENGINE_DRAIN_COUNT_MAX);
    uring_listen_stop(engine, listener);
}

static int uring_add(struct engine *engine, struct engine_socket *socket, int fd)
{
    struct engine_uring *const self = of(engine);

    *socket =
        (struct engine_socket){.fd = fd, .receiving = true, .uring.generation = ++self->generation};
    arm_recv(self, socket);
    return 0;
}

static void uring_receive(struct engine *engine, struct engine_socket *socket, bool on)
{
    socket->receiving = on;
    update(of(engine), socket);
}

/* What is in the kernel, and what has been received and waits in the ring.  Without deferred task
 * work the one becomes the other during any system call: then it is counted again. */
static size_t uring_pending_size(struct engine *engine, struct engine_socket *socket)
{
    const struct engine_uring *const self = of(engine);
    const uint64_t recv = user_data_of(socket, socket->uring.generation, OPERATION_RECV);
    unsigned ready_count;
    size_t size;

    do {
        ready_count = uring_ready_count(&self->uring);
        size = socket_ops_pending_size(engine, socket);
    } while (ready_count != uring_ready_count(&self->uring));
    for (unsigned i = 0; i < ready_count; i++) {
        const struct io_uring_cqe *const cqe = uring_peek(&self->uring, i);
        if (cqe->user_data == recv && cqe->res > 0)
            size += (size_t)cqe->res;
    }
    return size;
}

static void uring_engine_close(struct engine *engine, struct engine_socket *socket,
                               enum engine_close how)
{
    struct engine_uring *const self = of(engine);

    assert(!socket->closing);
    if (how == ENGINE_CLOSE_RESET)
        socket_ops_reset_on_close(socket);
    socket->closing = true;
    for (enum operation operation = OPERATION_RECV; operation <= OPERATION_SEND; operation++)
        cancel(self, socket, operation);
    if (socket->uring.operations == 0)
        list(self, socket);
}

static void uring_wake(struct engine *engine)
{
    socket_ops_wake(of(engine)->wake_fd);
}

static void uring_free(struct engine *engine)
{
    struct engine_uring *const self = of(engine);

    assert(!self->first);
    uring_close(&self->uring);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    free(self);
}

static const struct engine_ops uring_ops = {
    .free = uring_free,
    .now_ns = socket_ops_now_ns,
    .listen_start = uring_listen_start,
    .listen_stop = uring_listen_stop,
    .listen_drain = uring_listen_drain,
    .add = uring_add,
    .refuse = socket_ops_refuse,
    .receive = uring_receive,
    .send = uring_send,
    .finish = socket_ops_finish,
    .pending_size = uring_pending_size,
    .unconfirmed_size = socket_ops_unconfirmed_size,
    .close = uring_engine_close,
    .turn = uring_turn,
    .wake = uring_wake,
};

int engine_uring_new(struct engine **ret_engine, const struct engine_events *events, void *owner,
                     struct buffer_pool *pool, struct counters *counters, struct ackd_error *error)
{
    struct engine_uring *const self = calloc(1, sizeof *self);

    if (!self)
        return error_raise(error, -ENOMEM, "no memory for an event engine");
    self->engine = (struct engine){
        .ops = &uring_ops, .events = events, .owner = owner, .pool = pool, .counters = counters};
    engine_date(&self->engine, clock_monotonic_ns());
    self->wake_fd = -1;
    int status = uring_open(&self->uring, error);
    if (status < 0)
        goto out;
    self->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->wake_fd < 0) {
        status = error_raise(error, -errno, "eventfd: %s", strerror(errno));
        goto out;
    }
    arm_wake(self);
    *ret_engine = &self->engine;
    return 0;

out:
    uring_free(&self->engine);
    return status;
}
