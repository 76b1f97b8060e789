/* SPDX-License-Identifier: MIT
 *
 * revision - ackd as it was at some commit, built once and kept
 *
 *      .ackload/builds/0f3c.../ackd      REVISION_KEPT_MAX of them; the oldest go */
#ifndef LOAD_REVISION_H
#define LOAD_REVISION_H

#include "load/child.h"
#include "load/history.h"

enum { REVISION_KEPT_MAX = 8 };

/* Finds or builds ackd of @revision of the repository in this folder; its path goes to
 * @ret_path (HISTORY_PATH_SIZE + 128 bytes).  Needs git, meson and ninja; says on stderr what it
 * is doing. */
int revision_build(const struct history *history, const char *revision,
                   struct interrupts *interrupts, char *ret_path, struct ackd_error *error);

#endif
