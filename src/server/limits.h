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

    /* Acks queued for a peer: above HIGH it is not read, below LOW it is read again.  What can be
     * queued in all is HIGH and the acks to one receive (ENGINE_RECV_SIZE). */
    ACK_HIGH_SIZE = 64 * 1024,
    ACK_LOW_SIZE = 16 * 1024,

    /* Memory that deferred requests may hold: of one connection, and of all of a worker.  Beyond
     * it connections are not read; a single receive may go past it. */
    DEFERRED_CONN_SIZE_MAX = 1024 * 1024,
    DEFERRED_WORKER_SIZE_MAX = 64 * 1024 * 1024,

    /* What is read of a closing connection to find its FIN: more than the socket buffers of both
     * ends hold.  A peer that sends on is left to the linger timeout. */
    DISCARD_SIZE_MAX = 16 * 1024 * 1024,

    /* The pause after running out of descriptors or memory at accept; doubles up to the last. */
    ACCEPT_PAUSE_MS_MIN = 10,
    ACCEPT_PAUSE_MS_MAX = 1000,

    /* The busiest connections: how many a worker names, and through how many it looks in one turn.
     * What it remembers for that is freed when nobody has asked for so long. */
    TOP_COUNT_MAX = 50,
    TOP_SLICE_COUNT = 2048,
    TOP_MEMORY_MS = 10 * 1000,

    /* How often a worker looks after things that nobody waits for. */
    HOUSEKEEPING_MS = 1000,

    /* Lines about single connections that a worker logs in a second, above level debug. */
    CONN_LOG_COUNT_MAX = 10,

    FRAME_SIZE_DEFAULT = 64 * 1024,
    IDLE_TIMEOUT_MS_DEFAULT = 300 * 1000,
    FRAME_TIMEOUT_MS_DEFAULT = 10 * 1000,
    WRITE_TIMEOUT_MS_DEFAULT = 10 * 1000,
    DRAIN_TIMEOUT_MS_DEFAULT = 30 * 1000,
    LINGER_TIMEOUT_MS_DEFAULT = 2 * 1000,
    WINDOW_COUNT_DEFAULT = 4096,
};

#endif
