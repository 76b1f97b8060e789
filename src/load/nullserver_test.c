/* SPDX-License-Identifier: MIT
 *
 * nullserver_test - it answers split and joined requests, and ends with its parent's word */
#include "load/nullserver.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/packet.h"

static void write_all(int fd, const uint8_t *data, size_t size)
{
    assert_int_equal(write(fd, data, size), size);
}

static void check_ack(int fd, const char *id)
{
    uint8_t ack[ACK_FRAME_SIZE];
    size_t got = 0;
    while (got < sizeof ack) {
        const ssize_t part = read(fd, ack + got, sizeof ack - got);
        assert_true(part > 0);
        got += (size_t)part;
    }
    assert_memory_equal(ack, "\0\0\0\x0e\x82", 5);
    assert_memory_equal(ack + ACK_ID_OFFSET, id, PACKET_ID_SIZE);
    assert_int_equal(ack[ACK_RESULT_OFFSET], 0);
}

static void every_request_is_answered(void **state)
{
    (void)state;
    struct nullserver server;
    uint8_t frames[256];
    assert_int_equal(nullserver_start(&server, -1, NULL), 0);

    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&server.address.storage, server.address.size),
                     0);
    const struct bytes payload = {(const uint8_t *)"some payload", 12};
    size_t size =
        packet_encode_request(frames, COMMAND_SUBMIT, (const uint8_t *)"00000001", payload);
    size += packet_encode_request(frames + size, COMMAND_SUBMIT, (const uint8_t *)"00000002",
                                  (struct bytes){NULL, 0});
    /* The second one comes in two parts. */
    write_all(fd, frames, size - 5);
    check_ack(fd, "00000001");
    write_all(fd, frames + size - 5, 5);
    check_ack(fd, "00000002");

    nullserver_stop(&server);
    uint8_t byte;
    assert_true(read(fd, &byte, 1) <= 0);
    assert_int_equal(kill(server.pid, 0), -1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
