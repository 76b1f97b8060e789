/* SPDX-License-Identifier: MIT
 *
 * test_batch - batches for tests, as a worker makes them: frames, acks that all succeed, a mailbox
 *
 *      test_batch_init(&test, DIALECT_SPEC);
 *      test_batch_put(&test, COMMAND_SUBMIT, 1, "payload", 7);
 *      test_batch_ready(&test, 0);
 *      handler.on_batch(handler.self, &test.batch);
 *      ... test_batch_result(&test.batch, 0) ...
 *      test_batch_deinit(&test); */
#ifndef HANDLER_TEST_BATCH_H
#define HANDLER_TEST_BATCH_H

#include <stdio.h>
#include <stdlib.h>

#include "handler/batch.h"

struct test_batch {
    struct counters counters;
    struct ackd_batch batch;
    struct buffer_pool pool;
    enum dialect dialect;
    uint8_t *stream;
    size_t size;
    uint8_t *frames[BATCH_FRAMES_COUNT]; /* copies of exact size: a sanitizer sees more */
};

static inline void test_batch_init(struct test_batch *test, enum dialect dialect)
{
    memset(test, 0, sizeof *test);
    test->dialect = dialect;
}

/* The id of request @number, as the wire has it. */
static inline void test_batch_id(uint32_t number, char *ret_id)
{
    char text[16];

    snprintf(text, sizeof text, "%08u", number % 100000000);
    memcpy(ret_id, text, PACKET_ID_SIZE);
}

/* Appends one request. */
static inline void test_batch_put(struct test_batch *test, enum command command, uint32_t number,
                                  const void *payload, size_t payload_size)
{
    char id[PACKET_ID_SIZE];

    test_batch_id(number, id);
    test->stream = realloc(test->stream, test->size + REQUEST_FRAME_SIZE_MIN + payload_size);
    assert(test->stream);
    test->size += packet_encode_request(test->stream + test->size, command, (const uint8_t *)id,
                                        (struct bytes){payload, payload_size});
}

/* Makes test->batch of the requests; the first @joined_size bytes of them (whole frames) stand in
 * frames[0], as what two receives brought does. */
static inline void test_batch_ready(struct test_batch *test, size_t joined_size)
{
    struct ackd_batch *const batch = &test->batch;
    const size_t sizes[BATCH_FRAMES_COUNT] = {joined_size, test->size - joined_size};
    const uint8_t *from = test->stream;

    batch->acks = buffer_take(&test->pool, answer_size_max(test->size) + ACK_FRAME_SIZE);
    assert(batch->acks);
    for (int i = 0; i < BATCH_FRAMES_COUNT; i++) {
        test->frames[i] = malloc(sizes[i] + (sizes[i] == 0));
        assert(test->frames[i]);
        if (sizes[i] > 0)
            memcpy(test->frames[i], from, sizes[i]);
        from += sizes[i];
        batch->frames[i] = (struct bytes){test->frames[i], sizes[i]};

        const struct answer answer =
            answer_requests(batch->frames[i], FRAME_SIZE_LIMIT, test->dialect,
                            batch->acks->data + batch->acks->end);
        assert(answer.taken_size == sizes[i]);
        batch->acks->end += (answer.submit_count + answer.conn_count) * ACK_FRAME_SIZE;
        batch->submit_count += answer.submit_count;
        batch->conn_count += answer.conn_count;
    }
    batch->submit_ack_command = packet_ack_command(COMMAND_SUBMIT, test->dialect);
    batch->counters = &test->counters;
    batch_rewind(batch);
}

/* The result in the ack at place @index of @batch (CONN acks count too). */
static inline uint8_t test_batch_result(const struct ackd_batch *batch, uint32_t index)
{
    assert((index + 1) * ACK_FRAME_SIZE <= buffer_size(batch->acks));
    return batch->acks->data[index * ACK_FRAME_SIZE + ACK_RESULT_OFFSET];
}

/* Frees what a worker frees of a deferred batch. */
static inline void test_batch_free(struct test_batch *test, struct ackd_batch *deferred)
{
    buffer_put(&test->pool, deferred->acks);
    deferred->acks = NULL;
    batch_free(deferred);
}

/* Everything that was taken is back, or this fails. */
static inline void test_batch_deinit(struct test_batch *test)
{
    buffer_put(&test->pool, test->batch.acks);
    buffer_pool_deinit(&test->pool);
    for (int i = 0; i < BATCH_FRAMES_COUNT; i++)
        free(test->frames[i]);
    free(test->stream);
}

#endif
