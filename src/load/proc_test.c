/* SPDX-License-Identifier: MIT
 *
 * proc_test - the test's own process, read from outside */
#include "load/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct proc_sample *sample(pid_t pid)
{
    struct proc_sample *const made = malloc(sizeof *made);
    assert_non_null(made);
    proc_sample(pid, made);
    return made;
}

static void cpu_time_is_seen_to_the_nanosecond(void **state)
{
    (void)state;
    struct proc_sample *const begin = sample(getpid());
    struct timespec cpu;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    while ((uint64_t)cpu.tv_nsec % (50 * NS_PER_MS) < 49 * NS_PER_MS);
    struct proc_sample *const end = sample(getpid());

    assert_true(begin->known && end->known);
    assert_int_equal(end->task_count, 1);
    const struct proc_usage usage = proc_compare(begin, end);
    assert_true(usage.known);
    assert_true(usage.cpu_ns > 0 && usage.cpu_ns < 10 * NS_PER_S);
    assert_true(usage.busiest > 0 && usage.busiest < 1.5);
    assert_true(usage.user_share >= 0 && usage.user_share <= 1);
    free(begin);
    free(end);
}

static void arithmetic(void **state)
{
    (void)state;
    static struct proc_sample begin = {
        .known = true,
        .time_ns = 1000,
        .cpu_ns = 50,
        .user_ticks = 10,
        .system_ticks = 10,
        .voluntary_count = 3,
        .task_count = 1,
        .tasks = {{.id = 7, .cpu_ns = 50, .waiting_ns = 5}},
    };
    static struct proc_sample end = {
        .known = true,
        .time_ns = 2000,
        .cpu_ns = 750,
        .user_ticks = 13,
        .system_ticks = 11,
        .voluntary_count = 5,
        .task_count = 2,
        .tasks = {{.id = 7, .cpu_ns = 450, .waiting_ns = 105}, {.id = 8, .cpu_ns = 300}},
    };
    const struct proc_usage usage = proc_compare(&begin, &end);
    assert_int_equal(usage.cpu_ns, 700);
    assert_true(usage.user_share == 0.75);
    assert_int_equal(usage.voluntary_count, 2);
    assert_true(usage.busiest == 0.5);
}

static void a_process_that_is_not_there_is_not_known(void **state)
{
    (void)state;
    struct proc_sample *const none = sample(0x3fffffff);
    struct proc_sample *const self = sample(getpid());
    assert_false(none->known);
    assert_false(proc_compare(self, none).known);
    free(none);
    free(self);
}

static void the_machine_has_times(void **state)
{
    (void)state;
    const struct proc_machine machine = proc_machine();
    assert_true(machine.total_ticks > 0);
    assert_true(machine.steal_ticks < machine.total_ticks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_time_is_seen_to_the_nanosecond),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(a_process_that_is_not_there_is_not_known),
        cmocka_unit_test(the_machine_has_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
