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
    latency_merge(&sum, &bench->tally.latency);
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

static void an_open_loop_sends_what_is_due(void **state)
{
    struct bench *const bench = *state;
    bench->schedule = (struct schedule){
        .start_ns = clock_monotonic_ns() - 10 * NS_PER_MS,
        .interval_ns = (double)NS_PER_MS,
        .connection_count = 1,
    };
    bench->lane.schedule = &bench->schedule;
    conn_pump(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), 0);
    bench->conn.due = 5;
    conn_pump(&bench->conn, &bench->lane);
    assert_int_equal(serve_read(bench), 5);
    serve_ack(bench, 1);
    conn_receive(&bench->conn, &bench->lane);

    /* Message 1 was due 10 ms ago: that, and not the moment it was written, counts. */
    struct latency_sum sum = {0};
    latency_merge(&sum, &bench->tally.latency);
    assert_int_equal(sum.count, 1);
    assert_true(sum.max_ns >= 10 * NS_PER_MS);
    struct latency_sum lateness = {0};
    latency_merge(&lateness, &bench->tally.lateness);
    assert_int_equal(lateness.count, 5);
    assert_true(lateness.max_ns >= 10 * NS_PER_MS);
}

static void the_schedule_is_even_over_connections(void **state)
{
    (void)state;
    const struct schedule schedule = {.start_ns = 1000, .interval_ns = 2.5, .connection_count = 4};
    assert_int_equal(schedule_due_ns(&schedule, 0, 1), 1000);
    assert_int_equal(schedule_due_ns(&schedule, 2, 1), 1005);
    assert_int_equal(schedule_due_ns(&schedule, 0, 2), 1010);
    assert_int_equal(schedule_due_ns(&schedule, 3, 1000000001), 1000 + 10000000007);
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
        cmocka_unit_test(the_schedule_is_even_over_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
