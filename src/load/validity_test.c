/* SPDX-License-Identifier: MIT
 *
 * validity_test - each check, each way it can fail, and what is not the client's fault */
#include "load/validity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct validity_input good_open(void)
{
    return (struct validity_input){
        .open_loop = true,
        .clean = true,
        .duration_s = 10,
        .offered = 500000,
        .achieved = 500000,
        .lateness_p99_ns = 20000,
        .lateness_budget_ns = 1000000,
        .useful = 0.4,
        .rate = 50000,
        .ceiling = 1e6,
        .in_flight = 5,
        .in_flight_wanted = 5.05,
        .connections_asked = 100,
        .connections_live = 100,
        .idle_count = 1000,
    };
}

static struct validity_input good_closed(void)
{
    return (struct validity_input){
        .clean = true,
        .duration_s = 10,
        .useful = 0.99,
        .rate = 1e6,
        .in_flight = 1600,
        .in_flight_asked = 1600,
        .in_flight_wanted = 1590,
        .connections_asked = 100,
        .connections_live = 100,
        .involuntary_per_s = 9000,
    };
}

static const struct validity_check *find(const struct validity *validity, const char *name)
{
    for (uint32_t i = 0; i < validity->check_count; i++) {
        if (strcmp(validity->checks[i].name, name) == 0)
            return &validity->checks[i];
    }
    return NULL;
}

static void check_verdict(const struct validity_input *input, enum validity_verdict wanted,
                          const char *failed)
{
    const struct validity validity = validity_judge(input);
    if (validity.verdict != wanted)
        fail_msg("%s, expected %s", validity_name(validity.verdict), validity_name(wanted));
    if (failed) {
        assert_non_null(find(&validity, failed));
        assert_false(find(&validity, failed)->ok);
    }
}

static void good_runs_are_valid(void **state)
{
    (void)state;
    const struct validity_input open = good_open();
    const struct validity_input closed = good_closed();
    check_verdict(&open, VALIDITY_VALID, NULL);
    check_verdict(&closed, VALIDITY_VALID, "useful");
    assert_int_equal(validity_judge(&open).check_count, 9);
    const struct validity validity = validity_judge(&closed);
    assert_null(find(&validity, "rate"));
    assert_null(find(&validity, "limit"));
}

static void a_late_or_busy_client_is_the_limit(void **state)
{
    (void)state;
    struct validity_input input = good_open();
    input.achieved = 499000;
    check_verdict(&input, VALIDITY_CLIENT_BOUND, "rate");
    input.idle_count = 0;
    check_verdict(&input, VALIDITY_CLIENT_BOUND, "limit");
    input = good_open();
    input.lateness_p99_ns = 1000001;
    check_verdict(&input, VALIDITY_CLIENT_BOUND, "lateness");
    input = good_open();
    input.useful = 0.71;
    check_verdict(&input, VALIDITY_CLIENT_BOUND, "useful");
    input = good_open();
    input.ceiling = 99999;
    check_verdict(&input, VALIDITY_CLIENT_BOUND, "headroom");
    input.ceiling = 0;
    check_verdict(&input, VALIDITY_VALID, NULL);
}

static void what_the_server_keeps_back_is_not_the_clients(void **state)
{
    (void)state;
    struct validity_input input = good_open();
    input.achieved = 300000;
    input.blocked_unsent = 200000;
    check_verdict(&input, VALIDITY_SERVER_BOUND, NULL);
    assert_true(validity_is_good(VALIDITY_SERVER_BOUND));
    assert_false(validity_is_good(VALIDITY_CLIENT_BOUND));
}

static void figures_that_contradict_are_seen(void **state)
{
    (void)state;
    struct validity_input input = good_open();
    input.in_flight_wanted = 4;
    check_verdict(&input, VALIDITY_INCONSISTENT, "little");
    input.in_flight_edge = 1;
    check_verdict(&input, VALIDITY_VALID, NULL);
    input.in_flight_edge = 0;
    input.clean = false;
    check_verdict(&input, VALIDITY_VALID, NULL);
}

/* The ledger and the times agree, as they must when both miss the same messages. */
static void a_loop_that_is_not_kept_full_is_seen(void **state)
{
    (void)state;
    struct validity_input input = good_closed();
    input.in_flight = 1500;
    input.in_flight_wanted = 1500;
    check_verdict(&input, VALIDITY_INCONSISTENT, "little");
    input.in_flight_asked = 0; /* the socket was full */
    check_verdict(&input, VALIDITY_VALID, NULL);
    input = good_closed();
    input.in_flight_wanted = 1500;
    check_verdict(&input, VALIDITY_INCONSISTENT, "little");
}

static void missing_connections_and_noise(void **state)
{
    (void)state;
    struct validity_input input = good_open();
    input.steal = 0.03;
    check_verdict(&input, VALIDITY_NOISY, "steal");
    input.steal = 0;
    input.involuntary_per_s = 10001;
    check_verdict(&input, VALIDITY_NOISY, "switches");
    input.connections_live = 99;
    check_verdict(&input, VALIDITY_INCOMPLETE, "connections");
    input = good_open();
    input.duration_s = 0;
    check_verdict(&input, VALIDITY_INCOMPLETE, NULL);
}

static void a_closed_loop_needs_an_idle_server_to_be_client_bound(void **state)
{
    (void)state;
    struct validity_input input = good_closed();
    input.server_known = true;
    input.server_busy = 0.95;
    check_verdict(&input, VALIDITY_VALID, NULL);
    input.server_busy = 0.5;
    check_verdict(&input, VALIDITY_CLIENT_BOUND, "limit");
    input.useful = 0.9;
    check_verdict(&input, VALIDITY_VALID, NULL);
}

static void every_verdict_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(validity_name(VALIDITY_VALID), "VALID");
    assert_string_equal(validity_name(VALIDITY_SERVER_BOUND), "SERVER-BOUND");
    assert_string_equal(validity_name(VALIDITY_CLIENT_BOUND), "CLIENT-BOUND");
    assert_string_equal(validity_name(VALIDITY_NOISY), "NOISY");
    assert_string_equal(validity_name(VALIDITY_INCONSISTENT), "INCONSISTENT");
    assert_string_equal(validity_name(VALIDITY_INCOMPLETE), "INCOMPLETE");
    assert_string_equal(validity_name(VALIDITY_UNCHECKED), "UNCHECKED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_runs_are_valid),
        cmocka_unit_test(a_late_or_busy_client_is_the_limit),
        cmocka_unit_test(what_the_server_keeps_back_is_not_the_clients),
        cmocka_unit_test(figures_that_contradict_are_seen),
        cmocka_unit_test(a_loop_that_is_not_kept_full_is_seen),
        cmocka_unit_test(missing_connections_and_noise),
        cmocka_unit_test(a_closed_loop_needs_an_idle_server_to_be_client_bound),
        cmocka_unit_test(every_verdict_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
