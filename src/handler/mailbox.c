/* SPDX-License-Identifier: MIT
 *
 * mailbox - how any thread hands something to one worker (mailbox.h) */
#include "handler/mailbox.h"

#include <assert.h>
#include <stddef.h>

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

    assert(mailbox->wake);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, mail,
                                                    memory_order_release, memory_order_relaxed));

    /* Who finds the mailbox empty wakes the taker; the others know that somebody has. */
    if (!newest)
        mailbox->wake(mailbox->waker);
}

struct mail *mailbox_take_all(struct mailbox *mailbox)
{
    struct mail *mail = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct mail *oldest = NULL;

    while (mail) {
        struct mail *const next = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = next;
    }
    return oldest;
}
