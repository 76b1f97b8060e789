/* SPDX-License-Identifier: MIT
 *
 * ackd/handler.h - what happens to the requests that a server receives
 *
 * A handler sees the SUBMITs of one connection in batches, in their order, before they are acked:
 *
 *      static void count_batch(void *self, struct ackd_batch *batch)
 *      {
 *          struct ackd_submit submit;
 *
 *          while (ackd_batch_next(batch, &submit))
 *              if (!store(self, submit.payload, submit.payload_size))
 *                  ackd_batch_set_result(batch, submit.index, ACKD_RESULT_FAILED);
 *      }
 *
 * Every result is ACKD_RESULT_OK until the handler says otherwise.  A handler that cannot answer
 * at once defers the batch and completes it later, from any thread; acks leave in the order of
 * the requests all the same. */
#ifndef ACKD_HANDLER_H
#define ACKD_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include <ackd/error.h>
#include <ackd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ACKD_RESULT_OK = 0,
    ACKD_RESULT_FAILED = 1,

    ACKD_ID_SIZE = 8,
};

/* One SUBMIT.  Borrowed from its batch: valid until on_batch() returns, or, in a batch deferred
 * with ACKD_KEEP_PAYLOADS, until that batch is completed. */
struct ackd_submit {
    const uint8_t *id;      /* ACKD_ID_SIZE bytes */
    const uint8_t *payload; /* payload_size bytes; may be 0 of them */
    uint32_t payload_size;
    uint32_t index; /* its place in the batch, from 0 */
};

struct ackd_batch;

/* A handler, given to a server in its options.  The functions are called with @self.
 *
 * on_batch is called from every worker thread, from several at the same time, never twice at the
 * same time for one connection.  It must not block: its worker's other connections wait.
 *
 * free (may be NULL) is called once: when no worker runs any more, or when the server could not
 * be made.  When it returns, every deferred batch has been completed, and no thread of the
 * handler is inside a function of this header. */
struct ackd_handler {
    void *self;
    void (*on_batch)(void *self, struct ackd_batch *batch);
    void (*free)(void *self);
};

/* How many SUBMITs @batch holds; at least 1.  The thread that holds the batch. */
ACKD_API uint32_t ackd_batch_count(const struct ackd_batch *batch);

/* Takes the next SUBMIT of @batch; false after the last one.  In a batch that was deferred without
 * ACKD_KEEP_PAYLOADS there is none.  The thread that holds the batch. */
ACKD_API bool ackd_batch_next(struct ackd_batch *batch, struct ackd_submit *ret_submit);

/* Sets the result byte of the ack to the SUBMIT at @index (< count).  PROTOCOL.md: 0 is success;
 * to clients that negotiated nothing every failure is ACKD_RESULT_FAILED.  The thread that holds
 * the batch. */
ACKD_API void ackd_batch_set_result(struct ackd_batch *batch, uint32_t index, uint8_t result);

/* Counts the batch as one that could not be processed wholly (ackd_handler_errors_total).  From
 * within on_batch only. */
ACKD_API void ackd_batch_count_error(struct ackd_batch *batch);

enum {
    /* For ackd_batch_defer(): the payloads stay readable until the batch is completed.  They are
     * copied, so a batch that does not need them is cheaper without. */
    ACKD_KEEP_PAYLOADS = 1,
};

/* Defers the answer: the returned batch takes the place of @batch, belongs to the handler and may
 * be handed to another thread.  NULL when memory ran out; then @batch is as it was, and the
 * handler sets failures.  From within on_batch only, at most once. */
ACKD_API struct ackd_batch *ackd_batch_defer(struct ackd_batch *batch, unsigned flags);

/* Answers a deferred batch; it is the server's again.  If its connection is gone, that is counted
 * (ackd_stale_completions_total) and nothing else happens.  Any thread. */
ACKD_API void ackd_batch_complete(struct ackd_batch *deferred);

/* For ackd_handler_parse_with().  Zero what is not used. */
struct ackd_handler_options {
    /* Called by a thread of the handler, if it has one, before anything else, on that thread: for
     * what is a thread's own, such as its CPUs or what it may do.  May be NULL. */
    void (*on_thread)(void *self);
    void *on_thread_self;
};

/* Makes one of the handlers that come with the library:
 *
 *      discard         every SUBMIT succeeds at once
 *      append:FILE     appends each payload to FILE, its length before it (4 bytes, big endian);
 *                      succeeds once written, with no promise about a power cut
 *      delay:TIME      every SUBMIT succeeds TIME (5ms, 1s) later, answered by another thread
 *
 * *ret_handler is the caller's until it is given to a server.  Returns 0, -EINVAL for text that is
 * none of these, or the error of opening the file or starting the thread. */
ACKD_API int ackd_handler_parse(const char *text, struct ackd_handler *ret_handler,
                                struct ackd_error *error);

/* The same with @options, which are copied. */
ACKD_API int ackd_handler_parse_with(const char *text, const struct ackd_handler_options *options,
                                     struct ackd_handler *ret_handler, struct ackd_error *error);

/* Checks that ackd_handler_parse() would understand @text, without opening or starting anything.
 * 0 or -EINVAL. */
ACKD_API int ackd_handler_check(const char *text, struct ackd_error *error);

#ifdef __cplusplus
}
#endif

#endif
