/* SPDX-License-Identifier: MIT
 *
 * asker - a client that asks a server of ours and judges the answer (asker.h) */
#include "http/asker.h"

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

enum { UNPACKED_SIZE_MAX = 1024 * 1024 };

void asker_fail(const struct asker *asker, const char *what)
{
    fprintf(stderr, "%s: %s\n%.600s\n", asker->name, what, asker->text);
    abort();
}

/* --- the request --- */

void asker_put_bytes(struct asker_request *request, struct bytes bytes)
{
    const size_t room = sizeof request->text - request->size;
    const size_t size = bytes.size < room ? bytes.size : room;

    if (size > 0)
        memcpy(request->text + request->size, bytes.data, size);
    request->size += size;
}

void asker_put(struct asker_request *request, const char *text)
{
    asker_put_bytes(request, (struct bytes){(const uint8_t *)text, strlen(text)});
}

struct bytes asker_take_line(struct bytes *input)
{
    const uint8_t *const end = input->size ? memchr(input->data, '\n', input->size) : NULL;
    const struct bytes line = {input->data, end ? (size_t)(end - input->data) : input->size};
    const size_t size = line.size + (end ? 1 : 0);

    *input = (struct bytes){size ? input->data + size : input->data, input->size - size};
    return line;
}

void asker_put_line(struct asker_request *request, struct bytes line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != '\n' && line.data[i] != '\r' && line.data[i] != '\0')
            asker_put_bytes(request, (struct bytes){&line.data[i], 1});
    }
}

/* --- the connection --- */

void asker_init(struct asker *asker, const char *name, const char *address)
{
    asker->name = name;
    asker->fd = -1;
    if (sscanf(address, "127.0.0.1:%5" SCNu16, &asker->port) != 1)
        asker_fail(asker, "no address");
}

static void connect_to(struct asker *asker)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(asker->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* A reset instead of a FIN: no port stays occupied for a minute. */
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    asker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (asker->fd < 0 ||
        setsockopt(asker->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0 ||
        connect(asker->fd, (const struct sockaddr *)&address, sizeof address) < 0)
        asker_fail(asker, strerror(errno));
}

static void disconnect(struct asker *asker)
{
    close(asker->fd);
    asker->fd = -1;
}

/* --- the answer --- */

/* Receives more of the answer.  False when there is no more. */
static bool receive(struct asker *asker)
{
    ssize_t size;

    do /* libFuzzer's timer may interrupt it */
        size = recv(asker->fd, asker->text + asker->text_size, ASKER_ANSWER_SIZE - asker->text_size,
                    0);
    while (size < 0 && errno == EINTR);
    if (size <= 0)
        return false;
    asker->text_size += (size_t)size;
    asker->text[asker->text_size] = '\0';
    return true;
}

/* Where @what is in the answer's head, from @from on; a body may be long. */
static const char *find(const struct asker *asker, const char *from, const char *what)
{
    return memmem(from, (size_t)(asker->body - from), what, strlen(what));
}

const char *asker_header(const struct asker *asker, const char *name)
{
    const size_t size = strlen(name);

    for (const char *line = find(asker, asker->text, "\r\n"); line && line + 4 < asker->body;
         line = find(asker, line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':')
            return line + 3 + size + strspn(line + 3 + size, " ");
    }
    return NULL;
}

static void check_packed(const struct asker *asker)
{
    static unsigned char text[UNPACKED_SIZE_MAX];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)asker->body,
                       .avail_in = (uInt)asker->body_size,
                       .next_out = text,
                       .avail_out = sizeof text};

    if (inflateInit2(&stream, 15 + 16) != Z_OK || inflate(&stream, Z_FINISH) != Z_STREAM_END)
        asker_fail(asker, "an answer that does not unpack");
    inflateEnd(&stream);
}

/* False when the connection has ended instead. */
static bool take_head(struct asker *asker)
{
    const char *end;

    asker->text_size = 0;
    asker->text[0] = '\0';
    while (!(end = memmem(asker->text, asker->text_size, "\r\n\r\n", 4))) {
        if (!receive(asker)) {
            if (asker->text_size > 0)
                asker_fail(asker, "half a head");
            return false;
        }
    }
    asker->body = end + 4;
    if (sscanf(asker->text, "HTTP/1.%*1[01] %3u ", &asker->status) != 1)
        asker_fail(asker, "no status line");
    return true;
}

static void take_body(struct asker *asker, bool is_head)
{
    const char *const length = asker_header(asker, "Content-Length");
    const size_t head_size = (size_t)(asker->body - asker->text);

    asker->body_size = 0;
    if (length && !is_head && sscanf(length, "%6zu", &asker->body_size) != 1)
        asker_fail(asker, "no length");
    while (asker->text_size < head_size + asker->body_size) {
        if (!receive(asker))
            asker_fail(asker, "half a body");
    }
    if (asker_header(asker, "Content-Encoding") && asker->body_size > 0)
        check_packed(asker);
}

static bool stays_open(const struct asker *asker)
{
    const char *const connection = asker_header(asker, "Connection");

    return (asker_header(asker, "Content-Length") || asker->status == 304) &&
           asker->status != 400 && !(connection && strncasecmp(connection, "close", 5) == 0);
}

bool asker_ask(struct asker *asker, const struct asker_request *request, bool is_head)
{
    if (asker->fd < 0)
        connect_to(asker);
    if (send(asker->fd, request->text, request->size, MSG_NOSIGNAL) != (ssize_t)request->size ||
        !take_head(asker)) {
        disconnect(asker);
        return false;
    }
    take_body(asker, is_head);
    if (!stays_open(asker))
        disconnect(asker);
    return true;
}
