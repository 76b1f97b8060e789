/* SPDX-License-Identifier: MIT
 *
 * screen_test - what stands on a terminal, and that it fits */
#include "top/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct screen_words words = {.url = "http://127.0.0.1:8889",
                                          .order = "CONNECTION, BUSIEST",
                                          .notice = "",
                                          .hint = "q quits"};

static struct view busy_view(void)
{
    struct view view = {.version = "0.1.0",
                        .state = "running",
                        .pid = 4711,
                        .uptime_s = 3 * 3600 + 120,
                        .submit_rate = 8894979,
                        .ack_rate = 8894979,
                        .submits = UINT64_C(88956864000),
                        .acks = UINT64_C(88956864000),
                        .p50_s = 319e-6,
                        .p99_s = -1,
                        .connected = 10000,
                        .accepted = 123456,
                        .worker_count = 2,
                        .conn_count = VIEW_CONN_COUNT_MAX};

    view.workers[0] =
        (struct view_worker){.cpu_cores = 0.5, .submit_rate = 4e6, .connections = 5000};
    view.workers[1] =
        (struct view_worker){.cpu_cores = 1.5, .submit_rate = 4e6, .connections = 5000};
    for (int i = 0; i < VIEW_CONN_COUNT_MAX; i++) {
        struct view_conn *const conn = &view.conns[i];
        snprintf(conn->peer, sizeof conn->peer, "[2001:db8:85a3::8a2e:370:7334]:%d", 50000 + i);
        snprintf(conn->state, sizeof conn->state, "ack_backlog");
        conn->submit_rate = 889;
    }
    return view;
}

/* The row in which @text stands, or NULL. */
static const struct screen_row *find(const struct screen *screen, const char *text)
{
    for (uint32_t i = 0; i < screen->row_count; i++) {
        if (strstr(screen->rows[i].text, text))
            return &screen->rows[i];
    }
    return NULL;
}

static void the_usual_terminal_has_all_the_numbers(void **state)
{
    static const char *const expected[] = {
        "ackd 0.1.0  running  up 3h 02m",
        "8.89M/s",
        "88,956,864,000 in all",
        "p50   319 us",
        "p99        -",
        "123,456 accepted",
        "[##########..........]  50 %",
        "100 %",
        "CONNECTION, BUSIEST",
        "[2001:db8:85a3::8a2e",
        "ack_backlog",
        "q quits",
        "http://127.0.0.1:8889",
    };
    const struct view view = busy_view();
    struct screen screen;

    (void)state;
    screen_draw(&screen, 24, 80, &view, &words);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (!find(&screen, expected[i]))
            fail_msg("'%s' is not there", expected[i]);
    }
    assert_int_equal(screen.row_count, 24);
}

static void nothing_is_wider_or_longer_than_the_terminal(void **state)
{
    const struct view view = busy_view();
    struct screen screen;

    (void)state;
    for (uint32_t rows = 1; rows <= 60; rows++) {
        for (uint32_t columns = 1; columns <= SCREEN_COLUMN_COUNT_MAX + 20; columns += 7) {
            screen_draw(&screen, rows, columns, &view, &words);
            assert_true(screen.row_count <= rows);
            for (uint32_t i = 0; i < screen.row_count; i++)
                assert_true(strlen(screen.rows[i].text) <= columns);
        }
    }
}

static void trouble_stands_out(void **state)
{
    struct view view = busy_view();
    struct screen_words troubled = words;
    struct screen screen;

    (void)state;
    view.error_rate = 3;
    troubled.notice = "no answer: refused";
    troubled.paused = true;
    screen_draw(&screen, 24, 80, &view, &troubled);
    assert_int_equal(find(&screen, "errors")->style, SCREEN_ALARM);
    assert_int_equal(find(&screen, "no answer: refused")->style, SCREEN_ALARM);
    assert_non_null(find(&screen, "PAUSED, was running"));
}

static void a_server_of_many_workers_leaves_room(void **state)
{
    struct view view = busy_view();
    struct screen screen;

    (void)state;
    view.worker_count = 128;
    screen_draw(&screen, 24, 80, &view, &words);
    assert_non_null(find(&screen, "and 120 more"));
    assert_non_null(find(&screen, "CONNECTION, BUSIEST"));
}

static void nothing_is_known_before_the_first_answer(void **state)
{
    const struct view view = {.p50_s = -1, .p99_s = -1};
    struct screen screen;

    (void)state;
    screen_draw(&screen, 24, 80, &view, &words);
    assert_non_null(find(&screen, "no answer yet"));
    assert_non_null(find(&screen, "NO CONNECTIONS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_terminal_has_all_the_numbers),
        cmocka_unit_test(nothing_is_wider_or_longer_than_the_terminal),
        cmocka_unit_test(trouble_stands_out),
        cmocka_unit_test(a_server_of_many_workers_leaves_room),
        cmocka_unit_test(nothing_is_known_before_the_first_answer),
    };
    return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
