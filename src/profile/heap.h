/* SPDX-License-Identifier: MIT
 *
 * heap - what jemalloc knows of memory, as a profile
 *
 * jemalloc samples allocations, one in 512 KiB, with their stacks; that is switched on when a
 * program that uses this starts (malloc_conf), since it cannot be later, and costs an allocation
 * that is not sampled a few instructions, and code that does not allocate nothing.
 * MALLOC_CONF=prof:false in the environment switches it off. */
#ifndef PROFILE_HEAP_H
#define PROFILE_HEAP_H

#include "base/error.h"
#include "profile/profile.h"

/* Takes the heap as it is, for kind HEAP or ALLOCS.  -ENOTSUP if the program has no jemalloc, or
 * one that was not told to sample. */
int heap_take(const struct profile_kind *kind, struct profile **ret_profile,
              struct ackd_error *error);

/* Adds the rows of @text, a dump of jemalloc (heap_v2), to @profile; its period is the dump's from
 * then on.  -EBADMSG if it is no such dump. */
int heap_parse(struct profile *profile, char *text, struct ackd_error *error);

#endif
