/* SPDX-License-Identifier: MIT
 *
 * server - the workers of one server (server.h, ackd/server.h) */
#include "server/server.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_select.h"
#include "engine/listener.h"
#include "handler/handlers.h"
#include "server/inherited.h"
#include "server/options.h"

_Static_assert((int)ACKD_LISTEN_COUNT_MAX == (int)LISTEN_COUNT_MAX, "two names for one bound");

/* --- listening --- */

/* What is accepted from @fd, at @address, is to end when its peer's kernel does not answer. */
static int guard_against_silence(int fd, const struct address *address,
                                 const struct worker_config *config, struct ackd_error *error)
{
    if (address->storage.ss_family == AF_UNIX || config->peer_timeout_ms == 0)
        return 0;
    return listener_set_peer_timeout(fd, config->peer_timeout_ms, error);
}

/* Gives @worker a duplicate of the first worker's latest socket: each can close its own. */
static int share_with_worker(struct worker *worker, enum dialect dialect, struct ackd_error *error)
{
    const struct worker *const first = worker - worker->index;
    const int fd = fcntl(first->listeners[worker->listener_count].engine.fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return error_raise(error, -errno, "duplicating a socket: %s", strerror(errno));
    worker_listen(worker, fd, true, dialect, NULL);
    return 0;
}

/* Gives one more socket for @listen to @worker: TCP sockets are one per worker, a unix socket is
 * shared (the first worker removes the file). */
static int listen_for_worker(struct worker *worker, struct server_listen *listen,
                             struct ackd_error *error)
{
    const char *const file = address_unix_path(&listen->address);
    int fd;

    if (file && worker->index > 0)
        return share_with_worker(worker, listen->dialect, error);
    /* The first worker's socket chooses the port for all. */
    const int status = listener_open(&listen->address, &fd, &listen->address, error);
    if (status < 0)
        return status;
    worker_listen(worker, fd, file != NULL, listen->dialect, worker->index == 0 ? file : NULL);
    return guard_against_silence(fd, &listen->address, worker->config, error);
}

static int open_listen(struct ackd_server *server, struct server_listen *listen,
                       struct ackd_error *error)
{
    int status = listener_claim(&listen->address, error);

    for (uint32_t i = 0; i < server->worker_count && status == 0; i++)
        status = listen_for_worker(&server->workers[i], listen, error);
    address_format(&listen->address, listen->text);
    server->listen_count++;
    return status;
}

/* Takes over one socket of systemd's, which all workers share. */
static int adopt(struct ackd_server *server, int fd, enum dialect dialect, struct ackd_error *error)
{
    struct server_listen *const listen = &server->listens[server->listen_count];

    listen->dialect = dialect;
    worker_listen(&server->workers[0], fd, true, dialect, NULL);
    int status = inherited_address(fd, &listen->address, error);
    if (status == 0)
        status = guard_against_silence(fd, &listen->address, &server->config, error);
    for (uint32_t i = 1; i < server->worker_count && status == 0; i++)
        status = share_with_worker(&server->workers[i], dialect, error);
    if (status == 0)
        address_format(&listen->address, listen->text);
    server->listen_count++;
    return status;
}

/* @text: an option's, with a dialect or without. */
static int adopt_all(struct ackd_server *server, const char *text, enum dialect dialect,
                     struct ackd_error *error)
{
    int fds[LISTEN_COUNT_MAX];
    char plain[ADDRESS_TEXT_SIZE];
    const char *name = "";

    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(text, ","), text);
    inherited_parse(plain, &name);
    const int count = inherited_find(name, fds, LISTEN_COUNT_MAX - server->listen_count, error);
    int status = count < 0 ? count : 0;
    for (int i = 0; i < count && status == 0; i++)
        status = adopt(server, fds[i], dialect, error);
    return status;
}

static int open_listens(struct ackd_server *server, const struct ackd_server_options *options,
                        struct ackd_error *error)
{
    int status = 0;

    for (size_t i = 0; i < options->listen_count && status == 0; i++) {
        struct server_listen *const listen = &server->listens[server->listen_count];

        if (server->listen_count == LISTEN_COUNT_MAX)
            return error_raise(error, -EMFILE, "a server listens on at most %d addresses",
                               LISTEN_COUNT_MAX);
        status =
            options_parse_listen(options->listen[i], &listen->address, &listen->dialect, error);
        if (status < 0)
            break;
        status = listen->address.storage.ss_family == AF_UNSPEC
                     ? adopt_all(server, options->listen[i], listen->dialect, error)
                     : open_listen(server, listen, error);
    }
    return status;
}

/* --- making and ending --- */

static void on_workers_finished(void *context)
{
    struct ackd_server *const server = context;
    const uint64_t one = 1;

    atomic_store(&server->state, ACKD_SERVER_FINISHED);
    const ssize_t size = write(server->finished_fd, &one, sizeof one);
    (void)size; /* an eventfd takes its first 1 */
}

/* The handler of @options, which may be none but for what is to be freed. */
static struct ackd_handler handler_of(const struct ackd_server_options *options)
{
    struct ackd_handler handler = options->handler;

    if (!handler.on_batch)
        handler.on_batch = handler_discard().on_batch;
    return handler;
}

static struct worker_config config_of(const struct ackd_server_options *options)
{
    return (struct worker_config){
        .frame_size_max = options->frame_size_max,
        .memory_size_max =
            options->memory_size_max ? options->memory_size_max : options_memory_max(),
        .ack_high_size = options->ack_high_size,
        .ack_low_size = options->ack_low_size,
        .first_frame_timeout_ms = options->first_frame_timeout_ms,
        .idle_timeout_ms = options->idle_timeout_ms,
        .frame_timeout_ms = options->frame_timeout_ms,
        .write_timeout_ms = options->write_timeout_ms,
        .peer_timeout_ms = options->peer_timeout_ms,
        .drain_timeout_ms = options->drain_timeout_ms,
        .linger_timeout_ms = options->linger_timeout_ms,
        .window_count = options->window_count,
        .busy_poll_us = options->busy_poll_us,
        .on_worker = options->on_worker,
        .on_worker_self = options->on_worker_self,
        .handler = handler_of(options),
        .log = options->log,
    };
}

static int limit_admission(struct ackd_server *server, const struct ackd_server_options *options,
                           struct ackd_error *error)
{
    const struct admission_limits limits = {
        .conns_max = options->conns_max ? options->conns_max : options_conns_max(),
        .conns_per_ip_max = options->conns_per_ip_max,
        .rate = options->conn_rate,
        .rate_per_ip = options->conn_rate_per_ip,
    };
    const int status = admission_limit(&server->shared.admission, &limits);

    return status < 0 ? error_raise(error, status, "no memory for a table of addresses") : 0;
}

/* Says which engine it could not be. */
static void log_fall_back(const struct ackd_log *log, const struct engine_choice *choice)
{
    const struct ackd_log_field field = {"reason", choice->error.text, 0};

    if (choice->fell_back && log->on_line && log->level >= ACKD_LOG_INFO)
        log->on_line(log->self, ACKD_LOG_INFO, "no io_uring here, epoll takes its place", &field,
                     1);
}

int ackd_engine_check(enum ackd_engine engine, struct ackd_error *error)
{
    struct engine_choice choice;
    return engine_select(engine, &choice, error);
}

/* The configuration that holds was read now. */
static void mark_loaded(struct ackd_server *server)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    atomic_store(&server->reload_success_ms, (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    atomic_store(&server->reload_succeeded, true);
}

/* Makes @count workers, or none. */
static int fill_workers(struct ackd_server *server, uint32_t count, engine_new_function *new,
                        struct ackd_error *error)
{
    memset(server->workers, 0, count * sizeof *server->workers);
    for (uint32_t i = 0; i < count; i++) {
        const int status =
            worker_init(&server->workers[i], i, new, &server->config, &server->shared, error);
        if (status < 0) {
            while (server->worker_count > 0)
                worker_deinit(&server->workers[--server->worker_count]);
            return status;
        }
        server->worker_count++;
    }
    return 0;
}

/* Rings count as locked memory: one can be had, and then not one for each worker. */
static int choose_and_fill(struct ackd_server *server, enum ackd_engine wanted, uint32_t count,
                           struct ackd_error *error)
{
    struct engine_choice choice;
    int status = engine_select(wanted, &choice, error);

    if (status < 0)
        return status;
    status = fill_workers(server, count, choice.new, &choice.error);
    if (status < 0 && wanted == ACKD_ENGINE_AUTO && !choice.fell_back) {
        choice.new = engine_epoll_new;
        choice.name = "epoll";
        choice.fell_back = true;
        status = fill_workers(server, count, choice.new, error);
    } else if (status < 0) {
        return error_raise(error, status, "%s", choice.error.text);
    }
    log_fall_back(&server->config.log, &choice);
    server->engine_name = choice.name;
    return status;
}

static int make_workers(struct ackd_server *server, const struct ackd_server_options *options,
                        struct ackd_error *error)
{
    const uint32_t count = options->worker_count ? options->worker_count : options_cpu_count();

    _Static_assert(sizeof(struct worker) % CACHE_LINE_SIZE == 0, "workers share no cache line");
    server->workers = aligned_alloc(CACHE_LINE_SIZE, count * sizeof *server->workers);
    if (!server->workers)
        return error_raise(error, -ENOMEM, "no memory for %u workers", count);

    const int status = choose_and_fill(server, options->engine, count, error);
    server->shared.workers = server->workers;
    server->shared.worker_count = server->worker_count;
    return status;
}

int ackd_server_new(struct ackd_server **ret_server, const struct ackd_server_options *options,
                    struct ackd_error *error)
{
    struct ackd_server *const server = calloc(1, sizeof *server);
    int status;

    if (!server) {
        if (options->handler.free)
            options->handler.free(options->handler.self);
        return error_raise(error, -ENOMEM, "no memory for a server");
    }
    watch_init(&server->watch);
    server->config = config_of(options);
    server->shared.on_finished = on_workers_finished;
    server->shared.context = server;
    server->shared.config = server->config;
    admission_init(&server->shared.admission);
    pthread_mutex_init(&server->shared.config_lock, NULL);
    mark_loaded(server);
    server->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    status = server->finished_fd < 0 ? error_raise(error, -errno, "eventfd: %s", strerror(errno))
                                     : ackd_server_options_check(options, error);
    if (status == 0)
        status = limit_admission(server, options, error);
    if (status == 0)
        status = make_workers(server, options, error);
    if (status == 0)
        status = open_listens(server, options, error);
    if (status < 0) {
        ackd_server_free(server);
        return status;
    }
    *ret_server = server;
    return 0;
}

int ackd_server_start(struct ackd_server *server, struct ackd_error *error)
{
    assert(ackd_server_state(server) == ACKD_SERVER_NEW);
    atomic_store(&server->state, ACKD_SERVER_RUNNING);
    atomic_store(&server->shared.running_count, server->worker_count);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const int status = worker_start(&server->workers[i], error);
        if (status < 0)
            return status;
    }
    return 0;
}

static void command_workers(struct ackd_server *server, enum worker_command command)
{
    for (uint32_t i = 0; i < server->worker_count; i++)
        worker_command(&server->workers[i], command);
}

void ackd_server_drain(struct ackd_server *server)
{
    int running = ACKD_SERVER_RUNNING;

    atomic_compare_exchange_strong(&server->state, &running, ACKD_SERVER_DRAINING);
    command_workers(server, WORKER_DRAIN);
}

void ackd_server_stop(struct ackd_server *server)
{
    int running = ACKD_SERVER_RUNNING;

    atomic_compare_exchange_strong(&server->state, &running, ACKD_SERVER_DRAINING);
    command_workers(server, WORKER_STOP);
}

void ackd_server_reload_failed(struct ackd_server *server)
{
    atomic_fetch_add(&server->reload_failed_count, 1);
    atomic_store(&server->reload_succeeded, false);
}

int ackd_server_reload(struct ackd_server *server, const struct ackd_server_options *options,
                       struct ackd_error *error)
{
    struct worker_config config = config_of(options);
    int status = ackd_server_options_check(options, error);

    config.handler = server->config.handler;
    config.log.self = server->config.log.self;
    config.log.on_line = server->config.log.on_line;
    pthread_mutex_lock(&server->shared.config_lock);
    if (status == 0)
        status = limit_admission(server, options, error);
    if (status == 0)
        server->shared.config = config;
    pthread_mutex_unlock(&server->shared.config_lock);
    if (status < 0) {
        ackd_server_reload_failed(server);
        return status;
    }
    for (uint32_t i = 0; i < server->worker_count; i++)
        worker_reload(&server->workers[i]);
    atomic_fetch_add(&server->reload_count, 1);
    mark_loaded(server);
    return 0;
}

/* The milliseconds until @end_ns, rounded up. */
static int ms_until(uint64_t end_ns)
{
    const uint64_t now_ns = clock_monotonic_ns();
    return now_ns < end_ns ? (int)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

int ackd_server_wait(struct ackd_server *server, int timeout_ms)
{
    struct pollfd finished = {.fd = server->finished_fd, .events = POLLIN};
    const bool is_endless = timeout_ms < 0;
    const uint64_t end_ns =
        is_endless ? 0 : clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    int count = poll(&finished, 1, timeout_ms);

    /* A signal does not shorten the wait. */
    while (count < 0 && errno == EINTR)
        count = poll(&finished, 1, is_endless ? -1 : ms_until(end_ns));
    return count == 1 ? 0 : -ETIMEDOUT;
}

int ackd_server_finished_fd(const struct ackd_server *server)
{
    return server->finished_fd;
}

void ackd_server_free(struct ackd_server *server)
{
    if (!server)
        return;
    ackd_server_stop(server);
    for (uint32_t i = 0; i < server->worker_count; i++)
        worker_join(&server->workers[i]);
    if (server->config.handler.free)
        server->config.handler.free(server->config.handler.self);
    for (uint32_t i = 0; i < server->worker_count; i++)
        worker_deinit(&server->workers[i]);
    free(server->workers);
    watch_deinit(&server->watch);
    admission_deinit(&server->shared.admission);
    pthread_mutex_destroy(&server->shared.config_lock);
    if (server->finished_fd >= 0)
        close(server->finished_fd);
    free(server);
}

/* --- asking --- */

enum ackd_server_state ackd_server_state(const struct ackd_server *server)
{
    return (enum ackd_server_state)atomic_load(&server->state);
}

size_t ackd_server_listen_count(const struct ackd_server *server)
{
    return server->listen_count;
}

const char *ackd_server_listen_address(const struct ackd_server *server, size_t index)
{
    assert(index < server->listen_count);
    return server->listens[index].text;
}

const char *ackd_server_listen_dialect(const struct ackd_server *server, size_t index)
{
    assert(index < server->listen_count);
    return server->listens[index].dialect == DIALECT_DEMO ? "demo" : "spec";
}

uint32_t ackd_server_worker_count(const struct ackd_server *server)
{
    return server->worker_count;
}

uint32_t ackd_server_conns_max(const struct ackd_server *server)
{
    return atomic_load(&server->shared.admission.conns_max);
}

uint64_t ackd_server_memory_max(const struct ackd_server *server)
{
    /* The lock is no part of what a caller holds constant. */
    struct worker_shared *const shared = (struct worker_shared *)(uintptr_t)&server->shared;

    pthread_mutex_lock(&shared->config_lock);
    const uint64_t memory_size_max = shared->config.memory_size_max;
    pthread_mutex_unlock(&shared->config_lock);
    return memory_size_max;
}

uint64_t ackd_server_worker_turns(const struct ackd_server *server, uint32_t index)
{
    assert(index < server->worker_count);
    const struct worker *const worker = &server->workers[index];
    return atomic_load(&worker->ended) ? UINT64_MAX : counter_read(&worker->counters.loops);
}

const char *ackd_server_engine(const struct ackd_server *server)
{
    return server->engine_name;
}

void ackd_server_stats(const struct ackd_server *server, struct ackd_server_stats *ret_stats)
{
    *ret_stats = (struct ackd_server_stats){0};
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct counters *const counters = &server->workers[i].counters;

        ret_stats->connections_open += counter_read(&counters->connections_open);
        ret_stats->connections_accepted += counter_read(&counters->connections_accepted);
        for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
            ret_stats->connections_closed += counter_read(&counters->closed[reason]);
        ret_stats->submits_received += counter_read(&counters->submits_received);
        ret_stats->submit_acks_sent += counter_read(&counters->submit_acks_sent);
        ret_stats->acks_dropped += counter_read(&counters->acks_dropped);
    }
}
