/* SPDX-License-Identifier: MIT
 *
 * heap_test - a dump of jemalloc becomes a profile, scaled to what it stands for */
#include "profile/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/kinds.h"

static void rows_are_scaled_once(void **state)
{
    /* One sample of 512 KiB of 1 MiB blocks: 1 / (1 - exp(-2)) is 1.1565. */
    char text[] = "heap_v2/524288\n  t*: 3: 3 [4: 4]\n  t0: 3: 3 [4: 4]\n"
                  "@ 0x100 0x200\n  t*: 1: 1048576 [2: 2097152]\n  t0: 1: 1048576 [2: 2097152]\n"
                  "@ 0x300\n  t*: 0: 0 [1: 1]\n\nMAPPED_LIBRARIES:\n@ 0x999\n";
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_HEAP], 0);
    struct ackd_error error;

    (void)state;
    assert_int_equal(heap_parse(profile, text, &error), 0);
    assert_int_equal(profile->period, 524288);
    assert_int_equal(profile->stack_count, 2);
    const struct profile_stack *const stack = profile->stacks[0];
    assert_int_equal(stack->depth, 2);
    assert_int_equal(stack->frames[0], 0xff);
    assert_int_equal(stack->frames[1], 0x1ff);
    assert_int_equal(stack->values[0], 2);
    assert_in_range(stack->values[1], 2425000, 2426000);
    assert_int_equal(stack->values[2], 1);
    assert_in_range(stack->values[3], 1212000, 1213000);
    assert_in_range(profile->stacks[1]->values[0], 524287, 524289);
    assert_int_equal(profile->stacks[1]->values[2], 0);
    profile_free(profile);
}

static void what_is_no_dump_is_refused(void **state)
{
    static const char *const texts[] = {"", "heap profile: 1", "heap_v2/0\n", "heap_v2/x\n"};
    struct ackd_error error;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct profile *const profile = profile_new(&profile_kinds[PROFILE_HEAP], 0);
        char text[64];
        memcpy(text, texts[i], strlen(texts[i]) + 1);
        assert_int_equal(heap_parse(profile, text, &error), -EBADMSG);
        profile_free(profile);
    }
}

/* With jemalloc it has what was allocated; else it says why not. */
static void this_program_says_what_it_has_allocated(void **state)
{
    enum { SIZE = 64 * 1024 * 1024 };
    struct profile *profile = NULL;
    struct ackd_error error;
    char *const memory = malloc(SIZE);

    (void)state;
    memset(memory, 1, SIZE);
    const int status = heap_take(&profile_kinds[PROFILE_HEAP], &profile, &error);
    if (status == 0) {
        assert_in_range(profile_total(profile, 3), SIZE, SIZE + SIZE / 16);
        free(memory);
        profile_free(profile);
        assert_int_equal(heap_take(&profile_kinds[PROFILE_ALLOCS], &profile, &error), 0);
        assert_in_range(profile_total(profile, 1), SIZE, SIZE + SIZE / 16);
        assert_in_range(profile_total(profile, 3), 0, SIZE / 16);
        profile_free(profile);
    } else {
        assert_int_equal(status, -ENOTSUP);
        assert_non_null(strstr(error.text, "jemalloc"));
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_scaled_once),
        cmocka_unit_test(what_is_no_dump_is_refused),
        cmocka_unit_test(this_program_says_what_it_has_allocated),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
