/* SPDX-License-Identifier: MIT
 *
 * buffered - stage 2: stage 1 behind a 4 KiB read buffer and a 4 KiB write buffer
 *
 *      read(2) <= 4 KiB | frame | malloc a packet | frame | malloc a packet | ... | write(2) acks
 *
 * Acks leave when the read buffer holds no further complete frame: whoever is about to wait for
 * bytes owes none.  The column's tcp-server-demo3 forgets that flush: its acks leave when 4 KiB of
 * them have gathered, so that a client which waits for its ack before it sends more waits for
 * ever.  Its load client never waits, and so never shows it. */
#include <stdlib.h>

#include "common.h"

enum { BUFFER_SIZE = 4096 };

/* One thread is one connection, so what is the thread's is the connection's. */
static _Thread_local struct {
    uint8_t data[BUFFER_SIZE];
    size_t begin;
    size_t end;
} in;

static _Thread_local struct {
    uint8_t data[BUFFER_SIZE];
    size_t size;
    uint64_t submit_count; /* acks among the data, CONN_ACKs left out */
} out;

const char stage_name[] = "buffered";

/* Writes what has gathered. */
static enum close_reason flush(struct connection *connection)
{
    if (out.size == 0)
        return CLOSE_NONE;
    const enum close_reason reason = connection_write(connection, out.data, out.size);
    if (reason == CLOSE_NONE) {
        connection_acked(connection, out.submit_count);
        out.submit_count = 0;
        out.size = 0;
    }
    return reason;
}

/* Fills the empty read buffer; before it waits, what is owed leaves. */
static enum close_reason fill(struct connection *connection)
{
    enum close_reason reason = flush(connection);

    in.begin = in.end = 0;
    if (reason == CLOSE_NONE)
        reason = connection_read(connection, in.data, sizeof in.data, &in.end);
    return reason;
}

/* Reads @size more bytes of the frame. */
static enum close_reason read_more(struct connection *connection, size_t size)
{
    while (size > 0) {
        uint8_t *const to = connection->frame + connection->frame_size;

        const enum close_reason reason = in.begin == in.end ? fill(connection) : CLOSE_NONE;
        if (reason != CLOSE_NONE)
            return reason;
        const size_t piece = size < in.end - in.begin ? size : in.end - in.begin;
        memcpy(to, in.data + in.begin, piece);
        in.begin += piece;
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
    if (sizeof out.data - out.size < ACK_SIZE) {
        const enum close_reason reason = flush(connection);
        if (reason != CLOSE_NONE)
            return reason;
    }
    packet_ack(packet, out.data + out.size);
    out.size += ACK_SIZE;
    out.submit_count += packet->is_submit;
    return CLOSE_NONE;
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
    flush(connection); /* the acks that were earned before the end */
    return reason;
}
