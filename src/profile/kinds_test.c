/* SPDX-License-Identifier: MIT
 *
 * kinds_test - kinds have the names, types and defaults of Go */
#include "profile/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void are_found_by_name(void **state)
{
    (void)state;
    for (int i = 0; i < PROFILE_KIND_COUNT; i++)
        assert_ptr_equal(profile_kind_find(profile_kinds[i].name), &profile_kinds[i]);
    assert_null(profile_kind_find("trace"));
    assert_null(profile_kind_find(""));
}

static void have_the_types_that_viewers_know(void **state)
{
    const struct profile_kind *const heap = profile_kind_find("heap");

    (void)state;
    assert_int_equal(heap->type_count, 4);
    assert_string_equal(heap->types[1].name, "alloc_space");
    assert_string_equal(heap->types[3].unit, "bytes");
    assert_string_equal(heap->default_type, "inuse_space");
    assert_string_equal(profile_kind_find("allocs")->default_type, "alloc_space");
    assert_string_equal(profile_kind_find("profile")->types[1].unit, "nanoseconds");
}

static void have_a_default_that_is_one_of_their_types(void **state)
{
    (void)state;
    for (int i = 0; i < PROFILE_KIND_COUNT; i++) {
        const struct profile_kind *const kind = &profile_kinds[i];
        size_t found = 0;
        for (size_t j = 0; j < kind->type_count; j++)
            found += strcmp(kind->types[j].name, kind->default_type) == 0;
        assert_int_equal(found, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_found_by_name),
        cmocka_unit_test(have_the_types_that_viewers_know),
        cmocka_unit_test(have_a_default_that_is_one_of_their_types),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
