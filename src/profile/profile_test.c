/* SPDX-License-Identifier: MIT
 *
 * profile_test - stacks add up, by frames and thread; differences */
#include "profile/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/kinds.h"

static const uintptr_t one[] = {0x10, 0x20, 0x30};
static const uintptr_t other[] = {0x11, 0x20, 0x30};

static void equal_stacks_add_up(void **state)
{
    static const int64_t values[] = {1, 10};
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_CPU], 10);

    (void)state;
    profile_add(profile, one, 3, "a", values);
    profile_add(profile, one, 3, "a", values);
    profile_add(profile, one, 3, "b", values);
    profile_add(profile, one, 2, "a", values);
    profile_add(profile, other, 3, "a", values);
    profile_add(profile, NULL, 0, NULL, values);
    assert_int_equal(profile->stack_count, 5);
    assert_int_equal(profile->stacks[0]->values[1], 20);
    assert_string_equal(profile->stacks[1]->label, "b");
    assert_int_equal(profile->stacks[2]->depth, 2);
    assert_int_equal(profile_total(profile, 0), 6);
    assert_int_equal(profile_total(profile, 1), 60);
    profile_free(profile);
}

static void what_was_there_before_is_taken_away(void **state)
{
    struct profile *const before = profile_new(&profile_kinds[PROFILE_MUTEX], 1);
    struct profile *const after = profile_new(&profile_kinds[PROFILE_MUTEX], 1);

    (void)state;
    profile_add(before, one, 3, NULL, (const int64_t[]){2, 100});
    profile_add(after, one, 3, NULL, (const int64_t[]){2, 100});
    profile_add(after, other, 3, NULL, (const int64_t[]){1, 7});
    profile_subtract(after, before);
    assert_true(profile_stack_is_zero(after->stacks[0]));
    assert_false(profile_stack_is_zero(after->stacks[1]));
    assert_int_equal(profile_total(after, 1), 7);
    profile_free(before);
    profile_free(after);
}

static void too_many_stacks_are_counted_as_lost(void **state)
{
    static const int64_t values[] = {3, 30};
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_CPU], 10);

    (void)state;
    for (uintptr_t i = 0; i < PROFILE_STACK_COUNT_MAX + 2; i++)
        profile_add(profile, &i, 1, NULL, values);
    assert_int_equal(profile->stack_count, PROFILE_STACK_COUNT_MAX);
    assert_int_equal(profile->lost_count, 6);
    assert_int_equal(profile->unplaced_count, 6);
    profile_free(profile);
}

/* What is taken away is no sample that is missing. */
static void a_difference_without_room_has_lost_nothing(void **state)
{
    static const int64_t values[] = {3, 30};
    struct profile *const before = profile_new(&profile_kinds[PROFILE_MUTEX], 1);
    struct profile *const after = profile_new(&profile_kinds[PROFILE_MUTEX], 1);

    (void)state;
    for (uintptr_t i = 1; i <= PROFILE_STACK_COUNT_MAX; i++)
        profile_add(after, &i, 1, NULL, values);
    profile_add(before, one, 3, NULL, values);
    profile_subtract(after, before);
    assert_int_equal(after->stack_count, PROFILE_STACK_COUNT_MAX);
    assert_int_equal(after->lost_count, 0);
    assert_int_equal(after->unplaced_count, 0);
    assert_int_equal(profile_total(after, 1), 30 * PROFILE_STACK_COUNT_MAX);
    profile_free(before);
    profile_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stacks_add_up),
        cmocka_unit_test(what_was_there_before_is_taken_away),
        cmocka_unit_test(too_many_stacks_are_counted_as_lost),
        cmocka_unit_test(a_difference_without_room_has_lost_nothing),
    };
    return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
