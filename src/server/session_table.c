/* SPDX-License-Identifier: MIT
 *
 * session_table - the sessions of one worker, by slot (session_table.h) */
#include "server/session_table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct session *session_of_timer(struct wheel_entry *entry)
{
    return (struct session *)(void *)((char *)entry - offsetof(struct session, timer));
}

static void put_free(struct session_table *table, struct session *session)
{
    session->timer.next = table->free ? &table->free->timer : NULL;
    table->free = session;
}

static bool grow(struct session_table *table)
{
    struct session **const chunks =
        realloc(table->chunks, (table->chunk_count + 1) * sizeof *table->chunks);
    if (!chunks)
        return false;
    table->chunks = chunks;

    /* Whole pages: an allocator that rounds up, or moves a large block within its page (as
     * jemalloc does), would cost each session a fifth of its size. */
    const size_t size = SESSION_CHUNK_COUNT * sizeof(struct session);
    _Static_assert(SESSION_CHUNK_COUNT * sizeof(struct session) % SESSION_CHUNK_ALIGNMENT == 0,
                   "aligned_alloc wants a multiple of its alignment");
    struct session *const chunk = aligned_alloc(SESSION_CHUNK_ALIGNMENT, size);
    if (!chunk)
        return false;
    memset(chunk, 0, size);
    chunks[table->chunk_count] = chunk;
    for (uint32_t i = SESSION_CHUNK_COUNT; i-- > 0;) {
        chunk[i].slot = table->chunk_count * SESSION_CHUNK_COUNT + i;
        put_free(table, &chunk[i]);
    }
    table->chunk_count++;
    return true;
}

void session_table_deinit(struct session_table *table)
{
    assert(table->open_count == 0);
    for (uint32_t i = 0; i < table->chunk_count; i++)
        free(table->chunks[i]);
    free(table->chunks);
    *table = (struct session_table){0};
}

struct session *session_table_take(struct session_table *table)
{
    if (!table->free && !grow(table))
        return NULL;

    struct session *const session = table->free;
    table->free = session->timer.next ? session_of_timer(session->timer.next) : NULL;
    *session = (struct session){.slot = session->slot, .generation = session->generation};
    table->open_count++;
    return session;
}

void session_table_put(struct session_table *table, struct session *session)
{
    assert(session->state != SESSION_FREE && table->open_count > 0);
    session->state = SESSION_FREE;
    session->generation++;
    table->open_count--;
    put_free(table, session);
}

static struct session *at(const struct session_table *table, uint32_t slot)
{
    return &table->chunks[slot / SESSION_CHUNK_COUNT][slot % SESSION_CHUNK_COUNT];
}

struct session *session_table_find(const struct session_table *table, uint32_t slot,
                                   uint32_t generation)
{
    if (slot / SESSION_CHUNK_COUNT >= table->chunk_count)
        return NULL;

    struct session *const session = at(table, slot);
    if (session->state == SESSION_FREE || session->generation != generation)
        return NULL;
    return session;
}

struct session *session_table_next(const struct session_table *table, uint32_t *slot)
{
    for (; *slot < table->chunk_count * SESSION_CHUNK_COUNT; (*slot)++) {
        struct session *const session = at(table, *slot);
        if (session->state != SESSION_FREE) {
            (*slot)++;
            return session;
        }
    }
    return NULL;
}
