/* SPDX-License-Identifier: MIT
 *
 * allocations_test - each allocation of a server's life fails once: nothing crashes, nothing leaks
 *
 *      n = 1, 2, 3 ...: new, start, accept, a frame in two pieces, a train of frames, drain, free,
 *      and the n-th allocation of all that fails; until there is no n-th
 *
 * The real server on real sockets, its threads and its handler, on each engine. */
#include <ackd/server.h>

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "base/test_net.h"
#include "memory.h"
#include "wire/packet.h"

enum {
    ALLOCATION_COUNT_MAX = 2000,
    WAIT_MS = 10000,
    TRAIN_COUNT = 40,
};

static size_t make_train(uint8_t *to, int count)
{
    size_t size = 0;

    for (int i = 0; i < count; i++)
        size += packet_encode_request(to + size, COMMAND_SUBMIT, (const uint8_t *)"12345678",
                                      (struct bytes){(const uint8_t *)"payload", 7});
    return size;
}

/* A client's part.  Returns how many acks it got, of 1 + TRAIN_COUNT. */
static int be_client(const char *address)
{
    uint8_t train[TRAIN_COUNT * 32];
    uint8_t acks[(1 + TRAIN_COUNT) * ACK_FRAME_SIZE];
    const size_t one_size = make_train(train, 1);
    const int fd = test_connect_text(address);
    size_t size = 0;

    if (fd < 0)
        return 0;
    /* In two pieces that the server receives as two, if it answers at all. */
    if (send(fd, train, 6, MSG_NOSIGNAL) == 6) {
        const struct timespec moment = {.tv_nsec = 2 * 1000 * 1000};
        nanosleep(&moment, NULL);
        send(fd, train + 6, one_size - 6, MSG_NOSIGNAL);
        size = test_read(fd, acks, ACK_FRAME_SIZE);
    }
    if (size == ACK_FRAME_SIZE) {
        send(fd, train, make_train(train, TRAIN_COUNT), MSG_NOSIGNAL);
        size += test_read(fd, acks, (size_t)TRAIN_COUNT * ACK_FRAME_SIZE);
    }
    close(fd);
    return (int)(size / ACK_FRAME_SIZE);
}

/* One life of a server.  The acks that its client got; -1 when it did not come to that. */
static int live(enum ackd_engine engine, const char *handler)
{
    struct ackd_server_options options;
    struct ackd_server *server = NULL;
    struct ackd_error error;
    int count = -1;

    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.worker_count = 1;
    options.engine = engine;
    options.drain_timeout_ms = 2000;

    memory_watch(true);
    int status = ackd_handler_parse(handler, &options.handler, &error);
    if (status == 0)
        status = ackd_server_new(&server, &options, &error);
    if (status == 0)
        status = ackd_server_start(server, &error);
    if (status < 0)
        assert_true(error.text[0] != '\0');
    if (status == 0) {
        count = be_client(ackd_server_listen_address(server, 0));
        ackd_server_drain(server);
        assert_int_equal(ackd_server_wait(server, WAIT_MS), 0);
    }
    ackd_server_free(server);
    memory_watch(false);
    return count;
}

static void each_allocation_fails_once(enum ackd_engine engine, const char *handler)
{
    int last_count = -1;
    uint64_t n;

    if (ackd_engine_check(engine, NULL) < 0)
        skip();
    live(engine, handler); /* whatever is made once per process */
    const int fds = test_fd_count();
    const int64_t held = memory_held_count();

    for (n = 1; n < ALLOCATION_COUNT_MAX; n++) {
        memory_fail_at(n);
        last_count = live(engine, handler);
        assert_int_equal(test_fd_count(), fds);
        assert_int_equal(memory_held_count(), held);
        if (!memory_has_failed())
            break;
    }
    memory_fail_at(0);
    assert_true(n > 5 && n < ALLOCATION_COUNT_MAX);
    assert_int_equal(last_count, 1 + TRAIN_COUNT);
    print_message("%d allocations failed, one at a time\n", (int)n - 1);
}

static void on_epoll(void **state)
{
    (void)state;
    each_allocation_fails_once(ACKD_ENGINE_EPOLL, "discard");
}

static void on_epoll_with_later_answers(void **state)
{
    (void)state;
    each_allocation_fails_once(ACKD_ENGINE_EPOLL, "delay:1ms");
}

static void on_uring(void **state)
{
    (void)state;
    each_allocation_fails_once(ACKD_ENGINE_URING, "discard");
}

static void on_uring_with_later_answers(void **state)
{
    (void)state;
    each_allocation_fails_once(ACKD_ENGINE_URING, "delay:1ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_epoll),
        cmocka_unit_test(on_epoll_with_later_answers),
        cmocka_unit_test(on_uring),
        cmocka_unit_test(on_uring_with_later_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
