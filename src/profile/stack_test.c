/* SPDX-License-Identifier: MIT
 *
 * stack_test - the calling thread knows who called it */
#include "profile/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "profile/symbols.h"

__attribute__((noinline)) static size_t take(uintptr_t *frames)
{
    const size_t depth = stack_here(frames, 32);

    __asm__ volatile("" ::: "memory"); /* no tail call */
    return depth;
}

__attribute__((noinline)) static size_t ask_for_it(uintptr_t *frames)
{
    const size_t depth = take(frames);

    __asm__ volatile("" ::: "memory");
    return depth;
}

static void begins_with_the_callers_caller(void **state)
{
    uintptr_t frames[32];
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];
    struct symbols *const symbols = symbols_open();

    (void)state;
    stack_prime();
    const size_t depth = ask_for_it(frames);
    assert_in_range(depth, 2, 32);
    assert_int_equal(symbols_find(symbols, frames[0], found), 1);
    assert_string_equal(found[0].function, "ask_for_it");
    assert_true(symbols_find(symbols, frames[1], found) >= 1);
    assert_string_equal(found[0].function, "begins_with_the_callers_caller");
    symbols_close(symbols);
}

static void takes_no_more_than_there_is_room(void **state)
{
    uintptr_t frames[2] = {0, 0x55};

    (void)state;
    assert_int_equal(stack_here(frames, 1), 1);
    assert_int_equal(frames[1], 0x55);
}

/* Where a signal would have found it; when the handler is called, it has returned. */
__attribute__((noinline)) static void stand_here(ucontext_t *ret_context)
{
    getcontext(ret_context);
    __asm__ volatile("" ::: "memory");
}

/* As a handler: has frame 0 of stand_here(), and then its own callers, which are the thread's. */
static void a_handler_that_is_called_late_has_its_own_callers(void **state)
{
    uintptr_t frames[32];
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];
    struct symbols *const symbols = symbols_open();
    ucontext_t context;

    (void)state;
    stack_prime();
    stand_here(&context);
    const size_t depth = stack_interrupted(&context, frames, 32);
    assert_in_range(depth, 3, 32);
    assert_true(symbols_find(symbols, frames[0], found) >= 1);
    assert_string_equal(found[0].function, "stand_here");
    assert_true(symbols_find(symbols, frames[1], found) >= 1);
    assert_string_equal(found[0].function, __func__);
    symbols_close(symbols);

    assert_int_equal(stack_interrupted(&context, frames, 1), 1);
    assert_int_equal(stack_interrupted(&context, frames, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_callers_caller),
        cmocka_unit_test(takes_no_more_than_there_is_room),
        cmocka_unit_test(a_handler_that_is_called_late_has_its_own_callers),
    };
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
