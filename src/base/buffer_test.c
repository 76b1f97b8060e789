/* SPDX-License-Identifier: MIT
 *
 * buffer_test - the buffer pool: sizes, reuse, and the bound on what it keeps */
#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

static void gives_at_least_what_was_asked(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 257, 65536, 65537, 393216, 393217, 1000000};
    struct buffer_pool pool = {0};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *const buffer = buffer_take(&pool, sizes[i]);
        assert_non_null(buffer);
        assert_true(buffer->capacity >= sizes[i]);
        assert_int_equal(buffer_size(buffer), 0);
        buffer_put(&pool, buffer);
    }
    buffer_pool_deinit(&pool);
}

static void reuses_the_last_one_put(void **state)
{
    struct buffer_pool pool = {0};
    struct buffer *const first = buffer_take(&pool, 100);
    struct buffer *const second = buffer_take(&pool, 100);

    (void)state;
    assert_int_equal(pool.out_count, 2);
    buffer_put(&pool, first);
    buffer_put(&pool, second);
    assert_int_equal(pool.out_count, 0);
    assert_ptr_equal(buffer_take(&pool, 200), second);
    assert_ptr_equal(buffer_take(&pool, 200), first);
    buffer_put(&pool, first);
    buffer_put(&pool, second);
    buffer_put(&pool, NULL);
    buffer_pool_deinit(&pool);
}

static void keeps_no_more_than_its_bound(void **state)
{
    enum { COUNT = 100 };
    struct buffer_pool pool = {0};
    struct buffer *taken[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        taken[i] = buffer_take(&pool, 65536);
    for (int i = 0; i < COUNT; i++)
        buffer_put(&pool, taken[i]);
    assert_true(pool.kept_size > 0);
    assert_true(pool.kept_size <= BUFFER_POOL_KEPT_SIZE_MAX);
    buffer_pool_deinit(&pool);
    assert_int_equal(pool.kept_size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_at_least_what_was_asked),
        cmocka_unit_test(reuses_the_last_one_put),
        cmocka_unit_test(keeps_no_more_than_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
