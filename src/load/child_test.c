/* SPDX-License-Identifier: MIT
 *
 * child_test - processes start, print, end, and leave nothing behind */
#include "load/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "load/test_interrupts.h"

static struct child start(const char *script, bool keep_output)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct child_plan plan = {
        .argv = argv,
        .env_names = {"GREETING"},
        .env_values = {"hello"},
        .keep_output = keep_output,
    };
    struct ackd_error error = {0};
    struct child child = {0};

    assert_int_equal(child_start(&child, &plan, &error), 0);
    return child;
}

static void output_and_status_are_kept(void **state)
{
    (void)state;
    struct child child = start("echo $GREETING; echo one >&2; echo two >&2; exit 3", true);
    char line[32];
    size_t size;

    assert_int_equal(child_wait(&child, UINT64_MAX, &interrupts), CHILD_ENDED);
    child_stop(&child, 0);
    assert_int_equal(child_exit_status(&child), 3);
    char *const text = child_output(&child, &size);
    assert_string_equal(text, "hello\n");
    assert_int_equal(size, 6);
    free(text);
    child_last_error(&child, line, sizeof line);
    assert_string_equal(line, "two");
    child_last_error(&child, line, 3);
    assert_string_equal(line, "tw");
    child_close(&child);
}

static void a_missing_program_is_an_error(void **state)
{
    (void)state;
    const char *const argv[] = {"/there/is/no/such", NULL};
    const struct child_plan plan = {.argv = argv};
    struct ackd_error error = {0};
    struct child child;

    assert_int_equal(child_start(&child, &plan, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/there/is/no/such"));
}

static void a_chatty_child_is_bounded(void **state)
{
    (void)state;
    struct child child = start("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 0", false);
    char line[16];

    assert_int_equal(child_wait(&child, UINT64_MAX, &interrupts), CHILD_ENDED);
    child_stop(&child, 0);
    child_last_error(&child, line, sizeof line);
    assert_int_equal(strlen(line), sizeof line - 1);
    child_close(&child);
}

static void stopping_ends_the_whole_group(void **state)
{
    (void)state;
    struct child child = start("trap '' TERM; sleep 60 & echo $!; wait; sleep 60", true);
    const pid_t group = child.pid;
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(child_wait(&child, 0, &interrupts), CHILD_RUNS);
    while (size == 0) {
        free(text);
        interrupts_wait(&interrupts, NS_PER_MS);
        text = child_output(&child, &size);
    }
    child_stop(&child, 10 * NS_PER_MS);
    assert_int_equal(child_exit_status(&child), 128 + SIGKILL);
    /* Who is orphaned is reaped by init, in its own time. */
    while (kill(-group, 0) == 0)
        interrupts_wait(&interrupts, NS_PER_MS);
    free(text);
    child_close(&child);
}

static void signals_interrupt_waiting(void **state)
{
    (void)state;
    struct child child = start("sleep 60", false);

    assert_false(interrupts_wait(&interrupts, NS_PER_MS));
    kill(getpid(), SIGTERM);
    assert_int_equal(child_wait(&child, UINT64_MAX, &interrupts), CHILD_INTERRUPTED);
    assert_true(interrupts_wait(&interrupts, 60 * NS_PER_S));
    child_stop(&child, NS_PER_S);
    assert_int_equal(child_exit_status(&child), 128 + SIGTERM);
    child_close(&child);
    interrupts.requested = false;
}

static void cpus_are_parsed(void **state)
{
    (void)state;
    struct ackd_error error = {0};
    cpu_set_t allowed;
    cpu_set_t cpus;
    char text[16];
    int first = 0;

    sched_getaffinity(0, sizeof allowed, &allowed);
    while (!CPU_ISSET(first, &allowed))
        first++;
    snprintf(text, sizeof text, "%d", first);
    assert_int_equal(child_parse_cpus("--server-cpus", text, &cpus, &error), 0);
    assert_int_equal(CPU_COUNT(&cpus), 1);
    assert_true(CPU_ISSET(first, &cpus));
    for (const char *const *bad = (const char *const[]){"", "x", "1-", "3-2", "99999", NULL}; *bad;
         bad++)
        assert_int_equal(child_parse_cpus("--server-cpus", *bad, &cpus, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--server-cpus"));
}

static void first_lines(void **state)
{
    (void)state;
    const char *const argv[] = {"printf", "one\\ntwo\\n", NULL};
    char line[16];

    assert_int_equal(child_first_line(argv, &interrupts, line, sizeof line, NULL), 0);
    assert_string_equal(line, "one");
    assert_int_equal(child_first_line(argv, &interrupts, line, 2, NULL), 0);
    assert_string_equal(line, "o");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_are_kept),
        cmocka_unit_test(a_missing_program_is_an_error),
        cmocka_unit_test(a_chatty_child_is_bounded),
        cmocka_unit_test(stopping_ends_the_whole_group),
        cmocka_unit_test(signals_interrupt_waiting),
        cmocka_unit_test(cpus_are_parsed),
        cmocka_unit_test(first_lines),
    };
    return cmocka_run_group_tests(tests, open_interrupts, close_interrupts);
}
