/* SPDX-License-Identifier: MIT
 *
 * plan_test - the stream of a seed, its sizes and its form */
#include "load/plan.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct plan make(struct plan_options options)
{
    struct plan plan;
    assert_int_equal(plan_init(&plan, &options, NULL), 0);
    return plan;
}

/* Decodes all frames as a server would; returns their number. */
static uint32_t decode_all(const struct plan *plan, void (*check)(struct bytes payload))
{
    struct bytes input = {plan->frames, plan->offsets[plan->frame_count]};
    struct bytes packet = {0};
    struct request request = {0};
    uint32_t count = 0;

    while (input.size > 0) {
        assert_ptr_equal(input.data, plan->frames + plan->offsets[count]);
        assert_int_equal(frame_take(&input, FRAME_SIZE_LIMIT, &packet), FRAME_READY);
        assert_int_equal(packet_decode(packet, &request), PACKET_OK);
        assert_int_equal(request.command, COMMAND_SUBMIT);
        if (check)
            check(request.payload);
        count++;
    }
    return count;
}

static void check_teaching(struct bytes payload)
{
    assert_in_range(payload.size, PLAN_TEACHING_SIZE_MIN, PLAN_TEACHING_SIZE_MAX);
    const uint8_t *const hex = payload.data + payload.size - 4;
    assert_int_equal(hex[-1], '-');
    for (int i = 0; i < 4; i++)
        assert_true(isxdigit(hex[i]) && !isupper(hex[i]));
    for (const uint8_t *at = payload.data; at < hex; at++)
        assert_true(islower(*at) || *at == '-');
}

static void teaching_payloads_have_the_form_and_the_lengths(void **state)
{
    (void)state;
    struct plan plan = make((struct plan_options){.seed = 1, .teaching = true});
    assert_int_equal(decode_all(&plan, check_teaching), PLAN_FRAME_COUNT_MAX);
    /* The teaching client's frames are 33.6 bytes on average. */
    assert_true(plan_mean_frame_size(&plan) > 33.2 && plan_mean_frame_size(&plan) < 34);
    plan_deinit(&plan);
}

static void a_seed_is_a_stream(void **state)
{
    (void)state;
    struct plan first = make((struct plan_options){.seed = 7, .teaching = true});
    struct plan same = make((struct plan_options){.seed = 7, .teaching = true});
    struct plan other = make((struct plan_options){.seed = 8, .teaching = true});
    assert_int_equal(first.offsets[first.frame_count], same.offsets[same.frame_count]);
    assert_memory_equal(first.frames, same.frames, first.offsets[first.frame_count]);
    assert_true(first.hash == same.hash);
    assert_true(first.hash != other.hash);
    plan_deinit(&first);
    plan_deinit(&same);
    plan_deinit(&other);
}

/* If this fails, results are no longer comparable with those of earlier versions. */
static void the_stream_is_the_same_everywhere(void **state)
{
    (void)state;
    struct plan plan = make((struct plan_options){.seed = 1, .teaching = true});
    assert_true(plan.hash == UINT64_C(0xbf3820ab041d0d26));
    plan_deinit(&plan);
    plan = make((struct plan_options){.seed = 1, .payload_size = 22});
    assert_true(plan.hash == UINT64_C(0xcd860de51a8fa388));
    plan_deinit(&plan);
}

static void sizes_are_exact(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 15, 16, 17, 22, 1000, 65523, PLAN_PAYLOAD_SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct plan plan = make((struct plan_options){.seed = 3, .payload_size = sizes[i]});
        assert_int_equal(decode_all(&plan, NULL), plan.frame_count);
        for (uint32_t frame = 0; frame < plan.frame_count; frame++)
            assert_int_equal(plan.offsets[frame + 1] - plan.offsets[frame],
                             REQUEST_FRAME_SIZE_MIN + sizes[i]);
        assert_true(plan.frame_count == 1 ||
                    plan.offsets[plan.frame_count] <= (uint32_t)PLAN_SIZE_WANTED);
        plan_deinit(&plan);
    }
}

static void connections_start_at_different_frames(void **state)
{
    (void)state;
    struct plan plan = make((struct plan_options){.seed = 1, .teaching = true});
    assert_int_equal(plan_first_frame(&plan, 0), 0);
    assert_int_equal(plan_first_frame(&plan, 1), PLAN_STRIDE);
    assert_true(plan_first_frame(&plan, 999999) < plan.frame_count);
    plan_deinit(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(teaching_payloads_have_the_form_and_the_lengths),
        cmocka_unit_test(a_seed_is_a_stream),
        cmocka_unit_test(the_stream_is_the_same_everywhere),
        cmocka_unit_test(sizes_are_exact),
        cmocka_unit_test(connections_start_at_different_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
