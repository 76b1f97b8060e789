/* SPDX-License-Identifier: MIT
 *
 * view - what ackd-top shows, computed from one answer of /api/live
 *
 * The server sends counters as they stand at two times (docs/LIVEPAGE.md); the rates between the
 * two are made here. */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    VIEW_SCHEMA = 1, /* what is understood */

    VIEW_WORKER_COUNT_MAX = 32,
    VIEW_CONN_COUNT_MAX = 50,
    VIEW_WORD_SIZE = 32,
    VIEW_PEER_SIZE = 128,
};

struct view_worker {
    double cpu_cores; /* 0 to 1 */
    double submit_rate;
    uint64_t connections;
};

struct view_conn {
    char peer[VIEW_PEER_SIZE];
    char state[VIEW_WORD_SIZE]; /* or why it is not read */
    uint32_t worker;
    uint32_t age_s;
    double submit_rate;
    uint64_t in;
    uint64_t out;
    uint64_t queued_bytes;
    uint64_t unanswered;
};

struct view {
    char version[VIEW_WORD_SIZE];
    char state[VIEW_WORD_SIZE];
    int64_t pid;
    int64_t started_ms; /* with pid: which run of the server */
    double uptime_s;

    /* Of the last second; all 0 in the first. */
    double submit_rate;
    double ack_rate;
    double error_rate;
    double close_rate;
    double in_rate; /* bytes */
    double out_rate;
    double cpu_cores;
    double p50_s; /* negative: nothing was acked */
    double p99_s;

    uint64_t submits;
    uint64_t acks;
    uint64_t connected;
    uint64_t accepted;
    uint64_t resident_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
    uint64_t queued_bytes;

    uint32_t worker_count; /* of the server; no more than VIEW_WORKER_COUNT_MAX are here */
    uint32_t late_count;   /* workers that did not list their connections in time */
    uint32_t conn_count;
    struct view_worker workers[VIEW_WORKER_COUNT_MAX];
    struct view_conn conns[VIEW_CONN_COUNT_MAX];
};

/* Reads an answer of /api/live.  0, or -EINVAL when it is none. */
int view_parse(const char *text, size_t size, struct view *ret_view, struct ackd_error *error);

/* @view as JSON with an end of line; to be freed.  NULL when memory ran out. */
char *view_json(const struct view *view);

#endif
