/* SPDX-License-Identifier: MIT
 *
 * http - a small HTTP server on one thread (http.h)
 *
 * Sources: libevent's evhttp, zlib; RFC 9110 for the meaning of what is sent. */
#include "admin/http.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zlib.h>

#include "base/thread.h"
#include "engine/listener.h"

enum {
    GZIP_LEVEL = 1,
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: 16 more asks for a gzip header */
    GZIP_MEMORY_LEVEL = 8,
    COMPRESS_SIZE_MIN = 512,
    ACCEPT_PAUSE_US = 100 * 1000,
};

struct http {
    const struct http_endpoint *endpoints;
    void *context;
    struct event_base *base;
    struct evhttp *server;
    struct event *stop_event;
    int stop_fd;
    pthread_t thread;
    bool started;
};

const char *http_header(struct evhttp_request *request, const char *name)
{
    const char *const value = evhttp_find_header(evhttp_request_get_input_headers(request), name);
    return value ? value : "";
}

struct http_answer http_text(int status, const char *text)
{
    char *const body = strdup(text);

    return (struct http_answer){.status = body ? status : HTTP_INTERNAL,
                                .content_type = "text/plain; charset=utf-8",
                                .body = body,
                                .body_size = body ? strlen(body) : 0};
}

/* True if the client takes gzip: it names it, and not with a weight of zero. */
static bool accepts_gzip(struct evhttp_request *request)
{
    const char *const accept = http_header(request, "Accept-Encoding");
    const char *const gzip = strstr(accept, "gzip");

    if (!gzip)
        return false;
    const char *const rest = gzip + strlen("gzip");
    return strncmp(rest, ";q=0", 4) != 0 || rest[4] == '.';
}

/* Replaces the body by its gzip form; leaves it alone if that fails. */
static bool compress_body(struct http_answer *answer)
{
    z_stream stream = {0};

    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;

    const size_t capacity = deflateBound(&stream, answer->body_size);
    char *const packed = malloc(capacity);
    bool done = false;
    if (packed) {
        stream.next_in = (Bytef *)answer->body;
        stream.avail_in = (uInt)answer->body_size;
        stream.next_out = (Bytef *)packed;
        stream.avail_out = (uInt)capacity;
        done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    }
    if (done) {
        free(answer->body);
        answer->body = packed;
        answer->body_size = stream.total_out;
    } else {
        free(packed);
    }
    deflateEnd(&stream);
    return done;
}

static void free_body(const void *data, size_t size, void *body)
{
    (void)data;
    (void)size;
    free(body);
}

/* evhttp would send the body of an answer to HEAD, too, and its client would take it for the start
 * of the next answer. */
static void leave_out_body(struct evhttp_request *request, struct http_answer *answer)
{
    char size[24];

    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        return;
    snprintf(size, sizeof size, "%zu", answer->body_size);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", size);
    free(answer->body);
    answer->body = NULL;
}

static void send_answer(struct evhttp_request *request, struct http_answer answer)
{
    struct evkeyvalq *const headers = evhttp_request_get_output_headers(request);
    struct evbuffer *const body = evhttp_request_get_output_buffer(request);

    evhttp_add_header(headers, "Content-Type", answer.content_type);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    if (answer.compressible) {
        evhttp_add_header(headers, "Vary", "Accept, Accept-Encoding");
        if (answer.body_size >= COMPRESS_SIZE_MIN && accepts_gzip(request) &&
            compress_body(&answer))
            evhttp_add_header(headers, "Content-Encoding", "gzip");
    }
    leave_out_body(request, &answer);
    if (answer.body &&
        evbuffer_add_reference(body, answer.body, answer.body_size, free_body, answer.body) < 0)
        free(answer.body);
    evhttp_send_reply(request, answer.status, NULL, NULL);
}

static const struct http_endpoint *find_endpoint(const struct http *http,
                                                 struct evhttp_request *request)
{
    const struct evhttp_uri *const uri = evhttp_request_get_evhttp_uri(request);
    const char *const path = uri ? evhttp_uri_get_path(uri) : NULL;

    for (const struct http_endpoint *endpoint = http->endpoints; endpoint->path; endpoint++) {
        if (path && strcmp(path, endpoint->path) == 0)
            return endpoint;
    }
    return NULL;
}

static void on_request(struct evhttp_request *request, void *context)
{
    const struct http *const http = context;
    const enum evhttp_cmd_type method = evhttp_request_get_command(request);
    const struct http_endpoint *const endpoint = find_endpoint(http, request);

    if (!endpoint) {
        send_answer(request, http_text(HTTP_NOTFOUND, "Not found. See / for what is here.\n"));
    } else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        send_answer(request, http_text(HTTP_BADMETHOD, "Only GET and HEAD.\n"));
    } else {
        send_answer(request, endpoint->answer(http->context, request));
    }
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    struct http *const http = context;

    (void)fd;
    (void)what;
    event_base_loopbreak(http->base);
}

static void *run(void *context)
{
    struct http *const http = context;

    event_base_dispatch(http->base);
    return NULL;
}

static void on_resume(evutil_socket_t fd, short what, void *listener)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(listener);
}

/* accept failed: without descriptors it would fail again at once, and for ever. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    static const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};

    (void)context;
    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_resume, listener,
                        &pause) == 0)
        evconnlistener_disable(listener);
}

static struct evhttp *make_server(struct http *http, int fd)
{
    struct evhttp *const server = evhttp_new(http->base);
    struct evconnlistener *const listener =
        server ? evconnlistener_new(http->base, NULL, NULL,
                                    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 0, fd)
               : NULL;

    if (!listener || !evhttp_bind_listener(server, listener)) {
        if (listener)
            evconnlistener_free(listener);
        if (server)
            evhttp_free(server);
        return NULL;
    }
    evconnlistener_set_error_cb(listener, on_accept_error);
    evhttp_set_max_headers_size(server, HTTP_HEADERS_SIZE_MAX);
    evhttp_set_max_body_size(server, HTTP_BODY_SIZE_MAX);
    evhttp_set_timeout(server, HTTP_TIMEOUT_S);
    /* Every method reaches on_request(), which knows the right answer to each. */
    evhttp_set_allowed_methods(server, 0xffff);
    evhttp_set_gencb(server, on_request, http);
    return server;
}

static int start(struct http *http, const char *name, int fd, struct ackd_error *error)
{
    http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->base = event_base_new();
    if (http->stop_fd >= 0 && http->base) {
        http->stop_event = event_new(http->base, http->stop_fd, EV_READ, on_stop, http);
        http->server = make_server(http, fd);
    }
    if (!http->server) {
        close(fd);
        return error_raise(error, -ENOMEM, "cannot make an HTTP server");
    }
    if (!http->stop_event || event_add(http->stop_event, NULL) < 0)
        return error_raise(error, -ENOMEM, "cannot make an HTTP server");

    const int status = thread_start(&http->thread, name, run, http);
    if (status < 0)
        return error_raise(error, status, "cannot start thread %s: %s", name, strerror(-status));
    http->started = true;
    return 0;
}

int http_start(struct http **ret_http, const char *name, const struct address *address,
               const struct http_endpoint *endpoints, void *context, struct address *ret_bound,
               struct ackd_error *error)
{
    struct address bound;
    int fd = -1;

    assert(ret_http && endpoints && ret_bound);
    int status = listener_claim(address, error);
    if (status == 0)
        status = listener_open(address, &fd, &bound, error);
    if (status < 0)
        return status;

    struct http *const http = calloc(1, sizeof *http);
    if (!http) {
        close(fd);
        return error_raise(error, -ENOMEM, "cannot make an HTTP server");
    }
    http->endpoints = endpoints;
    http->context = context;
    http->stop_fd = -1;
    status = start(http, name, fd, error);
    if (status < 0) {
        http_stop(http);
        return status;
    }
    *ret_http = http;
    *ret_bound = bound;
    return 0;
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    if (http->started) {
        const uint64_t one = 1;
        const ssize_t size = write(http->stop_fd, &one, sizeof one);
        (void)size; /* an eventfd takes its first 1 */
        pthread_join(http->thread, NULL);
    }
    if (http->stop_event)
        event_free(http->stop_event);
    if (http->server)
        evhttp_free(http->server);
    if (http->base)
        event_base_free(http->base);
    if (http->stop_fd >= 0)
        close(http->stop_fd);
    free(http);
}
