/* SPDX-License-Identifier: MIT
 *
 * batch_test - what a handler sees of a batch, and what it does to the acks */
#include "handler/batch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "handler/test_batch.h"

static void check_submit(const struct ackd_submit *submit, uint32_t index, uint32_t number,
                         const char *payload)
{
    char id[PACKET_ID_SIZE];

    test_batch_id(number, id);
    assert_int_equal(submit->index, index);
    assert_memory_equal(submit->id, id, sizeof id);
    assert_int_equal(submit->payload_size, strlen(payload));
    assert_memory_equal(submit->payload, payload, strlen(payload));
}

/* Three SUBMITs with CONNs around them; the first two requests were joined. */
static void init_mixed(struct test_batch *test, enum dialect dialect)
{
    test_batch_init(test, dialect);
    test_batch_put(test, COMMAND_CONN, 90, "hello", 5);
    test_batch_put(test, COMMAND_SUBMIT, 1, "one", 3);
    const size_t joined_size = test->size;
    test_batch_put(test, COMMAND_SUBMIT, 2, "", 0);
    test_batch_put(test, COMMAND_CONN, 91, "", 0);
    test_batch_put(test, COMMAND_SUBMIT, 3, "three", 5);
    test_batch_put(test, COMMAND_CONN, 92, "", 0);
    test_batch_ready(test, joined_size);
}

static void check_mixed(struct ackd_batch *batch)
{
    struct ackd_submit submit;

    assert_int_equal(ackd_batch_count(batch), 3);
    assert_true(ackd_batch_next(batch, &submit));
    check_submit(&submit, 0, 1, "one");
    assert_true(ackd_batch_next(batch, &submit));
    check_submit(&submit, 1, 2, "");
    assert_true(ackd_batch_next(batch, &submit));
    check_submit(&submit, 2, 3, "three");
    assert_false(ackd_batch_next(batch, &submit));
    assert_false(ackd_batch_next(batch, &submit));
}

static void conns_are_passed_over(void **state)
{
    struct test_batch test;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    check_mixed(&test.batch);
    batch_rewind(&test.batch);
    check_mixed(&test.batch);
    test_batch_deinit(&test);
}

static void the_end_leaves_the_last_one_alone(void **state)
{
    struct test_batch test;
    struct ackd_submit submit = {0};

    (void)state;
    test_batch_init(&test, DIALECT_SPEC);
    test_batch_put(&test, COMMAND_SUBMIT, 7, "seven", 5);
    test_batch_ready(&test, test.size); /* joined, and nothing behind it */
    assert_true(ackd_batch_next(&test.batch, &submit));
    assert_false(ackd_batch_next(&test.batch, &submit));
    check_submit(&submit, 0, 7, "seven");
    test_batch_deinit(&test);
}

/* --- results --- */

/* Each result reaches its own ack and no other; CONNs keep their 0. */
static void check_results(enum dialect dialect)
{
    static const uint32_t places[] = {1, 2, 4}; /* of the SUBMITs' acks */

    for (uint32_t failed = 0; failed < 3; failed++) {
        struct test_batch test;

        init_mixed(&test, dialect);
        ackd_batch_set_result(&test.batch, failed, ACKD_RESULT_FAILED);
        assert_int_equal(test.batch.error_count, 1);
        for (uint32_t i = 0; i < 6; i++)
            assert_int_equal(test_batch_result(&test.batch, i),
                             i == places[failed] ? ACKD_RESULT_FAILED : ACKD_RESULT_OK);
        test_batch_deinit(&test);
    }
}

static void results_reach_their_acks_between_conns(void **state)
{
    (void)state;
    check_results(DIALECT_SPEC);
    check_results(DIALECT_DEMO);
}

static void results_reach_their_acks_without_conns(void **state)
{
    enum { COUNT = 300 };
    struct test_batch test;

    (void)state;
    test_batch_init(&test, DIALECT_SPEC);
    for (uint32_t i = 0; i < COUNT; i++)
        test_batch_put(&test, COMMAND_SUBMIT, i, "x", 1);
    test_batch_ready(&test, 0);
    for (uint32_t i = 0; i < COUNT; i += 3)
        ackd_batch_set_result(&test.batch, i, (uint8_t)(1 + i % 255));
    assert_int_equal(test.batch.error_count, COUNT / 3);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(test_batch_result(&test.batch, i), i % 3 == 0 ? 1 + i % 255 : 0);
    test_batch_deinit(&test);
}

static void a_result_that_changes_is_counted_once(void **state)
{
    struct test_batch test;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    ackd_batch_set_result(&test.batch, 1, ACKD_RESULT_FAILED);
    ackd_batch_set_result(&test.batch, 1, 7);
    assert_int_equal(test.batch.error_count, 1);
    assert_int_equal(test_batch_result(&test.batch, 2), 7);
    ackd_batch_set_result(&test.batch, 1, ACKD_RESULT_OK);
    ackd_batch_set_result(&test.batch, 1, ACKD_RESULT_OK);
    assert_int_equal(test.batch.error_count, 0);
    assert_int_equal(test_batch_result(&test.batch, 2), ACKD_RESULT_OK);
    test_batch_deinit(&test);
}

static void errors_are_counted_by_batch(void **state)
{
    struct test_batch test;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    ackd_batch_count_error(&test.batch);
    assert_int_equal(counter_read(&test.counters.handler_errors), 1);
    test_batch_deinit(&test);
}

/* --- deferring --- */

static void a_deferred_batch_keeps_its_payloads_if_asked(void **state)
{
    struct test_batch test;
    struct ackd_submit submit;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    assert_true(ackd_batch_next(&test.batch, &submit)); /* iteration begins anew all the same */
    struct ackd_batch *const deferred = ackd_batch_defer(&test.batch, ACKD_KEEP_PAYLOADS);
    assert_non_null(deferred);
    assert_ptr_not_equal(deferred, &test.batch);
    assert_ptr_equal(test.batch.deferred, deferred);
    assert_null(test.batch.acks);
    for (int i = 0; i < BATCH_FRAMES_COUNT; i++) { /* the worker goes on: its bytes are gone */
        memset(test.frames[i], 0, test.batch.frames[i].size);
        free(test.frames[i]);
        test.frames[i] = NULL;
    }
    check_mixed(deferred);
    ackd_batch_set_result(deferred, 2, ACKD_RESULT_FAILED);
    assert_int_equal(test_batch_result(deferred, 4), ACKD_RESULT_FAILED);
    assert_int_equal(deferred->error_count, 1);
    assert_true(deferred->charged_size >= sizeof *deferred + test.size + deferred->acks->capacity);
    test_batch_free(&test, deferred);
    test_batch_deinit(&test);
}

static void a_deferred_batch_has_no_payloads_otherwise(void **state)
{
    struct test_batch test;
    struct ackd_submit submit;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    struct ackd_batch *const deferred = ackd_batch_defer(&test.batch, 0);
    assert_non_null(deferred);
    assert_false(ackd_batch_next(deferred, &submit));
    assert_int_equal(ackd_batch_count(deferred), 3);
    ackd_batch_set_result(deferred, 0, ACKD_RESULT_FAILED);
    assert_int_equal(test_batch_result(deferred, 1), ACKD_RESULT_FAILED);
    assert_true(deferred->charged_size >= sizeof *deferred + deferred->acks->capacity);
    assert_true(deferred->charged_size < sizeof *deferred + test.size + deferred->acks->capacity);
    test_batch_free(&test, deferred);
    test_batch_deinit(&test);
}

static void results_from_before_are_kept(void **state)
{
    struct test_batch test;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    ackd_batch_set_result(&test.batch, 0, ACKD_RESULT_FAILED);
    struct ackd_batch *const deferred = ackd_batch_defer(&test.batch, 0);
    assert_int_equal(deferred->error_count, 1);
    assert_int_equal(test_batch_result(deferred, 1), ACKD_RESULT_FAILED);
    test_batch_free(&test, deferred);
    test_batch_deinit(&test);
}

static void count_wake(void *waker)
{
    int *const count = waker;
    (*count)++;
}

static void a_completed_batch_is_in_the_mailbox(void **state)
{
    int wake_count = 0;
    struct mailbox mailbox = {.wake = count_wake, .waker = &wake_count};
    struct test_batch test;

    (void)state;
    init_mixed(&test, DIALECT_SPEC);
    test.batch.mailbox = &mailbox;
    test.batch.slot = 11;
    test.batch.generation = 22;
    struct ackd_batch *const deferred = ackd_batch_defer(&test.batch, 0);
    assert_int_equal(wake_count, 0);
    ackd_batch_complete(deferred);
    assert_int_equal(wake_count, 1);
    assert_ptr_equal(mailbox_take_all(&mailbox), &deferred->mail);
    assert_int_equal(deferred->slot, 11);
    assert_int_equal(deferred->generation, 22);
    test_batch_free(&test, deferred);
    test_batch_deinit(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conns_are_passed_over),
        cmocka_unit_test(the_end_leaves_the_last_one_alone),
        cmocka_unit_test(results_reach_their_acks_between_conns),
        cmocka_unit_test(results_reach_their_acks_without_conns),
        cmocka_unit_test(a_result_that_changes_is_counted_once),
        cmocka_unit_test(errors_are_counted_by_batch),
        cmocka_unit_test(a_deferred_batch_keeps_its_payloads_if_asked),
        cmocka_unit_test(a_deferred_batch_has_no_payloads_otherwise),
        cmocka_unit_test(results_from_before_are_kept),
        cmocka_unit_test(a_completed_batch_is_in_the_mailbox),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
