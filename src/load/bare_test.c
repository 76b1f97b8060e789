/* SPDX-License-Identifier: MIT
 *
 * bare_test - the bare loop against the null server */
#include "load/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "load/nullserver.h"

static void run(uint32_t thread_count, uint64_t window)
{
    struct nullserver server;
    struct plan plan;
    struct bare_result result = {0};
    struct options options = {
        .connection_count = 5,
        .thread_count = thread_count,
        .window = window,
        .plan = {.seed = 1, .teaching = true},
    };
    assert_int_equal(nullserver_start(&server, -1, NULL), 0);
    options.address = server.address;
    assert_int_equal(plan_init(&plan, &options.plan, NULL), 0);
    assert_int_equal(bare_run(&options, &plan, 30 * NS_PER_MS, &result, NULL), 0);
    assert_true(result.rate > 0);
    assert_true(result.cpu_ns > 0);
    plan_deinit(&plan);
    nullserver_stop(&server);
}

static void windows_small_and_larger_than_the_train(void **state)
{
    (void)state;
    run(1, 1);
    run(1, 3 * PLAN_FRAME_COUNT_MAX + 5);
}

static void several_threads(void **state)
{
    (void)state;
    run(2, 16);
}

static void without_a_server_it_fails(void **state)
{
    (void)state;
    struct nullserver server;
    struct plan plan;
    struct bare_result result;
    struct ackd_error error;
    struct options options = {.connection_count = 1, .thread_count = 1, .window = 1};
    assert_int_equal(nullserver_start(&server, -1, NULL), 0);
    options.address = server.address;
    nullserver_stop(&server);
    assert_int_equal(plan_init(&plan, &options.plan, NULL), 0);
    assert_true(bare_run(&options, &plan, NS_PER_MS, &result, &error) < 0);
    assert_true(error.text[0] != '\0');
    plan_deinit(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_small_and_larger_than_the_train),
        cmocka_unit_test(several_threads),
        cmocka_unit_test(without_a_server_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
