/* SPDX-License-Identifier: MIT
 *
 * run_test - a whole run, against an ack server in a thread of the test, and its verdicts */
#include "load/run.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "wire/answer.h"

enum {
    CONNECTION_COUNT = 5,
    BUFFER_SIZE = 4096,
};

/* Serves CONNECTION_COUNT connections with blocking reads of one poll loop, until all are closed.
 */
struct server {
    pthread_t thread;
    int listener;
    struct address address;
};

/* Acks all that @fd brings.  False at its end.  @rest keeps what is not yet a frame. */
static bool serve_one(int fd, uint8_t *rest, size_t *rest_size)
{
    uint8_t acks[BUFFER_SIZE * 2];
    const ssize_t got = read(fd, rest + *rest_size, BUFFER_SIZE - *rest_size);

    if (got <= 0)
        return false;
    *rest_size += (size_t)got;
    const struct answer answer =
        answer_requests((struct bytes){rest, *rest_size}, FRAME_SIZE_LIMIT, DIALECT_SPEC, acks);
    const size_t ack_size = answer.submit_count * ACK_FRAME_SIZE;
    *rest_size -= answer.taken_size;
    memmove(rest, rest + answer.taken_size, *rest_size);
    return write(fd, acks, ack_size) == (ssize_t)ack_size;
}

static void *serve(void *argument)
{
    const struct server *const server = argument;
    static uint8_t rests[CONNECTION_COUNT][BUFFER_SIZE];
    size_t sizes[CONNECTION_COUNT] = {0};
    struct pollfd peers[CONNECTION_COUNT];
    int open_count = CONNECTION_COUNT;

    for (int i = 0; i < CONNECTION_COUNT; i++)
        peers[i] = (struct pollfd){.fd = accept(server->listener, NULL, NULL), .events = POLLIN};
    while (open_count > 0) {
        poll(peers, CONNECTION_COUNT, -1);
        for (int i = 0; i < CONNECTION_COUNT; i++) {
            if (peers[i].revents == 0 || serve_one(peers[i].fd, rests[i], &sizes[i]))
                continue;
            close(peers[i].fd);
            peers[i].fd = -1;
            open_count--;
        }
    }
    return NULL;
}

static void start_server(struct server *server)
{
    assert_int_equal(address_parse("127.0.0.1:0", false, &server->address, NULL), 0);
    struct sockaddr *const name = (struct sockaddr *)&server->address.storage;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, name, server->address.size), 0);
    assert_int_equal(getsockname(server->listener, name, &server->address.size), 0);
    assert_int_equal(listen(server->listener, CONNECTION_COUNT), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop_server(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static struct options make_options(const struct server *server, uint64_t duration_ns)
{
    return (struct options){
        .address = server->address,
        .connection_count = CONNECTION_COUNT,
        .thread_count = 2,
        .window = 1000, /* never full: a busy machine does not keep messages back */
        .duration_ns = duration_ns,
        .drain_ns = 5 * NS_PER_S,
        .plan = {.seed = 1, .teaching = true},
        .validity = VALIDITY_WARN,
    };
}

static void wait_done(struct run *run)
{
    struct pollfd done = {.fd = run_done_fd(run), .events = POLLIN};
    while (!run_is_done(run))
        poll(&done, 1, 1000);
}

static struct run *start_run(const struct options *options, const struct plan *plan)
{
    struct run *run;
    struct ackd_error error;
    assert_int_equal(run_open(&run, options, plan, &error), 0);
    assert_int_equal(run_start(run, &error), 0);
    return run;
}

static void check_whole_run(double rate)
{
    struct server server;
    struct plan plan;
    start_server(&server);
    struct options options = make_options(&server, 100 * NS_PER_MS);
    options.rate = rate;
    if (rate > 0)
        options.rate_plan = (struct rate_plan){{{rate, rate, 0}}, 1};
    assert_int_equal(plan_init(&plan, &options.plan, NULL), 0);
    struct run *const run = start_run(&options, &plan);
    wait_done(run);

    const struct interval *const interval = run_sample(run, clock_monotonic_ns());
    const struct outcome *const outcome = run_finish(run);
    assert_int_equal(outcome_verdict(outcome), VERDICT_PASS);
    assert_true(outcome->ledger.sent > 0);
    assert_int_equal(outcome->latency.count, outcome->ledger.ok);
    assert_int_equal(interval->acked, outcome->ledger.ok);
    assert_int_equal(interval->open, 0);
    assert_int_equal(outcome->traffic.received_size, outcome->ledger.ok * ACK_FRAME_SIZE);
    assert_true(outcome->duration_s >= 0.1);
    assert_false(outcome->interrupted);
    if (rate > 0) {
        assert_int_equal(outcome->offered, outcome->scheduled);
        assert_int_equal(outcome->achieved, outcome->scheduled);
        assert_int_equal(outcome->service.count, outcome->scheduled);
        assert_int_equal(outcome->scheduled, (uint64_t)(rate / 10));
        assert_int_equal(outcome->ledger.sent, outcome->scheduled);
        assert_int_equal(outcome->lateness.count, outcome->scheduled);
    }
    run_close(run);
    plan_deinit(&plan);
    stop_server(&server);
}

static void a_closed_loop_is_acked_to_the_last_message(void **state)
{
    (void)state;
    check_whole_run(0);
}

static void an_open_loop_sends_exactly_what_is_due(void **state)
{
    (void)state;
    check_whole_run(5000);
}

static void a_run_can_be_stopped(void **state)
{
    (void)state;
    struct server server;
    struct plan plan;
    start_server(&server);
    const struct options options = make_options(&server, 3600 * NS_PER_S);
    assert_int_equal(plan_init(&plan, &options.plan, NULL), 0);
    struct run *const run = start_run(&options, &plan);
    while (run_sample(run, clock_monotonic_ns())->acked == 0)
        continue;
    run_stop(run, WORKER_STOP_DRAIN);
    wait_done(run);
    const struct outcome *const outcome = run_finish(run);
    assert_true(outcome->interrupted);
    assert_int_equal(outcome_verdict(outcome), VERDICT_PASS);
    run_close(run);
    plan_deinit(&plan);
    stop_server(&server);
}

static void each_column_decides_the_verdict(void **state)
{
    (void)state;
    static const struct ledger bad[] = {
        {.sent = 1, .failed = 1},
        {.sent = 1, .lost = 1},
        {.sent = 1, .cut = 1},
        {.sent = 1, .ok = 1, .duplicate = 1},
        {.sent = 1, .ok = 1, .unknown = 1},
        {.sent = 1, .ok = 1, .out_of_order = 1},
        {.sent = 1, .ok = 1, .malformed = 1},
    };
    struct outcome *const outcome = calloc(1, sizeof *outcome);
    assert_non_null(outcome);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        outcome->ledger = bad[i];
        assert_int_equal(outcome_verdict(outcome), VERDICT_FAIL);
    }
    outcome->ledger = (struct ledger){0};
    assert_int_equal(outcome_verdict(outcome), VERDICT_INVALID);
    assert_non_null(strstr(outcome_reason(outcome), "nothing was sent"));
    outcome->ledger = (struct ledger){.sent = 1, .ok = 1};
    assert_int_equal(outcome_verdict(outcome), VERDICT_PASS);
    outcome->disconnect_count = 1;
    assert_int_equal(outcome_verdict(outcome), VERDICT_INVALID);
    free(outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop_is_acked_to_the_last_message),
        cmocka_unit_test(an_open_loop_sends_exactly_what_is_due),
        cmocka_unit_test(a_run_can_be_stopped),
        cmocka_unit_test(each_column_decides_the_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
