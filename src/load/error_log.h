/* SPDX-License-Identifier: MIT
 *
 * error_log - for each cause of trouble: how often, when first, and the bytes that showed it
 *
 * The list of causes is closed (error_cause.def).  A log belongs to one thread; logs are merged
 * once the threads have ended. */
#ifndef LOAD_ERROR_LOG_H
#define LOAD_ERROR_LOG_H

#include "base/bytes.h"

enum error_cause {
#define CAUSE(name, json_name, text) CAUSE_##name,
#include "load/error_cause.def"
#undef CAUSE
    CAUSE_COUNT,
};

enum { ERROR_BYTES_MAX = 32 };

struct error_entry {
    uint64_t count;
    uint64_t first_ns;   /* the clock's time; meaningless while count is 0 */
    uint64_t connection; /* of the first */
    uint8_t size;
    uint8_t bytes[ERROR_BYTES_MAX]; /* the first of those that were received with it */
};

struct error_log {
    struct error_entry entries[CAUSE_COUNT];
};

/* Counts @count (may be 0) of @cause.  @bytes may be empty. */
void error_log_note(struct error_log *log, enum error_cause cause, uint64_t count, uint64_t now_ns,
                    uint64_t connection, struct bytes bytes);

/* Adds @from to @sum; the earlier first is kept. */
void error_log_merge(struct error_log *sum, const struct error_log *from);

/* How many in all. */
uint64_t error_log_count(const struct error_log *log);

/* The name in JSON, and the words. */
const char *error_cause_name(enum error_cause cause);
const char *error_cause_text(enum error_cause cause);

/* The cause of a failed connect(), from its errno (positive). */
enum error_cause error_cause_of_connect(int code);

#endif
