/* SPDX-License-Identifier: MIT
 *
 * watch - the asker's side of what is shown of a server (ackd/watch.h, top.h) */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include <pthread.h>
#include <semaphore.h>

struct top;

/* One in a server.  Questions are made when somebody asks first, one for each worker. */
struct watch {
    pthread_mutex_t lock; /* one asker at a time; no worker takes it */
    sem_t answered;
    struct top *questions;
};

void watch_init(struct watch *watch);

/* The workers are gone. */
void watch_deinit(struct watch *watch);

#endif
