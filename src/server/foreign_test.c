/* SPDX-License-Identifier: MIT
 *
 * foreign_test - what other protocols begin with has a name, and a line of the log holds no more
 * of it than it should */
#include "server/foreign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FRAME_SIZE_MAX = 65536 };

static const struct {
    const char *bytes;
    size_t size;
    const char *word;
} starts[] = {
    {"GET / HTTP/1.1\r\n", 16, "http"},
    {"SSH-2.0-x", 9, "ssh"},
    {"\x16\x03\x01\x02", 4, "tls"},
    {"\x16\x03", 2, "tls"},
    {"PROXY TCP4", 10, "proxy"},
    {"\r\n\r\n\0\r\nQUIT\n", 12, "proxy"},
    {"*1\r\n$4", 6, "redis"},
    {"\x0d\0\0\0\x02", 5, "little_endian"},
    {"\0\0\1\0", 4, NULL},   /* a length of its own */
    {"\x01\0\0\0", 4, NULL}, /* 1: too short for a frame, either way */
    {"\xff\xff\xff\xff", 4, NULL},
    {"GE", 2, NULL},
    {"", 0, NULL},
};

static void the_known_ones_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        const struct bytes bytes = {(const uint8_t *)starts[i].bytes, starts[i].size};
        const char *const word = foreign_guess(bytes, FRAME_SIZE_MAX);

        if (!starts[i].word)
            assert_null(word);
        else
            assert_string_equal(word, starts[i].word);
    }
}

static void sixteen_bytes_are_shown(void **state)
{
    const uint8_t bytes[40] = {0x00, 0x7f, 0xff, 0x1b};
    char text[FOREIGN_HEX_SIZE];

    (void)state;
    foreign_print_hex((struct bytes){bytes, sizeof bytes}, text);
    assert_string_equal(text, "007fff1b000000000000000000000000");
    foreign_print_hex((struct bytes){bytes, 2}, text);
    assert_string_equal(text, "007f");
    foreign_print_hex((struct bytes){bytes, 0}, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_ones_are_named),
        cmocka_unit_test(sixteen_bytes_are_shown),
    };
    return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
