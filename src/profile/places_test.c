/* SPDX-License-Identifier: MIT
 *
 * places_test - each address is looked up once; what is no part of the program's story is left out
 */
#include "profile/places.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"

/* A stack of @count frames.  free() it. */
static struct profile_stack *make_stack(const uintptr_t *frames, uint32_t count)
{
    struct profile_stack *const stack = calloc(1, sizeof *stack + count * sizeof *frames);

    stack->depth = count;
    if (count > 0)
        memcpy(stack->frames, frames, count * sizeof *frames);
    return stack;
}

static void each_address_is_one_place(void **state)
{
    struct places *const places = places_new();
    const uintptr_t address = (uintptr_t)units_parse_count;

    (void)state;
    const struct place *const place = places_find(places, address);
    assert_ptr_equal(places_find(places, address), place);
    assert_string_equal(place->symbols[0].function, "units_parse_count");
    assert_int_equal(places_find(places, 0x10)->symbol_count, 0);
    assert_int_equal(places_count(places), 2);
    assert_int_equal(places_number(places, 0x10), 1);
    assert_ptr_equal(places_at(places, 0), place);
    places_free(places);
}

static void nameless_beginnings_are_left_out(void **state)
{
    const uintptr_t frames[] = {0x10, (uintptr_t)units_parse_count, 0x20, 0x30};
    struct profile_stack *const stack = make_stack(frames, 4);
    struct places *const places = places_new();
    uint32_t begin;
    uint32_t end;

    (void)state;
    places_trim(places, stack, false, &begin, &end);
    assert_int_equal(begin, 0);
    assert_int_equal(end, 2);
    free(stack);
    places_free(places);
}

static void the_allocator_is_left_out_of_heaps_only(void **state)
{
    const uintptr_t allocator = (uintptr_t)dlsym(RTLD_DEFAULT, "mallctl");
    const uintptr_t frames[] = {allocator, (uintptr_t)units_parse_count};
    struct profile_stack *const stack = make_stack(frames, 2);
    struct places *const places = places_new();
    uint32_t begin;
    uint32_t end;

    (void)state;
    places_trim(places, stack, true, &begin, &end);
    assert_int_equal(begin, allocator ? 1 : 0);
    assert_int_equal(end, 2);
    places_trim(places, stack, false, &begin, &end);
    assert_int_equal(begin, 0);
    free(stack);
    places_free(places);
}

static void something_is_always_left(void **state)
{
    static const uintptr_t frames[] = {0x10, 0x20};
    struct places *const places = places_new();
    struct profile_stack *const nameless = make_stack(frames, 2);
    struct profile_stack *const empty = make_stack(NULL, 0);
    uint32_t begin;
    uint32_t end;

    (void)state;
    places_trim(places, nameless, true, &begin, &end);
    assert_int_equal(end - begin, 1);
    places_trim(places, empty, true, &begin, &end);
    assert_int_equal(end - begin, 0);
    free(nameless);
    free(empty);
    places_free(places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_one_place),
        cmocka_unit_test(nameless_beginnings_are_left_out),
        cmocka_unit_test(the_allocator_is_left_out_of_heaps_only),
        cmocka_unit_test(something_is_always_left),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
