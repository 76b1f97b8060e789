/* SPDX-License-Identifier: MIT
 *
 * session_table - the sessions of one worker, by slot (session_table.h) */
#include "server/session_table.h"

#include <stddef.h>
#include <stdlib.h>

struct session *session_of_timer(struct wheel_entry *entry)
{
    return (struct session *)(void *)((char *)entry - offsetof(struct session, timer));
}

static struct session *at(const struct session_table *table, uint32_t slot)
{
    return &table->chunks[slot / SESSION_CHUNK_COUNT][slot % SESSION_CHUNK_COUNT];
}

static bool grow(struct session_table *table)
{
    struct session **const chunks =
        realloc(table->chunks, (table->chunk_count + 1) * sizeof *table->chunks);
    if (!chunks)
        return false;
    table->chunks = chunks;

    /* Whole pages, so that an allocator which moves a large block within its page, as jemalloc
     * does, leaves it where it is.  Not cleared: that would be to touch it. */
    const size_t size = SESSION_CHUNK_COUNT * sizeof(struct session);
    _Static_assert(SESSION_CHUNK_COUNT * sizeof(struct session) % SESSION_CHUNK_ALIGNMENT == 0,
                   "aligned_alloc wants a multiple of its alignment");
    struct session *const chunk = aligned_alloc(SESSION_CHUNK_ALIGNMENT, size);
    if (!chunk)
        return false;
    chunks[table->chunk_count] = chunk;
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

static struct session *take_free(struct session_table *table)
{
    struct session *const session = table->free;

    table->free = session->timer.next ? session_of_timer(session->timer.next) : NULL;
    *session = (struct session){.slot = session->slot, .generation = session->generation};
    return session;
}

/* The first slot that nobody has had yet: its memory is as malloc(3) left it. */
static struct session *take_unused(struct session_table *table)
{
    if (table->used_count == table->chunk_count * SESSION_CHUNK_COUNT && !grow(table))
        return NULL;

    struct session *const session = at(table, table->used_count);
    *session = (struct session){.slot = table->used_count++};
    return session;
}

struct session *session_table_take(struct session_table *table)
{
    struct session *const session = table->free ? take_free(table) : take_unused(table);

    if (session)
        table->open_count++;
    return session;
}

void session_table_put(struct session_table *table, struct session *session)
{
    assert(session->state != SESSION_FREE && table->open_count > 0);
    session->state = SESSION_FREE;
    session->generation++;
    table->open_count--;
    session->timer.next = table->free ? &table->free->timer : NULL;
    table->free = session;
}

struct session *session_table_find(const struct session_table *table, uint32_t slot,
                                   uint32_t generation)
{
    if (slot >= table->used_count)
        return NULL;

    struct session *const session = at(table, slot);
    if (session->state == SESSION_FREE || session->generation != generation)
        return NULL;
    return session;
}

const struct session *session_table_peek(const struct session_table *table, uint32_t slot)
{
    if (slot >= table->used_count)
        return NULL;

    const struct session *const session = at(table, slot);
    return session->state == SESSION_FREE ? NULL : session;
}

struct session *session_table_next(const struct session_table *table, uint32_t *slot)
{
    for (; *slot < table->used_count; (*slot)++) {
        struct session *const session = at(table, *slot);
        if (session->state != SESSION_FREE) {
            (*slot)++;
            return session;
        }
    }
    return NULL;
}
