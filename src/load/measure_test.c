/* SPDX-License-Identifier: MIT
 *
 * measure_test - figures are read from a run's JSON */
#include "load/measure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NEAR 1e-9

static struct measurement read_text(const char *text)
{
    json_t *const result = json_loads(text, 0, NULL);
    struct measurement measurement;

    assert_non_null(result);
    measurement_read(&measurement, result);
    json_decref(result);
    return measurement;
}

static void a_closed_loop(void **state)
{
    (void)state;
    const struct measurement it = read_text(
        "{\"verdict\": \"ok\", \"reason\": \"all well\", \"stream_hash\": \"bf3820ab041d0d26\","
        " \"plan\": {\"loop\": \"closed\"}, \"rate\": {\"acks_per_s\": 5e4},"
        " \"ledger\": {\"ok\": 7, \"failed\": 1, \"lost\": 2, \"cut\": 3, \"duplicate\": 4,"
        "   \"unknown\": 5, \"out_of_order\": 6, \"malformed\": 7},"
        " \"latency\": {\"service\": {\"mean_ns\": 10.5, \"p50_ns\": 11, \"p90_ns\": 12,"
        "   \"p99_ns\": 13, \"p999_ns\": 14, \"max_ns\": 15}},"
        " \"cpu\": {\"ns_per_ack\": 300}}");

    assert_float_equal(it.figures[FIGURE_ACKS], 5e4, NEAR);
    assert_float_equal(it.figures[FIGURE_P50], 11, NEAR);
    assert_float_equal(it.figures[FIGURE_P90], 12, NEAR);
    assert_float_equal(it.figures[FIGURE_P99], 13, NEAR);
    assert_float_equal(it.figures[FIGURE_P999], 14, NEAR);
    assert_float_equal(it.figures[FIGURE_MEAN], 10.5, NEAR);
    assert_float_equal(it.figures[FIGURE_MAX], 15, NEAR);
    assert_float_equal(it.figures[FIGURE_LOST], 5, NEAR);
    assert_float_equal(it.figures[FIGURE_FAILED], 1, NEAR);
    assert_float_equal(it.figures[FIGURE_ERRORS], 28, NEAR);
    assert_float_equal(it.figures[FIGURE_CLIENT_NS], 300, NEAR);
    assert_true(isnan(it.figures[FIGURE_SERVER_NS]));
    assert_string_equal(it.stream_hash, "bf3820ab041d0d26");
    assert_string_equal(it.reason, "all well");
    assert_true(it.valid);
}

static void an_open_loop_counts_from_the_due_time(void **state)
{
    (void)state;
    const struct measurement it =
        read_text("{\"plan\": {\"loop\": \"open\"}, \"latency\": {\"service\": {\"p99_ns\": 1},"
                  " \"response\": {\"p99_ns\": 2}},"
                  " \"cpu\": {\"client\": {\"ns_per_ack\": 4}, \"server\": {\"ns_per_ack\": 5}}}");

    assert_float_equal(it.figures[FIGURE_P99], 2, NEAR);
    assert_float_equal(it.figures[FIGURE_CLIENT_NS], 4, NEAR);
    assert_float_equal(it.figures[FIGURE_SERVER_NS], 5, NEAR);
}

static void validity_is_the_stamps(void **state)
{
    (void)state;
    assert_false(read_text("{\"verdict\": \"invalid\"}").valid);
    assert_false(read_text("{\"verdict\": \"invalid\"}").pessimistic);
    assert_true(read_text("{\"validity\": {\"verdict\": \"VALID\", \"valid\": true}}").valid);
    assert_true(read_text("{\"validity\": {\"verdict\": \"UNCHECKED\", \"valid\": false}}").valid);
    const struct measurement bound =
        read_text("{\"verdict\": \"ok\", \"reason\": \"all acked\", \"validity\": {\"verdict\":"
                  " \"CLIENT-BOUND\", \"valid\": false, \"checks\": ["
                  "  {\"stamp\": false, \"ok\": false, \"meaning\": \"shown only\"},"
                  "  {\"stamp\": true, \"ok\": true, \"meaning\": \"well\"},"
                  "  {\"stamp\": true, \"ok\": false, \"meaning\": \"busy\"}]}}");
    assert_false(bound.valid);
    assert_true(bound.pessimistic);
    assert_string_equal(bound.reason, "CLIENT-BOUND: busy");
}

static void figures_have_names(void **state)
{
    (void)state;
    for (int figure = 0; figure < FIGURE_COUNT; figure++)
        assert_non_null(figure_name((enum figure)figure));
    assert_string_equal(figure_name(FIGURE_P999), "p99.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop),
        cmocka_unit_test(an_open_loop_counts_from_the_due_time),
        cmocka_unit_test(validity_is_the_stamps),
        cmocka_unit_test(figures_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
