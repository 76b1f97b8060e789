/* SPDX-License-Identifier: MIT
 *
 * nullserver - a server that answers every SUBMIT at once and does nothing else
 *
 * What a client can reach against it, it can reach: the server is as cheap as one that answers can
 * be. It is a process of its own, with one thread, so that its CPU time is not the client's; it
 * ends with its parent at the latest. */
#ifndef LOAD_NULLSERVER_H
#define LOAD_NULLSERVER_H

#include <sys/types.h>

#include "base/address.h"

struct nullserver {
    struct address address; /* on 127.0.0.1 */
    pid_t pid;
};

/* Forks a null server, to run on CPU @cpu (-1 = any).  The process must have no other thread yet.
 */
int nullserver_start(struct nullserver *server, int cpu, struct ackd_error *error);

/* Ends it. */
void nullserver_stop(struct nullserver *server);

#endif
