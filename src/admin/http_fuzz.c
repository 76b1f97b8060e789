/* SPDX-License-Identifier: MIT
 *
 * http_fuzz - requests for the admin server, over its own socket
 *
 *      input   method: 1 | path \n Accept \n Accept-Encoding \n any other header lines
 *
 * The protocol is libevent's; what is tried is what we make of a request: the path, the method,
 * what the client takes.  Each answer must be whole, of a status that is documented, and unpack to
 * text if it is packed.  Connections stay open as long as the server lets them. */
#include <ackd/admin.h>
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    REQUEST_SIZE = 16 * 1024,
    ANSWER_SIZE = 256 * 1024,
    PART_COUNT = 4,
};

static const char *const methods[] = {"GET",    "HEAD",    "POST",  "PUT",
                                      "DELETE", "OPTIONS", "PATCH", "TRACE"};

struct client {
    int fd; /* -1: not connected */
    uint16_t port;
    char answer[ANSWER_SIZE + 1];
    size_t answer_size;
};

static void fail(const char *what, const struct client *client)
{
    fprintf(stderr, "http_fuzz: %s\n%.600s\n", what, client ? client->answer : "");
    abort();
}

/* A server that is never started, and its admin server; both live as long as the program. */
static uint16_t start(void)
{
    static struct ackd_server *server;
    static struct ackd_admin *admin;
    const struct ackd_admin_options admin_options = {.listen = "127.0.0.1:0",
                                                     .metrics_prefix = "ackd"};
    struct ackd_server_options options;
    struct ackd_error error;

    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.worker_count = 1;
    if (ackd_server_new(&server, &options, &error) < 0 ||
        ackd_admin_start(&admin, server, &admin_options, &error) < 0)
        fail(error.text, NULL);
    uint16_t port;
    if (sscanf(ackd_admin_address(admin), "127.0.0.1:%5" SCNu16, &port) != 1)
        fail("no address", NULL);
    return port;
}

static void connect_to(struct client *client)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(client->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* A reset instead of a FIN: no port stays occupied for a minute. */
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof address) < 0)
        fail(strerror(errno), NULL);
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* Receives more of the answer.  False when there is no more. */
static bool receive(struct client *client)
{
    const ssize_t size = recv(client->fd, client->answer + client->answer_size,
                              ANSWER_SIZE - client->answer_size, 0);

    if (size <= 0)
        return false;
    client->answer_size += (size_t)size;
    client->answer[client->answer_size] = '\0';
    return true;
}

/* The value of a header of the answer, or NULL. */
static const char *header(const struct client *client, const char *name, const char *head_end)
{
    const size_t size = strlen(name);

    for (const char *line = strstr(client->answer, "\r\n"); line && line < head_end;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':')
            return line + 3 + size + strspn(line + 3 + size, " ");
    }
    return NULL;
}

static void check_packed(const struct client *client, const char *body, size_t size)
{
    static unsigned char text[1024 * 1024];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)body,
                       .avail_in = (uInt)size,
                       .next_out = text,
                       .avail_out = sizeof text};

    if (inflateInit2(&stream, 15 + 16) != Z_OK || inflate(&stream, Z_FINISH) != Z_STREAM_END)
        fail("an answer that does not unpack", client);
    inflateEnd(&stream);
}

/* Receives one whole answer and judges it.  False when the connection has ended with it. */
static bool take_answer(struct client *client, bool is_head)
{
    const char *head_end;
    unsigned status;

    client->answer_size = 0;
    client->answer[0] = '\0';
    while (!(head_end = strstr(client->answer, "\r\n\r\n"))) {
        if (!receive(client))
            return client->answer_size == 0 ? false : (fail("half a head", client), false);
    }
    if (sscanf(client->answer, "HTTP/1.%*1[01] %3u ", &status) != 1)
        fail("no status line", client);
    if (status != 200 && status != 400 && status != 404 && status != 405 && status != 413 &&
        status != 417 && status != 501 && status != 503)
        fail("a status that nobody documented", client);

    const char *const length = header(client, "Content-Length", head_end);
    const size_t head_size = (size_t)(head_end + 4 - client->answer);
    size_t size = 0;
    if (length && !is_head && sscanf(length, "%6zu", &size) != 1)
        fail("no length", client);
    while (client->answer_size < head_size + size) {
        if (!receive(client))
            fail("half a body", client);
    }
    if (header(client, "Content-Encoding", head_end) && size > 0)
        check_packed(client, client->answer + head_size, size);
    const char *const connection = header(client, "Connection", head_end);
    return length && status != 400 && !(connection && strncasecmp(connection, "close", 5) == 0);
}

struct request {
    char text[REQUEST_SIZE];
    size_t size;
};

static void put(struct request *request, const char *text)
{
    const size_t size = strlen(text);

    memcpy(request->text + request->size, text, size);
    request->size += size;
}

/* Puts a line of the input, which begins at *@at, without bytes that would end a line. */
static void put_part(struct request *request, const uint8_t **at, const uint8_t *end)
{
    for (; *at < end && **at != '\n'; (*at)++) {
        if (**at != '\r' && **at != '\0')
            request->text[request->size++] = (char)**at;
    }
    if (*at < end)
        (*at)++;
}

static void make_request(struct request *request, const char *method, struct bytes input)
{
    static const char *const before[PART_COUNT] = {" /", "Accept: ", "Accept-Encoding: ", "X: "};
    const uint8_t *const end = input.data + input.size;

    request->size = 0;
    put(request, method);
    for (int i = 0; i < PART_COUNT; i++) {
        put(request, before[i]);
        put_part(request, &input.data, end);
        put(request, i == 0 ? " HTTP/1.1\r\nHost: a\r\n" : "\r\n");
    }
    put(request, "\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct client client = {.fd = -1};
    static struct request request;

    if (size == 0 || size > REQUEST_SIZE / 2)
        return 0;
    if (client.port == 0)
        client.port = start();
    if (client.fd < 0)
        connect_to(&client);

    const char *const method = methods[data[0] % 8];
    make_request(&request, method, (struct bytes){data + 1, size - 1});
    if (send(client.fd, request.text, request.size, MSG_NOSIGNAL) != (ssize_t)request.size ||
        !take_answer(&client, strcmp(method, "HEAD") == 0))
        disconnect(&client);
    return 0;
}
