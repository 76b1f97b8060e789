/* SPDX-License-Identifier: MIT
 *
 * packet_test - every command at every size, ids of any bytes, and acks in both dialects */
#include "wire/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static enum packet_decode wanted(unsigned command, size_t size)
{
    if (command == 0x80 || command == 0x81 || command == 0x82)
        return PACKET_WRONG_DIRECTION;
    if (command != 0x01 && command != 0x02)
        return PACKET_UNKNOWN_COMMAND;
    return size < 9 ? PACKET_TOO_SHORT : PACKET_OK;
}

/* All 256 commands, at sizes below, at and above a whole id; memory of exactly the size. */
static void every_command_at_every_size(void **state)
{
    const struct request before = {COMMAND_CONN, NULL, {NULL, 4711}};

    (void)state;
    for (unsigned command = 0; command < 256; command++) {
        for (size_t size = 1; size <= 12; size++) {
            struct request request = before;
            uint8_t *const data = malloc(size);

            assert_non_null(data);
            memset(data, 'i', size);
            data[0] = (uint8_t)command;
            const enum packet_decode decoded = packet_decode((struct bytes){data, size}, &request);

            assert_int_equal(decoded, wanted(command, size));
            if (decoded == PACKET_OK) {
                assert_int_equal(request.command, command);
                assert_ptr_equal(request.id, data + 1);
                assert_ptr_equal(request.payload.data, data + 9);
                assert_int_equal(request.payload.size, size - 9);
            } else {
                assert_memory_equal(&request, &before, sizeof request);
            }
            free(data);
        }
    }
}

static void ack_commands_of_both_dialects(void **state)
{
    (void)state;
    assert_int_equal(packet_ack_command(COMMAND_CONN, DIALECT_SPEC), 0x81);
    assert_int_equal(packet_ack_command(COMMAND_SUBMIT, DIALECT_SPEC), 0x82);
    assert_int_equal(packet_ack_command(COMMAND_CONN, DIALECT_DEMO), 0x80);
    assert_int_equal(packet_ack_command(COMMAND_SUBMIT, DIALECT_DEMO), 0x81);
}

/* The bytes of docs/PROTOCOL.md. */
static void acks_as_documented(void **state)
{
    uint8_t ack[ACK_FRAME_SIZE];

    (void)state;
    packet_encode_ack(ack, 0x82, (const uint8_t *)"00000001", RESULT_OK);
    assert_memory_equal(ack,
                        "\0\0\0\x0e\x82"
                        "00000001\0",
                        14);
    packet_encode_ack(ack, 0x81, (const uint8_t *)"00000001", RESULT_FAILED);
    assert_memory_equal(ack,
                        "\0\0\0\x0e\x81"
                        "00000001\1",
                        14);
}

/* Encodes a request with @id, decodes it, acks it, decodes the ack: the id must survive. */
static void check_id(const uint8_t *id)
{
    uint8_t frame[REQUEST_FRAME_SIZE_MIN];
    uint8_t *const ack_frame = malloc(ACK_FRAME_SIZE);
    struct request request;
    struct ack ack;

    assert_non_null(ack_frame);
    assert_int_equal(packet_encode_request(frame, COMMAND_SUBMIT, id, (struct bytes){NULL, 0}),
                     REQUEST_FRAME_SIZE_MIN);
    assert_int_equal(packet_decode((struct bytes){frame + 4, sizeof frame - 4}, &request),
                     PACKET_OK);
    assert_memory_equal(request.id, id, PACKET_ID_SIZE);

    packet_encode_ack(ack_frame, COMMAND_SUBMIT_ACK, request.id, RESULT_OK);
    assert_true(packet_decode_ack((struct bytes){ack_frame + 4, ACK_FRAME_SIZE - 4}, &ack));
    assert_memory_equal(ack.id, id, PACKET_ID_SIZE);
    free(ack_frame);
}

static void ids_of_all_byte_values(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        uint8_t id[PACKET_ID_SIZE];

        memset(id, (int)value, sizeof id);
        check_id(id);
        for (size_t i = 0; i < sizeof id; i++) {
            memset(id, (int)value ^ 0xff, sizeof id);
            id[i] = (uint8_t)value;
            check_id(id);
        }
    }
}

static void results_of_all_byte_values(void **state)
{
    (void)state;
    for (unsigned result = 0; result < 256; result++) {
        uint8_t frame[ACK_FRAME_SIZE];
        struct ack ack;

        packet_encode_ack(frame, COMMAND_CONN_ACK, (const uint8_t *)"12345678", (uint8_t)result);
        assert_true(packet_decode_ack((struct bytes){frame + 4, sizeof frame - 4}, &ack));
        assert_int_equal(ack.command, COMMAND_CONN_ACK);
        assert_int_equal(ack.result, result);
    }
}

/* Exactly ten bytes that begin with the command of an ack are one; nothing else is. */
static void what_is_an_ack(void **state)
{
    const struct ack before = {0x11, NULL, 0x22};

    (void)state;
    for (unsigned command = 0; command < 256; command++) {
        for (size_t size = 0; size <= 12; size++) {
            uint8_t *const data = calloc(1, size);
            struct ack ack = before;
            const bool legal = size == 10 && command >= 0x80 && command <= 0x82;

            assert_true(data || size == 0);
            if (size > 0)
                data[0] = (uint8_t)command;
            assert_int_equal(packet_decode_ack((struct bytes){data, size}, &ack), legal);
            if (legal)
                assert_int_equal(ack.command, command);
            else
                assert_memory_equal(&ack, &before, sizeof ack);
            free(data);
        }
    }
}

static void requests_are_framed(void **state)
{
    static const uint8_t payload[] = "opaque\0\xff";
    const struct bytes bytes = {payload, sizeof payload - 1};
    uint8_t frame[64];

    (void)state;
    assert_int_equal(
        packet_encode_request(frame, COMMAND_SUBMIT, (const uint8_t *)"00000001", bytes), 21);
    assert_memory_equal(frame,
                        "\0\0\0\x15\x02"
                        "00000001opaque\0\xff",
                        21);
    assert_int_equal(
        packet_encode_request(frame, COMMAND_CONN, (const uint8_t *)"00000002", (struct bytes){0}),
        13);
    assert_memory_equal(frame,
                        "\0\0\0\x0d\x01"
                        "00000002",
                        13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_at_every_size),
        cmocka_unit_test(ack_commands_of_both_dialects),
        cmocka_unit_test(acks_as_documented),
        cmocka_unit_test(ids_of_all_byte_values),
        cmocka_unit_test(results_of_all_byte_values),
        cmocka_unit_test(what_is_an_ack),
        cmocka_unit_test(requests_are_framed),
    };
    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
