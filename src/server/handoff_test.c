/* SPDX-License-Identifier: MIT
 *
 * handoff_test - who gets a new connection, with workers that are nothing but their counters
 *
 * That workers open what they are given is tested in server_test and, with both engines and both
 * kinds of listener, in tests/contract/i_engines.py. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/worker.h"

enum {
    WORKERS_MAX = 8,
    CONN_COUNT = 20000,
    CONNS_PER_THREAD = 20000,
};

struct rig {
    struct worker_shared shared;
    struct worker *workers;
};

static void do_not_wake(void *waker)
{
    (void)waker;
}

static void setup(struct rig *rig, uint32_t count)
{
    const size_t size = count * sizeof(struct worker);

    *rig = (struct rig){.workers = aligned_alloc(CACHE_LINE_SIZE, size)};
    assert_non_null(rig->workers);
    memset(rig->workers, 0, size);
    rig->shared.workers = rig->workers;
    rig->shared.worker_count = count;
    for (uint32_t i = 0; i < count; i++) {
        rig->workers[i].shared = &rig->shared;
        rig->workers[i].index = i;
        handoff_init(&rig->workers[i].handoff, do_not_wake, &rig->workers[i]);
    }
}

static void open_here(struct worker *worker, const struct arrival *arrival)
{
    (void)arrival;
    counter_add(&worker->counters.connections_open, 1);
}

static void close_here(struct worker *worker)
{
    counter_add(&worker->counters.connections_open, (uint64_t)-1);
    atomic_fetch_sub(&worker->shared->admission.conn_count, 1);
}

/* What a worker does with a connection that it has accepted. */
static bool accept_one(struct worker *worker)
{
    atomic_fetch_add(&worker->shared->admission.conn_count, 1);
    const struct arrival arrival = {.fd = 7, .dialect = DIALECT_DEMO};
    if (handoff_give(worker, &arrival))
        return true;
    open_here(worker, &arrival);
    return false;
}

static uint64_t open_count(const struct worker *worker)
{
    return counter_read(&worker->counters.connections_open);
}

static void take_all(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->shared.worker_count; i++)
        handoff_take(&rig->workers[i], open_here);
}

static void teardown(struct rig *rig)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < rig->shared.worker_count; i++) {
        assert_int_equal(rig->workers[i].handoff.coming, 0);
        total += open_count(&rig->workers[i]);
    }
    assert_int_equal(total, rig->shared.admission.conn_count);
    free(rig->workers);
}

/* The most that a worker may have: the mean, rounded up, and an eighth of it. */
static uint64_t share(const struct rig *rig)
{
    const uint64_t total = rig->shared.admission.conn_count;
    const uint64_t count = rig->shared.worker_count;

    return (total + count - 1) / count + total / count / HANDOFF_SLACK_PART;
}

static void check_shares(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->shared.worker_count; i++)
        assert_true(open_count(&rig->workers[i]) <= share(rig));
}

static void one_worker_keeps_everything(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, 1);
    for (int i = 0; i < 100; i++)
        assert_false(accept_one(rig.workers));
    teardown(&rig);
}

/* In tests of a single worker it knows no others. */
static void a_worker_without_others_keeps_everything(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, 1);
    rig.shared.worker_count = 0;
    assert_false(accept_one(rig.workers));
    rig.shared.worker_count = 1;
    teardown(&rig);
}

/* However they arrive: all at one worker, or as a hash has it. */
static void nobody_ever_has_more_than_its_share(void **state)
{
    unsigned seed = 5;

    (void)state;
    for (uint32_t count = 2; count <= WORKERS_MAX; count++) {
        for (int one_door = 0; one_door < 2; one_door++) {
            struct rig rig;

            setup(&rig, count);
            for (int i = 0; i < CONN_COUNT; i++) {
                accept_one(&rig.workers[one_door ? 1 : (uint32_t)rand_r(&seed) % count]);
                if (rand_r(&seed) % 3 == 0)
                    take_all(&rig);
                check_shares(&rig);
            }
            take_all(&rig);
            check_shares(&rig);
            teardown(&rig);
        }
    }
}

static void few_connections_are_even(void **state)
{
    unsigned seed = 6;

    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct rig rig;

        setup(&rig, WORKERS_MAX);
        for (int i = 0; i < WORKERS_MAX; i++)
            accept_one(&rig.workers[(uint32_t)rand_r(&seed) % WORKERS_MAX]);
        take_all(&rig);
        for (int i = 0; i < WORKERS_MAX; i++)
            assert_int_equal(open_count(&rig.workers[i]), 1);
        teardown(&rig);
    }
}

/* A hash spreads many well enough: giving away costs, and is the exception. */
static void few_of_many_are_given_away(void **state)
{
    uint64_t handed_count = 0;
    unsigned seed = 7;
    struct rig rig;

    (void)state;
    setup(&rig, WORKERS_MAX);
    for (int i = 0; i < CONN_COUNT; i++)
        handed_count += accept_one(&rig.workers[(uint32_t)rand_r(&seed) % WORKERS_MAX]);
    take_all(&rig);
    assert_true(handed_count > 0);
    assert_true(handed_count < CONN_COUNT / 50);
    teardown(&rig);
}

/* Connections that end unevenly are not moved; new ones go where there is room. */
static void new_ones_fill_what_emptied(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, 4);
    for (int i = 0; i < 400; i++)
        accept_one(&rig.workers[i % 4]);
    take_all(&rig);
    for (int i = 0; i < 90; i++)
        close_here(&rig.workers[2]);
    for (int i = 0; i < 90; i++)
        accept_one(&rig.workers[0]);
    take_all(&rig);
    assert_true(open_count(&rig.workers[2]) >= 75);
    check_shares(&rig);
    teardown(&rig);
}

static void what_was_given_arrives_as_it_was(void **state)
{
    struct rig rig;
    struct mail *mail;

    (void)state;
    setup(&rig, 2);
    assert_false(accept_one(&rig.workers[0]));
    assert_true(accept_one(&rig.workers[0]));
    assert_int_equal(rig.workers[1].handoff.coming, 1);
    assert_int_equal(counter_read(&rig.workers[0].counters.connections_handed), 1);
    take_all(&rig);
    mail = mailbox_take_all(&rig.workers[1].handoff.mailbox);
    assert_null(mail);
    assert_int_equal(open_count(&rig.workers[1]), 1);
    teardown(&rig);
}

static void a_shut_door_is_not_knocked_at(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, 2);
    accept_one(&rig.workers[0]);
    assert_true(accept_one(&rig.workers[0]));
    assert_false(handoff_shut(&rig.workers[1])); /* one is coming */
    take_all(&rig);
    assert_true(handoff_shut(&rig.workers[1]));
    assert_true(handoff_shut(&rig.workers[1]));
    for (int i = 0; i < 10; i++)
        assert_false(accept_one(&rig.workers[0]));
    rig.workers[1].handoff.coming = 0;
    teardown(&rig);
}

/* A worker's thread: accepts, takes what it is given, and ends when nothing can come any more. */
static void *work(void *context)
{
    struct worker *const worker = context;

    for (int i = 0; i < CONNS_PER_THREAD; i++) {
        if (worker->index % 2 == 0) /* the others get theirs from these */
            accept_one(worker);
        handoff_take(worker, open_here);
    }
    while (!handoff_shut(worker))
        handoff_take(worker, open_here);
    return NULL;
}

static void none_is_lost_between_threads(void **state)
{
    pthread_t threads[WORKERS_MAX];
    struct rig rig;

    (void)state;
    setup(&rig, WORKERS_MAX);
    for (int i = 0; i < WORKERS_MAX; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &rig.workers[i]), 0);
    for (int i = 0; i < WORKERS_MAX; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(rig.shared.admission.conn_count, WORKERS_MAX / 2 * CONNS_PER_THREAD);
    for (int i = 0; i < WORKERS_MAX; i++)
        rig.workers[i].handoff.coming = 0;
    teardown(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_keeps_everything),
        cmocka_unit_test(a_worker_without_others_keeps_everything),
        cmocka_unit_test(nobody_ever_has_more_than_its_share),
        cmocka_unit_test(few_connections_are_even),
        cmocka_unit_test(few_of_many_are_given_away),
        cmocka_unit_test(new_ones_fill_what_emptied),
        cmocka_unit_test(what_was_given_arrives_as_it_was),
        cmocka_unit_test(a_shut_door_is_not_knocked_at),
        cmocka_unit_test(none_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
