/* SPDX-License-Identifier: MIT
 *
 * mailbox_test - nothing is lost, each poster's order is kept, and an empty box wakes once */
#include "handler/mailbox.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct letter {
    struct mail mail;
    int poster;
    int number;
};

/* A box whose taker waits for wake-ups. */
struct taker {
    struct mailbox mailbox;
    sem_t woken;
    _Atomic int wake_count;
};

static void wake(void *waker)
{
    struct taker *const taker = waker;

    atomic_fetch_add(&taker->wake_count, 1);
    sem_post(&taker->woken);
}

static void init(struct taker *taker)
{
    *taker = (struct taker){.mailbox = {.wake = wake, .waker = taker}};
    assert_int_equal(sem_init(&taker->woken, 0, 0), 0);
}

static int wakes(struct taker *taker)
{
    return atomic_load(&taker->wake_count);
}

static void an_empty_box_has_nothing(void **state)
{
    struct taker taker;

    (void)state;
    init(&taker);
    assert_null(mailbox_take_all(&taker.mailbox));
    assert_int_equal(wakes(&taker), 0);
    sem_destroy(&taker.woken);
}

static void the_first_in_an_empty_box_wakes(void **state)
{
    struct taker taker;
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};

    (void)state;
    init(&taker);
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 3; i++) {
            mailbox_post(&taker.mailbox, &letters[i].mail);
            assert_int_equal(wakes(&taker), round);
        }
        struct mail *mail = mailbox_take_all(&taker.mailbox);
        for (int i = 0; i < 3; i++, mail = mail->next)
            assert_ptr_equal(mail, &letters[i].mail);
        assert_null(mail);
        assert_null(mailbox_take_all(&taker.mailbox));
    }
    sem_destroy(&taker.woken);
}

/* --- many posters --- */

enum {
    POSTER_COUNT = 4,
    LETTER_COUNT = 5000, /* of each */
};

struct poster {
    struct taker *taker;
    struct letter letters[LETTER_COUNT];
    pthread_t thread;
};

static void *post_all(void *context)
{
    struct poster *const poster = context;

    for (int i = 0; i < LETTER_COUNT; i++)
        mailbox_post(&poster->taker->mailbox, &poster->letters[i].mail);
    return NULL;
}

/* Takes until everything has come.  Returns how many times there was something. */
static int take_everything(struct taker *taker, int *next_numbers)
{
    int take_count = 0;

    for (int taken = 0; taken < POSTER_COUNT * LETTER_COUNT;) {
        assert_int_equal(sem_wait(&taker->woken), 0);
        struct mail *mail = mailbox_take_all(&taker->mailbox);
        take_count += mail != NULL;
        for (; mail; mail = mail->next, taken++) {
            const struct letter *const letter = (const struct letter *)(void *)mail;
            assert_int_equal(letter->number, next_numbers[letter->poster]);
            next_numbers[letter->poster]++;
        }
    }
    return take_count;
}

static void the_order_of_each_poster_is_kept(void **state)
{
    struct poster *const posters = calloc(POSTER_COUNT, sizeof *posters);
    int next_numbers[POSTER_COUNT] = {0};
    struct taker taker;

    (void)state;
    assert_non_null(posters);
    init(&taker);
    for (int i = 0; i < POSTER_COUNT; i++) {
        posters[i].taker = &taker;
        for (int j = 0; j < LETTER_COUNT; j++)
            posters[i].letters[j] = (struct letter){.poster = i, .number = j};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    const int take_count = take_everything(&taker, next_numbers);
    for (int i = 0; i < POSTER_COUNT; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(next_numbers[i], LETTER_COUNT);
    }
    /* One wake-up for each time that the box was not empty any more, and not one too many. */
    assert_int_equal(wakes(&taker), take_count);
    assert_int_equal(sem_trywait(&taker.woken), -1);
    assert_null(mailbox_take_all(&taker.mailbox));
    sem_destroy(&taker.woken);
    free(posters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_box_has_nothing),
        cmocka_unit_test(the_first_in_an_empty_box_wakes),
        cmocka_unit_test(the_order_of_each_poster_is_kept),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
