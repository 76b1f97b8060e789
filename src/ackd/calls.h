/* SPDX-License-Identifier: MIT
 *
 * calls - which system calls a thread may make from now on (seccomp)
 *
 * The lists are calls.def's.  A filter holds for the thread that sets it and for those that it
 * starts; a later one can only take away.  All rules are about numbers alone, which the kernel
 * keeps in a table: a call that is allowed costs as much as before.
 * Source: seccomp(2), and libseccomp for the numbers of each architecture. */
#ifndef ACKD_CALLS_H
#define ACKD_CALLS_H

#include <ackd/error.h>
#include <stdbool.h>

enum calls_role {
    CALLS_WORKER = 1,
    CALLS_SERVING = 2,
    CALLS_HTTP = 4,
    CALLS_PROFILE = 8,
    CALLS_HANDLER = 16,
    CALLS_START = 32,
};

/* Restricts this thread to the calls of @role.  Others fail with ENOSYS, as if the kernel did not
 * have them, or end the process: those that are never wanted, and all if @kills.  0 or a negative
 * errno. */
int calls_restrict(enum calls_role role, bool kills, struct ackd_error *error);

#endif
