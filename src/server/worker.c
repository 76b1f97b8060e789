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
#include "server/foreign.h"

static struct session *session_of(struct engine_socket *socket)
{
    return (struct session *)(void *)socket;
}
_Static_assert(offsetof(struct session, socket) == 0, "session_of() relies on it");

/* --- logging --- */

/* Whether a line of @kind at @level is to be written; too many are counted instead. */
static bool may_log(struct worker *worker, enum log_kind kind, enum ackd_log_level level)
{
    counter *const left_out[LOG_KIND_COUNT] = {
        [LOG_REFUSED] = &worker->counters.log_refused,
        [LOG_REJECTED] = &worker->counters.log_rejected,
        [LOG_TIMED_OUT] = &worker->counters.log_timed_out,
        [LOG_OVERLOAD] = &worker->counters.log_overload,
    };
    const struct ackd_log *const log = &worker->config->log;

    if (!log->on_line || level > log->level)
        return false;
    if (level == ACKD_LOG_DEBUG || log_limit_take(&worker->shared->log_limits[kind],
                                                  worker_now_ms(worker), CONN_LOG_COUNT_MAX))
        return true;
    counter_add(left_out[kind], 1);
    return false;
}

/* The address of @fd's peer; of no family where it has none. */
static struct address peer_of(int fd)
{
    struct address peer = {.size = sizeof peer.storage};

    if (getpeername(fd, (struct sockaddr *)&peer.storage, &peer.size) < 0)
        peer.storage.ss_family = AF_UNSPEC;
    return peer;
}

static void peer_text(int fd, char *ret_text)
{
    const struct address peer = peer_of(fd); /* a closed one's is -1: it has none */

    snprintf(ret_text, ADDRESS_TEXT_SIZE, "unknown");
    if (peer.storage.ss_family != AF_UNSPEC)
        address_format(&peer, ret_text);
}

static void log_rejected(struct worker *worker, int fd, const char *reason)
{
    const struct ackd_log *const log = &worker->config->log;
    char peer[ADDRESS_TEXT_SIZE];

    if (!may_log(worker, LOG_REJECTED, ACKD_LOG_WARN))
        return;
    peer_text(fd, peer);
    const struct ackd_log_field fields[] = {
        {"worker", NULL, worker->index},
        {"peer", peer, 0},
        {"reason", reason, 0},
    };
    log->on_line(log->self, ACKD_LOG_WARN, "rejected", fields, 3);
}

void worker_log_conn(struct worker *worker, enum log_kind kind, enum ackd_log_level level,
                     const char *event, const struct session *session)
{
    const struct ackd_log *const log = &worker->config->log;
    char peer[ADDRESS_TEXT_SIZE];

    if (!may_log(worker, kind, level))
        return;
    peer_text(session->socket.fd, peer);
    const struct ackd_log_field fields[] = {
        {"worker", NULL, worker->index},
        {"conn", NULL, session->slot},
        {"peer", peer, 0},
        {"reason", session->reason == CLOSE_NONE ? "" : close_reason_word(session->reason), 0},
    };
    log->on_line(log->self, level, event, fields, session->reason == CLOSE_NONE ? 3 : 4);
}

void worker_log_bytes(struct worker *worker, enum log_kind kind, const char *event,
                      const struct session *session, struct bytes bytes)
{
    const struct ackd_log *const log = &worker->config->log;
    const char *const hint = foreign_guess(bytes, worker->config->frame_size_max);
    char peer[ADDRESS_TEXT_SIZE];
    char hex[FOREIGN_HEX_SIZE];

    if (!may_log(worker, kind, ACKD_LOG_WARN))
        return;
    peer_text(session->socket.fd, peer);
    foreign_print_hex(bytes, hex);
    const struct ackd_log_field fields[] = {
        {"worker", NULL, worker->index},
        {"conn", NULL, session->slot},
        {"peer", peer, 0},
        {"reason", close_reason_word(session->reason), 0},
        {"bytes", hex, 0},
        {"looks_like", hint, 0},
    };
    log->on_line(log->self, ACKD_LOG_WARN, event, fields, hint ? 6 : 5);
}

static void log_left_out(struct worker *worker)
{
    static const char *const words[LOG_KIND_COUNT] = {"refused", "rejected", "timed_out",
                                                      "overload"};
    const struct ackd_log *const log = &worker->config->log;

    for (int i = 0; i < LOG_KIND_COUNT; i++) {
        const uint32_t count = log_limit_take_left_out(&worker->shared->log_limits[i]);
        const struct ackd_log_field fields[] = {
            {"kind", words[i], 0},
            {"lines", NULL, count},
        };

        if (count > 0)
            log->on_line(log->self, ACKD_LOG_WARN, "lines about connections left out", fields, 2);
    }
}

/* --- accepting --- */

static void stop_accept(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->listener_count; i++)
        engine_listen_stop(worker->engine, &worker->listeners[i].engine);
}

static void pause_accept(struct worker *worker)
{
    const uint32_t pause_ms = worker->accept_pause_ms * 2;

    stop_accept(worker);
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

static bool is_ip(const struct address *address)
{
    return address->storage.ss_family == AF_INET || address->storage.ss_family == AF_INET6;
}

static void reject(struct worker *worker, int fd, counter *count, const char *reason)
{
    counter_add(count, 1);
    log_rejected(worker, fd, reason);
    engine_refuse(worker->engine, fd);
}

/* Asks for admission of the new connection @fd; who does not get it is closed. */
static bool admit(struct worker *worker, int fd, peer_index *ret_peer)
{
    struct admission *const admission = &worker->shared->admission;
    struct counters *const counters = &worker->counters;
    struct address peer = {0};

    if (admission_is_per_ip(admission))
        peer = peer_of(fd);
    switch (admission_enter(admission, &peer, worker->engine->turn_ns, ret_peer)) {
    case ADMISSION_GRANTED:
        if (*ret_peer == PEER_NONE && is_ip(&peer))
            counter_add(&counters->peers_untracked, 1);
        return true;
    case ADMISSION_MAX_CONNS:
        reject(worker, fd, &counters->rejected_max_conns, "max_conns");
        break;
    case ADMISSION_MAX_CONNS_PER_IP:
        reject(worker, fd, &counters->rejected_conns_per_ip, "max_conns_per_ip");
        break;
    case ADMISSION_RATE:
        reject(worker, fd, &counters->rejected_conn_rate, "conn_rate");
        break;
    case ADMISSION_RATE_PER_IP:
        reject(worker, fd, &counters->rejected_conn_rate_per_ip, "conn_rate_per_ip");
        break;
    }
    return false;
}

void worker_conn_gone(struct worker *worker, peer_index peer)
{
    admission_leave(&worker->shared->admission, peer);

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

/* Opens an arrival, in the worker that has accepted it or in another. */
static void open_conn(struct worker *worker, const struct arrival *arrival)
{
    struct session *const session = add_session(worker, arrival->fd);
    if (!session) {
        admission_leave(&worker->shared->admission, arrival->peer);
        reject(worker, arrival->fd, &worker->counters.rejected_no_memory, "no_memory");
        return;
    }
    session->peer = arrival->peer;
    if (worker->peer_timeout_changed)
        listener_set_peer_timeout(arrival->fd, worker->config->peer_timeout_ms, NULL);
    counter_add(&worker->counters.connections_accepted, 1);
    counter_add(&worker->counters.connections_open, 1);
    session_open(worker, session, arrival->dialect);
    worker_log_conn(worker, LOG_REJECTED, ACKD_LOG_DEBUG, "accepted", session);
    if (worker->obeyed == WORKER_DRAIN)
        session_drain(worker, session);
    else if (worker->obeyed == WORKER_STOP)
        session_abort(worker, session, CLOSE_stopped);
}

/* Nobody is there any more to serve it. */
static void refuse_conn(struct worker *worker, const struct arrival *arrival)
{
    admission_leave(&worker->shared->admission, arrival->peer);
    engine_refuse(worker->engine, arrival->fd);
}

static void on_accepted(void *owner, struct engine_listener *listener, int fd)
{
    struct worker *const worker = owner;
    const struct worker_listener *const from = listener->owner;

    worker->accept_pause_ms = 0;
    peer_index peer;
    if (!admit(worker, fd, &peer))
        return;

    const struct arrival arrival = {.fd = fd, .dialect = from->dialect, .peer = peer};
    if (worker->obeyed != WORKER_RUN || !handoff_give(worker, &arrival))
        open_conn(worker, &arrival);
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

/* Reads the sessions again that waited for deferred memory, which completed batches have given back
 * or connections that are gone. */
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

void worker_pause_accept_for_overload(struct worker *worker)
{
    if (worker->obeyed == WORKER_RUN && !accept_is_paused(worker)) {
        counter_add(&worker->counters.accept_pauses, 1);
        stop_accept(worker);
        worker->accept_again_ms = worker_now_ms(worker) + SHED_INTERVAL_MS;
    }
}

static void take_batch(struct worker *worker, struct ackd_batch *batch)
{
    session_completed(worker, session_table_find(&worker->table, batch->slot, batch->generation),
                      batch);
}

static void take_completions(struct worker *worker)
{
    struct mail *mail = mailbox_take_all(&worker->mailbox);

    while (mail) {
        struct mail *const next = mail->next;
        switch (mail->kind) {
        case MAIL_BATCH:
            take_batch(worker, (struct ackd_batch *)(void *)mail);
            break;
        case MAIL_TOP:
            top_begin(&worker->top, (struct top *)(void *)mail, worker->engine->turn_ns);
            break;
        }
        mail = next;
    }
}

static void on_woken(void *owner)
{
    handoff_take(owner, open_conn);
    take_completions(owner);
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

/* For those that are connected too, and for those that wait to be accepted when they are.  What
 * fails is no TCP socket, or about to end. */
static void set_peer_timeout(struct worker *worker)
{
    const uint32_t timeout_ms = worker->config->peer_timeout_ms;
    struct session *session;
    uint32_t slot = 0;

    worker->peer_timeout_changed = true;
    for (uint32_t i = 0; i < worker->listener_count; i++)
        listener_set_peer_timeout(worker->listeners[i].engine.fd, timeout_ms, NULL);
    while ((session = session_table_next(&worker->table, &slot)))
        listener_set_peer_timeout(session->socket.fd, timeout_ms, NULL);
}

/* Takes over what a reload has changed.  Connections that would now be timed out earlier get an
 * earlier timer; those that would be later look again when theirs goes off. */
static void take_config(struct worker *worker)
{
    struct worker_shared *const shared = worker->shared;
    const uint32_t busy_poll_us = worker->config->busy_poll_us;
    const uint32_t peer_timeout_ms = worker->config->peer_timeout_ms;
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
    if (worker->config->peer_timeout_ms != peer_timeout_ms)
        set_peer_timeout(worker);
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

        if (listener->engine.shared && worker->index > 0)
            continue; /* the same queue, which is to be counted once */
        if (listener_queue(listener->engine.fd, &waiting, &limit)) {
            counter_set(&listener->queue_waiting, waiting);
            counter_set(&listener->queue_limit, limit);
        }
    }
}

/* Accepting is paused: whether it may go on. */
static void try_accept(struct worker *worker, uint32_t now_ms)
{
    if (worker->obeyed == WORKER_DRAIN)
        drain_listeners(worker);
    else if (worker->overload.stage == OVERLOAD_CALM)
        start_accept(worker);
    else
        worker->accept_again_ms = now_ms + SHED_INTERVAL_MS;
}

static void keep_house(struct worker *worker)
{
    const uint32_t now_ms = worker_now_ms(worker);

    if (accept_is_paused(worker) && !time_before_ms(now_ms, worker->accept_again_ms))
        try_accept(worker, now_ms);
    /* Not more often than the clock of timers moves: that is not felt by those who are busy. */
    if (now_ms != worker->overload.watched_ms)
        overload_watch(worker);
    if (now_ms - worker->housekeeping_ms < HOUSEKEEPING_MS)
        return;
    worker->housekeeping_ms = now_ms;
    sample_listeners(worker);
    log_left_out(worker);
    overload_tell(worker);
    top_forget(&worker->top, worker->engine->turn_ns);
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
    if (worker->overload.stage >= OVERLOAD_PAUSE && wait > SHED_INTERVAL_MS)
        wait = SHED_INTERVAL_MS;
    if (accept_is_paused(worker)) {
        const uint32_t again =
            time_before_ms(now_ms, worker->accept_again_ms) ? worker->accept_again_ms - now_ms : 0;
        wait = wait > again ? again : wait;
    }
    if (worker->top.question)
        wait = 0; /* the next slice */
    if (worker->obeyed == WORKER_DRAIN) {
        const uint32_t end_ms = worker->drain_since_ms + worker->config->drain_timeout_ms;
        const uint32_t left = time_before_ms(now_ms, end_ms) ? end_ms - now_ms : 0;
        wait = wait > left ? left : wait;
    }
    return wait;
}

void worker_time_acks(struct worker *worker, uint64_t duration_ns, uint32_t count)
{
    histogram_add(&worker->counters.request_duration, counters_duration_bounds_ns,
                  DURATION_BOUND_COUNT, duration_ns, count);
    worker->timed_count += count;
}

/* The turn ends, and with it the time of the acks that it sent. */
static void end_turn(struct worker *worker)
{
    struct counters *const counters = &worker->counters;
    const uint64_t begin_ns = worker->engine->turn_ns;
    const uint64_t acked_count =
        counter_read(&counters->acks_ok) + counter_read(&counters->acks_error);

    worker->turn_end_ns = engine_now_ns(worker->engine);
    counter_add(&counters->busy_ns, worker->turn_end_ns - begin_ns);
    if (acked_count > worker->timed_count)
        worker_time_acks(worker, worker->turn_end_ns - begin_ns,
                         (uint32_t)(acked_count - worker->timed_count));
}

/* Whether timers have to wait, because the worker could not read what peers sent in time.  Never
 * for two rounds in a row, however late it goes on to be. */
static bool is_catching_up(struct worker *worker, uint32_t due_ms)
{
    if (worker->grace_count > 0)
        return --worker->grace_count > 0;
    if (time_before_ms(worker_now_ms(worker), due_ms + STALL_MS))
        return false;
    counter_add(&worker->counters.stalls, 1);
    worker->grace_count = worker->table.open_count / GRACE_CONN_COUNT + 2;
    return true;
}

void worker_turn(struct worker *worker)
{
    const uint32_t wait = wait_ms(worker);
    const uint32_t due_ms = worker_now_ms(worker) + wait;
    struct wheel_entry *entry;

    engine_turn(worker->engine, (int64_t)(wait * NS_PER_MS));
    counter_add(&worker->counters.idle_ns, worker->engine->turn_ns - worker->turn_end_ns);
    const bool catches_up = is_catching_up(worker, due_ms);
    while (!catches_up && (entry = wheel_take_expired(&worker->wheel, worker_now_ms(worker))))
        session_timer_expired(worker, session_of_timer(entry));
    resume_sessions(worker);
    keep_house(worker);
    take_config(worker);
    obey(worker);
    top_scan(&worker->top, &worker->table);
    if (drain_has_timed_out(worker)) {
        close_listeners(worker);
        abort_all(worker, CLOSE_drain_timeout);
    }
    worker->finished = worker->obeyed != WORKER_RUN && worker->table.open_count == 0 &&
                       worker->listener_count == 0 && handoff_shut(worker);
    end_turn(worker);
}

void worker_begin(struct worker *worker)
{
    worker->turn_end_ns = engine_now_ns(worker->engine);
    start_accept(worker);
    sample_listeners(worker);
}

static uint64_t read_ns(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t worker_cpu_ns(const struct worker *worker)
{
    const clockid_t clock = atomic_load_explicit(&worker->cpu_clock, memory_order_acquire);
    const uint64_t running_ns = clock == 0 ? 0 : read_ns(clock);

    /* No thread, not any more, or it has ended since the line above. */
    return running_ns > 0 ? running_ns : counter_read(&worker->counters.cpu_ns);
}

static void *run(void *context)
{
    struct worker *const worker = context;
    struct worker_shared *const shared = worker->shared;
    clockid_t clock = 0;

    if (worker->config->on_worker)
        worker->config->on_worker(worker->config->on_worker_self);
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
        atomic_store_explicit(&worker->cpu_clock, clock, memory_order_release);
    worker_begin(worker);
    while (!worker->finished)
        worker_turn(worker);
    counter_set(&worker->counters.cpu_ns, read_ns(CLOCK_THREAD_CPUTIME_ID));
    atomic_store_explicit(&worker->cpu_clock, 0, memory_order_release);
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
    handoff_init(&worker->handoff, wake_worker, worker);

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
    handoff_take(worker, refuse_conn); /* those for a worker that was never started */
    take_completions(worker);          /* batches that were completed after the last turn */
    close_listeners(worker);
    engine_free(worker->engine);
    top_deinit(&worker->top);
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
