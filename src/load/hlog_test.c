/* SPDX-License-Identifier: MIT
 *
 * hlog_test - the encoding, byte for byte; tests/load decodes whole logs */
#include "load/hlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static void an_encoding_has_the_header_and_the_counts(void **state)
{
    (void)state;
    struct latency_sum *const latency = calloc(1, sizeof *latency);
    uint8_t *const bytes = malloc(HLOG_ENCODED_SIZE_MAX);
    assert_true(latency && bytes);
    latency->bucket[0] = 1;
    latency->bucket[3] = 64;
    latency->bucket[300] = 1000000;
    const size_t size = hlog_encode(latency, bytes);

    static const uint8_t counts[] = {
        0x02,             /* 1 */
        0x03,             /* two empty ones */
        0x80, 0x01,       /* 64 */
        0xcf, 0x04,       /* 296 empty ones */
        0x80, 0x89, 0x7a, /* 1,000,000 */
    };
    assert_int_equal(size, HLOG_HEADER_SIZE + sizeof counts);
    assert_memory_equal(bytes + HLOG_HEADER_SIZE, counts, sizeof counts);
    assert_int_equal(load_be32(bytes), 0x1c849313);
    assert_int_equal(load_be32(bytes + 4), sizeof counts);
    assert_int_equal(load_be32(bytes + 12), 2);
    assert_true(load_be64(bytes + 16) == 1);
    assert_true(load_be64(bytes + 24) == (UINT64_C(1) << 37) - 1);
    free(latency);
    free(bytes);
}

static void the_largest_counts_fit(void **state)
{
    (void)state;
    struct latency_sum *const latency = calloc(1, sizeof *latency);
    uint8_t *const bytes = malloc(HLOG_ENCODED_SIZE_MAX);
    assert_true(latency && bytes);
    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++)
        latency->bucket[i] = INT64_MAX;
    assert_int_equal(hlog_encode(latency, bytes), HLOG_ENCODED_SIZE_MAX);
    free(latency);
    free(bytes);
}

static void base64_of_every_remainder(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    char text[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hlog_base64((const uint8_t *)cases[i][0], strlen(cases[i][0]), text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void a_log_has_a_head_and_tagged_lines(void **state)
{
    (void)state;
    struct latency_sum *const latency = calloc(1, sizeof *latency);
    char *text;
    size_t size;
    FILE *const to = open_memstream(&text, &size);
    assert_true(latency && to);
    latency->bucket[5] = latency->count = 1;
    latency->max_ns = 2500000;
    assert_int_equal(hlog_begin(to, 86400.5), 0);
    assert_int_equal(hlog_put(to, NULL, 0, 1, latency), 0);
    assert_int_equal(hlog_put(to, "service", 1, 0.5, latency), 0);
    fclose(to);
    assert_non_null(strstr(text, "#[StartTime: 86400.500 (seconds since epoch), Fri Jan 02 "
                                 "00:00:00 UTC 1970]\n"));
    assert_non_null(strstr(text, "\n0.000,1.000,2.500,HISTFAAAA"));
    assert_non_null(strstr(text, "\nTag=service,1.000,0.500,2.500,HISTFAAAA"));
    free(text);
    free(latency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encoding_has_the_header_and_the_counts),
        cmocka_unit_test(the_largest_counts_fit),
        cmocka_unit_test(base64_of_every_remainder),
        cmocka_unit_test(a_log_has_a_head_and_tagged_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
