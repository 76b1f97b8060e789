/* SPDX-License-Identifier: MIT
 *
 * json_test - any bytes become legal JSON; what is UTF-8 stays as it is */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_put(const char *text, const char *wanted)
{
    char *put = NULL;
    size_t size;
    FILE *const to = open_memstream(&put, &size);

    assert_non_null(to);
    json_put_text(to, text);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(put, wanted);
    free(put);
}

static void text_is_quoted(void **state)
{
    (void)state;
    assert_put("", "\"\"");
    assert_put("127.0.0.1:8888", "\"127.0.0.1:8888\"");
    assert_put("a\"b\\c\n\x7f", "\"a\\\"b\\\\c\\u000a\x7f\"");
}

static void utf8_stays(void **state)
{
    (void)state;
    /* The first and the last of each row of Unicode's table 3-7. */
    assert_put("\xc2\x80\xdf\xbf", "\"\xc2\x80\xdf\xbf\"");
    assert_put("\xe0\xa0\x80\xe0\xbf\xbf", "\"\xe0\xa0\x80\xe0\xbf\xbf\"");
    assert_put("\xe1\x80\x80\xec\xbf\xbf", "\"\xe1\x80\x80\xec\xbf\xbf\"");
    assert_put("\xed\x80\x80\xed\x9f\xbf", "\"\xed\x80\x80\xed\x9f\xbf\"");
    assert_put("\xee\x80\x80\xef\xbf\xbf", "\"\xee\x80\x80\xef\xbf\xbf\"");
    assert_put("\xf0\x90\x80\x80\xf0\xbf\xbf\xbf", "\"\xf0\x90\x80\x80\xf0\xbf\xbf\xbf\"");
    assert_put("\xf1\x80\x80\x80\xf3\xbf\xbf\xbf", "\"\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\"");
    assert_put("\xf4\x80\x80\x80\xf4\x8f\xbf\xbf", "\"\xf4\x80\x80\x80\xf4\x8f\xbf\xbf\"");
}

static void other_bytes_are_escaped(void **state)
{
    (void)state;
    assert_put("/tmp/\xff.sock", "\"/tmp/\\u00ff.sock\"");
    assert_put("gr\xfc\xdf", "\"gr\\u00fc\\u00df\"");        /* Latin-1 */
    assert_put("\x80x\xbf", "\"\\u0080x\\u00bf\"");          /* no lead */
    assert_put("\xc1\xbf", "\"\\u00c1\\u00bf\"");            /* longer than need be */
    assert_put("\xe0\x9f\xbf", "\"\\u00e0\\u009f\\u00bf\""); /* the same */
    assert_put("\xf0\x8f\xbf\xbf", "\"\\u00f0\\u008f\\u00bf\\u00bf\"");
    assert_put("\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"");            /* a surrogate */
    assert_put("\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\""); /* above 10FFFF */
    assert_put("\xf5\x80\x80\x80", "\"\\u00f5\\u0080\\u0080\\u0080\"");
    assert_put("\xc3", "\"\\u00c3\""); /* cut off */
    assert_put("\xe2\x82", "\"\\u00e2\\u0082\"");
    assert_put("\xf0\x9f\x98\"", "\"\\u00f0\\u009f\\u0098\\\"\"");
    assert_put("\xe2\x82\xc3\xa9", "\"\\u00e2\\u0082\xc3\xa9\""); /* what follows is whole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_quoted),
        cmocka_unit_test(utf8_stays),
        cmocka_unit_test(other_bytes_are_escaped),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
