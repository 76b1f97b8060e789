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

#include "admin/assets.h"
#include "admin/live.h"
#include "http/http.h"

enum { PREFIX_SIZE = 65 };

struct ackd_admin {
    struct ackd_server *server;
    struct http *http;
    struct live *live;
    int (*more_metrics)(enum ackd_metrics_format format, const char *prefix, char **ret_text,
                        size_t *ret_size);
    char prefix[PREFIX_SIZE];
    char address[ADDRESS_TEXT_SIZE];
};

/* Nothing from elsewhere, nothing inline, in no frame. */
static const char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* The page's files stand compressed in the program; a client that takes no gzip gets them whole. */
static struct http_answer answer_asset(const struct asset *asset, struct evhttp_request *request)
{
    struct http_answer answer = {
        .status = HTTP_OK,
        .content_type = asset->type,
        .etag = asset->etag,
        .headers = {{"Content-Security-Policy", page_policy},
                    {"Referrer-Policy", "no-referrer"},
                    {"Vary", "Accept-Encoding"}}, /* whichever form this one is */
    };

    if (strcmp(http_header(request, "If-None-Match"), asset->etag) == 0) {
        answer.status = HTTP_NOTMODIFIED;
    } else if (http_accepts_gzip(request)) {
        answer.gzipped = true;
        answer.kept = true;
        answer.body = (char *)(uintptr_t)asset->gzip;
        answer.body_size = asset->gzip_size;
    } else {
        answer.body = http_unzip(asset->gzip, asset->gzip_size, asset->size);
        answer.body_size = asset->size;
        if (!answer.body)
            return http_text(HTTP_INTERNAL, "Out of memory.\n");
    }
    return answer;
}

static struct http_answer answer_page(void *context, struct evhttp_request *request)
{
    (void)context;
    return answer_asset(&asset_index_html, request);
}

static struct http_answer answer_script(void *context, struct evhttp_request *request)
{
    (void)context;
    return answer_asset(&asset_app_js, request);
}

static struct http_answer answer_charts(void *context, struct evhttp_request *request)
{
    (void)context;
    return answer_asset(&asset_chart_js, request);
}

static struct http_answer answer_style(void *context, struct evhttp_request *request)
{
    (void)context;
    return answer_asset(&asset_app_css, request);
}

static struct http_answer answer_icon(void *context, struct evhttp_request *request)
{
    (void)context;
    return answer_asset(&asset_icon_svg, request);
}

static struct http_answer answer_live(void *context, struct evhttp_request *request)
{
    const struct ackd_admin *const admin = context;
    struct live_question question;
    struct http_answer answer = {
        .status = HTTP_OK,
        .content_type = "application/json",
        .compressible = true,
    };

    if (!live_parse(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request)), &question))
        return http_text(HTTP_BADREQUEST, "Give range=1m|1h|1d, since=MILLISECONDS, "
                                          "conns=rate|queued, or nothing.\n");
    answer.body = live_json(admin->live, &question, &answer.body_size);
    return answer.body ? answer : http_text(HTTP_INTERNAL, "Out of memory.\n");
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
    {.path = "/", .answer = answer_page, .guarded = true},
    {.path = "/app.js", .answer = answer_script, .guarded = true},
    {.path = "/app.css", .answer = answer_style, .guarded = true},
    {.path = "/chart.js", .answer = answer_charts, .guarded = true},
    {.path = "/icon.svg", .answer = answer_icon, .guarded = true},
    {.path = "/api/live", .answer = answer_live, .guarded = true},
    {.path = "/metrics", .answer = answer_metrics},
    {.path = "/-/healthy", .answer = answer_healthy},
    {.path = "/-/ready", .answer = answer_ready},
    {.path = NULL},
};

static void on_tick(void *context)
{
    struct ackd_admin *const admin = context;

    live_tick(admin->live);
}

static void free_admin(struct ackd_admin *admin)
{
    live_free(admin->live);
    free(admin);
}

int ackd_admin_start(struct ackd_admin **ret_admin, struct ackd_server *server,
                     const struct ackd_admin_options *options, struct ackd_error *error)
{
    struct address address;
    struct address bound;

    if (!options->listen || !options->metrics_prefix)
        return error_raise(error, -EINVAL, "the admin server wants listen and metrics_prefix");
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
    admin->live = live_new(server, options);
    if (!admin->live) {
        free_admin(admin);
        return error_raise(error, -ENOMEM, "no memory for the history");
    }

    const struct http_service service = {
        .endpoints = endpoints,
        .context = admin,
        .tick = on_tick,
        .on_thread = options->on_thread,
        .on_thread_self = options->on_thread_self,
    };
    status = http_start(&admin->http, "ackd-admin", &address, &service, &bound, error);
    if (status < 0) {
        free_admin(admin);
        return status;
    }
    address_format(&bound, admin->address);
    *ret_admin = admin;
    return 0;
}

int ackd_admin_set_facts(struct ackd_admin *admin, const struct ackd_admin_fact *facts,
                         size_t fact_count)
{
    return live_set_facts(admin->live, facts, fact_count);
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
    free_admin(admin);
}
