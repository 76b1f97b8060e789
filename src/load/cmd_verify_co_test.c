/* SPDX-License-Identifier: MIT
 *
 * cmd_verify_co_test - its command line; tests/load runs it against servers */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/command.h"

/* What the command says to the words after its name. */
static int run(char *first, char *second, char *third)
{
    char name[] = "verify-co";
    char *argv[] = {name, first, second, third, NULL};
    int argc = 1;

    while (argv[argc])
        argc++;
    return cmd_verify_co(argc, argv);
}

#define RUN(...)           RUN_(__VA_ARGS__, NULL, NULL)
#define RUN_(a, b, c, ...) run((char *)(a), (char *)(b), (char *)(c))

static void wrong_words_are_refused(void **state)
{
    (void)state;
    assert_int_equal(RUN("--timetable", "never"), EXIT_USAGE);
    assert_int_equal(RUN("--timetable"), EXIT_USAGE);
    assert_int_equal(RUN("--rate", "10"), EXIT_USAGE);
    assert_int_equal(RUN("--rate", "1m"), EXIT_USAGE);
    assert_int_equal(RUN("-c", "0"), EXIT_USAGE);
    assert_int_equal(RUN("--server-pid", "1"), EXIT_USAGE);
    assert_int_equal(RUN("--nonsense"), EXIT_USAGE);
    assert_int_equal(RUN("word"), EXIT_USAGE);
}

static void a_running_server_needs_address_and_process(void **state)
{
    (void)state;
    assert_int_equal(RUN("--connect", "127.0.0.1:1"), EXIT_USAGE);
    assert_int_equal(RUN("--server-pid", "4711"), EXIT_USAGE);
}

static void help_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(RUN("--help"), EXIT_OK);
}

static void a_server_that_does_not_start(void **state)
{
    (void)state;
    assert_int_equal(RUN("--server", "/nonexistent/ackd"), EXIT_NO_CONNECTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_words_are_refused),
        cmocka_unit_test(a_running_server_needs_address_and_process),
        cmocka_unit_test(help_is_no_error),
        cmocka_unit_test(a_server_that_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
