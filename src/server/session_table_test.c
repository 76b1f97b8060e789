/* SPDX-License-Identifier: MIT
 *
 * session_table_test - slots are reused, and who held one before does not find its successor */
#include "server/session_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = SESSION_CHUNK_COUNT * 3 + 1 };

static struct session *take(struct session_table *table)
{
    struct session *const session = session_table_take(table);

    assert_non_null(session);
    session->state = SESSION_OPEN;
    return session;
}

static void an_empty_table_finds_nothing(void **state)
{
    struct session_table table = {0};
    uint32_t slot = 0;

    (void)state;
    assert_null(session_table_find(&table, 0, 0));
    assert_null(session_table_next(&table, &slot));
    session_table_deinit(&table);
}

static void a_taken_session_is_empty_and_found(void **state)
{
    struct session_table table = {0};

    (void)state;
    struct session *const session = take(&table);
    assert_int_equal(table.open_count, 1);
    assert_ptr_equal(session_table_find(&table, session->slot, session->generation), session);
    assert_null(session_table_find(&table, session->slot, session->generation + 1));
    assert_null(session_table_find(&table, session->slot + 1, 0));
    assert_null(session_table_find(&table, SESSION_CHUNK_COUNT, 0));
    assert_null(session_table_find(&table, UINT32_MAX, 0));
    assert_ptr_equal(session_of_timer(&session->timer), session);
    session_table_put(&table, session);
    session_table_deinit(&table);
}

static void a_slot_that_is_reused_has_a_new_generation(void **state)
{
    struct session_table table = {0};

    (void)state;
    struct session *const first = take(&table);
    const uint32_t slot = first->slot;
    for (uint32_t generation = 0; generation < 1000; generation++) {
        struct session *const session = generation == 0 ? first : take(&table);

        assert_ptr_equal(session, first); /* the last one put: it is warm */
        assert_int_equal(session->generation, generation);
        assert_int_equal(session->slot, slot);
        assert_null(session->stash);
        assert_int_equal(session->queued_size, 0);
        assert_null(session->timer.next);
        assert_null(session->timer.link);
        session->queued_size = 4711; /* which the next one must not see */
        session_table_put(&table, session);
        assert_null(session_table_find(&table, slot, generation));
        assert_null(session_table_find(&table, slot, generation + 1)); /* free */
    }
    assert_int_equal(table.chunk_count, 1);
    session_table_deinit(&table);
}

static void sessions_stay_where_they_are_while_it_grows(void **state)
{
    struct session_table table = {0};
    struct session *sessions[COUNT];
    char seen[SESSION_CHUNK_COUNT * 4] = {0};

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        sessions[i] = take(&table);
        assert_true(sessions[i]->slot < sizeof seen);
        assert_false(seen[sessions[i]->slot]);
        seen[sessions[i]->slot] = true;
    }
    assert_int_equal(table.chunk_count, 4);
    assert_int_equal(table.open_count, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(session_table_find(&table, sessions[i]->slot, 0), sessions[i]);

    for (int i = 0; i < COUNT; i++)
        session_table_put(&table, sessions[i]);
    assert_int_equal(table.open_count, 0);
    for (int i = 0; i < COUNT; i++)
        sessions[i] = take(&table);
    assert_int_equal(table.chunk_count, 4); /* there was room for them */
    for (int i = 0; i < COUNT; i++)
        session_table_put(&table, sessions[i]);
    session_table_deinit(&table);
    assert_int_equal(table.chunk_count, 0);
}

/* What nobody has had is not even written to: a chunk costs only the pages that are used. */
static void what_was_never_taken_is_not_touched(void **state)
{
    struct session_table table = {0};
    struct session pattern;
    uint32_t slot = 0;

    (void)state;
    struct session *const first = take(&table);
    struct session *const second = take(&table);
    struct session *const chunk = table.chunks[0];
    assert_ptr_equal(first, &chunk[0]);
    assert_ptr_equal(second, &chunk[1]);

    /* As malloc(3) may have left it. */
    memset(&pattern, 0xa5, sizeof pattern);
    for (int i = 2; i < SESSION_CHUNK_COUNT; i++)
        chunk[i] = pattern;
    session_table_put(&table, first);
    assert_ptr_equal(take(&table), first); /* before one that is new */
    assert_null(session_table_find(&table, 2, pattern.generation));
    assert_null(session_table_peek(&table, 2));
    assert_ptr_equal(session_table_next(&table, &slot), first);
    assert_ptr_equal(session_table_next(&table, &slot), second);
    assert_null(session_table_next(&table, &slot));
    assert_int_equal(session_table_slot_count(&table), 2);
    for (int i = 2; i < SESSION_CHUNK_COUNT; i++)
        assert_memory_equal(&chunk[i], &pattern, sizeof pattern);

    struct session *const third = session_table_take(&table);
    const struct session fresh = {.slot = 2};
    assert_ptr_equal(third, &chunk[2]);
    assert_memory_equal(third, &fresh, sizeof fresh);
    assert_memory_equal(&chunk[3], &pattern, sizeof pattern);
    third->state = SESSION_OPEN;
    for (slot = 0; slot < 3; slot++)
        session_table_put(&table, &chunk[slot]);
    session_table_deinit(&table);
}

static void iteration_passes_over_free_slots(void **state)
{
    struct session_table table = {0};
    struct session *sessions[COUNT];
    uint32_t slot = 0;
    uint32_t last_slot = 0;
    int count = 0;
    struct session *session;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        sessions[i] = take(&table);
    for (int i = 0; i < COUNT; i++) {
        if (sessions[i]->slot % 3 != 0)
            session_table_put(&table, sessions[i]);
    }
    while ((session = session_table_next(&table, &slot))) {
        assert_int_equal(session->slot % 3, 0);
        assert_int_equal(slot, session->slot + 1);
        assert_true(count == 0 || session->slot > last_slot);
        last_slot = session->slot;
        count++;
        session_table_put(&table, session); /* while it goes on */
    }
    assert_int_equal(count, (COUNT + 2) / 3);
    assert_int_equal(table.open_count, 0);
    session_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(a_taken_session_is_empty_and_found),
        cmocka_unit_test(a_slot_that_is_reused_has_a_new_generation),
        cmocka_unit_test(sessions_stay_where_they_are_while_it_grows),
        cmocka_unit_test(what_was_never_taken_is_not_touched),
        cmocka_unit_test(iteration_passes_over_free_slots),
    };
    return cmocka_run_group_tests_name("session_table", tests, NULL, NULL);
}
