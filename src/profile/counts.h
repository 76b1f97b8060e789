/* SPDX-License-Identifier: MIT
 *
 * counts - what the profiler counts (counts.def); any thread */
#ifndef PROFILE_COUNTS_H
#define PROFILE_COUNTS_H

#include <stdint.h>

#include "stats/exposition.h"

enum count {
#define COUNT(id, family, labels, help) COUNT_##id,
#include "profile/counts.def"
#undef COUNT
    COUNT_COUNT,
};

void counts_add(enum count count, uint64_t by);

uint64_t counts_read(enum count count);

/* Appends each family. */
void counts_expose(struct exposition *to);

#endif
