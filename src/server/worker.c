/* SPDX-License-Identifier: MIT
 *
 * worker - one thread's life (worker.h) */
#include "server/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/address.h"
#include "base/thread.h"
#include "engine/listener.h"

static struct session *session_of(struct engine_socket *socket)
{
    return (struct session *)(void *)socket;
}
_Static_assert(offsetof(struct session, socket) == 0, "session_of() relies on it");

/* --- accepting --- */

static void pause_accept(struct worker *worker)
{
    const uint32_t pause_ms = worker->accept_pause_ms * 2;

    for (uint32_t i = 0; i < worker->listener_count; i++)
        engine_listen_stop(worker->engine, &worker->listeners[i].engine);
    worker->accept_pause_ms = pause_ms < ACCEPT_PAUSE_MS_MIN   ? ACCEPT_PAUSE_MS_MIN
                              : pause_ms > ACCEPT_PAUSE_MS_MAX ? ACCEPT_PAUSE_MS_MAX
                                                               : pause_ms;
    worker->accept_again_ms = worker_now_ms(worker) + worker->accept_pause_ms;
    counter_add(&worker->counters.accept_pauses, 1);
}

/* Starts accepting on all listeners, or tries again later. */
static void start_accept(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        if (engine_listen_start(worker->engine, &worker->listeners[i].engine) < 0) {
            pause_accept(worker);
            return;
        }
    }
}

static bool accept_is_paused(const struct worker *worker)
{
    return worker->listener_count > 0 && !worker->listeners[0].engine.accepting;
}

/* Takes one of the server's connections; false when there are conns_max already. */
static bool take_conn(struct worker *worker)
{
    struct worker_shared *const shared = worker->shared;

    if (atomic_fetch_add(&shared->conn_count, 1) < worker->config->conns_max)
        return true;
    atomic_fetch_sub(&shared->conn_count, 1);
    return false;
}

void worker_conn_gone(struct worker *worker)
{
    atomic_fetch_sub(&worker->shared->conn_count, 1);

    /* A descriptor has become free: who waits need not wait out the pause. */
    if (accept_is_paused(worker))
        worker->accept_again_ms = worker_now_ms(worker);
}

/* The session of the new connection @fd; NULL when memory ran out. */
static struct session *add_session(struct worker *worker, int fd)
{
    struct session *const session = session_table_take(&worker->table);

    if (!session)
        return NULL;
    session->state = SESSION_CLOSING; /* not free, until it is open */
    if (engine_add(worker->engine, &session->socket, fd) < 0) {
        session_table_put(&worker->table, session);
        return NULL;
    }
    return session;
}

static void on_accepted(void *owner, struct engine_listener *listener, int fd)
{
    struct worker *const worker = owner;
    const struct worker_listener *const from = listener->owner;

    worker->accept_pause_ms = 0;
    if (!take_conn(worker)) {
        counter_add(&worker->counters.rejected_max_conns, 1);
        close(fd);
        return;
    }

    struct session *const session = add_session(worker, fd);
    if (!session) {
        counter_add(&worker->counters.rejected_no_memory, 1);
        atomic_fetch_sub(&worker->shared->conn_count, 1);
        close(fd);
        return;
    }
    counter_add(&worker->counters.connections_accepted, 1);
    counter_add(&worker->counters.connections_open, 1);
    session_open(worker, session, from->dialect);
    worker_log_conn(worker, ACKD_LOG_DEBUG, "accepted", session);
    if (worker->obeyed == WORKER_DRAIN)
        session_drain(worker, session);
}

static void on_accept_failed(void *owner, struct engine_listener *listener, int code)
{
    struct worker *const worker = owner;
    struct counters *const counters = &worker->counters;

    (void)listener;
    switch (code) {
    case -EMFILE:
        counter_add(&counters->accept_emfile, 1);
        break;
    case -ENFILE:
        counter_add(&counters->accept_enfile, 1);
        break;
    case -ECONNABORTED:
        counter_add(&counters->accept_aborted, 1);
        return; /* that connection's own end; the next one is fine */
    default:
        counter_add(&counters->accept_other, 1);
    }
    pause_accept(worker);
}

/* --- the engine's events, handed to their sessions --- */

static void on_received(void *owner, struct engine_socket *socket, struct bytes bytes)
{
    session_received(owner, session_of(socket), bytes);
}

static void on_finished(void *owner, struct engine_socket *socket)
{
    session_finished(owner, session_of(socket));
}

static void on_broken(void *owner, struct engine_socket *socket, int code)
{
    session_broken(owner, session_of(socket), code);
}

static void on_sent(void *owner, struct engine_socket *socket, struct buffer *buffer)
{
    session_sent(owner, session_of(socket), buffer);
}

static void on_closed(void *owner, struct engine_socket *socket)
{
    session_closed(owner, session_of(socket));
}

/* Reads the sessions again that waited for deferred memory. */
static void resume_sessions(struct worker *worker)
{
    struct session *session;
    uint32_t slot = 0;

    if (!worker->memory_paused ||
        counter_read(&worker->counters.deferred_bytes) > DEFERRED_WORKER_SIZE_MAX / 2)
        return;
    worker->memory_paused = false;
    while ((session = session_table_next(&worker->table, &slot)))
        session_resume(worker, session);
}

static void on_woken(void *owner)
{
    struct worker *const worker = owner;
    struct mail *mail = mailbox_take_all(&worker->mailbox);

    while (mail) {
        struct ackd_batch *const batch = (struct ackd_batch *)(void *)mail;
        mail = mail->next;
        session_completed(
            worker, session_table_find(&worker->table, batch->slot, batch->generation), batch);
    }
    resume_sessions(worker);
}

static const struct engine_events worker_events = {
    .accepted = on_accepted,
    .accept_failed = on_accept_failed,
    .received = on_received,
    .finished = on_finished,
    .broken = on_broken,
    .sent = on_sent,
    .closed = on_closed,
    .woken = on_woken,
};

/* --- logging --- */

static void peer_text(const struct session *session, char *ret_text)
{
    struct address peer = {.size = sizeof peer.storage};

    snprintf(ret_text, ADDRESS_TEXT_SIZE, "unknown");
    if (session->socket.fd >= 0 &&
        getpeername(session->socket.fd, (struct sockaddr *)&peer.storage, &peer.size) == 0)
        address_format(&peer, ret_text);
}

void worker_log_conn(struct worker *worker, enum ackd_log_level level, const char *event,
                     const struct session *session)
{
    const struct ackd_log *const log = &worker->config->log;
    char peer[ADDRESS_TEXT_SIZE];

    if (!log->on_line || level > log->level)
        return;
    if (level < ACKD_LOG_DEBUG && worker->conn_log_count++ >= CONN_LOG_COUNT_MAX) {
        worker->conn_log_dropped++;
        return;
    }
    peer_text(session, peer);
    const struct ackd_log_field fields[] = {
        {"worker", NULL, worker->index},
        {"conn", NULL, session->slot},
        {"peer", peer, 0},
        {"reason", session->reason == CLOSE_NONE ? "" : close_reason_word(session->reason), 0},
    };
    log->on_line(log->self, level, event, fields, session->reason == CLOSE_NONE ? 3 : 4);
}

static void log_dropped_lines(struct worker *worker)
{
    const struct ackd_log *const log = &worker->config->log;

    if (worker->conn_log_dropped > 0) {
        const struct ackd_log_field fields[] = {
            {"worker", NULL, worker->index},
            {"lines", NULL, worker->conn_log_dropped},
        };
        log->on_line(log->self, ACKD_LOG_WARN, "lines about connections left out", fields, 2);
    }
    worker->conn_log_count = 0;
    worker->conn_log_dropped = 0;
}

/* --- commands --- */

/* Removes the files of unix sockets that still listen: as long as they do, nobody else can have
 * put a socket of theirs there. */
static void remove_files(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        if (worker->listeners[i].file)
            unlink(worker->listeners[i].file);
        worker->listeners[i].file = NULL;
    }
}

static void close_listeners(struct worker *worker)
{
    remove_files(worker);
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        engine_listen_stop(worker->engine, &worker->listeners[i].engine);
        close(worker->listeners[i].engine.fd);
    }
    worker->listener_count = 0;
}

/* Accepts what waits, then closes the listeners; or tries again later, when descriptors or memory
 * ran out on the way: who has connected is served. */
static void drain_listeners(struct worker *worker)
{
    worker->accept_pause_ms = 0;
    start_accept(worker);
    for (uint32_t i = 0; i < worker->listener_count; i++)
        engine_listen_drain(worker->engine, &worker->listeners[i].engine);
    if (worker->accept_pause_ms == 0)
        close_listeners(worker);
}

static void drain(struct worker *worker)
{
    struct session *session;
    uint32_t slot = 0;

    worker->drain_since_ms = worker_now_ms(worker);
    remove_files(worker); /* first: who connected by then is accepted */
    drain_listeners(worker);
    while ((session = session_table_next(&worker->table, &slot)))
        session_drain(worker, session);
}

static void abort_all(struct worker *worker, enum close_reason reason)
{
    struct session *session;
    uint32_t slot = 0;

    while ((session = session_table_next(&worker->table, &slot)))
        session_abort(worker, session, reason);
}

static void obey(struct worker *worker)
{
    const enum worker_command command =
        (enum worker_command)atomic_load_explicit(&worker->command, memory_order_acquire);

    if (command == worker->obeyed)
        return;
    worker->obeyed = command;
    if (command == WORKER_DRAIN) {
        drain(worker);
    } else if (command == WORKER_STOP) {
        close_listeners(worker);
        abort_all(worker, CLOSE_stopped);
    }
}

void worker_command(struct worker *worker, enum worker_command command)
{
    int known = atomic_load(&worker->command);

    while (known < (int)command &&
           !atomic_compare_exchange_weak(&worker->command, &known, (int)command))
        continue;
    engine_wake(worker->engine);
}

void worker_reload(struct worker *worker)
{
    atomic_store(&worker->reloads, true);
    engine_wake(worker->engine);
}

/* Takes over what a reload has changed.  Connections that would now be timed out earlier get an
 * earlier timer; those that would be later look again when theirs goes off. */
static void take_config(struct worker *worker)
{
    struct worker_shared *const shared = worker->shared;
    const uint32_t busy_poll_us = worker->config->busy_poll_us;
    struct session *session;
    uint32_t slot = 0;

    if (!atomic_load_explicit(&worker->reloads, memory_order_relaxed) ||
        !atomic_exchange(&worker->reloads, false))
        return;
    pthread_mutex_lock(&shared->config_lock);
    worker->taken = shared->config;
    pthread_mutex_unlock(&shared->config_lock);
    worker->config = &worker->taken;
    if (worker->config->busy_poll_us != busy_poll_us)
        busy_poll_init(&worker->engine->busy_poll, worker->config->busy_poll_us * NS_PER_US);
    while ((session = session_table_next(&worker->table, &slot)))
        session_resume(worker, session);
}

/* --- the turn --- */

static void sample_listeners(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        struct worker_listener *const listener = &worker->listeners[i];
        uint32_t waiting;
        uint32_t limit;

        if (listener_queue(listener->engine.fd, &waiting, &limit)) {
            counter_set(&listener->queue_waiting, waiting);
            counter_set(&listener->queue_limit, limit);
        }
    }
}

static void keep_house(struct worker *worker)
{
    const uint32_t now_ms = worker_now_ms(worker);

    if (accept_is_paused(worker) && !time_before_ms(now_ms, worker->accept_again_ms)) {
        if (worker->obeyed == WORKER_DRAIN)
            drain_listeners(worker);
        else
            start_accept(worker);
    }
    if (now_ms - worker->housekeeping_ms < HOUSEKEEPING_MS)
        return;
    worker->housekeeping_ms = now_ms;
    sample_listeners(worker);
    log_dropped_lines(worker);
}

static bool drain_has_timed_out(const struct worker *worker)
{
    return worker->obeyed == WORKER_DRAIN &&
           worker_now_ms(worker) - worker->drain_since_ms >= worker->config->drain_timeout_ms;
}

/* How long the next turn may wait. */
static uint32_t wait_ms(struct worker *worker)
{
    const uint32_t now_ms = worker_now_ms(worker);
    uint32_t wait = wheel_wait_ms(&worker->wheel, now_ms);
    const uint32_t house = worker->housekeeping_ms + HOUSEKEEPING_MS - now_ms;

    if (wait > house)
        wait = house > HOUSEKEEPING_MS ? 0 : house;
    if (accept_is_paused(worker)) {
        const uint32_t again =
            time_before_ms(now_ms, worker->accept_again_ms) ? worker->accept_again_ms - now_ms : 0;
        wait = wait > again ? again : wait;
    }
    if (worker->obeyed == WORKER_DRAIN) {
        const uint32_t end_ms = worker->drain_since_ms + worker->config->drain_timeout_ms;
        const uint32_t left = time_before_ms(now_ms, end_ms) ? end_ms - now_ms : 0;
        wait = wait > left ? left : wait;
    }
    return wait;
}

void worker_turn(struct worker *worker)
{
    struct wheel_entry *entry;

    engine_turn(worker->engine, (int64_t)(wait_ms(worker) * NS_PER_MS));
    while ((entry = wheel_take_expired(&worker->wheel, worker_now_ms(worker))))
        session_timer_expired(worker, session_of_timer(entry));
    keep_house(worker);
    take_config(worker);
    obey(worker);
    if (drain_has_timed_out(worker)) {
        close_listeners(worker);
        abort_all(worker, CLOSE_drain_timeout);
    }
    worker->finished = worker->obeyed != WORKER_RUN && worker->table.open_count == 0 &&
                       worker->listener_count == 0;
}

void worker_begin(struct worker *worker)
{
    start_accept(worker);
    sample_listeners(worker);
}

static void *run(void *context)
{
    struct worker *const worker = context;
    struct worker_shared *const shared = worker->shared;

    if (worker->config->on_worker)
        worker->config->on_worker(worker->config->on_worker_self);
    worker_begin(worker);
    while (!worker->finished)
        worker_turn(worker);
    atomic_store(&worker->ended, true);
    if (atomic_fetch_sub(&shared->running_count, 1) == 1)
        shared->on_finished(shared->context);
    return NULL;
}

/* --- making and ending --- */

static void wake_worker(void *waker)
{
    struct worker *const worker = waker;
    engine_wake(worker->engine);
}

int worker_init(struct worker *worker, uint32_t index, engine_new_function *engine_new,
                const struct worker_config *config, struct worker_shared *shared,
                struct ackd_error *error)
{
    *worker = (struct worker){.config = config, .shared = shared, .index = index};
    worker->mailbox.wake = wake_worker;
    worker->mailbox.waker = worker;

    const int status = engine_new(&worker->engine, &worker_events, worker, &worker->pool,
                                  &worker->counters, error);
    if (status < 0)
        return status;
    busy_poll_init(&worker->engine->busy_poll, config->busy_poll_us * NS_PER_US);
    wheel_init(&worker->wheel, worker_now_ms(worker));
    worker->housekeeping_ms = worker_now_ms(worker);
    return 0;
}

void worker_deinit(struct worker *worker)
{
    if (!worker->engine)
        return;
    on_woken(worker); /* batches that were completed after the last turn */
    close_listeners(worker);
    engine_free(worker->engine);
    session_table_deinit(&worker->table);
    buffer_pool_deinit(&worker->pool);
    worker->engine = NULL;
}

void worker_listen(struct worker *worker, int fd, bool shared, enum dialect dialect,
                   const char *file)
{
    assert(worker->listener_count < LISTEN_COUNT_MAX);

    struct worker_listener *const listener = &worker->listeners[worker->listener_count++];
    *listener = (struct worker_listener){.dialect = dialect, .file = file};
    listener->engine = (struct engine_listener){.fd = fd, .shared = shared, .owner = listener};
}

int worker_start(struct worker *worker, struct ackd_error *error)
{
    char name[THREAD_NAME_SIZE];

    snprintf(name, sizeof name, "ackd-worker-%u", worker->index % 1000);
    const int status = thread_start(&worker->thread, name, run, worker);
    if (status < 0)
        return error_raise(error, status, "cannot start worker %u: %s", worker->index,
                           strerror(-status));
    worker->started = true;
    return 0;
}

void worker_join(struct worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}
