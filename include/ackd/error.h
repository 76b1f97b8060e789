/* SPDX-License-Identifier: MIT
 *
 * ackd/error.h - why a call failed, for programs and for people
 *
 * Functions of libackd that can fail return 0 or a negative errno, and fill a struct ackd_error
 * where the caller passes one.  The library prints nothing. */
#ifndef ACKD_ERROR_H
#define ACKD_ERROR_H

#include <ackd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ACKD_ERROR_TEXT_SIZE = 320 };

struct ackd_error {
    int code;                        /* negative errno; 0 = no error */
    char text[ACKD_ERROR_TEXT_SIZE]; /* one line without a newline: what failed and what to do */
};

#ifdef __cplusplus
}
#endif

#endif
