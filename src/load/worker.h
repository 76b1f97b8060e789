/* SPDX-License-Identifier: MIT
 *
 * worker - one thread of the run: an epoll loop over the connections it owns
 *
 *      SENDING ──stop time──▶ DRAINING ──all settled, or too late──▶ CLOSING ──all closed──▶ end
 *
 * Connections never move between threads.  While it runs, others may read worker->tally and
 * nothing else; after worker_join() everything. */
#ifndef LOAD_WORKER_H
#define LOAD_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "load/conn.h"
#include "load/plan.h"

enum { WORKER_ALIGNMENT = 64 }; /* a cache line */

/* What is the same for all workers; read-only once they run, but for the two marked. */
struct worker_common {
    const struct plan *plan;
    struct schedule schedule; /* start_ns, and the due times of an open loop */
    bool open_loop;
    uint64_t duration_ns;
    uint64_t drain_ns;
    uint64_t window;
    enum dialect_rule dialect;
    int done_fd;                /* an eventfd: each worker adds 1 when it ends */
    pthread_barrier_t *started; /* passed by all workers and run_start() */
    _Atomic int stop;           /* written by others: enum worker_stop */
};

enum worker_stop {
    WORKER_STOP_NO,
    WORKER_STOP_DRAIN, /* stop sending, wait for the acks */
    WORKER_STOP_NOW,
};

struct worker {
    /* Aligned, so that no two workers share a cache line. */
    _Alignas(WORKER_ALIGNMENT) const struct worker_common *common;
    struct lane lane;
    struct conn *conns;
    uint32_t conn_count;
    int wake_fd; /* an eventfd; written to make the worker look at common->stop */
    int cpu;     /* to run on; -1 = any */
    pthread_t thread;
    void *memory; /* of the connections' rings */

    /* The open loop's place in the schedule: message due_sequence of connection due_index. */
    uint64_t due_sequence;
    uint32_t due_index;
    uint32_t queue_count;
    struct conn **queue; /* connections with released messages, conn_count at most */

    /* What it measured; valid once joined. */
    uint64_t measured_acked; /* acks until sending ended, and the time that took */
    uint64_t measured_ns;
    uint64_t cpu_ns;   /* this thread's CPU time meanwhile */
    uint64_t released; /* open loop: messages that were due meanwhile */

    struct tally *tally;
};

/* Makes a worker for the sockets @fds[i * @stride] (i < @count), which are connections
 * @first_index + i * @stride of the run.  On success it owns them; on failure they are the
 * caller's and the worker is deinited. */
int worker_init(struct worker *worker, const struct worker_common *common, const int *fds,
                uint32_t count, uint32_t first_index, uint32_t stride, struct ackd_error *error);

/* Frees everything; the thread must have been joined or never started. */
void worker_deinit(struct worker *worker);

int worker_start(struct worker *worker, struct ackd_error *error);
void worker_join(struct worker *worker);

/* Makes the worker look at common->stop now.  Any thread. */
void worker_wake(struct worker *worker);

#endif
