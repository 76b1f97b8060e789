/* SPDX-License-Identifier: MIT
 *
 * ackd/log.h - where a server's log lines go
 *
 * The library writes no log itself: it hands events to a function of the program, as an event and
 * fields, so that the program chooses the format. */
#ifndef ACKD_LOG_H
#define ACKD_LOG_H

#include <stddef.h>
#include <stdint.h>

#include <ackd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ackd_log_level {
    ACKD_LOG_ERROR,
    ACKD_LOG_WARN,
    ACKD_LOG_INFO,
    ACKD_LOG_DEBUG,
};

/* One key and its value: a text where that is not NULL, else a number. */
struct ackd_log_field {
    const char *key;
    const char *text;
    int64_t number;
};

/* Where lines go.  on_line is called from worker threads, from several at the same time, and must
 * not block for long.  Everything it is passed is valid during the call only.  Lines above `level`
 * are not passed.  on_line NULL: no log. */
struct ackd_log {
    void *self;
    enum ackd_log_level level;
    void (*on_line)(void *self, enum ackd_log_level level, const char *event,
                    const struct ackd_log_field *fields, size_t field_count);
};

#ifdef __cplusplus
}
#endif

#endif
