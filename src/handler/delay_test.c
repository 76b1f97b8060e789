/* SPDX-License-Identifier: MIT
 *
 * delay_test - never early, in order, and everything answered when it ends */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "handler/handlers.h"
#include "handler/test_batch.h"

/* A worker's mailbox, whose taker waits. */
struct inbox {
    struct mailbox mailbox;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    int wake_count; /* not yet taken */
};

static void wake(void *waker)
{
    struct inbox *const inbox = waker;

    pthread_mutex_lock(&inbox->mutex);
    inbox->wake_count++;
    pthread_cond_signal(&inbox->woken);
    pthread_mutex_unlock(&inbox->mutex);
}

static void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){.mailbox = {.wake = wake, .waker = inbox},
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .woken = PTHREAD_COND_INITIALIZER};
}

/* Waits for batches and takes them. */
static struct mail *wait_for_mail(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    while (inbox->wake_count == 0)
        pthread_cond_wait(&inbox->woken, &inbox->mutex);
    inbox->wake_count--;
    pthread_mutex_unlock(&inbox->mutex);
    return mailbox_take_all(&inbox->mailbox);
}

static struct ackd_handler make(uint64_t delay_ns)
{
    const struct ackd_handler_options options = {0};
    struct ackd_handler handler;
    struct ackd_error error;

    if (handler_delay_new(delay_ns, &options, &handler, &error) < 0)
        fail_msg("%s", error.text);
    return handler;
}

/* Gives @handler a batch of @count SUBMITs, for @inbox; the caller knows it by @slot. */
static void hand_over(const struct ackd_handler *handler, struct test_batch *test,
                      struct inbox *inbox, uint32_t slot, uint32_t count)
{
    test_batch_init(test, DIALECT_SPEC);
    for (uint32_t i = 0; i < count; i++)
        test_batch_put(test, COMMAND_SUBMIT, i, "payload", 7);
    test_batch_ready(test, 0);
    test->batch.mailbox = &inbox->mailbox;
    test->batch.slot = slot;
    handler->on_batch(handler->self, &test->batch);
}

/* The answer to @test, which is not freed yet. */
static void take_back(struct test_batch *test, struct ackd_batch *deferred)
{
    assert_ptr_equal(deferred, test->batch.deferred);
    assert_int_equal(deferred->error_count, 0);
    test_batch_free(test, deferred);
    test_batch_deinit(test);
}

static void an_answer_is_late_and_a_success(void **state)
{
    const uint64_t delay_ns = 30 * NS_PER_MS;
    const struct ackd_handler handler = make(delay_ns);
    struct inbox inbox;
    struct test_batch test;
    struct ackd_submit submit;

    (void)state;
    inbox_init(&inbox);
    const uint64_t begin_ns = clock_monotonic_ns();
    hand_over(&handler, &test, &inbox, 0, 3);
    assert_non_null(test.batch.deferred);
    assert_false(ackd_batch_next(test.batch.deferred, &submit)); /* it keeps no payloads */
    struct mail *const mail = wait_for_mail(&inbox);
    assert_true(clock_monotonic_ns() - begin_ns >= delay_ns);
    assert_null(mail->next);
    struct ackd_batch *const deferred = (struct ackd_batch *)(void *)mail;
    assert_int_equal(ackd_batch_count(deferred), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(test_batch_result(deferred, i), ACKD_RESULT_OK);
    take_back(&test, deferred);
    handler.free(handler.self);
}

static void note_thread(void *self)
{
    pthread_t *const thread = self;

    *thread = pthread_self();
}

/* What the options ask for has been done on the thread that answers, before it did. */
static void its_thread_is_introduced(void **state)
{
    pthread_t thread = pthread_self();
    const struct ackd_handler_options options = {.on_thread = note_thread,
                                                 .on_thread_self = &thread};
    struct ackd_handler handler;
    struct inbox inbox;
    struct test_batch test;

    (void)state;
    inbox_init(&inbox);
    assert_int_equal(handler_delay_new(0, &options, &handler, NULL), 0);
    hand_over(&handler, &test, &inbox, 0, 1);
    struct mail *const mail = wait_for_mail(&inbox);
    assert_false(pthread_equal(thread, pthread_self()));
    take_back(&test, (struct ackd_batch *)(void *)mail);
    handler.free(handler.self);
}

/* Each of a train is as late as the first. */
static void none_of_many_is_early_or_out_of_order(void **state)
{
    enum { COUNT = 20 };
    const uint64_t delay_ns = 10 * NS_PER_MS;
    const struct ackd_handler handler = make(delay_ns);
    struct test_batch tests[COUNT];
    uint64_t begin_ns[COUNT];
    struct inbox inbox;
    uint32_t taken = 0;

    (void)state;
    inbox_init(&inbox);
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct timespec apart = {.tv_nsec = (long)NS_PER_MS};

        begin_ns[i] = clock_monotonic_ns();
        hand_over(&handler, &tests[i], &inbox, i, 1);
        nanosleep(&apart, NULL);
    }
    while (taken < COUNT) {
        struct mail *mail = wait_for_mail(&inbox);
        const uint64_t now_ns = clock_monotonic_ns();

        while (mail) {
            struct ackd_batch *const deferred = (struct ackd_batch *)(void *)mail;
            mail = mail->next;
            assert_int_equal(deferred->slot, taken);
            assert_true(now_ns - begin_ns[taken] >= delay_ns);
            take_back(&tests[taken++], deferred);
        }
    }
    handler.free(handler.self);
}

static void without_delay_the_other_thread_answers(void **state)
{
    const struct ackd_handler handler = make(0);
    struct inbox inbox;
    struct test_batch test;

    (void)state;
    inbox_init(&inbox);
    for (int i = 0; i < 100; i++) {
        hand_over(&handler, &test, &inbox, 0, 1);
        take_back(&test, (struct ackd_batch *)(void *)wait_for_mail(&inbox));
    }
    handler.free(handler.self);
}

/* The contract of ackd_handler's free: every deferred batch has been completed. */
static void its_end_answers_everything_at_once(void **state)
{
    enum { COUNT = 50 };
    const struct ackd_handler handler = make(3600 * NS_PER_S);
    struct test_batch tests[COUNT];
    struct inbox inbox;
    uint32_t taken = 0;

    (void)state;
    inbox_init(&inbox);
    for (uint32_t i = 0; i < COUNT; i++)
        hand_over(&handler, &tests[i], &inbox, i, 2);
    assert_int_equal(inbox.wake_count, 0);
    handler.free(handler.self);
    for (struct mail *mail = mailbox_take_all(&inbox.mailbox); mail;) {
        struct ackd_batch *const deferred = (struct ackd_batch *)(void *)mail;
        mail = mail->next;
        assert_int_equal(deferred->slot, taken);
        take_back(&tests[taken++], deferred);
    }
    assert_int_equal(taken, COUNT);
}

/* A delay beyond the clock's end is a long one, not none. */
static void a_delay_without_end_does_not_wrap(void **state)
{
    const struct ackd_handler longest = make(UINT64_MAX);
    const struct ackd_handler shorter = make(20 * NS_PER_MS);
    struct inbox late;
    struct inbox soon;
    struct test_batch late_test;
    struct test_batch soon_test;

    (void)state;
    inbox_init(&late);
    inbox_init(&soon);
    hand_over(&longest, &late_test, &late, 0, 1);
    hand_over(&shorter, &soon_test, &soon, 0, 1);
    take_back(&soon_test, (struct ackd_batch *)(void *)wait_for_mail(&soon));
    assert_null(mailbox_take_all(&late.mailbox));
    shorter.free(shorter.self);
    longest.free(longest.self);
    take_back(&late_test, (struct ackd_batch *)(void *)mailbox_take_all(&late.mailbox));
}

/* --- several workers --- */

enum {
    WORKER_COUNT = 3,
    BATCH_COUNT = 200, /* of each */
};

struct worker {
    const struct ackd_handler *handler;
    struct inbox inbox;
    pthread_t thread;
    bool in_order;
};

/* A worker's thread: hands batches over and takes what comes back. */
static void *work(void *context)
{
    struct worker *const worker = context;
    struct test_batch *const tests = calloc(BATCH_COUNT, sizeof *tests);
    uint32_t taken = 0;

    worker->in_order = tests != NULL;
    for (uint32_t i = 0; i < BATCH_COUNT && tests; i++)
        hand_over(worker->handler, &tests[i], &worker->inbox, i, 1);
    while (taken < BATCH_COUNT && tests) {
        for (struct mail *mail = wait_for_mail(&worker->inbox); mail;) {
            struct ackd_batch *const deferred = (struct ackd_batch *)(void *)mail;
            mail = mail->next;
            worker->in_order = worker->in_order && deferred->slot == taken;
            test_batch_free(&tests[taken], deferred);
            test_batch_deinit(&tests[taken++]);
        }
    }
    free(tests);
    return NULL;
}

static void each_worker_gets_its_own_in_order(void **state)
{
    const struct ackd_handler handler = make(NS_PER_MS);
    struct worker workers[WORKER_COUNT];

    (void)state;
    for (int i = 0; i < WORKER_COUNT; i++) {
        workers[i] = (struct worker){.handler = &handler};
        inbox_init(&workers[i].inbox);
    }
    for (int i = 0; i < WORKER_COUNT; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < WORKER_COUNT; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].in_order);
    }
    handler.free(handler.self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_late_and_a_success),
        cmocka_unit_test(its_thread_is_introduced),
        cmocka_unit_test(none_of_many_is_early_or_out_of_order),
        cmocka_unit_test(without_delay_the_other_thread_answers),
        cmocka_unit_test(its_end_answers_everything_at_once),
        cmocka_unit_test(a_delay_without_end_does_not_wrap),
        cmocka_unit_test(each_worker_gets_its_own_in_order),
    };
    return cmocka_run_group_tests_name("delay", tests, NULL, NULL);
}
