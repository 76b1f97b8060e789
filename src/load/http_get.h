/* SPDX-License-Identifier: MIT
 *
 * http_get - fetches one document over plain HTTP, bounded in size and time */
#ifndef LOAD_HTTP_GET_H
#define LOAD_HTTP_GET_H

#include <stddef.h>

#include "load/child.h"

enum { HTTP_BODY_SIZE_MAX = 64 * 1024 * 1024 };

/* Fetches @url (http://HOST[:PORT]/PATH) within @timeout_ns; the caller frees the body.  Fails with
 * -EINVAL for another kind of URL, -EIO with the server's words when it does not answer with 200,
 * cannot be reached, or ends early, -EINTR when somebody wished to stop.  @error does not name the
 * URL: the caller knows what its user called it. */
int http_get(const char *url, uint64_t timeout_ns, struct interrupts *interrupts, char **ret_body,
             size_t *ret_size, struct ackd_error *error);

#endif
