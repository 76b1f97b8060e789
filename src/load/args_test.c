/* SPDX-License-Identifier: MIT
 *
 * args_test - own options are taken, the others handed on */
#include "load/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *pairs;
static bool force;
static const struct args_rule rules[] = {
    {"pairs", &pairs, NULL},
    {"force", NULL, &force},
    {NULL, NULL, NULL},
};

/* Sorts the words of @line, which it cuts up. */
static int sort(char *line, int name_max, bool hands_on, struct args *args,
                struct ackd_error *error)
{
    char *argv[16];
    int argc = 0;
    char *word;

    pairs = NULL;
    force = false;
    while ((word = strsep(&line, " ")))
        argv[argc++] = word;
    argv[argc] = NULL;
    return args_sort(argc, argv, rules, name_max, hands_on, args, error);
}

static void own_options_are_taken(void **state)
{
    (void)state;
    char line[] = "ab base -c 64 --pairs 20 --rate=5k --force -d8";
    struct args args;

    assert_int_equal(sort(line, 2, true, &args, NULL), 0);
    assert_int_equal(args.name_count, 1);
    assert_string_equal(args.names[0], "base");
    assert_string_equal(pairs, "20");
    assert_true(force);
    assert_int_equal(args.rest_count, 4);
    assert_string_equal(args_find(&args, "connections", 'c'), "64");
    assert_string_equal(args_find(&args, "rate", 'r'), "5k");
    assert_string_equal(args_find(&args, "depth", 'd'), "8");
    assert_null(args_find(&args, "time", 0));
}

static void values_may_stand_behind_an_equals_sign(void **state)
{
    (void)state;
    char line[] = "compare --pairs=7 a b";
    struct args args;

    assert_int_equal(sort(line, 2, false, &args, NULL), 0);
    assert_string_equal(pairs, "7");
    assert_string_equal(args.names[1], "b");
}

static void help_is_seen(void **state)
{
    (void)state;
    char line[] = "ab -h";
    struct args args;

    assert_int_equal(sort(line, 0, true, &args, NULL), 0);
    assert_true(args.help);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    char missing[] = "ab --pairs";
    char surplus[] = "ab --force=1";
    char unknown[] = "show --rate 5";
    char word[] = "show a b";
    struct ackd_error error = {0};
    struct args args;

    assert_int_equal(sort(missing, 0, true, &args, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--pairs wants"));
    assert_int_equal(sort(surplus, 0, true, &args, &error), -EINVAL);
    assert_int_equal(sort(unknown, 1, false, &args, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--rate"));
    assert_int_equal(sort(word, 1, false, &args, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'b'"));
}

static void too_many_words_are_refused(void **state)
{
    (void)state;
    char word[] = "-x";
    char *argv[ARGS_REST_MAX + 3];
    struct args args;

    for (int i = 0; i < ARGS_REST_MAX + 2; i++)
        argv[i] = word;
    argv[ARGS_REST_MAX + 2] = NULL;
    assert_int_equal(args_sort(ARGS_REST_MAX + 1, argv, rules, 0, true, &args, NULL), 0);
    assert_int_equal(args_sort(ARGS_REST_MAX + 2, argv, rules, 0, true, &args, NULL), -EINVAL);
}

static void numbers_and_times(void **state)
{
    (void)state;
    uint32_t count = 3;
    uint64_t ns = 5;

    assert_int_equal(args_count("pairs", NULL, 6, 10, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_int_equal(args_count("pairs", "6", 6, 10, &count, NULL), 0);
    assert_int_equal(count, 6);
    assert_int_equal(args_count("pairs", "11", 6, 10, &count, NULL), -EINVAL);
    assert_int_equal(args_time("warmup", NULL, &ns, NULL), 0);
    assert_int_equal(ns, 5);
    assert_int_equal(args_time("warmup", "2ms", &ns, NULL), 0);
    assert_int_equal(ns, 2000000);
    assert_int_equal(args_time("warmup", "2", &ns, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_options_are_taken),
        cmocka_unit_test(values_may_stand_behind_an_equals_sign),
        cmocka_unit_test(help_is_seen),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(numbers_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
