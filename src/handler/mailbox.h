/* SPDX-License-Identifier: MIT
 *
 * mailbox - how any thread hands something to one worker
 *
 *      thread A --post--\                        +--> wake the worker, once per empty mailbox
 *      thread B --post---+--> o -> o -> o  ------+
 *                                  worker --take_all--> in the order of posting
 *
 * Many posters, one taker, no lock: a stack that the taker empties as a whole and turns round.
 * What is posted belongs to the mailbox until it is taken. */
#ifndef HANDLER_MAILBOX_H
#define HANDLER_MAILBOX_H

#include <stdatomic.h>

enum mail_kind {
    MAIL_BATCH, /* a deferred batch that is complete */
    MAIL_TOP,   /* somebody asks for the busiest connections */
};

/* Embedded first in whatever is posted. */
struct mail {
    struct mail *next;
    enum mail_kind kind;
};

struct mailbox {
    _Atomic(struct mail *) newest;
    void (*wake)(void *waker); /* called by posters; any thread */
    void *waker;
};

/* Hands @mail over.  Any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Takes everything that was posted, oldest first; NULL when there is nothing.  The taker only. */
struct mail *mailbox_take_all(struct mailbox *mailbox);

#endif
