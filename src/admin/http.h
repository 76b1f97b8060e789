/* SPDX-License-Identifier: MIT
 *
 * http - a small HTTP server on one thread: GET and HEAD, bounded, from a table of paths
 *
 * evhttp does the protocol; this file holds what every endpoint shares: the thread, the limits,
 * the headers, and compression.  Handlers run on the http thread, one at a time. */
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/error.h"

enum {
    HTTP_HEADERS_SIZE_MAX = 8 * 1024,
    HTTP_BODY_SIZE_MAX = 4 * 1024, /* nothing here reads one */
    HTTP_TIMEOUT_S = 10,
};

struct evhttp_request;
struct http;

/* What an endpoint answers.  @body is freed with free(); NULL for none. */
struct http_answer {
    int status;
    const char *content_type;
    char *body;
    size_t body_size;
    bool compressible;
};

struct http_endpoint {
    const char *path;
    struct http_answer (*answer)(void *context, struct evhttp_request *request);
};

/* Listens on @address and serves @endpoints (ended by a NULL path; static) from a thread called
 * @name.  @ret_bound is what was bound.  0 or a negative errno. */
int http_start(struct http **ret_http, const char *name, const struct address *address,
               const struct http_endpoint *endpoints, void *context, struct address *ret_bound,
               struct ackd_error *error);

/* Ends the thread and frees.  NULL is fine. */
void http_stop(struct http *http);

/* The value of a request header, or "". */
const char *http_header(struct evhttp_request *request, const char *name);

/* An answer with a copy of @text. */
struct http_answer http_text(int status, const char *text);

#endif
