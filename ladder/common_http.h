/* SPDX-License-Identifier: MIT
 *
 * common_http - the HTTP endpoints of a ladder server, on threads of their own */
#ifndef LADDER_COMMON_HTTP_H
#define LADDER_COMMON_HTTP_H

#include "base/address.h"

struct http;

/* Serves /metrics on @listen (ADDR:PORT); @ret_bound is what was bound. */
int metrics_start(struct http **ret_http, const char *listen, struct address *ret_bound,
                  struct ackd_error *error);

#endif
