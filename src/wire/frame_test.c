/* SPDX-License-Identifier: MIT
 *
 * frame_test - every length at every bound, and every place where a stream can be cut */
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint32_t frame_size_maxes[] = {FRAME_SIZE_MIN, 13, 14, 64, 65536, FRAME_SIZE_LIMIT};

/* What a header alone must lead to: the length is judged before any byte of the packet. */
static enum frame_take judged(uint32_t length, uint32_t frame_size_max)
{
    if (length < 5)
        return FRAME_TOO_SHORT;
    return length > frame_size_max ? FRAME_TOO_LONG : FRAME_PARTIAL;
}

/* Takes from @size bytes in memory of exactly that size; checks that nothing moved unless a
 * frame was taken. */
static enum frame_take take(const uint8_t *data, size_t size, uint32_t frame_size_max)
{
    uint8_t *const exact = malloc(size);
    const struct bytes before = {exact, size};
    struct bytes input = before;
    struct bytes packet = {NULL, 4711};

    assert_true(exact || size == 0);
    if (size > 0)
        memcpy(exact, data, size);
    const enum frame_take took = frame_take(&input, frame_size_max, &packet);
    if (took == FRAME_READY) {
        assert_ptr_equal(packet.data, exact + FRAME_HEADER_SIZE);
        assert_int_equal(packet.size, load_be32(exact) - FRAME_HEADER_SIZE);
        assert_ptr_equal(input.data, exact + load_be32(exact));
        assert_int_equal(input.size, size - load_be32(exact));
    } else {
        assert_memory_equal(&input, &before, sizeof input);
        assert_null(packet.data);
        assert_int_equal(packet.size, 4711);
    }
    free(exact);
    return took;
}

static void check_header(uint32_t length, uint32_t frame_size_max)
{
    uint8_t header[FRAME_HEADER_SIZE];

    store_be32(header, length);
    for (size_t size = 0; size < FRAME_HEADER_SIZE; size++)
        assert_int_equal(take(header, size, frame_size_max), FRAME_PARTIAL);
    assert_int_equal(take(header, FRAME_HEADER_SIZE, frame_size_max),
                     judged(length, frame_size_max));
}

static void headers_at_every_bound(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof frame_size_maxes / sizeof frame_size_maxes[0]; i++) {
        const uint32_t max = frame_size_maxes[i];
        const uint32_t lengths[] = {0,          1,          3,         4,        5,
                                    12,         13,         14,        max - 1,  max,
                                    max + 1,    0x7fffffff, 1u << 8,   1u << 24, 0x80000000,
                                    0x0d000000, 0xfffffffe, 0xffffffff};

        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++)
            check_header(lengths[j], max);
    }
}

/* A frame of @length bytes is ready with its last byte and not one sooner. */
static void check_whole(uint32_t length, uint32_t frame_size_max)
{
    uint8_t *const data = calloc(1, (size_t)length + 1);

    assert_non_null(data);
    store_be32(data, length);
    assert_int_equal(take(data, length - 1, frame_size_max), FRAME_PARTIAL);
    assert_int_equal(take(data, length, frame_size_max), FRAME_READY);
    assert_int_equal(take(data, (size_t)length + 1, frame_size_max), FRAME_READY);
    free(data);
}

static void whole_frames_at_every_bound(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof frame_size_maxes / sizeof frame_size_maxes[0]; i++) {
        const uint32_t max = frame_size_maxes[i];
        const uint32_t lengths[] = {5, 12, 13, 14, max - 1, max};

        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++)
            if (lengths[j] >= FRAME_SIZE_MIN && lengths[j] <= max)
                check_whole(lengths[j], max);
    }
}

static void frames_come_in_order(void **state)
{
    static const uint8_t stream[] = "\0\0\0\5a\0\0\0\6bc\0\0\0\7def\0\0";
    static const char *const packets[] = {"a", "bc", "def"};
    struct bytes input = {stream, sizeof stream - 1};
    struct bytes packet;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(frame_take(&input, 65536, &packet), FRAME_READY);
        assert_int_equal(packet.size, i + 1);
        assert_memory_equal(packet.data, packets[i], i + 1);
    }
    assert_int_equal(frame_take(&input, 65536, &packet), FRAME_PARTIAL);
    assert_int_equal(input.size, 2);
}

/* However a stream of three frames is cut in two, the same frames are whole in its first part. */
static void every_split_point(void **state)
{
    static const uint8_t stream[] = "\0\0\0\5a\0\0\0\6bc\0\0\0\7def";
    static const size_t ends[] = {5, 11, 18};

    (void)state;
    for (size_t cut = 0; cut <= sizeof stream - 1; cut++) {
        struct bytes input = {stream, cut};
        struct bytes packet;
        size_t count = 0;

        while (frame_take(&input, 65536, &packet) == FRAME_READY)
            count++;
        assert_int_equal(count, (cut >= ends[0]) + (cut >= ends[1]) + (cut >= ends[2]));
        assert_int_equal(cut - input.size, count == 0 ? 0 : ends[count - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_at_every_bound),
        cmocka_unit_test(whole_frames_at_every_bound),
        cmocka_unit_test(frames_come_in_order),
        cmocka_unit_test(every_split_point),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
