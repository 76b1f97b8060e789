/* SPDX-License-Identifier: MIT
 *
 * uring - a submission and a completion ring, and the buffers that the kernel receives into
 *
 *      uring_sqe() x n --> uring_enter(): submits all, waits --> uring_take() x m
 *                                                                   uring_give_back(buffer)
 *
 * Belongs to one thread: the first that enters it, which need not be the one that opened it.  When
 * the ring has been closed, the kernel may interrupt a system call of that thread once (EINTR). Any
 * kernel that has what uring_open() asks for will do: 6.0 or later, unless something forbids it. */
#ifndef ENGINE_URING_H
#define ENGINE_URING_H

#include <liburing.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
    URING_SQ_COUNT = 512,
    URING_CQ_COUNT = 8 * URING_SQ_COUNT, /* a burst of completions stays out of the slow path */

    /* Buffers are taken in a circle, so all of them are touched: few and small ones stay in the
     * cache. */
    URING_BUFFER_COUNT = 64,
    URING_BUFFER_SIZE = 4096,
    URING_BUFFER_GROUP = 0,
};

/* What the kernel's completion says. */
struct uring_cqe {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
};

struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    size_t map_size; /* of buffer_ring and buffers, which are one mapping */
    bool enabled;
};

/* Opens a ring.  Fails with -ENOSYS, -EPERM, -ENOMEM, -EMFILE and their like; @error says what it
 * is that the kernel or the administrator does not allow. */
int uring_open(struct uring *uring, struct ackd_error *error);

/* Raises @code, with which @what has failed: in words for what people meet, else in the system's.
 */
int uring_raise(struct ackd_error *error, const char *what, int code);

/* Closes it; what is in flight is cancelled by the kernel, some time. */
void uring_close(struct uring *uring);

/* The next entry to fill, zeroed.  Submits those before it when there is no room. */
struct io_uring_sqe *uring_sqe(struct uring *uring);

/* Entries that were filled and not yet submitted. */
static inline unsigned uring_unsubmitted_count(const struct uring *uring)
{
    return uring->ring.sq.sqe_tail - uring->ring.sq.sqe_head;
}

/* The entry with @user_data, if it is not yet submitted; else NULL. */
struct io_uring_sqe *uring_find_unsubmitted(struct uring *uring, uint64_t user_data);

/* Submits, and waits for @wait_count completions or until @timeout_ns has passed (negative:
 * without end).  Returns when it was interrupted, too: -EINTR; -ETIME when the time has passed.
 * Who enters again and again need not look: what went wrong is then done by the next. */
int uring_enter(struct uring *uring, unsigned wait_count, int64_t timeout_ns);

/* Completions that uring_take() can take now. */
static inline unsigned uring_ready_count(const struct uring *uring)
{
    return io_uring_cq_ready(&uring->ring);
}

/* True when entering would bring completions: without a system call. */
static inline bool uring_has_news(const struct uring *uring)
{
    const unsigned flags = IO_URING_READ_ONCE(*uring->ring.sq.kflags);

    return uring_ready_count(uring) > 0 || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

/* Completions wait in the kernel, for room in the ring.  The next uring_enter() brings them. */
static inline bool uring_has_overflowed(const struct uring *uring)
{
    return IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

/* The completion at @index from the oldest (which is 0); there are that many. */
static inline const struct io_uring_cqe *uring_peek(const struct uring *uring, unsigned index)
{
    const struct io_uring_cq *const cq = &uring->ring.cq;

    return &cq->cqes[(*cq->khead + index) & cq->ring_mask];
}

/* Takes the oldest completion; there is one. */
static inline struct uring_cqe uring_take(struct uring *uring)
{
    const struct io_uring_cqe *const cqe = uring_peek(uring, 0);
    const struct uring_cqe taken = {cqe->user_data, cqe->res, cqe->flags};

    io_uring_cq_advance(&uring->ring, 1);
    return taken;
}

static inline uint16_t uring_buffer_of(uint32_t cqe_flags)
{
    return (uint16_t)(cqe_flags >> IORING_CQE_BUFFER_SHIFT);
}

static inline const uint8_t *uring_buffer(const struct uring *uring, uint16_t index)
{
    assert(index < URING_BUFFER_COUNT);
    return uring->buffers + (size_t)index * URING_BUFFER_SIZE;
}

/* The kernel may receive into the buffer again. */
static inline void uring_give_back(struct uring *uring, uint16_t index)
{
    io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + (size_t)index * URING_BUFFER_SIZE,
                          URING_BUFFER_SIZE, index, URING_BUFFER_COUNT - 1, 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

#endif
