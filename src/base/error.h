/* SPDX-License-Identifier: MIT
 *
 * error - operating failures: raised once, with a message, then passed on
 *
 * Three kinds of trouble, never mixed: a bug asserts; an operating failure is a negative errno
 * that error_raise() gives its words; an expected outcome is an enum of its function. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <ackd/error.h>
#include <errno.h>

/* Writes code and text to @error (which may be NULL) and returns @code.
 * @code is a negative errno. */
__attribute__((format(printf, 3, 4))) int error_raise(struct ackd_error *error, int code,
                                                      const char *format, ...);

#endif
