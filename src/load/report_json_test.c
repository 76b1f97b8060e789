/* SPDX-License-Identifier: MIT
 *
 * report_json_test - the JSON of a result; tests/load holds it against docs/LOADTEST.md */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "load/report.h"

struct bench {
    struct options options;
    struct plan plan;
    struct outcome outcome;
    char path[32];
};

static int setup(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->options = (struct options){
        .connection_count = 3,
        .thread_count = 1,
        .window = 16,
        .duration_ns = NS_PER_S / 2,
        .plan = {.seed = 7, .teaching = true},
    };
    assert_int_equal(address_parse("127.0.0.1:8888", false, &bench->options.address, NULL), 0);
    assert_int_equal(plan_init(&bench->plan, &bench->options.plan, NULL), 0);
    memcpy(bench->path, "/tmp/ackload-test-XXXXXX", 25);
    const int fd = mkstemp(bench->path);
    assert_true(fd >= 0);
    close(fd);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *const bench = *state;
    unlink(bench->path);
    plan_deinit(&bench->plan);
    free(bench);
    return 0;
}

/* Writes the result and reads it back; the caller owns what it gets. */
static json_t *write_and_read(struct bench *bench)
{
    struct ackd_error error;
    assert_int_equal(
        report_json(bench->path, &bench->options, &bench->plan, &bench->outcome, &error), 0);
    json_t *const root = json_load_file(bench->path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    return root;
}

static void a_closed_loop(void **state)
{
    struct bench *const bench = *state;
    struct interval interval = {.at_s = 1, .acked = 4, .p99_ns = 12};
    bench->outcome.ledger = (struct ledger){.sent = 4, .ok = 4};
    bench->outcome.intervals = &interval;
    bench->outcome.interval_count = 1;

    json_t *const root = write_and_read(bench);
    const char *schema, *verdict, *hash, *loop, *size;
    json_t *first_bad, *scheduled;
    int sent, depth, p99, count;
    assert_int_equal(
        json_unpack(root,
                    "{s:s, s:s, s:s, s:o, s:{s:i}, s:{s:s, s:i, s:s}, s:{s:o}, s:[{s:i}], "
                    "s:{s:{s:i}}}",
                    "schema", &schema, "verdict", &verdict, "stream_hash", &hash, "first_bad_ack",
                    &first_bad, "ledger", "sent", &sent, "plan", "loop", &loop, "depth", &depth,
                    "size", &size, "rate", "scheduled", &scheduled, "intervals", "p99_ns", &p99,
                    "latency", "service", "count", &count),
        0);
    assert_string_equal(schema, "ackload/1");
    assert_string_equal(verdict, "ok");
    assert_int_equal(strlen(hash), 16);
    assert_true(json_is_null(first_bad));
    assert_true(json_is_null(scheduled));
    assert_int_equal(sent, 4);
    assert_string_equal(loop, "closed");
    assert_int_equal(depth, 16);
    assert_string_equal(size, "teaching");
    assert_int_equal(p99, 12);
    assert_int_equal(count, 0);
    json_decref(root);
}

static void an_open_loop_that_went_wrong(void **state)
{
    struct bench *const bench = *state;
    bench->options.rate = 1000;
    bench->options.plan = (struct plan_options){.seed = INT64_MAX, .payload_size = 22};
    bench->outcome.ledger = (struct ledger){.sent = 1, .ok = 1, .duplicate = 1};
    bench->outcome.first_bad = (struct bad_ack){
        .verdict = VERIFY_DUPLICATE,
        .time_ns = 2 * NS_PER_S,
        .connection_index = 2,
        .expected_id = id_of(12),
        .bytes = "\0\0\0\x0e\x82"
                 "00000011",
    };

    json_t *const root = write_and_read(bench);
    const char *verdict, *kind, *expected, *bytes;
    double at_s;
    int size, lateness;
    json_t *depth, *seed;
    assert_int_equal(
        json_unpack(root, "{s:s, s:o, s:{s:s, s:f, s:s, s:s}, s:{s:i, s:o}, s:{s:{}, s:{s:i}}}",
                    "verdict", &verdict, "seed", &seed, "first_bad_ack", "kind", &kind, "at_s",
                    &at_s, "expected_id", &expected, "bytes", &bytes, "plan", "size", &size,
                    "depth", &depth, "latency", "response", "lateness", "count", &lateness),
        0);
    assert_string_equal(verdict, "failed");
    assert_string_equal(kind, "duplicate");
    assert_true(at_s == 2);
    assert_string_equal(expected, "00000012");
    assert_string_equal(bytes, "0000000e82303030303030313100");
    assert_int_equal(size, 22);
    assert_true(json_is_null(depth));
    assert_int_equal(lateness, 0);
    assert_true(json_integer_value(seed) == INT64_MAX);
    json_decref(root);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    struct bench *const bench = *state;
    struct ackd_error error;
    assert_int_equal(
        report_json("/nonexistent/x.json", &bench->options, &bench->plan, &bench->outcome, &error),
        -ENOENT);
    assert_non_null(strstr(error.text, "--json /nonexistent/x.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_closed_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_loop_that_went_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
