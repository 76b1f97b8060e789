/* SPDX-License-Identifier: MIT
 *
 * error_log_test - counts, firsts, and the list of causes */
#include "load/error_log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_first_of_a_cause_is_kept(void **state)
{
    (void)state;
    struct error_log log = {0};
    static const uint8_t data[40] = {1, 2, 3};
    error_log_note(&log, CAUSE_DUPLICATE, 0, 5, 1, (struct bytes){data, 1});
    assert_int_equal(error_log_count(&log), 0);
    error_log_note(&log, CAUSE_DUPLICATE, 1, 10, 7, (struct bytes){data, sizeof data});
    error_log_note(&log, CAUSE_DUPLICATE, 4, 11, 8, (struct bytes){NULL, 0});
    const struct error_entry *const entry = &log.entries[CAUSE_DUPLICATE];
    assert_int_equal(entry->count, 5);
    assert_int_equal(entry->first_ns, 10);
    assert_int_equal(entry->connection, 7);
    assert_int_equal(entry->size, ERROR_BYTES_MAX);
    assert_memory_equal(entry->bytes, data, ERROR_BYTES_MAX);
}

static void merging_keeps_the_earlier_first(void **state)
{
    (void)state;
    struct error_log sum = {0};
    struct error_log early = {0};
    struct error_log late = {0};
    error_log_note(&early, CAUSE_EOF, 2, 10, 1, (struct bytes){NULL, 0});
    error_log_note(&late, CAUSE_EOF, 3, 20, 2, (struct bytes){NULL, 0});
    error_log_note(&late, CAUSE_RESET, 1, 30, 3, (struct bytes){NULL, 0});
    error_log_merge(&sum, &late);
    error_log_merge(&sum, &early);
    assert_int_equal(sum.entries[CAUSE_EOF].count, 5);
    assert_int_equal(sum.entries[CAUSE_EOF].connection, 1);
    assert_int_equal(sum.entries[CAUSE_RESET].first_ns, 30);
    assert_int_equal(error_log_count(&sum), 6);
}

static void every_cause_has_words(void **state)
{
    (void)state;
    for (int i = 0; i < CAUSE_COUNT; i++) {
        assert_true(error_cause_name((enum error_cause)i)[0] != '\0');
        assert_true(error_cause_text((enum error_cause)i)[0] != '\0');
    }
    assert_string_equal(error_cause_name(CAUSE_EOF_MID_FRAME), "eof_mid_frame");
}

static void a_failed_connect_has_its_cause(void **state)
{
    (void)state;
    assert_int_equal(error_cause_of_connect(ECONNREFUSED), CAUSE_CONNECT_REFUSED);
    assert_int_equal(error_cause_of_connect(ETIMEDOUT), CAUSE_CONNECT_TIMEOUT);
    assert_int_equal(error_cause_of_connect(ECONNRESET), CAUSE_CONNECT_RESET);
    assert_int_equal(error_cause_of_connect(EADDRNOTAVAIL), CAUSE_CONNECT_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_a_cause_is_kept),
        cmocka_unit_test(merging_keeps_the_earlier_first),
        cmocka_unit_test(every_cause_has_words),
        cmocka_unit_test(a_failed_connect_has_its_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
