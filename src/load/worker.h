/* SPDX-License-Identifier: MIT
 *
 * worker - one thread of the run: an epoll loop over the connections it owns
 *
 *      WARMUP ──▶ MEASURED ──stop time──▶ DRAINING ──all settled──▶ CLOSING ──all closed──▶ end
 *                                            └─ too late ─▶ OVERDUE ─────────────────────────┘
 *
 * Connections never move between threads.  While it runs, others may read worker->tally and
 * nothing else; after worker_join() everything. */
#ifndef LOAD_WORKER_H
#define LOAD_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "load/agenda.h"
#include "load/pace.h"
#include "load/plan.h"

enum { WORKER_ALIGNMENT = 64 }; /* a cache line */

/* What is the same for all workers; read-only once they run, but for the two marked. */
struct worker_common {
    const struct plan *plan;
    struct schedule schedule; /* start_ns, and the due times of an open loop */
    bool open_loop;
    enum idle_mode idle;
    uint32_t burst;
    uint64_t warmup_ns;
    uint64_t duration_ns; /* of sending, after the warm-up */
    uint64_t timeout_ns;  /* of an ack; UINT64_MAX = none */
    uint64_t stall_ns;
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

/* What a worker had done at some moment. */
struct mark {
    uint64_t time_ns;
    uint64_t sent;
    uint64_t acked;
    uint64_t in_flight;
    uint64_t service_ns; /* the sum of all service times */
    uint64_t cpu_ns;
    uint64_t useful_ns; /* spent in turns that moved bytes */
    uint64_t idle_count;
    uint64_t full_count;
    uint64_t voluntary_count; /* context switches */
    uint64_t involuntary_count;
    double flight_ns; /* the integral of the messages in flight over time */
    struct traffic traffic;
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

    struct agenda agenda; /* of an open loop */
    struct pace pace;

    uint64_t turn_ns;    /* when the present turn found something to do */
    uint64_t turn_moved; /* reads and writes until then */
    uint64_t useful_ns;

    /* What it measured; valid once joined. */
    struct mark begin; /* of the measured time */
    struct mark end;
    uint32_t live_count;     /* connections at its end */
    uint64_t released;       /* open loop: messages that were due since the start */
    uint64_t offered;        /* of these, not of the warm-up */
    uint64_t achieved;       /* of the offered: written before sending ended */
    uint64_t blocked_unsent; /* of the others: kept back by window or socket */

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
