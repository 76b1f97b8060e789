/* SPDX-License-Identifier: MIT
 *
 * worker - one thread's life: an engine, its connections, and nothing shared with other workers
 *
 *      worker_turn():  engine turn -> mailbox -> expired timers -> commands -> housekeeping
 *                      -> a slice of the search for the busiest connections, while one runs
 *
 * What other threads may touch: `command` and the wake-up (worker_command), the mailbox (post
 * only), `handoff` (handoff_give only), the counters (read only), and struct worker_shared. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <ackd/handler.h>
#include <ackd/log.h>

#include <pthread.h>

#include "base/clock.h"
#include "engine/engine_select.h"
#include "server/admission.h"
#include "server/handoff.h"
#include "server/limits.h"
#include "server/log_limit.h"
#include "server/overload.h"
#include "server/session_table.h"
#include "server/top.h"

/* What a worker is told; the same for all workers of a server.  Constant but for what a reload
 * changes: then each worker takes over a copy, at the end of a turn. */
struct worker_config {
    uint32_t frame_size_max;
    uint64_t memory_size_max; /* over all workers */
    uint32_t ack_high_size;
    uint32_t ack_low_size;
    uint32_t first_frame_timeout_ms; /* timeouts: 0 = off */
    uint32_t idle_timeout_ms;
    uint32_t frame_timeout_ms;
    uint32_t write_timeout_ms;
    uint32_t peer_timeout_ms;
    uint32_t drain_timeout_ms;
    uint32_t linger_timeout_ms;
    uint32_t window_count;
    uint32_t busy_poll_us;         /* 0 = off */
    void (*on_worker)(void *self); /* first on each worker's thread; may be NULL */
    void *on_worker_self;
    struct ackd_handler handler;
    struct ackd_log log;
};

/* What lines about single connections are about: each kind has its own limit. */
enum log_kind {
    LOG_REFUSED,   /* for what its peer sent */
    LOG_REJECTED,  /* at accept */
    LOG_TIMED_OUT, /* and what else its peer did not do */
    LOG_OVERLOAD,
    LOG_KIND_COUNT,
};

/* What the workers of a server share.  None of it is touched per message. */
struct worker_shared {
    struct worker *workers; /* worker_count of them; 0: this one knows no others */
    uint32_t worker_count;
    struct admission admission;
    _Atomic uint64_t memory_size; /* what connections hold, as far as workers have said */
    struct log_limit log_limits[LOG_KIND_COUNT];
    _Atomic uint32_t running_count;     /* workers that have not finished */
    void (*on_finished)(void *context); /* called by the last worker that finishes */
    void *context;
    pthread_mutex_t config_lock;
    struct worker_config config; /* what holds from now on, under the lock */
};

/* Ascending: a command is never taken back. */
enum worker_command {
    WORKER_RUN,
    WORKER_DRAIN, /* answer what has arrived, then finish */
    WORKER_STOP,  /* finish at once */
};

struct worker_listener {
    struct engine_listener engine;
    enum dialect dialect;
    const char *file;      /* of a unix socket, while this worker is to remove it; else NULL */
    counter queue_waiting; /* connections that wait to be accepted, as of the last housekeeping */
    counter queue_limit;
};

struct worker {
    struct counters counters; /* first: it begins a cache line */

    const struct worker_config *config;
    struct worker_shared *shared;
    struct engine *engine;
    struct buffer_pool pool;
    struct session_table table;
    struct mailbox mailbox;
    struct handoff handoff;
    struct worker_listener listeners[LISTEN_COUNT_MAX];
    uint32_t listener_count;
    uint32_t index;

    uint64_t turn_end_ns; /* of the latest turn; between turns the worker waits */
    uint64_t timed_count; /* acks whose duration is counted already */

    struct overload overload;
    struct top_scan top; /* the search for the busiest connections */
    struct wheel wheel;
    struct worker_config taken; /* a copy of what a reload changed, to which `config` then points */

    uint32_t grace_count;     /* turns for which no timer goes off: it was late, and catches up */
    uint32_t housekeeping_ms; /* when it was last done */
    uint32_t accept_pause_ms; /* 0: accepting */
    uint32_t accept_again_ms;
    uint32_t drain_since_ms;
    enum worker_command obeyed;
    _Atomic int command;
    _Atomic clockid_t cpu_clock; /* of the thread while it runs, else 0 */
    pthread_t thread;
    _Atomic bool reloads;      /* shared->config has changed */
    _Atomic bool ended;        /* the thread turns no more */
    bool peer_timeout_changed; /* by a reload: who connected before has the one of before */
    bool memory_paused;        /* some sessions may wait for deferred memory */
    bool finished;
    bool started;
};

/* Makes a worker that has no listener and no thread yet.  @config and @shared outlive it. */
int worker_init(struct worker *worker, uint32_t index, engine_new_function *engine_new,
                const struct worker_config *config, struct worker_shared *shared,
                struct ackd_error *error);

/* Frees what a worker holds; its thread is not running, and no handler holds a batch of it. */
void worker_deinit(struct worker *worker);

/* Gives the worker the listening socket @fd, which it closes.  @file (may be NULL; outlives the
 * worker) is removed before that.  Before the worker starts. */
void worker_listen(struct worker *worker, int fd, bool shared, enum dialect dialect,
                   const char *file);

/* Starts the worker's thread.  0 or a negative errno. */
int worker_start(struct worker *worker, struct ackd_error *error);

/* Waits for the thread to end, if it was started. */
void worker_join(struct worker *worker);

/* The CPU time that the worker's thread has used, the kernel's work for it included: with io_uring
 * most of that is done while the thread waits.  A system call; the worker does nothing for it.
 * Any thread. */
uint64_t worker_cpu_ns(const struct worker *worker);

/* Tells the worker to drain or to stop.  Any thread. */
void worker_command(struct worker *worker, enum worker_command command);

/* Tells the worker to take over shared->config, but for the handler.  Any thread. */
void worker_reload(struct worker *worker);

/* The time at which this turn began. */
static inline uint32_t worker_now_ms(const struct worker *worker)
{
    return worker->engine->turn_ms;
}

static inline uint32_t worker_now_s(const struct worker *worker)
{
    return (uint32_t)(worker->engine->turn_ns / NS_PER_S);
}

/* Counts that @count acks were sent @duration_ns after their requests could be read.  Those of a
 * turn that nobody says this of were sent by its end. */
void worker_time_acks(struct worker *worker, uint64_t duration_ns, uint32_t count);

/* One turn.  For the thread, and for tests that are the thread. */
void worker_turn(struct worker *worker);

/* Starts accepting on all listeners; what worker_start()'s thread does first. */
void worker_begin(struct worker *worker);

/* Logs a line about one connection: freely at level debug, else CONN_LOG_COUNT_MAX a second of each
 * kind. */
void worker_log_conn(struct worker *worker, enum log_kind kind, enum ackd_log_level level,
                     const char *event, const struct session *session);

/* The same, for bytes that its peer sent: they are in the line, with what they look like. */
void worker_log_bytes(struct worker *worker, enum log_kind kind, const char *event,
                      const struct session *session, struct bytes bytes);

/* A session's slot is free again; @peer was its address. */
void worker_conn_gone(struct worker *worker, peer_index peer);

/* Accepts no more, for as long as overload lasts. */
void worker_pause_accept_for_overload(struct worker *worker);

#endif
