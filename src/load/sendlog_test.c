/* SPDX-License-Identifier: MIT
 *
 * sendlog_test - which write an ack is measured from */
#include "load/sendlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH_COUNT = 4 };

struct bench {
    struct sendlog log;
    struct sendlog_batch ring[BATCH_COUNT];
    struct latency latency;
    struct latency_sum sum;
};

static int setup(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    sendlog_init(&bench->log, bench->ring, BATCH_COUNT);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static const struct latency_sum *sum_of(struct bench *bench)
{
    memset(&bench->sum, 0, sizeof bench->sum);
    latency_merge(&bench->sum, &bench->latency);
    return &bench->sum;
}

static void each_ack_counts_from_its_own_write(void **state)
{
    struct bench *const bench = *state;
    sendlog_put(&bench->log, 10, 100);
    sendlog_put(&bench->log, 12, 150);
    sendlog_settle(&bench->log, 0, 11, 200, UINT64_MAX, &bench->latency);
    assert_int_equal(sum_of(bench)->count, 11);
    assert_int_equal(bench->sum.bucket[100], 10);
    assert_int_equal(bench->sum.bucket[50], 1);
    sendlog_settle(&bench->log, 11, 12, 160, UINT64_MAX, &bench->latency);
    assert_int_equal(sum_of(bench)->bucket[10], 1);
    assert_int_equal(bench->log.first, bench->log.end);
}

static void messages_jumped_over_are_not_counted(void **state)
{
    struct bench *const bench = *state;
    sendlog_put(&bench->log, 5, 100);
    sendlog_put(&bench->log, 9, 110);
    sendlog_put(&bench->log, 20, 120);
    sendlog_settle(&bench->log, 11, 12, 150, UINT64_MAX, &bench->latency);
    assert_int_equal(sum_of(bench)->count, 1);
    assert_int_equal(bench->sum.bucket[30], 1);
    sendlog_settle(&bench->log, 12, 20, 150, UINT64_MAX, &bench->latency);
    assert_int_equal(sum_of(bench)->count, 9);
}

static void a_full_log_keeps_the_earlier_time(void **state)
{
    struct bench *const bench = *state;
    for (uint64_t i = 1; i <= 6; i++)
        sendlog_put(&bench->log, i, 100 + i);
    sendlog_settle(&bench->log, 0, 6, 200, UINT64_MAX, &bench->latency);
    assert_int_equal(sum_of(bench)->count, 6);
    /* Messages 5 and 6 joined the write of message 4. */
    assert_int_equal(bench->sum.bucket[96], 3);
}

static void what_took_too_long_is_counted(void **state)
{
    struct bench *const bench = *state;
    sendlog_put(&bench->log, 10, 100);
    sendlog_put(&bench->log, 15, 150);
    assert_int_equal(sendlog_settle(&bench->log, 0, 12, 200, 99, &bench->latency), 10);
    assert_int_equal(sendlog_settle(&bench->log, 12, 15, 250, 100, &bench->latency), 0);
}

static void it_goes_round_and_round(void **state)
{
    struct bench *const bench = *state;
    for (uint64_t i = 1; i <= 1000; i++) {
        sendlog_put(&bench->log, 2 * i, 10 * i);
        sendlog_settle(&bench->log, 2 * i - 2, 2 * i, 10 * i + 7, UINT64_MAX, &bench->latency);
    }
    assert_int_equal(sum_of(bench)->bucket[7], 2000);
}

static void the_size_follows_the_window(void **state)
{
    (void)state;
    assert_int_equal(sendlog_batch_count(1), 1);
    assert_int_equal(sendlog_batch_count(17), 32);
    assert_int_equal(sendlog_batch_count(1000000), SENDLOG_BATCH_COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_ack_counts_from_its_own_write, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_jumped_over_are_not_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_log_keeps_the_earlier_time, setup, teardown),
        cmocka_unit_test_setup_teardown(what_took_too_long_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(it_goes_round_and_round, setup, teardown),
        cmocka_unit_test(the_size_follows_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
