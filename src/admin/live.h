/* SPDX-License-Identifier: MIT
 *
 * live - what the live page shows, as JSON: the history, the connections, and what the server is
 *
 * The format is docs/LIVEPAGE.md's; LIVE_SCHEMA steps when a reader of the old one would misread
 * the new one.  One thread: the admin server's, but for live_set_facts(). */
#ifndef ADMIN_LIVE_H
#define ADMIN_LIVE_H

#include <ackd/admin.h>
#include <ackd/watch.h>
#include <stdbool.h>

#include "admin/history.h"

enum {
    LIVE_SCHEMA = 1,

    /* How long a question for connections waits for the workers, and how old an answer may be that
     * is given again. */
    LIVE_WAIT_MS = 50,
    LIVE_CONNS_AGE_MS = 900,
};

struct live;

/* What a reader wants. */
struct live_question {
    enum history_range range;
    uint64_t since_ms; /* only samples that are newer */
    bool conns;        /* connections too */
    enum ackd_conns_order order;
};

/* Begins to watch @server.  NULL when memory ran out. */
struct live *live_new(struct ackd_server *server, const struct ackd_admin_options *options);

void live_free(struct live *live);

/* Says these facts from now on.  0; or -ENOMEM, and those before stay.  Any thread. */
int live_set_facts(struct live *live, const struct ackd_admin_fact *facts, size_t fact_count);

/* Takes a sample; to be called once a second. */
void live_tick(struct live *live);

/* Reads the query part of a URL, such as "range=1h&since=17&conns=rate" (NULL: none given).  False
 * if it is not legal. */
bool live_parse(const char *query, struct live_question *ret_question);

/* The answer, to be freed; NULL when memory ran out. */
char *live_json(struct live *live, const struct live_question *question, size_t *ret_size);

#endif
