/* SPDX-License-Identifier: MIT
 *
 * test_text - what tests ask of a text that was written */
#ifndef LOAD_TEST_TEXT_H
#define LOAD_TEST_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Fails unless @words stand in @text. */
static inline void check_text(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("expected '%s' in:\n%s", words, text);
}

/* How often @words stand in @text. */
static inline size_t count_of(const char *text, const char *words)
{
    size_t count = 0;

    for (; (text = strstr(text, words)); text++)
        count++;
    return count;
}

#endif
