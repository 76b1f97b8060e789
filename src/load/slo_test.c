/* SPDX-License-Identifier: MIT
 *
 * slo_test - promises are read, and held against figures */
#include "load/slo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct slo parse(const char *text)
{
    struct slo slo;
    assert_int_equal(slo_parse(text, &slo, NULL), 0);
    return slo;
}

static void terms_are_read(void **state)
{
    (void)state;
    const struct slo slo = parse("p99<500us,p99.9<=2ms,lost=0");

    assert_int_equal(slo.count, 3);
    assert_int_equal(slo.terms[0].figure, FIGURE_P99);
    assert_int_equal(slo.terms[0].relation, SLO_BELOW);
    assert_true(slo.terms[0].value == 500e3);
    assert_int_equal(slo.terms[1].figure, FIGURE_P999);
    assert_int_equal(slo.terms[1].relation, SLO_AT_MOST);
    assert_true(slo.terms[1].value == 2e6);
    assert_int_equal(slo.terms[2].figure, FIGURE_LOST);
    assert_int_equal(slo.terms[2].relation, SLO_EQUAL);
}

static void what_is_no_promise_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         ",",        "p99",     "p99<",     "p99<5",
                                      "p99<0",    "p42<5ms",  "lost=x",  "lost=1ms", "p99>5ms",
                                      "p99<5ms,", "acks<5ms", "p99==5ms"};
    struct ackd_error error = {0};
    struct slo slo;
    char many[512] = "lost=0";

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(slo_parse(bad[i], &slo, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--slo"));
    for (int i = 0; i < SLO_TERM_MAX; i++)
        memcpy(many + strlen(many), ",lost=0", sizeof ",lost=0");
    assert_int_equal(slo_parse(many, &slo, &error), -EINVAL);
    memset(many, 'p', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_int_equal(slo_parse(many, &slo, &error), -EINVAL);
}

static void figures_are_held_against_it(void **state)
{
    (void)state;
    const struct slo slo = parse("p99<500us,max<=1ms,errors=0");
    double figures[FIGURE_COUNT] = {[FIGURE_P99] = 499999, [FIGURE_MAX] = 1e6};

    assert_null(slo_find_broken(&slo, figures));
    figures[FIGURE_P99] = 500000;
    assert_ptr_equal(slo_find_broken(&slo, figures), &slo.terms[0]);
    figures[FIGURE_P99] = 1;
    figures[FIGURE_ERRORS] = 1;
    assert_ptr_equal(slo_find_broken(&slo, figures), &slo.terms[2]);
    figures[FIGURE_MAX] = NAN;
    assert_ptr_equal(slo_find_broken(&slo, figures), &slo.terms[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_are_read),
        cmocka_unit_test(what_is_no_promise_is_refused),
        cmocka_unit_test(figures_are_held_against_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
