/* SPDX-License-Identifier: MIT
 *
 * mix - bad neighbours: connections that misbehave beside those that are measured
 *
 *      slow-reader   sends without a pause and reads 1 KiB now and then
 *      idle          connects and does nothing
 *      garbage       sends bytes that are no frames, again and again
 *      dribble       sends its frames byte by byte
 *
 * They have a thread and sockets of their own; nothing of them is in ledger, latencies or rate of
 * the run.  Who is closed by the server comes back, at most MIX_RETRY_MS later. */
#ifndef LOAD_MIX_H
#define LOAD_MIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

enum mix_kind {
    MIX_SLOW_READER,
    MIX_IDLE,
    MIX_GARBAGE,
    MIX_DRIBBLE,
    MIX_KIND_COUNT,
};

enum {
    MIX_CONNECTION_COUNT_MAX = 100000,
    MIX_TICK_MS = 10,   /* how often slow readers read and dribblers write */
    MIX_RETRY_MS = 100, /* how long a neighbour stays away after it was closed */
};

/* How many of each. */
struct mix_options {
    uint32_t count[MIX_KIND_COUNT];
};

/* What those of one kind did. */
struct mix_tally {
    uint32_t connection_count; /* asked for */
    uint64_t connect_count;    /* connections that opened, also again */
    uint64_t refused_count;    /* that did not */
    uint64_t closed_count;     /* ended by the server */
    uint64_t sent_size;
    uint64_t received_size;
};

struct mix;

/* Parses "slow-reader=5%,idle=1000": a number, or a share of @connection_count, rounded up.  False,
 * and @ret_options untouched, when @text is anything else. */
bool mix_parse(const char *text, uint32_t connection_count, struct mix_options *ret_options);

/* The name of a kind, as in the option. */
const char *mix_kind_name(enum mix_kind kind);

/* True when there is no neighbour. */
bool mix_is_empty(const struct mix_options *options);

/* Starts the thread, which opens the connections.  @address is borrowed. */
int mix_start(struct mix **ret_mix, const struct mix_options *options,
              const struct address *address, struct ackd_error *error);

/* Closes the connections and ends the thread.  @ret_tallies has MIX_KIND_COUNT entries. */
void mix_stop(struct mix *mix, struct mix_tally *ret_tallies);

#endif
