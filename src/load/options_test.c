/* SPDX-License-Identifier: MIT
 *
 * options_test - the command line: defaults, values, and what is refused with which words */
#include "load/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"

enum { ARGUMENT_COUNT_MAX = 32 };

/* Parses @line, words separated by single spaces. */
static int parse(const char *line, struct options *options, struct ackd_error *error)
{
    static char words[512];
    char *arguments[ARGUMENT_COUNT_MAX + 1] = {NULL};
    char *rest = words;
    int count = 0;

    snprintf(words, sizeof words, "%s", line);
    for (char *word; (word = strsep(&rest, " "));) {
        assert_true(count < ARGUMENT_COUNT_MAX);
        arguments[count++] = word;
    }
    return options_parse(count, arguments, options, error);
}

static struct options parse_good(const char *line)
{
    struct options options;
    struct ackd_error error = {0};
    if (parse(line, &options, &error) != 0)
        fail_msg("'%s' was refused: %s", line, error.text);
    return options;
}

static void check_refused(const char *line, const char *words)
{
    struct options options;
    struct ackd_error error = {0};
    assert_int_equal(parse(line, &options, &error), -EINVAL);
    if (!strstr(error.text, words))
        fail_msg("'%s': expected '%s' in '%s'", line, words, error.text);
}

static void defaults_are_those_of_the_help(void **state)
{
    (void)state;
    const struct options options = parse_good("ackload run");
    char address[ADDRESS_TEXT_SIZE];
    address_format(&options.address, address);
    assert_string_equal(address, "127.0.0.1:8888");
    assert_int_equal(options.connection_count, 100);
    assert_int_equal(options.window, 16);
    assert_true(options.thread_count >= 1);
    assert_true(options.duration_ns == 10 * NS_PER_S);
    assert_true(options.drain_ns == 2 * NS_PER_S);
    assert_true(options.plan.teaching);
    assert_int_equal(options.plan.seed, 1);
    assert_int_equal(options.dialect, DIALECT_RULE_ANY);
    assert_null(options.json_path);
    assert_true(options.rate == 0);
}

static void values_are_taken(void **state)
{
    (void)state;
    const struct options options =
        parse_good("ackload run --connect unix:/tmp/a -c 7 -d 300 -t 2 --time 250ms --size 1k "
                   "--seed 99 --json -");
    assert_string_equal(address_unix_path(&options.address), "/tmp/a");
    assert_int_equal(options.connection_count, 7);
    assert_int_equal(options.window, 300);
    assert_int_equal(options.thread_count, 2);
    assert_true(options.duration_ns == 250 * NS_PER_MS);
    assert_false(options.plan.teaching);
    assert_int_equal(options.plan.payload_size, 1024);
    assert_int_equal(options.plan.seed, 99);
    assert_string_equal(options.json_path, "-");

    const struct options more = parse_good("ackload run --dialect=demo --drain-timeout 0 -q "
                                           "--rate 1.5k --max-inflight 10");
    assert_int_equal(more.dialect, DIALECT_RULE_DEMO);
    assert_int_equal(more.drain_ns, 0);
    assert_true(more.quiet);
    assert_true(more.rate == 1500);
    assert_int_equal(more.window, 10);
}

static void the_window_follows_depth_and_rate(void **state)
{
    (void)state;
    assert_int_equal(parse_good("ackload run -d max").window, 65536);
    assert_true(parse_good("ackload run -d max").depth_max);
    assert_int_equal(parse_good("ackload run -d max --max-inflight 5").window, 5);
    assert_int_equal(parse_good("ackload run --rate 10").window, 65536);
    assert_int_equal(parse_good("ackload run --rate 10 -d 3").window, 3);
    assert_int_equal(parse_good("ackload run -d max -d 3").window, 3);
}

static void the_rate_decides_about_time_and_validity(void **state)
{
    (void)state;
    const struct options options =
        parse_good("ackload run --rate 100:300/4s,50/1s --arrival poisson --burst 7 --warmup 2s");
    assert_true(options.duration_ns == 5 * NS_PER_S);
    assert_true(options.rate == 170);
    assert_int_equal(options.arrival, ARRIVAL_POISSON);
    assert_int_equal(options.burst, 7);
    assert_true(options.warmup_ns == 2 * NS_PER_S);
    assert_int_equal(options.validity, VALIDITY_STRICT);
    assert_true(parse_good("ackload run --rate 100:300/4s --time 2s").rate == 150);
    assert_int_equal(parse_good("ackload run").validity, VALIDITY_WARN);
    assert_int_equal(parse_good("ackload run --rate 5 --validity off").validity, VALIDITY_OFF);
    assert_true(parse_good("ackload run").timeout_ns == UINT64_MAX);
    assert_true(parse_good("ackload run").lateness_budget_ns == NS_PER_MS);
}

static void spinning_is_chosen_for_cpus_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(parse_good("ackload run -t 1 --cpu 0").idle, IDLE_HYBRID);
    assert_true(parse_good("ackload run -t 1 --cpu 0").idle_chosen);
    assert_int_equal(parse_good("ackload run --idle sleep --cpu 0").idle, IDLE_SLEEP);
    assert_int_equal(parse_good("ackload run --idle spin").idle, IDLE_SPIN);
    assert_false(parse_good("ackload run --idle spin").idle_chosen);
    assert_int_equal(parse_good("ackload run --cpu 0 --idle spin --idle auto").idle, IDLE_HYBRID);
    /* As many threads as CPUs, beside a server on the same machine. */
    assert_int_equal(parse_good("ackload run").idle, IDLE_SLEEP);
    assert_string_equal(options_idle_name(IDLE_HYBRID), "hybrid");
    assert_string_equal(options_arrival_name(ARRIVAL_POISSON), "poisson");
}

static void neighbours_are_counted_by_connections(void **state)
{
    (void)state;
    const struct options options = parse_good("ackload run --mix idle=10,garbage=5% -c 40");
    assert_int_equal(options.mix.count[MIX_IDLE], 10);
    assert_int_equal(options.mix.count[MIX_GARBAGE], 2);
}

static void threads_are_never_more_than_connections(void **state)
{
    (void)state;
    assert_int_equal(parse_good("ackload run -c 1").thread_count, 1);
    assert_int_equal(parse_good("ackload run --cpu 0").thread_count, 1);
    check_refused("ackload run -c 2 -t 3", "--threads 3");
}

static void actions(void **state)
{
    (void)state;
    assert_int_equal(parse_good("ackload --help").action, OPTIONS_HELP);
    assert_int_equal(parse_good("ackload --version").action, OPTIONS_VERSION);
    assert_int_equal(parse_good("ackload run --help").action, OPTIONS_HELP_RUN);
    assert_int_equal(parse_good("ackload run -c 2 -h").action, OPTIONS_HELP_RUN);
    assert_int_equal(parse_good("ackload run").action, OPTIONS_RUN);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"ackload walk", "'walk'"},
        {"ackload -c 5", "'-c'"},
        {"ackload run 127.0.0.1:8888", "'127.0.0.1:8888'"},
        {"ackload run --nonsense", "--nonsense"},
        {"ackload run -x", "-x"},
        {"ackload run -c", "-c"},
        {"ackload run --time", "--time"},
        {"ackload run --quiet=1", "--quiet"},
        {"ackload run -c 0", "--connections '0': give a number from 1"},
        {"ackload run -c 5x", "--connections '5x'"},
        {"ackload run -c -5", "--connections '-5'"},
        {"ackload run -d 0", "--depth '0'"},
        {"ackload run -d maximum", "or max"},
        {"ackload run -t 0", "--threads '0'"},
        {"ackload run --time 10", "--time '10': give a time"},
        {"ackload run --time 0", "--time '0'"},
        {"ackload run --time 48h", "24h"},
        {"ackload run --drain-timeout soon", "--drain-timeout 'soon'"},
        {"ackload run --rate 0", "--rate '0'"},
        {"ackload run --rate fast", "--rate 'fast'"},
        {"ackload run --rate 10k:20k", "--rate '10k:20k'"},
        {"ackload run --arrival random", "--arrival 'random': give constant or poisson"},
        {"ackload run --burst 0", "--burst '0'"},
        {"ackload run --idle busy", "--idle 'busy': give spin, hybrid, sleep or auto"},
        {"ackload run --validity maybe", "--validity 'maybe'"},
        {"ackload run --server-pid 0", "--server-pid '0'"},
        {"ackload run --warmup 1", "--warmup '1'"},
        {"ackload run --timeout 0", "--timeout '0'"},
        {"ackload run --late-budget 0", "--late-budget '0'"},
        {"ackload run --hlog ", "--hlog ''"},
        {"ackload run --mix lazy=5", "--mix 'lazy=5'"},
        {"ackload run --size huge", "--size 'huge'"},
        {"ackload run --size 16m", "--size '16m'"},
        {"ackload run --seed -1", "--seed '-1'"},
        {"ackload run --dialect go", "any, spec or demo"},
        {"ackload run --max-inflight 0", "--max-inflight '0'"},
        {"ackload run --json ", "--json ''"},
        {"ackload run --cpu 0-", "--cpu '0-'"},
        {"ackload run --cpu 1023", "--cpu '1023'"},
        {"ackload run --connect 8888", "--connect: '8888'"},
        {"ackload run --connect ::1:80", "[ADDR]:PORT"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_refused(cases[i][0], cases[i][1]);
    check_refused("ackload", "ackload --help");
}

static void the_help_names_every_option(void **state)
{
    (void)state;
    static const char *const names[] = {
        "--connect",    "--connections", "--depth",         "--threads", "--time",
        "--rate",       "--size",        "--seed",          "--dialect", "--max-inflight",
        "--json",       "--cpu",         "--drain-timeout", "--quiet",   "--warmup",
        "--arrival",    "--burst",       "--idle",          "--mix",     "--timeout",
        "--server-pid", "--validity",    "--late-budget",   "--hlog",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(options_help_run(), names[i]));
    assert_non_null(strstr(options_help(), "ackload run"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_help),
        cmocka_unit_test(values_are_taken),
        cmocka_unit_test(the_window_follows_depth_and_rate),
        cmocka_unit_test(the_rate_decides_about_time_and_validity),
        cmocka_unit_test(spinning_is_chosen_for_cpus_of_its_own),
        cmocka_unit_test(neighbours_are_counted_by_connections),
        cmocka_unit_test(threads_are_never_more_than_connections),
        cmocka_unit_test(actions),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(the_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
