/* SPDX-License-Identifier: MIT
 *
 * effect_chart_test - what is drawn, and where */
#include "load/effect_chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/test_text.h"

/* Draws @chart; the caller frees the text. */
static char *draw(const struct effect_chart *chart)
{
    char *text = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&text, &size);
    assert_non_null(to);
    effect_chart_write(to, chart);
    fclose(to);
    return text;
}

static const double dots[] = {0.08, 0.1, 0.12};

static void everything_stands_on_one_axis(void **state)
{
    (void)state;
    const struct effect_chart chart = {
        .title = "a & b",
        .answer = ANSWER_SLOWER,
        .change = 0.1,
        .low = 0.08,
        .high = 0.12,
        .threshold = 0.03,
        .floor = 0.02,
        .dots = dots,
        .dot_count = 3,
        .dot_name = "pair",
    };
    char *const text = draw(&chart);
    check_text(text, "<figcaption>a &amp; b</figcaption>");
    check_text(text, "<desc>B lies +10.00 % from A, 95 % interval +8.00 % to +12.00 %, floor 2.00 "
                     "%: SLOWER</desc>");
    check_text(text, "up to 3 % does not matter");
    check_text(text, "<title>pair 3: +12.00 %</title>");
    check_text(text, "<path class=\"range bad\"");
    check_text(text, "<path class=\"hit bad\"");
    assert_int_equal(count_of(text, "<circle class=\"dot\""), 3);
    assert_int_equal(count_of(text, "class=\"floor\""), 2);
    /* From -5 % at 24 to +15 % at 456: 0 is a quarter of the way, 12 % at 391.2. */
    check_text(text, "class=\"zero\" d=\"M132.0 ");
    check_text(text, "cx=\"391.2\"");
    free(text);
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    const struct effect_chart chart = {.title = "x",
                                       .answer = ANSWER_INCONCLUSIVE,
                                       .change = 0,
                                       .low = NAN,
                                       .high = NAN,
                                       .floor = NAN,
                                       .threshold = 0.03};
    char *const text = draw(&chart);
    assert_null(strstr(text, "class=\"range"));
    assert_null(strstr(text, "class=\"floor"));
    assert_null(strstr(text, "nan"));
    check_text(text, "class=\"hit warn\"");
    free(text);
}

static void what_lies_far_out_is_put_at_the_edge(void **state)
{
    (void)state;
    static const double far[] = {0.01, 40};
    const struct effect_chart chart = {.title = "x",
                                       .change = 0.01,
                                       .low = -0.02,
                                       .high = 0.02,
                                       .floor = NAN,
                                       .threshold = 0.03,
                                       .dots = far,
                                       .dot_count = 2,
                                       .dot_name = "pair"};
    char *const text = draw(&chart);
    check_text(text, "<circle class=\"dot beyond\" cx=\"456.0\"");
    check_text(text, "<title>pair 2: +4000.00 %</title>");
    free(text);
}

/* Stored results may come from anybody. */
static void numbers_without_end_are_cut_off(void **state)
{
    (void)state;
    const struct effect_chart chart = {.title = "x",
                                       .answer = ANSWER_SLOWER,
                                       .change = 1e290,
                                       .low = 1e290,
                                       .high = 1e290,
                                       .floor = 1e290,
                                       .threshold = 0.03};
    char *const text = draw(&chart);
    check_text(text, "B lies +");
    free(text);
}

static void columns_hold_every_change(void **state)
{
    (void)state;
    static const double changes[] = {0, 0.001, -0.001, 0.039, -0.039};
    static const enum answer answers[] = {ANSWER_SAME, ANSWER_SAME, ANSWER_INCONCLUSIVE,
                                          ANSWER_SLOWER, ANSWER_FASTER};
    const struct effect_columns columns = {"title", changes, answers, 5, 0.03};
    char *text = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&text, &size);
    assert_non_null(to);
    effect_columns_write(to, &columns);
    fclose(to);
    check_text(text, "<title>2 SAME from -0.13 % to +0.13 %</title>");
    check_text(text, "<title>1 INCONCLUSIVE from -0.13 % to +0.13 %</title>");
    assert_int_equal(count_of(text, "<title>1 FASTER or SLOWER"), 2);
    assert_null(strstr(text, ">-0<"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_stands_on_one_axis),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(what_lies_far_out_is_put_at_the_edge),
        cmocka_unit_test(numbers_without_end_are_cut_off),
        cmocka_unit_test(columns_hold_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
