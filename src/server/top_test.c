/* SPDX-License-Identifier: MIT
 *
 * top_test - the busiest connections are found, in their order, a bounded number of looks a turn */
#include "server/top.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

enum {
    SESSION_COUNT = TOP_SLICE_COUNT * 2 + 1, /* and slots that were ever taken */
};

/* A table of open sessions that was accepted in second 1, and a question. */
struct fixture {
    struct session_table table;
    struct session *sessions[SESSION_COUNT];
    struct top_scan scan;
    struct top question;
    sem_t answered;
};

static struct fixture fixture;

static int set_up(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    sem_init(&fixture.answered, 0, 0);
    for (int i = 0; i < SESSION_COUNT; i++) {
        struct session *const session = session_table_take(&fixture.table);
        assert_non_null(session);
        session->state = SESSION_OPEN;
        session->socket.fd = -1;
        session->accepted_s = 1;
        fixture.sessions[i] = session;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    top_deinit(&fixture.scan);
    for (int i = 0; i < SESSION_COUNT; i++)
        session_table_put(&fixture.table, fixture.sessions[i]);
    session_table_deinit(&fixture.table);
    sem_destroy(&fixture.answered);
    return 0;
}

static bool is_answered(void)
{
    return atomic_load(&fixture.question.state) == TOP_FILLED;
}

/* Asks at @now_s and scans until there is an answer; returns in how many slices. */
static int ask(uint64_t now_s)
{
    int slice_count = 0;

    fixture.question.answered = &fixture.answered;
    atomic_store(&fixture.question.state, TOP_ASKED);
    top_begin(&fixture.scan, &fixture.question, now_s * NS_PER_S);
    while (!is_answered()) {
        top_scan(&fixture.scan, &fixture.table);
        slice_count++;
    }
    assert_int_equal(sem_trywait(&fixture.answered), 0);
    assert_null(fixture.scan.question);
    return slice_count;
}

static const struct top_list *list_by(enum top_order order)
{
    return &fixture.question.lists[order];
}

static void a_turn_looks_at_a_slice_and_no_more(void **state)
{
    (void)state;
    fixture.question.answered = &fixture.answered;
    atomic_store(&fixture.question.state, TOP_ASKED);
    top_begin(&fixture.scan, &fixture.question, 10 * NS_PER_S);
    for (uint32_t slots = TOP_SLICE_COUNT; slots < SESSION_COUNT; slots += TOP_SLICE_COUNT) {
        top_scan(&fixture.scan, &fixture.table);
        assert_int_equal(fixture.scan.slot, slots);
        assert_false(is_answered());
    }
    top_scan(&fixture.scan, &fixture.table);
    assert_true(is_answered());
    top_scan(&fixture.scan, &fixture.table); /* without a question: nothing */
    assert_int_equal(sem_trywait(&fixture.answered), 0);
    assert_int_equal(sem_trywait(&fixture.answered), -1);
}

static void slots_that_are_free_count_as_looks_too(void **state)
{
    const int slice_count = ask(10);

    (void)state;
    assert_int_equal(slice_count, (SESSION_COUNT + TOP_SLICE_COUNT - 1) / TOP_SLICE_COUNT);
    for (int i = 1; i < SESSION_COUNT; i++)
        session_table_put(&fixture.table, fixture.sessions[i]);
    assert_int_equal(ask(11), slice_count);
    assert_int_equal(list_by(TOP_BY_RATE)->count, 1);
    for (int i = 1; i < SESSION_COUNT; i++) {
        fixture.sessions[i] = session_table_take(&fixture.table);
        fixture.sessions[i]->state = SESSION_OPEN;
    }
}

static void the_most_stand_first_in_each_order(void **state)
{
    (void)state;
    for (int i = 0; i < SESSION_COUNT; i++) {
        fixture.sessions[i]->submit_count = (uint64_t)i * 9;
        fixture.sessions[i]->queued_size = (uint32_t)(SESSION_COUNT - i);
    }
    ask(10);

    const struct top_list *const by_rate = list_by(TOP_BY_RATE);
    const struct top_list *const by_queued = list_by(TOP_BY_QUEUED);
    assert_int_equal(by_rate->count, TOP_COUNT_MAX);
    assert_int_equal(by_queued->count, TOP_COUNT_MAX);
    for (int i = 0; i < TOP_COUNT_MAX; i++) {
        const struct session *const busy = fixture.sessions[SESSION_COUNT - 1 - i];
        assert_int_equal(by_rate->entries[i].slot, busy->slot);
        assert_int_equal((int)by_rate->entries[i].rate, SESSION_COUNT - 1 - i); /* over 9 s */
        assert_int_equal(by_rate->entries[i].submit_count, busy->submit_count);
        assert_int_equal(by_queued->entries[i].queued_size, SESSION_COUNT - i);
        assert_int_equal(by_queued->entries[i].age_s, 9);
    }
}

static void a_rate_is_taken_since_the_last_question(void **state)
{
    struct session *const session = fixture.sessions[7];

    (void)state;
    session->submit_count = UINT32_MAX - 10; /* the part that is remembered wraps */
    ask(10);
    session->submit_count += 3000;
    ask(12);
    assert_int_equal(list_by(TOP_BY_RATE)->entries[0].slot, session->slot);
    assert_int_equal((int)list_by(TOP_BY_RATE)->entries[0].rate, 1500);
}

static void a_new_connection_has_no_part_in_its_slots_past(void **state)
{
    (void)state;
    fixture.sessions[7]->submit_count = 1000000;
    ask(10);
    session_table_put(&fixture.table, fixture.sessions[7]);
    fixture.sessions[7] = session_table_take(&fixture.table);
    fixture.sessions[7]->state = SESSION_OPEN;
    fixture.sessions[7]->accepted_s = 11;
    fixture.sessions[7]->submit_count = 400;
    ask(13);
    assert_int_equal((int)list_by(TOP_BY_RATE)->entries[0].rate, 200);
}

static void who_leaves_during_the_scan_is_left_out(void **state)
{
    (void)state;
    fixture.sessions[0]->submit_count = 1000000;
    fixture.question.answered = &fixture.answered;
    atomic_store(&fixture.question.state, TOP_ASKED);
    top_begin(&fixture.scan, &fixture.question, 10 * NS_PER_S);
    top_scan(&fixture.scan, &fixture.table);
    session_table_put(&fixture.table, fixture.sessions[0]);
    while (!is_answered())
        top_scan(&fixture.scan, &fixture.table);
    assert_int_equal(list_by(TOP_BY_RATE)->count, TOP_COUNT_MAX - 1);
    fixture.sessions[0] = session_table_take(&fixture.table);
    fixture.sessions[0]->state = SESSION_OPEN;
}

static void memory_is_freed_when_nobody_asks(void **state)
{
    (void)state;
    ask(10);
    assert_non_null(fixture.scan.before);
    top_forget(&fixture.scan, 10 * NS_PER_S + TOP_MEMORY_MS * NS_PER_MS);
    assert_non_null(fixture.scan.before);
    top_forget(&fixture.scan, 10 * NS_PER_S + TOP_MEMORY_MS * NS_PER_MS + 1);
    assert_null(fixture.scan.before);
    fixture.sessions[7]->submit_count = 900;
    ask(100);
    assert_int_equal((int)list_by(TOP_BY_RATE)->entries[0].rate, 9); /* since it was accepted */
}

static void a_worker_that_ends_answers(void **state)
{
    (void)state;
    fixture.question.answered = &fixture.answered;
    atomic_store(&fixture.question.state, TOP_ASKED);
    top_begin(&fixture.scan, &fixture.question, 10 * NS_PER_S);
    top_deinit(&fixture.scan);
    assert_true(is_answered());
    assert_int_equal(list_by(TOP_BY_RATE)->count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_turn_looks_at_a_slice_and_no_more),
        TEST(slots_that_are_free_count_as_looks_too),
        TEST(the_most_stand_first_in_each_order),
        TEST(a_rate_is_taken_since_the_last_question),
        TEST(a_new_connection_has_no_part_in_its_slots_past),
        TEST(who_leaves_during_the_scan_is_left_out),
        TEST(memory_is_freed_when_nobody_asks),
        TEST(a_worker_that_ends_answers),
    };
    return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
