/* SPDX-License-Identifier: MIT
 *
 * batch - the requests of one receive, and their acks (batch.h) */
#include "handler/batch.h"

#include <stdlib.h>

void batch_rewind(struct ackd_batch *batch)
{
    batch->next_index = 0;
    for (int i = 0; i < BATCH_FRAMES_COUNT; i++)
        batch->rest[i] = batch->frames[i];
}

struct ackd_batch *batch_move(struct ackd_batch *batch, bool keep)
{
    const size_t kept_size = keep ? batch->frames[0].size + batch->frames[1].size : 0;
    struct ackd_batch *const moved = malloc(sizeof *moved + kept_size);

    if (!moved)
        return NULL;
    *moved = *batch;
    moved->charged_size = (uint32_t)(sizeof *moved + kept_size + batch->acks->capacity);

    uint8_t *to = (uint8_t *)(moved + 1);
    for (int i = 0; i < BATCH_FRAMES_COUNT; i++) {
        const struct bytes from = batch->frames[i];
        if (keep && from.size > 0)
            memcpy(to, from.data, from.size);
        moved->frames[i] = (struct bytes){to, keep ? from.size : 0};
        to += keep ? from.size : 0;
    }
    batch_rewind(moved);
    batch->acks = NULL;
    return moved;
}

void batch_free(struct ackd_batch *batch)
{
    assert(!batch->acks);
    free(batch);
}

uint32_t ackd_batch_count(const struct ackd_batch *batch)
{
    return batch->submit_count;
}

bool ackd_batch_next(struct ackd_batch *batch, struct ackd_submit *ret_submit)
{
    struct request request;
    uint32_t passed = 0;

    for (int i = 0; i < BATCH_FRAMES_COUNT; i++) {
        if (!answer_next_submit(&batch->rest[i], &request, &passed))
            continue;
        *ret_submit = (struct ackd_submit){
            .id = request.id,
            .payload = request.payload.data,
            .payload_size = (uint32_t)request.payload.size,
            .index = batch->next_index++,
        };
        return true;
    }
    return false;
}

/* The ack to the SUBMIT at @index.  CONNs are acked in between, but hardly ever there. */
static uint8_t *find_ack(const struct ackd_batch *batch, uint32_t index)
{
    uint8_t *ack = batch->acks->data + batch->acks->begin;

    if (batch->conn_count == 0)
        return ack + (size_t)index * ACK_FRAME_SIZE;
    for (;; ack += ACK_FRAME_SIZE) {
        if (ack[ACK_COMMAND_OFFSET] != batch->submit_ack_command)
            continue;
        if (index-- == 0)
            return ack;
    }
}

void ackd_batch_set_result(struct ackd_batch *batch, uint32_t index, uint8_t result)
{
    assert(batch->acks && index < batch->submit_count);

    uint8_t *const byte = find_ack(batch, index) + ACK_RESULT_OFFSET;
    batch->error_count -= *byte != RESULT_OK;
    batch->error_count += result != RESULT_OK;
    *byte = result;
}

void ackd_batch_count_error(struct ackd_batch *batch)
{
    counter_add(&batch->counters->handler_errors, 1);
}

struct ackd_batch *ackd_batch_defer(struct ackd_batch *batch, unsigned flags)
{
    assert(!batch->deferred && batch->acks);
    batch->deferred = batch_move(batch, (flags & ACKD_KEEP_PAYLOADS) != 0);
    return batch->deferred;
}

void ackd_batch_complete(struct ackd_batch *deferred)
{
    mailbox_post(deferred->mailbox, &deferred->mail);
}
