/* SPDX-License-Identifier: MIT
 *
 * units_test - every number as people write it, and everything that is refused */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

enum { UNTOUCHED = 4711 };

typedef bool parse_function(const char *text, uint64_t *ret_value);

struct row {
    const char *text;
    bool legal;
    uint64_t want;
};

static void check_rows(parse_function *parse, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = UNTOUCHED;

        if (parse(rows[i].text, &value) != rows[i].legal)
            fail_msg("'%s' was %s", rows[i].text, rows[i].legal ? "refused" : "taken");
        if (value != (rows[i].legal ? rows[i].want : UNTOUCHED))
            fail_msg("'%s' gave %llu", rows[i].text, (unsigned long long)value);
    }
}

#define CHECK_ROWS(parse, rows) check_rows(parse, rows, sizeof(rows) / sizeof((rows)[0]))

static void counts(void **state)
{
    static const struct row rows[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"007", true, 7},
        {"65536", true, 65536},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1\n", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {"1k", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x10", false, 0},
        {"auto", false, 0},
    };
    (void)state;
    CHECK_ROWS(units_parse_count, rows);
}

static void counts_of_the_environment(void **state)
{
    (void)state;
    unsetenv("ACKD_TEST_COUNT");
    assert_int_equal(units_environment_count("ACKD_TEST_COUNT"), 0);
    setenv("ACKD_TEST_COUNT", "17", 1);
    assert_int_equal(units_environment_count("ACKD_TEST_COUNT"), 17);
    setenv("ACKD_TEST_COUNT", "17x", 1);
    assert_int_equal(units_environment_count("ACKD_TEST_COUNT"), 0);
    unsetenv("ACKD_TEST_COUNT");
}

static void sizes(void **state)
{
    static const struct row rows[] = {
        {"0", true, 0},
        {"13", true, 13},
        {"13b", true, 13},
        {"64k", true, 65536},
        {"64K", true, 65536},
        {"64KiB", true, 65536},
        {"64kib", true, 65536},
        {"16m", true, 16 << 20},
        {"16MiB", true, 16 << 20},
        {"1g", true, 1 << 30},
        {"1GiB", true, 1 << 30},
        {"17179869183g", true, UINT64_C(17179869183) << 30},
        {"17179869184g", false, 0},
        {"", false, 0},
        {"k", false, 0},
        {"64 k", false, 0},
        {"64kb", false, 0},
        {"64kk", false, 0},
        {"64ki", false, 0},
        {"-64k", false, 0},
        {"1.5m", false, 0},
        {"1t", false, 0},
    };
    (void)state;
    CHECK_ROWS(units_parse_size, rows);
}

static void durations(void **state)
{
    static const struct row rows[] = {
        {"0", true, 0},
        {"0s", true, 0},
        {"1ns", true, 1},
        {"250us", true, 250 * NS_PER_US},
        {"5ms", true, 5 * NS_PER_MS},
        {"10s", true, 10 * NS_PER_S},
        {"10S", true, 10 * NS_PER_S},
        {"2m", true, 120 * NS_PER_S},
        {"2min", true, 120 * NS_PER_S},
        {"1h", true, 3600 * NS_PER_S},
        {"18446744073s", true, UINT64_C(18446744073) * NS_PER_S},
        {"18446744074s", false, 0},
        {"10", false, 0},
        {"", false, 0},
        {"s", false, 0},
        {"10 s", false, 0},
        {"10ss", false, 0},
        {"10sec", false, 0},
        {"1.5s", false, 0},
        {"-1s", false, 0},
        {"1d", false, 0},
        {"forever", false, 0},
    };
    (void)state;
    CHECK_ROWS(units_parse_duration_ns, rows);
}

static void rates(void **state)
{
    static const struct {
        const char *text;
        double want; /* negative: refused */
    } rows[] = {
        {"0", 0},        {"250000", 250000}, {"250k", 250000}, {"250K", 250000}, {"1.5m", 1500000},
        {"1.5M", 1.5e6}, {"0.5", 0.5},       {"", -1},         {"k", -1},        {"-1", -1},
        {"+1", -1},      {".5", -1},         {" 1", -1},       {"1 ", -1},       {"1kk", -1},
        {"1g", -1},      {"1,5", -1},        {"1.5.5", -1},    {"inf", -1},      {"nan", -1},
        {"0x10", -1},    {"0x1p4k", -1},     {"1e5", -1},      {"1e999", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value = UNTOUCHED;
        const bool legal = rows[i].want >= 0;

        if (units_parse_rate(rows[i].text, &value) != legal)
            fail_msg("'%s' was %s", rows[i].text, legal ? "refused" : "taken");
        if (legal ? value < rows[i].want || value > rows[i].want : (int)value != UNTOUCHED)
            fail_msg("'%s' gave %g", rows[i].text, value);
    }
}

/* More digits than a double can hold are an overflow, not infinity. */
static void rate_overflow(void **state)
{
    char text[512];
    double value = UNTOUCHED;

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = '9';
    text[sizeof text - 1] = '\0';
    assert_false(units_parse_rate(text, &value));
    text[308] = 'm'; /* 308 digits fit; a million times as much does not */
    text[309] = '\0';
    assert_false(units_parse_rate(text, &value));
    assert_int_equal((int)value, UNTOUCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts), cmocka_unit_test(counts_of_the_environment),
        cmocka_unit_test(sizes),  cmocka_unit_test(durations),
        cmocka_unit_test(rates),  cmocka_unit_test(rate_overflow),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
