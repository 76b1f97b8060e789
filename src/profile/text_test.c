/* SPDX-License-Identifier: MIT
 *
 * text_test - each kind has the first lines that pprof knows, and names for people */
#include "profile/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "profile/kinds.h"

/* The text of a profile of @kind with one stack.  free() it. */
static char *text_of(int kind, const int64_t *values, const char *label, int debug)
{
    const uintptr_t frames[] = {(uintptr_t)units_parse_count, 0x10, (uintptr_t)units_parse_size};
    struct profile *const profile = profile_new(&profile_kinds[kind], 524288);
    struct places *const places = places_new();
    struct blob blob = {0};

    profile_add(profile, frames, 3, label, values);
    text_write(&blob, profile, debug, places);
    blob_append(&blob, "", 1);
    assert_false(blob.failed);
    places_free(places);
    profile_free(profile);
    return blob.data;
}

static void check_head(int kind, const int64_t *values, const char *head, const char *row)
{
    char *const text = text_of(kind, values, NULL, 1);

    assert_memory_equal(text, head, strlen(head));
    assert_non_null(strstr(text, row));
    assert_non_null(strstr(text, "\tunits_parse_count\tsrc/base/units.c:"));
    free(text);
}

static void each_kind_has_its_head(void **state)
{
    (void)state;
    check_head(PROFILE_HEAP, (const int64_t[]){9, 900, 4, 400},
               "heap profile: 4: 400 [9: 900] @ heap/1048576\n", "4: 400 [9: 900] @ 0x");
    check_head(PROFILE_MUTEX, (const int64_t[]){2, 77},
               "--- mutex:\ncycles/second=1000000000\nsampling period=1\n", "\n77 2 @ 0x");
    check_head(PROFILE_BLOCK, (const int64_t[]){2, 77},
               "--- contention:\ncycles/second=1000000000\n", "\n77 2 @ 0x");
    check_head(PROFILE_THREADCREATE, (const int64_t[]){3}, "threadcreate profile: total 3\n",
               "\n3 @ 0x");
}

static void what_is_not_known_is_an_address(void **state)
{
    char *const text = text_of(PROFILE_THREADCREATE, (const int64_t[]){1}, NULL, 1);

    (void)state;
    assert_non_null(strstr(text, "#\t0x10\t[nothing is mapped there any more]\n"));
    free(text);
}

static void threads_are_listed_one_by_one(void **state)
{
    char *const text = text_of(PROFILE_GOROUTINE, (const int64_t[]){2}, "pool", 2);

    (void)state;
    assert_memory_equal(text, "thread pool (2 of this name and stack):\n\t0x", 43);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_head),
        cmocka_unit_test(what_is_not_known_is_an_address),
        cmocka_unit_test(threads_are_listed_one_by_one),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
