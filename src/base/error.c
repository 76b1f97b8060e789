/* SPDX-License-Identifier: MIT
 *
 * error - operating failures (error.h) */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int error_raise(struct ackd_error *error, int code, const char *format, ...)
{
    assert(code < 0);
    if (error) {
        va_list arguments;

        error->code = code;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}
