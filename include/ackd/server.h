/* SPDX-License-Identifier: MIT
 *
 * ackd/server.h - a TCP server that answers every SUBMIT with a SUBMIT_ACK
 *
 *      struct ackd_server_options options;
 *      ackd_server_options_init(&options);
 *      options.listen[options.listen_count++] = "127.0.0.1:8888";
 *
 *      struct ackd_server *server;
 *      struct ackd_error error;
 *      if (ackd_server_new(&server, &options, &error) < 0 ||
 *          ackd_server_start(server, &error) < 0)
 *          fail(error.text);
 *      ...
 *      ackd_server_drain(server);
 *      ackd_server_wait(server, -1);
 *      ackd_server_free(server);
 *
 * A server has no global state: a process may have several.  It never exits, prints, or touches
 * signals: its threads block them all but SIGPROF, the profiler's, which they block if the thread
 * that starts the server does; sockets are written with MSG_NOSIGNAL. */
#ifndef ACKD_SERVER_H
#define ACKD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/error.h>
#include <ackd/export.h>
#include <ackd/handler.h>
#include <ackd/log.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ackd_server;

enum { ACKD_LISTEN_COUNT_MAX = 16 };

/* A memory_size_max that is none. */
#define ACKD_MEMORY_UNLIMITED UINT64_MAX

/* How a server talks to the kernel. */
enum ackd_engine {
    ACKD_ENGINE_AUTO, /* io_uring, or epoll where that will not do */
    ACKD_ENGINE_EPOLL,
    ACKD_ENGINE_URING,
};

/* Whether @engine will do on this machine: 0, or a negative errno and why it will not. */
ACKD_API int ackd_engine_check(enum ackd_engine engine, struct ackd_error *error);

/* How a server is to be.  Fill it by ackd_server_options_init(), then change what is to differ.
 * Sizes are bytes, times milliseconds; a time of 0 switches that limit off (linger: closes
 * without waiting; drain: drops what is owed at once). */
struct ackd_server_options {
    /* Where to listen: ADDR:PORT, [IPV6]:PORT, :PORT, unix:PATH or /PATH, systemd or systemd:NAME
     * (sockets that systemd has passed), each with ",dialect=demo" or ",dialect=spec" behind it if
     * wanted.  Port 0 takes any.  The texts are copied. */
    const char *listen[ACKD_LISTEN_COUNT_MAX];
    size_t listen_count;

    uint32_t worker_count;     /* 0: one per CPU that the process may use */
    uint32_t frame_size_max;   /* 13 .. 16 MiB, the length field's value; default 64 KiB */
    uint32_t conns_max;        /* 0: what the descriptor limit allows */
    uint32_t conns_per_ip_max; /* 0: unlimited; per IPv4 address or IPv6 /64 */
    uint32_t conn_rate;        /* accepted a second, and as many at once; 0: unlimited */
    uint32_t conn_rate_per_ip; /* the same per IPv4 address or IPv6 /64 */
    uint32_t ack_high_size;    /* bytes of acks that wait, from which a peer is not read */
    uint32_t ack_low_size;     /* ... until there are so many; less than ack_high_size */
    uint64_t memory_size_max;  /* what connections may hold; 0: 80 % of the machine's or cgroup's */
    uint32_t window_count;     /* unanswered SUBMITs of a connection before it is not read */
    uint32_t first_frame_timeout_ms; /* from accept to the first byte */
    uint32_t idle_timeout_ms;        /* nothing received, nothing owed */
    uint32_t frame_timeout_ms;       /* from a frame's first byte to its last */
    uint32_t write_timeout_ms;       /* no byte of the acks taken */
    uint32_t drain_timeout_ms;       /* after ackd_server_drain() */
    uint32_t peer_timeout_ms;        /* what was sent is not confirmed by the peer's kernel */
    uint32_t linger_timeout_ms;      /* from our FIN to the peer's */

    enum ackd_engine engine;
    uint32_t busy_poll_us; /* how long a worker looks for events before it sleeps; 0: not at all */

    /* Called by each worker before anything else, on its thread: for what is a thread's own, such
     * as its CPUs or what it may do.  May be NULL. */
    void (*on_worker)(void *self);
    void *on_worker_self;

    struct ackd_handler handler; /* on_batch NULL: discard.  Freed by the server */
    struct ackd_log log;
};

/* Sets @options to the defaults, with nowhere to listen. */
ACKD_API void ackd_server_options_init(struct ackd_server_options *options);

/* Checks @options without opening anything.  0 or -EINVAL. */
ACKD_API int ackd_server_options_check(const struct ackd_server_options *options,
                                       struct ackd_error *error);

/* Makes a server and opens its sockets: connections queue up, none is accepted yet.
 *
 * Fails with -EINVAL for options that are not legal, -EADDRINUSE where somebody listens already,
 * or another negative errno; then *ret_server is untouched and nothing is open.  In every case the
 * handler belongs to the server from here on. */
ACKD_API int ackd_server_new(struct ackd_server **ret_server,
                             const struct ackd_server_options *options, struct ackd_error *error);

/* Starts the workers.  Once per server.  On failure (a negative errno) only ackd_server_free() may
 * follow. */
ACKD_API int ackd_server_start(struct ackd_server *server, struct ackd_error *error);

/* Begins to drain: accepts what has connected, stops listening, answers every complete request
 * that has arrived, and closes.  Returns at once.  Any thread; async-signal-safe. */
ACKD_API void ackd_server_drain(struct ackd_server *server);

/* Ends at once: connections are reset, owed acks are dropped and counted.  Returns at once.  Any
 * thread; async-signal-safe. */
ACKD_API void ackd_server_stop(struct ackd_server *server);

/* Changes the limits of a running server to those of @options: frame_size_max, all of connections,
 * memory and acks, window_count, all timeouts, busy_poll_us and log.level.  The rest of @options
 * stays what it was at the start.  No connection ends for the change alone; those that are past a
 * new limit meet it as if it had always been there, but for limits per address: they do not count
 * who came while there was none.  Returns at once; each worker follows at the end of its turn.
 * 0, or -EINVAL or -ENOMEM, and nothing has changed.  Counted in the metrics.  Any thread. */
ACKD_API int ackd_server_reload(struct ackd_server *server,
                                const struct ackd_server_options *options,
                                struct ackd_error *error);

/* Counts a reload that came to nothing before ackd_server_reload(): its file could not be read.
 * Any thread. */
ACKD_API void ackd_server_reload_failed(struct ackd_server *server);

/* Waits until the server has drained or stopped, for at most @timeout_ms (negative: without end).
 * 0, or -ETIMEDOUT.  One thread at a time. */
ACKD_API int ackd_server_wait(struct ackd_server *server, int timeout_ms);

/* A descriptor that becomes readable when the server has drained or stopped, for poll().  The
 * server's own: not to be read or closed. */
ACKD_API int ackd_server_finished_fd(const struct ackd_server *server);

/* Stops the server if it runs, and frees it.  NULL is fine. */
ACKD_API void ackd_server_free(struct ackd_server *server);

enum ackd_server_state {
    ACKD_SERVER_NEW,
    ACKD_SERVER_RUNNING,
    ACKD_SERVER_DRAINING,
    ACKD_SERVER_FINISHED,
};

/* Any thread. */
ACKD_API enum ackd_server_state ackd_server_state(const struct ackd_server *server);

/* How many sockets the server listens on, and what was bound (ADDR:PORT with the real port, or
 * unix:PATH) at @index, with the dialect spoken there.  The texts live as long as the server.
 * Any thread. */
ACKD_API size_t ackd_server_listen_count(const struct ackd_server *server);
ACKD_API const char *ackd_server_listen_address(const struct ackd_server *server, size_t index);
ACKD_API const char *ackd_server_listen_dialect(const struct ackd_server *server, size_t index);

/* What was decided where the options left it open.  Any thread.  The engine is "epoll" or
 * "uring". */
ACKD_API uint32_t ackd_server_worker_count(const struct ackd_server *server);
ACKD_API uint32_t ackd_server_conns_max(const struct ackd_server *server);
ACKD_API uint64_t ackd_server_memory_max(const struct ackd_server *server);
ACKD_API const char *ackd_server_engine(const struct ackd_server *server);

/* How often the worker @index has turned: grows at least once a second while it moves, and is
 * UINT64_MAX once it has ended.  Any thread. */
ACKD_API uint64_t ackd_server_worker_turns(const struct ackd_server *server, uint32_t index);

/* Sums over all workers; a moment old while they run. */
struct ackd_server_stats {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_closed; /* for any reason: those accepted less those open */
    uint64_t submits_received;
    uint64_t submit_acks_sent;
    uint64_t acks_dropped;
};

/* Any thread. */
ACKD_API void ackd_server_stats(const struct ackd_server *server,
                                struct ackd_server_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif
