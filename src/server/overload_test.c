/* SPDX-License-Identifier: MIT
 *
 * overload_test - each stage begins at its mark, and ends where the one before it begins
 *
 * What a worker does in a stage: session_test.c. */
#include "server/overload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SIZE_MAX_BYTES = 1000000 };

static const struct {
    uint64_t percent;
    enum overload_stage before;
    enum overload_stage after;
} steps[] = {
    {0, OVERLOAD_CALM, OVERLOAD_CALM},
    {84, OVERLOAD_CALM, OVERLOAD_CALM},
    {85, OVERLOAD_CALM, OVERLOAD_NO_ACCEPT},
    {91, OVERLOAD_CALM, OVERLOAD_NO_ACCEPT},
    {92, OVERLOAD_CALM, OVERLOAD_PAUSE},
    {97, OVERLOAD_CALM, OVERLOAD_CLOSE},
    {300, OVERLOAD_CALM, OVERLOAD_CLOSE},
    {96, OVERLOAD_CLOSE, OVERLOAD_CLOSE},
    {92, OVERLOAD_CLOSE, OVERLOAD_CLOSE},
    {91, OVERLOAD_CLOSE, OVERLOAD_PAUSE},
    {85, OVERLOAD_PAUSE, OVERLOAD_PAUSE},
    {84, OVERLOAD_PAUSE, OVERLOAD_NO_ACCEPT},
    {80, OVERLOAD_NO_ACCEPT, OVERLOAD_NO_ACCEPT},
    {79, OVERLOAD_NO_ACCEPT, OVERLOAD_CALM},
    {0, OVERLOAD_CLOSE, OVERLOAD_CALM},
    {97, OVERLOAD_PAUSE, OVERLOAD_CLOSE},
};

static void stages_have_their_marks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const uint64_t size = SIZE_MAX_BYTES / 100 * steps[i].percent;
        const enum overload_stage after = overload_stage_of(size, SIZE_MAX_BYTES, steps[i].before);

        if (after != steps[i].after)
            fail_msg("%d %% after stage %d: stage %d", (int)steps[i].percent, steps[i].before,
                     after);
    }
}

static void without_a_limit_it_is_always_calm(void **state)
{
    (void)state;
    assert_int_equal(overload_stage_of(UINT64_MAX / 2, UINT64_MAX, OVERLOAD_CALM), OVERLOAD_CALM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_have_their_marks),
        cmocka_unit_test(without_a_limit_it_is_always_calm),
    };
    return cmocka_run_group_tests_name("overload", tests, NULL, NULL);
}
