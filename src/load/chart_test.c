/* SPDX-License-Identifier: MIT
 *
 * chart_test - axes, ticks, and text that could break a page */
#include "load/chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_close(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-9 * fmax(1, fabs(wanted)))
        fail_msg("%.12g, expected %.12g", got, wanted);
}

static void check_ticks(const struct chart_axis *axis, const double *wanted, size_t count)
{
    double ticks[CHART_TICK_COUNT_MAX];
    assert_int_equal(chart_ticks(axis, ticks), count);
    for (size_t i = 0; i < count; i++)
        check_close(ticks[i], wanted[i]);
}

static struct chart make_chart(enum chart_scale x, enum chart_scale y,
                               const struct chart_point *points, size_t count)
{
    struct chart chart = {
        .title = "a <title>",
        .x = {.scale = x, .format = chart_format_seconds},
        .y = {.scale = y, .format = chart_format_amount},
        .series = {{.name = "one", .points = points, .count = count, .marked = true}},
        .series_count = 1,
    };
    chart_fit(&chart);
    return chart;
}

static void linear_axes_begin_at_zero(void **state)
{
    (void)state;
    const struct chart_point points[] = {{1, 1800}, {2, 1840}, {3.5, 1700}};
    const struct chart chart = make_chart(CHART_LINEAR, CHART_LINEAR, points, 3);
    check_close(chart.x.max, 3.5);
    check_close(chart.y.max, 2000);
    check_ticks(&chart.y, (const double[]){0, 500, 1000, 1500, 2000}, 5);
    check_ticks(&chart.x, (const double[]){0, 1, 2, 3}, 4);
    check_close(chart_place(&chart.y, 500), 0.25);
}

static void counts_have_no_fractions(void **state)
{
    (void)state;
    const struct chart_point points[] = {{1, 0}, {2, 1}};
    struct chart chart = make_chart(CHART_LINEAR, CHART_LINEAR, points, 2);
    chart.y.step_min = 1;
    chart_fit(&chart);
    check_ticks(&chart.y, (const double[]){0, 1}, 2);
}

static void log_axes_have_round_ends(void **state)
{
    (void)state;
    const struct chart_point narrow[] = {{0, 130}, {1, 0}, {2, 700}};
    const struct chart near = make_chart(CHART_LINEAR, CHART_LOG, narrow, 3);
    check_close(near.y.min, 100);
    check_close(near.y.max, 1000);
    check_ticks(&near.y, (const double[]){100, 200, 500, 1000}, 4);
    check_close(chart_place(&near.y, sqrt(100 * 1000.0)), 0.5);

    const struct chart_point wide[] = {{0, 25}, {1, 3e6}};
    const struct chart far = make_chart(CHART_LINEAR, CHART_LOG, wide, 2);
    check_close(far.y.min, 20);
    check_close(far.y.max, 5e6);
    check_ticks(&far.y, (const double[]){100, 1e3, 1e4, 1e5, 1e6}, 5);
}

static void percentiles_are_evenly_apart(void **state)
{
    (void)state;
    const struct chart_point points[] = {{0, 1}, {0.9999, 2}};
    const struct chart chart = make_chart(CHART_PERCENTILE, CHART_LINEAR, points, 2);
    check_ticks(&chart.x, (const double[]){0.5, 0.9, 0.99, 0.999, 0.9999}, 5);
    check_close(chart_place(&chart.x, 0.9), 0.25);
    check_close(chart_place(&chart.x, 0.99), 0.5);
    struct text text;
    assert_string_equal(chart_format_percentile(&text, 0.9999), "p99.99");
}

static void one_value_and_none_have_axes_too(void **state)
{
    (void)state;
    const struct chart_point point = {1, 100};
    const struct chart one = make_chart(CHART_LINEAR, CHART_LOG, &point, 1);
    assert_true(one.y.max > one.y.min);
    const struct chart none = make_chart(CHART_LINEAR, CHART_LINEAR, NULL, 0);
    assert_true(none.y.max > none.y.min);
    assert_true(none.x.max > none.x.min);
}

static void linear_axes_go_below_zero(void **state)
{
    (void)state;
    const struct chart_point points[] = {{0, -0.31}, {1, 0.12}};
    const struct chart chart = make_chart(CHART_LINEAR, CHART_LINEAR, points, 2);
    check_close(chart.y.min, -0.4);
    check_ticks(&chart.y, (const double[]){-0.4, -0.2, 0, 0.2}, 4);
    struct text text;
    assert_string_equal(chart_format_change(&text, -0.4), "-40 %");
    assert_string_equal(chart_format_change(&text, 0.005), "+0.5 %");
    assert_string_equal(chart_format_change(&text, -1e-12), "0 %");
}

static void points_have_shapes_a_limit_and_a_span(void **state)
{
    (void)state;
    const struct chart_point points[] = {{1, 10}, {2, 20}};
    struct chart chart = make_chart(CHART_LINEAR, CHART_LINEAR, points, 2);
    char *text = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&text, &size);
    assert_non_null(to);
    for (size_t i = 0; i < 3; i++) {
        chart.series[i] = (struct chart_series){
            .name = "s", .points = points, .count = 2, .shape = CHART_DISC + (enum chart_shape)i};
    }
    chart.series_count = 3;
    chart.description = "what is \"seen\"";
    chart.limit = (struct chart_limit){"no more", 35};
    chart.span = (struct chart_span){"here", 1, 2};
    chart_fit(&chart);
    assert_true(chart.y.max >= 35);
    chart_write(to, &chart);
    fclose(to);
    static const char *const words[] = {"<circle class=\"disc line-0\"",
                                        "<path class=\"cross line-1\"",
                                        "<circle class=\"ring line-2\"",
                                        "<desc>what is &quot;seen&quot;</desc>",
                                        ">no more</text>",
                                        "<title>here</title></rect>"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!strstr(text, words[i]))
            fail_msg("expected '%s' in:\n%s", words[i], text);
    }
    assert_null(strstr(text, "class=\"line "));
    free(text);
}

static void a_chart_is_whole_and_escaped(void **state)
{
    (void)state;
    const struct chart_point points[] = {{0, 1}, {1, 2}};
    const struct chart chart = make_chart(CHART_LINEAR, CHART_LINEAR, points, 2);
    char *text = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&text, &size);
    assert_non_null(to);
    chart_write(to, &chart);
    fclose(to);
    assert_non_null(strstr(text, "a &lt;title&gt;"));
    assert_non_null(strstr(text, "<title>one: 2 at 1 s</title>"));
    assert_non_null(strstr(text, "d=\"M62.0 120.0L466.0 10.0\""));
    assert_non_null(strstr(text, ">1</text>"));
    assert_non_null(strstr(text, "</svg></figure>\n"));
    assert_null(strstr(text, "nan"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_axes_begin_at_zero),
        cmocka_unit_test(counts_have_no_fractions),
        cmocka_unit_test(log_axes_have_round_ends),
        cmocka_unit_test(percentiles_are_evenly_apart),
        cmocka_unit_test(one_value_and_none_have_axes_too),
        cmocka_unit_test(linear_axes_go_below_zero),
        cmocka_unit_test(points_have_shapes_a_limit_and_a_span),
        cmocka_unit_test(a_chart_is_whole_and_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
