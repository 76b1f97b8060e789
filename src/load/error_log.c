/* SPDX-License-Identifier: MIT
 *
 * error_log - what went wrong, by cause (error_log.h) */
#include "load/error_log.h"

#include <errno.h>

struct cause_words {
    const char *name;
    const char *text;
};

static const struct cause_words causes[CAUSE_COUNT] = {
#define CAUSE(name, json_name, text) [CAUSE_##name] = {json_name, text},
#include "load/error_cause.def"
#undef CAUSE
};

void error_log_note(struct error_log *log, enum error_cause cause, uint64_t count, uint64_t now_ns,
                    uint64_t connection, struct bytes bytes)
{
    struct error_entry *const entry = &log->entries[cause];

    if (count == 0)
        return;
    if (entry->count == 0) {
        entry->first_ns = now_ns;
        entry->connection = connection;
        entry->size = (uint8_t)(bytes.size < ERROR_BYTES_MAX ? bytes.size : ERROR_BYTES_MAX);
        if (entry->size > 0)
            memcpy(entry->bytes, bytes.data, entry->size);
    }
    entry->count += count;
}

void error_log_merge(struct error_log *sum, const struct error_log *from)
{
    for (int i = 0; i < CAUSE_COUNT; i++) {
        struct error_entry *const to = &sum->entries[i];
        const struct error_entry *const add = &from->entries[i];
        const uint64_t count = to->count + add->count;

        if (add->count == 0)
            continue;
        if (to->count == 0 || add->first_ns < to->first_ns)
            *to = *add;
        to->count = count;
    }
}

uint64_t error_log_count(const struct error_log *log)
{
    uint64_t count = 0;

    for (int i = 0; i < CAUSE_COUNT; i++)
        count += log->entries[i].count;
    return count;
}

const char *error_cause_name(enum error_cause cause)
{
    assert(cause < CAUSE_COUNT);
    return causes[cause].name;
}

const char *error_cause_text(enum error_cause cause)
{
    assert(cause < CAUSE_COUNT);
    return causes[cause].text;
}

enum error_cause error_cause_of_connect(int code)
{
    switch (code) {
    case ECONNREFUSED:
    case ENOENT:
        return CAUSE_CONNECT_REFUSED;
    case ETIMEDOUT:
        return CAUSE_CONNECT_TIMEOUT;
    case ECONNRESET:
        return CAUSE_CONNECT_RESET;
    default:
        return CAUSE_CONNECT_OTHER;
    }
}
