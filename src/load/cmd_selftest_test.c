/* SPDX-License-Identifier: MIT
 *
 * cmd_selftest_test - its command line; tests/load runs it */
#include "load/cmd_selftest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/command.h"

static int run(char *option, char *value)
{
    char name[] = "selftest";
    char *arguments[] = {name, option, value, NULL};
    return cmd_selftest(value ? 3 : 2, arguments);
}

static void help_and_wrong_usage(void **state)
{
    (void)state;
    char help[] = "--help", rate[] = "--rate", number[] = "5", nonsense[] = "--nonsense";
    assert_int_equal(run(help, NULL), EXIT_OK);
    assert_int_equal(run(rate, number), EXIT_USAGE);
    assert_int_equal(run(nonsense, NULL), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_wrong_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
