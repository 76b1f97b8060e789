/* SPDX-License-Identifier: MIT
 *
 * common_http - the HTTP endpoints of a ladder server (common_http.h)
 *
 * The families are ackd's, with ackd's names: what draws them for one draws them for the other. */
#include "common_http.h"

#include <ackd/version.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

#include "common_threads.h"
#include "http/http.h"
#include "stats/counters_expose.h"
#include "stats/process.h"

enum { LABEL_SIZE = 160 };

static struct http_answer answer_metrics(void *context, struct evhttp_request *request)
{
    struct exposition to = {.format = EXPOSITION_TEXT, .prefix = "ackd"};
    char label[LABEL_SIZE];

    (void)context;
    (void)request;
    counters_expose(&to, threads_sum, NULL);
    snprintf(label, sizeof label, "version=\"%s\",compiler=\"%s\",stage=\"%s\"", ackd_version(),
             COMPILER, stage_name);
    exposition_family(&to, "build", EXPOSITION_INFO, "What was built; the value is always 1.");
    exposition_count(&to, label, 1);
    process_expose(&to);
    exposition_end(&to);
    if (to.failed) {
        free(to.text);
        return http_text(HTTP_INTERNAL, "Out of memory.\n");
    }
    return (struct http_answer){.status = HTTP_OK,
                                .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                .body = to.text,
                                .body_size = to.size,
                                .compressible = true};
}

static struct http_answer answer_healthy(void *context, struct evhttp_request *request)
{
    (void)context;
    (void)request;
    return http_text(HTTP_OK, "The server is healthy.\n");
}

static const struct http_endpoint endpoints[] = {
    {"/metrics", answer_metrics},
    {"/-/healthy", answer_healthy},
    {NULL, NULL},
};

int metrics_start(struct http **ret_http, const char *listen, struct address *ret_bound,
                  struct ackd_error *error)
{
    struct address address;
    const int status = address_parse(listen, false, &address, error);

    if (status < 0)
        return status;
    return http_start(ret_http, "metrics", &address, endpoints, NULL, ret_bound, error);
}
