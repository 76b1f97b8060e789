/* SPDX-License-Identifier: MIT
 *
 * engine_epoll - the engine on epoll, level-triggered (engine.h)
 *
 *      epoll_wait -> for each ready socket: one recv into the shared buffer -> `received`
 *                    (the owner sends from there: one send) -> closes at the end of the turn
 *
 * Level-triggered, because one recv of everything at hand needs no second one that finds nothing.
 * A descriptor that is closed keeps its number until the turn ends: an event that epoll_wait has
 * already returned can then never meet another connection of the same number.
 *
 * Sources: epoll(7). */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/socket_ops.h"

enum {
    /* Events of one wait.  More ready sockets than that get their turn in the next. */
    EVENT_COUNT_MAX = 512,
};

/* What an event's pointer points at, in its low bits. */
enum tag {
    TAG_SOCKET = 0,
    TAG_LISTENER = 1,
    TAG_WAKE = 2,
    TAG_MASK = 3,
};

struct engine_epoll {
    struct engine engine;
    int epoll_fd;
    int wake_fd;
    struct engine_socket *closing; /* to be closed when the turn ends */
    int event_count;               /* of `events`; or -1, for an error */
    uint32_t recv_count;           /* recv calls of this turn */
    struct epoll_event events[EVENT_COUNT_MAX];
    uint8_t receive_buffer[ENGINE_RECV_SIZE];
};

static struct engine_epoll *of(struct engine *engine)
{
    return (struct engine_epoll *)(void *)engine;
}

static int control(struct engine_epoll *self, int operation, int fd, uint32_t events,
                   const void *pointer, enum tag tag)
{
    struct epoll_event event = {.events = events};

    event.data.u64 = (uint64_t)(uintptr_t)pointer | tag;
    counter_add(&self->engine.counters->syscalls_ctl, 1);
    return epoll_ctl(self->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

/* Asks for what the socket waits for, if that has changed. */
static void update_interest(struct engine_epoll *self, struct engine_socket *socket)
{
    const uint32_t events = (socket->receiving ? EPOLLIN : 0) | (socket->sending ? EPOLLOUT : 0);

    if (events == socket->events || socket->closing)
        return;
    socket->events = events;
    /* Changing what an existing entry waits for takes no memory: it cannot fail. */
    const int status = control(self, EPOLL_CTL_MOD, socket->fd, events, socket, TAG_SOCKET);
    assert(status == 0);
}

static void receive_ready(struct engine_epoll *self, struct engine_socket *socket)
{
    struct engine *const engine = &self->engine;

    self->recv_count++;
    const ssize_t size = socket_ops_recv(socket, self->receive_buffer);

    if (size > 0) {
        engine->events->received(engine->owner, socket,
                                 (struct bytes){self->receive_buffer, (size_t)size});
    } else if (size == 0) {
        socket->finished = true;
        socket->receiving = false;
        engine->events->finished(engine->owner, socket);
        update_interest(self, socket);
    } else if (size != -EAGAIN) {
        socket_ops_broken(engine, socket, (int)size);
    }
}

static void send_ready(struct engine_epoll *self, struct engine_socket *socket)
{
    struct buffer *const buffer = socket->sending;
    const int status = socket_ops_send(&self->engine, socket, buffer);

    if (status < 0)
        socket_ops_broken(&self->engine, socket, status);
    if (status != 0)
        return;
    socket->sending = NULL;
    self->engine.events->sent(self->engine.owner, socket, buffer);
    update_interest(self, socket);
}

static void socket_ready(struct engine_epoll *self, struct engine_socket *socket, uint32_t events)
{
    if (socket->closing || socket->broken)
        return;
    if ((events & EPOLLOUT) && socket->sending)
        send_ready(self, socket);
    if (socket->closing || socket->broken)
        return;
    /* Bytes that arrived before a reset are still worth reading: they are asked for first. */
    if (socket->receiving && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
        receive_ready(self, socket);
        return;
    }
    if (events & (EPOLLERR | EPOLLHUP))
        socket_ops_broken(&self->engine, socket, socket_ops_error(socket));
}

static void wake_ready(struct engine_epoll *self)
{
    uint64_t count;
    const ssize_t size = read(self->wake_fd, &count, sizeof count);

    (void)size; /* empty: somebody else's wake-up was read with an earlier one */
    self->engine.events->woken(self->engine.owner);
}

static void dispatch(struct engine_epoll *self, const struct epoll_event *event)
{
    void *const pointer = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)TAG_MASK);

    switch (event->data.u64 & TAG_MASK) {
    case TAG_SOCKET:
        socket_ready(self, pointer, event->events);
        break;
    case TAG_LISTENER:
        socket_ops_accept(&self->engine, pointer, ENGINE_ACCEPT_COUNT_MAX);
        break;
    default:
        wake_ready(self);
    }
}

static void close_sockets(struct engine_epoll *self)
{
    while (self->closing) {
        struct engine_socket *const socket = self->closing;

        self->closing = socket->next;
        socket_ops_close(&self->engine, socket);
    }
}

static int wait_ms(const struct engine_epoll *self, int64_t timeout_ns)
{
    if (self->closing)
        return 0;
    if (timeout_ns < 0)
        return -1;
    const int64_t ms = (timeout_ns + (int64_t)NS_PER_MS - 1) / (int64_t)NS_PER_MS;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* Asks for events, and waits for them for so long.  True if there are. */
static bool ask(struct engine_epoll *self, int timeout_ms)
{
    self->event_count = epoll_wait(self->epoll_fd, self->events, EVENT_COUNT_MAX, timeout_ms);
    counter_add(&self->engine.counters->syscalls_wait, 1);
    return self->event_count != 0;
}

static bool look(void *context)
{
    return ask(context, 0);
}

static void epoll_turn(struct engine *engine, int64_t timeout_ns)
{
    struct engine_epoll *const self = of(engine);
    struct counters *const counters = engine->counters;

    if (!busy_poll_spin(&engine->busy_poll, self->closing ? 0 : timeout_ns, look, self))
        ask(self, wait_ms(self, timeout_ns));
    engine_date(engine, clock_monotonic_ns());
    counter_add(&counters->loops, 1);

    for (int i = 0; i < self->event_count; i++)
        dispatch(self, &self->events[i]);
    if (self->event_count > 0)
        counter_add(&counters->events, (uint64_t)self->event_count);
    counter_add(&counters->syscalls_recv, self->recv_count);
    self->recv_count = 0;
    close_sockets(self);
}

static int epoll_listen_start(struct engine *engine, struct engine_listener *listener)
{
    const uint32_t events = EPOLLIN | (listener->shared ? EPOLLEXCLUSIVE : 0);

    if (listener->accepting)
        return 0;
    const int status =
        control(of(engine), EPOLL_CTL_ADD, listener->fd, events, listener, TAG_LISTENER);
    listener->accepting = status == 0;
    return status;
}

static void epoll_listen_stop(struct engine *engine, struct engine_listener *listener)
{
    if (!listener->accepting)
        return;
    listener->accepting = false;
    control(of(engine), EPOLL_CTL_DEL, listener->fd, 0, listener, TAG_LISTENER);
}

static void epoll_listen_drain(struct engine *engine, struct engine_listener *listener)
{
    socket_ops_accept(engine, listener, ENGINE_DRAIN_COUNT_MAX);
    epoll_listen_stop(engine, listener);
}

static int epoll_add(struct engine *engine, struct engine_socket *socket, int fd)
{
    const int status = control(of(engine), EPOLL_CTL_ADD, fd, EPOLLIN, socket, TAG_SOCKET);

    if (status < 0)
        return status;
    *socket = (struct engine_socket){.fd = fd, .events = EPOLLIN, .receiving = true};
    return 0;
}

static void epoll_receive(struct engine *engine, struct engine_socket *socket, bool on)
{
    socket->receiving = on;
    update_interest(of(engine), socket);
}

static int epoll_send(struct engine *engine, struct engine_socket *socket, struct buffer *buffer)
{
    struct engine_epoll *const self = of(engine);
    const int status = socket_ops_send(engine, socket, buffer);

    if (status == 0)
        return ENGINE_SENT;
    if (status < 0) {
        socket->broken = true;
        return status;
    }
    socket->sending = socket_ops_shrink(engine, buffer);
    socket->send_progress_ms = engine->turn_ms;
    update_interest(self, socket);
    return ENGINE_SENDING;
}

static void epoll_close(struct engine *engine, struct engine_socket *socket, enum engine_close how)
{
    struct engine_epoll *const self = of(engine);

    assert(!socket->closing);
    if (how == ENGINE_CLOSE_RESET)
        socket_ops_reset_on_close(socket);
    socket->closing = true;
    socket->next = self->closing;
    self->closing = socket;
}

static void epoll_wake(struct engine *engine)
{
    socket_ops_wake(of(engine)->wake_fd);
}

static void epoll_free(struct engine *engine)
{
    struct engine_epoll *const self = of(engine);

    assert(!self->closing);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    free(self);
}

static const struct engine_ops epoll_ops = {
    .free = epoll_free,
    .now_ns = socket_ops_now_ns,
    .listen_start = epoll_listen_start,
    .listen_stop = epoll_listen_stop,
    .listen_drain = epoll_listen_drain,
    .add = epoll_add,
    .refuse = socket_ops_refuse,
    .receive = epoll_receive,
    .send = epoll_send,
    .finish = socket_ops_finish,
    .pending_size = socket_ops_pending_size,
    .unconfirmed_size = socket_ops_unconfirmed_size,
    .close = epoll_close,
    .turn = epoll_turn,
    .wake = epoll_wake,
};

int engine_epoll_new(struct engine **ret_engine, const struct engine_events *events, void *owner,
                     struct buffer_pool *pool, struct counters *counters, struct ackd_error *error)
{
    struct engine_epoll *const self = calloc(1, sizeof *self);
    int status = 0;

    if (!self)
        return error_raise(error, -ENOMEM, "no memory for an event engine");
    self->engine = (struct engine){
        .ops = &epoll_ops, .events = events, .owner = owner, .pool = pool, .counters = counters};
    engine_date(&self->engine, clock_monotonic_ns());
    self->wake_fd = -1;
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0) {
        status = error_raise(error, -errno, "epoll_create1: %s", strerror(errno));
        goto out;
    }
    self->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->wake_fd < 0) {
        status = error_raise(error, -errno, "eventfd: %s", strerror(errno));
        goto out;
    }
    status = control(self, EPOLL_CTL_ADD, self->wake_fd, EPOLLIN, NULL, TAG_WAKE);
    if (status < 0) {
        error_raise(error, status, "epoll_ctl: %s", strerror(-status));
        goto out;
    }
    *ret_engine = &self->engine;
    return 0;

out:
    epoll_free(&self->engine);
    return status;
}
