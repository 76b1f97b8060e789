/* SPDX-License-Identifier: MIT
 *
 * report_verdict_test - pages from results; tests/load holds them against the JSON of real ones */
#include "load/report_verdict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/test_text.h"

/* The page of the result @json; the caller frees it. */
static char *write_page(const char *json, const char *environment)
{
    json_t *const result = json_loads(json, 0, NULL);
    json_t *const around = environment ? json_loads(environment, 0, NULL) : NULL;
    const struct verdict_page page = {"ackload <x>", result, around};
    char *text = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&text, &size);
    assert_true(result && to && report_verdict_knows(result));
    report_verdict_write(to, &page);
    fclose(to);
    json_decref(result);
    json_decref(around);
    assert_null(strstr(text, "nan"));
    assert_non_null(strstr(text, "ackload &lt;x&gt;"));
    return text;
}

#define SLICES(a, b)                                                                               \
    "[{\"side\": \"a\", \"p50\": " a "}, {\"side\": \"b\", \"p50\": " b "}, {\"side\": \"b\", "    \
    "\"p50\": " b "}, {\"side\": \"a\", \"p50\": " a "}]"

static void each_pair_is_a_dot(void **state)
{
    (void)state;
    char *const text = write_page(
        "{\"schema\": \"ackload-ab/1\", \"verdict\": \"SLOWER\", \"reason\": \"p50 is > A's\", "
        "\"primary\": \"p50\", \"threshold\": 0.03, \"pair_count\": 2, \"a\": {\"server\": \"one\","
        " \"hash\": \"fnv1a64:1\"}, \"b\": {\"server\": \"two\", \"hash\": \"\"}, \"metrics\": "
        "{\"server_ns\": null, \"p50\": {\"a\": 1000, \"b\": 1100, \"change\": 0.1, \"low\": 0.08, "
        "\"high\": 0.12, \"floor\": 0.01, \"p\": 0.03, \"verdict\": \"SLOWER\"}}, \"pairs\": "
        "[" SLICES("1000", "1100") ", " SLICES("null", "1") ", " SLICES("1000", "1200") "]}",
        "{\"kernel\": \"6.1\", \"machine\": \"x\", \"cpus\": 2, \"cpu_model\": \"a CPU\"}");
    check_text(text, "<h1>p50 is &gt; A&#39;s</h1>");
    check_text(text, "<span class=\"badge bad\">SLOWER</span>");
    assert_int_equal(count_of(text, "<svg "), 1);
    /* The pair that lacked the figure was run again. */
    assert_int_equal(count_of(text, "<circle class=\"dot"), 2);
    check_text(text, "<title>pair 2: +20.00 %</title>");
    check_text(text, "data-key=\"metrics/p50/b\" value=\"1100\">1.10 us<");
    check_text(text, "<td>not known</td>");
    check_text(text, "<td>one, binary fnv1a64:1</td>");
    check_text(text, "a CPU, 2 CPUs, kernel 6.1, x");
    free(text);
}

static void seconds_are_held_against_the_median(void **state)
{
    (void)state;
    char *const text = write_page(
        "{\"schema\": \"ackload-compare/1\", \"verdict\": \"INCONCLUSIVE\", \"reason\": \"r\", "
        "\"figure\": \"acks\", \"threshold\": 0.03, \"change\": 0.05, \"low\": null, \"high\": "
        "null, \"p\": null, \"figures\": {\"p99.9\": {\"a\": 5, \"b\": 10, \"change\": 1.0}}, "
        "\"seconds\": {\"a\": [100], \"b\": [105], \"a_median\": 100}}",
        NULL);
    check_text(text, "badge warn\">INCONCLUSIVE<");
    check_text(text, "<title>second 1: +5.00 %</title>");
    check_text(text, "data-key=\"figures/p99.9/b\" value=\"10\">10 ns<");
    assert_int_equal(count_of(text, "<svg "), 2);
    free(text);
}

static void steps_have_the_shape_of_their_outcome(void **state)
{
    (void)state;
    char *const text = write_page(
        "{\"schema\": \"ackload-search/1\", \"verdict\": \"found\", \"reason\": \"r\", \"slo\": "
        "\"p99<1ms,lost=0\", \"rate\": 1000, \"first_failing\": 2000, \"curve\": [{\"phase\": "
        "\"climb\", \"rate\": 1000, \"outcome\": \"ok\", \"p99\": 1000, \"lost\": 0}, {\"rate\": "
        "2000, \"outcome\": \"miss\", \"broken\": \"p99\", \"p99\": 9000000, \"lost\": 0}, "
        "{\"rate\": 4000, \"outcome\": \"invalid\", \"reason\": \"late\", \"p99\": null, \"lost\": "
        "0}]}",
        NULL);
    check_text(text, "badge good\">found<");
    /* Of what was never lost there is no chart. */
    assert_int_equal(count_of(text, "<svg "), 1);
    assert_int_equal(count_of(text, "<circle class=\"disc"), 1);
    assert_int_equal(count_of(text, "<path class=\"cross"), 1);
    check_text(text, ">p99: 1.00 ms</text>");
    check_text(text, "<desc>1000/s keeps the promise, 2000/s does not</desc>");
    check_text(text, "broken: p99");
    check_text(text, "not valid: late");
    check_text(text, "data-key=\"curve/1/p99\" value=\"9000000\">9.00 ms<");
    free(text);
}

static void alarms_are_counted(void **state)
{
    (void)state;
    char *const text = write_page(
        "{\"schema\": \"ackload-aa/1\", \"verdict\": \"failed\", \"reason\": \"r\", \"trials\": 1, "
        "\"threshold\": 0.03, \"false_alarms\": 1.0, \"faster\": 1, \"slower\": 0, \"same\": 0, "
        "\"inconclusive\": 0, \"server\": \"s\", \"run_options\": [\"-c\", \"8\"], "
        "\"comparisons\": [{\"change\": -0.2, \"verdict\": \"FASTER\"}]}",
        NULL);
    check_text(text, "badge bad\">failed<");
    check_text(text, "value=\"1\">100.0 %<");
    assert_int_equal(count_of(text, "<rect class=\"column bad\""), 1);
    check_text(text, "<td>-c 8</td>");
    free(text);
}

static void other_results_have_no_page(void **state)
{
    (void)state;
    json_t *const run = json_loads("{\"schema\": \"ackload/1\"}", 0, NULL);
    struct ackd_error error;
    assert_false(report_verdict_knows(run));
    assert_false(report_verdict_knows(NULL));
    assert_int_equal(report_verdict("/nonexistent/x", run, NULL, &error), -ENOENT);
    json_decref(run);
}

static void figures_are_as_people_read_them(void **state)
{
    (void)state;
    struct text text;
    assert_string_equal(report_figure_text(&text, "acks", 1234567), "1,234,567/s");
    assert_string_equal(report_figure_text(&text, "server_ns", 88.04), "88.0 ns");
    assert_string_equal(report_figure_text(&text, "p99.9", 1500), "1.50 us");
    assert_string_equal(report_figure_text(&text, "lost", 1500), "1,500");
    assert_string_equal(report_figure_text(&text, "lost", NAN), "-");
    assert_string_equal(report_change_text(&text, -0.0512), "-5.12 %");
    assert_int_equal(report_answer("FASTER"), ANSWER_FASTER);
    assert_int_equal(report_answer("NONE"), ANSWER_INCONCLUSIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_is_a_dot),
        cmocka_unit_test(seconds_are_held_against_the_median),
        cmocka_unit_test(steps_have_the_shape_of_their_outcome),
        cmocka_unit_test(alarms_are_counted),
        cmocka_unit_test(other_results_have_no_page),
        cmocka_unit_test(figures_are_as_people_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
