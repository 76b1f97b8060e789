/* SPDX-License-Identifier: MIT
 *
 * pprof_test - what is written has the form of profile.proto; tests/profile asks go tool pprof */
#include "profile/pprof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/units.h"
#include "profile/kinds.h"

enum { UNPACKED_SIZE = 64 * 1024, FIELD_COUNT = 16 };

/* A profile taken apart: how often each field stands there, and the text of all strings. */
struct parts {
    uint8_t bytes[UNPACKED_SIZE];
    size_t size;
    size_t counts[FIELD_COUNT];
    uint64_t numbers[FIELD_COUNT]; /* the last of each */
};

static uint64_t read_number(struct parts *parts, size_t *at)
{
    uint64_t number = 0;

    for (unsigned int shift = 0;; shift += 7) {
        assert_true(*at < parts->size);
        const uint8_t byte = parts->bytes[(*at)++];
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
}

static void take_apart(struct parts *parts)
{
    for (size_t at = 0; at < parts->size;) {
        const uint64_t key = read_number(parts, &at);
        assert_in_range(key >> 3, 1, FIELD_COUNT - 1);
        parts->counts[key >> 3]++;
        if ((key & 7) == 0) {
            parts->numbers[key >> 3] = read_number(parts, &at);
        } else {
            assert_int_equal(key & 7, 2);
            const uint64_t size = read_number(parts, &at);
            assert_true(size <= parts->size - at);
            at += size;
        }
    }
}

/* Writes @profile, unpacks it and takes it apart.  free() the result. */
static struct parts *write_and_read(const struct profile *profile)
{
    struct parts *const parts = calloc(1, sizeof *parts);
    struct places *const places = places_new();
    struct blob blob = {0};
    z_stream stream = {.next_out = parts->bytes, .avail_out = UNPACKED_SIZE};

    pprof_write(&blob, profile, places);
    assert_false(blob.failed);
    stream.next_in = (Bytef *)blob.data;
    stream.avail_in = (uInt)blob.size;
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    parts->size = stream.total_out;
    inflateEnd(&stream);
    free(blob.data);
    places_free(places);
    take_apart(parts);
    return parts;
}

static bool has_text(const struct parts *parts, const char *text)
{
    return memmem(parts->bytes, parts->size, text, strlen(text)) != NULL;
}

static void everything_is_in_it(void **state)
{
    const uintptr_t frames[] = {(uintptr_t)units_parse_count};
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_CPU], 10000000);

    (void)state;
    profile->begin_ns = 12345;
    profile->duration_ns = 678;
    profile_add(profile, frames, 1, "worker", (const int64_t[]){3, 30000000});
    profile_add(profile, NULL, 0, "other", (const int64_t[]){1, 10000000});
    struct parts *const parts = write_and_read(profile);
    assert_int_equal(parts->counts[1], 2);
    assert_int_equal(parts->counts[2], 2);
    assert_true(parts->counts[3] > 2);
    assert_int_equal(parts->counts[4], 2);
    assert_true(parts->counts[5] >= 2);
    assert_int_equal(parts->numbers[9], 12345);
    assert_int_equal(parts->numbers[10], 678);
    assert_int_equal(parts->numbers[12], 10000000);
    assert_int_equal(parts->counts[13], 0);
    assert_int_equal(parts->counts[14], 1);
    assert_true(has_text(parts, "units_parse_count"));
    assert_true(has_text(parts, "src/base/units.c"));
    assert_true(has_text(parts, "worker"));
    assert_true(has_text(parts, "profile_pprof_test-" ACKD_VERSION));
    assert_true(has_text(parts, "no stack"));
    free(parts);
    profile_free(profile);
}

static void nothing_is_a_profile_too(void **state)
{
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_BLOCK], 1);

    (void)state;
    struct parts *const parts = write_and_read(profile);
    assert_int_equal(parts->counts[1], 2);
    assert_int_equal(parts->counts[2], 0);
    free(parts);
    profile_free(profile);
}

static void stacks_that_became_zero_are_left_out(void **state)
{
    const uintptr_t frames[] = {(uintptr_t)units_parse_count};
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_MUTEX], 1);

    (void)state;
    profile_add(profile, frames, 1, NULL, (const int64_t[]){1, 5});
    profile_subtract(profile, profile);
    struct parts *const parts = write_and_read(profile);
    assert_int_equal(parts->counts[2], 0);
    free(parts);
    profile_free(profile);
}

static void what_is_missing_is_said(void **state)
{
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_CPU], 1);

    (void)state;
    profile->lost_count = 17;
    struct parts *const parts = write_and_read(profile);
    assert_int_equal(parts->counts[13], 1);
    assert_true(has_text(parts, "17 samples found no room"));
    free(parts);
    profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_in_it),
        cmocka_unit_test(nothing_is_a_profile_too),
        cmocka_unit_test(stacks_that_became_zero_are_left_out),
        cmocka_unit_test(what_is_missing_is_said),
    };
    return cmocka_run_group_tests_name("pprof", tests, NULL, NULL);
}
