/* SPDX-License-Identifier: MIT
 *
 * symbols_test - addresses of this program have functions, files, lines, and what was inlined */
#include "profile/symbols.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uintptr_t inlined_address;

__attribute__((always_inline)) static inline void inlined(void)
{
    void *here;

    __asm__ volatile("lea 0(%%rip), %0" : "=r"(here));
    inlined_address = (uintptr_t)here - 1;
}

__attribute__((noinline)) static void outer(void)
{
    inlined();
    __asm__ volatile("" ::: "memory");
}

static void inlined_functions_show(void **state)
{
    struct symbols *const symbols = symbols_open();
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];

    (void)state;
    outer();
    assert_int_equal(symbols_find(symbols, inlined_address, found), 2);
    assert_string_equal(found[0].function, "inlined");
    assert_string_equal(found[1].function, "outer");
    assert_string_equal(found[0].file, "src/profile/symbols_test.c");
    assert_string_equal(found[1].file, "src/profile/symbols_test.c");
    assert_in_range(found[0].line, found[0].start_line, found[0].start_line + 6);
    assert_in_range(found[1].line, found[1].start_line, found[1].start_line + 3);
    symbols_close(symbols);
}

static void functions_of_libraries_have_names_that_people_use(void **state)
{
    struct symbols *const symbols = symbols_open();
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];
    /* That of libc: a sanitizer has one of its own in front. */
    void *const libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);

    (void)state;
    assert_non_null(libc);
    assert_int_equal(symbols_find(symbols, (uintptr_t)dlsym(libc, "send"), found), 1);
    dlclose(libc);
    assert_string_equal(found[0].function, "send");
    assert_string_equal(found[0].file, "");
    symbols_close(symbols);
}

static void nothing_is_where_nothing_is_mapped(void **state)
{
    struct symbols *const symbols = symbols_open();
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];

    (void)state;
    assert_int_equal(symbols_find(symbols, 0x10, found), 0);
    symbols_close(symbols);
}

static void the_program_has_lines_and_an_id(void **state)
{
    struct symbols *const symbols = symbols_open();
    const char *reason;

    (void)state;
    assert_true(symbols_have_lines(symbols, &reason));
    assert_string_equal(reason, "");
    assert_int_equal(strlen(symbols_build_id(symbols, &symbols_maps(symbols)->maps[0])), 40);
    symbols_close(symbols);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inlined_functions_show),
        cmocka_unit_test(functions_of_libraries_have_names_that_people_use),
        cmocka_unit_test(nothing_is_where_nothing_is_mapped),
        cmocka_unit_test(the_program_has_lines_and_an_id),
    };
    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
