/* SPDX-License-Identifier: MIT
 *
 * report_test - what a person reads: opening and table */
#include "load/report.h"

#include "load/test_run.h"

static void the_opening_says_what_will_happen(void **state)
{
    struct test_run *const run = *state;
    report_opening(run->to, &run->options, &run->plan);
    test_run_check(run, "ackload: [::1]:8888 for 10.0 s: 100 connections x 16 in flight, frames of "
                        "35.0 bytes, 1 thread\n");
    run->options.depth_max = true;
    run->options.window = 65536;
    report_opening(run->to, &run->options, &run->plan);
    test_run_check(run, "written until full (at most 65,536 in flight on each)");
    run->options.rate = 50000;
    report_opening(run->to, &run->options, &run->plan);
    test_run_check(run, "50.0k messages/s over 100 connections, evenly spaced, idle sleep");
    run->options.arrival = ARRIVAL_POISSON;
    run->options.warmup_ns = NS_PER_S;
    run->options.rate_plan = (struct rate_plan){{{1, 2, 1}, {2, 2, 0}}, 2};
    report_opening(run->to, &run->options, &run->plan);
    test_run_check(run,
                   "after a warm-up of 1.00 s: 50.0k messages/s over 100 connections, at random "
                   "(Poisson) along 2 segments");
}

static void the_table_closes_with_the_verdict(void **state)
{
    struct test_run *const run = *state;
    struct outcome *const outcome = &run->outcome;
    outcome->ledger = (struct ledger){.sent = 1000, .ok = 1000};
    outcome->traffic = (struct traffic){35000, 14000, 100, 50};
    outcome->duration_s = 2;
    outcome->rate = 500;
    outcome->busy = 0.97;
    outcome->frames_per_write = (struct latency_sum){.count = 100, .sum_ns = 1000, .max_ns = 10};
    outcome->frames_per_write.bucket[10] = 100;
    outcome->acks_per_read = (struct latency_sum){.count = 50, .sum_ns = 1000, .max_ns = 20};
    outcome->acks_per_read.bucket[20] = 50;
    test_run_fill(&outcome->latency, 1000, 1000);
    report_result(run->to, &run->options, &run->plan, outcome, true);
    test_run_check(run,
                   "messages    1,000 sent = 1,000 ok + 0 failed + 0 lost + 0 late + 0 cut off\n");
    test_run_check(run, "rate        500 acks/s over 2.00 s; out 17.5 kB/s, in 7.00 kB/s\n");
    test_run_check(run, "batches     10.0 messages per write (p50 10, p99 10, most 10)\n");
    test_run_check(run, "\n              20.0 acks per read (p50 20, p99 20, most 20)\n");
    test_run_check(run, "the server may be faster than this");
    test_run_check(run, "stream      seed 7, hash ");
    test_run_check(run, "\nOK: every message was acked once, in order, with result 0.\n");
}

static void a_result_that_is_lost_is_not_ok(void **state)
{
    struct test_run *const run = *state;
    run->outcome.ledger = (struct ledger){.sent = 10, .ok = 10};
    report_result(run->to, &run->options, &run->plan, &run->outcome, false);
    test_run_check(run,
                   "\nINVALID: the result could not be written; it says: every message was acked "
                   "once, in order, with result 0.\n");
}

static void what_went_wrong_is_shown(void **state)
{
    struct test_run *const run = *state;
    struct outcome *const outcome = &run->outcome;
    outcome->ledger = (struct ledger){.sent = 5, .lost = 2, .cut = 3, .malformed = 1};
    outcome->disconnect_count = 1;
    outcome->interrupted = true;
    outcome->first_bad = (struct bad_ack){
        .verdict = VERIFY_MALFORMED,
        .time_ns = 1500000,
        .connection_index = 42,
        .expected_id = id_of(5),
        .bytes = "\0\0\0\x0e\x81"
                 "00000005",
    };
    report_result(run->to, &run->options, &run->plan, outcome, true);
    test_run_check(run, "5 sent = 0 ok + 0 failed + 2 lost + 0 late + 3 cut off\n");
    test_run_check(run, "0 duplicate, 0 unknown, 0 out of order, 1 malformed\n");
    test_run_check(run, "1 connection ended before the run did\n");
    test_run_check(run, "malformed, after 1.50 ms on connection 42: 0000000e81303030303030303500, "
                        "expected id 00000005 (a SUBMIT_ACK of the demo dialect)\n");
    test_run_check(run, "latency     nothing was acked\n");
    test_run_check(run,
                   "\nFAILED: not every message was acked once, in order, with result 0 (ended "
                   "early).\n");
}

static void an_open_loop_shows_all_clocks(void **state)
{
    struct test_run *const run = *state;
    run->options.rate = 1000;
    run->outcome.ledger = (struct ledger){.sent = 990, .ok = 990};
    run->outcome.scheduled = 1000;
    run->outcome.latency.count = 1;
    report_result(run->to, &run->options, &run->plan, &run->outcome, true);
    test_run_check(run, "1,000 messages were due, 99.00 % of them sent");
    test_run_check(run, "response");
    test_run_check(run, "lateness");
}

static void a_client_that_was_the_limit_is_stamped(void **state)
{
    struct test_run *const run = *state;
    struct outcome *const outcome = &run->outcome;
    run->options.rate = 1000;
    outcome->ledger = (struct ledger){.sent = 10, .ok = 10};
    outcome->rate = 10;
    outcome->blocked = 3;
    test_run_fill(&outcome->latency, 900000, 10);
    test_run_fill(&outcome->service, 700000, 10);
    test_run_fill(&outcome->lateness, 200000, 10);
    outcome->strict = true;
    outcome->server = (struct proc_usage){.known = true, .cpu_ns = 5000, .user_share = 0.25};
    outcome->server_acked = 10;
    outcome->mix[MIX_IDLE] = (struct mix_tally){.connection_count = 7, .connect_count = 7};
    error_log_note(&outcome->errors, CAUSE_SEND_STALL, 2, 1000, 5, (struct bytes){0});
    error_log_note(&outcome->errors, CAUSE_DUPLICATE, 1, 1000, 6,
                   (struct bytes){(const uint8_t *)"\0\xff", 2});
    outcome->validity = (struct validity){
        .verdict = VALIDITY_CLIENT_BOUND,
        .check_count = 2,
        .checks = {{"useful", false, 0.99, 0.7, VALIDITY_CLIENT_BOUND, "share"},
                   {"lateness", false, 5e6, 1e6, VALIDITY_CLIENT_BOUND, "p99"}},
    };
    report_result(run->to, &run->options, &run->plan, outcome, true);
    test_run_check(run, "rate        >= 10 acks/s");
    test_run_check(run, "response     <= 900 us  <= 900 us  <= 900 us");
    test_run_check(run, "service      <= 700 us");
    test_run_check(run, "lateness        200 us");
    test_run_check(run, ", 3 blocked");
    test_run_check(run, "server      5.00 us of CPU, 500 ns per ack (user 25 %)");
    test_run_check(run, "beside      7 idle: 7 opened");
    test_run_check(run, "error       2 x the socket took no byte");
    test_run_check(run, " on connection 5\n");
    test_run_check(run, " on connection 6: 00ff\n");
    test_run_check(run, "validity    CLIENT-BOUND: rates are at least, and times at most, what is "
                        "printed\n              useful: 0.99, limit 0.7 (share)\n"
                        "              lateness: 5.00 ms, limit 1.00 ms (p99)\n");
    test_run_check(run, "INVALID: the client was not fit to measure this");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_opening_says_what_will_happen, test_run_setup,
                                        test_run_teardown),
        cmocka_unit_test_setup_teardown(the_table_closes_with_the_verdict, test_run_setup,
                                        test_run_teardown),
        cmocka_unit_test_setup_teardown(a_result_that_is_lost_is_not_ok, test_run_setup,
                                        test_run_teardown),
        cmocka_unit_test_setup_teardown(what_went_wrong_is_shown, test_run_setup,
                                        test_run_teardown),
        cmocka_unit_test_setup_teardown(an_open_loop_shows_all_clocks, test_run_setup,
                                        test_run_teardown),
        cmocka_unit_test_setup_teardown(a_client_that_was_the_limit_is_stamped, test_run_setup,
                                        test_run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
