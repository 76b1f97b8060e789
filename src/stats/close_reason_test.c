/* SPDX-License-Identifier: MIT
 *
 * close_reason_test - each reason has a word that a label can hold, its own, and a sentence */
#include "stats/close_reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void words_are_the_identifiers(void **state)
{
    (void)state;
    assert_string_equal(close_reason_word(CLOSE_eof), "eof");
    assert_string_equal(close_reason_word(CLOSE_frame_too_large), "frame_too_large");
    assert_string_equal(close_reason_word(CLOSE_no_memory), "no_memory");
    assert_int_equal(CLOSE_eof, 0);
    assert_int_equal(CLOSE_no_memory, CLOSE_REASON_COUNT - 1);
}

static void words_are_unique_and_plain(void **state)
{
    (void)state;
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        const char *const word = close_reason_word(i);

        assert_true(strlen(word) > 0);
        if (strspn(word, "abcdefghijklmnopqrstuvwxyz_") != strlen(word))
            fail_msg("'%s' is no label's value", word);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(close_reason_word(j), word);
    }
}

static void help_is_one_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        const char *const help = close_reason_help(i);

        assert_true(strlen(help) > 1);
        if (help[strlen(help) - 1] != '.' || strchr(help, '\n'))
            fail_msg("'%s' is no sentence on one line", help);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(close_reason_help(j), help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_the_identifiers),
        cmocka_unit_test(words_are_unique_and_plain),
        cmocka_unit_test(help_is_one_sentence),
    };
    return cmocka_run_group_tests_name("close_reason", tests, NULL, NULL);
}
