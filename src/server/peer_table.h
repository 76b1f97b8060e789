/* SPDX-License-Identifier: MIT
 *
 * peer_table - how many connections each address has, and how fast they come
 *
 * An address is an IPv4 address or an IPv6 /64: what one peer has at least.  The table is bounded
 * by PEER_COUNT_MAX, and everything takes the same short time however full it is.  An address
 * without connections stays, for its rate, until its room is needed: the one that has been without
 * them for longest goes first.  Where all have connections, a new one is not tracked.
 *
 * One thread at a time: admission.c has a lock around it. */
#ifndef SERVER_PEER_TABLE_H
#define SERVER_PEER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "server/rate.h"

enum { PEER_NONE = 0 };

/* By number, to be small: 0 is none. */
typedef uint16_t peer_index;

struct peer_entry {
    uint64_t address; /* all of an IPv4 address, the first half of an IPv6 one */
    struct rate rate;
    uint32_t conn_count;
    peer_index chain; /* the next one of the same hash */
    peer_index older; /* among those without connections */
    peer_index newer;
    bool is_ipv6;
};

struct peer_table {
    struct peer_entry *peers; /* PEER_COUNT_MAX + 1, the first of them unused */
    peer_index *buckets;      /* PEER_BUCKET_COUNT chains */
    uint64_t seed;            /* of the hash, so that nobody can choose addresses that collide */
    uint32_t peer_count;
    peer_index oldest; /* without connections */
    peer_index newest;
};

/* Makes an empty table.  0 or -ENOMEM. */
int peer_table_init(struct peer_table *table);

/* Frees what the table holds; a table of zeros is fine. */
void peer_table_deinit(struct peer_table *table);

/* The entry of @address, which is made if there is none.  PEER_NONE where the table is full, and
 * for addresses that are no IP addresses.  It is valid until the next call, unless connections are
 * entered. */
peer_index peer_table_find(struct peer_table *table, const struct address *address);

/* Counts one connection more, or less, of entry @index. */
void peer_table_enter(struct peer_table *table, peer_index index);
void peer_table_leave(struct peer_table *table, peer_index index);

#endif
