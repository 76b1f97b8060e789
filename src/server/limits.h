/* SPDX-License-Identifier: MIT
 *
 * limits - every bound of the server that is not an option, and the defaults of those that are
 *
 * docs/OPERATIONS.md explains them to operators. */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

enum {
    WORKER_COUNT_MAX = 256,
    LISTEN_COUNT_MAX = 16,

    CONN_COUNT_LIMIT = 1024 * 1024,
    TIMEOUT_MS_MAX = 7 * 24 * 3600 * 1000,

    /* Descriptors that connections leave to files, listeners and the admin server. */
    FD_RESERVE_COUNT = 64,

    /* Acks queued for a peer: at HIGH it is not read, at LOW it is read again.  What can be queued
     * in all is HIGH and the acks to one receive (ENGINE_RECV_SIZE). */
    ACK_HIGH_SIZE_DEFAULT = 64 * 1024,
    ACK_LOW_SIZE_DEFAULT = 16 * 1024,
    ACK_HIGH_SIZE_MAX = 1024 * 1024 * 1024,

    /* Addresses that limits per address know at the same time: 2.1 MiB, if there are any.  More
     * are let in without that limit, and counted. */
    PEER_COUNT_MAX = 65535,
    CONN_RATE_MAX = 1000 * 1000,

    /* Memory: in percent of its limit, where a stage of shedding begins; it ends where the stage
     * before begins, the first at CALM. */
    MEMORY_CALM_PERCENT = 80,
    MEMORY_ACCEPT_PERCENT = 85, /* accept no more */
    MEMORY_PAUSE_PERCENT = 92,  /* do not read those that hold most */
    MEMORY_CLOSE_PERCENT = 97,  /* close them */
    MEMORY_AUTO_PERCENT = 80,   /* of the machine's or cgroup's memory, for automatic */
    MEMORY_SIZE_MIN = 1024 * 1024,

    /* Of a worker's memory, what it keeps to itself before it tells the others. */
    MEMORY_STEP_SIZE = 64 * 1024,

    /* Shedding: how often it looks for those that hold most, how many it closes at once, whom it
     * leaves alone, and how long pausing may be in vain. */
    SHED_INTERVAL_MS = 100,
    SHED_URGENT_MS = 10, /* where it is time to close some */
    SHED_COUNT_MAX = 16,
    SHED_SIZE_MIN = 4 * 1024,
    SHED_PATIENCE_MS = 1000,

    /* Memory that deferred requests may hold: of one connection, and of all of a worker.  Beyond
     * it connections are not read; a single receive may go past it. */
    DEFERRED_CONN_SIZE_MAX = 1024 * 1024,
    DEFERRED_WORKER_SIZE_MAX = 64 * 1024 * 1024,

    /* What is read of a closing connection to find its FIN: more than the socket buffers of both
     * ends hold.  A peer that sends on is left to the linger timeout. */
    DISCARD_SIZE_MAX = 16 * 1024 * 1024,

    /* How often one that lingers for its last acks looks whether they have arrived. */
    LINGER_STEP_MS = 100,

    /* The pause after running out of descriptors or memory at accept; doubles up to the last. */
    ACCEPT_PAUSE_MS_MIN = 10,
    ACCEPT_PAUSE_MS_MAX = 1000,

    /* The busiest connections: how many a worker names, and through how many it looks in one turn.
     * What it remembers for that is freed when nobody has asked for so long. */
    TOP_COUNT_MAX = 50,
    TOP_SLICE_COUNT = 2048,
    TOP_MEMORY_MS = 10 * 1000,

    /* A turn that ends so much later than it should: the process did not run.  What came meanwhile
     * is taken before timers go off: a turn for each so many connections, and two more. */
    STALL_MS = 500,
    GRACE_CONN_COUNT = 16,

    /* How often a worker looks after things that nobody waits for. */
    HOUSEKEEPING_MS = 1000,

    /* Lines of one kind about single connections in a second, over all workers, above level debug.
     */
    CONN_LOG_COUNT_MAX = 10,

    FRAME_SIZE_DEFAULT = 64 * 1024,
    FIRST_FRAME_TIMEOUT_MS_DEFAULT = 30 * 1000,
    IDLE_TIMEOUT_MS_DEFAULT = 300 * 1000,
    FRAME_TIMEOUT_MS_DEFAULT = 10 * 1000,
    WRITE_TIMEOUT_MS_DEFAULT = 10 * 1000,
    PEER_TIMEOUT_MS_DEFAULT = 30 * 1000,
    DRAIN_TIMEOUT_MS_DEFAULT = 30 * 1000,
    LINGER_TIMEOUT_MS_DEFAULT = 2 * 1000,
    WINDOW_COUNT_DEFAULT = 4096,
};

#endif
