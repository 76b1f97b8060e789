/* SPDX-License-Identifier: MIT
 *
 * books - what must balance between any two turns of a worker
 *
 *      SUBMITs received = acks sent + dropped + waiting to be sent + waiting for the handler
 *      buffers out      = stashes + sends in flight + queued acks + acks of deferred batches
 *      accepted         = open + closed, over all reasons
 *
 * and over all workers:
 *      what the network has = open + on their way from one worker to another = what conns_max
 *                             counts
 *      coming               = mail of the worker to which they are on their way
 *      memory of all        = what each of them has told */
#include "world.h"

/* Sums over the sessions of a worker, and over the batches that wait elsewhere. */
struct sums {
    uint64_t sessions;
    uint64_t buffers;
    uint64_t queued_size;
    uint64_t unsent_submits;     /* acks in buffers */
    uint64_t unanswered_submits; /* in order queues */
    uint64_t deferred_submits;
    uint64_t deferred_size;
};

static void add_ring(struct sums *sums, const struct ack_queue *queue, uint64_t *queued_size)
{
    const struct buffer *buffer = queue->newest;

    if (!buffer)
        return;
    do {
        buffer = buffer->next;
        sums->buffers++;
        sums->unsent_submits += buffer->tag;
        *queued_size += buffer->end;
    } while (buffer != queue->newest);
}

static void add_deferred(struct sums *sums, const struct ackd_batch *batch)
{
    sums->buffers++;
    sums->deferred_submits += batch->submit_count;
    sums->deferred_size += batch->charged_size;
}

/* The batches of one session; those that are not complete are counted where they are held. */
static void add_order(const struct world *world, struct sums *sums, const struct session *session)
{
    const struct ackd_batch *batch = session->order.newest;
    uint64_t submits = 0;
    uint64_t size = 0;

    if (batch) {
        do {
            batch = batch->next;
            submits += batch->submit_count;
            size += batch->charged_size;
            if (batch->complete)
                add_deferred(sums, batch);
        } while (batch != session->order.newest);
        if (batch->next->complete)
            world_fail(world, "slot %u: an answer that is complete and first in its order waits",
                       session->slot);
    }
    sums->unanswered_submits += submits;
    if (submits != session->unanswered_count || size != session->deferred_size)
        world_fail(world, "slot %u: %u unanswered, %u bytes of them; it has %llu and %llu",
                   session->slot, session->unanswered_count, session->deferred_size,
                   (unsigned long long)submits, (unsigned long long)size);
}

static void add_session(const struct world *world, struct sums *sums, const struct session *session)
{
    uint64_t queued_size = 0;

    sums->sessions++;
    if (session->stash)
        sums->buffers++;
    if (session->socket.sending) {
        sums->buffers++;
        if (session->state != SESSION_CLOSING) { /* then they are counted as dropped already */
            sums->unsent_submits += session->socket.sending->tag;
            queued_size += session->socket.sending->end;
        }
    } else if (session->acks.newest) {
        world_fail(world, "slot %u: acks are queued, and none is being sent", session->slot);
    }
    add_ring(sums, &session->acks, &queued_size);
    if (session->queued_size != queued_size)
        world_fail(world, "slot %u: queued_size is %u; its buffers hold %llu", session->slot,
                   session->queued_size, (unsigned long long)queued_size);
    if (session->state == SESSION_CLOSING) {
        if (session->stash || session->acks.newest || session->order.newest)
            world_fail(world, "slot %u: closing, and still holds something", session->slot);
    } else {
        add_order(world, sums, session);
    }
    sums->queued_size += queued_size;
}

static const struct worker *worker_of(const struct ackd_batch *batch)
{
    return (const struct worker *)(const void *)((const char *)batch->mailbox -
                                                 offsetof(struct worker, mailbox));
}

static void add_batches(const struct world *world, struct sums *sums, const struct worker *worker)
{
    const struct mail *mail = atomic_load(&worker->mailbox.newest);

    for (; mail; mail = mail->next)
        add_deferred(sums, (const struct ackd_batch *)(const void *)mail);
    for (uint32_t i = 0; i < world->held_count; i++) {
        if (worker_of(world->held[i].batch) == worker)
            add_deferred(sums, world->held[i].batch);
    }
}

static void check_equal(const struct world *world, const char *what, uint64_t counted, uint64_t is)
{
    if (counted != is)
        world_fail(world, "%s: %llu are counted, %llu are there", what, (unsigned long long)counted,
                   (unsigned long long)is);
}

static void check_pool(const struct world *world, const struct buffer_pool *pool)
{
    size_t kept_size = 0;

    for (int i = 0; i < BUFFER_CLASS_COUNT; i++) {
        for (const struct buffer *buffer = pool->free[i]; buffer; buffer = buffer->next)
            kept_size += buffer->capacity;
    }
    check_equal(world, "bytes of unused buffers", pool->kept_size, kept_size);
}

/* Each session that has a deadline has a timer that goes off by then. */
static void check_wheel(const struct world *world, const struct worker *worker)
{
    uint32_t armed_count = 0;

    for (int i = 0; i < WHEEL_SLOT_COUNT && worker->wheel.armed_count > 0; i++) {
        for (const struct wheel_entry *entry = worker->wheel.slots[i]; entry; entry = entry->next)
            armed_count++;
    }
    check_equal(world, "armed timers", worker->wheel.armed_count, armed_count);
}

static uint32_t count_mail(const struct mailbox *mailbox)
{
    uint32_t count = 0;

    for (const struct mail *mail = atomic_load(&mailbox->newest); mail; mail = mail->next)
        count++;
    return count;
}

/* Connections: in workers, on their way between them, and in the network. */
static void check_conns(const struct world *world)
{
    const struct ackd_server *const server = world->server;
    uint64_t conns = 0;
    uint64_t told_size = 0;

    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct worker *const worker = &server->workers[i];
        const uint32_t mail_count = count_mail(&worker->handoff.mailbox);

        check_equal(world, "connections on their way, or a door that is shut",
                    worker->handoff.coming, worker->finished ? UINT32_MAX : mail_count);
        check_equal(world, "connections on their way to who has finished", 0,
                    worker->finished ? mail_count : 0);
        conns += worker->table.open_count + mail_count;
        told_size += worker->overload.published_size;
    }
    check_equal(world, "bytes of memory that workers have told", server->shared.memory_size,
                told_size);
    check_equal(world, "connections", server->shared.admission.conn_count, conns);
    check_equal(world, "connections of the network", (uint64_t)sim_open_count(world->network),
                conns);
}

void books_check(const struct world *world, const struct worker *worker)
{
    const struct counters *const counters = &worker->counters;
    const bool is_thorough = world->turn_count % 16 == 0;
    struct sums sums = {0};
    struct session *session;
    uint32_t slot = 0;
    uint64_t closed = 0;

    /* A table has many slots: sessions beyond those that it counts are looked for now and then. */
    while ((is_thorough || sums.sessions < worker->table.open_count) &&
           (session = session_table_next(&worker->table, &slot)))
        add_session(world, &sums, session);
    add_batches(world, &sums, worker);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        closed += counter_read(&counters->closed[i]);

    check_equal(world, "SUBMITs received", counter_read(&counters->submits_received),
                counter_read(&counters->submit_acks_sent) + counter_read(&counters->acks_dropped) +
                    sums.unsent_submits + sums.unanswered_submits);
    check_equal(world, "buffers out", worker->pool.out_count, sums.buffers);
    check_equal(world, "ack bytes not sent", counter_read(&counters->write_queue_bytes),
                sums.queued_size);
    check_equal(world, "deferred requests", counter_read(&counters->deferred_requests),
                sums.deferred_submits);
    check_equal(world, "deferred bytes", counter_read(&counters->deferred_bytes),
                sums.deferred_size + world->ballast_size);
    check_equal(world, "open connections", counter_read(&counters->connections_open),
                sums.sessions);
    check_equal(world, "open sessions", worker->table.open_count, sums.sessions);
    check_equal(world, "accepted connections", counter_read(&counters->connections_accepted),
                sums.sessions + closed);
    check_conns(world);
    if (is_thorough) {
        check_pool(world, &worker->pool);
        check_wheel(world, worker);
    }
}
