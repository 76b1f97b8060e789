/* SPDX-License-Identifier: MIT
 *
 * ack_queue_test - acks leave as they came, and small ones do not cost a buffer each */
#include "server/ack_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ACK_SIZE = 14, COUNT = 10000 };

/* A buffer of @capacity or more with @count acks, each filled with its number from *@next on. */
static struct buffer *acks_of(struct buffer_pool *pool, size_t capacity, uint32_t count,
                              uint32_t *next)
{
    struct buffer *const buffer = buffer_take(pool, capacity);

    assert_non_null(buffer);
    assert_true(buffer->capacity >= count * ACK_SIZE);
    for (uint32_t i = 0; i < count; i++, (*next)++)
        memset(buffer->data + i * ACK_SIZE, (int)(*next % 251), ACK_SIZE);
    buffer->end = count * ACK_SIZE;
    buffer->tag = count;
    return buffer;
}

/* Takes everything and checks that it is acks 0 .. @count.  Returns how many buffers it was in. */
static int check_order(struct ack_queue *queue, struct buffer_pool *pool, uint32_t count)
{
    int buffer_count = 0;
    uint32_t next = 0;
    struct buffer *buffer;

    while ((buffer = ack_queue_take(queue))) {
        const size_t size = buffer_size(buffer);

        assert_int_equal(size, buffer->tag * ACK_SIZE);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(buffer->data[buffer->begin + i], (next + i / ACK_SIZE) % 251);
        next += buffer->tag;
        buffer_put(pool, buffer);
        buffer_count++;
    }
    assert_int_equal(next, count);
    assert_int_equal(pool->out_count, 0);
    return buffer_count;
}

static void an_empty_queue_has_nothing(void **state)
{
    struct ack_queue queue = {0};

    (void)state;
    assert_null(ack_queue_take(&queue));
}

static void single_acks_share_buffers(void **state)
{
    struct ack_queue queue = {0};
    struct buffer_pool pool = {0};
    uint32_t next = 0;

    (void)state;
    while (next < COUNT)
        ack_queue_put(&queue, &pool, acks_of(&pool, ACK_SIZE, 1, &next));
    assert_true(pool.out_count <= COUNT * ACK_SIZE / 4000 + 1);
    assert_true(check_order(&queue, &pool, COUNT) > 1);
    buffer_pool_deinit(&pool);
}

/* Large buffers pass through as they are: joining them would copy for nothing. */
static void full_buffers_are_not_copied(void **state)
{
    struct ack_queue queue = {0};
    struct buffer_pool pool = {0};
    struct buffer *buffers[4];
    uint32_t next = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        buffers[i] = acks_of(&pool, 16384, 16384 / ACK_SIZE, &next);
        ack_queue_put(&queue, &pool, buffers[i]);
    }
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(ack_queue_take(&queue), buffers[i]);
        assert_null(buffers[i]->next);
        buffer_put(&pool, buffers[i]);
    }
    assert_null(ack_queue_take(&queue));
    buffer_pool_deinit(&pool);
}

static void mixed_sizes_keep_their_order(void **state)
{
    static const uint32_t counts[] = {1, 18, 1, 73, 292, 1, 1, 1170, 5, 4681, 1, 1};
    struct ack_queue queue = {0};
    struct buffer_pool pool = {0};
    uint32_t next = 0;

    (void)state;
    for (int round = 0; round < 3; round++) {
        next = 0;
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            ack_queue_put(&queue, &pool, acks_of(&pool, counts[i] * ACK_SIZE, counts[i], &next));
        check_order(&queue, &pool, next);
    }
    buffer_pool_deinit(&pool);
}

static void putting_goes_on_between_takes(void **state)
{
    struct ack_queue queue = {0};
    struct buffer_pool pool = {0};
    uint32_t put = 0;
    uint32_t taken = 0;

    (void)state;
    while (taken < COUNT) {
        for (int i = 0; i < 300 && put < COUNT; i++)
            ack_queue_put(&queue, &pool, acks_of(&pool, ACK_SIZE, 1, &put));
        struct buffer *const buffer = ack_queue_take(&queue);
        assert_non_null(buffer);
        for (uint32_t i = 0; i < buffer->tag; i++, taken++)
            assert_int_equal(buffer->data[i * ACK_SIZE], taken % 251);
        buffer_put(&pool, buffer);
    }
    assert_null(ack_queue_take(&queue));
    assert_int_equal(pool.out_count, 0);
    buffer_pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_nothing),
        cmocka_unit_test(single_acks_share_buffers),
        cmocka_unit_test(full_buffers_are_not_copied),
        cmocka_unit_test(mixed_sizes_keep_their_order),
        cmocka_unit_test(putting_goes_on_between_takes),
    };
    return cmocka_run_group_tests_name("ack_queue", tests, NULL, NULL);
}
