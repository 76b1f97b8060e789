/* SPDX-License-Identifier: MIT
 *
 * dial - opens the connections of a run */
#ifndef LOAD_DIAL_H
#define LOAD_DIAL_H

#include <stdint.h>

#include "base/address.h"

/* Opens @count non-blocking connections to @address into @ret_fds, some at once so that a server's
 * backlog is not overrun.  On failure none stays open, and @error says which failed and what to do.
 * Blocks. */
int dial_all(const struct address *address, uint32_t count, int *ret_fds, struct ackd_error *error);

#endif
