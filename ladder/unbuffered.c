/* SPDX-License-Identifier: MIT
 *
 * unbuffered - stage 1: what the column's tcp-server-demo2 does
 *
 *      read(2) 4 bytes | read(2) the rest | malloc a packet | write(2) 4 bytes | write(2) the rest
 *
 * Four system calls and one allocation for each message. */
#include <stdlib.h>

#include "common.h"

const char stage_name[] = "unbuffered";

/* Reads @size more bytes of the frame. */
static enum close_reason read_more(struct connection *connection, size_t size)
{
    while (size > 0) {
        uint8_t *const to = connection->frame + connection->frame_size;
        size_t piece;

        const enum close_reason reason = connection_read(connection, to, size, &piece);
        if (reason != CLOSE_NONE)
            return reason;
        connection->frame_size += piece;
        size -= piece;
    }
    return CLOSE_NONE;
}

/* Reads one frame, whole. */
static enum close_reason read_frame(struct connection *connection)
{
    size_t size = 0;

    connection->frame_size = 0;
    enum close_reason reason = read_more(connection, FRAME_HEADER_SIZE);
    if (reason == CLOSE_NONE)
        reason = connection_frame_size(connection, &size);
    if (reason == CLOSE_NONE)
        reason = read_more(connection, size - FRAME_HEADER_SIZE);
    return reason;
}

/* Makes a packet of the frame.  Never inlined: profiles show it by its name. */
__attribute__((noinline)) static enum close_reason packet_decode(struct connection *connection,
                                                                 struct packet **ret_packet)
{
    struct packet *const packet = malloc(sizeof *packet);

    if (!packet)
        return CLOSE_no_memory;
    *ret_packet = packet;
    return connection_parse(connection, packet);
}

static enum close_reason write_ack(struct connection *connection, const struct packet *packet)
{
    uint8_t ack[ACK_SIZE];

    packet_ack(packet, ack);
    enum close_reason reason = connection_write(connection, ack, FRAME_HEADER_SIZE);
    if (reason == CLOSE_NONE)
        reason =
            connection_write(connection, ack + FRAME_HEADER_SIZE, sizeof ack - FRAME_HEADER_SIZE);
    if (reason == CLOSE_NONE)
        connection_acked(connection, packet->is_submit);
    return reason;
}

static enum close_reason answer_one(struct connection *connection)
{
    struct packet *packet = NULL;

    enum close_reason reason = read_frame(connection);
    if (reason == CLOSE_NONE)
        reason = packet_decode(connection, &packet);
    if (reason == CLOSE_NONE)
        reason = write_ack(connection, packet);
    free(packet);
    return reason;
}

enum close_reason stage_serve(struct connection *connection)
{
    enum close_reason reason;

    do {
        reason = answer_one(connection);
    } while (reason == CLOSE_NONE);
    return reason;
}
