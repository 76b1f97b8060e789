/* SPDX-License-Identifier: MIT
 *
 * blob_test - bytes grow; numbers are as protocol buffers have them; gzip is read by zlib */
#include "profile/blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zlib.h>

static void numbers_are_varints(void **state)
{
    static const uint8_t expected[] = {0x08, 0x00, 0x08, 0xac, 0x02, 0x10, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct blob blob = {0};

    (void)state;
    blob_put_number(&blob, 1, 0);
    blob_put_number(&blob, 1, 300);
    blob_put_number(&blob, 2, UINT64_MAX);
    assert_int_equal(blob.size, sizeof expected);
    assert_memory_equal(blob.data, expected, sizeof expected);
    free(blob.data);
}

static void packed_numbers_say_their_size(void **state)
{
    static const uint64_t numbers[] = {1, 128, 3};
    static const uint8_t expected[] = {0x0a, 4, 1, 0x80, 0x01, 3, 0x12, 2, 'h', 'i'};
    struct blob blob = {0};

    (void)state;
    blob_put_numbers(&blob, 1, numbers, 3);
    blob_put_bytes(&blob, 2, "hi", 2);
    assert_int_equal(blob.size, sizeof expected);
    assert_memory_equal(blob.data, expected, sizeof expected);
    free(blob.data);
}

static void text_of_any_length(void **state)
{
    char longer[3000];
    struct blob blob = {0};

    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    blob_print(&blob, "%d ", 42);
    blob_print(&blob, "%s", longer);
    assert_int_equal(blob.size, 3 + sizeof longer - 1);
    assert_memory_equal(blob.data, "42 xxx", 6);
    free(blob.data);
}

static void gzip_unpacks_to_the_same(void **state)
{
    uint8_t unpacked[100];
    struct blob blob = {0};
    z_stream stream = {.next_out = unpacked, .avail_out = sizeof unpacked};

    (void)state;
    blob_append(&blob, "the same again, the same again", 30);
    blob_gzip(&blob);
    assert_false(blob.failed);
    stream.next_in = (Bytef *)blob.data;
    stream.avail_in = (uInt)blob.size;
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, 30);
    assert_memory_equal(unpacked, "the same again, the same again", 30);
    inflateEnd(&stream);
    free(blob.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_varints),
        cmocka_unit_test(packed_numbers_say_their_size),
        cmocka_unit_test(text_of_any_length),
        cmocka_unit_test(gzip_unpacks_to_the_same),
    };
    return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
