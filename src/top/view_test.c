/* SPDX-License-Identifier: MIT
 *
 * view_test - rates, percentiles and lists from an answer; and answers that are none */
#include "top/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define SERVER                                                                                     \
    "\"schema\":1,\"server\":{\"version\":\"9.9\",\"pid\":42,\"started_ms\":1000,\"workers\":2}"
#define NAMES                                                                                      \
    "\"names\":[\"req_recv_total\",\"rsp_send_total\",\"client_connected\","                       \
    "\"request_duration_seconds_bucket{le=\\\"0.001\\\"}\","                                       \
    "\"request_duration_seconds_bucket{le=\\\"0.01\\\"}\","                                        \
    "\"request_duration_seconds_bucket{le=\\\"+Inf\\\"}\","                                        \
    "\"decode_errors_total{reason=\\\"a\\\"}\",\"decode_errors_total{reason=\\\"b\\\"}\","         \
    "\"worker_cpu_seconds_total{worker=\\\"1\\\"}\"]"

/* Two seconds between the samples. */
static const char answer[] =
    "{" SERVER ",\"state\":\"running\",\"now_ms\":61000," NAMES
    ",\"latest\":[[10000,100,100,3,0,0,0,0,0,1.0],[12000,300,290,4,50,100,200,2,4,2.0]],"
    "\"conns\":{\"workers\":2,\"answered\":1,\"list\":[{\"peer\":\"127.0.0.1:5\",\"worker\":1,"
    "\"state\":\"open\",\"paused\":\"window\",\"age_s\":7,\"rate\":12.5,\"in\":20,\"out\":19,"
    "\"queued_bytes\":14,\"unanswered\":1}]}}";

static struct view parse(const char *text)
{
    struct ackd_error error = {.text = ""};
    struct view view;

    if (view_parse(text, strlen(text), &view, &error) < 0)
        fail_msg("%s", error.text);
    return view;
}

static void rates_are_between_the_two_samples(void **state)
{
    const struct view view = parse(answer);

    (void)state;
    assert_string_equal(view.version, "9.9");
    assert_string_equal(view.state, "running");
    assert_int_equal((int)view.uptime_s, 60);
    assert_int_equal((int)view.submit_rate, 100);
    assert_int_equal((int)view.ack_rate, 95);
    assert_int_equal((int)view.error_rate, 3); /* both reasons */
    assert_int_equal(view.submits, 300);
    assert_int_equal(view.connected, 4);
    assert_int_equal((int)(view.workers[1].cpu_cores * 100), 50);
    assert_int_equal((int)view.workers[0].cpu_cores, 0);
}

static void percentiles_are_interpolated_and_end_at_the_last_bound(void **state)
{
    const struct view view = parse(answer);

    (void)state;
    /* 50 below 1 ms, 50 up to 10 ms, 100 beyond. */
    assert_int_equal((int)(view.p50_s * 1e6 + 0.5), 10000);
    assert_int_equal((int)(view.p99_s * 1e6 + 0.5), 10000);
}

static void without_requests_there_is_no_percentile(void **state)
{
    const struct view view =
        parse("{" SERVER "," NAMES ",\"latest\":[[1,0,0,0,0,0,0,0,0,0],[2,0,0,0,0,0,0,0,0,0]]}");

    (void)state;
    assert_true(view.p50_s < 0 && view.p99_s < 0);
}

static void the_first_sample_alone_has_no_rates(void **state)
{
    const struct view view =
        parse("{" SERVER "," NAMES ",\"latest\":[[1000,70,60,2,1,1,1,0,0,5]]}");

    (void)state;
    assert_int_equal(view.submits, 70);
    assert_int_equal((int)view.submit_rate, 0);
}

static void connections_are_read(void **state)
{
    const struct view view = parse(answer);

    (void)state;
    assert_int_equal(view.late_count, 1);
    assert_int_equal(view.conn_count, 1);
    assert_string_equal(view.conns[0].peer, "127.0.0.1:5");
    assert_string_equal(view.conns[0].state, "window"); /* why it is not read says more */
    assert_int_equal(view.conns[0].worker, 1);
    assert_int_equal(view.conns[0].in, 20);
    assert_int_equal((int)(view.conns[0].submit_rate * 10), 125);
}

static void other_documents_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "no JSON",
        "[]",
        "{}",
        "{\"schema\":1}",
        "{" SERVER "}",
        "{" SERVER "," NAMES ",\"latest\":[]}",
        "{" SERVER "," NAMES ",\"latest\":[[1,2,3]]}",
        "{" SERVER ",\"names\":[1],\"latest\":[[1,2]]}",
        "{\"schema\":2,\"server\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ackd_error error = {.text = ""};
        struct view view;

        assert_int_equal(view_parse(texts[i], strlen(texts[i]), &view, &error), -EINVAL);
        assert_string_not_equal(error.text, "");
    }
}

static void json_says_the_same(void **state)
{
    const struct view view = parse(answer);
    char *const text = view_json(&view);
    json_t *const root = json_loads(text, 0, NULL);
    const json_t *const conn = json_array_get(json_object_get(root, "connections"), 0);

    (void)state;
    assert_non_null(root);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_int_equal((int)json_number_value(json_object_get(root, "req_recv_per_s")), 100);
    assert_int_equal(json_integer_value(json_object_get(root, "rsp_send_total")), 290);
    assert_int_equal(json_array_size(json_object_get(root, "workers")), 2);
    assert_string_equal(json_string_value(json_object_get(conn, "peer")), "127.0.0.1:5");
    json_decref(root);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_between_the_two_samples),
        cmocka_unit_test(percentiles_are_interpolated_and_end_at_the_last_bound),
        cmocka_unit_test(without_requests_there_is_no_percentile),
        cmocka_unit_test(the_first_sample_alone_has_no_rates),
        cmocka_unit_test(connections_are_read),
        cmocka_unit_test(other_documents_are_refused),
        cmocka_unit_test(json_says_the_same),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
