/* SPDX-License-Identifier: MIT
 *
 * socket_ops - what the engines on real sockets do alike (socket_ops.h)
 *
 * Sources: accept(2), send(2), tcp(7). */
#include "engine/socket_ops.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    /* A partly sent buffer this many times larger than its rest gives way to one that fits. */
    SHRINK_FACTOR = 4,
};

bool socket_ops_accept(struct engine *engine, struct engine_listener *listener, int count_max)
{
    for (int i = 0; i < count_max && listener->accepting; i++) {
        const int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        counter_add(&engine->counters->syscalls_accept, 1);
        if (fd >= 0) {
            engine->events->accepted(engine->owner, listener, fd);
            continue;
        }
        if (errno == EAGAIN)
            return false;
        if (errno != EINTR)
            engine->events->accept_failed(engine->owner, listener, -errno);
    }
    return true;
}

ssize_t socket_ops_recv(const struct engine_socket *socket, uint8_t *into)
{
    const ssize_t size = recv(socket->fd, into, ENGINE_RECV_SIZE, 0);

    if (size >= 0)
        return size;
    return errno == EINTR ? -EAGAIN : -errno;
}

void socket_ops_took(struct engine *engine, struct engine_socket *socket, struct buffer *buffer,
                     size_t size)
{
    buffer->begin += (uint32_t)size;
    counter_add(&engine->counters->bytes_sent, size);
    socket->send_progress_ms = engine->turn_ms;
}

int socket_ops_send(struct engine *engine, struct engine_socket *socket, struct buffer *buffer)
{
    const size_t size = buffer_size(buffer);
    const ssize_t sent =
        send(socket->fd, buffer->data + buffer->begin, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    counter_add(&engine->counters->syscalls_send, 1);
    if (sent > 0) {
        socket_ops_took(engine, socket, buffer, (size_t)sent);
        if ((size_t)sent == size)
            return 0;
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        return -errno;
    }
    counter_add(&engine->counters->write_blocked, 1);
    return 1;
}

struct buffer *socket_ops_shrink(struct engine *engine, struct buffer *buffer)
{
    const size_t size = buffer_size(buffer);

    if (size * SHRINK_FACTOR > buffer->capacity)
        return buffer;

    const uint32_t kept =
        buffer->begin < ENGINE_SENT_KEPT_SIZE ? buffer->begin : ENGINE_SENT_KEPT_SIZE;
    struct buffer *const smaller = buffer_take(engine->pool, kept + size);
    if (!smaller)
        return buffer;
    memcpy(smaller->data, buffer->data + buffer->begin - kept, kept + size);
    smaller->begin = kept;
    smaller->end = kept + (uint32_t)size;
    smaller->tag = buffer->tag;
    buffer_put(engine->pool, buffer);
    return smaller;
}

void socket_ops_broken(struct engine *engine, struct engine_socket *socket, int code)
{
    if (socket->broken || socket->closing)
        return;
    socket->broken = true;
    socket->receiving = false;
    engine->events->broken(engine->owner, socket, code);
}

int socket_ops_error(const struct engine_socket *socket)
{
    int code = 0;
    socklen_t size = sizeof code;

    getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code != 0 ? -code : -ECONNRESET;
}

bool socket_ops_is_tcp(const struct engine_socket *socket)
{
    int protocol = 0;
    socklen_t size = sizeof protocol;

    return getsockopt(socket->fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
           protocol == IPPROTO_TCP;
}

void socket_ops_reset_on_close(const struct engine_socket *socket)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void socket_ops_close(struct engine *engine, struct engine_socket *socket)
{
    struct buffer *const unsent = socket->sending;

    socket->sending = NULL;
    buffer_put(engine->pool, unsent);
    close(socket->fd);
    socket->fd = -1;
    engine->events->closed(engine->owner, socket);
}

void socket_ops_refuse(struct engine *engine, int fd)
{
    (void)engine;
    close(fd);
}

void socket_ops_finish(struct engine *engine, struct engine_socket *socket)
{
    (void)engine;
    assert(!socket->sending);
    shutdown(socket->fd, SHUT_WR);
}

/* What ioctl(2) @request says of a queue of the kernel's; 0 when it says nothing. */
static size_t queue_size(const struct engine_socket *socket, unsigned long request)
{
    int size = 0;

    return ioctl(socket->fd, request, &size) < 0 || size < 0 ? 0 : (size_t)size;
}

size_t socket_ops_pending_size(struct engine *engine, struct engine_socket *socket)
{
    (void)engine;
    return queue_size(socket, FIONREAD);
}

size_t socket_ops_unconfirmed_size(struct engine *engine, struct engine_socket *socket)
{
    (void)engine;
    return queue_size(socket, SIOCOUTQ);
}

uint64_t socket_ops_now_ns(struct engine *engine)
{
    (void)engine;
    return clock_monotonic_ns();
}

void socket_ops_wake(int fd)
{
    const uint64_t one = 1;
    const ssize_t size = write(fd, &one, sizeof one);

    (void)size; /* full: it will wake all the same */
}
