/* SPDX-License-Identifier: MIT
 *
 * http_get - fetches one document over plain HTTP (http_get.h)
 *
 * HTTP/1.0, so the body ends where the connection does. */
#include "load/http_get.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"

enum { REQUEST_SIZE = 2048, FIRST_ROOM = 64 * 1024 };

/* A fetch that goes on. */
struct fetch {
    int fd;
    uint64_t deadline_ns;
    struct interrupts *interrupts;
    char *bytes;
    size_t size;
    size_t room;
};

static int parse(const char *url, struct address *ret_address, char *ret_host, size_t host_size,
                 const char **ret_path, struct ackd_error *error)
{
    static const char scheme[] = "http://";
    char with_port[256];
    const char *const host = url + sizeof scheme - 1;

    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return error_raise(error, -EINVAL, "give a URL such as http://127.0.0.1:6060/path");
    const size_t length = strcspn(host, "/");
    if (length == 0 || length >= host_size)
        return error_raise(error, -EINVAL, "the URL names no host");
    snprintf(ret_host, host_size, "%.*s", (int)length, host);
    *ret_path = host[length] ? host + length : "/";
    const char *const colon = strrchr(ret_host, ':');
    const bool has_port = colon && !strchr(colon, ']');
    snprintf(with_port, sizeof with_port, "%.200s%s", ret_host, has_port ? "" : ":80");
    return address_parse(with_port, true, ret_address, error);
}

/* Waits until the socket is ready for @events. */
static int await(struct fetch *fetch, short events, struct ackd_error *error)
{
    struct pollfd watched[] = {
        {.fd = fetch->fd, .events = events},
        {.fd = fetch->interrupts->fd, .events = POLLIN},
    };

    for (;;) {
        const uint64_t now_ns = clock_monotonic_ns();
        if (interrupts_requested(fetch->interrupts))
            return error_raise(error, -EINTR, "interrupted");
        if (now_ns >= fetch->deadline_ns)
            return error_raise(error, -EIO, "no whole answer in time");
        const uint64_t left_ms = (fetch->deadline_ns - now_ns) / NS_PER_MS + 1;
        poll(watched, 2, left_ms < 60000 ? (int)left_ms : 60000);
        if (watched[0].revents)
            return 0;
    }
}

static int fail_io(int code, struct ackd_error *error)
{
    return error_raise(error, -EIO, "%s", strerror(code));
}

static int connect_to(struct fetch *fetch, const struct address *address, struct ackd_error *error)
{
    int code = 0;
    socklen_t size = sizeof code;

    fetch->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fetch->fd < 0)
        return fail_io(errno, error);
    if (connect(fetch->fd, (const struct sockaddr *)&address->storage, address->size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return fail_io(errno, error);
    const int status = await(fetch, POLLOUT, error);
    if (status < 0)
        return status;
    getsockopt(fetch->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code == 0 ? 0 : fail_io(code, error);
}

static int send_request(struct fetch *fetch, const char *host, const char *path,
                        struct ackd_error *error)
{
    char request[REQUEST_SIZE];
    const int length =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);

    if (length < 0 || (size_t)length >= sizeof request)
        return error_raise(error, -EINVAL, "the URL is too long");
    /* A new socket's buffer takes this much at once. */
    if (send(fetch->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        return fail_io(errno, error);
    return 0;
}

static int make_room(struct fetch *fetch, struct ackd_error *error)
{
    if (fetch->size + 1 < fetch->room)
        return 0;
    const size_t room = fetch->room > 0 ? fetch->room * 2 : FIRST_ROOM;
    if (room > HTTP_BODY_SIZE_MAX)
        return error_raise(error, -EIO, "the answer is larger than %d MiB",
                           HTTP_BODY_SIZE_MAX / 1024 / 1024);
    char *const grown = realloc(fetch->bytes, room);
    if (!grown)
        return error_raise(error, -ENOMEM, "no memory for the answer");
    fetch->bytes = grown;
    fetch->room = room;
    return 0;
}

/* Reads until the server closes; a NUL stands behind what came. */
static int receive(struct fetch *fetch, struct ackd_error *error)
{
    for (;;) {
        int status = make_room(fetch, error);
        if (status == 0)
            status = await(fetch, POLLIN, error);
        if (status < 0)
            return status;
        assert(fetch->bytes);
        const ssize_t got =
            recv(fetch->fd, fetch->bytes + fetch->size, fetch->room - fetch->size - 1, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got < 0)
            return fail_io(errno, error);
        fetch->size += (size_t)got;
        fetch->bytes[fetch->size] = '\0';
        if (got == 0)
            return 0;
    }
}

/* Cuts the head off. */
static int take_body(struct fetch *fetch, struct ackd_error *error)
{
    assert(fetch->bytes);
    const char *const end = strstr(fetch->bytes, "\r\n\r\n");
    const char *const space = strchr(fetch->bytes, ' ');

    if (strncmp(fetch->bytes, "HTTP/1.", 7) != 0 || !end || !space)
        return error_raise(error, -EIO, "the answer is no HTTP");
    if (strncmp(space + 1, "200", 3) != 0)
        return error_raise(error, -EIO, "the server answered %.*s", (int)strcspn(space + 1, "\r\n"),
                           space + 1);
    const size_t head_size = (size_t)(end - fetch->bytes) + 4;
    fetch->size -= head_size;
    memmove(fetch->bytes, fetch->bytes + head_size, fetch->size + 1);
    return 0;
}

int http_get(const char *url, uint64_t timeout_ns, struct interrupts *interrupts, char **ret_body,
             size_t *ret_size, struct ackd_error *error)
{
    struct fetch fetch = {
        .fd = -1,
        .deadline_ns = clock_monotonic_ns() + timeout_ns,
        .interrupts = interrupts,
    };
    struct address address = {.size = 0};
    char host[200];
    const char *path = NULL;

    int status = parse(url, &address, host, sizeof host, &path, error);
    if (status == 0)
        status = connect_to(&fetch, &address, error);
    if (status == 0)
        status = send_request(&fetch, host, path, error);
    if (status == 0)
        status = receive(&fetch, error);
    if (status == 0)
        status = take_body(&fetch, error);
    if (fetch.fd >= 0)
        close(fetch.fd);
    if (status < 0) {
        free(fetch.bytes);
        return status;
    }
    *ret_body = fetch.bytes;
    *ret_size = fetch.size;
    return 0;
}
