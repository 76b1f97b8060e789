/* SPDX-License-Identifier: MIT
 *
 * http - a small HTTP server on one thread: bounded, from a table of paths
 *
 * evhttp does the protocol; this file holds what every endpoint shares: the thread, the limits,
 * the headers, and compression.  Handlers run on the http thread, one at a time.  What takes long
 * is answered later, from another thread:
 *
 *      http thread: handler --http_defer()--> struct http_later --> any thread: http_answer_later()
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

enum {
    HTTP_HEADERS_SIZE_MAX = 8 * 1024,
    HTTP_BODY_SIZE_MAX = 256 * 1024,
    HTTP_TIMEOUT_S = 10,
    HTTP_HEADER_COUNT_MAX = 3,
    HTTP_LATER_COUNT_MAX = 256,

    /* Connections at a time; more wait in the listener's queue.  Half of the descriptors that
     * ackd's connections leave to the rest of it.  A request that is answered later has its
     * connection all the while. */
    HTTP_CONN_COUNT_MAX = 32,
};

struct evhttp_request;
struct http;
struct http_later;

struct http_header {
    const char *name; /* NULL: none */
    const char *value;
};

/* What an endpoint answers.  @body is freed with free(); NULL for none.  Other texts are static. */
struct http_answer {
    int status; /* 0: the answer comes later */
    const char *content_type;
    char *body;
    size_t body_size;
    bool compressible;
    bool gzipped;     /* body is compressed already, and the client takes that; give it a Vary */
    bool kept;        /* body is static: it is not freed */
    const char *etag; /* NULL: not to be cached */
    struct http_header headers[HTTP_HEADER_COUNT_MAX];
};

struct http_endpoint {
    const char *path; /* "/folder/..." stands for every path in that folder which is not named */
    struct http_answer (*answer)(void *context, struct evhttp_request *request);
    bool takes_post;
    bool guarded; /* for browsers: see http_host_is_ours() */
};

/* What is served. */
struct http_service {
    const struct http_endpoint *endpoints; /* ended by a NULL path; static */
    void *context;
    void (*tick)(void *context);   /* called once a second, from the http thread; may be NULL */
    bool takes_any_host;           /* no endpoint is guarded */
    void (*on_thread)(void *self); /* called first on the http thread; may be NULL */
    void *on_thread_self;
};

/* Listens on @address and serves from a thread called @name.  @ret_bound is what was bound.  0 or a
 * negative errno.  *ret_http is set before the first handler runs, and NULL on failure. */
int http_start(struct http **ret_http, const char *name, const struct address *address,
               const struct http_service *service, struct address *ret_bound,
               struct ackd_error *error);

/* Ends the thread and frees.  NULL is fine. */
void http_stop(struct http *http);

/* The value of a request header, or "". */
const char *http_header(struct evhttp_request *request, const char *name);

/* True if a Host header names this machine in a way that a page from elsewhere cannot: an address,
 * localhost, or a name without a dot.  A site that lets its own name point here (DNS rebinding)
 * makes the browser send that name.  Guarded endpoints answer 403 to it. */
bool http_host_is_ours(const char *host);

/* True if the client takes gzip. */
bool http_accepts_gzip(struct evhttp_request *request);

/* Unpacks a body of the known @size; to be freed.  NULL when memory ran out. */
char *http_unzip(const unsigned char *gzip, size_t gzip_size, size_t size);

/* An answer with a copy of @text. */
struct http_answer http_text(int status, const char *text);

/* The value of @name in the query, decoded, into @ret_value; "" if it is not there or too long. */
void http_query(struct evhttp_request *request, const char *name, char *ret_value,
                size_t value_size);

/* The whole query as it came; "" for none. */
const char *http_raw_query(struct evhttp_request *request);

/* The path, decoded as it came. */
const char *http_path(struct evhttp_request *request);

/* The body of a POST, as text that ends with a NUL; NULL for another method.  free() it. */
char *http_body(struct evhttp_request *request);

/* To be called by a handler, which then returns an answer of status 0.  NULL: too many are waiting,
 * or no memory; then the handler answers itself. */
struct http_later *http_defer(struct http *http, struct evhttp_request *request);

/* True when the client has hung up: nobody will read the answer.  Any thread. */
bool http_is_gone(const struct http_later *later);

/* Answers, and frees @later.  Any thread, before http_stop(). */
void http_answer_later(struct http_later *later, struct http_answer answer);

#endif
