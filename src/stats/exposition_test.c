/* SPDX-License-Identifier: MIT
 *
 * exposition_test - the text of both formats, to the letter */
#include "stats/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct exposition begin(enum exposition_format format, const char *prefix)
{
    return (struct exposition){.format = format, .prefix = prefix};
}

/* Ends @to, compares it, and frees it. */
static void check_text(struct exposition *to, const char *expected)
{
    exposition_end(to);
    assert_false(to->failed);
    assert_string_equal(to->text ? to->text : "", expected);
    assert_int_equal(to->size, strlen(expected));
    free(to->text);
}

static void put_one_of_each(struct exposition *to)
{
    exposition_family(to, "req_recv", EXPOSITION_COUNTER, "Submits.");
    exposition_count(to, "", 18446744073709551615U);
    exposition_family(to, "client_connected", EXPOSITION_GAUGE, "Open.");
    exposition_count(to, "worker=\"0\"", 3);
    exposition_count(to, "worker=\"1\"", 0);
    exposition_family(to, "cpu_seconds", EXPOSITION_COUNTER, "Time.");
    exposition_number(to, "", 1.5);
    exposition_family(to, "build", EXPOSITION_INFO, "Built.");
    exposition_count(to, "version=\"1\",engine=\"epoll\"", 1);
}

static void text_format(void **state)
{
    struct exposition to = begin(EXPOSITION_TEXT, "ackd");

    (void)state;
    put_one_of_each(&to);
    check_text(&to, "# HELP ackd_req_recv_total Submits.\n"
                    "# TYPE ackd_req_recv_total counter\n"
                    "ackd_req_recv_total 18446744073709551615\n"
                    "# HELP ackd_client_connected Open.\n"
                    "# TYPE ackd_client_connected gauge\n"
                    "ackd_client_connected{worker=\"0\"} 3\n"
                    "ackd_client_connected{worker=\"1\"} 0\n"
                    "# HELP ackd_cpu_seconds_total Time.\n"
                    "# TYPE ackd_cpu_seconds_total counter\n"
                    "ackd_cpu_seconds_total 1.5\n"
                    "# HELP ackd_build_info Built.\n"
                    "# TYPE ackd_build_info gauge\n"
                    "ackd_build_info{version=\"1\",engine=\"epoll\"} 1\n");
}

static void openmetrics_format(void **state)
{
    struct exposition to = begin(EXPOSITION_OPENMETRICS, "ackd");

    (void)state;
    put_one_of_each(&to);
    check_text(&to, "# HELP ackd_req_recv Submits.\n"
                    "# TYPE ackd_req_recv counter\n"
                    "ackd_req_recv_total 18446744073709551615\n"
                    "# HELP ackd_client_connected Open.\n"
                    "# TYPE ackd_client_connected gauge\n"
                    "ackd_client_connected{worker=\"0\"} 3\n"
                    "ackd_client_connected{worker=\"1\"} 0\n"
                    "# HELP ackd_cpu_seconds Time.\n"
                    "# TYPE ackd_cpu_seconds counter\n"
                    "ackd_cpu_seconds_total 1.5\n"
                    "# HELP ackd_build Built.\n"
                    "# TYPE ackd_build info\n"
                    "ackd_build_info{version=\"1\",engine=\"epoll\"} 1\n"
                    "# EOF\n");
}

/* Counters past 2^53 stay exact: they are not written as doubles. */
static void counts_are_exact(void **state)
{
    struct exposition to = begin(EXPOSITION_TEXT, "");

    (void)state;
    exposition_family(&to, "a", EXPOSITION_COUNTER, "A.");
    exposition_count(&to, "", 9007199254740993U);
    check_text(&to, "# HELP a_total A.\n# TYPE a_total counter\na_total 9007199254740993\n");
}

static void without_a_prefix_there_is_no_underscore(void **state)
{
    struct exposition to = begin(EXPOSITION_OPENMETRICS, "");

    (void)state;
    exposition_family(&to, "process_threads", EXPOSITION_GAUGE, "Threads.");
    exposition_number(&to, "", 4);
    check_text(&to, "# HELP process_threads Threads.\n"
                    "# TYPE process_threads gauge\n"
                    "process_threads 4\n"
                    "# EOF\n");
}

static void nothing_written_is_nothing_or_the_end_mark(void **state)
{
    struct exposition text = begin(EXPOSITION_TEXT, "ackd");
    struct exposition open = begin(EXPOSITION_OPENMETRICS, "ackd");

    (void)state;
    check_text(&text, "");
    check_text(&open, "# EOF\n");
}

/* --- histograms --- */

/* +Inf is the count, buckets are cumulative, and a bound is spelled the same in both formats. */
static void histogram_in_seconds(void **state)
{
    static const uint64_t bounds[] = {10000, 2500000, 1000000000};
    static const uint64_t bucket[] = {2, 0, 3, 5};
    static const char expected[] = "# HELP ackd_took_seconds Times.\n"
                                   "# TYPE ackd_took_seconds histogram\n"
                                   "ackd_took_seconds_bucket{le=\"1e-05\"} 2\n"
                                   "ackd_took_seconds_bucket{le=\"0.0025\"} 2\n"
                                   "ackd_took_seconds_bucket{le=\"1.0\"} 5\n"
                                   "ackd_took_seconds_bucket{le=\"+Inf\"} 10\n"
                                   "ackd_took_seconds_sum 12.5\n"
                                   "ackd_took_seconds_count 10\n";
    char with_end[sizeof expected + 8];

    (void)state;
    for (int format = EXPOSITION_TEXT; format <= EXPOSITION_OPENMETRICS; format++) {
        struct exposition to = begin(format, "ackd");

        exposition_family(&to, "took_seconds", EXPOSITION_HISTOGRAM, "Times.");
        exposition_histogram(&to, bounds, 3, bucket, 12500000000, 1e9);
        memcpy(with_end, expected, sizeof expected);
        memcpy(with_end + sizeof expected - 1, format == EXPOSITION_TEXT ? "" : "# EOF\n",
               format == EXPOSITION_TEXT ? 1 : 7);
        check_text(&to, with_end);
    }
}

static void histogram_of_counts(void **state)
{
    static const uint64_t bounds[] = {1, 16384};
    static const uint64_t bucket[] = {0, 0, 0};
    struct exposition to = begin(EXPOSITION_TEXT, "");

    (void)state;
    exposition_family(&to, "frames", EXPOSITION_HISTOGRAM, "Frames.");
    exposition_histogram(&to, bounds, 2, bucket, 0, 1);
    check_text(&to, "# HELP frames Frames.\n"
                    "# TYPE frames histogram\n"
                    "frames_bucket{le=\"1.0\"} 0\n"
                    "frames_bucket{le=\"16384.0\"} 0\n"
                    "frames_bucket{le=\"+Inf\"} 0\n"
                    "frames_sum 0\n"
                    "frames_count 0\n");
}

/* --- escaping --- */

static void check_escape(const char *value, size_t label_size, const char *expected)
{
    char label[64];

    memset(label, '#', sizeof label);
    exposition_escape(value, label, label_size);
    assert_string_equal(label, expected);
    assert_true(strlen(label) < label_size);
    for (size_t i = label_size; i < sizeof label; i++)
        assert_int_equal(label[i], '#');
}

static void escapes_what_ends_a_label(void **state)
{
    (void)state;
    check_escape("", 64, "");
    check_escape("127.0.0.1:8888", 64, "127.0.0.1:8888");
    check_escape("a\"b", 64, "a\\\"b");
    check_escape("a\\b", 64, "a\\\\b");
    check_escape("a\nb", 64, "a\\nb");
    check_escape("\\n", 64, "\\\\n");
    check_escape("\"\"\"", 64, "\\\"\\\"\\\"");
    check_escape("\xc3\xa9", 64, "\xc3\xa9"); /* UTF-8 stays as it is */
}

/* A text that is too long is cut, never inside of an escape. */
static void escape_never_writes_past_its_room(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 40; size++) {
        char label[64];

        memset(label, '#', sizeof label);
        exposition_escape("\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\", label, size);
        assert_true(strlen(label) < size);
        assert_int_equal(strlen(label) % 2, 0);
        assert_int_equal(label[size], '#');
    }
    check_escape("0123456789", 8, "01234");
}

/* --- memory --- */

static void grows_over_every_border(void **state)
{
    enum { BORDER = 16 * 1024, AROUND = 80 };
    char *const help = malloc(BORDER + AROUND);

    (void)state;
    assert_non_null(help);
    for (size_t size = BORDER - AROUND; size < BORDER + AROUND; size += 3) {
        struct exposition to = begin(EXPOSITION_TEXT, "p");

        memset(help, 'h', size);
        help[size] = '\0';
        exposition_family(&to, "f", EXPOSITION_GAUGE, help);
        exposition_count(&to, "", 1);
        assert_false(to.failed);
        assert_int_equal(to.size, strlen(to.text));
        assert_true(to.size < to.capacity);
        assert_memory_equal(to.text, "# HELP p_f hhh", 14);
        assert_string_equal(to.text + to.size - 6, "p_f 1\n");
        free(to.text);
    }
    free(help);
}

static void grows_from_small_pieces(void **state)
{
    enum { COUNT = 20000 };
    static const char line[] = "p_f{n=\"1\"} 1\n";
    struct exposition to = begin(EXPOSITION_TEXT, "p");

    (void)state;
    exposition_family(&to, "f", EXPOSITION_GAUGE, "F.");
    const size_t head_size = to.size;
    for (int i = 0; i < COUNT; i++)
        exposition_count(&to, "n=\"1\"", 1);
    assert_int_equal(to.size, head_size + COUNT * (sizeof line - 1));
    for (size_t i = 0; i < COUNT; i++)
        assert_memory_equal(to.text + head_size + i * (sizeof line - 1), line, sizeof line - 1);
    free(to.text);
}

/* Half a text must not be taken for a whole one: after a failure nothing is added. */
static void a_failure_is_remembered(void **state)
{
    static char help[32 * 1024];
    struct exposition to = begin(EXPOSITION_OPENMETRICS, "p");

    (void)state;
    memset(help, 'h', sizeof help - 1);
    exposition_family(&to, "f", EXPOSITION_GAUGE, "F.");
    to.failed = true;
    const size_t size = to.size;
    put_one_of_each(&to);
    exposition_family(&to, "f", EXPOSITION_GAUGE, help); /* more than there is room for */
    exposition_end(&to);
    assert_int_equal(to.size, size);
    assert_true(to.failed);
    free(to.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_format),
        cmocka_unit_test(openmetrics_format),
        cmocka_unit_test(counts_are_exact),
        cmocka_unit_test(without_a_prefix_there_is_no_underscore),
        cmocka_unit_test(nothing_written_is_nothing_or_the_end_mark),
        cmocka_unit_test(histogram_in_seconds),
        cmocka_unit_test(histogram_of_counts),
        cmocka_unit_test(escapes_what_ends_a_label),
        cmocka_unit_test(escape_never_writes_past_its_room),
        cmocka_unit_test(grows_over_every_border),
        cmocka_unit_test(grows_from_small_pieces),
        cmocka_unit_test(a_failure_is_remembered),
    };
    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
