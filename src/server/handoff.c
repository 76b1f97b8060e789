/* SPDX-License-Identifier: MIT
 *
 * handoff - a worker that has its share gives a new connection to the one with the fewest
 *           (handoff.h) */
#include "server/handoff.h"

#include <stdlib.h>

#include "server/worker.h"

/* What `coming` is when the door is shut. */
static const uint32_t is_shut = UINT32_MAX;

enum { ANNOUNCE_TRY_COUNT_MAX = 64 };

struct newcomer {
    struct mail mail;
    struct arrival arrival;
};

void handoff_init(struct handoff *handoff, void (*wake)(void *waker), void *waker)
{
    *handoff = (struct handoff){.mailbox = {.wake = wake, .waker = waker}};
}

/* How many connections @worker will have when all have come of which *@ret_coming tells. */
static uint64_t count_conns(const struct worker *worker, uint32_t *ret_coming)
{
    *ret_coming = atomic_load_explicit(&worker->handoff.coming, memory_order_acquire);
    if (*ret_coming == is_shut)
        return UINT64_MAX;
    return counter_read(&worker->counters.connections_open) + *ret_coming;
}

/* True if one more is more than the share of @worker. */
static bool has_its_share(const struct worker *worker)
{
    const struct worker_shared *const shared = worker->shared;
    const uint64_t count = shared->worker_count;
    const uint64_t total =
        atomic_load_explicit(&shared->admission.conn_count, memory_order_relaxed);
    uint32_t coming;

    return count > 1 && count_conns(worker, &coming) >=
                            (total + count - 1) / count + total / count / HANDOFF_SLACK_PART;
}

static struct worker *find_emptiest(const struct worker_shared *shared, uint32_t *ret_coming)
{
    struct worker *emptiest = shared->workers;
    uint64_t fewest = count_conns(emptiest, ret_coming);

    for (uint32_t i = 1; i < shared->worker_count; i++) {
        uint32_t coming;
        const uint64_t conns = count_conns(&shared->workers[i], &coming);

        if (conns < fewest) {
            emptiest = &shared->workers[i];
            fewest = conns;
            *ret_coming = coming;
        }
    }
    return emptiest;
}

/* Announces one more to the worker with the fewest; NULL when that is @worker itself. */
static struct worker *announce(const struct worker *worker)
{
    for (int i = 0; i < ANNOUNCE_TRY_COUNT_MAX; i++) {
        uint32_t coming;
        struct worker *const to = find_emptiest(worker->shared, &coming);

        if (to == worker || coming == is_shut)
            return NULL;
        if (atomic_compare_exchange_strong(&to->handoff.coming, &coming, coming + 1))
            return to;
    }
    return NULL;
}

bool handoff_give(struct worker *worker, const struct arrival *arrival)
{
    if (!has_its_share(worker))
        return false;

    struct newcomer *const newcomer = malloc(sizeof *newcomer);
    struct worker *const to = newcomer ? announce(worker) : NULL;
    if (!to) {
        free(newcomer);
        return false;
    }
    *newcomer = (struct newcomer){.arrival = *arrival};
    mailbox_post(&to->handoff.mailbox, &newcomer->mail);
    counter_add(&worker->counters.connections_handed, 1);
    return true;
}

void handoff_take(struct worker *worker, handoff_open *open)
{
    struct mail *mail = mailbox_take_all(&worker->handoff.mailbox);

    while (mail) {
        struct newcomer *const newcomer = (struct newcomer *)(void *)mail;

        mail = mail->next;
        open(worker, &newcomer->arrival);
        atomic_fetch_sub(&worker->handoff.coming, 1);
        free(newcomer);
    }
}

bool handoff_shut(struct worker *worker)
{
    uint32_t coming = 0;

    return atomic_compare_exchange_strong(&worker->handoff.coming, &coming, is_shut) ||
           coming == is_shut;
}
