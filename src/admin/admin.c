/* SPDX-License-Identifier: MIT
 *
 * admin - the HTTP endpoints of a server (ackd/admin.h) */
#include <ackd/admin.h>
#include <ackd/metrics.h>
#include <ackd/version.h>
#include <event2/http.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

enum { PREFIX_SIZE = 65 };

struct ackd_admin {
    struct ackd_server *server;
    struct http *http;
    int (*more_metrics)(enum ackd_metrics_format format, const char *prefix, char **ret_text,
                        size_t *ret_size);
    char prefix[PREFIX_SIZE];
    char address[ADDRESS_TEXT_SIZE];
};

static const char index_page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ackd</title></head><body>\n"
    "<h1>ackd %s</h1>\n"
    "<ul>\n"
    "<li><a href=\"/metrics\">/metrics</a> for Prometheus</li>\n"
    "<li><a href=\"/-/healthy\">/-/healthy</a></li>\n"
    "<li><a href=\"/-/ready\">/-/ready</a></li>\n"
    "</ul></body></html>\n";

static struct http_answer answer_index(void *context, struct evhttp_request *request)
{
    char page[sizeof index_page + 64];

    (void)context;
    (void)request;
    snprintf(page, sizeof page, index_page, ackd_version());

    struct http_answer answer = http_text(HTTP_OK, page);
    answer.content_type = "text/html; charset=utf-8";
    return answer;
}

/* Puts the metrics that are not the server's behind them, before the end mark. */
static bool add_metrics(const struct ackd_admin *admin, enum ackd_metrics_format format,
                        struct http_answer *answer)
{
    static const char mark[] = "# EOF\n";
    const size_t mark_size = format == ACKD_METRICS_OPENMETRICS ? sizeof mark - 1 : 0;
    char *more;
    size_t more_size;

    if (admin->more_metrics(format, admin->prefix, &more, &more_size) < 0)
        return false;
    char *const whole = realloc(answer->body, answer->body_size + more_size);
    if (whole) {
        char *const end = whole + answer->body_size - mark_size;
        memcpy(end, more, more_size);
        memcpy(end + more_size, mark, mark_size);
        answer->body = whole;
        answer->body_size += more_size;
    }
    free(more);
    return whole != NULL;
}

static struct http_answer answer_metrics(void *context, struct evhttp_request *request)
{
    struct ackd_admin *const admin = context;
    const bool openmetrics =
        strstr(http_header(request, "Accept"), "application/openmetrics-text") != NULL;
    struct http_answer answer = {
        .status = HTTP_OK,
        .content_type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                    : "text/plain; version=0.0.4; charset=utf-8",
        .compressible = true,
    };

    const enum ackd_metrics_format format =
        openmetrics ? ACKD_METRICS_OPENMETRICS : ACKD_METRICS_TEXT;
    if (ackd_server_metrics(admin->server, format, admin->prefix, &answer.body, &answer.body_size) <
        0)
        return http_text(HTTP_INTERNAL, "Out of memory.\n");
    if (admin->more_metrics && !add_metrics(admin, format, &answer)) {
        free(answer.body);
        return http_text(HTTP_INTERNAL, "Out of memory.\n");
    }
    return answer;
}

static struct http_answer answer_healthy(void *context, struct evhttp_request *request)
{
    (void)context;
    (void)request;
    return http_text(HTTP_OK, "ackd is healthy.\n");
}

static struct http_answer answer_ready(void *context, struct evhttp_request *request)
{
    const struct ackd_admin *const admin = context;

    (void)request;
    if (ackd_server_state(admin->server) == ACKD_SERVER_RUNNING)
        return http_text(HTTP_OK, "ackd is ready.\n");
    return http_text(HTTP_SERVUNAVAIL, "ackd is not ready: it is starting or draining.\n");
}

static const struct http_endpoint endpoints[] = {
    {"/", answer_index},
    {"/metrics", answer_metrics},
    {"/-/healthy", answer_healthy},
    {"/-/ready", answer_ready},
    {NULL, NULL},
};

int ackd_admin_start(struct ackd_admin **ret_admin, struct ackd_server *server,
                     const struct ackd_admin_options *options, struct ackd_error *error)
{
    struct address address;
    struct address bound;
    int status = address_parse(options->listen, false, &address, error);

    if (status < 0)
        return status;
    if (!ackd_metrics_prefix_is_legal(options->metrics_prefix))
        return error_raise(error, -EINVAL,
                           "'%s' cannot begin a metric's name: give letters, digits and "
                           "underscores, not a digit first",
                           options->metrics_prefix);

    struct ackd_admin *const admin = calloc(1, sizeof *admin);
    if (!admin)
        return error_raise(error, -ENOMEM, "no memory for the admin server");
    admin->server = server;
    admin->more_metrics = options->more_metrics;
    snprintf(admin->prefix, sizeof admin->prefix, "%s", options->metrics_prefix);
    status = http_start(&admin->http, "ackd-admin", &address, endpoints, admin, &bound, error);
    if (status < 0) {
        free(admin);
        return status;
    }
    address_format(&bound, admin->address);
    *ret_admin = admin;
    return 0;
}

const char *ackd_admin_address(const struct ackd_admin *admin)
{
    return admin->address;
}

void ackd_admin_stop(struct ackd_admin *admin)
{
    if (!admin)
        return;
    http_stop(admin->http);
    free(admin);
}
