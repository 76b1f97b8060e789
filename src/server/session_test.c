/* SPDX-License-Identifier: MIT
 *
 * session_test - the life of a connection, on the simulated engine
 *
 * The real session and worker code runs against engine_sim: short reads and writes at every point,
 * resets, silence, deferral, and a clock that the test turns. */
#include "server/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/engine_sim.h"
#include "server/worker.h"

enum {
    TURN_COUNT_MAX = 10000,
    HELD_COUNT_MAX = 64,
    STREAM_SIZE = 512 * 1024,
};

/* A worker on a simulated engine, and a handler that does what the test says. */
struct rig {
    struct worker *worker;
    struct engine *engine;
    struct worker_config config;
    struct worker_shared shared;
    struct engine_listener *listener;

    bool defer;          /* hold batches until the test completes them */
    uint32_t fail_every; /* every n-th SUBMIT of a batch fails; 0: none */
    uint32_t handle_ms;  /* how long a batch takes */
    struct ackd_batch *held[HELD_COUNT_MAX];
    uint32_t held_count;
    uint64_t payload_size; /* of all SUBMITs seen */
    uint32_t submit_count;
};

static void handle(void *self, struct ackd_batch *batch)
{
    struct rig *const rig = self;
    struct ackd_submit submit;
    struct ackd_batch *held = NULL;

    sim_advance_ms(rig->engine, rig->handle_ms);
    if (rig->defer) {
        held = ackd_batch_defer(batch, ACKD_KEEP_PAYLOADS);
        assert_non_null(held);
        assert_true(rig->held_count < HELD_COUNT_MAX);
        rig->held[rig->held_count++] = held;
        batch = held;
    }
    uint32_t count = 0;
    while (ackd_batch_next(batch, &submit)) {
        assert_int_equal(submit.index, count++);
        rig->payload_size += submit.payload_size;
        rig->submit_count++;
        if (rig->fail_every > 0 && submit.index % rig->fail_every == 0)
            ackd_batch_set_result(batch, submit.index, ACKD_RESULT_FAILED);
    }
    assert_int_equal(count, ackd_batch_count(batch));
}

static void setup(struct rig *rig)
{
    *rig = (struct rig){.config = {.frame_size_max = 65536,
                                   .memory_size_max = UINT64_MAX,
                                   .ack_high_size = ACK_HIGH_SIZE_DEFAULT,
                                   .ack_low_size = ACK_LOW_SIZE_DEFAULT,
                                   .first_frame_timeout_ms = 30000,
                                   .idle_timeout_ms = 300000,
                                   .frame_timeout_ms = 10000,
                                   .write_timeout_ms = 10000,
                                   .drain_timeout_ms = 30000,
                                   .linger_timeout_ms = 2000,
                                   .window_count = 4096,
                                   .handler = {.self = rig, .on_batch = handle}}};
    rig->shared.admission.conns_max = 100;
    rig->shared.worker_count = 1;
    rig->worker = aligned_alloc(CACHE_LINE_SIZE, sizeof *rig->worker);
    assert_non_null(rig->worker);
    assert_int_equal(worker_init(rig->worker, 0, engine_sim_new, &rig->config, &rig->shared, NULL),
                     0);
    rig->engine = rig->worker->engine;
    worker_listen(rig->worker, -1, false, DIALECT_SPEC, NULL);
    rig->listener = &rig->worker->listeners[0].engine;
    worker_begin(rig->worker);
}

static uint64_t closed_count(const struct rig *rig, enum close_reason reason)
{
    return counter_read(&rig->worker->counters.closed[reason]);
}

static void turn(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        worker_turn(rig->worker);
}

static void advance(struct rig *rig, uint32_t ms)
{
    sim_advance_ms(rig->engine, ms);
    turn(rig, 4); /* a leap of the clock is a stall, after which timers wait for two turns */
}

/* Ends the worker; everything it held is back, and the books are balanced. */
static void teardown(struct rig *rig)
{
    struct worker *const worker = rig->worker;
    const struct counters *const counters = &worker->counters;
    uint64_t closed = 0;

    worker_command(worker, WORKER_STOP);
    turn(rig, 3);
    assert_true(worker->finished);
    for (uint32_t i = 0; i < rig->held_count; i++) {
        if (rig->held[i])
            ackd_batch_complete(rig->held[i]);
    }
    turn(rig, 1);

    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        closed += closed_count(rig, i);
    assert_int_equal(closed, counter_read(&counters->connections_accepted));
    assert_int_equal(counter_read(&counters->connections_open), 0);
    assert_int_equal(counter_read(&counters->write_queue_bytes), 0);
    assert_int_equal(counter_read(&counters->deferred_requests), 0);
    assert_int_equal(counter_read(&counters->deferred_bytes), 0);
    assert_int_equal(counter_read(&counters->submits_received),
                     counter_read(&counters->submit_acks_sent) +
                         counter_read(&counters->acks_dropped));
    assert_int_equal(rig->shared.admission.conn_count, 0);
    assert_int_equal(worker->pool.out_count, 0);
    worker_deinit(worker);
    free(worker);
}

static sim_conn join(struct rig *rig)
{
    const sim_conn conn = sim_connect(rig->engine, rig->listener);

    turn(rig, 1);
    return conn;
}

/* Appends one request to @stream; returns the new size. */
static size_t put_request(uint8_t *stream, size_t size, enum command command, uint32_t id,
                          size_t payload_size)
{
    static const uint8_t zeros[65536];
    char text[16];

    snprintf(text, sizeof text, "%08u", id % 100000000);
    return size + packet_encode_request(stream + size, command, (const uint8_t *)text,
                                        (struct bytes){zeros, payload_size});
}

static size_t put_submits(uint8_t *stream, uint32_t first_id, uint32_t count, size_t payload_size)
{
    size_t size = 0;

    for (uint32_t i = 0; i < count; i++)
        size = put_request(stream, size, COMMAND_SUBMIT, first_id + i, payload_size);
    return size;
}

/* Reads and checks the acks to SUBMITs @first_id ...; returns how many there were. */
static uint32_t check_acks(struct rig *rig, sim_conn conn, uint32_t first_id)
{
    uint8_t ack[ACK_FRAME_SIZE];
    uint32_t count = 0;
    size_t size;

    while ((size = sim_read(rig->engine, conn, ack, sizeof ack)) == sizeof ack) {
        uint8_t expected[ACK_FRAME_SIZE];
        char id[16];

        snprintf(id, sizeof id, "%08u", first_id + count);
        packet_encode_ack(expected, COMMAND_SUBMIT_ACK, (const uint8_t *)id, RESULT_OK);
        assert_memory_equal(ack, expected, sizeof ack);
        count++;
    }
    assert_int_equal(size, 0);
    return count;
}

/* --- reading and writing --- */

static void acks_are_the_same_however_the_stream_is_cut(void **state)
{
    uint8_t stream[256];
    struct rig rig;
    size_t size = put_submits(stream, 1, 3, 7);

    (void)state;
    setup(&rig);
    for (size_t cut = 0; cut <= size; cut++) {
        const sim_conn conn = join(&rig);

        sim_write(rig.engine, conn, stream, cut);
        turn(&rig, 2);
        sim_write(rig.engine, conn, stream + cut, size - cut);
        turn(&rig, 2);
        assert_int_equal(check_acks(&rig, conn, 1), 3);
        sim_finish(rig.engine, conn);
        turn(&rig, 2);
        assert_true(sim_sees_finish(rig.engine, conn));
        assert_true(sim_is_closed(rig.engine, conn));
        if (cut == SIM_CONN_COUNT_MAX - 4) { /* the simulation has no more connections */
            teardown(&rig);
            setup(&rig);
        }
    }
    teardown(&rig);
}

static void acks_are_the_same_for_every_read_and_write_size(void **state)
{
    uint8_t stream[4096];
    const size_t size = put_submits(stream, 1, 40, 22);

    (void)state;
    for (size_t step = 1; step <= 60; step++) {
        struct rig rig;
        uint32_t acked = 0;

        setup(&rig);
        const sim_conn conn = join(&rig);
        sim_set_receive_size(rig.engine, conn, step);
        sim_set_send_sizes(rig.engine, conn, 61 - step, SIZE_MAX);
        sim_write(rig.engine, conn, stream, size);
        sim_finish(rig.engine, conn);
        for (int i = 0; i < TURN_COUNT_MAX && !sim_is_closed(rig.engine, conn); i++)
            turn(&rig, 1);
        acked = check_acks(&rig, conn, 1);
        assert_int_equal(acked, 40);
        assert_true(sim_is_closed(rig.engine, conn));
        assert_false(sim_sees_reset(rig.engine, conn));
        assert_int_equal(closed_count(&rig, CLOSE_eof), 1);
        teardown(&rig);
    }
}

static size_t stash_capacity(const struct session *session)
{
    return session->stash ? session->stash->capacity : 0;
}

static void a_large_frame_in_small_pieces_grows_the_stash_by_what_came(void **state)
{
    uint8_t *const stream = malloc(STREAM_SIZE);
    struct rig rig;
    size_t size = put_request(stream, 0, COMMAND_SUBMIT, 1, 65536 - REQUEST_FRAME_SIZE_MIN);

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    sim_write(rig.engine, conn, stream, 4);
    turn(&rig, 2);
    struct session *const session = session_table_find(&rig.worker->table, 0, 0);
    assert_non_null(session);
    assert_in_range(stash_capacity(session), 4, 256);
    for (size_t at = 4; at < size; at += 997) {
        const size_t piece = size - at < 997 ? size - at : 997;
        sim_write(rig.engine, conn, stream + at, piece);
        turn(&rig, 1);
        assert_true(stash_capacity(session) <= 8 * (at + piece));
    }
    turn(&rig, 2);
    assert_null(session->stash);
    assert_int_equal(check_acks(&rig, conn, 1), 1);
    assert_int_equal(rig.payload_size, 65536 - REQUEST_FRAME_SIZE_MIN);
    free(stream);
    teardown(&rig);
}

static void a_waiting_client_is_answered_in_the_same_turn(void **state)
{
    uint8_t stream[64];
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    for (uint32_t id = 1; id < 100; id++) {
        sim_write(rig.engine, conn, stream, put_submits(stream, id, 1, 20));
        turn(&rig, 1);
        assert_int_equal(check_acks(&rig, conn, id), 1);
    }
    teardown(&rig);
}

static void results_reach_the_right_acks_between_conns(void **state)
{
    uint8_t stream[1024];
    uint8_t ack[ACK_FRAME_SIZE];
    struct rig rig;
    size_t size = 0;

    (void)state;
    setup(&rig);
    rig.fail_every = 2;
    const sim_conn conn = join(&rig);
    size = put_request(stream, size, COMMAND_CONN, 0, 3);
    for (uint32_t i = 1; i <= 6; i++) {
        size = put_request(stream, size, COMMAND_SUBMIT, i, 5);
        size = put_request(stream, size, COMMAND_CONN, 100 + i, 0);
    }
    sim_write(rig.engine, conn, stream, size);
    turn(&rig, 1);
    for (int i = 0; i < 13; i++) {
        assert_int_equal(sim_read(rig.engine, conn, ack, sizeof ack), sizeof ack);
        const bool is_submit = i % 2 == 1;
        assert_int_equal(ack[4], is_submit ? COMMAND_SUBMIT_ACK : COMMAND_CONN_ACK);
        assert_int_equal(ack[13], is_submit && i / 2 % 2 == 0 ? RESULT_FAILED : RESULT_OK);
    }
    assert_int_equal(counter_read(&rig.worker->counters.acks_error), 3);
    assert_int_equal(counter_read(&rig.worker->counters.acks_ok), 3);
    assert_int_equal(counter_read(&rig.worker->counters.packets_conn), 7);
    teardown(&rig);
}

/* --- ends --- */

struct violation {
    const char *name;
    uint8_t bytes[16];
    size_t size;
    enum close_reason reason;
};

static const struct violation violations[] = {
    {"length 0", {0, 0, 0, 0}, 4, CLOSE_frame_too_short},
    {"length 4", {0, 0, 0, 4}, 4, CLOSE_frame_too_short},
    {"length 65537", {0, 1, 0, 1}, 4, CLOSE_frame_too_large},
    {"length 2 GiB", {0x7f, 0xff, 0xff, 0xff}, 4, CLOSE_frame_too_large},
    {"length -1", {0xff, 0xff, 0xff, 0xff}, 4, CLOSE_frame_too_large},
    {"SUBMIT of 5", {0, 0, 0, 5, 2}, 5, CLOSE_packet_too_short},
    {"SUBMIT of 12", {0, 0, 0, 12, 2, 1, 2, 3, 4, 5, 6, 7}, 12, CLOSE_packet_too_short},
    {"CONN of 6", {0, 0, 0, 6, 1, 1}, 6, CLOSE_packet_too_short},
    {"unknown command", {0, 0, 0, 6, 0x78, 1}, 6, CLOSE_unknown_command},
    {"an ack", {0, 0, 0, 14, 0x82, 1, 2, 3, 4, 5, 6, 7, 8, 0}, 14, CLOSE_wrong_direction},
};

/* @held: bytes of the violation that arrive with the frames before it. */
static void check_violation(const struct violation *violation, size_t held)
{
    uint8_t stream[256];
    struct rig rig;
    size_t size = put_submits(stream, 1, 3, 9);

    setup(&rig);
    const sim_conn conn = join(&rig);
    sim_set_send_sizes(rig.engine, conn, 5, SIZE_MAX);
    memcpy(stream + size, violation->bytes, held);
    sim_write(rig.engine, conn, stream, size + held);
    turn(&rig, 1);
    sim_write(rig.engine, conn, violation->bytes + held, violation->size - held);
    turn(&rig, 20);
    assert_int_equal(check_acks(&rig, conn, 1), 3);
    assert_true(sim_sees_finish(rig.engine, conn));
    assert_false(sim_is_closed(rig.engine, conn));

    /* More bytes are discarded, not answered. */
    sim_write(rig.engine, conn, stream, size);
    sim_finish(rig.engine, conn);
    turn(&rig, 3);
    assert_true(sim_is_closed(rig.engine, conn));
    assert_false(sim_sees_reset(rig.engine, conn));
    assert_int_equal(check_acks(&rig, conn, 1), 0);
    assert_int_equal(closed_count(&rig, violation->reason), 1);
    teardown(&rig);
}

static void a_violation_flushes_what_was_earned_and_closes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof violations / sizeof violations[0]; i++) {
        for (size_t held = 0; held <= violations[i].size; held++)
            check_violation(&violations[i], held);
    }
}

/* An illegal frame, after which the connection lingers. */
static void break_rules(struct rig *rig, sim_conn conn)
{
    sim_write(rig->engine, conn, "\0\0\0\0", 4);
    turn(rig, 2);
    assert_true(sim_sees_finish(rig->engine, conn));
}

static void a_silent_peer_is_closed_when_lingering_ends(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    break_rules(&rig, conn);
    advance(&rig, 1900);
    assert_false(sim_is_closed(rig.engine, conn));
    advance(&rig, 200);
    assert_true(sim_is_closed(rig.engine, conn));
    assert_int_equal(closed_count(&rig, CLOSE_frame_too_short), 1);
    teardown(&rig);
}

static void lingering_ends_when_a_reload_wants_none(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    break_rules(&rig, conn);
    rig.config.linger_timeout_ms = 0;
    advance(&rig, 2100); /* its timer goes off at the time from before */
    assert_true(sim_is_closed(rig.engine, conn));
    assert_int_equal(closed_count(&rig, CLOSE_frame_too_short), 1);
    teardown(&rig);
}

/* A SUBMIT that is answered, and then a violation: the acks are on their way when the end begins.
 */
static sim_conn join_and_break(struct rig *rig)
{
    uint8_t stream[64];
    const size_t size = put_submits(stream, 1, 1, 10);
    const sim_conn conn = join(rig);

    sim_write(rig->engine, conn, stream, size);
    turn(rig, 2);
    break_rules(rig, conn);
    return conn;
}

static void lingering_lasts_until_acks_have_arrived(void **state)
{
    struct rig rig;
    uint8_t acks[64];

    (void)state;
    setup(&rig);
    rig.config.peer_timeout_ms = 30000;
    const sim_conn conn = join_and_break(&rig);
    advance(&rig, 10000);
    assert_false(sim_is_closed(rig.engine, conn));
    assert_int_equal(sim_read(rig.engine, conn, acks, sizeof acks), ACK_FRAME_SIZE);
    advance(&rig, 200);
    assert_true(sim_is_closed(rig.engine, conn));
    assert_int_equal(closed_count(&rig, CLOSE_frame_too_short), 1);
    teardown(&rig);
}

static void acks_that_never_arrive_are_waited_for_no_longer_than_a_silent_peer(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.config.peer_timeout_ms = 5000;
    const sim_conn conn = join_and_break(&rig);
    advance(&rig, 4800);
    assert_false(sim_is_closed(rig.engine, conn));
    advance(&rig, 400);
    assert_true(sim_is_closed(rig.engine, conn));
    assert_int_equal(closed_count(&rig, CLOSE_frame_too_short), 1);
    teardown(&rig);
}

static void eof_inside_a_frame_has_its_own_reason(void **state)
{
    uint8_t stream[64];
    const size_t size = put_submits(stream, 1, 1, 10);

    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        struct rig rig;

        setup(&rig);
        const sim_conn conn = join(&rig);
        sim_write(rig.engine, conn, stream, cut);
        sim_finish(rig.engine, conn);
        turn(&rig, 3);
        assert_true(sim_is_closed(rig.engine, conn));
        assert_int_equal(check_acks(&rig, conn, 1), cut == size);
        assert_int_equal(closed_count(&rig, CLOSE_eof), cut == 0 || cut == size);
        assert_int_equal(closed_count(&rig, CLOSE_eof_in_frame), cut > 0 && cut < size);
        teardown(&rig);
    }
}

static void a_reset_at_any_point_gives_everything_back(void **state)
{
    uint8_t stream[512];
    const size_t size = put_submits(stream, 1, 10, 10);

    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        struct rig rig;

        setup(&rig);
        const sim_conn conn = join(&rig);
        sim_set_send_sizes(rig.engine, conn, 9, cut);
        sim_write(rig.engine, conn, stream, cut);
        turn(&rig, (int)(cut % 7) + 1);
        sim_reset(rig.engine, conn);
        sim_write(rig.engine, conn, stream + cut, size - cut);
        turn(&rig, 3);
        assert_true(sim_is_closed(rig.engine, conn));
        assert_int_equal(closed_count(&rig, CLOSE_reset), 1);
        teardown(&rig);
    }
}

/* --- back-pressure --- */

static void a_peer_that_does_not_read_is_not_read(void **state)
{
    enum { COUNT = 30000 };
    uint8_t *const stream = malloc(COUNT * 16);
    const size_t size = put_submits(stream, 1, COUNT, 2);
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    sim_set_receive_size(rig.engine, conn, 16384);
    sim_set_send_sizes(rig.engine, conn, 1000, 0);
    sim_write(rig.engine, conn, stream, size);
    turn(&rig, 200);
    const struct session *const session = session_table_find(&rig.worker->table, 0, 0);
    assert_true(session->queued_size >= ACK_HIGH_SIZE_DEFAULT);
    assert_true(session->queued_size <= ACK_HIGH_SIZE_DEFAULT + answer_size_max(16384));
    assert_int_equal(session->pause, PAUSE_ACK_BACKLOG);
    assert_true(engine_pending_size(rig.engine, (struct engine_socket *)(uintptr_t)session) > 0);
    assert_int_equal(counter_read(&rig.worker->counters.paused_ack_backlog), 1);

    sim_set_send_sizes(rig.engine, conn, 1000, SIZE_MAX);
    for (int i = 0; i < TURN_COUNT_MAX && session->queued_size > 0; i++)
        turn(&rig, 1);
    turn(&rig, 500);
    assert_int_equal(session->pause, 0);
    assert_int_equal(check_acks(&rig, conn, 1), COUNT);
    free(stream);
    teardown(&rig);
}

static void small_acks_to_a_stuck_peer_share_buffers(void **state)
{
    enum { COUNT = 2000 };
    uint8_t stream[64];
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    sim_set_send_sizes(rig.engine, conn, SIZE_MAX, 0);
    for (uint32_t id = 1; id <= COUNT; id++) {
        sim_write(rig.engine, conn, stream, put_submits(stream, id, 1, 2));
        turn(&rig, 1);
    }
    assert_true(rig.worker->pool.out_count < COUNT * ACK_FRAME_SIZE / 4096 + 4);
    sim_set_send_sizes(rig.engine, conn, SIZE_MAX, SIZE_MAX);
    turn(&rig, 30);
    assert_int_equal(check_acks(&rig, conn, 1), COUNT);
    teardown(&rig);
}

/* --- timeouts --- */

static void an_idle_peer_is_closed_and_a_busy_one_is_not(void **state)
{
    uint8_t stream[64];
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.config.idle_timeout_ms = 1000;
    const sim_conn idle = join(&rig);
    const sim_conn busy = join(&rig);
    for (uint32_t id = 1; id <= 20; id++) {
        sim_write(rig.engine, busy, stream, put_submits(stream, id, 1, 2));
        advance(&rig, 100);
    }
    assert_true(sim_sees_finish(rig.engine, idle));
    assert_false(sim_sees_finish(rig.engine, busy));
    sim_finish(rig.engine, idle);
    turn(&rig, 2);
    assert_int_equal(closed_count(&rig, CLOSE_idle_timeout), 1);
    assert_int_equal(check_acks(&rig, busy, 1), 20);
    teardown(&rig);
}

/* A deadline that moves with each request would be moved a million times a second: it stands, and
 * who finds it come looks how long ago the last request was. */
static void trap_17_a_request_moves_no_timer(void **state)
{
    uint8_t stream[64];
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    const struct session *const session = session_table_find(&rig.worker->table, 0, 0);
    assert_non_null(session);
    const uint32_t deadline_ms = session->timer.deadline_ms;
    for (uint32_t id = 1; id <= 20; id++) {
        sim_write(rig.engine, conn, stream, put_submits(stream, id, 1, 2));
        advance(&rig, 1000);
        assert_int_equal(session->timer.deadline_ms, deadline_ms);
        assert_int_equal(rig.worker->wheel.armed_count, 1);
    }
    advance(&rig, rig.config.idle_timeout_ms - 10 * 1000); /* it comes, and is put off */
    assert_false(sim_sees_finish(rig.engine, conn));
    assert_true(time_before_ms(deadline_ms, session->timer.deadline_ms));
    assert_int_equal(check_acks(&rig, conn, 1), 20);
    teardown(&rig);
}

static void silence_from_the_start_has_a_timeout_of_its_own(void **state)
{
    uint8_t stream[64];
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn silent = join(&rig);
    const sim_conn served = join(&rig);
    const sim_conn torn = join(&rig);
    sim_write(rig.engine, served, stream, put_submits(stream, 1, 1, 0));
    sim_write(rig.engine, torn, stream, 3);
    turn(&rig, 2);
    advance(&rig, rig.config.frame_timeout_ms + 100);
    assert_int_equal(closed_count(&rig, CLOSE_frame_timeout), 0); /* it lingers */
    advance(&rig, rig.config.linger_timeout_ms + 100);
    assert_int_equal(closed_count(&rig, CLOSE_frame_timeout), 1);
    assert_false(sim_sees_finish(rig.engine, silent));
    advance(&rig, rig.config.first_frame_timeout_ms);
    assert_true(sim_sees_finish(rig.engine, silent));
    assert_false(sim_sees_finish(rig.engine, served));
    sim_finish(rig.engine, silent);
    turn(&rig, 2);
    assert_int_equal(closed_count(&rig, CLOSE_first_frame_timeout), 1);
    teardown(&rig);
}

/* --- memory --- */

enum { MEMORY_SIZE = 4 * 1000 * 1000, PERCENT_SIZE = MEMORY_SIZE / 100 };

/* Makes @conn hold a frame of @size bytes that lacks the last one. */
static void hold(struct rig *rig, sim_conn conn, uint32_t size)
{
    uint8_t *const bytes = calloc(1, size);

    store_be32(bytes, size);
    bytes[4] = COMMAND_SUBMIT;
    sim_write(rig->engine, conn, bytes, size - 1);
    free(bytes);
    for (uint32_t taken = 0; taken <= size; taken += ENGINE_RECV_SIZE)
        advance(rig, 1); /* memory is looked at once a millisecond */
}

static void setup_memory(struct rig *rig)
{
    setup(rig);
    rig->config.frame_size_max = 16 * 1024 * 1024;
    rig->config.memory_size_max = MEMORY_SIZE;
}

static void the_largest_is_paused_and_then_closed(void **state)
{
    uint8_t stream[64];
    struct rig rig;

    (void)state;
    setup_memory(&rig);
    const sim_conn innocent = join(&rig);
    const sim_conn large = join(&rig);
    const sim_conn other = join(&rig);
    hold(&rig, other, 50 * PERCENT_SIZE);
    assert_int_equal(rig.worker->overload.stage, OVERLOAD_CALM);
    sim_advance_ms(rig.engine, SHED_INTERVAL_MS);
    hold(&rig, large, 53 * PERCENT_SIZE);
    advance(&rig, SHED_INTERVAL_MS);
    advance(&rig, SHED_INTERVAL_MS);
    assert_false(sim_sees_reset(rig.engine, other));
    assert_true(sim_sees_reset(rig.engine, large));
    assert_int_equal(closed_count(&rig, CLOSE_overload), 1);
    assert_int_equal(rig.worker->overload.stage, OVERLOAD_CALM);

    sim_write(rig.engine, innocent, stream, put_submits(stream, 1, 1, 0));
    turn(&rig, 2);
    assert_int_equal(check_acks(&rig, innocent, 1), 1);
    teardown(&rig);
}

/* Between the marks a paused connection keeps what it holds: in the end it must go. */
static void pausing_in_vain_ends_in_a_close(void **state)
{
    struct rig rig;

    (void)state;
    setup_memory(&rig);
    const sim_conn larger = join(&rig);
    const sim_conn smaller = join(&rig);
    sim_advance_ms(rig.engine, SHED_INTERVAL_MS);
    hold(&rig, larger, 53 * PERCENT_SIZE);
    hold(&rig, smaller, 41 * PERCENT_SIZE);
    assert_int_equal(rig.worker->overload.stage, OVERLOAD_PAUSE);
    assert_true(counter_read(&rig.worker->counters.paused_overload) > 0);
    assert_int_equal(closed_count(&rig, CLOSE_overload), 0);
    for (int i = 0; i < 12; i++)
        advance(&rig, SHED_INTERVAL_MS);
    assert_int_equal(closed_count(&rig, CLOSE_overload), 1);
    assert_true(sim_sees_reset(rig.engine, larger));
    assert_false(sim_sees_reset(rig.engine, smaller));
    assert_int_equal(rig.worker->overload.stage, OVERLOAD_CALM);
    turn(&rig, 2);

    /* Who is left is read again. */
    sim_write(rig.engine, smaller, "\0", 1);
    turn(&rig, 2);
    assert_int_equal(rig.submit_count, 1);
    teardown(&rig);
}

/* It was short in the middle of a turn, and not any more when the worker looked. */
static void a_shortage_that_nobody_saw_pauses_nobody_for_good(void **state)
{
    const uint64_t others_size = 95 * (uint64_t)PERCENT_SIZE;
    struct rig rig;

    (void)state;
    setup_memory(&rig);
    counter *const deferred_bytes = &rig.worker->counters.deferred_bytes;
    const sim_conn conn = join(&rig);
    uint8_t start[6 * 1024] = {0, 0, 0x18, 2, COMMAND_SUBMIT};
    sim_write(rig.engine, conn, start, sizeof start);
    advance(&rig, 1);
    counter_add(deferred_bytes, others_size);
    sim_write(rig.engine, conn, "", 1);
    turn(&rig, 1);
    assert_int_equal(counter_read(&rig.worker->counters.paused_overload), 1);
    counter_add(deferred_bytes, -others_size);
    advance(&rig, 1);
    assert_int_equal(rig.worker->overload.stage, OVERLOAD_CALM);

    sim_write(rig.engine, conn, "", 1);
    turn(&rig, 2);
    assert_int_equal(rig.submit_count, 1);
    teardown(&rig);
}

static void short_of_memory_nobody_is_accepted(void **state)
{
    struct rig rig;

    (void)state;
    setup_memory(&rig);
    const sim_conn large = join(&rig);
    hold(&rig, large, 86 * PERCENT_SIZE);
    assert_int_equal(rig.worker->overload.stage, OVERLOAD_NO_ACCEPT);
    const sim_conn waiting = join(&rig);
    advance(&rig, 500);
    assert_int_equal(counter_read(&rig.worker->counters.connections_accepted), 1);
    assert_int_equal(counter_read(&rig.worker->counters.accept_pauses), 1);

    sim_reset(rig.engine, large);
    turn(&rig, 3);
    for (int i = 0; i < 3; i++)
        advance(&rig, SHED_INTERVAL_MS);
    assert_int_equal(counter_read(&rig.worker->counters.connections_accepted), 2);
    assert_false(sim_is_closed(rig.engine, waiting));
    teardown(&rig);
}

/* The process did not run for longer than a timeout: what came meanwhile counts. */
static void a_stall_is_not_blamed_on_peers(void **state)
{
    uint8_t stream[64];
    struct rig rig;
    const size_t size = put_submits(stream, 1, 1, 7);

    (void)state;
    setup(&rig);
    const sim_conn slow = join(&rig);
    const sim_conn silent = join(&rig);
    sim_write(rig.engine, slow, stream, 9);
    sim_write(rig.engine, silent, stream, 9);
    turn(&rig, 2);
    sim_advance_ms(rig.engine, rig.config.frame_timeout_ms + 1000);
    turn(&rig, 1);
    assert_int_equal(counter_read(&rig.worker->counters.stalls), 1);
    sim_write(rig.engine, slow, stream + 9, size - 9);
    turn(&rig, 2);
    assert_int_equal(check_acks(&rig, slow, 1), 1);
    assert_false(sim_sees_finish(rig.engine, slow));
    assert_true(sim_sees_finish(rig.engine, silent));
    teardown(&rig);
}

static void dribbling_does_not_extend_the_frame_timeout(void **state)
{
    uint8_t stream[128];
    struct rig rig;
    const size_t size = put_submits(stream, 1, 1, 100);

    (void)state;
    setup(&rig);
    rig.config.frame_timeout_ms = 1000;
    const sim_conn conn = join(&rig);
    for (size_t i = 0; i < size - 1 && !sim_sees_finish(rig.engine, conn); i++) {
        sim_write(rig.engine, conn, stream + i, 1);
        advance(&rig, 100);
        assert_true(i < 13);
    }
    sim_finish(rig.engine, conn);
    turn(&rig, 2);
    assert_int_equal(closed_count(&rig, CLOSE_frame_timeout), 1);
    teardown(&rig);
}

static void a_stuck_peer_is_reset_and_one_that_reads_slowly_is_not(void **state)
{
    enum { COUNT = 1000 };
    uint8_t *const stream = malloc(COUNT * 16);
    const size_t size = put_submits(stream, 1, COUNT, 2);
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.config.write_timeout_ms = 1000;
    const sim_conn stuck = join(&rig);
    const sim_conn slow = join(&rig);
    sim_set_send_sizes(rig.engine, stuck, 100, 300);
    sim_set_send_sizes(rig.engine, slow, 1, SIZE_MAX);
    sim_write(rig.engine, stuck, stream, size);
    sim_write(rig.engine, slow, stream, size);
    for (int i = 0; i < 50; i++)
        advance(&rig, 100);
    assert_true(sim_is_closed(rig.engine, stuck));
    assert_true(sim_sees_reset(rig.engine, stuck));
    assert_int_equal(closed_count(&rig, CLOSE_write_timeout), 1);
    assert_false(sim_is_closed(rig.engine, slow));
    assert_int_equal(counter_read(&rig.worker->counters.acks_dropped), COUNT - 300 / 14);
    free(stream);
    teardown(&rig);
}

/* --- deferral --- */

static void half_a_conn_ack_is_no_ack_to_a_submit(void **state)
{
    uint8_t stream[64];
    size_t size = 0;
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn peer = join(&rig);
    sim_set_send_sizes(rig.engine, peer, SIZE_MAX, ACK_FRAME_SIZE + 3);
    size = put_request(stream, size, COMMAND_SUBMIT, 1, 0);
    size = put_request(stream, size, COMMAND_CONN, 2, 0);
    size = put_request(stream, size, COMMAND_SUBMIT, 3, 0);
    sim_write(rig.engine, peer, stream, size);
    turn(&rig, 1);
    sim_reset(rig.engine, peer);
    turn(&rig, 2);
    assert_int_equal(counter_read(&rig.worker->counters.submit_acks_sent), 1);
    assert_int_equal(counter_read(&rig.worker->counters.acks_dropped), 1);
    teardown(&rig);
}

static void deferred_acks_leave_in_request_order(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    for (uint32_t i = 0; i < 6; i++) {
        rig.defer = i != 3; /* the fourth batch is answered at once, and still waits */
        sim_write(rig.engine, conn, stream, put_submits(stream, 1 + i * 2, 2, 4));
        turn(&rig, 1);
    }
    assert_int_equal(rig.held_count, 5);
    assert_int_equal(counter_read(&rig.worker->counters.deferred_requests), 12);
    assert_int_equal(check_acks(&rig, conn, 1), 0);

    static const uint32_t order[] = {4, 1, 0, 3, 2};
    static const uint32_t acked[] = {0, 0, 4, 0, 8};
    uint32_t next_id = 1;
    for (int i = 0; i < 5; i++) {
        ackd_batch_complete(rig.held[order[i]]);
        turn(&rig, 1);
        const uint32_t count = check_acks(&rig, conn, next_id);
        assert_int_equal(count, acked[i]);
        next_id += count;
    }
    rig.held_count = 0;
    teardown(&rig);
}

static void check_durations(const struct rig *rig, uint64_t count, uint64_t sum_ms)
{
    const struct histogram *const durations = &rig->worker->counters.request_duration;
    uint64_t found = 0;

    for (size_t i = 0; i <= DURATION_BOUND_COUNT; i++)
        found += counter_read(&durations->bucket[i]);
    assert_int_equal(found, count);
    assert_int_equal(counter_read(&durations->sum), sum_ms * NS_PER_MS);
}

/* All acks of a turn have its length; a deferred one has its own time. */
static void acks_are_timed_by_turns_and_deferred_ones_by_themselves(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    const struct counters *const counters = &rig.worker->counters;
    const sim_conn one = join(&rig);
    const sim_conn other = join(&rig);
    rig.handle_ms = 7;
    sim_write(rig.engine, one, stream, put_submits(stream, 1, 2, 4));
    sim_write(rig.engine, other, stream, put_submits(stream, 1, 3, 4));
    turn(&rig, 1);
    check_durations(&rig, 5, 5 * 14);
    assert_int_equal(counter_read(&counters->busy_ns), 14 * NS_PER_MS);
    assert_int_equal(counter_read(&counters->idle_ns), 0);
    turn(&rig, 1);
    check_durations(&rig, 5, 5 * 14);

    rig.handle_ms = 0;
    rig.defer = true;
    sim_write(rig.engine, one, stream, put_submits(stream, 3, 4, 4));
    turn(&rig, 1);
    check_durations(&rig, 5, 5 * 14);
    advance(&rig, 100);
    assert_int_equal(counter_read(&counters->idle_ns), 100 * NS_PER_MS);
    ackd_batch_complete(rig.held[0]);
    rig.held_count = 0;
    turn(&rig, 2);
    check_durations(&rig, 9, 5 * 14 + 4 * 100);
    teardown(&rig);
}

static void a_window_of_unanswered_requests_pauses_reading(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.config.window_count = 4;
    rig.defer = true;
    const sim_conn conn = join(&rig);
    for (uint32_t i = 0; i < 10; i++) {
        sim_write(rig.engine, conn, stream, put_submits(stream, 1 + i * 2, 2, 4));
        turn(&rig, 1);
    }
    assert_int_equal(rig.submit_count, 4);
    assert_int_equal(counter_read(&rig.worker->counters.paused_window), 1);
    rig.defer = false;
    ackd_batch_complete(rig.held[0]);
    ackd_batch_complete(rig.held[1]);
    rig.held_count = 0;
    turn(&rig, 20);
    assert_int_equal(check_acks(&rig, conn, 1), 20);
    teardown(&rig);
}

static void memory_that_a_lost_connection_gives_back_is_noticed(void **state)
{
    uint8_t stream[2048];
    struct rig rig;

    (void)state;
    setup(&rig);
    counter *const memory = &rig.worker->counters.deferred_bytes;
    const sim_conn gone = join(&rig);
    const sim_conn other = join(&rig);
    rig.defer = true;
    sim_write(rig.engine, gone, stream, put_submits(stream, 1, 1, 4));
    turn(&rig, 1);
    rig.defer = false; /* answered, and waiting behind the first */
    sim_write(rig.engine, gone, stream, put_submits(stream, 2, 50, 4));
    turn(&rig, 1);

    /* As if a thousand other connections had the rest. */
    const uint64_t own_size = counter_read(memory);
    counter_add(memory, DEFERRED_WORKER_SIZE_MAX);
    rig.defer = true;
    sim_write(rig.engine, other, stream, put_submits(stream, 1, 1, 4));
    turn(&rig, 1);
    assert_int_equal(counter_read(&rig.worker->counters.paused_memory), 1);
    sim_write(rig.engine, other, stream, put_submits(stream, 2, 1, 4));
    turn(&rig, 1);
    assert_int_equal(rig.submit_count, 52);
    const uint64_t others_size = DEFERRED_WORKER_SIZE_MAX / 2 - own_size;
    counter_add(memory, others_size - DEFERRED_WORKER_SIZE_MAX);

    sim_reset(rig.engine, gone);
    turn(&rig, 3);
    assert_int_equal(rig.submit_count, 53);
    counter_add(memory, -others_size);
    teardown(&rig);
}

static void a_peer_that_leaves_makes_its_batches_stale(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.defer = true;
    const sim_conn gone = join(&rig);
    sim_write(rig.engine, gone, stream, put_submits(stream, 1, 3, 4));
    turn(&rig, 1);
    sim_reset(rig.engine, gone);
    turn(&rig, 2);
    assert_true(sim_is_closed(rig.engine, gone));

    /* The next connection gets the slot, and must not get the acks. */
    rig.defer = false;
    const sim_conn next = join(&rig);
    ackd_batch_complete(rig.held[0]);
    rig.held_count = 0;
    turn(&rig, 2);
    assert_int_equal(check_acks(&rig, next, 1), 0);
    assert_int_equal(counter_read(&rig.worker->counters.stale_completions), 1);
    assert_int_equal(counter_read(&rig.worker->counters.acks_dropped), 3);
    teardown(&rig);
}

static void a_half_closed_peer_gets_its_deferred_acks(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.defer = true;
    const sim_conn conn = join(&rig);
    sim_write(rig.engine, conn, stream, put_submits(stream, 1, 3, 4));
    sim_finish(rig.engine, conn);
    turn(&rig, 3);
    advance(&rig, 60000);
    assert_false(sim_sees_finish(rig.engine, conn));
    ackd_batch_complete(rig.held[0]);
    rig.held_count = 0;
    turn(&rig, 2);
    assert_int_equal(check_acks(&rig, conn, 1), 3);
    assert_true(sim_is_closed(rig.engine, conn));
    assert_int_equal(closed_count(&rig, CLOSE_eof), 1);
    teardown(&rig);
}

static void the_idle_timeout_runs_from_the_last_ack(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.config.idle_timeout_ms = 1000;
    rig.defer = true;
    const sim_conn conn = join(&rig);
    sim_write(rig.engine, conn, stream, put_submits(stream, 1, 3, 4));
    turn(&rig, 2);
    advance(&rig, 5000);
    ackd_batch_complete(rig.held[0]);
    rig.held_count = 0;
    turn(&rig, 2);
    advance(&rig, 900);
    assert_false(sim_sees_finish(rig.engine, conn));
    assert_int_equal(check_acks(&rig, conn, 1), 3);
    advance(&rig, 200);
    assert_true(sim_sees_finish(rig.engine, conn));
    teardown(&rig);
}

/* --- drain --- */

static void a_drain_acks_what_has_arrived_and_discards_the_rest(void **state)
{
    uint8_t stream[1024];
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn busy = join(&rig);
    const sim_conn idle = join(&rig);
    sim_set_receive_size(rig.engine, busy, 50);
    sim_write(rig.engine, busy, stream, put_submits(stream, 1, 20, 10) - 3);
    const sim_conn waiting = sim_connect(rig.engine, rig.listener);
    sim_write(rig.engine, waiting, stream, put_submits(stream, 1, 5, 10));
    worker_command(rig.worker, WORKER_DRAIN);
    turn(&rig, 20);
    assert_int_equal(check_acks(&rig, busy, 1), 19);
    assert_int_equal(check_acks(&rig, waiting, 1), 5);
    assert_true(sim_sees_finish(rig.engine, busy));
    assert_true(sim_sees_finish(rig.engine, idle));
    assert_true(sim_sees_finish(rig.engine, waiting));
    sim_write(rig.engine, busy, stream, put_submits(stream, 21, 5, 10));
    turn(&rig, 5);
    assert_int_equal(check_acks(&rig, busy, 20), 0);
    assert_false(rig.worker->finished);
    sim_finish(rig.engine, busy);
    sim_finish(rig.engine, idle);
    sim_finish(rig.engine, waiting);
    turn(&rig, 3);
    assert_true(rig.worker->finished);
    assert_int_equal(counter_read(&rig.worker->counters.acks_dropped), 0);
    assert_int_equal(closed_count(&rig, CLOSE_drain), 3);
    teardown(&rig);
}

static void a_drain_waits_for_the_handler_until_its_timeout(void **state)
{
    uint8_t stream[256];
    struct rig rig;

    (void)state;
    setup(&rig);
    rig.defer = true;
    const sim_conn answered = join(&rig);
    const sim_conn forgotten = join(&rig);
    sim_write(rig.engine, answered, stream, put_submits(stream, 1, 3, 4));
    sim_write(rig.engine, forgotten, stream, put_submits(stream, 1, 2, 4));
    turn(&rig, 2);
    worker_command(rig.worker, WORKER_DRAIN);
    turn(&rig, 1);
    advance(&rig, 20000);
    ackd_batch_complete(rig.held[0]);
    rig.held[0] = NULL;
    turn(&rig, 2);
    assert_int_equal(check_acks(&rig, answered, 1), 3);
    sim_finish(rig.engine, answered);
    turn(&rig, 2);
    assert_false(rig.worker->finished);
    advance(&rig, 10000);
    assert_true(rig.worker->finished);
    assert_true(sim_sees_reset(rig.engine, forgotten));
    assert_int_equal(closed_count(&rig, CLOSE_drain_timeout), 1);
    assert_int_equal(counter_read(&rig.worker->counters.acks_dropped), 2);
    teardown(&rig);
}

static void a_drain_without_descriptors_still_serves_who_has_connected(void **state)
{
    uint8_t stream[256];
    const size_t size = put_submits(stream, 1, 3, 4);
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn served = join(&rig);
    const sim_conn waiting = sim_connect(rig.engine, rig.listener);
    sim_write(rig.engine, waiting, stream, size);
    sim_fail_accepts(rig.engine, 2, -EMFILE);
    worker_command(rig.worker, WORKER_DRAIN);
    turn(&rig, 3);
    assert_int_equal(counter_read(&rig.worker->counters.accept_emfile), 2);
    assert_false(rig.worker->finished);

    /* A connection ends, and its descriptor serves the one that waits. */
    sim_finish(rig.engine, served);
    turn(&rig, 5);
    assert_int_equal(check_acks(&rig, waiting, 1), 3);
    sim_finish(rig.engine, waiting);
    turn(&rig, 3);
    assert_true(rig.worker->finished);
    assert_int_equal(rig.worker->listener_count, 0);
    teardown(&rig);
}

static void a_stop_in_the_turn_that_ends_a_drained_connection_keeps_its_reason(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    const sim_conn conn = join(&rig);
    worker_command(rig.worker, WORKER_DRAIN);
    turn(&rig, 3);
    assert_true(sim_sees_finish(rig.engine, conn));

    /* The lingering ends, the stop is obeyed, and only then `closed` is said. */
    for (int i = 0; i < 4; i++)
        advance(&rig, STALL_MS - 50);
    worker_command(rig.worker, WORKER_STOP);
    advance(&rig, 300);
    assert_true(sim_is_closed(rig.engine, conn));
    assert_int_equal(closed_count(&rig, CLOSE_drain), 1);
    assert_true(rig.worker->finished);
    teardown(&rig);
}

/* --- accepting --- */

static void a_failed_accept_pauses_and_comes_back(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    sim_fail_accepts(rig.engine, 3, -EMFILE);
    const sim_conn conn = join(&rig);
    assert_false(rig.listener->accepting);
    turn(&rig, 100);
    assert_int_equal(counter_read(&rig.worker->counters.accept_emfile), 1);
    for (int i = 0; i < 20; i++)
        advance(&rig, 10);
    assert_int_equal(counter_read(&rig.worker->counters.accept_emfile), 3);
    assert_true(rig.listener->accepting);
    assert_int_equal(counter_read(&rig.worker->counters.connections_accepted), 1);
    sim_finish(rig.engine, conn);
    turn(&rig, 2);
    teardown(&rig);
}

static void an_aborted_connection_does_not_pause(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig);
    sim_fail_accepts(rig.engine, 1, -ECONNABORTED);
    join(&rig);
    assert_true(rig.listener->accepting);
    assert_int_equal(counter_read(&rig.worker->counters.accept_aborted), 1);
    teardown(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acks_are_the_same_however_the_stream_is_cut),
        cmocka_unit_test(acks_are_the_same_for_every_read_and_write_size),
        cmocka_unit_test(a_large_frame_in_small_pieces_grows_the_stash_by_what_came),
        cmocka_unit_test(a_waiting_client_is_answered_in_the_same_turn),
        cmocka_unit_test(results_reach_the_right_acks_between_conns),
        cmocka_unit_test(a_violation_flushes_what_was_earned_and_closes),
        cmocka_unit_test(a_silent_peer_is_closed_when_lingering_ends),
        cmocka_unit_test(lingering_ends_when_a_reload_wants_none),
        cmocka_unit_test(lingering_lasts_until_acks_have_arrived),
        cmocka_unit_test(acks_that_never_arrive_are_waited_for_no_longer_than_a_silent_peer),
        cmocka_unit_test(eof_inside_a_frame_has_its_own_reason),
        cmocka_unit_test(a_reset_at_any_point_gives_everything_back),
        cmocka_unit_test(a_peer_that_does_not_read_is_not_read),
        cmocka_unit_test(small_acks_to_a_stuck_peer_share_buffers),
        cmocka_unit_test(an_idle_peer_is_closed_and_a_busy_one_is_not),
        cmocka_unit_test(trap_17_a_request_moves_no_timer),
        cmocka_unit_test(dribbling_does_not_extend_the_frame_timeout),
        cmocka_unit_test(a_stall_is_not_blamed_on_peers),
        cmocka_unit_test(silence_from_the_start_has_a_timeout_of_its_own),
        cmocka_unit_test(the_largest_is_paused_and_then_closed),
        cmocka_unit_test(pausing_in_vain_ends_in_a_close),
        cmocka_unit_test(a_shortage_that_nobody_saw_pauses_nobody_for_good),
        cmocka_unit_test(short_of_memory_nobody_is_accepted),
        cmocka_unit_test(a_stuck_peer_is_reset_and_one_that_reads_slowly_is_not),
        cmocka_unit_test(half_a_conn_ack_is_no_ack_to_a_submit),
        cmocka_unit_test(deferred_acks_leave_in_request_order),
        cmocka_unit_test(acks_are_timed_by_turns_and_deferred_ones_by_themselves),
        cmocka_unit_test(a_window_of_unanswered_requests_pauses_reading),
        cmocka_unit_test(memory_that_a_lost_connection_gives_back_is_noticed),
        cmocka_unit_test(a_peer_that_leaves_makes_its_batches_stale),
        cmocka_unit_test(a_half_closed_peer_gets_its_deferred_acks),
        cmocka_unit_test(the_idle_timeout_runs_from_the_last_ack),
        cmocka_unit_test(a_drain_acks_what_has_arrived_and_discards_the_rest),
        cmocka_unit_test(a_drain_waits_for_the_handler_until_its_timeout),
        cmocka_unit_test(a_drain_without_descriptors_still_serves_who_has_connected),
        cmocka_unit_test(a_stop_in_the_turn_that_ends_a_drained_connection_keeps_its_reason),
        cmocka_unit_test(a_failed_accept_pauses_and_comes_back),
        cmocka_unit_test(an_aborted_connection_does_not_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
