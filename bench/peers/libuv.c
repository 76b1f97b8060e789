/* SPDX-License-Identifier: MIT
 *
 * libuv - the server as a user of libuv writes it: one loop, a read callback per connection
 *
 * Tuned: one receive buffer of 256 KiB for all, parsed in place; uv_try_write first, and a queued
 * write only of what the socket did not take. */
#include <arpa/inet.h>
#include <stdlib.h>

#include <uv.h>

#include "answer.h"

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    unsigned char *unsent; /* NULL = nothing waits */
    unsigned char *stash;  /* the beginning of a frame; NULL = none */
    size_t stash_size;
    int ending; /* once all is sent, close */
};

/* A frame's beginning is put in front of what is read next. */
static unsigned char receive_buffer[FRAME_SIZE_MAX + READ_SIZE];
static unsigned char acks[ACKS_SIZE_MAX];

static void on_closed(uv_handle_t *handle)
{
    struct connection *const connection = handle->data;

    free(connection->stash);
    free(connection->unsent);
    free(connection);
}

static void close_connection(struct connection *connection)
{
    if (!uv_is_closing((uv_handle_t *)&connection->tcp))
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *const connection = handle->data;

    (void)suggested;
    if (connection->stash_size > 0)
        memcpy(receive_buffer, connection->stash, connection->stash_size);
    *buffer = uv_buf_init((char *)receive_buffer + connection->stash_size, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_written(uv_write_t *write, int status)
{
    struct connection *const connection = write->handle->data;

    free(connection->unsent);
    connection->unsent = NULL;
    if (status < 0 || connection->ending)
        close_connection(connection);
    else
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

/* Sends; while something waits, the connection is not read. */
static void send_acks(struct connection *connection, size_t size)
{
    uv_stream_t *const stream = (uv_stream_t *)&connection->tcp;
    uv_buf_t buffer = uv_buf_init((char *)acks, (unsigned)size);
    const int sent = uv_try_write(stream, &buffer, 1);

    if (sent == (int)size)
        return;
    if (sent < 0 && sent != UV_EAGAIN) {
        close_connection(connection);
        return;
    }
    const size_t left = size - (sent > 0 ? (size_t)sent : 0);
    connection->unsent = malloc(left);
    memcpy(connection->unsent, acks + (size - left), left);
    buffer = uv_buf_init((char *)connection->unsent, (unsigned)left);
    uv_read_stop(stream);
    uv_write(&connection->write, stream, &buffer, 1, on_written);
}

static void keep_rest(struct connection *connection, const unsigned char *data, size_t size)
{
    if (size > 0) {
        connection->stash = realloc(connection->stash, size);
        memcpy(connection->stash, data, size);
    }
    connection->stash_size = size;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *const connection = stream->data;

    (void)buffer;
    if (size == 0)
        return;
    connection->ending = size < 0;
    if (size > 0) {
        const size_t total = connection->stash_size + (size_t)size;
        const struct answer answer = answer_requests(receive_buffer, total, acks);
        keep_rest(connection, receive_buffer + answer.used, total - answer.used);
        connection->ending = answer.broken;
        if (answer.ack_size > 0)
            send_acks(connection, answer.ack_size);
    }
    if (connection->ending && !connection->unsent)
        close_connection(connection);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *const connection = calloc(1, sizeof *connection);

    connection->tcp.data = connection;
    uv_tcp_init(listener->loop, &connection->tcp);
    if (status < 0 || uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0) {
        close_connection(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    int size = sizeof address;
    uv_tcp_t listener;

    if (argc != 2)
        return 64;
    uv_loop_t *const loop = uv_default_loop();
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&listener, 4096, on_connection) < 0 ||
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size) < 0 ||
        announce(argv[1], ntohs(address.sin_port)) < 0)
        return 71;
    return uv_run(loop, UV_RUN_DEFAULT);
}
