/* SPDX-License-Identifier: MIT
 *
 * memory - allocations that fail when a test says so, and a count of those that were not given back
 *
 * For programs that are linked with --wrap for malloc and its like (meson.build). */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include "dice.h"

/* Allocations are counted, and may fail, while this is on. */
void memory_watch(bool on);

/* Makes one in @count of them fail, at random; 0: none. */
void memory_fail_in(struct dice *dice, uint32_t count);

/* Makes the @index-th from here on fail, and no other; 0: none. */
void memory_fail_at(uint64_t index);

/* Whether one was made to fail since. */
bool memory_has_failed(void);

/* Allocations that were not freed, watched or not. */
int64_t memory_held_count(void);

#endif
