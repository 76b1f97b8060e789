/* SPDX-License-Identifier: MIT
 *
 * close_reason - why a connection was closed: one list for code, log, metrics and documents */
#ifndef STATS_CLOSE_REASON_H
#define STATS_CLOSE_REASON_H

enum close_reason {
    CLOSE_NONE = -1, /* not closing */
#define CLOSE_REASON(word, help) CLOSE_##word,
#include "stats/close_reason.def"
#undef CLOSE_REASON
    CLOSE_REASON_COUNT,
};

/* The word of @reason (not CLOSE_NONE).  Static text. */
const char *close_reason_word(enum close_reason reason);

/* What @reason means, one sentence.  Static text. */
const char *close_reason_help(enum close_reason reason);

#endif
