/* SPDX-License-Identifier: MIT
 *
 * order_queue_test - whatever is completed first, the oldest leaves first */
#include "server/order_queue.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { COUNT = 5 };

static void put_all(struct order_queue *queue, struct ackd_batch *batches)
{
    for (int i = 0; i < COUNT; i++) {
        batches[i] = (struct ackd_batch){.slot = (uint32_t)i};
        order_queue_put(queue, &batches[i]);
    }
}

static void an_empty_queue_has_nothing(void **state)
{
    struct order_queue queue = {0};

    (void)state;
    assert_true(order_queue_is_empty(&queue));
    assert_null(order_queue_take(&queue));
    assert_null(order_queue_take_complete(&queue));
}

static void the_oldest_is_taken_complete_or_not(void **state)
{
    struct order_queue queue = {0};
    struct ackd_batch batches[COUNT];

    (void)state;
    for (int round = 0; round < 2; round++) { /* it can be filled again */
        put_all(&queue, batches);
        batches[2].complete = true;
        for (int i = 0; i < COUNT; i++) {
            assert_false(order_queue_is_empty(&queue));
            assert_ptr_equal(order_queue_take(&queue), &batches[i]);
            assert_null(batches[i].next);
        }
        assert_true(order_queue_is_empty(&queue));
    }
}

static void completed_ones_wait_for_those_before_them(void **state)
{
    struct order_queue queue = {0};
    struct ackd_batch batches[COUNT];

    (void)state;
    put_all(&queue, batches);
    batches[1].complete = batches[2].complete = batches[4].complete = true;
    assert_null(order_queue_take_complete(&queue));
    batches[0].complete = true;
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(order_queue_take_complete(&queue), &batches[i]);
    assert_null(order_queue_take_complete(&queue));
    assert_false(order_queue_is_empty(&queue));
    batches[3].complete = true;
    assert_ptr_equal(order_queue_take_complete(&queue), &batches[3]);
    assert_ptr_equal(order_queue_take_complete(&queue), &batches[4]);
    assert_null(order_queue_take_complete(&queue));
    assert_true(order_queue_is_empty(&queue));
}

/* All orders in which five batches can be completed. */
static void every_order_of_completion(void **state)
{
    (void)state;
    for (int code = 0; code < COUNT * COUNT * COUNT * COUNT * COUNT; code++) {
        struct order_queue queue = {0};
        struct ackd_batch batches[COUNT];
        int taken = 0;
        int rest = code;

        put_all(&queue, batches);
        for (int step = 0; step < COUNT; step++, rest /= COUNT) {
            struct ackd_batch *batch;

            batches[rest % COUNT].complete = true; /* some twice: those leave some for the end */
            while ((batch = order_queue_take_complete(&queue)))
                assert_int_equal(batch->slot, taken++);
            assert_true(taken == COUNT || !batches[taken].complete);
        }
        while (order_queue_take(&queue))
            taken++;
        assert_int_equal(taken, COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_nothing),
        cmocka_unit_test(the_oldest_is_taken_complete_or_not),
        cmocka_unit_test(completed_ones_wait_for_those_before_them),
        cmocka_unit_test(every_order_of_completion),
    };
    return cmocka_run_group_tests_name("order_queue", tests, NULL, NULL);
}
