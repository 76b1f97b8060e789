/* SPDX-License-Identifier: MIT
 *
 * top - the busiest connections of one worker (top.h) */
#include "server/top.h"

#include <stdlib.h>

#include "base/clock.h"

void top_begin(struct top_scan *scan, struct top *question, uint64_t now_ns)
{
    assert(!scan->question && atomic_load(&question->state) == TOP_ASKED);
    scan->question = question;
    scan->slot = 0;
    scan->begin_ns = now_ns;
    for (int i = 0; i < TOP_ORDER_COUNT; i++)
        question->lists[i].count = scan->pick_count[i] = 0;
}

/* Makes room to remember @slot_count slots; without memory, less is remembered. */
static void grow(struct top_scan *scan, uint32_t slot_count)
{
    if (slot_count <= scan->before_count)
        return;
    uint32_t *const before = realloc(scan->before, slot_count * sizeof *before);
    if (!before)
        return;
    memset(before + scan->before_count, 0, (slot_count - scan->before_count) * sizeof *before);
    scan->before = before;
    scan->before_count = slot_count;
}

/* SUBMITs per second of @session, and remembers where it stands.  One that was accepted since the
 * last scan, and all in a first scan, have their average. */
static double rate_of(struct top_scan *scan, const struct session *session)
{
    const bool known = scan->before_ns > 0 && session->slot < scan->before_count &&
                       session->accepted_s < scan->before_ns / NS_PER_S;
    const uint64_t begin_ns = known ? scan->before_ns : session->accepted_s * NS_PER_S;
    const uint64_t count = known ? (uint32_t)session->submit_count - scan->before[session->slot]
                                 : session->submit_count;

    if (session->slot < scan->before_count)
        scan->before[session->slot] = (uint32_t)session->submit_count;
    if (scan->begin_ns <= begin_ns)
        return 0;
    const double seconds = (double)(scan->begin_ns - begin_ns) / (double)NS_PER_S;
    return (double)count / (known || seconds > 1 ? seconds : 1);
}

/* Puts @pick into its place among those of @order, and the last one out when there are enough. */
static void insert(struct top_scan *scan, enum top_order order, const struct top_pick *pick)
{
    struct top_pick *const picks = scan->picks[order];
    uint32_t at = scan->pick_count[order];

    if (at < TOP_COUNT_MAX)
        scan->pick_count[order]++;
    else if (pick->key <= picks[--at].key)
        return;
    for (; at > 0 && picks[at - 1].key < pick->key; at--)
        picks[at] = picks[at - 1];
    picks[at] = *pick;
}

static void look_at(struct top_scan *scan, const struct session *session)
{
    struct top_pick pick = {
        .rate = rate_of(scan, session), .slot = session->slot, .generation = session->generation};

    pick.key = pick.rate;
    insert(scan, TOP_BY_RATE, &pick);
    pick.key = session->queued_size;
    insert(scan, TOP_BY_QUEUED, &pick);
}

static void describe(const struct top_scan *scan, const struct session *session, double rate,
                     struct top_entry *ret_entry)
{
    const uint32_t now_s = (uint32_t)(scan->begin_ns / NS_PER_S);
    socklen_t size = sizeof ret_entry->peer.storage;

    *ret_entry = (struct top_entry){
        .rate = rate,
        .submit_count = session->submit_count,
        .slot = session->slot,
        .generation = session->generation,
        .queued_size = session->queued_size,
        .unanswered_count = session->unanswered_count,
        .age_s = now_s > session->accepted_s ? now_s - session->accepted_s : 0,
        .state = session->state,
        .pause = session->pause,
    };
    if (session->socket.fd >= 0 &&
        getpeername(session->socket.fd, (struct sockaddr *)&ret_entry->peer.storage, &size) == 0)
        ret_entry->peer.size = size;
}

/* Writes down those that were picked and are still there: who is on the other end is a system call
 * each, so only the few that are in the list are asked. */
static void fill(const struct top_scan *scan, const struct session_table *table,
                 enum top_order order)
{
    struct top_list *const list = &scan->question->lists[order];

    for (uint32_t i = 0; i < scan->pick_count[order]; i++) {
        const struct top_pick *const pick = &scan->picks[order][i];
        const struct session *const session =
            session_table_find(table, pick->slot, pick->generation);

        if (session)
            describe(scan, session, pick->rate, &list->entries[list->count++]);
    }
}

static void answer(struct top_scan *scan)
{
    struct top *const question = scan->question;
    sem_t *const answered = question->answered;

    scan->question = NULL;
    scan->before_ns = scan->begin_ns;
    atomic_store_explicit(&question->state, TOP_FILLED, memory_order_release);
    sem_post(answered);
}

void top_scan(struct top_scan *scan, const struct session_table *table)
{
    const uint32_t slot_count = session_table_slot_count(table);
    const uint32_t left = slot_count - scan->slot;
    const uint32_t end = left > TOP_SLICE_COUNT ? scan->slot + TOP_SLICE_COUNT : slot_count;

    if (!scan->question)
        return;
    if (scan->slot == 0)
        grow(scan, slot_count);
    for (; scan->slot < end; scan->slot++) {
        const struct session *const session = session_table_peek(table, scan->slot);
        if (session)
            look_at(scan, session);
    }
    if (end < slot_count)
        return;
    for (int i = 0; i < TOP_ORDER_COUNT; i++)
        fill(scan, table, (enum top_order)i);
    answer(scan);
}

static void forget(struct top_scan *scan)
{
    free(scan->before);
    scan->before = NULL;
    scan->before_count = 0;
    scan->before_ns = 0;
}

void top_forget(struct top_scan *scan, uint64_t now_ns)
{
    if (scan->before_ns > 0 && now_ns - scan->before_ns > TOP_MEMORY_MS * NS_PER_MS)
        forget(scan);
}

void top_deinit(struct top_scan *scan)
{
    if (scan->question)
        answer(scan);
    forget(scan);
}
