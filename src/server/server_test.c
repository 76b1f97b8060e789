/* SPDX-License-Identifier: MIT
 *
 * server_test - the life of servers: made, started, drained, stopped, freed, and what they leave
 *
 * Real sockets and threads; the test is the client. */
#include "server/server.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/test_net.h"
#include "engine/listener.h"

enum {
    PATH_SIZE = 64,
    HELD_COUNT_MAX = 16,
    WAIT_MS = TEST_PATIENCE_S * 1000,
};

/* --- handlers --- */

/* A handler that holds its batches until the test completes them. */
struct holder {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct ackd_batch *held[HELD_COUNT_MAX];
    int held_count;
    int batch_count;
    int freed_count;
};

static void hold(void *self, struct ackd_batch *batch)
{
    struct holder *const holder = self;

    pthread_mutex_lock(&holder->mutex);
    if (holder->held_count < HELD_COUNT_MAX)
        holder->held[holder->held_count++] = ackd_batch_defer(batch, 0);
    holder->batch_count++;
    pthread_cond_signal(&holder->changed);
    pthread_mutex_unlock(&holder->mutex);
}

static void wait_for_batches(struct holder *holder, int count)
{
    pthread_mutex_lock(&holder->mutex);
    while (holder->batch_count < count)
        pthread_cond_wait(&holder->changed, &holder->mutex);
    pthread_mutex_unlock(&holder->mutex);
}

static void release(struct holder *holder)
{
    pthread_mutex_lock(&holder->mutex);
    while (holder->held_count > 0)
        ackd_batch_complete(holder->held[--holder->held_count]);
    pthread_mutex_unlock(&holder->mutex);
}

static void free_holder(void *self)
{
    struct holder *const holder = self;

    release(holder);
    holder->freed_count++;
}

static struct ackd_handler holding(struct holder *holder)
{
    *holder =
        (struct holder){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    return (struct ackd_handler){.self = holder, .on_batch = hold, .free = free_holder};
}

/* --- servers --- */

static struct ackd_server_options options_for(const char *listen)
{
    struct ackd_server_options options;

    ackd_server_options_init(&options);
    options.worker_count = 2;
    options.listen[options.listen_count++] = listen;
    return options;
}

static struct ackd_server *make(const struct ackd_server_options *options)
{
    struct ackd_server *server;
    struct ackd_error error;

    if (ackd_server_new(&server, options, &error) < 0)
        fail_msg("%s", error.text);
    return server;
}

static struct ackd_server *start(const struct ackd_server_options *options)
{
    struct ackd_server *const server = make(options);
    struct ackd_error error;

    if (ackd_server_start(server, &error) < 0)
        fail_msg("%s", error.text);
    return server;
}

static void drain_and_free(struct ackd_server *server)
{
    ackd_server_drain(server);
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    ackd_server_free(server);
}

/* --- clients --- */

static int join(const struct ackd_server *server, size_t listen_index)
{
    const int fd = test_connect_text(ackd_server_listen_address(server, listen_index));

    assert_true(fd >= 0);
    return fd;
}

static void submit(int fd)
{
    uint8_t frame[REQUEST_FRAME_SIZE_MIN];

    packet_encode_request(frame, COMMAND_SUBMIT, (const uint8_t *)"00000001", (struct bytes){0});
    test_write(fd, frame, sizeof frame);
}

static void check_ack(int fd, uint8_t command)
{
    uint8_t ack[ACK_FRAME_SIZE];
    uint8_t expected[ACK_FRAME_SIZE];

    packet_encode_ack(expected, command, (const uint8_t *)"00000001", RESULT_OK);
    assert_int_equal(test_read(fd, ack, sizeof ack), sizeof ack);
    assert_memory_equal(ack, expected, sizeof ack);
}

static void check_served(int fd)
{
    submit(fd);
    check_ack(fd, COMMAND_SUBMIT_ACK);
}

/* The server has ended the connection in order. */
static void check_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* Waits until the server has counted @count open connections. */
static void wait_for_open(const struct ackd_server *server, uint64_t count)
{
    struct ackd_server_stats stats;
    const struct timespec moment = {.tv_nsec = (long)NS_PER_MS};

    for (int i = 0; i < WAIT_MS; i++) {
        ackd_server_stats(server, &stats);
        if (stats.connections_open == count)
            return;
        nanosleep(&moment, NULL);
    }
    fail_msg("there are not %d connections", (int)count);
}

/* --- one life --- */

static void from_new_to_finished(void **state)
{
    const int fd_count = test_fd_count();
    const struct ackd_server_options options = options_for("127.0.0.1:0");
    struct ackd_server_stats stats;
    struct pollfd finished = {.events = POLLIN};

    (void)state;
    struct ackd_server *const server = make(&options);
    assert_int_equal(ackd_server_state(server), ACKD_SERVER_NEW);
    finished.fd = ackd_server_finished_fd(server);
    assert_int_equal(poll(&finished, 1, 0), 0);

    /* Who comes too early waits in the queue. */
    const int client = join(server, 0);
    submit(client);
    assert_int_equal(ackd_server_start(server, NULL), 0);
    assert_int_equal(ackd_server_state(server), ACKD_SERVER_RUNNING);
    check_ack(client, COMMAND_SUBMIT_ACK);
    assert_int_equal(ackd_server_wait(server, 0), -ETIMEDOUT);
    wait_for_open(server, 1);

    ackd_server_drain(server);
    check_end(client);
    close(client);
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    assert_int_equal(ackd_server_wait(server, 0), 0); /* and again */
    assert_int_equal(ackd_server_state(server), ACKD_SERVER_FINISHED);
    assert_int_equal(poll(&finished, 1, 0), 1);
    ackd_server_stats(server, &stats);
    assert_int_equal(stats.connections_open, 0);
    assert_int_equal(stats.connections_accepted, 1);
    assert_int_equal(stats.submits_received, 1);
    assert_int_equal(stats.submit_acks_sent, 1);
    assert_int_equal(stats.acks_dropped, 0);
    ackd_server_drain(server); /* too late is fine */
    ackd_server_stop(server);
    assert_int_equal(ackd_server_state(server), ACKD_SERVER_FINISHED);
    ackd_server_free(server);
    assert_int_equal(test_fd_count(), fd_count);
}

static void free_without_start(void **state)
{
    const int fd_count = test_fd_count();
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct holder holder;

    (void)state;
    options.handler = holding(&holder);
    struct ackd_server *const server = make(&options);
    const int client = join(server, 0);
    ackd_server_free(server);
    assert_int_equal(holder.freed_count, 1);
    close(client);
    assert_int_equal(test_fd_count(), fd_count);
    ackd_server_free(NULL);
}

static void free_stops_what_runs(void **state)
{
    const int fd_count = test_fd_count();
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct holder holder;

    (void)state;
    options.handler = holding(&holder);
    struct ackd_server *const server = start(&options);
    const int client = join(server, 0);
    submit(client);
    wait_for_batches(&holder, 1);
    ackd_server_free(server); /* the handler still holds a batch */
    assert_int_equal(holder.freed_count, 1);
    assert_int_equal(holder.held_count, 0);
    close(client);
    assert_int_equal(test_fd_count(), fd_count);
}

static void a_drain_before_the_start_is_not_forgotten(void **state)
{
    const struct ackd_server_options options = options_for("127.0.0.1:0");
    struct ackd_server *const server = make(&options);

    (void)state;
    ackd_server_drain(server);
    assert_int_equal(ackd_server_start(server, NULL), 0);
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    ackd_server_free(server);
}

/* --- ends --- */

static void a_drain_waits_for_what_is_owed(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct ackd_server_stats stats;
    struct holder holder;

    (void)state;
    options.handler = holding(&holder);
    struct ackd_server *const server = start(&options);
    const int client = join(server, 0);
    submit(client);
    wait_for_batches(&holder, 1);
    ackd_server_drain(server);
    assert_int_equal(ackd_server_state(server), ACKD_SERVER_DRAINING);
    assert_int_equal(ackd_server_wait(server, 20), -ETIMEDOUT);
    release(&holder);
    check_ack(client, COMMAND_SUBMIT_ACK);
    check_end(client);
    close(client);
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    ackd_server_stats(server, &stats);
    assert_int_equal(stats.acks_dropped, 0);
    ackd_server_free(server);
}

static void a_stop_waits_for_nothing_and_counts_what_it_drops(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct ackd_server_stats stats;
    struct holder holder;
    char byte;

    (void)state;
    options.handler = holding(&holder);
    struct ackd_server *const server = start(&options);
    const int client = join(server, 0);
    submit(client);
    wait_for_batches(&holder, 1);
    ackd_server_drain(server);
    ackd_server_stop(server);
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    ackd_server_stats(server, &stats);
    assert_int_equal(stats.acks_dropped, 1);
    assert_int_equal(stats.connections_open, 0);
    close(client);
    ackd_server_free(server);
}

static void a_drain_ends_at_its_timeout(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct ackd_server_stats stats;
    struct holder holder;

    (void)state;
    options.handler = holding(&holder);
    options.drain_timeout_ms = 50;
    struct ackd_server *const server = start(&options);
    const int client = join(server, 0);
    submit(client);
    wait_for_batches(&holder, 1);
    ackd_server_drain(server);
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    ackd_server_stats(server, &stats);
    assert_int_equal(stats.acks_dropped, 1);
    close(client);
    ackd_server_free(server);
}

static struct ackd_server *to_drain; /* for a signal's handler */

static void drain_on_signal(int number)
{
    (void)number;
    ackd_server_drain(to_drain);
}

static void a_signal_handler_may_drain(void **state)
{
    const struct ackd_server_options options = options_for("127.0.0.1:0");

    (void)state;
    to_drain = start(&options);
    signal(SIGUSR1, drain_on_signal);
    raise(SIGUSR1);
    assert_int_equal(ackd_server_wait(to_drain, WAIT_MS), 0);
    signal(SIGUSR1, SIG_DFL);
    ackd_server_free(to_drain);
}

static void do_nothing(int number)
{
    (void)number;
}

/* Signals that the program takes do not shorten the wait. */
static void a_wait_is_as_long_as_it_is_to_be(void **state)
{
    enum { TIMEOUT_MS = 60 };
    const struct ackd_server_options options = options_for("127.0.0.1:0");
    const struct itimerval often = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    const struct itimerval never = {0};
    struct ackd_server *const server = start(&options);

    (void)state;
    const struct sigaction ignoring = {.sa_handler = do_nothing}; /* without SA_RESTART */
    sigaction(SIGALRM, &ignoring, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    const uint64_t begin_ns = clock_monotonic_ns();
    const int code = ackd_server_wait(server, TIMEOUT_MS);
    const uint64_t end_ns = clock_monotonic_ns();
    ackd_server_drain(server);
    assert_int_equal(ackd_server_wait(server, -1), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(code, -ETIMEDOUT);
    assert_true(end_ns - begin_ns >= TIMEOUT_MS * NS_PER_MS);
    ackd_server_free(server);
}

/* --- starts that fail --- */

/* Nothing is left of a server that could not be made, and its handler was freed. */
static void check_fails(struct ackd_server_options *options, int expected, const char *words)
{
    struct ackd_server *server = (struct ackd_server *)options; /* to be left alone */
    const int fd_count = test_fd_count();
    struct ackd_error error = {0};
    struct holder holder;

    options->handler = holding(&holder);
    assert_int_equal(ackd_server_new(&server, options, &error), expected);
    assert_int_equal(error.code, expected);
    if (!strstr(error.text, words))
        fail_msg("no '%s' in '%s'", words, error.text);
    assert_ptr_equal(server, options);
    assert_int_equal(holder.freed_count, 1);
    assert_int_equal(test_fd_count(), fd_count);
}

static void an_address_in_use_is_refused(void **state)
{
    const struct ackd_server_options first = options_for("127.0.0.1:0");
    struct ackd_server *const server = start(&first);
    const char *const address = ackd_server_listen_address(server, 0);
    struct ackd_server_options second = options_for("127.0.0.1:0");

    (void)state;
    second.listen[second.listen_count++] = address;
    check_fails(&second, -EADDRINUSE, address);
    const int client = join(server, 0); /* the first one does not notice */
    check_served(client);
    close(client);
    drain_and_free(server);
}

static void illegal_options_are_refused(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0,dialect=x");

    (void)state;
    check_fails(&options, -EINVAL, "dialect=demo");
    options = options_for("127.0.0.1:0");
    options.frame_size_max = 12;
    check_fails(&options, -EINVAL, "13 to 16777216");
}

static void a_handler_without_function_is_freed_too(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct holder holder;

    (void)state;
    options.handler = holding(&holder);
    options.handler.on_batch = NULL; /* discard */
    struct ackd_server *const server = start(&options);
    const int client = join(server, 0);
    check_served(client);
    close(client);
    drain_and_free(server);
    assert_int_equal(holder.freed_count, 1);
}

/* A folder for unix sockets. */
struct folder {
    char path[PATH_SIZE];
    char socket_path[PATH_SIZE];
};

static void folder_open(struct folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "/tmp/ackd-server-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->socket_path, sizeof folder->socket_path, "%.40s/socket", folder->path);
}

static void folder_close(const struct folder *folder)
{
    assert_int_equal(rmdir(folder->path), 0); /* fails if a file is left in it */
}

/* Descriptors run out at every point of making a server; each time all of it is undone. */
static void running_out_of_descriptors_at_any_point(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct rlimit before;
    struct folder folder;
    int code = -EMFILE;
    int spare = 0;

    (void)state;
    folder_open(&folder);
    options.listen[options.listen_count++] = folder.socket_path;
    const int fd_count = test_fd_count();
    const int next_fd = dup(STDIN_FILENO);
    close(next_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (; code == -EMFILE && spare < 100; spare++) {
        const struct rlimit limit = {.rlim_cur = (rlim_t)(next_fd + spare),
                                     .rlim_max = before.rlim_max};
        struct ackd_server *server = NULL;
        struct stat status;

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        code = ackd_server_new(&server, &options, NULL);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(server != NULL, code == 0);
        ackd_server_free(server);
        assert_int_equal(test_fd_count(), fd_count);
        assert_int_equal(stat(folder.socket_path, &status), -1);
    }
    assert_int_equal(code, 0);
    assert_true(spare > 5);
    folder_close(&folder);
}

static void a_thread_that_cannot_start_is_told(void **state)
{
    const int fd_count = test_fd_count();
    const struct ackd_server_options options = options_for("127.0.0.1:0");
    struct ackd_server *const server = make(&options);
    struct ackd_error error = {0};
    pthread_attr_t usual;
    pthread_attr_t huge;

    (void)state;
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    assert_int_equal(pthread_getattr_default_np(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 60), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    const int code = ackd_server_start(server, &error);
    assert_int_equal(pthread_setattr_default_np(&usual), 0);
    pthread_attr_destroy(&usual);
    pthread_attr_destroy(&huge);
    assert_true(code < 0);
    assert_non_null(strstr(error.text, "cannot start worker 0"));
    ackd_server_free(server);
    assert_int_equal(test_fd_count(), fd_count);
}

/* --- several listeners, several servers --- */

static void each_listener_speaks_its_dialect(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct folder folder;
    struct stat status;

    (void)state;
    folder_open(&folder);
    options.listen[options.listen_count++] = "127.0.0.1:0,dialect=demo";
    options.listen[options.listen_count++] = folder.socket_path;
    struct ackd_server *const server = start(&options);
    assert_int_equal(ackd_server_listen_count(server), 3);
    assert_string_equal(ackd_server_listen_dialect(server, 0), "spec");
    assert_string_equal(ackd_server_listen_dialect(server, 1), "demo");
    assert_string_equal(ackd_server_listen_dialect(server, 2), "spec");
    assert_memory_equal(ackd_server_listen_address(server, 0), "127.0.0.1:", 10);
    assert_string_not_equal(ackd_server_listen_address(server, 0),
                            ackd_server_listen_address(server, 1));
    assert_string_equal(ackd_server_listen_address(server, 2) + strlen("unix:"),
                        folder.socket_path);
    for (size_t i = 0; i < 3; i++) {
        const int client = join(server, i);
        submit(client);
        check_ack(client, i == 1 ? COMMAND_DEMO_SUBMIT_ACK : COMMAND_SUBMIT_ACK);
        close(client);
    }
    drain_and_free(server);
    assert_int_equal(stat(folder.socket_path, &status), -1);
    folder_close(&folder);
}

/* Workers share a unix socket, and have one each of a TCP port: everybody is served. */
static void everybody_is_served(void **state)
{
    enum { CLIENT_COUNT = 60 };
    struct ackd_server_options options = options_for("127.0.0.1:0");
    int clients[CLIENT_COUNT];
    struct folder folder;
    struct ackd_server_stats stats;

    (void)state;
    folder_open(&folder);
    options.listen[options.listen_count++] = folder.socket_path;
    options.worker_count = 3;
    struct ackd_server *const server = start(&options);
    assert_int_equal(ackd_server_worker_count(server), 3);
    for (int i = 0; i < CLIENT_COUNT; i++)
        clients[i] = join(server, (size_t)i % 2);
    for (int i = 0; i < CLIENT_COUNT; i++)
        check_served(clients[i]);
    ackd_server_drain(server);
    for (int i = 0; i < CLIENT_COUNT; i++) {
        check_end(clients[i]);
        close(clients[i]);
    }
    assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    ackd_server_stats(server, &stats);
    assert_int_equal(stats.connections_accepted, CLIENT_COUNT);
    assert_int_equal(stats.submit_acks_sent, CLIENT_COUNT);
    ackd_server_free(server);
    folder_close(&folder);
}

static void two_servers_do_not_know_each_other(void **state)
{
    const struct ackd_server_options plain = options_for("127.0.0.1:0");
    const struct ackd_server_options demo = options_for("127.0.0.1:0,dialect=demo");
    struct ackd_server *const first = start(&plain);
    struct ackd_server *const second = start(&demo);
    struct ackd_server_stats stats;

    (void)state;
    const int a = join(first, 0);
    const int b = join(second, 0);
    check_served(a);
    submit(b);
    check_ack(b, COMMAND_DEMO_SUBMIT_ACK);
    ackd_server_free(first);
    close(a);
    submit(b);
    check_ack(b, COMMAND_DEMO_SUBMIT_ACK);
    ackd_server_stats(second, &stats);
    assert_int_equal(stats.submits_received, 2);
    assert_int_equal(ackd_server_state(second), ACKD_SERVER_RUNNING);
    close(b);
    drain_and_free(second);
}

/* --- one server after another --- */

static int thread_count(void)
{
    int count = 0;
    DIR *const folder = opendir("/proc/self/task");

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Kilobytes of this process that are in memory. */
static long resident_kb(void)
{
    long pages = 0;
    FILE *const file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void starts_and_stops_leave_nothing_behind(void **state)
{
    enum { ROUND_COUNT = 100, GROWTH_KB_MAX = 2048 };
    const struct ackd_server_options options = options_for("127.0.0.1:0");
    long before_kb = 0;

    (void)state;
    const int fd_count = test_fd_count();
    const int threads = thread_count();
    for (int i = 0; i < ROUND_COUNT; i++) {
        struct ackd_server *const first = start(&options);
        struct ackd_server *const second = start(&options);
        const int fd = join(first, 0);

        check_served(fd);
        close(fd);
        drain_and_free(first);
        ackd_server_free(second);
        if (i == ROUND_COUNT / 10)
            before_kb = resident_kb();
    }
    assert_int_equal(test_fd_count(), fd_count);
    assert_int_equal(thread_count(), threads);
#ifndef __SANITIZE_ADDRESS__
    assert_true(resident_kb() - before_kb < GROWTH_KB_MAX);
#else
    assert_true(before_kb > 0);
#endif
}

/* The next one may listen as soon as this one drains, whatever it still owes. */
static void check_successor(const char *listen)
{
    struct ackd_server_options options = options_for(listen);
    struct holder holder;
    char address[ADDRESS_TEXT_SIZE];

    options.handler = holding(&holder);
    struct ackd_server *const old = start(&options);
    snprintf(address, sizeof address, "%s", ackd_server_listen_address(old, 0));
    const int old_client = join(old, 0);
    const int idle_client = join(old, 0);
    submit(old_client);
    wait_for_batches(&holder, 1);
    wait_for_open(old, 2);
    ackd_server_drain(old);
    check_end(idle_client); /* its worker, and by the next line the other, has stopped listening */
    close(idle_client);
    wait_for_open(old, 1);

    const struct ackd_server_options next_options = options_for(address);
    struct ackd_server *next = NULL;
    struct ackd_error error;
    for (int i = 0; i < WAIT_MS && !next; i++) {
        const struct timespec moment = {.tv_nsec = (long)NS_PER_MS};

        if (ackd_server_new(&next, &next_options, &error) < 0)
            nanosleep(&moment, NULL);
    }
    if (!next)
        fail_msg("%s", error.text);
    assert_int_equal(ackd_server_start(next, NULL), 0);

    release(&holder);
    check_ack(old_client, COMMAND_SUBMIT_ACK);
    check_end(old_client);
    close(old_client);
    assert_int_equal(ackd_server_wait(old, WAIT_MS), 0);
    ackd_server_free(old);

    const int client = join(next, 0); /* the old one has not taken the address along */
    check_served(client);
    close(client);
    drain_and_free(next);
}

static void a_port_is_free_when_its_server_drains(void **state)
{
    (void)state;
    check_successor("127.0.0.1:0");
}

static void a_unix_socket_is_free_when_its_server_drains(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    check_successor(folder.socket_path);
    folder_close(&folder);
}

/* --- bounds --- */

/* A connection that is served, as soon as there is room for it. */
static int join_when_there_is_room(const struct ackd_server *server)
{
    uint8_t ack[ACK_FRAME_SIZE];

    for (int i = 0; i < WAIT_MS; i++) {
        const struct timespec moment = {.tv_nsec = (long)NS_PER_MS};
        const int fd = join(server, 0);

        submit(fd);
        if (test_read(fd, ack, sizeof ack) == sizeof ack)
            return fd;
        close(fd);
        nanosleep(&moment, NULL);
    }
    fail_msg("there is no room");
    return -1;
}

static void connections_beyond_the_limit_are_closed_at_once(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");

    (void)state;
    options.conns_max = 2;
    struct ackd_server *const server = start(&options);
    assert_int_equal(ackd_server_conns_max(server), 2);
    const int first = join(server, 0);
    const int second = join(server, 0);
    check_served(first);
    check_served(second);
    const int third = join(server, 0);
    check_end(third);
    close(third);
    close(first);
    const int fourth = join_when_there_is_room(server);
    check_served(second);
    close(second);
    close(fourth);
    drain_and_free(server);
}

static void what_is_left_open_is_decided(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");

    (void)state;
    options.worker_count = 0;
    struct ackd_server *const server = make(&options);
    assert_true(ackd_server_worker_count(server) >= 1);
    assert_true(ackd_server_conns_max(server) >= 1);
    ackd_server_free(server);
}

/* A program that starts others must not hand them the server's sockets. */
static void no_descriptor_leaks_into_children(void **state)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    struct folder folder;
    bool was_open[256];

    (void)state;
    folder_open(&folder);
    options.listen[options.listen_count++] = folder.socket_path;
    for (int fd = 0; fd < 256; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    struct ackd_server *const server = start(&options);
    const int client = join(server, 1);
    check_served(client);
    for (int fd = 0; fd < 256; fd++) {
        const int flags = fcntl(fd, F_GETFD);
        if (!was_open[fd] && flags >= 0 && !(flags & FD_CLOEXEC))
            fail_msg("descriptor %d stays open in children", fd);
    }
    close(client);
    drain_and_free(server);
    folder_close(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_new_to_finished),
        cmocka_unit_test(free_without_start),
        cmocka_unit_test(free_stops_what_runs),
        cmocka_unit_test(a_drain_before_the_start_is_not_forgotten),
        cmocka_unit_test(a_drain_waits_for_what_is_owed),
        cmocka_unit_test(a_stop_waits_for_nothing_and_counts_what_it_drops),
        cmocka_unit_test(a_drain_ends_at_its_timeout),
        cmocka_unit_test(a_signal_handler_may_drain),
        cmocka_unit_test(a_wait_is_as_long_as_it_is_to_be),
        cmocka_unit_test(an_address_in_use_is_refused),
        cmocka_unit_test(illegal_options_are_refused),
        cmocka_unit_test(a_handler_without_function_is_freed_too),
        cmocka_unit_test(running_out_of_descriptors_at_any_point),
        cmocka_unit_test(a_thread_that_cannot_start_is_told),
        cmocka_unit_test(each_listener_speaks_its_dialect),
        cmocka_unit_test(everybody_is_served),
        cmocka_unit_test(starts_and_stops_leave_nothing_behind),
        cmocka_unit_test(two_servers_do_not_know_each_other),
        cmocka_unit_test(a_port_is_free_when_its_server_drains),
        cmocka_unit_test(a_unix_socket_is_free_when_its_server_drains),
        cmocka_unit_test(connections_beyond_the_limit_are_closed_at_once),
        cmocka_unit_test(what_is_left_open_is_decided),
        cmocka_unit_test(no_descriptor_leaks_into_children),
    };
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
