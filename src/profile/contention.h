/* SPDX-License-Identifier: MIT
 *
 * contention - who waited for locks, who held them then, and who started threads
 *
 * It hears of these from struct lock and thread_start(), when they happen; each takes a stack. They
 * are rare: a lock that is free, and a thread that runs, cost nothing. */
#ifndef PROFILE_CONTENTION_H
#define PROFILE_CONTENTION_H

#include "base/error.h"
#include "profile/profile.h"

/* A copy of what came since the program began: @kind is MUTEX, BLOCK or THREADCREATE. */
int contention_take(const struct profile_kind *kind, struct profile **ret_profile,
                    struct ackd_error *error);

#endif
