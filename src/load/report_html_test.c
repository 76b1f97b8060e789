/* SPDX-License-Identifier: MIT
 *
 * report_html_test - the page is whole, shows what was measured, and loads nothing */
#include "load/report_html.h"

#include "load/test_run.h"

static struct interval intervals[3];

/* Three good seconds. */
static int setup(void **state)
{
    test_run_setup(state);
    struct test_run *const run = *state;
    struct outcome *const outcome = &run->outcome;
    for (int i = 0; i < 3; i++)
        intervals[i] = (struct interval){
            .at_s = i + 1,
            .duration_s = 1,
            .acked = 1000,
            .rate = 1000,
            .p50_ns = 50000,
            .p99_ns = 900000,
        };
    outcome->ledger = (struct ledger){.sent = 3000, .ok = 3000};
    outcome->rate = 1000;
    outcome->duration_s = 3;
    outcome->intervals = intervals;
    outcome->interval_count = 3;
    test_run_fill(&outcome->latency, 50000, 2900);
    test_run_fill(&outcome->latency, 900000, 100);
    outcome->service = outcome->latency;
    return 0;
}

static void write_page(struct test_run *run, const char *command)
{
    report_html_write(run->to, command, &run->options, &run->plan, &run->outcome);
    fflush(run->to);
}

static void a_good_run_is_a_whole_page(void **state)
{
    struct test_run *const run = *state;
    write_page(run, "ackload run --connect '[::1]:8888' --time 3s");
    assert_memory_equal(run->text, "<!doctype html>", 15);
    assert_non_null(strstr(run->text, "</main></body></html>\n"));
    test_run_check(run, "<span class=\"badge good\">OK</span>");
    test_run_check(run, "[::1]:8888 &#183; 100 connections &#215; 16 in flight");
    test_run_check(run, "--connect &#39;[::1]:8888&#39; --time 3s");
    test_run_check(run, "<tr><th>sent</th><td class=\"n\">3,000</td></tr>");
    test_run_check(run, "<b>1000</b><span>acks/s</span>");
    test_run_check(run, "<title>p99: 900 us at 3 s</title>");
    /* 100 messages are beyond p90, 3 beyond p99.9. */
    test_run_check(run, "<tr><th>p99.9</th><td class=\"n\">-</td></tr>");
    assert_null(strstr(run->text, "nan"));
    assert_null(strstr(run->text, "inf\""));
}

static void it_loads_nothing(void **state)
{
    struct test_run *const run = *state;
    static const char *const loads[] = {"http:", "https:", "src=", "@import", "url(", "<script"};
    write_page(run, "ackload run");
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++)
        assert_null(strstr(run->text, loads[i]));
}

static void an_open_loop_has_three_clocks(void **state)
{
    struct test_run *const run = *state;
    run->options.rate = 1000;
    test_run_fill(&run->outcome.lateness, 2000, 3000);
    write_page(run, "ackload run --rate 1000");
    test_run_check(run, "1000 messages/s over 100 connections");
    test_run_check(run, "<th class=\"n\">response</th><th class=\"n\">service</th><th "
                        "class=\"n\">lateness</th>");
}

static void what_went_wrong_is_shown(void **state)
{
    struct test_run *const run = *state;
    struct outcome *const outcome = &run->outcome;
    outcome->ledger = (struct ledger){.sent = 3000, .ok = 2999, .lost = 1};
    outcome->validity = (struct validity){
        .verdict = VALIDITY_CLIENT_BOUND,
        .check_count = 1,
        .checks = {{"lateness", false, 5e6, 1e6, VALIDITY_CLIENT_BOUND, "p99 & more"}},
    };
    error_log_note(&outcome->errors, CAUSE_BAD_LENGTH, 2, 5000000, 42,
                   (struct bytes){(const uint8_t *)"\x01\xff", 2});
    write_page(run, "ackload run");
    test_run_check(run, "<span class=\"badge bad\">FAILED</span>");
    test_run_check(run, "CLIENT-BOUND</span>");
    test_run_check(run, "<b>&#8805; 1000</b>");
    test_run_check(run, "<tr><th>longest</th><td class=\"n\">&#8804; 900 us</td></tr>");
    test_run_check(run, "Time by percentile, at most");
    test_run_check(run, "Acks per second, at least");
    test_run_check(run, "<td class=\"no\">failed</td>");
    test_run_check(run, "<code>01ff</code>");
    test_run_check(run, "<i class=\"b\"");
}

static void nothing_measured_is_a_page_too(void **state)
{
    struct test_run *const run = *state;
    memset(&run->outcome, 0, sizeof run->outcome);
    write_page(run, "");
    test_run_check(run, "INVALID");
    assert_null(strstr(run->text, "nan"));
}

static void a_file_that_cannot_be_written(void **state)
{
    struct test_run *const run = *state;
    struct ackd_error error;
    assert_int_equal(
        report_html("/nonexistent/page.html", &run->options, &run->plan, &run->outcome, &error),
        -ENOENT);
    assert_non_null(strstr(error.text, "--html /nonexistent/page.html"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_run_is_a_whole_page, setup, test_run_teardown),
        cmocka_unit_test_setup_teardown(it_loads_nothing, setup, test_run_teardown),
        cmocka_unit_test_setup_teardown(an_open_loop_has_three_clocks, setup, test_run_teardown),
        cmocka_unit_test_setup_teardown(what_went_wrong_is_shown, setup, test_run_teardown),
        cmocka_unit_test_setup_teardown(nothing_measured_is_a_page_too, setup, test_run_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written, setup, test_run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
