/* SPDX-License-Identifier: MIT
 *
 * agenda_test - the connections come up in the order of their due times */
#include "load/agenda.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"

enum { CONN_COUNT = 37 };

static void check_order(enum arrival arrival)
{
    static struct conn conns[CONN_COUNT];
    struct rate_plan plan;
    struct schedule schedule = {.connection_count = CONN_COUNT, .seed = 5, .arrival = arrival};
    struct lane lane = {.schedule = &schedule};
    struct agenda agenda;

    assert_true(rate_plan_parse("1k:100k/1s", &plan));
    schedule_init(&schedule, &plan, 0);
    for (uint64_t i = 0; i < CONN_COUNT; i++) {
        conns[i] = (struct conn){.index = i, .fd = -1};
        conn_begin(&conns[i], &lane);
    }
    assert_int_equal(agenda_init(&agenda, conns, CONN_COUNT, arrival), 0);
    agenda_begin(&agenda);

    uint64_t previous_ns = 0;
    for (int i = 0; i < 20000; i++) {
        struct conn *const conn = agenda_peek(&agenda);
        assert_true(conn->released.time_ns >= previous_ns);
        previous_ns = conn->released.time_ns;
        conn_release(conn, &lane);
        agenda_advance(&agenda);
    }
    agenda_deinit(&agenda);
}

static void constant_arrival_takes_turns(void **state)
{
    (void)state;
    check_order(ARRIVAL_CONSTANT);
}

static void poisson_arrival_is_in_order(void **state)
{
    (void)state;
    check_order(ARRIVAL_POISSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_arrival_takes_turns),
        cmocka_unit_test(poisson_arrival_is_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
