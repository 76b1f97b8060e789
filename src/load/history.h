/* SPDX-License-Identifier: MIT
 *
 * history - the runs that were made, one file each
 *
 *      .ackload/0001.json  0002.json  0002.profile.pb.gz  ...     numbered, never rewritten
 *               names.json                                        {"main": 2}
 *               builds/                                           of git:REV
 *               lock                                              held while something is added
 *
 * Files appear whole or not at all.  At most HISTORY_RUN_MAX runs are kept; beyond that the oldest
 * without a name go.  Any number of processes may add at the same time. */
#ifndef LOAD_HISTORY_H
#define LOAD_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
    HISTORY_RUN_MAX = 1000,
    HISTORY_PATH_SIZE = 512,
    HISTORY_NAME_SIZE = 64, /* of a name, with its NUL */
};

#define HISTORY_SCHEMA "ackload-history/1"

struct history {
    char path[HISTORY_PATH_SIZE];
};

/* The history in $ACKLOAD_HISTORY, or in .ackload of this folder.  @create makes it when there is
 * none (and tells git to leave it alone); else its absence is an error. */
int history_open(struct history *history, bool create, struct ackd_error *error);

/* Says whether @name can name a run: letters, digits, and . _ - with a letter first. */
int history_check_name(const char *name, struct ackd_error *error);

/* Adds @run, an object, which gets "schema", "number", "kind", "name" (null without one), and
 * "added_at".  @name (may be NULL) then means this run. */
int history_add(const struct history *history, json_t *run, const char *kind, const char *name,
                uint32_t *ret_number, struct ackd_error *error);

/* The run that @text means: a name or a number. */
int history_find(const struct history *history, const char *text, uint32_t *ret_number,
                 struct ackd_error *error);

/* Reads a run; the caller owns it. */
int history_load(const struct history *history, uint32_t number, json_t **ret_run,
                 struct ackd_error *error);

/* The numbers of all runs, ascending; the caller frees them. */
int history_list(const struct history *history, uint32_t **ret_numbers, size_t *ret_count,
                 struct ackd_error *error);

/* Writes @size bytes to the file NUMBER.SUFFIX, as a whole. */
int history_write(const struct history *history, uint32_t number, const char *suffix,
                  const void *data, size_t size, struct ackd_error *error);

#endif
