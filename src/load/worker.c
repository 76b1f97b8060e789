/* SPDX-License-Identifier: MIT
 *
 * worker - one thread of the run (worker.h) */
#include "load/worker.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENT_COUNT_MAX = 256,

    /* So many messages are released between two looks whether to stop. */
    RELEASE_COUNT = 65536,

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
    const uint32_t batch_count = sendlog_batch_count(common->window);
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
    lane->burst = worker->common->burst;
    lane->timeout_ns = worker->common->timeout_ns;
    lane->stall_ns = worker->common->stall_ns;
    lane->schedule = worker->common->open_loop ? &worker->common->schedule : NULL;
    lane->receive = allocate(LANE_HEADROOM_SIZE + LANE_RECEIVE_SIZE);
    lane->tally = worker->tally = allocate(sizeof *worker->tally);
    worker->conns = allocate(worker->conn_count * sizeof *worker->conns);
    lane->pending = calloc(worker->conn_count, sizeof(struct conn *));
    if (!lane->receive || !lane->tally || !worker->conns || !lane->pending)
        return -ENOMEM;
    if (agenda_init(&worker->agenda, worker->conns, worker->conn_count,
                    worker->common->schedule.arrival) < 0)
        return -ENOMEM;
    pace_init(&worker->pace, worker->common->idle);
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
    free(worker->lane.pending);
    agenda_deinit(&worker->agenda);
    free(worker->memory);
    *worker = (struct worker){.lane.epoll_fd = -1, .wake_fd = -1};
}

static void publish(struct worker *worker)
{
    const struct ledger *const ledger = &worker->lane.ledger;
    struct tally *const tally = worker->tally;

    counter_set(&tally->sent, ledger->sent);
    counter_set(&tally->acked, ledger_acked(ledger));
    counter_set(&tally->error, ledger->failed + ledger->lost + ledger->late + ledger->cut +
                                   ledger->duplicate + ledger->unknown + ledger->out_of_order +
                                   ledger->malformed);
    counter_set(&tally->in_flight, ledger_unanswered(ledger));
    counter_set(&tally->open, worker->lane.open_count);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* For how long the messages that are in flight now have been so, all together. */
static uint64_t sum_ages_ns(const struct worker *worker, uint64_t now_ns)
{
    double sum_ns = 0;

    for (uint32_t i = 0; i < worker->conn_count; i++) {
        const struct conn *const conn = &worker->conns[i];
        if (conn->fd >= 0)
            sum_ns += sendlog_ages_ns(&conn->log, conn->verify.top, now_ns);
    }
    return (uint64_t)sum_ns;
}

static void take_mark(const struct worker *worker, uint64_t now_ns, struct mark *ret_mark)
{
    const struct lane *const lane = &worker->lane;
    struct rusage usage = {0};

    getrusage(RUSAGE_THREAD, &usage);
    *ret_mark = (struct mark){
        .time_ns = now_ns,
        .sent = lane->ledger.sent,
        .acked = ledger_acked(&lane->ledger),
        .in_flight = ledger_unanswered(&lane->ledger),
        .service_ns = counter_read(&lane->tally->warmup.service.sum_ns) +
                      counter_read(&lane->tally->measured.service.sum_ns) +
                      sum_ages_ns(worker, now_ns),
        .cpu_ns = thread_cpu_ns(),
        .useful_ns = worker->useful_ns,
        .idle_count = worker->pace.idle_count,
        .full_count = lane->full_count,
        .voluntary_count = (uint64_t)usage.ru_nvcsw,
        .involuntary_count = (uint64_t)usage.ru_nivcsw,
        .flight_ns = lane->flight_ns,
        .traffic = lane->traffic,
    };
}

static uint64_t moved_count(const struct worker *worker)
{
    return worker->lane.traffic.read_count + worker->lane.traffic.write_count;
}

/* The thread has nothing to do at @now_ns: since turn_ns it was useful, if it moved anything. */
static void end_turn(struct worker *worker, uint64_t now_ns)
{
    if (moved_count(worker) != worker->turn_moved)
        worker->useful_ns += now_ns - worker->turn_ns;
}

static void begin_turn(struct worker *worker, uint64_t now_ns)
{
    worker->turn_ns = now_ns;
    worker->turn_moved = moved_count(worker);
}

static int stop_wish(const struct worker *worker)
{
    return atomic_load_explicit(&worker->common->stop, memory_order_relaxed);
}

/* Open loop: releases the messages that are due at @now_ns and writes them, one send for each
 * connection. */
static void release_due(struct worker *worker, uint64_t now_ns)
{
    struct conn *conn;

    while ((conn = agenda_peek(&worker->agenda))->released.time_ns <= now_ns) {
        conn_release(conn, &worker->lane);
        agenda_advance(&worker->agenda);
        worker->released++;
        /* More may become due meanwhile than is released. */
        if (worker->released % RELEASE_COUNT == 0 && stop_wish(worker) != WORKER_STOP_NO)
            break;
    }
    lane_flush(&worker->lane);
}

static void take_wake_up(struct worker *worker)
{
    uint64_t ignored;
    const ssize_t got = read(worker->wake_fd, &ignored, sizeof ignored);
    (void)got;
}

/* One turn of the loop: waits until @until_ns at the latest, serves whoever is ready.  @due: then a
 * message has to be written. */
static void turn(struct worker *worker, uint64_t until_ns, bool due)
{
    struct epoll_event events[EVENT_COUNT_MAX];
    const uint64_t now_ns = clock_monotonic_ns();

    end_turn(worker, now_ns);
    const int count = pace_wait(&worker->pace, worker->lane.epoll_fd, events, EVENT_COUNT_MAX,
                                now_ns, until_ns, due);
    begin_turn(worker, clock_monotonic_ns());
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

static void begin_measuring(struct worker *worker, uint64_t now_ns)
{
    lane_follow_flight(&worker->lane, now_ns);
    take_mark(worker, now_ns, &worker->begin);
    worker->lane.measuring = true;
}

/* Closed loop: fills the windows.  Open loop: takes the place at the start of the schedule. */
static void begin_sending(struct worker *worker)
{
    struct lane *const lane = &worker->lane;

    lane->sending = true;
    lane->measure_start_ns = worker->common->schedule.start_ns + worker->common->warmup_ns;
    if (worker->common->warmup_ns == 0)
        begin_measuring(worker, lane->measure_start_ns);
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        if (lane->schedule)
            conn_begin(&worker->conns[i], lane);
        else
            conn_pump(&worker->conns[i], lane);
    }
    if (lane->schedule)
        agenda_begin(&worker->agenda);
}

/* Counts what became of the messages that were due in the measured time. */
static void sum_up_offer(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        const struct conn *const conn = &worker->conns[i];
        if (conn->due < conn->first_measured)
            continue;
        worker->offered += conn->due - conn->first_measured + 1;
        if (conn->sent >= conn->first_measured)
            worker->achieved += conn->sent - conn->first_measured + 1;
        if (conn->blocked_mark > conn->sent)
            worker->blocked_unsent +=
                conn->blocked_mark -
                (conn->sent < conn->blocked_first ? conn->blocked_first - 1 : conn->sent);
    }
}

static void end_sending(struct worker *worker)
{
    struct lane *const lane = &worker->lane;

    while (lane->pending_count > 0)
        lane_flush(lane);
    const uint64_t now_ns = clock_monotonic_ns();
    end_turn(worker, now_ns);
    worker->turn_ns = now_ns;
    if (!lane->measuring)
        begin_measuring(worker, now_ns);
    lane_follow_flight(lane, now_ns);
    take_mark(worker, now_ns, &worker->end);
    if (lane->schedule)
        sum_up_offer(worker);
    worker->live_count = lane->open_count;
    lane->measuring = false;
    lane->sending = false;
}

/* Sends until @stop_ns, until somebody stops the run, or until no connection is left. */
static void send_until(struct worker *worker, uint64_t stop_ns)
{
    struct lane *const lane = &worker->lane;

    while (lane->open_count > 0 && stop_wish(worker) == WORKER_STOP_NO) {
        const uint64_t now_ns = clock_monotonic_ns();
        uint64_t until_ns = stop_ns;
        if (!lane->measuring && now_ns >= lane->measure_start_ns)
            begin_measuring(worker, now_ns);
        if (!lane->measuring)
            until_ns = lane->measure_start_ns;
        if (lane->schedule) {
            release_due(worker, now_ns < stop_ns ? now_ns : stop_ns - 1);
            const uint64_t due_ns = agenda_peek(&worker->agenda)->released.time_ns;
            if (due_ns < until_ns)
                until_ns = due_ns;
        }
        if (now_ns >= stop_ns)
            break;
        if (lane->pending_count > 0)
            until_ns = now_ns;
        turn(worker, until_ns, lane->schedule != NULL);
    }
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
        turn(worker, until_ns, false);
}

/* Reads on for a while: a late ack is told from a lost one. */
static void wait_overdue(struct worker *worker)
{
    struct lane *const lane = &worker->lane;
    const uint64_t until_ns = clock_monotonic_ns() + CLOSING_MS * NS_PER_MS;

    lane->overdue = true;
    while (!is_settled(lane) && lane->open_count > 0 && clock_monotonic_ns() < until_ns &&
           stop_wish(worker) != WORKER_STOP_NOW)
        turn(worker, until_ns, false);
}

/* Says good-bye and waits for the peers' own: acks that come now are one too many. */
static void wait_closing(struct worker *worker)
{
    struct lane *const lane = &worker->lane;
    const uint64_t until_ns = clock_monotonic_ns() + CLOSING_MS * NS_PER_MS;

    lane->closing = true;
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        if (worker->conns[i].fd >= 0)
            conn_finish(&worker->conns[i]);
    }
    while (lane->open_count > 0 && clock_monotonic_ns() < until_ns &&
           stop_wish(worker) != WORKER_STOP_NOW)
        turn(worker, until_ns, false);
}

static void close_all(struct worker *worker)
{
    if (!is_settled(&worker->lane))
        wait_overdue(worker);
    if (is_settled(&worker->lane))
        wait_closing(worker);
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        if (worker->conns[i].fd >= 0)
            conn_close(&worker->conns[i], &worker->lane);
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

    worker->turn_ns = worker->lane.flight_time_ns = common->schedule.start_ns;
    begin_sending(worker);
    send_until(worker, worker->lane.measure_start_ns + common->duration_ns);
    end_sending(worker);
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
