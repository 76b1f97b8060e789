/* SPDX-License-Identifier: MIT
 *
 * conn_test - one connection over a socket pair, with the test as its server */
#include "load/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

enum {
    WINDOW = 8,
    MEMORY_COUNT = 1024,
    BUFFER_SIZE = 1024 * 1024,
};

struct bench {
    struct plan plan;
    struct tally tally;
    struct lane lane;
    struct conn conn;
    struct schedule schedule;
    struct conn *pending[1];
    uint64_t missing[MEMORY_COUNT / 64];
    struct sendlog_batch batches[WINDOW];
    int server_fd;
    uint8_t received[BUFFER_SIZE];
    size_t received_size;
};

static int setup(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    int pair[2];

    assert_non_null(bench);
    assert_int_equal(
        plan_init(&bench->plan, &(struct plan_options){.seed = 1, .teaching = true}, NULL), 0);
    assert_int_equal(train_init(&bench->lane.train, &bench->plan, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    bench->server_fd = pair[1];
    bench->lane.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bench->lane.window = WINDOW;
    bench->lane.sending = true;
    bench->lane.tally = &bench->tally;
    bench->lane.pending = bench->pending;
    bench->lane.burst = 32;
    bench->lane.timeout_ns = UINT64_MAX;
    bench->lane.stall_ns = UINT64_MAX;
    bench->lane.receive = malloc(LANE_HEADROOM_SIZE + LANE_RECEIVE_SIZE);
    assert_non_null(bench->lane.receive);
    verify_init(&bench->conn.verify, DIALECT_RULE_ANY, bench->missing, MEMORY_COUNT);
    sendlog_init(&bench->conn.log, bench->batches, WINDOW);
    assert_int_equal(conn_open(&bench->conn, &bench->lane, pair[0], 0), 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *const bench = *state;
    if (bench->conn.fd >= 0)
        conn_close(&bench->conn, &bench->lane);
    assert_true(ledger_closes(&bench->lane.ledger));
    assert_int_equal(bench->lane.open_count, 0);
    assert_int_equal(bench->lane.begun_count, 0);
    close(bench->server_fd);
    close(bench->lane.epoll_fd);
    train_deinit(&bench->lane.train);
    plan_deinit(&bench->plan);
    free(bench->lane.receive);
    free(bench);
    return 0;
}

/* Reads what the client wrote, and says how many whole frames there are so far. */
static uint32_t serve_read(struct bench *bench)
{
    ssize_t got;
    while ((got = read(bench->server_fd, bench->received + bench->received_size,
                       BUFFER_SIZE - bench->received_size)) > 0)
        bench->received_size += (size_t)got;

    struct bytes input = {bench->received, bench->received_size};
    struct bytes packet = {0};
    uint32_t count = 0;
    while (frame_take(&input, FRAME_SIZE_LIMIT, &packet) == FRAME_READY) {
        count++;
        assert_true(load_be64(packet.data + PACKET_COMMAND_SIZE) == id_of(count));
    }
    return count;
}

static void serve_ack(struct bench *bench, uint64_t sequence)
{
    uint8_t ack[ACK_FRAME_SIZE];
    uint8_t id[PACKET_ID_SIZE];
    store_be64(id, id_of(sequence));
    packet_encode_ack(ack, COMMAND_SUBMIT_ACK, id, RESULT_OK);
    assert_int_equal(write(bench->server_fd, ack, sizeof ack), sizeof ack);
}

static void the_window_is_kept_full_and_never_exceeded(void **state)
{
    struct bench *const bench = *state;
    conn_pump(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), WINDOW);
    conn_pump(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), WINDOW);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        serve_ack(bench, sequence);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), WINDOW + 3);
    assert_int_equal(bench->lane.ledger.ok, 3);
    assert_int_equal(ledger_unanswered(&bench->lane.ledger), WINDOW);
    assert_int_equal(bench->lane.traffic.write_count, 2);
    assert_int_equal(bench->lane.traffic.read_count, 1);

    struct latency_sum sum = {0};
    latency_merge(&sum, &bench->tally.measured.service);
    assert_int_equal(sum.count, 3);
}

static void an_ack_may_come_in_single_bytes(void **state)
{
    struct bench *const bench = *state;
    uint8_t ack[ACK_FRAME_SIZE];
    packet_encode_ack(ack, COMMAND_SUBMIT_ACK, (const uint8_t *)"00000001", RESULT_OK);
    conn_pump(&bench->conn, &bench->lane);
    for (size_t i = 0; i < sizeof ack; i++) {
        assert_int_equal(bench->lane.ledger.ok, 0);
        assert_int_equal(write(bench->server_fd, ack + i, 1), 1);
        conn_receive(&bench->conn, &bench->lane);
    }
    assert_int_equal(bench->lane.ledger.ok, 1);
    assert_int_equal(serve_read(bench), WINDOW + 1);
}

static void a_full_socket_is_completed_to_the_frame(void **state)
{
    struct bench *const bench = *state;
    bench->lane.window = 500; /* below what the memory of missing messages covers */
    const int size = 4608;
    setsockopt(bench->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);

    conn_pump(&bench->conn, &bench->lane);
    assert_true(bench->conn.watching_out);
    assert_true(bench->conn.sent < 500);
    bench->lane.sending = false;
    for (int i = 0; i < 100 && bench->lane.begun_count > 0; i++) {
        serve_read(bench);
        conn_pump(&bench->conn, &bench->lane);
    }
    assert_int_equal(bench->lane.begun_count, 0);
    assert_int_equal(serve_read(bench), bench->conn.sent);
    assert_int_equal(bench->lane.ledger.sent, bench->conn.sent);
    struct bytes all = {bench->received, bench->received_size};
    struct bytes packet = {0};
    while (all.size > 0)
        assert_int_equal(frame_take(&all, FRAME_SIZE_LIMIT, &packet), FRAME_READY);
}

static void a_peer_that_leaves_cuts_what_is_in_flight(void **state)
{
    struct bench *const bench = *state;
    conn_pump(&bench->conn, &bench->lane);
    serve_ack(bench, 1);
    serve_ack(bench, 3);
    shutdown(bench->server_fd, SHUT_RDWR);
    conn_receive(&bench->conn, &bench->lane);
    while (bench->conn.fd >= 0)
        conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(bench->lane.ledger.ok, 2);
    assert_int_equal(bench->lane.ledger.lost, 1);
    assert_int_equal(bench->lane.ledger.cut, bench->lane.ledger.sent - 3);
    assert_int_equal(bench->lane.disconnect_count, 1);
}

static void bytes_that_are_no_ack_end_the_connection(void **state)
{
    struct bench *const bench = *state;
    conn_pump(&bench->conn, &bench->lane);
    serve_ack(bench, 1);
    assert_int_equal(write(bench->server_fd, "HTTP/1.1 400 no", 15), 15);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(bench->conn.fd, -1);
    assert_int_equal(bench->lane.ledger.malformed, 1);
    assert_int_equal(bench->lane.first_bad.verdict, VERIFY_UNFRAMED);
    assert_memory_equal(bench->lane.first_bad.bytes, "HTTP/1.1 400 n", ACK_FRAME_SIZE);
}

/* Messages are due each millisecond, the first one @ago_ns ago. */
static void make_open_loop(struct bench *bench, uint64_t ago_ns)
{
    struct rate_plan plan;
    bench->schedule = (struct schedule){
        .start_ns = clock_monotonic_ns() - ago_ns,
        .connection_count = 1,
    };
    assert_true(rate_plan_parse("1000", &plan));
    schedule_init(&bench->schedule, &plan, 0);
    bench->lane.schedule = &bench->schedule;
    conn_begin(&bench->conn, &bench->lane);
}

static void release(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        conn_release(&bench->conn, &bench->lane);
}

static struct latency_sum sum_of(const struct latency *latency)
{
    struct latency_sum sum = {0};
    latency_merge(&sum, latency);
    return sum;
}

static void an_open_loop_sends_what_is_due(void **state)
{
    struct bench *const bench = *state;
    make_open_loop(bench, 10 * NS_PER_MS);
    conn_pump(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), 0);
    release(bench, 5);
    lane_flush(&bench->lane);
    assert_int_equal(serve_read(bench), 5);
    assert_int_equal(bench->lane.pending_count, 0);
    serve_ack(bench, 1);
    conn_receive(&bench->conn, &bench->lane);

    /* Message 1 was due 10 ms ago: that, and not the moment it was written, counts. */
    const struct latency_sum response = sum_of(&bench->tally.measured.response);
    assert_int_equal(response.count, 1);
    assert_true(response.max_ns >= 10 * NS_PER_MS);
    const struct latency_sum service = sum_of(&bench->tally.measured.service);
    assert_int_equal(service.count, 1);
    assert_true(service.max_ns <= response.max_ns - 10 * NS_PER_MS);
    const struct latency_sum lateness = sum_of(&bench->tally.measured.lateness);
    assert_int_equal(lateness.count, 5);
    assert_true(lateness.max_ns >= 10 * NS_PER_MS);
    assert_int_equal(sum_of(&bench->tally.pacing).count, 5);
    assert_int_equal(bench->lane.blocked_count, 0);
}

static void a_late_client_writes_in_bursts(void **state)
{
    struct bench *const bench = *state;
    bench->lane.window = 500;
    bench->lane.burst = 3;
    make_open_loop(bench, 100 * NS_PER_MS);
    release(bench, 7);
    lane_flush(&bench->lane);
    assert_int_equal(serve_read(bench), 3);
    assert_int_equal(bench->lane.pending_count, 1);
    lane_flush(&bench->lane);
    assert_int_equal(serve_read(bench), 6);
    lane_flush(&bench->lane);
    assert_int_equal(serve_read(bench), 7);
    assert_int_equal(bench->lane.pending_count, 0);
}

static void a_full_window_blocks_and_keeps_the_due_time(void **state)
{
    struct bench *const bench = *state;
    make_open_loop(bench, 50 * NS_PER_MS);
    release(bench, WINDOW + 4);
    lane_flush(&bench->lane);
    assert_int_equal(serve_read(bench), WINDOW);
    assert_int_equal(bench->lane.blocked_count, 4);
    serve_ack(bench, 1);
    serve_ack(bench, 2);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), WINDOW + 2);
    /* What the server kept back is late, but the client is not to blame. */
    assert_int_equal(sum_of(&bench->tally.measured.lateness).count, WINDOW + 2);
    assert_int_equal(sum_of(&bench->tally.pacing).count, WINDOW);
    /* Behind a backlog everything is blocked. */
    release(bench, 1);
    assert_int_equal(bench->lane.blocked_count, 5);
}

static void the_warm_up_is_kept_apart(void **state)
{
    struct bench *const bench = *state;
    make_open_loop(bench, 10 * NS_PER_MS);
    bench->lane.measure_start_ns = bench->schedule.start_ns + 3 * NS_PER_MS;
    release(bench, 8);
    lane_flush(&bench->lane);
    for (uint64_t sequence = 1; sequence <= 8; sequence++)
        serve_ack(bench, sequence);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(sum_of(&bench->tally.warmup.response).count, 3);
    assert_int_equal(sum_of(&bench->tally.warmup.service).count, 3);
    assert_int_equal(sum_of(&bench->tally.warmup.lateness).count, 3);
    assert_int_equal(sum_of(&bench->tally.measured.response).count, 5);
    assert_int_equal(sum_of(&bench->tally.measured.service).count, 5);
    assert_int_equal(sum_of(&bench->tally.measured.lateness).count, 5);
    assert_int_equal(bench->lane.ledger.ok, 8);
}

static void acks_that_take_too_long_are_late(void **state)
{
    struct bench *const bench = *state;
    bench->lane.timeout_ns = 0;
    conn_pump(&bench->conn, &bench->lane);
    serve_ack(bench, 1);
    serve_ack(bench, 2);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(bench->lane.ledger.ok, 0);
    assert_int_equal(bench->lane.ledger.late, 2);
    assert_int_equal(bench->lane.errors.entries[CAUSE_ACK_TIMEOUT].count, 2);
}

static void acks_after_the_drain_are_late(void **state)
{
    struct bench *const bench = *state;
    conn_pump(&bench->conn, &bench->lane);
    serve_ack(bench, 1);
    conn_receive(&bench->conn, &bench->lane);
    bench->lane.sending = false;
    bench->lane.overdue = true;
    serve_ack(bench, 2);
    serve_ack(bench, 4);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(bench->lane.ledger.ok, 1);
    assert_int_equal(bench->lane.ledger.late, 2);
    shutdown(bench->server_fd, SHUT_RDWR);
    while (bench->conn.fd >= 0)
        conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(bench->lane.ledger.cut, 0);
    assert_int_equal(bench->lane.ledger.lost, bench->lane.ledger.sent - 3);
}

static void every_error_has_its_cause(void **state)
{
    struct bench *const bench = *state;
    const struct error_entry *const entries = bench->lane.errors.entries;
    conn_pump(&bench->conn, &bench->lane);
    serve_ack(bench, 2);
    serve_ack(bench, 1);
    serve_ack(bench, 1);
    serve_ack(bench, 77);
    conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(entries[CAUSE_OUT_OF_ORDER].count, 1);
    assert_int_equal(entries[CAUSE_DUPLICATE].count, 1);
    assert_int_equal(entries[CAUSE_UNKNOWN_ID].count, 1);
    assert_int_equal(entries[CAUSE_UNKNOWN_ID].size, ACK_FRAME_SIZE);
    assert_memory_equal(entries[CAUSE_UNKNOWN_ID].bytes + ACK_ID_OFFSET, "00000077", 8);
    assert_int_equal(write(bench->server_fd, "\0\0\0\x0e\x82", 5), 5);
    shutdown(bench->server_fd, SHUT_RDWR);
    while (bench->conn.fd >= 0)
        conn_receive(&bench->conn, &bench->lane);
    assert_int_equal(entries[CAUSE_EOF_MID_FRAME].count, 1);
    assert_int_equal(entries[CAUSE_EOF_MID_FRAME].size, 5);
    assert_int_equal(entries[CAUSE_EOF].count, 0);
}

static void a_stalled_socket_is_noted(void **state)
{
    struct bench *const bench = *state;
    const int size = 4608;
    bench->lane.window = 500;
    bench->lane.stall_ns = 0;
    setsockopt(bench->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    conn_pump(&bench->conn, &bench->lane);
    assert_true(bench->conn.full_since_ns > 0);
    assert_int_equal(bench->lane.full_count, 1);
    conn_close(&bench->conn, &bench->lane);
    assert_int_equal(bench->lane.errors.entries[CAUSE_SEND_STALL].count, 1);
    assert_true(bench->lane.errors.entries[CAUSE_ACK_TIMEOUT].count > 0);
}

/* A window is written and acked; @spoil is done between the two.  Returns by how much the ledger's
 * integral lies above the sum of the times, in nanoseconds. */
static double flight_less_times(struct bench *bench, void (*spoil)(struct bench *bench))
{
    conn_pump(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), WINDOW);
    spoil(bench);
    bench->lane.sending = false;
    for (uint64_t i = 1; i <= WINDOW; i++)
        serve_ack(bench, i);
    conn_receive(&bench->conn, &bench->lane);
    return bench->lane.flight_ns - (double)(counter_read(&bench->tally.warmup.service.sum_ns) +
                                            counter_read(&bench->tally.measured.service.sum_ns));
}

static void spoil_nothing(struct bench *bench)
{
    (void)bench;
}

/* The messages are timed against a write of a second before. */
static void spoil_times(struct bench *bench)
{
    bench->batches[0].time_ns -= NS_PER_S;
}

/* A message is counted that was never written. */
static void spoil_ledger(struct bench *bench)
{
    bench->lane.ledger.sent++;
    bench->lane.flight_time_ns -= NS_PER_S;
}

static void flight_and_times_agree(void **state)
{
    struct bench *const bench = *state;
    const double off = flight_less_times(bench, spoil_nothing);
    assert_true(off > -1000 && off < 1000);
    assert_true(bench->lane.flight_ns > 0);
}

static void a_message_with_another_ones_time_shows_in_flight(void **state)
{
    const double off = flight_less_times(*state, spoil_times);
    assert_true(off < -0.99 * WINDOW * (double)NS_PER_S);
}

static void a_message_that_is_counted_but_not_timed_shows_in_flight(void **state)
{
    struct bench *const bench = *state;
    const double off = flight_less_times(bench, spoil_ledger);
    assert_true(off > 0.99 * (double)NS_PER_S);
    bench->lane.ledger.sent--;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_window_is_kept_full_and_never_exceeded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_ack_may_come_in_single_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_socket_is_completed_to_the_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_leaves_cuts_what_is_in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_ack_end_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_loop_sends_what_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_client_writes_in_bursts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_window_blocks_and_keeps_the_due_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_warm_up_is_kept_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(acks_that_take_too_long_are_late, setup, teardown),
        cmocka_unit_test_setup_teardown(acks_after_the_drain_are_late, setup, teardown),
        cmocka_unit_test_setup_teardown(every_error_has_its_cause, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stalled_socket_is_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(flight_and_times_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_with_another_ones_time_shows_in_flight, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_that_is_counted_but_not_timed_shows_in_flight,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
