/* SPDX-License-Identifier: MIT
 *
 * watch_test - the numbers are those of /metrics, connections are listed, and no worker that is
 * busy holds up who asks */
#include <ackd/metrics.h>
#include <ackd/watch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/test_net.h"

enum { SUBMIT_SIZE = 13, ACK_SIZE = 14 };

/* A handler that blocks its worker, against the rules, until it is let go. */
struct blocker {
    _Atomic bool blocks;
    _Atomic bool blocked;
};

static void block(void *self, struct ackd_batch *batch)
{
    struct blocker *const blocker = self;
    const struct timespec moment = {.tv_nsec = 1000 * 1000};

    (void)batch;
    while (atomic_load(&blocker->blocks)) {
        atomic_store(&blocker->blocked, true);
        nanosleep(&moment, NULL);
    }
    atomic_store(&blocker->blocked, false);
}

static struct ackd_server *start(uint32_t worker_count, struct blocker *blocker)
{
    struct ackd_server_options options;
    struct ackd_server *server;
    struct ackd_error error;

    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.worker_count = worker_count;
    options.handler = (struct ackd_handler){.self = blocker, .on_batch = blocker ? block : NULL};
    assert_int_equal(ackd_server_new(&server, &options, &error), 0);
    assert_int_equal(ackd_server_start(server, &error), 0);
    return server;
}

static void send_submits(int fd, int count)
{
    for (int i = 0; i < count; i++) {
        static const char submit[SUBMIT_SIZE] = {0, 0, 0, SUBMIT_SIZE, 2, '0', '0', '0', '0'};
        test_write(fd, submit, sizeof submit);
    }
}

static void exchange(int fd, int count)
{
    char acks[ACK_SIZE];

    send_submits(fd, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(test_read(fd, acks, sizeof acks), sizeof acks);
}

/* The value of series @name in /metrics. */
static double metric(struct ackd_server *server, const char *name)
{
    char line[ACKD_SERIES_NAME_SIZE + 16];
    char *text;
    size_t size;
    double value = -1;

    assert_int_equal(ackd_server_metrics(server, ACKD_METRICS_TEXT, "x", &text, &size), 0);
    snprintf(line, sizeof line, "\n%s%s ", strncmp(name, "process_", 8) == 0 ? "" : "x_", name);
    const char *const found = strstr(text, line);
    if (!found)
        fail_msg("/metrics has no %s", name);
    assert_int_equal(sscanf(found + strlen(line), "%lf", &value), 1);
    free(text);
    return value;
}

/* What this process has used of CPUs. */
static double process_seconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* True for what goes on while nobody does anything. */
static bool moves_by_itself(const char *name)
{
    return strstr(name, "cpu_seconds") || strstr(name, "resident") || strstr(name, "busy") ||
           strstr(name, "syscalls");
}

static void every_series_is_one_of_the_metrics(void **state)
{
    struct ackd_server *const server = start(2, NULL);
    const int fd = test_connect_text(ackd_server_listen_address(server, 0));
    const size_t count = ackd_server_series_count(server);
    double *const values = calloc(count, sizeof *values);

    (void)state;
    assert_true(fd >= 0);
    exchange(fd, 5);
    /* An ack is here before it is counted. */
    while (metric(server, "request_duration_seconds_count") != 5 ||
           metric(server, "rsp_send_total") != 5)
        continue;
    ackd_server_series_read(server, values);
    for (size_t i = 0; i < count; i++) {
        char name[ACKD_SERIES_NAME_SIZE];

        ackd_server_series_name(server, i, name);
        const double expected = metric(server, name);
        if (!moves_by_itself(name) && values[i] != expected)
            fail_msg("%s is %g here and %g in /metrics", name, values[i], expected);
    }
    free(values);
    close(fd);
    ackd_server_free(server);
}

static void the_busiest_connection_is_first_and_has_a_name(void **state)
{
    struct ackd_server *const server = start(2, NULL);
    const int quiet = test_connect_text(ackd_server_listen_address(server, 0));
    const int busy = test_connect_text(ackd_server_listen_address(server, 0));
    struct ackd_conns *const conns = malloc(sizeof *conns);
    const struct ackd_conns_list *const list = &conns->by[ACKD_CONNS_BY_RATE];
    struct address own = {.size = sizeof own.storage};
    char own_text[ADDRESS_TEXT_SIZE];

    (void)state;
    exchange(quiet, 1);
    exchange(busy, 100);
    assert_int_equal(getsockname(busy, (struct sockaddr *)&own.storage, &own.size), 0);
    address_format(&own, own_text);

    assert_int_equal(ackd_server_conns(server, 20000, conns), 0);
    assert_int_equal(conns->worker_count, 2);
    assert_int_equal(conns->answered_count, 2);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->conns[0].peer, own_text);
    assert_int_equal(list->conns[0].submits_received, 100);
    assert_int_equal(list->conns[0].submit_acks_sent, 100);
    assert_int_equal(list->conns[0].queued_bytes, 0);
    assert_string_equal(list->conns[0].state, "open");
    assert_string_equal(list->conns[0].paused, "");
    assert_true(list->conns[0].submit_rate > list->conns[1].submit_rate);
    assert_int_equal(conns->by[ACKD_CONNS_BY_QUEUED].count, 2);

    free(conns);
    close(quiet);
    close(busy);
    ackd_server_free(server);
}

static void a_worker_that_is_busy_is_left_out_and_asked_again(void **state)
{
    struct blocker blocker = {.blocks = true};
    struct ackd_server *const server = start(1, &blocker);
    const int fd = test_connect_text(ackd_server_listen_address(server, 0));
    struct ackd_conns *const conns = malloc(sizeof *conns);
    char ack[ACK_SIZE];

    (void)state;
    send_submits(fd, 1);
    while (!atomic_load(&blocker.blocked))
        continue;
    for (int i = 0; i < 3; i++) { /* it still has the first question: no other is made */
        const uint64_t begin_ns = clock_monotonic_ns();
        assert_int_equal(ackd_server_conns(server, 20, conns), 0);
        assert_in_range(clock_monotonic_ns() - begin_ns, 15 * NS_PER_MS, 5 * NS_PER_S);
        assert_int_equal(conns->answered_count, 0);
        assert_int_equal(conns->by[ACKD_CONNS_BY_RATE].count, 0);
    }
    atomic_store(&blocker.blocks, false);
    assert_int_equal(test_read(fd, ack, sizeof ack), sizeof ack);
    assert_int_equal(ackd_server_conns(server, 20000, conns), 0);
    assert_int_equal(conns->answered_count, 1);
    assert_int_equal(conns->by[ACKD_CONNS_BY_RATE].count, 1);

    free(conns);
    close(fd);
    ackd_server_free(server);
}

static void a_server_that_does_not_run_is_not_asked(void **state)
{
    struct ackd_server_options options;
    struct ackd_server *server;
    struct ackd_error error;
    struct ackd_conns *const conns = malloc(sizeof *conns);

    (void)state;
    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.worker_count = 1;
    assert_int_equal(ackd_server_new(&server, &options, &error), 0);
    assert_int_equal(ackd_server_conns(server, 20000, conns), 0);
    assert_int_equal(conns->answered_count, 0);
    assert_int_equal(ackd_server_start(server, &error), 0);
    assert_int_equal(ackd_server_conns(server, 20000, conns), 0);
    assert_int_equal(conns->answered_count, 1);
    ackd_server_drain(server);
    assert_int_equal(ackd_server_wait(server, 20000), 0);
    assert_int_equal(ackd_server_conns(server, 20000, conns), 0);
    assert_int_equal(conns->answered_count, 0);
    free(conns);
    ackd_server_free(server);
}

static void cpu_time_of_a_worker_is_kept_when_its_thread_ends(void **state)
{
    static const char name[] = "worker_cpu_seconds_total{worker=\"0\"}";
    struct ackd_server *const server = start(1, NULL);
    const int fd = test_connect_text(ackd_server_listen_address(server, 0));

    (void)state;
    exchange(fd, 5);
    const double running = metric(server, name);
    assert_true(running > 0);
    close(fd);
    ackd_server_drain(server);
    assert_int_equal(ackd_server_wait(server, 20000), 0);
    const double ended = metric(server, name);
    assert_true(ended >= running);
    assert_true(ended < process_seconds());
    assert_true(metric(server, name) == ended);
    ackd_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_series_is_one_of_the_metrics),
        cmocka_unit_test(the_busiest_connection_is_first_and_has_a_name),
        cmocka_unit_test(a_worker_that_is_busy_is_left_out_and_asked_again),
        cmocka_unit_test(a_server_that_does_not_run_is_not_asked),
        cmocka_unit_test(cpu_time_of_a_worker_is_kept_when_its_thread_ends),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
