/* SPDX-License-Identifier: MIT
 *
 * pages - the flame graph's page and its parts (pages.h) */
#include "profile/pages.h"

#include <event2/http.h>

#include "profile/ui_files.h"

/* Nothing but its own parts and profiles is loaded, and nothing may frame it. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                             "connect-src 'self'; img-src 'self'; form-action 'self'; "
                             "base-uri 'none'; frame-ancestors 'none'";

static struct http_answer page(const unsigned char *text, const char *content_type)
{
    struct http_answer answer = http_text(HTTP_OK, (const char *)text);

    if (answer.status != HTTP_OK)
        return answer;
    answer.content_type = content_type;
    answer.compressible = true;
    answer.headers[0] = (struct http_header){"Content-Security-Policy", policy};
    return answer;
}

struct http_answer pages_html(void *context, struct evhttp_request *request)
{
    (void)context;
    (void)request;
    return page(ui_html, "text/html; charset=utf-8");
}

struct http_answer pages_css(void *context, struct evhttp_request *request)
{
    (void)context;
    (void)request;
    return page(ui_css, "text/css; charset=utf-8");
}

struct http_answer pages_js(void *context, struct evhttp_request *request)
{
    (void)context;
    (void)request;
    return page(ui_js, "text/javascript; charset=utf-8");
}
