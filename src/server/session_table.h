/* SPDX-License-Identifier: MIT
 *
 * session_table - the sessions of one worker, by slot
 *
 * Sessions stand in chunks that are never moved or freed while the table lives, so a pointer to
 * one is always a pointer to one; a slot's generation tells whether it is still the same.  It
 * grows to the largest number that were open at the same time.  One thread. */
#ifndef SERVER_SESSION_TABLE_H
#define SERVER_SESSION_TABLE_H

#include "server/session.h"

enum {
    SESSION_CHUNK_COUNT = 512, /* sessions a chunk holds: 15 pages to the byte at 120 bytes each */
    SESSION_CHUNK_ALIGNMENT = 4096,
};

struct session_table {
    struct session **chunks;
    uint32_t chunk_count;
    uint32_t open_count;
    struct session *free; /* linked through timer.next */
};

/* Frees the table; all sessions are free. */
void session_table_deinit(struct session_table *table);

/* Takes a free slot: everything zero but slot and generation.  NULL when memory ran out. */
struct session *session_table_take(struct session_table *table);

/* Gives a slot back; its generation steps. */
void session_table_put(struct session_table *table, struct session *session);

/* The session whose timer @entry is. */
struct session *session_of_timer(struct wheel_entry *entry);

/* The session at @slot, if it is in use and still of @generation; else NULL. */
struct session *session_table_find(const struct session_table *table, uint32_t slot,
                                   uint32_t generation);

/* The session in use with the smallest slot >= *@slot, and that slot + 1; NULL when there is none
 * left.  Sessions may be put back meanwhile. */
struct session *session_table_next(const struct session_table *table, uint32_t *slot);

#endif
