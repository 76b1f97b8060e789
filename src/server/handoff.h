/* SPDX-License-Identifier: MIT
 *
 * handoff - a worker that has its share gives a new connection to the one with the fewest
 *
 *      accepted by A --> A has its share --> announced to B --> mail --> B opens it as its own
 *
 * The kernel spreads TCP connections by a hash, and those of unix sockets by who wakes first; with
 * either a worker may get twice the mean.  A worker's share is the mean, rounded up, and an eighth
 * of it: few connections even out, and of many few are given away.  That happens to a connection
 * once at most, when it is new; nothing evens out what ends unevenly but the next ones.
 *
 * `coming` counts what is on its way to a worker.  Whoever announces one more has seen how many
 * there were, so that two do not fill up the same worker; and a worker that ends shuts its door
 * only when nothing is coming.  Who finds it shut keeps the connection. */
#ifndef SERVER_HANDOFF_H
#define SERVER_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "handler/mailbox.h"
#include "server/peer_table.h"
#include "wire/packet.h"

struct worker;

enum {
    /* A worker's share is so many parts of the mean more than the mean. */
    HANDOFF_SLACK_PART = 8,
};

struct handoff {
    struct mailbox mailbox;
    _Atomic uint32_t coming;
};

/* A connection that was accepted and admitted, and that no worker has opened yet. */
struct arrival {
    int fd;
    enum dialect dialect;
    peer_index peer;
};

/* Opens @arrival. */
typedef void handoff_open(struct worker *worker, const struct arrival *arrival);

void handoff_init(struct handoff *handoff, void (*wake)(void *waker), void *waker);

/* Gives @arrival to another worker, if @worker has its share.  False: it is the caller's.  The
 * worker's thread only, as all below. */
bool handoff_give(struct worker *worker, const struct arrival *arrival);

/* Opens what has come. */
void handoff_take(struct worker *worker, handoff_open *open);

/* Shuts the door: from then on nothing comes.  False, and open, while something does. */
bool handoff_shut(struct worker *worker);

#endif
