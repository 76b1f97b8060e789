/* SPDX-License-Identifier: MIT
 *
 * engine - moves bytes between sockets and the worker that owns them
 *
 *      worker                          engine
 *        | engine_turn() --------------> waits, then for each thing that came to pass:
 *        | <--- accepted / received / finished / broken / sent / closed / woken
 *        | engine_send(), engine_close() from within these or between turns
 *
 * The seam has the shape of completions, so that epoll, io_uring and a simulated network fit
 * behind it.  An engine, its sockets and its buffers belong to one thread; engine_wake() alone
 * may be called from any.
 *
 * Rules that every engine keeps and every owner may rely on:
 *   1. Bytes of `received` are valid during the call only, and there is one `received` per socket
 *      and turn, of at most ENGINE_RECV_SIZE bytes: that is the fairness between connections.  An
 *      engine that receives ahead says what it has: a second one when another socket's came in
 *      between, and even after engine_receive(false) what had been received by then; together they
 *      are no more than its buffers hold, which is at most ENGINE_RECV_SIZE.
 *   2. engine_send() owns its buffer until `sent`; one send is in flight per socket.
 *   3. After engine_close() nothing is said of the socket but `closed`, exactly once, in the same
 *      turn or a later one.  Until then the memory of the socket stays the engine's.
 *   4. `finished` and `broken` are said at most once per socket.  Nothing is received after either,
 *      and after `broken` only `closed` follows. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/busy_poll.h"
#include "stats/counters.h"

enum {
    /* One recv takes up to this much.  With half of it deep pipelines lose a third of their
     * throughput, with a quarter two thirds; one buffer serves all sockets of a worker. */
    ENGINE_RECV_SIZE = 256 * 1024,

    /* Bytes that have been sent and still stand before the rest of a buffer, if there were so many:
     * its owner sees what was cut in two. */
    ENGINE_SENT_KEPT_SIZE = 16,

    /* Connections accepted from one listener in a turn: established ones come first. */
    ENGINE_ACCEPT_COUNT_MAX = 16,

    /* Connections accepted from one listener before it closes for good: more than a backlog. */
    ENGINE_DRAIN_COUNT_MAX = 65536,
};

struct engine;

/* A connected socket, embedded in what its owner keeps of the connection.  The fields are the
 * engine's; the owner zeroes them once and reads send_progress_ms. */
struct engine_socket {
    struct buffer *sending;     /* in flight, or NULL */
    struct engine_socket *next; /* in the engine's list of those that wait for the turn's end */
    int fd;
    uint32_t send_progress_ms; /* when the peer last took a byte of `sending` */
    union {
        uint32_t events; /* epoll: what the poller is asked for */
        struct {
            uint16_t generation;
            uint8_t operations; /* in flight; and in the upper half, those that are cancelled */
            uint8_t deep : 1;
            uint8_t listed : 1;
            uint8_t again : 1;         /* there may be more, of which no poll will tell */
            uint8_t shallow_count : 5; /* small receives in a row, while it is deep */
        } uring;
    };
    uint8_t turn; /* io_uring: in which it was last received from, modulo 256 */
    bool receiving : 1;
    bool finished : 1;
    bool broken : 1;
    bool closing : 1;
};

/* A listening socket; the fd stays its opener's. */
struct engine_listener {
    int fd;
    bool shared; /* by several engines: one is woken per connection */
    bool accepting;
    bool armed;          /* io_uring: a poll is in flight, under this generation */
    uint16_t generation; /* io_uring */
    void *owner;
};

/* How engine_close() treats the peer. */
enum engine_close {
    ENGINE_CLOSE_FIN,   /* what was sent arrives first */
    ENGINE_CLOSE_RESET, /* at once; the peer sees a reset */
};

/* How engine_send() went; a negative errno: the connection is dead (and `broken` is not said), the
 * buffer is the caller's. */
enum engine_sent {
    ENGINE_SENT,    /* all of it is the kernel's; the buffer is the caller's again */
    ENGINE_SENDING, /* the engine keeps the buffer until `sent` */
};

/* What the engine says.  @owner is what the owner gave to engine_new(). */
struct engine_events {
    /* @fd is a new connection: the owner's, to give to engine_add(), of this engine or of
     * another, or to engine_refuse(). */
    void (*accepted)(void *owner, struct engine_listener *listener, int fd);
    /* accept failed with @code; the listener goes on accepting unless it is paused. */
    void (*accept_failed)(void *owner, struct engine_listener *listener, int code);
    void (*received)(void *owner, struct engine_socket *socket, struct bytes bytes);
    /* The peer has sent its FIN; it may still read. */
    void (*finished)(void *owner, struct engine_socket *socket);
    /* The connection is dead; @code is a negative errno. */
    void (*broken)(void *owner, struct engine_socket *socket, int code);
    /* All of @buffer was sent; it is the owner's again. */
    void (*sent)(void *owner, struct engine_socket *socket, struct buffer *buffer);
    void (*closed)(void *owner, struct engine_socket *socket);
    /* Somebody called engine_wake() since the last turn. */
    void (*woken)(void *owner);
};

struct engine_ops {
    void (*free)(struct engine *engine);
    uint64_t (*now_ns)(struct engine *engine);
    int (*listen_start)(struct engine *engine, struct engine_listener *listener);
    void (*listen_stop)(struct engine *engine, struct engine_listener *listener);
    void (*listen_drain)(struct engine *engine, struct engine_listener *listener);
    int (*add)(struct engine *engine, struct engine_socket *socket, int fd);
    void (*refuse)(struct engine *engine, int fd);
    void (*receive)(struct engine *engine, struct engine_socket *socket, bool on);
    int (*send)(struct engine *engine, struct engine_socket *socket, struct buffer *buffer);
    void (*finish)(struct engine *engine, struct engine_socket *socket);
    size_t (*pending_size)(struct engine *engine, struct engine_socket *socket);
    size_t (*unconfirmed_size)(struct engine *engine, struct engine_socket *socket);
    void (*close)(struct engine *engine, struct engine_socket *socket, enum engine_close how);
    void (*turn)(struct engine *engine, int64_t timeout_ns);
    void (*wake)(struct engine *engine);
};

/* What all engines have; each begins with it. */
struct engine {
    const struct engine_ops *ops;
    const struct engine_events *events;
    void *owner;
    struct buffer_pool *pool;
    struct counters *counters;
    uint64_t turn_ns;           /* the time at which this turn's events were there */
    uint32_t turn_ms;           /* the same, for timers */
    struct busy_poll busy_poll; /* off; its owner may initialise it otherwise */
};

/* An epoll engine (Linux >= 4.5).  @events, @owner, @pool and @counters outlive it.  Fails with
 * -EMFILE, -ENOMEM and their like. */
int engine_epoll_new(struct engine **ret_engine, const struct engine_events *events, void *owner,
                     struct buffer_pool *pool, struct counters *counters, struct ackd_error *error);

/* An io_uring engine (Linux >= 6.0, where nothing forbids it).  As engine_epoll_new(); fails with
 * -ENOSYS, -EPERM or -EINVAL where there is no io_uring that will do. */
int engine_uring_new(struct engine **ret_engine, const struct engine_events *events, void *owner,
                     struct buffer_pool *pool, struct counters *counters, struct ackd_error *error);

/* For engines: dates the turn that begins, or the engine that is being made. */
static inline void engine_date(struct engine *engine, uint64_t now_ns)
{
    engine->turn_ns = now_ns;
    engine->turn_ms = (uint32_t)(now_ns / NS_PER_MS);
}

/* Frees an engine whose sockets are all closed; NULL is fine. */
static inline void engine_free(struct engine *engine)
{
    if (engine)
        engine->ops->free(engine);
}

static inline uint64_t engine_now_ns(struct engine *engine)
{
    return engine->ops->now_ns(engine);
}

/* Starts and stops accepting; stopping twice is fine.  Starting fails with a negative errno. */
static inline int engine_listen_start(struct engine *engine, struct engine_listener *listener)
{
    return engine->ops->listen_start(engine, listener);
}

static inline void engine_listen_stop(struct engine *engine, struct engine_listener *listener)
{
    engine->ops->listen_stop(engine, listener);
}

/* Accepts whatever waits now, then stops accepting. */
static inline void engine_listen_drain(struct engine *engine, struct engine_listener *listener)
{
    engine->ops->listen_drain(engine, listener);
}

/* Takes over the connection @fd and starts receiving.  On failure (a negative errno) @fd is still
 * the caller's. */
static inline int engine_add(struct engine *engine, struct engine_socket *socket, int fd)
{
    return engine->ops->add(engine, socket, fd);
}

/* Closes the connection @fd, which was accepted, by this engine or another, and never added. */
static inline void engine_refuse(struct engine *engine, int fd)
{
    engine->ops->refuse(engine, fd);
}

/* Receives, or leaves the bytes in the kernel: that is what makes the peer wait. */
static inline void engine_receive(struct engine *engine, struct engine_socket *socket, bool on)
{
    if (socket->receiving != on && !socket->finished && !socket->broken)
        engine->ops->receive(engine, socket, on);
}

/* Sends @buffer (rule 2): an enum engine_sent or a negative errno.  No send may be in flight. */
static inline int engine_send(struct engine *engine, struct engine_socket *socket,
                              struct buffer *buffer)
{
    assert(!socket->sending && !socket->closing);
    return engine->ops->send(engine, socket, buffer);
}

/* Sends a FIN behind what was sent.  No send may be in flight. */
static inline void engine_finish(struct engine *engine, struct engine_socket *socket)
{
    engine->ops->finish(engine, socket);
}

/* Bytes that have arrived and were not yet received. */
static inline size_t engine_pending_size(struct engine *engine, struct engine_socket *socket)
{
    return engine->ops->pending_size(engine, socket);
}

/* Bytes sent that have not arrived at the peer, as far as the kernel knows; a FIN may count as one.
 * Source: tcp(7), SIOCOUTQ. */
static inline size_t engine_unconfirmed_size(struct engine *engine, struct engine_socket *socket)
{
    return engine->ops->unconfirmed_size(engine, socket);
}

/* Ends the connection (rule 3).  A buffer in flight is dropped and put back into the pool. */
static inline void engine_close(struct engine *engine, struct engine_socket *socket,
                                enum engine_close how)
{
    engine->ops->close(engine, socket, how);
}

/* Waits for at most @timeout_ns (negative: without end) and says what came to pass. */
static inline void engine_turn(struct engine *engine, int64_t timeout_ns)
{
    engine->ops->turn(engine, timeout_ns);
}

/* Makes the current or next turn end early with `woken`.  Any thread. */
static inline void engine_wake(struct engine *engine)
{
    engine->ops->wake(engine);
}

#endif
