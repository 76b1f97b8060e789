/* SPDX-License-Identifier: MIT
 *
 * common_threads - the connections of a ladder server, each with its thread (common_threads.h)
 *
 *      free -> running -> ended -> (joined) free
 *
 * The places are static memory, untouched until they are used, so that the heap holds nothing but
 * what the stages allocate. */
#include "common_threads.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

enum {
    DRAIN_TIME_S = 2,  /* for what has arrived to be answered */
    LINGER_TIME_S = 2, /* for the peer to take its last acks */
    DISCARD_SIZE = 4096,
};

enum place_state {
    PLACE_FREE,
    PLACE_RUNNING,
    PLACE_ENDED, /* its thread is to be joined */
};

struct place {
    enum place_state state; /* under the lock, as is the descriptor's end */
    pthread_t thread;
    struct connection connection;
};

static struct place places[CONNECTION_COUNT_MAX];
static struct counters accept_counters; /* the main thread's */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t one_ended = PTHREAD_COND_INITIALIZER;
static size_t running_count; /* under the lock */
static _Atomic bool is_draining;

/* The counter of a violation; NULL if @reason is another end. */
static counter *decode_error(struct counters *counters, enum close_reason reason)
{
    counter *const of_reason[CLOSE_REASON_COUNT] = {
        [CLOSE_frame_too_short] = &counters->decode_frame_too_short,
        [CLOSE_frame_too_large] = &counters->decode_frame_too_large,
        [CLOSE_packet_too_short] = &counters->decode_packet_too_short,
        [CLOSE_unknown_command] = &counters->decode_unknown_command,
        [CLOSE_wrong_direction] = &counters->decode_wrong_direction,
    };
    return of_reason[reason];
}

/* stage_serve() says eof when the peer's bytes end: what that means depends on where. */
static enum close_reason judge_end(const struct connection *connection, enum close_reason reason)
{
    if (reason != CLOSE_eof)
        return reason;
    if (is_draining)
        return CLOSE_drain;
    return connection->frame_size > 0 ? CLOSE_eof_in_frame : CLOSE_eof;
}

static void count_end(struct counters *counters, enum close_reason reason)
{
    counter *const error = decode_error(counters, reason);

    if (error)
        counter_add(error, 1);
    counter_add(&counters->closed[reason], 1);
    counter_set(&counters->acks_dropped, counter_read(&counters->submits_received) -
                                             counter_read(&counters->submit_acks_sent));
    counter_set(&counters->connections_open, 0);
}

/* Waits until the peer has taken its acks and closed, reading what it still sends: to close on
 * unread bytes would be a reset, and take acks away from it. */
static void linger(struct connection *connection)
{
    const struct timeval patience = {.tv_sec = LINGER_TIME_S};
    const uint64_t end_ns = clock_monotonic_ns() + LINGER_TIME_S * NS_PER_S;
    uint8_t discarded[DISCARD_SIZE];
    ssize_t size;

    shutdown(connection->fd, SHUT_WR);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    do {
        size = recv(connection->fd, discarded, sizeof discarded, 0);
        if (size > 0)
            counter_add(&connection->counters.bytes_discarded, (uint64_t)size);
    } while (size > 0 && clock_monotonic_ns() < end_ns);
}

static void *run(void *context)
{
    struct place *const place = context;
    struct connection *const connection = &place->connection;
    const enum close_reason reason = judge_end(connection, stage_serve(connection));

    count_end(&connection->counters, reason);
    linger(connection);
    pthread_mutex_lock(&lock);
    close(connection->fd);
    place->state = PLACE_ENDED;
    running_count--;
    pthread_cond_signal(&one_ended);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* A place that nobody uses, or NULL. */
static struct place *find_place(void)
{
    struct place *found = NULL;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CONNECTION_COUNT_MAX && !found; i++) {
        if (places[i].state != PLACE_RUNNING)
            found = &places[i];
    }
    pthread_mutex_unlock(&lock);
    if (found && found->state == PLACE_ENDED) {
        pthread_join(found->thread, NULL);
        found->state = PLACE_FREE;
    }
    return found;
}

static int start_thread(struct place *place, int fd)
{
    struct connection *const connection = &place->connection;

    connection->fd = fd;
    connection->frame_size = 0;
    counter_add(&connection->counters.connections_accepted, 1);
    counter_set(&connection->counters.connections_open, 1);
    pthread_mutex_lock(&lock);
    const int code =
        thread_start_sized(&place->thread, "connection", CONNECTION_STACK_SIZE, run, place);
    if (code == 0) {
        place->state = PLACE_RUNNING;
        running_count++;
    }
    pthread_mutex_unlock(&lock);
    if (code < 0)
        count_end(&connection->counters, CLOSE_no_memory);
    return code;
}

static void count_accept_error(int code)
{
    switch (code) {
    case EMFILE:
        counter_add(&accept_counters.accept_emfile, 1);
        break;
    case ENFILE:
        counter_add(&accept_counters.accept_enfile, 1);
        break;
    case ECONNABORTED:
        counter_add(&accept_counters.accept_aborted, 1);
        break;
    default:
        counter_add(&accept_counters.accept_other, 1);
    }
}

int threads_accept(int fd)
{
    const int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    counter_add(&accept_counters.syscalls_accept, 1);
    if (accepted < 0) {
        const int code = errno;
        if (code == EAGAIN || code == EINTR)
            return 0;
        count_accept_error(code);
        return -code;
    }
    struct place *const place = find_place();
    if (!place)
        counter_add(&accept_counters.rejected_max_conns, 1);
    if (!place || start_thread(place, accepted) < 0)
        close(accepted);
    return 0;
}

/* Ends one or both directions of every connection. */
static void shut_all(int how)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CONNECTION_COUNT_MAX; i++) {
        if (places[i].state == PLACE_RUNNING)
            shutdown(places[i].connection.fd, how);
    }
    pthread_mutex_unlock(&lock);
}

static void wait_for_all(time_t seconds)
{
    struct timespec end;
    int code = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += seconds;
    pthread_mutex_lock(&lock);
    while (running_count > 0 && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&one_ended, &lock, &end);
    pthread_mutex_unlock(&lock);
}

void threads_end(void)
{
    is_draining = true;
    shut_all(SHUT_RD); /* what the kernel has is still read */
    wait_for_all(DRAIN_TIME_S);
    shut_all(SHUT_RDWR);
    for (size_t i = 0; i < CONNECTION_COUNT_MAX; i++) {
        pthread_mutex_lock(&lock);
        const bool was_used = places[i].state != PLACE_FREE;
        pthread_mutex_unlock(&lock);
        if (was_used)
            pthread_join(places[i].thread, NULL);
    }
}

static uint64_t read_at(const struct counters *counters, size_t offset)
{
    return counter_read((const counter *)(const void *)((const char *)counters + offset));
}

uint64_t threads_sum(const void *unused, size_t offset)
{
    uint64_t sum = read_at(&accept_counters, offset);

    (void)unused;
    for (size_t i = 0; i < CONNECTION_COUNT_MAX; i++)
        sum += read_at(&places[i].connection.counters, offset);
    return sum;
}
