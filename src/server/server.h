/* SPDX-License-Identifier: MIT
 *
 * server - the workers of one server and what they listen on (ackd/server.h)
 *
 * Workers are made by ackd_server_new() and live until ackd_server_free(); the handler is freed in
 * between: after the last worker's thread, before the mailboxes that it completes into. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <ackd/server.h>

#include "base/address.h"
#include "server/watch.h"
#include "server/worker.h"

struct server_listen {
    struct address address; /* what was bound */
    enum dialect dialect;
    char text[ADDRESS_TEXT_SIZE];
};

struct ackd_server {
    struct worker_config config; /* as at the start; shared.config is what holds now */
    struct worker_shared shared;
    struct worker *workers; /* worker_count of them, on cache line borders */
    uint32_t worker_count;
    const char *engine_name;
    struct server_listen listens[LISTEN_COUNT_MAX];
    size_t listen_count;
    int finished_fd;

    /* Reloads of the configuration; the time is the wall clock's, in ms. */
    _Atomic uint64_t reload_count;
    _Atomic uint64_t reload_failed_count;
    _Atomic uint64_t reload_success_ms;
    _Atomic bool reload_succeeded;

    _Atomic int state; /* enum ackd_server_state */

    /* Renderings of the metrics, and how long the last one took. */
    _Atomic uint64_t scrape_count;
    _Atomic uint64_t scrape_ns;

    struct watch watch;
};

#endif
