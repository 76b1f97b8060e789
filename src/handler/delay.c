/* SPDX-License-Identifier: MIT
 *
 * delay - the handler that answers later, from another thread
 *
 *      worker 0 --\
 *      worker 1 ---+--> queue (one delay for all: oldest first is soonest first) --> delay thread
 *                                                                                    completes
 *
 * What waits here is bounded by the server: it stops reading a connection at its window. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "handler/handlers.h"

struct waiting {
    struct waiting *next;
    struct ackd_batch *batch;
    uint64_t due_ns;
};

struct delay {
    uint64_t delay_ns;
    struct ackd_handler_options options;
    pthread_t thread;
    struct lock lock; /* guards all below */
    pthread_cond_t changed;
    struct waiting *oldest;
    struct waiting **end; /* where the next is put */
    bool stopping;
};

static void fail_batch(struct ackd_batch *batch)
{
    for (uint32_t i = 0; i < ackd_batch_count(batch); i++)
        ackd_batch_set_result(batch, i, ACKD_RESULT_FAILED);
    ackd_batch_count_error(batch);
}

/* When a batch of now is due.  Beyond the end of the clock is as late as it gets. */
static uint64_t due_from_now(uint64_t delay_ns)
{
    uint64_t due_ns;

    if (__builtin_add_overflow(clock_monotonic_ns(), delay_ns, &due_ns))
        return UINT64_MAX;
    return due_ns;
}

static void delay_batch(void *context, struct ackd_batch *batch)
{
    struct delay *const self = context;
    struct waiting *const waiting = malloc(sizeof *waiting);
    struct ackd_batch *const deferred = waiting ? ackd_batch_defer(batch, 0) : NULL;

    if (!deferred) {
        free(waiting);
        fail_batch(batch);
        return;
    }
    *waiting = (struct waiting){.batch = deferred, .due_ns = due_from_now(self->delay_ns)};

    lock_take(&self->lock);
    const bool was_empty = !self->oldest;
    *self->end = waiting;
    self->end = &waiting->next;
    lock_release(&self->lock);
    if (was_empty)
        pthread_cond_signal(&self->changed);
}

/* Waits until the oldest is due (or all are, because the thread stops) and takes it.  NULL when
 * the thread stops and nothing is left. */
static struct waiting *take_due(struct delay *self)
{
    struct waiting *taken = NULL;

    lock_take(&self->lock);
    for (;;) {
        struct waiting *const oldest = self->oldest;
        if (!oldest && self->stopping)
            break;
        if (oldest && (self->stopping || oldest->due_ns <= clock_monotonic_ns())) {
            taken = oldest;
            self->oldest = oldest->next;
            if (!self->oldest)
                self->end = &self->oldest;
            break;
        }
        if (oldest) {
            const struct timespec due = {.tv_sec = (time_t)(oldest->due_ns / NS_PER_S),
                                         .tv_nsec = (long)(oldest->due_ns % NS_PER_S)};
            lock_wait(&self->lock, &self->changed, &due);
        } else {
            lock_wait(&self->lock, &self->changed, NULL);
        }
    }
    lock_release(&self->lock);
    return taken;
}

static void *run(void *context)
{
    struct delay *const self = context;
    struct waiting *waiting;

    if (self->options.on_thread)
        self->options.on_thread(self->options.on_thread_self);
    while ((waiting = take_due(self))) {
        ackd_batch_complete(waiting->batch);
        free(waiting);
    }
    return NULL;
}

static void delay_free(void *context)
{
    struct delay *const self = context;

    lock_take(&self->lock);
    self->stopping = true;
    lock_release(&self->lock);
    pthread_cond_signal(&self->changed);
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->changed);
    lock_deinit(&self->lock);
    free(self);
}

int handler_delay_new(uint64_t delay_ns, const struct ackd_handler_options *options,
                      struct ackd_handler *ret_handler, struct ackd_error *error)
{
    struct delay *const self = calloc(1, sizeof *self);
    pthread_condattr_t monotonic;

    assert(ret_handler);
    if (!self)
        return error_raise(error, -ENOMEM, "delay: no memory");
    self->delay_ns = delay_ns;
    self->options = *options;
    self->end = &self->oldest;
    lock_init(&self->lock);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);

    const int code = thread_start(&self->thread, "ackd-delay", run, self);
    if (code < 0) {
        pthread_cond_destroy(&self->changed);
        lock_deinit(&self->lock);
        free(self);
        return error_raise(error, code, "delay: cannot start its thread: %s", strerror(-code));
    }
    *ret_handler = (struct ackd_handler){.self = self, .on_batch = delay_batch, .free = delay_free};
    return 0;
}
