/* SPDX-License-Identifier: MIT
 *
 * metrics_test - a server's metrics as Prometheus takes them: families whole, names as promised */
#include <ackd/metrics.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/server.h"

enum {
    LINE_SIZE = 512,
    NAME_SIZE = 128,
    FAMILY_COUNT_MAX = 200,
    SERIES_COUNT_MAX = 1000,
    WORKER_COUNT = 3,
};

static struct ackd_server *make_server(const char *first, const char *second)
{
    struct ackd_server_options options;
    struct ackd_server *server;
    struct ackd_error error;

    ackd_server_options_init(&options);
    options.worker_count = WORKER_COUNT;
    options.listen[options.listen_count++] = first;
    if (second)
        options.listen[options.listen_count++] = second;
    if (ackd_server_new(&server, &options, &error) < 0)
        fail_msg("%s", error.text);
    return server;
}

static char *render(struct ackd_server *server, enum ackd_metrics_format format, const char *prefix)
{
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(ackd_server_metrics(server, format, prefix, &text, &size), 0);
    assert_int_equal(strlen(text), size);
    return text;
}

/* --- a reader of the format --- */

struct reader {
    enum ackd_metrics_format format;
    char families[FAMILY_COUNT_MAX][NAME_SIZE];
    size_t family_count;
    char type[NAME_SIZE]; /* of the last family */
    bool has_type;
    char (*series)[LINE_SIZE];
    size_t series_count;
    bool ended;
};

static void read_help(struct reader *reader, const char *line)
{
    char *const family = reader->families[reader->family_count];

    assert_true(reader->family_count < FAMILY_COUNT_MAX);
    assert_int_equal(sscanf(line, "# HELP %127s ", family), 1);
    assert_true(strlen(line) > strlen("# HELP ") + strlen(family) + 1);
    for (size_t i = 0; i < reader->family_count; i++) {
        if (strcmp(reader->families[i], family) == 0)
            fail_msg("family %s is begun twice", family);
    }
    reader->family_count++;
    reader->has_type = false;
}

static void read_type(struct reader *reader, const char *line)
{
    char family[NAME_SIZE];

    assert_int_equal(sscanf(line, "# TYPE %127s %127s", family, reader->type), 2);
    assert_true(reader->family_count > 0);
    assert_string_equal(family, reader->families[reader->family_count - 1]);
    reader->has_type = true;
}

/* True if a series called @name belongs to the family that was begun last. */
static bool belongs(const struct reader *reader, const char *name)
{
    static const char *const histogram[] = {"_bucket", "_sum", "_count", NULL};
    static const char *const counter_open[] = {"_total", NULL};
    static const char *const info_open[] = {"_info", NULL};
    static const char *const plain[] = {"", NULL};
    const char *const family = reader->families[reader->family_count - 1];
    const bool is_open = reader->format == ACKD_METRICS_OPENMETRICS;
    const char *const *suffix = plain;

    if (strcmp(reader->type, "histogram") == 0)
        suffix = histogram;
    else if (is_open && strcmp(reader->type, "counter") == 0)
        suffix = counter_open;
    else if (is_open && strcmp(reader->type, "info") == 0)
        suffix = info_open;
    if (strncmp(name, family, strlen(family)) != 0)
        return false;
    for (; *suffix; suffix++) {
        if (strcmp(name + strlen(family), *suffix) == 0)
            return true;
    }
    return false;
}

static void read_series(struct reader *reader, const char *line)
{
    const size_t series_size = (size_t)(strrchr(line, ' ') - line);
    char name[NAME_SIZE];
    double value;

    assert_true(reader->has_type);
    assert_true(strlen(line) < LINE_SIZE);
    assert_int_equal(sscanf(line, "%127[a-zA-Z0-9_:]", name), 1);
    if (!belongs(reader, name))
        fail_msg("%s stands in family %s", name, reader->families[reader->family_count - 1]);
    assert_int_equal(sscanf(line + series_size, " %lf", &value), 1);
    assert_true(value >= 0 || strstr(name, "_max_bytes"));

    char *const series = reader->series[reader->series_count];
    assert_true(reader->series_count < SERIES_COUNT_MAX);
    snprintf(series, LINE_SIZE, "%.*s", (int)series_size, line);
    for (size_t i = 0; i < reader->series_count; i++) {
        if (strcmp(reader->series[i], series) == 0)
            fail_msg("%s is there twice", series);
    }
    reader->series_count++;
}

static void read_line(struct reader *reader, const char *line)
{
    assert_false(reader->ended);
    if (strncmp(line, "# HELP ", 7) == 0)
        read_help(reader, line);
    else if (strncmp(line, "# TYPE ", 7) == 0)
        read_type(reader, line);
    else if (strcmp(line, "# EOF") == 0)
        reader->ended = true;
    else
        read_series(reader, line);
}

/* Reads @text line by line, which fails for whatever is not legal. */
static void check_text(const char *text, enum ackd_metrics_format format)
{
    struct reader *const reader = calloc(1, sizeof *reader);
    char line[LINE_SIZE];

    assert_non_null(reader);
    reader->format = format;
    reader->series = calloc(SERIES_COUNT_MAX, sizeof *reader->series);
    assert_non_null(reader->series);
    while (*text) {
        const size_t size = strcspn(text, "\n");

        assert_int_equal(text[size], '\n');
        assert_true(size < sizeof line);
        memcpy(line, text, size);
        line[size] = '\0';
        read_line(reader, line);
        text += size + 1;
    }
    assert_int_equal(reader->ended, format == ACKD_METRICS_OPENMETRICS);
    assert_true(reader->family_count > 30);
    free(reader->series);
    free(reader);
}

/* The value of @series, which stands in @text once. */
static double value_of(const char *text, const char *series)
{
    char line[LINE_SIZE];
    double value;

    snprintf(line, sizeof line, "\n%s ", series);
    const char *const found = strstr(text, line);
    if (!found)
        fail_msg("there is no %s", series);
    assert_null(strstr(found + 1, line));
    assert_int_equal(sscanf(found + strlen(line), "%lf", &value), 1);
    return value;
}

static void check_value(const char *text, const char *series, double expected)
{
    const double value = value_of(text, series);

    if (value < expected || value > expected)
        fail_msg("%s is %g, not %g", series, value, expected);
}

/* --- the tests --- */

static void both_formats_are_legal(void **state)
{
    struct ackd_server *const server = make_server("127.0.0.1:0", "127.0.0.1:0,dialect=demo");

    (void)state;
    for (int format = ACKD_METRICS_TEXT; format <= ACKD_METRICS_OPENMETRICS; format++) {
        char *const text = render(server, format, "ackd");
        check_text(text, format);
        free(text);
    }
    ackd_server_free(server);
}

/* The names that the panels of the first servers of this protocol ask for. */
static void a_prefix_makes_the_names(void **state)
{
    struct ackd_server *const server = make_server("127.0.0.1:0", NULL);

    (void)state;
    char *const text = render(server, ACKD_METRICS_TEXT, "tcp_server_demo2");
    check_value(text, "tcp_server_demo2_req_recv_total", 0);
    check_value(text, "tcp_server_demo2_rsp_send_total", 0);
    check_value(text, "tcp_server_demo2_client_connected", 0);
    assert_non_null(strstr(text, "\ntcp_server_demo2_build_info{version=\""));
    assert_null(strstr(text, "ackd_"));
    assert_non_null(
        strstr(text, "\nprocess_open_fds ")); /* these have their names from elsewhere */
    free(text);
    ackd_server_free(server);
}

static void workers_are_summed(void **state)
{
    struct ackd_server *const server = make_server("127.0.0.1:0", NULL);

    (void)state;
    for (uint32_t i = 0; i < WORKER_COUNT; i++) {
        struct counters *const counters = &server->workers[i].counters;

        counter_add(&counters->submits_received, 10 + i);
        counter_add(&counters->closed[CLOSE_frame_too_large], 1);
        counter_add(&counters->connections_open, 2 - i);
        counter_add(&counters->busy_ns, i * 500000000);
    }
    char *const text = render(server, ACKD_METRICS_TEXT, "a");
    check_value(text, "a_req_recv_total", 33);
    check_value(text, "a_connections_closed_total{reason=\"frame_too_large\"}", 3);
    check_value(text, "a_connections_closed_total{reason=\"eof\"}", 0);
    check_value(text, "a_client_connected", 3);
    check_value(text, "a_worker_connections{worker=\"0\"}", 2);
    check_value(text, "a_worker_connections{worker=\"2\"}", 0);
    check_value(text, "a_worker_busy_seconds_total{worker=\"1\"}", 0.5);
    check_value(text, "a_worker_busy_seconds_total{worker=\"2\"}", 1);
    free(text);
    for (uint32_t i = 0; i < WORKER_COUNT; i++)
        counter_set(&server->workers[i].counters.connections_open, 0);
    ackd_server_free(server);
}

static void every_close_reason_has_its_series(void **state)
{
    struct ackd_server *const server = make_server("127.0.0.1:0", NULL);

    (void)state;
    char *const text = render(server, ACKD_METRICS_OPENMETRICS, "a");
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        char series[NAME_SIZE];

        snprintf(series, sizeof series, "a_connections_closed_total{reason=\"%s\"}",
                 close_reason_word(i));
        check_value(text, series, 0);
    }
    free(text);
    ackd_server_free(server);
}

static void the_last_bucket_of_a_histogram_is_its_count(void **state)
{
    struct ackd_server *const server = make_server("127.0.0.1:0", NULL);

    (void)state;
    for (uint32_t i = 0; i < WORKER_COUNT; i++) {
        struct counters *const counters = &server->workers[i].counters;

        histogram_add(&counters->request_duration, counters_duration_bounds_ns,
                      DURATION_BOUND_COUNT, 20000, 100);
        histogram_add(&counters->request_duration, counters_duration_bounds_ns,
                      DURATION_BOUND_COUNT, UINT64_C(5000000000), 1);
        size_histogram_add(&counters->batch_frames, 100);
        counter_set(&counters->submits_received, 97);
        counter_set(&counters->packets_conn, 3);
    }
    char *const text = render(server, ACKD_METRICS_TEXT, "a");
    check_value(text, "a_request_duration_seconds_bucket{le=\"1e-05\"}", 0);
    check_value(text, "a_request_duration_seconds_bucket{le=\"2.5e-05\"}", 300);
    check_value(text, "a_request_duration_seconds_bucket{le=\"1.0\"}", 300);
    check_value(text, "a_request_duration_seconds_bucket{le=\"+Inf\"}", 303);
    check_value(text, "a_request_duration_seconds_count", 303);
    check_value(text, "a_request_duration_seconds_sum", 15.006);
    check_value(text, "a_batch_frames_bucket{le=\"64.0\"}", 0);
    check_value(text, "a_batch_frames_bucket{le=\"128.0\"}", 3);
    check_value(text, "a_batch_frames_bucket{le=\"+Inf\"}", 3);
    check_value(text, "a_batch_frames_sum", 300);
    check_value(text, "a_batch_frames_count", 3);
    free(text);
    ackd_server_free(server);
}

/* A path may hold what ends a label. */
static void listeners_are_named_and_escaped(void **state)
{
    char folder[64] = "/tmp/ackd-metrics-XXXXXX";
    char path[96];
    char series[NAME_SIZE];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a\"b\\c", folder);
    struct ackd_server *const server = make_server("127.0.0.1:0", path);
    char *const text = render(server, ACKD_METRICS_TEXT, "a");
    check_text(text, ACKD_METRICS_TEXT);
    snprintf(series, sizeof series, "a_listen_queue{listener=\"unix:%s/a\\\"b\\\\c\"}", folder);
    check_value(text, series, 0);
    snprintf(series, sizeof series, "a_listen_queue{listener=\"%s\"}",
             ackd_server_listen_address(server, 0));
    check_value(text, series, 0);
    free(text);
    ackd_server_free(server);
    assert_int_equal(rmdir(folder), 0);
}

static void numbers_of_the_server_itself(void **state)
{
    struct ackd_server *const server = make_server("127.0.0.1:0", NULL);

    (void)state;
    for (int i = 1; i <= 3; i++) {
        char *const text = render(server, ACKD_METRICS_TEXT, "a");

        check_value(text, "a_scrapes_total", i);
        check_value(text, "a_connections_max", ackd_server_conns_max(server));
        check_value(text, "a_draining", 0);
        assert_true(i == 1 ? value_of(text, "a_scrape_duration_seconds") <= 0
                           : value_of(text, "a_scrape_duration_seconds") > 0);
        free(text);
    }
    ackd_server_free(server);
}

static void prefixes(void **state)
{
    static const char *const legal[] = {"a", "ackd", "_", ":", "a1", "tcp_server_demo2", "A:b_C9"};
    static const char *const illegal[] = {"", "1a", "a-b", "a b", "a.b", " a", "a\n", "\xc3\xa4"};
    char text[80];

    (void)state;
    for (size_t i = 0; i < sizeof legal / sizeof legal[0]; i++)
        assert_true(ackd_metrics_prefix_is_legal(legal[i]));
    for (size_t i = 0; i < sizeof illegal / sizeof illegal[0]; i++)
        assert_false(ackd_metrics_prefix_is_legal(illegal[i]));
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    assert_true(ackd_metrics_prefix_is_legal(text));
    text[64] = 'a';
    text[65] = '\0';
    assert_false(ackd_metrics_prefix_is_legal(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_formats_are_legal),
        cmocka_unit_test(a_prefix_makes_the_names),
        cmocka_unit_test(workers_are_summed),
        cmocka_unit_test(every_close_reason_has_its_series),
        cmocka_unit_test(the_last_bucket_of_a_histogram_is_its_count),
        cmocka_unit_test(listeners_are_named_and_escaped),
        cmocka_unit_test(numbers_of_the_server_itself),
        cmocka_unit_test(prefixes),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
