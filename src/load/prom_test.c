/* SPDX-License-Identifier: MIT
 *
 * prom_test - requests, answers, and clients that take their time */
#include "load/prom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "load/test_text.h"

static void check_request(const char *request, enum prom_answer wanted, bool wanted_body)
{
    bool body;
    assert_int_equal(prom_judge(request, strlen(request), &body), wanted);
    assert_int_equal(body, wanted_body);
}

static void requests_are_told_apart(void **state)
{
    (void)state;
    check_request("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", PROM_METRICS, true);
    check_request("GET /metrics?name=x HTTP/1.0\r\n\r\n", PROM_METRICS, true);
    check_request("HEAD /metrics HTTP/1.1\r\n\r\n", PROM_METRICS, false);
    check_request("GET / HTTP/1.1\r\n\r\n", PROM_INDEX, true);
    check_request("GET /metric HTTP/1.1\r\n\r\n", PROM_NOT_FOUND, true);
    check_request("POST /metrics HTTP/1.1\r\n\r\n", PROM_NOT_ALLOWED, true);
    check_request("GET /metrics\r\n\r\n", PROM_BAD_REQUEST, true);
    check_request("GET HTTP/1.1\r\n\r\n", PROM_BAD_REQUEST, true);
    check_request(" HTTP/1.1\r\n\r\n", PROM_BAD_REQUEST, true);
    check_request("\r\n\r\n", PROM_BAD_REQUEST, true);
    check_request("", PROM_BAD_REQUEST, true);
}

static int setup(void **state)
{
    static struct options options = {.rate = 1000};
    struct ackd_error error;
    struct prom *prom;
    assert_int_equal(address_parse("127.0.0.1:8888", false, &options.address, NULL), 0);
    assert_int_equal(prom_start(&prom, "127.0.0.1:0", &options, &error), 0);
    *state = prom;
    return 0;
}

static int teardown(void **state)
{
    prom_stop(*state);
    return 0;
}

static int connect_to(const struct prom *prom)
{
    struct address address;
    assert_int_equal(address_parse(prom_address(prom), false, &address, NULL), 0);
    const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address.storage, address.size), 0);
    return fd;
}

/* Sends @request and returns all that comes back, good until the next call. */
static const char *ask(const struct prom *prom, const char *request)
{
    static char text[64 * 1024];
    size_t size = 0;
    ssize_t got;
    const int fd = connect_to(prom);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(fd);
    return text;
}

static void values_are_those_of_the_last_sample(void **state)
{
    struct prom *const prom = *state;
    struct sample *const sample = calloc(1, sizeof *sample);
    assert_non_null(sample);
    check_text(ask(prom, "GET /metrics HTTP/1.1\r\n\r\n"), "\nackload_acks_total 0\n");
    *sample = (struct sample){.acked = 1234, .error = 5, .in_flight = 6, .open = 7};
    sample->response.bucket[latency_index(30000)] = 10;
    sample->response.bucket[latency_index(3000000)] = 4;
    sample->response.count = 14;
    sample->response.sum_ns = 12300000;
    prom_publish(prom, sample, &(struct interval){.rate = 99.5, .p99_ns = 2500000});
    free(sample);

    const char *const text = ask(prom, "GET /metrics HTTP/1.1\r\n\r\n");
    check_text(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4");
    check_text(text, "ackload_run_info{connect=\"127.0.0.1:8888\",loop=\"open\"} 1\n");
    check_text(text, "# TYPE ackload_acks_total counter\nackload_acks_total 1234\n");
    check_text(text, "ackload_errors_total 5\n");
    check_text(text, "ackload_connections 7\n");
    check_text(text, "ackload_response_seconds_bucket{le=\"2.5e-05\"} 0\n");
    check_text(text, "ackload_response_seconds_bucket{le=\"5e-05\"} 10\n");
    check_text(text, "ackload_response_seconds_bucket{le=\"+Inf\"} 14\n");
    check_text(text, "ackload_acks_per_second 99.5\n");
    check_text(text, "ackload_interval_latency_seconds{percentile=\"99\"} 0.0025");
}

static void other_requests_are_answered(void **state)
{
    const struct prom *const prom = *state;
    check_text(ask(prom, "GET / HTTP/1.1\r\n\r\n"), "/metrics\n");
    check_text(ask(prom, "GET /x HTTP/1.1\r\n\r\n"), "404 Not Found");
    check_text(ask(prom, "PUT /x HTTP/1.1\r\n\r\n"), "405 Method Not Allowed\r\nAllow: GET");
    check_text(ask(prom, "nonsense\r\n\r\n"), "400 Bad Request");
    const char *const head = ask(prom, "HEAD /metrics HTTP/1.1\r\n\r\n");
    check_text(head, "200 OK");
    assert_null(strstr(head, "ackload_"));
}

static void a_silent_client_does_not_stop_the_end(void **state)
{
    const struct prom *const prom = *state;
    const int silent = connect_to(prom);
    const uint64_t before_ns = clock_monotonic_ns();
    /* It comes to its turn when the silent one's time is over. */
    check_text(ask(prom, "GET / HTTP/1.1\r\n\r\n"), "200 OK");
    assert_true(clock_monotonic_ns() - before_ns < 20 * PROM_CLIENT_MS * NS_PER_MS);
    close(silent);
}

static void addresses_that_cannot_be(void **state)
{
    (void)state;
    struct options options = {.rate = 0};
    struct ackd_error error;
    struct prom *prom;
    assert_true(prom_start(&prom, "nonsense", &options, &error) < 0);
    assert_non_null(strstr(error.text, "--prom"));
    assert_true(prom_start(&prom, "192.0.2.1:1", &options, &error) < 0);
    assert_non_null(strstr(error.text, "--prom 192.0.2.1:1"));
    prom_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_told_apart),
        cmocka_unit_test_setup_teardown(values_are_those_of_the_last_sample, setup, teardown),
        cmocka_unit_test_setup_teardown(other_requests_are_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_silent_client_does_not_stop_the_end, setup, teardown),
        cmocka_unit_test(addresses_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
