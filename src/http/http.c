/* SPDX-License-Identifier: MIT
 *
 * http - a small HTTP server on one thread (http.h)
 *
 * Sources: libevent's evhttp, zlib; RFC 9110 for the meaning of what is sent. */
#include "http/http.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
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
    STATUS_FORBIDDEN = 403, /* evhttp has no name for it */
    ACCEPT_PAUSE_US = 100 * 1000,
    READ_SIZE_MAX = 16 * 1024, /* what libevent reads at once, at most */
    INPUT_SIZE_MAX = HTTP_HEADERS_SIZE_MAX + HTTP_BODY_SIZE_MAX + READ_SIZE_MAX,
    LOOK_US = 50 * 1000, /* how often it is looked whether those who wait are still there */
};

/* A request that is answered later.  Waits in the list of its http until then. */
struct http_later {
    struct http_later *next;          /* of those who wait */
    struct http_later *next_answered; /* of those whose answer has come */
    struct http *http;
    struct evhttp_request *request; /* NULL: the connection has gone */
    struct http_answer answer;
    _Atomic bool is_gone;
};

struct http {
    struct http_service service;
    struct event_base *base;
    struct evhttp *server;
    struct evconnlistener *listener; /* the server's */
    struct event *stop_event;
    struct event *tick_event;
    int stop_fd;
    pthread_t thread;
    bool started;

    /* The http thread's: */
    struct http_later *waiting;
    size_t waiting_count;
    struct event *look_event; /* a timer, while somebody waits */

    struct event *answered_event;
    int answered_fd;
    pthread_mutex_t mutex;       /* guards: */
    struct http_later *answered; /* the newest first */
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

bool http_host_is_ours(const char *host)
{
    static const char local[] = "localhost";
    const char *const colon = strrchr(host, ':');
    const size_t size = colon ? (size_t)(colon - host) : strlen(host);

    if (host[0] == '[' || host[0] == '\0') /* IPv6; or HTTP/1.0, which no browser speaks */
        return true;
    if (!memchr(host, '.', size))
        return true;
    if (strspn(host, "0123456789.") == size)
        return true;
    return size > sizeof local && host[size - sizeof local] == '.' &&
           strncasecmp(host + size - strlen(local), local, strlen(local)) == 0;
}

static const char blank[] = " \t";

/* True if @text, what follows the name of a coding, begins with "; q=0", "; q=0.0" or the like. */
static bool is_weight_zero(const char *text)
{
    text += strspn(text, blank);
    if (*text != ';')
        return false;
    text += 1 + strspn(text + 1, blank);
    if (strncasecmp(text, "q=0", 3) != 0)
        return false;
    text += strlen("q=");
    text += strspn(text, "0.");
    return *text < '1' || *text > '9';
}

/* It names it, and not with a weight of zero. */
bool http_accepts_gzip(struct evhttp_request *request)
{
    static const char gzip[] = "gzip";
    const char *text = http_header(request, "Accept-Encoding");

    while (*text) {
        text += strspn(text, ", \t");
        const size_t size = strcspn(text, ",; \t");
        if (size == strlen(gzip) && strncasecmp(text, gzip, size) == 0)
            return !is_weight_zero(text + size);
        text += strcspn(text, ",");
    }
    return false;
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

char *http_unzip(const unsigned char *gzip, size_t gzip_size, size_t size)
{
    char *const text = malloc(size);
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)gzip,
        .avail_in = (uInt)gzip_size,
        .next_out = (Bytef *)text,
        .avail_out = (uInt)size,
    };

    if (!text || inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK) {
        free(text);
        return NULL;
    }
    const int status = inflate(&stream, Z_FINISH);
    assert(status == Z_STREAM_END && stream.total_out == size); /* the build packed it */
    inflateEnd(&stream);
    return text;
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
    if (answer->status != HTTP_NOTMODIFIED) /* whose length would be that of what it stands for */
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", size);
    if (!answer->kept)
        free(answer->body);
    answer->body = NULL;
    answer->body_size = 0;
    answer->kept = false;
}

static void send_answer(struct evhttp_request *request, struct http_answer answer)
{
    struct evkeyvalq *const headers = evhttp_request_get_output_headers(request);
    struct evbuffer *const body = evhttp_request_get_output_buffer(request);

    evhttp_add_header(headers, "Content-Type", answer.content_type);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
    evhttp_add_header(headers, "Cache-Control", answer.etag ? "no-cache" : "no-store");
    if (answer.etag)
        evhttp_add_header(headers, "ETag", answer.etag);
    for (int i = 0; i < HTTP_HEADER_COUNT_MAX && answer.headers[i].name; i++)
        evhttp_add_header(headers, answer.headers[i].name, answer.headers[i].value);
    if (answer.gzipped)
        evhttp_add_header(headers, "Content-Encoding", "gzip");
    if (answer.compressible) {
        evhttp_add_header(headers, "Vary", "Accept, Accept-Encoding");
        if (answer.body_size >= COMPRESS_SIZE_MIN && http_accepts_gzip(request) &&
            compress_body(&answer))
            evhttp_add_header(headers, "Content-Encoding", "gzip");
    }
    leave_out_body(request, &answer);
    if (answer.kept)
        evbuffer_add_reference(body, answer.body, answer.body_size, NULL, NULL);
    else if (answer.body && evbuffer_add_reference(body, answer.body, answer.body_size, free_body,
                                                   answer.body) < 0)
        free(answer.body);
    evhttp_send_reply(request, answer.status, NULL, NULL);
}

/* --- what handlers ask --- */

const char *http_path(struct evhttp_request *request)
{
    const struct evhttp_uri *const uri = evhttp_request_get_evhttp_uri(request);
    const char *const path = uri ? evhttp_uri_get_path(uri) : NULL;

    return path ? path : "";
}

const char *http_raw_query(struct evhttp_request *request)
{
    const struct evhttp_uri *const uri = evhttp_request_get_evhttp_uri(request);
    const char *const query = uri ? evhttp_uri_get_query(uri) : NULL;

    return query ? query : "";
}

void http_query(struct evhttp_request *request, const char *name, char *ret_value,
                size_t value_size)
{
    struct evkeyvalq values;

    ret_value[0] = '\0';
    if (evhttp_parse_query_str(http_raw_query(request), &values) < 0)
        return;
    const char *const value = evhttp_find_header(&values, name);
    if (value && strlen(value) < value_size)
        snprintf(ret_value, value_size, "%s", value);
    evhttp_clear_headers(&values);
}

char *http_body(struct evhttp_request *request)
{
    struct evbuffer *const body = evhttp_request_get_input_buffer(request);
    const size_t size = evbuffer_get_length(body);

    if (evhttp_request_get_command(request) != EVHTTP_REQ_POST)
        return NULL;
    char *const text = malloc(size + 1);
    if (text) {
        evbuffer_copyout(body, text, size);
        text[size] = '\0';
    }
    return text;
}

/* --- answers that come later --- */

/* The end may stand behind bytes that are not read until the answer has been sent. */
static bool has_hung_up(struct evhttp_request *request)
{
    struct evhttp_connection *const connection = evhttp_request_get_connection(request);
    const int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    struct pollfd end = {.fd = fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0;
}

/* evhttp is about to free the connection, and the request with it while that belongs to it. */
static void on_close(struct evhttp_connection *connection, void *context)
{
    struct http_later *const later = context;

    (void)connection;
    /* After an error evhttp lets go of a request that is not answered, and frees it no more. */
    if (!evhttp_request_get_connection(later->request))
        evhttp_request_free(later->request);
    later->request = NULL;
    atomic_store(&later->is_gone, true);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
    const struct http *const http = context;

    (void)fd;
    (void)what;
    for (struct http_later *later = http->waiting; later; later = later->next) {
        if (later->request && has_hung_up(later->request))
            evhttp_connection_free(evhttp_request_get_connection(later->request));
    }
}

struct http_later *http_defer(struct http *http, struct evhttp_request *request)
{
    static const struct timeval often = {.tv_usec = LOOK_US};
    struct evhttp_connection *const connection = evhttp_request_get_connection(request);
    struct http_later *const later =
        http->waiting_count < HTTP_LATER_COUNT_MAX ? calloc(1, sizeof *later) : NULL;

    if (!later)
        return NULL;
    later->http = http;
    later->request = request;
    later->next = http->waiting;
    http->waiting = later;
    if (http->waiting_count++ == 0)
        event_add(http->look_event, &often);
    evhttp_connection_set_closecb(connection, on_close, later);
    /* Its time runs out from the answer on; a next request waits. */
    bufferevent_disable(evhttp_connection_get_bufferevent(connection), EV_READ);
    return later;
}

bool http_is_gone(const struct http_later *later)
{
    return atomic_load(&later->is_gone);
}

void http_answer_later(struct http_later *later, struct http_answer answer)
{
    const uint64_t one = 1;
    struct http *const http = later->http;

    later->answer = answer;
    pthread_mutex_lock(&http->mutex);
    later->next_answered = http->answered;
    http->answered = later;
    pthread_mutex_unlock(&http->mutex);
    const ssize_t size = write(http->answered_fd, &one, sizeof one);
    (void)size; /* an eventfd takes it */
}

static struct http_later *take_answered(struct http *http)
{
    pthread_mutex_lock(&http->mutex);
    struct http_later *const answered = http->answered;
    http->answered = NULL;
    pthread_mutex_unlock(&http->mutex);
    return answered;
}

static void stop_waiting(struct http *http, struct http_later *later)
{
    struct http_later **at = &http->waiting;

    while (*at != later)
        at = &(*at)->next;
    *at = later->next;
    if (--http->waiting_count == 0)
        event_del(http->look_event);
}

static void on_answered(evutil_socket_t fd, short what, void *context)
{
    struct http *const http = context;
    uint64_t count;
    const ssize_t size = read(fd, &count, sizeof count);

    (void)size; /* the list says what there is to do */
    (void)what;
    for (struct http_later *later = take_answered(http); later;) {
        struct http_later *const next = later->next_answered;

        stop_waiting(http, later);
        if (later->request) {
            evhttp_connection_set_closecb(evhttp_request_get_connection(later->request), NULL,
                                          NULL);
            send_answer(later->request, later->answer);
        } else {
            free(later->answer.body);
        }
        free(later);
        later = next;
    }
}

/* --- requests --- */

/* True if @path is @pattern, or in the folder "/folder/...". */
static bool is_match(const char *pattern, const char *path)
{
    const size_t size = strlen(pattern);

    if (size > 3 && strcmp(pattern + size - 3, "...") == 0)
        return strncmp(path, pattern, size - 3) == 0;
    return strcmp(path, pattern) == 0;
}

static const struct http_endpoint *find_endpoint(const struct http *http, const char *path)
{
    for (const struct http_endpoint *endpoint = http->service.endpoints; endpoint->path;
         endpoint++) {
        if (is_match(endpoint->path, path))
            return endpoint;
    }
    return NULL;
}

static bool is_allowed(const struct http_endpoint *endpoint, enum evhttp_cmd_type method)
{
    return method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD ||
           (endpoint->takes_post && method == EVHTTP_REQ_POST);
}

static void refuse_method(struct evhttp_request *request, const struct http_endpoint *endpoint)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                      endpoint->takes_post ? "GET, HEAD, POST" : "GET, HEAD");
    send_answer(request,
                http_text(HTTP_BADMETHOD, endpoint->takes_post ? "Only GET, HEAD and POST.\n"
                                                               : "Only GET and HEAD.\n"));
}

static bool is_foreign(const struct http *http, const struct http_endpoint *endpoint,
                       struct evhttp_request *request)
{
    return endpoint->guarded && !http->service.takes_any_host &&
           !http_host_is_ours(http_header(request, "Host"));
}

static void on_request(struct evhttp_request *request, void *context)
{
    const struct http *const http = context;
    const struct http_endpoint *const endpoint = find_endpoint(http, http_path(request));

    if (!endpoint) {
        send_answer(request, http_text(HTTP_NOTFOUND, "Not found. See / for what is here.\n"));
    } else if (!is_allowed(endpoint, evhttp_request_get_command(request))) {
        refuse_method(request, endpoint);
    } else if (is_foreign(http, endpoint, request)) {
        send_answer(request,
                    http_text(STATUS_FORBIDDEN,
                              "Open this by its address, or through a tunnel to localhost: a name "
                              "with a dot may belong to somebody else.\n"));
    } else {
        const struct http_answer answer = endpoint->answer(http->service.context, request);
        if (answer.status != 0)
            send_answer(request, answer);
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

    if (http->service.on_thread)
        http->service.on_thread(http->service.on_thread_self);
    event_base_dispatch(http->base);
    return NULL;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    const struct http *const http = context;

    (void)fd;
    (void)what;
    http->service.tick(http->service.context);
}

/* --- how many connections --- */

/* Descriptors that the loop waits for. */
struct fd_set_small {
    size_t count;
    int fds[2 * HTTP_CONN_COUNT_MAX];
};

static int note_fd(const struct event_base *base, const struct event *event, void *context)
{
    struct fd_set_small *const set = context;
    const int fd = event_get_fd(event);

    (void)base;
    for (size_t i = 0; i < set->count; i++) {
        if (set->fds[i] == fd)
            return 0;
    }
    if (fd >= 0 && set->count < 2 * HTTP_CONN_COUNT_MAX)
        set->fds[set->count++] = fd;
    return 0;
}

/* How many connections are open.  evhttp keeps no count and says nothing when one ends; but as long
 * as one is there, the loop waits to read from it or to write to it, or its answer is to come. */
static size_t count_conns(const struct http *http)
{
    struct fd_set_small set = {0};
    const int own[] = {http->stop_fd, http->answered_fd, evconnlistener_get_fd(http->listener)};

    event_base_foreach_event(http->base, note_fd, &set);
    size_t count = set.count;
    for (size_t i = 0; i < set.count; i++)
        count -= set.fds[i] == own[0] || set.fds[i] == own[1] || set.fds[i] == own[2];
    return count + http->waiting_count;
}

static void pause_accept(struct evconnlistener *listener, event_callback_fn resume, void *context)
{
    static const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};

    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, resume, context,
                        &pause) == 0)
        evconnlistener_disable(listener);
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
    (void)context; /* evhttp's */
    pause_accept(listener, on_resume, listener);
}

static void on_resume_below_max(evutil_socket_t fd, short what, void *context)
{
    struct http *const http = context;

    if (count_conns(http) < HTTP_CONN_COUNT_MAX)
        on_resume(fd, what, http->listener);
    else
        pause_accept(http->listener, on_resume_below_max, http);
}

/* evhttp bounds headers and bodies, but neither the line of a chunk's size nor what comes while an
 * answer is written.  What is longer than any request ends the connection: to read no more would
 * not do, as no timeout runs then. */
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    struct bufferevent *const connection = context;

    if (info->n_added == 0 || evbuffer_get_length(input) <= INPUT_SIZE_MAX)
        return;
    bufferevent_disable(connection, EV_READ);
    bufferevent_trigger_event(connection, BEV_EVENT_READING | BEV_EVENT_ERROR,
                              BEV_TRIG_DEFER_CALLBACKS);
}

/* A connection was accepted; evhttp asks for what it is to use for it. */
static struct bufferevent *on_accepted(struct event_base *base, void *context)
{
    struct http *const http = context;
    struct bufferevent *const connection = bufferevent_socket_new(base, -1, 0);

    if (count_conns(http) + 1 >= HTTP_CONN_COUNT_MAX)
        pause_accept(http->listener, on_resume_below_max, http);
    if (connection)
        evbuffer_add_cb(bufferevent_get_input(connection), on_input, connection);
    return connection;
}

/* --- making and ending --- */

/* Takes @fd, whatever comes of it. */
static struct evhttp *make_server(struct http *http, int fd)
{
    struct evhttp *const server = evhttp_new(http->base);
    struct evconnlistener *const listener =
        server ? evconnlistener_new(http->base, NULL, NULL,
                                    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 0, fd)
               : NULL;

    if (!listener || !evhttp_bind_listener(server, listener)) {
        if (listener)
            evconnlistener_free(listener); /* closes it */
        else
            close(fd);
        if (server)
            evhttp_free(server);
        return NULL;
    }
    http->listener = listener;
    evconnlistener_set_error_cb(listener, on_accept_error);
    evhttp_set_bevcb(server, on_accepted, http);
    evhttp_set_max_headers_size(server, HTTP_HEADERS_SIZE_MAX);
    evhttp_set_max_body_size(server, HTTP_BODY_SIZE_MAX);
    evhttp_set_timeout(server, HTTP_TIMEOUT_S);
    /* Every method reaches on_request(), which knows the right answer to each. */
    evhttp_set_allowed_methods(server, 0xffff);
    evhttp_set_gencb(server, on_request, http);
    return server;
}

static bool make_events(struct http *http)
{
    http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->stop_fd < 0 || http->answered_fd < 0)
        return false;
    http->stop_event = event_new(http->base, http->stop_fd, EV_READ, on_stop, http);
    http->look_event = event_new(http->base, -1, EV_PERSIST, on_look, http);
    http->answered_event =
        event_new(http->base, http->answered_fd, EV_READ | EV_PERSIST, on_answered, http);
    return http->stop_event && http->look_event && http->answered_event &&
           event_add(http->stop_event, NULL) == 0 && event_add(http->answered_event, NULL) == 0;
}

static bool start_ticking(struct http *http)
{
    static const struct timeval second = {.tv_sec = 1};

    if (!http->service.tick)
        return true;
    http->tick_event = event_new(http->base, -1, EV_TIMEOUT | EV_PERSIST, on_tick, http);
    return http->tick_event && event_add(http->tick_event, &second) == 0;
}

/* Takes @fd, whatever comes of it. */
static int start(struct http *http, const char *name, int fd, struct ackd_error *error)
{
    http->base = event_base_new();
    if (http->base)
        http->server = make_server(http, fd);
    else
        close(fd);
    if (!http->server || !make_events(http) || !start_ticking(http))
        return error_raise(error, -ENOMEM, "cannot make an HTTP server");

    const int status = thread_start(&http->thread, name, run, http);
    if (status < 0)
        return error_raise(error, status, "cannot start thread %s: %s", name, strerror(-status));
    http->started = true;
    return 0;
}

int http_start(struct http **ret_http, const char *name, const struct address *address,
               const struct http_service *service, struct address *ret_bound,
               struct ackd_error *error)
{
    struct address bound;
    int fd = -1;

    assert(ret_http && service->endpoints && ret_bound);
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
    http->service = *service;
    http->stop_fd = -1;
    http->answered_fd = -1;
    pthread_mutex_init(&http->mutex, NULL);
    *ret_http = http;
    status = start(http, name, fd, error);
    if (status < 0) {
        *ret_http = NULL;
        http_stop(http);
        return status;
    }
    *ret_bound = bound;
    return 0;
}

/* Those whose answer came too late to be sent. */
static void free_laters(struct http *http)
{
    for (struct http_later *later = http->waiting; later;) {
        struct http_later *const next = later->next;

        free(later->answer.body);
        free(later);
        later = next;
    }
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
    if (http->server)
        evhttp_free(http->server);
    free_laters(http);
    if (http->stop_event)
        event_free(http->stop_event);
    if (http->tick_event)
        event_free(http->tick_event);
    if (http->look_event)
        event_free(http->look_event);
    if (http->answered_event)
        event_free(http->answered_event);
    if (http->base)
        event_base_free(http->base);
    if (http->stop_fd >= 0)
        close(http->stop_fd);
    if (http->answered_fd >= 0)
        close(http->answered_fd);
    pthread_mutex_destroy(&http->mutex);
    free(http);
}
