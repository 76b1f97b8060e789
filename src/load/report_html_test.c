/* SPDX-License-Identifier: MIT
 *
 * report_html_test - the page is whole, shows what was measured, and loads nothing */
#include "load/report_html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

struct bench {
    struct options options;
    struct plan plan;
    struct outcome outcome;
    struct interval intervals[3];
    char *text;
};

static void fill(struct latency_sum *times, uint64_t ns, uint64_t count)
{
    times->bucket[latency_index(ns)] += count;
    times->count += count;
    times->sum_ns += ns * count;
    if (ns > times->max_ns)
        times->max_ns = ns;
}

static int setup(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->options = (struct options){
        .connection_count = 100,
        .thread_count = 1,
        .window = 16,
        .duration_ns = 3 * NS_PER_S,
        .plan = {.seed = 7, .payload_size = 22},
    };
    assert_int_equal(address_parse("[::1]:8888", false, &bench->options.address, NULL), 0);
    assert_int_equal(plan_init(&bench->plan, &bench->options.plan, NULL), 0);
    for (int i = 0; i < 3; i++)
        bench->intervals[i] = (struct interval){
            .at_s = i + 1,
            .duration_s = 1,
            .acked = 1000,
            .rate = 1000,
            .p50_ns = 50000,
            .p99_ns = 900000,
        };
    struct outcome *const outcome = &bench->outcome;
    outcome->ledger = (struct ledger){.sent = 3000, .ok = 3000};
    outcome->rate = 1000;
    outcome->duration_s = 3;
    outcome->intervals = bench->intervals;
    outcome->interval_count = 3;
    fill(&outcome->latency, 50000, 2900);
    fill(&outcome->latency, 900000, 100);
    outcome->service = outcome->latency;
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *const bench = *state;
    free(bench->text);
    plan_deinit(&bench->plan);
    free(bench);
    return 0;
}

static void write_page(struct bench *bench, const char *command)
{
    size_t size = 0;
    FILE *const to = open_memstream(&bench->text, &size);
    assert_non_null(to);
    report_html_write(to, command, &bench->options, &bench->plan, &bench->outcome);
    fclose(to);
}

static void check_text(const struct bench *bench, const char *words)
{
    if (!strstr(bench->text, words))
        fail_msg("expected '%s' in:\n%s", words, bench->text);
}

static void a_good_run_is_a_whole_page(void **state)
{
    struct bench *const bench = *state;
    write_page(bench, "ackload run --connect '[::1]:8888' --time 3s");
    assert_memory_equal(bench->text, "<!doctype html>", 15);
    assert_non_null(strstr(bench->text, "</main></body></html>\n"));
    check_text(bench, "<span class=\"badge good\">OK</span>");
    check_text(bench, "[::1]:8888 &#183; 100 connections &#215; 16 in flight");
    check_text(bench, "--connect &#39;[::1]:8888&#39; --time 3s");
    check_text(bench, "<tr><th>sent</th><td class=\"n\">3,000</td></tr>");
    check_text(bench, "<b>1000</b><span>acks/s</span>");
    check_text(bench, "<title>p99: 900 us at 3 s</title>");
    /* 100 messages are beyond p90, 3 beyond p99.9. */
    check_text(bench, "<tr><th>p99.9</th><td class=\"n\">-</td></tr>");
    assert_null(strstr(bench->text, "nan"));
    assert_null(strstr(bench->text, "inf\""));
}

static void it_loads_nothing(void **state)
{
    struct bench *const bench = *state;
    static const char *const loads[] = {"http:", "https:", "src=", "@import", "url(", "<script"};
    write_page(bench, "ackload run");
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++)
        assert_null(strstr(bench->text, loads[i]));
}

static void an_open_loop_has_three_clocks(void **state)
{
    struct bench *const bench = *state;
    bench->options.rate = 1000;
    fill(&bench->outcome.lateness, 2000, 3000);
    write_page(bench, "ackload run --rate 1000");
    check_text(bench, "1000 messages/s over 100 connections");
    check_text(bench, "<th class=\"n\">response</th><th class=\"n\">service</th><th "
                      "class=\"n\">lateness</th>");
}

static void what_went_wrong_is_shown(void **state)
{
    struct bench *const bench = *state;
    struct outcome *const outcome = &bench->outcome;
    outcome->ledger = (struct ledger){.sent = 3000, .ok = 2999, .lost = 1};
    outcome->validity = (struct validity){
        .verdict = VALIDITY_CLIENT_BOUND,
        .check_count = 1,
        .checks = {{"lateness", false, 5e6, 1e6, VALIDITY_CLIENT_BOUND, "p99 & more"}},
    };
    error_log_note(&outcome->errors, CAUSE_BAD_LENGTH, 2, 5000000, 42,
                   (struct bytes){(const uint8_t *)"\x01\xff", 2});
    write_page(bench, "ackload run");
    check_text(bench, "<span class=\"badge bad\">FAILED</span>");
    check_text(bench, "CLIENT-BOUND</span>");
    check_text(bench, "<b>&#8805; 1000</b>");
    check_text(bench, "<td class=\"no\">failed</td>");
    check_text(bench, "<code>01ff</code>");
    check_text(bench, "<i class=\"b\"");
}

static void nothing_measured_is_a_page_too(void **state)
{
    struct bench *const bench = *state;
    memset(&bench->outcome, 0, sizeof bench->outcome);
    write_page(bench, "");
    check_text(bench, "INVALID");
    assert_null(strstr(bench->text, "nan"));
}

static void a_file_that_cannot_be_written(void **state)
{
    struct bench *const bench = *state;
    struct ackd_error error;
    assert_int_equal(report_html("/nonexistent/page.html", &bench->options, &bench->plan,
                                 &bench->outcome, &error),
                     -ENOENT);
    assert_non_null(strstr(error.text, "--html /nonexistent/page.html"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_run_is_a_whole_page, setup, teardown),
        cmocka_unit_test_setup_teardown(it_loads_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_loop_has_three_clocks, setup, teardown),
        cmocka_unit_test_setup_teardown(what_went_wrong_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_measured_is_a_page_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
