/* SPDX-License-Identifier: MIT
 *
 * handlers - the handlers that come with the library (ackd/handler.h, ackd_handler_parse) */
#ifndef HANDLER_HANDLERS_H
#define HANDLER_HANDLERS_H

#include <ackd/handler.h>

/* Every SUBMIT succeeds at once.  Never fails, owns nothing. */
struct ackd_handler handler_discard(void);

/* Appends payloads to the file at @path.  -EBUSY when another server appends to it, -EILSEQ when
 * it is no file of whole records, or the error of opening it. */
int handler_append_new(const char *path, struct ackd_handler *ret_handler,
                       struct ackd_error *error);

/* Answers after @delay_ns, from its own thread. */
int handler_delay_new(uint64_t delay_ns, const struct ackd_handler_options *options,
                      struct ackd_handler *ret_handler, struct ackd_error *error);

#endif
