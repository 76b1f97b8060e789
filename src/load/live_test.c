/* SPDX-License-Identifier: MIT
 *
 * live_test - the view on a terminal, and the lines elsewhere */
#include "load/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

struct screen {
    struct live live;
    char *text;
    size_t size;
};

static int setup(void **state)
{
    struct screen *const screen = calloc(1, sizeof *screen);
    assert_non_null(screen);
    FILE *const to = open_memstream(&screen->text, &screen->size);
    assert_non_null(to);
    live_init(&screen->live, to);
    *state = screen;
    return 0;
}

static int teardown(void **state)
{
    struct screen *const screen = *state;
    fclose(screen->live.to);
    free(screen->text);
    free(screen);
    return 0;
}

static const struct interval busy = {
    .at_s = 5,
    .acked = 1840000,
    .rate = 1.84e6,
    .in_flight = 1600,
    .p50_ns = 812000,
    .p99_ns = 2310000,
};

static void check_text(const struct screen *screen, const char *words)
{
    if (!strstr(screen->text, words))
        fail_msg("expected '%s' in:\n%s", words, screen->text);
}

static void a_terminal_has_a_view_of_four_lines(void **state)
{
    struct screen *const screen = *state;
    screen->live.terminal = true;
    screen->live.unicode = false;
    live_show(&screen->live, &busy, 10 * NS_PER_S);
    assert_string_equal(screen->text, "   5.0s [############------------] 5 s left\n"
                                      "  rate        1.84M acks/s  #\n"
                                      "  latency   p50 812 us     p99 2.31 ms\n"
                                      "  in flight 1,600          errors 0");
    assert_int_equal(screen->live.shown_count, 4);
}

static void the_view_is_rewritten_in_place(void **state)
{
    struct screen *const screen = *state;
    screen->live.terminal = true;
    live_show(&screen->live, &busy, 10 * NS_PER_S);
    const size_t first_size = screen->size;
    live_show(&screen->live, &busy, 10 * NS_PER_S);
    const char *const again = "\033[3A\r\033[J   5.0s [";
    assert_memory_equal(screen->text + first_size, again, strlen(again));
    live_clear(&screen->live);
    assert_int_equal(screen->live.shown_count, 0);
    assert_string_equal(screen->text + screen->size - strlen("\033[3A\r\033[J"), "\033[3A\r\033[J");
}

static void rates_are_drawn_to_scale(void **state)
{
    struct screen *const screen = *state;
    screen->live.terminal = true;
    screen->live.unicode = true;
    for (int i = 0; i < 3; i++) {
        struct interval interval = busy;
        interval.rate = i * 500;
        live_show(&screen->live, &interval, 10 * NS_PER_S);
    }
    check_text(screen, "▁▅█\n");
}

static void a_long_run_shows_its_latest_rates(void **state)
{
    struct screen *const screen = *state;
    screen->live.terminal = true;
    screen->live.unicode = false;
    screen->live.columns = 50;
    struct interval interval = busy;
    for (int i = 0; i < 200; i++) {
        interval.rate = i;
        live_show(&screen->live, &interval, 10 * NS_PER_S);
    }
    check_text(screen, "199 acks/s  ******###############\n");
    const char *const row = strstr(screen->text, "199 acks/s");
    assert_true(strcspn(row, "\n") <= 50 - 15);
}

static void a_narrow_terminal_has_one_line(void **state)
{
    struct screen *const screen = *state;
    screen->live.terminal = true;
    screen->live.columns = 40;
    live_show(&screen->live, &busy, 10 * NS_PER_S);
    assert_null(strchr(screen->text, '\n'));
    live_clear(&screen->live);
    check_text(screen, "\r\033[J");
}

static void elsewhere_it_is_a_line_per_interval(void **state)
{
    struct screen *const screen = *state;
    const struct interval interval = {.at_s = 11, .in_flight = 3, .error = 1234};
    live_show(&screen->live, &busy, 10 * NS_PER_S);
    live_show(&screen->live, &interval, 10 * NS_PER_S);
    live_clear(&screen->live);
    check_text(screen, "  5.0s   1.84M acks/s  in flight 1,600     p50 812 us   p99 2.31 ms \n");
    check_text(screen, "waiting for the last acks  ERRORS 1,234\n");
    assert_null(strpbrk(screen->text, "\r\033"));
}

static void a_late_client_gives_bounds(void **state)
{
    struct screen *const screen = *state;
    struct interval late = busy;
    late.client_bound = true;
    live_show(&screen->live, &late, 10 * NS_PER_S);
    check_text(screen,
               "  5.0s >= 1.84M acks/s  in flight 1,600     p50 <= 812 us   p99 <= 2.31 ms ");
    screen->live.terminal = true;
    live_show(&screen->live, &late, 10 * NS_PER_S);
    check_text(screen, "rate      >= 1.84M acks/s");
    check_text(screen, "p50 <= 812 us     p99 <= 2.31 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_terminal_has_a_view_of_four_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(the_view_is_rewritten_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(rates_are_drawn_to_scale, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_run_shows_its_latest_rates, setup, teardown),
        cmocka_unit_test_setup_teardown(a_narrow_terminal_has_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(elsewhere_it_is_a_line_per_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_client_gives_bounds, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
