/* SPDX-License-Identifier: MIT
 *
 * train_test - ids written into frames, and what a short write left */
#include "load/train.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct bench {
    struct plan plan;
    struct train train;
};

static int setup(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    assert_int_equal(
        plan_init(&bench->plan, &(struct plan_options){.seed = 5, .teaching = true}, NULL), 0);
    assert_int_equal(train_init(&bench->train, &bench->plan, NULL), 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *const bench = *state;
    train_deinit(&bench->train);
    plan_deinit(&bench->plan);
    free(bench);
    return 0;
}

/* Checks that @frames are the plan's frames from @first on, with ids from @sequence on. */
static void check_frames(const struct bench *bench, struct bytes frames, uint32_t first,
                         uint32_t count, uint64_t sequence)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t frame = (first + i) % bench->plan.frame_count;
        const uint8_t *const planned = bench->plan.frames + bench->plan.offsets[frame];
        const size_t size = bench->plan.offsets[frame + 1] - bench->plan.offsets[frame];
        const size_t id_offset = FRAME_HEADER_SIZE + PACKET_COMMAND_SIZE;

        assert_true(frames.size >= size);
        assert_memory_equal(frames.data, planned, id_offset);
        assert_true(load_be64(frames.data + id_offset) == id_of(sequence + i));
        assert_memory_equal(frames.data + REQUEST_FRAME_SIZE_MIN, planned + REQUEST_FRAME_SIZE_MIN,
                            size - REQUEST_FRAME_SIZE_MIN);
        frames = bytes_skip(frames, size);
    }
    assert_int_equal(frames.size, 0);
}

static void ids_are_written_into_a_run_of_frames(void **state)
{
    struct bench *const bench = *state;
    uint64_t next_id;
    struct bytes frames = train_load(&bench->train, 3, 200, id_of(9990), &next_id);
    check_frames(bench, frames, 3, 200, 9990);
    assert_true(next_id == id_of(9990 + 200));
    frames = train_load(&bench->train, 0, 1, id_of(ID_COUNT - 1), &next_id);
    check_frames(bench, frames, 0, 1, ID_COUNT - 1);
    assert_true(next_id == id_of(0));
}

static void a_run_may_go_past_the_end(void **state)
{
    struct bench *const bench = *state;
    const uint32_t count = bench->train.frame_count;
    uint64_t next_id;
    check_frames(bench, train_load(&bench->train, count - 1, count, id_of(1), &next_id), count - 1,
                 count, 1);
}

static void every_short_write_is_cut_at_its_frame(void **state)
{
    struct bench *const bench = *state;
    const uint32_t first = bench->train.frame_count - 4;
    uint64_t next_id;
    const struct bytes frames = train_load(&bench->train, first, 9, id_of(1), &next_id);
    uint32_t whole_count = 0;
    uint32_t end = 0;

    for (uint32_t size = 0; size <= frames.size; size++) {
        uint32_t rest_size;
        if (size - end == load_be32(frames.data + end)) {
            end = size;
            whole_count++;
        }
        assert_int_equal(train_whole_count(&bench->train, first, size, &rest_size), whole_count);
        assert_int_equal(rest_size, size - end);
        if (size == frames.size)
            break;
    }
    assert_int_equal(whole_count, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ids_are_written_into_a_run_of_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(a_run_may_go_past_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(every_short_write_is_cut_at_its_frame, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
