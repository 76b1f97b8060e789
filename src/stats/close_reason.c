/* SPDX-License-Identifier: MIT
 *
 * close_reason - why a connection was closed (close_reason.h) */
#include "stats/close_reason.h"

#include <assert.h>

struct reason {
    const char *word;
    const char *help;
};

static const struct reason reasons[CLOSE_REASON_COUNT] = {
#define CLOSE_REASON(word, help) {#word, help},
#include "stats/close_reason.def"
#undef CLOSE_REASON
};

const char *close_reason_word(enum close_reason reason)
{
    assert(reason >= 0 && reason < CLOSE_REASON_COUNT);
    return reasons[reason].word;
}

const char *close_reason_help(enum close_reason reason)
{
    assert(reason >= 0 && reason < CLOSE_REASON_COUNT);
    return reasons[reason].help;
}
