/* SPDX-License-Identifier: MIT
 *
 * duel_options_test - the command line of ab and aa */
#include "load/duel_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct duel_defaults of_ab = {.pair_count = 20, .time = "700ms"};
static const struct duel_defaults of_aa = {.audit = true, .pair_count = 6, .time = "200ms"};

static int parse(char *line, const struct duel_defaults *defaults, struct duel_options *options,
                 struct ackd_error *error)
{
    char *argv[32];
    int argc = 0;
    char *word;

    error->text[0] = '\0';
    while ((word = strsep(&line, " ")))
        argv[argc++] = word;
    argv[argc] = NULL;
    return duel_options_parse(argc, argv, defaults, options, error);
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    char line[] = "ab --a x --b y -c 16";
    struct duel_options options;
    struct ackd_error error;

    assert_int_equal(parse(line, &of_ab, &options, &error), 0);
    assert_string_equal(options.texts[1], "y");
    assert_int_equal(options.plan.pair_count, 20);
    assert_int_equal(options.plan.slice_count, 4);
    assert_int_equal(options.plan.primary, FIGURE_SERVER_NS);
    assert_float_equal(options.plan.threshold, 0.03, 1e-12);
    assert_string_equal(options.plan.time, "700ms");
    assert_string_equal(options.plan.warmup, "300ms");
    assert_int_equal(options.plan.seed, 1);
    assert_int_equal(options.args.rest_count, 2);
}

static void all_can_be_given(void **state)
{
    (void)state;
    char line[] = "ab --a x --b y --pairs 30 --slices 8 --primary p99 --threshold 1.5% --time 1s "
                  "--seed 9 --warmup 1s -q --json f";
    struct duel_options options;
    struct ackd_error error;

    assert_int_equal(parse(line, &of_ab, &options, &error), 0);
    assert_int_equal(options.plan.pair_count, 30);
    assert_int_equal(options.plan.slice_count, 8);
    assert_int_equal(options.plan.primary, FIGURE_P99);
    assert_float_equal(options.plan.threshold, 0.015, 1e-12);
    assert_null(options.plan.time); /* the runs' own */
    assert_int_equal(options.plan.seed, 9);
    assert_true(options.quiet);
    assert_string_equal(options.json_path, "f");
}

static void an_audit_has_one_server(void **state)
{
    (void)state;
    char line[] = "aa --a x --trials 7";
    struct duel_options options;
    struct ackd_error error;

    assert_int_equal(parse(line, &of_aa, &options, &error), 0);
    assert_string_equal(options.texts[1], "x");
    assert_int_equal(options.trial_count, 7);
    assert_int_equal(options.plan.pair_count, 6);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *word;
    } wrong[] = {
        {"ab --a x", "--b"},
        {"ab", "--a"},
        {"ab --a x --b y --pairs 5", "--pairs '5'"},
        {"ab --a x --b y --slices 6", "multiple of 4"},
        {"ab --a x --b y --primary max", "--primary 'max'"},
        {"ab --a x --b y --threshold 3", "--threshold '3'"},
        {"ab --a x --b y --warmup 3", "--warmup '3'"},
        {"ab --a x --b y --seed x", "--seed 'x'"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[128];
        struct duel_options options;
        struct ackd_error error;
        memcpy(line, wrong[i].line, strlen(wrong[i].line) + 1);
        assert_int_equal(parse(line, &of_ab, &options, &error), -EINVAL);
        assert_non_null(strstr(error.text, wrong[i].word));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(all_can_be_given),
        cmocka_unit_test(an_audit_has_one_server),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
