/* SPDX-License-Identifier: MIT
 *
 * worker - one thread of the run (worker.h) */
#include "load/worker.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENT_COUNT_MAX = 256,

    /* How long peers have to close after everything was acked. */
    CLOSING_MS = 500,
};

static void *allocate(size_t size)
{
    const size_t rounded = (size + WORKER_ALIGNMENT - 1) / WORKER_ALIGNMENT * WORKER_ALIGNMENT;
    void *const memory = aligned_alloc(WORKER_ALIGNMENT, rounded);

    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

/* Gives each connection its rings, out of one block that is only touched as it is used. */
static int init_rings(struct worker *worker)
{
    const struct worker_common *const common = worker->common;
    const uint64_t memory_count = verify_memory_count(common->window);
    const uint32_t batch_count = sendlog_batch_count(common->open_loop ? 1 : common->window);
    const size_t missing_size = memory_count / 8;
    const size_t log_size = batch_count * sizeof(struct sendlog_batch);

    worker->memory = calloc(worker->conn_count, missing_size + log_size);
    if (!worker->memory)
        return -ENOMEM;
    uint8_t *at = worker->memory;
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        struct conn *const conn = &worker->conns[i];
        conn->fd = -1;
        verify_init(&conn->verify, common->dialect, (uint64_t *)at, memory_count);
        at += missing_size;
        sendlog_init(&conn->log, (struct sendlog_batch *)at, batch_count);
        at += log_size;
    }
    return 0;
}

static int init_lane(struct worker *worker)
{
    struct lane *const lane = &worker->lane;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    lane->counting = worker->common->dialect == DIALECT_RULE_NONE;
    lane->window = worker->common->window;
    lane->schedule = worker->common->open_loop ? &worker->common->schedule : NULL;
    lane->receive = allocate(LANE_HEADROOM_SIZE + LANE_RECEIVE_SIZE);
    lane->tally = worker->tally = allocate(sizeof *worker->tally);
    worker->conns = allocate(worker->conn_count * sizeof *worker->conns);
    worker->queue = calloc(worker->conn_count, sizeof *worker->queue);
    if (!lane->receive || !lane->tally || !worker->conns || !worker->queue)
        return -ENOMEM;
    lane->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (lane->epoll_fd < 0)
        return -errno;
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd < 0)
        return -errno;
    if (epoll_ctl(lane->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &event) < 0)
        return -errno;
    return init_rings(worker);
}

int worker_init(struct worker *worker, const struct worker_common *common, const int *fds,
                uint32_t count, uint32_t first_index, uint32_t stride, struct ackd_error *error)
{
    assert(count > 0);
    *worker = (struct worker){
        .common = common,
        .conn_count = count,
        .lane.epoll_fd = -1,
        .wake_fd = -1,
        .cpu = -1,
        .due_sequence = 1,
    };
    int status = train_init(&worker->lane.train, common->plan, error);
    if (status < 0)
        return status;

    status = init_lane(worker);
    for (uint32_t i = 0; i < count && status == 0; i++) {
        struct conn *const conn = &worker->conns[i];
        conn->index = first_index + (uint64_t)i * stride;
        status = conn_open(conn, &worker->lane, fds[(size_t)i * stride],
                           plan_first_frame(common->plan, conn->index));
    }
    if (status < 0) {
        for (uint32_t i = 0; i < count && worker->conns; i++)
            worker->conns[i].fd = -1;
        worker_deinit(worker);
        return error_raise(error, status, "cannot prepare a thread: %s", strerror(-status));
    }
    return 0;
}

void worker_deinit(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->conn_count && worker->conns; i++) {
        if (worker->conns[i].fd >= 0)
            close(worker->conns[i].fd);
    }
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    if (worker->lane.epoll_fd >= 0)
        close(worker->lane.epoll_fd);
    train_deinit(&worker->lane.train);
    free(worker->lane.receive);
    free(worker->tally);
    free(worker->conns);
    free(worker->queue);
    free(worker->memory);
    *worker = (struct worker){.lane.epoll_fd = -1, .wake_fd = -1};
}

static void publish(struct worker *worker)
{
    const struct ledger *const ledger = &worker->lane.ledger;
    struct tally *const tally = worker->tally;

    counter_set(&tally->acked, ledger->ok + ledger->failed);
    counter_set(&tally->error, ledger->failed + ledger->lost + ledger->cut + ledger->duplicate +
                                   ledger->unknown + ledger->out_of_order + ledger->malformed);
    counter_set(&tally->in_flight, ledger_unanswered(ledger));
    counter_set(&tally->open, worker->lane.open_count);
}

static uint64_t next_due_ns(const struct worker *worker)
{
    const struct conn *const conn = &worker->conns[worker->due_index];
    return schedule_due_ns(&worker->common->schedule, conn->index, worker->due_sequence);
}

/* Open loop: releases the messages that are due at @now_ns and writes them, one send for each
 * connection. */
static void release_due(struct worker *worker, uint64_t now_ns)
{
    while (next_due_ns(worker) <= now_ns) {
        struct conn *const conn = &worker->conns[worker->due_index];
        conn->due = worker->due_sequence;
        if (!conn->queued) {
            conn->queued = true;
            worker->queue[worker->queue_count++] = conn;
        }
        if (++worker->due_index == worker->conn_count) {
            worker->due_index = 0;
            worker->due_sequence++;
        }
    }
    for (uint32_t i = 0; i < worker->queue_count; i++) {
        worker->queue[i]->queued = false;
        if (!worker->queue[i]->watching_out)
            conn_pump(worker->queue[i], &worker->lane);
    }
    worker->queue_count = 0;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Waits for events until @until_ns. */
static int wait_events(struct worker *worker, struct epoll_event *events, uint64_t until_ns)
{
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec wait = {
        .tv_sec = (time_t)(wait_ns / NS_PER_S),
        .tv_nsec = (long)(wait_ns % NS_PER_S),
    };
    const int count = epoll_pwait2(worker->lane.epoll_fd, events, EVENT_COUNT_MAX, &wait, NULL);

    if (count < 0 && errno == ENOSYS)
        return epoll_wait(worker->lane.epoll_fd, events, EVENT_COUNT_MAX,
                          (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
    return count;
}

static void take_wake_up(struct worker *worker)
{
    uint64_t ignored;
    const ssize_t got = read(worker->wake_fd, &ignored, sizeof ignored);
    (void)got;
}

/* One turn of the loop: waits until @until_ns at the latest, serves whoever is ready. */
static void turn(struct worker *worker, uint64_t until_ns)
{
    struct epoll_event events[EVENT_COUNT_MAX];
    const int count = wait_events(worker, events, until_ns);

    for (int i = 0; i < count; i++) {
        struct conn *const conn = events[i].data.ptr;
        if (!conn) {
            take_wake_up(worker);
            continue;
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            conn_receive(conn, &worker->lane);
        if (events[i].events & EPOLLOUT)
            conn_pump(conn, &worker->lane);
    }
    publish(worker);
}

static int stop_wish(const struct worker *worker)
{
    return atomic_load_explicit(&worker->common->stop, memory_order_relaxed);
}

/* Sends until the time is over, somebody stops the run, or no connection is left. */
static void send_until(struct worker *worker, uint64_t stop_ns)
{
    struct lane *const lane = &worker->lane;

    lane->sending = true;
    if (!lane->schedule) {
        for (uint32_t i = 0; i < worker->conn_count; i++)
            conn_pump(&worker->conns[i], lane);
    }
    while (lane->open_count > 0 && stop_wish(worker) == WORKER_STOP_NO) {
        const uint64_t now_ns = clock_monotonic_ns();
        uint64_t until_ns = stop_ns;
        if (lane->schedule) {
            release_due(worker, now_ns < stop_ns ? now_ns : stop_ns - 1);
            if (next_due_ns(worker) < until_ns)
                until_ns = next_due_ns(worker);
        }
        if (now_ns >= stop_ns)
            break;
        turn(worker, until_ns);
    }
    worker->released = (worker->due_sequence - 1) * worker->conn_count + worker->due_index;
    lane->sending = false;
}

/* True when every message was answered, and none is half written. */
static bool is_settled(const struct lane *lane)
{
    return ledger_unanswered(&lane->ledger) == 0 && lane->begun_count == 0;
}

/* Waits for the acks of what was sent; frames that were begun are completed. */
static void drain(struct worker *worker)
{
    struct lane *const lane = &worker->lane;
    const uint64_t until_ns = clock_monotonic_ns() + worker->common->drain_ns;

    while (!is_settled(lane) && clock_monotonic_ns() < until_ns &&
           stop_wish(worker) != WORKER_STOP_NOW)
        turn(worker, until_ns);
}

/* Says good-bye and waits for the peers' own: acks that come now are one too many. */
static void close_all(struct worker *worker)
{
    struct lane *const lane = &worker->lane;
    const uint64_t until_ns = clock_monotonic_ns() + CLOSING_MS * NS_PER_MS;

    if (is_settled(lane)) {
        lane->closing = true;
        for (uint32_t i = 0; i < worker->conn_count; i++) {
            if (worker->conns[i].fd >= 0)
                conn_finish(&worker->conns[i]);
        }
        while (lane->open_count > 0 && clock_monotonic_ns() < until_ns &&
               stop_wish(worker) != WORKER_STOP_NOW)
            turn(worker, until_ns);
    }
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        if (worker->conns[i].fd >= 0)
            conn_close(&worker->conns[i], lane);
    }
}

static void pin(const struct worker *worker)
{
    cpu_set_t set;

    if (worker->cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)worker->cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *run(void *argument)
{
    struct worker *const worker = argument;
    const struct worker_common *const common = worker->common;

    pin(worker);
    /* The default slack would make every timed wait of an open loop 50 us late. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    pthread_barrier_wait(common->started);

    const uint64_t start_ns = common->schedule.start_ns;
    const uint64_t start_cpu_ns = thread_cpu_ns();
    send_until(worker, start_ns + common->duration_ns);
    worker->measured_ns = clock_monotonic_ns() - start_ns;
    worker->measured_acked = worker->lane.ledger.ok + worker->lane.ledger.failed;
    worker->cpu_ns = thread_cpu_ns() - start_cpu_ns;

    drain(worker);
    close_all(worker);
    publish(worker);
    eventfd_write(common->done_fd, 1);
    return NULL;
}

int worker_start(struct worker *worker, struct ackd_error *error)
{
    const int status = pthread_create(&worker->thread, NULL, run, worker);
    if (status != 0)
        return error_raise(error, -status, "cannot start a thread: %s", strerror(status));
    return 0;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

void worker_wake(struct worker *worker)
{
    eventfd_write(worker->wake_fd, 1);
}
