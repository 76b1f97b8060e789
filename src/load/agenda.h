/* SPDX-License-Identifier: MIT
 *
 * agenda - which connection of a thread has the next message that is due
 *
 * With constant arrival the connections take turns; with Poisson arrival they stand in a heap,
 * ordered by the time of their next message.  One thread. */
#ifndef LOAD_AGENDA_H
#define LOAD_AGENDA_H

#include "load/conn.h"

struct agenda_entry {
    uint64_t time_ns;
    uint32_t index; /* of the connection on its thread */
};

struct agenda {
    struct conn *conns;
    struct agenda_entry *heap; /* conn_count entries; NULL with constant arrival */
    uint32_t conn_count;
    uint32_t turn; /* constant arrival: whose turn it is */
};

/* Prepares for @conns, which are borrowed and have not begun yet.  On failure (no memory) @agenda
 * can be deinited. */
int agenda_init(struct agenda *agenda, struct conn *conns, uint32_t conn_count,
                enum arrival arrival);
void agenda_deinit(struct agenda *agenda);

/* Orders the connections, all of which conn_begin() has placed. */
void agenda_begin(struct agenda *agenda);

/* The connection whose released.time_ns is the earliest. */
static inline struct conn *agenda_peek(const struct agenda *agenda)
{
    return &agenda->conns[agenda->heap ? agenda->heap[0].index : agenda->turn];
}

/* Follows conn_release() of the connection that agenda_peek() gave. */
void agenda_advance(struct agenda *agenda);

#endif
