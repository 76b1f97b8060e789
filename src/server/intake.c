/* SPDX-License-Identifier: MIT
 *
 * intake - from received bytes to one batch of answered requests (intake.h) */
#include "server/intake.h"

#include "server/worker.h"

/* Appends the first @size bytes of @bytes to the stash, whose frame is to have @frame_size bytes.
 */
static bool stash_append(struct buffer_pool *pool, struct session *session, struct bytes *bytes,
                         size_t size, size_t frame_size)
{
    struct buffer *stash = session->stash;
    const size_t held_size = buffer_size(stash);

    if (held_size + size > stash->capacity) {
        /* Doubling keeps the copying of a frame in many small pieces linear. */
        size_t capacity = held_size * 2 < frame_size ? held_size * 2 : frame_size;
        if (capacity < held_size + size)
            capacity = held_size + size;

        struct buffer *const larger = buffer_take(pool, capacity);
        if (!larger)
            return false;
        memcpy(larger->data, stash->data, held_size);
        larger->end = (uint32_t)held_size;
        buffer_put(pool, stash);
        session->stash = stash = larger;
    }
    memcpy(stash->data + held_size, bytes->data, size);
    stash->end += (uint32_t)size;
    *bytes = bytes_skip(*bytes, size);
    return true;
}

static size_t smaller_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Moves bytes into the stash until it holds a whole frame, or one that is not legal, or @bytes is
 * empty. */
static bool stash_fill(struct buffer_pool *pool, struct session *session, struct bytes *bytes,
                       uint32_t frame_size_max)
{
    size_t held_size = buffer_size(session->stash);

    if (held_size < FRAME_HEADER_SIZE) {
        const size_t size = smaller_of(FRAME_HEADER_SIZE - held_size, bytes->size);
        if (!stash_append(pool, session, bytes, size, FRAME_HEADER_SIZE))
            return false;
        held_size += size;
        if (held_size < FRAME_HEADER_SIZE)
            return true;
    }

    const uint32_t frame_size = load_be32(session->stash->data);
    if (frame_size <= held_size || frame_size > frame_size_max)
        return true; /* whole, or for answer_requests() to refuse */
    return stash_append(pool, session, bytes, smaller_of(frame_size - held_size, bytes->size),
                        frame_size);
}

/* Keeps @bytes, the start of a frame, until the rest comes. */
static bool stash_begin(struct worker *worker, struct session *session, struct bytes bytes)
{
    session->stash = buffer_take(&worker->pool, bytes.size);
    if (!session->stash)
        return false;
    memcpy(session->stash->data, bytes.data, bytes.size);
    session->stash->end = (uint32_t)bytes.size;
    session->since_ms = worker_now_ms(worker);
    return true;
}

/* Answers what stands in @bytes as the batch's @index-th run of frames, and skips it. */
static enum answer_stop answer_run(const struct worker *worker, const struct session *session,
                                   struct ackd_batch *batch, int index, struct bytes *bytes)
{
    struct buffer *const acks = batch->acks;
    const struct answer answer = answer_requests(*bytes, worker->config->frame_size_max,
                                                 session->dialect, acks->data + acks->end);

    acks->end += (answer.submit_count + answer.conn_count) * ACK_FRAME_SIZE;
    batch->submit_count += answer.submit_count;
    batch->conn_count += answer.conn_count;
    batch->frames[index] = (struct bytes){bytes->data, answer.taken_size};
    *bytes = bytes_skip(*bytes, answer.taken_size);
    return answer.stop;
}

/* Completes the stashed frame and answers it.  True when there may be more behind it. */
static bool take_stashed(struct worker *worker, struct session *session, struct bytes *bytes,
                         struct intake *intake)
{
    if (!stash_fill(&worker->pool, session, bytes, worker->config->frame_size_max)) {
        intake->failed = true;
        return false;
    }

    struct bytes stashed = {session->stash->data, buffer_size(session->stash)};
    intake->stop = answer_run(worker, session, &intake->batch, 0, &stashed);
    if (stashed.size > 0)
        return false; /* still a part of a frame, or refused */
    intake->joined = session->stash;
    session->stash = NULL;
    return true;
}

void intake_take(struct worker *worker, struct session *session, struct bytes bytes,
                 struct intake *ret_intake)
{
    *ret_intake = (struct intake){.stop = ANSWER_PARTIAL};

    struct ackd_batch *const batch = &ret_intake->batch;
    batch->acks = buffer_take(&worker->pool, ACK_FRAME_SIZE + answer_size_max(bytes.size));
    if (!batch->acks) {
        ret_intake->failed = true;
        return;
    }
    if (!session->stash || take_stashed(worker, session, &bytes, ret_intake)) {
        ret_intake->stop = answer_run(worker, session, batch, 1, &bytes);
        if (ret_intake->stop == ANSWER_PARTIAL && bytes.size > 0)
            ret_intake->failed = !stash_begin(worker, session, bytes);
    }
    if (ret_intake->stop != ANSWER_PARTIAL)
        ret_intake->refused =
            session->stash ? (struct bytes){session->stash->data, buffer_size(session->stash)}
                           : bytes;
    if (buffer_size(batch->acks) == 0) {
        buffer_put(&worker->pool, batch->acks);
        batch->acks = NULL;
    }
}
