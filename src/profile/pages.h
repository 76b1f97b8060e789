/* SPDX-License-Identifier: MIT
 *
 * pages - the flame graph's page and its parts, carried in the program (ui/) */
#ifndef PROFILE_PAGES_H
#define PROFILE_PAGES_H

#include "http/http.h"

struct http_answer pages_html(void *context, struct evhttp_request *request);
struct http_answer pages_css(void *context, struct evhttp_request *request);
struct http_answer pages_js(void *context, struct evhttp_request *request);

#endif
