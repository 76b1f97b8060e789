/* SPDX-License-Identifier: MIT
 *
 * common_threads - the connections of a ladder server, each with its thread
 *
 * The main thread starts, ends and joins; the http thread sums the counters. */
#ifndef LADDER_COMMON_THREADS_H
#define LADDER_COMMON_THREADS_H

#include "common.h"

/* Accepts one connection of listening socket @fd, if one waits, and starts its thread; above
 * CONNECTION_COUNT_MAX it is closed.  0, or the negative errno of an accept that failed. */
int threads_accept(int fd);

/* Ends all connections and joins their threads: what has arrived is still answered, for a while;
 * who does not take its acks loses them. */
void threads_end(void);

/* The sum of the counter at @offset over all connections there have been (counters_sum).  Any
 * thread. */
uint64_t threads_sum(const void *unused, size_t offset);

#endif
