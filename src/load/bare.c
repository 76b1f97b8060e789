/* SPDX-License-Identifier: MIT
 *
 * bare - the least that a client with a window can do (bare.h) */
#include "load/bare.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "load/dial.h"

enum {
    EVENT_COUNT_MAX = 256,
    RECEIVE_SIZE = 256 * 1024,
    WAIT_MS = 10,
};

struct bare_conn {
    int fd;
    bool watching_out;
    uint32_t frame;    /* the next one */
    uint32_t rest;     /* bytes of an ack that is not whole */
    uint64_t credit;   /* messages that may be written */
    const uint8_t *at; /* bytes that the socket did not take yet */
    size_t left;
};

struct bare_thread {
    struct train train;
    struct bare_conn *conns;
    uint32_t conn_count;
    uint8_t *receive;
    int epoll_fd;
    int cpu; /* -1 = any */
    uint64_t duration_ns;
    uint64_t acked;
    uint64_t elapsed_ns;
    uint64_t cpu_ns;
    bool failed;
    pthread_t thread;
};

static void watch(struct bare_thread *thread, struct bare_conn *conn, int operation, bool out)
{
    struct epoll_event event = {
        .events = EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0),
        .data.ptr = conn,
    };

    if (operation == EPOLL_CTL_MOD && conn->watching_out == out)
        return;
    conn->watching_out = out;
    if (epoll_ctl(thread->epoll_fd, operation, conn->fd, &event) < 0)
        thread->failed = true;
}

/* Takes the next frames to write, as many as may be. */
static void load(struct bare_thread *thread, struct bare_conn *conn)
{
    const struct train *const train = &thread->train;
    const uint32_t count =
        conn->credit < train->frame_count ? (uint32_t)conn->credit : train->frame_count;
    const uint32_t begin = train->offsets[conn->frame];

    conn->at = train->frames + begin;
    conn->left = train->offsets[conn->frame + count] - begin;
    conn->frame = (conn->frame + count) % train->frame_count;
    conn->credit -= count;
}

static void pump(struct bare_thread *thread, struct bare_conn *conn)
{
    while (conn->left > 0 || conn->credit > 0) {
        if (conn->left == 0)
            load(thread, conn);
        const ssize_t took = send(conn->fd, conn->at, conn->left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (took < 0 && errno != EAGAIN)
            thread->failed = true;
        if (took > 0) {
            conn->at += took;
            conn->left -= (size_t)took;
        }
        if (conn->left > 0) {
            watch(thread, conn, EPOLL_CTL_MOD, true);
            return;
        }
    }
    watch(thread, conn, EPOLL_CTL_MOD, false);
}

static void receive(struct bare_thread *thread, struct bare_conn *conn)
{
    const ssize_t got = recv(conn->fd, thread->receive, RECEIVE_SIZE, MSG_DONTWAIT);

    if (got <= 0) {
        thread->failed = thread->failed || got == 0 || errno != EAGAIN;
        return;
    }
    const uint64_t size = conn->rest + (uint64_t)got;
    thread->acked += size / ACK_FRAME_SIZE;
    conn->credit += size / ACK_FRAME_SIZE;
    conn->rest = (uint32_t)(size % ACK_FRAME_SIZE);
    if (!conn->watching_out)
        pump(thread, conn);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *run(void *argument)
{
    struct bare_thread *const thread = argument;
    struct epoll_event events[EVENT_COUNT_MAX];

    pin(thread->cpu);
    const uint64_t begin_ns = clock_monotonic_ns();
    const uint64_t begin_cpu_ns = thread_cpu_ns();
    for (uint32_t i = 0; i < thread->conn_count; i++)
        pump(thread, &thread->conns[i]);
    while (!thread->failed && clock_monotonic_ns() - begin_ns < thread->duration_ns) {
        const int count = epoll_wait(thread->epoll_fd, events, EVENT_COUNT_MAX, WAIT_MS);
        for (int i = 0; i < count; i++) {
            struct bare_conn *const conn = events[i].data.ptr;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(thread, conn);
            if (events[i].events & EPOLLOUT)
                pump(thread, conn);
        }
    }
    thread->elapsed_ns = clock_monotonic_ns() - begin_ns;
    thread->cpu_ns = thread_cpu_ns() - begin_cpu_ns;
    return NULL;
}

static void deinit(struct bare_thread *thread)
{
    for (uint32_t i = 0; i < thread->conn_count && thread->conns; i++)
        close(thread->conns[i].fd);
    if (thread->epoll_fd >= 0)
        close(thread->epoll_fd);
    train_deinit(&thread->train);
    free(thread->conns);
    free(thread->receive);
}

/* Prepares thread @index and takes its sockets out of @fds. */
static int init(struct bare_thread *thread, const struct options *options, const struct plan *plan,
                const int *fds, uint32_t index)
{
    const uint32_t stride = options->thread_count;
    const uint32_t count = (options->connection_count - index + stride - 1) / stride;

    *thread = (struct bare_thread){
        .conns = calloc(count, sizeof *thread->conns),
        .receive = malloc(RECEIVE_SIZE),
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .cpu = options->cpu_count > 0 ? options->cpus[index % options->cpu_count] : -1,
    };
    if (!thread->conns || !thread->receive || thread->epoll_fd < 0 ||
        train_init(&thread->train, plan, NULL) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t number = index + (uint64_t)i * stride;
        thread->conns[i] = (struct bare_conn){
            .fd = fds[number],
            .frame = plan_first_frame(plan, number),
            .credit = options->window,
        };
        watch(thread, &thread->conns[i], EPOLL_CTL_ADD, false);
    }
    thread->conn_count = count;
    return 0;
}

/* Runs the threads, all prepared, to their end, and sums up. */
static int run_threads(struct bare_thread *threads, const struct options *options,
                       uint64_t duration_ns, struct bare_result *ret_result)
{
    struct bare_result result = {0};
    uint64_t acked = 0;
    uint64_t cpu_ns = 0;
    bool failed = false;
    uint32_t started = 0;

    while (started < options->thread_count && !failed) {
        threads[started].duration_ns = duration_ns;
        failed = pthread_create(&threads[started].thread, NULL, run, &threads[started]) != 0;
        started += !failed;
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
        acked += threads[i].acked;
        cpu_ns += threads[i].cpu_ns;
        failed = failed || threads[i].failed;
        result.rate += (double)threads[i].acked * 1e9 / (double)threads[i].elapsed_ns;
    }
    result.cpu_ns = acked > 0 ? (double)cpu_ns / (double)acked : 0;
    *ret_result = result;
    if (failed)
        return -EIO;
    return acked > 0 ? 0 : -EAGAIN;
}

int bare_run(const struct options *options, const struct plan *plan, uint64_t duration_ns,
             struct bare_result *ret_result, struct ackd_error *error)
{
    int *const fds = calloc(options->connection_count, sizeof *fds);
    struct bare_thread *const threads = calloc(options->thread_count, sizeof *threads);
    uint32_t ready = 0;
    int status = -ENOMEM;

    if (fds && threads)
        status = dial_all(&options->address, options->connection_count, fds, error);
    else
        error_raise(error, -ENOMEM, "no memory for the bare loop");
    if (status == 0) {
        while (ready < options->thread_count && status == 0)
            status = init(&threads[ready], options, plan, fds, ready), ready++;
        if (status == 0)
            status = run_threads(threads, options, duration_ns, ret_result);
        if (status < 0)
            error_raise(error, status, "the bare loop %s",
                        status == -EAGAIN ? "got not one ack" : "failed");
    }
    for (uint32_t i = 0; i < ready; i++)
        deinit(&threads[i]);
    free(threads);
    free(fds);
    return status;
}
