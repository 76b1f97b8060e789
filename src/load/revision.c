/* SPDX-License-Identifier: MIT
 *
 * revision - ackd as it was at some commit (revision.h) */
#include "load/revision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define STOP_GRACE_NS (10 * NS_PER_S)

/* $1: the commit, $2: the folder of builds, $3: how many are kept.  Nothing is left in the
 * repository: the tree is an archive of the commit. */
static const char script[] =
    "set -e\n"
    "draft=$2/draft.$$\n"
    "trap 'rm -rf \"$draft\"' EXIT\n"
    "trap 'exit 1' TERM INT HUP\n"
    "mkdir -p \"$draft/tree\"\n"
    "cd \"$(git rev-parse --show-toplevel)\"\n"
    "git archive \"$1\" | tar -x -C \"$draft/tree\"\n"
    "preset=--buildtype=release\n"
    "[ ! -f \"$draft/tree/meson/release.ini\" ] ||\n"
    "    preset=--native-file=$draft/tree/meson/release.ini\n"
    "{ meson setup \"$preset\" \"$draft/build\" \"$draft/tree\" &&\n"
    "  ninja -C \"$draft/build\" src/ackd/ackd; } > \"$draft/log\" 2>&1 ||\n"
    "    { tail -n 20 \"$draft/log\" >&2; exit 1; }\n"
    "mkdir -p \"$2/$1\"\n"
    "cp \"$draft/build/src/ackd/ackd\" \"$2/$1/ackd.$$\"\n"
    "mv \"$2/$1/ackd.$$\" \"$2/$1/ackd\"\n"
    "ls -td \"$2\"/*/ | grep -v draft | tail -n +\"$(($3 + 1))\" | while read -r old; do\n"
    "    rm -rf \"$old\"\n"
    "done\n";

static int find_commit(const char *revision, struct interrupts *interrupts, char *ret_commit,
                       size_t commit_size, struct ackd_error *error)
{
    char text[256];
    const char *const argv[] = {"git", "rev-parse", "--verify", "--quiet", "--end-of-options",
                                text,  NULL};

    snprintf(text, sizeof text, "%.200s^{commit}", revision);
    const int status = child_first_line(argv, interrupts, ret_commit, commit_size, error);
    if (status < 0)
        return status;
    if (status > 0)
        return error_raise(error, -EINVAL, "git:%s: this folder's repository has no such commit",
                           revision);
    return 0;
}

static int build(const char *commit, const char *folder, struct interrupts *interrupts,
                 struct ackd_error *error)
{
    char kept[16];
    const char *const argv[] = {"sh", "-c", script, "ackload", commit, folder, kept, NULL};
    const struct child_plan plan = {.argv = argv};
    struct child child;
    char line[200];

    snprintf(kept, sizeof kept, "%d", REVISION_KEPT_MAX);
    fprintf(stderr, "ackload: building %.12s ...\n", commit);
    const int status = child_start(&child, &plan, error);
    if (status < 0)
        return status;
    const enum child_wait end = child_wait(&child, UINT64_MAX, interrupts);
    child_stop(&child, STOP_GRACE_NS);
    child_last_error(&child, line, sizeof line);
    child_close(&child);
    if (end == CHILD_INTERRUPTED)
        return error_raise(error, -EINTR, "interrupted");
    if (child_exit_status(&child) != 0)
        return error_raise(error, -EINVAL, "cannot build %.12s: %s", commit, line);
    return 0;
}

int revision_build(const struct history *history, const char *revision,
                   struct interrupts *interrupts, char *ret_path, struct ackd_error *error)
{
    char folder[HISTORY_PATH_SIZE + 32];
    char commit[64];
    char *const root = realpath(history->path, NULL);

    if (!root)
        return error_raise(error, -errno, "%s: %s", history->path, strerror(errno));
    const int length = snprintf(folder, sizeof folder, "%.*s/builds", HISTORY_PATH_SIZE, root);
    const bool whole = strlen(root) < HISTORY_PATH_SIZE && length > 0;
    free(root);
    if (!whole)
        return error_raise(error, -ENAMETOOLONG, "%s: the path is too long", history->path);

    int status = find_commit(revision, interrupts, commit, sizeof commit, error);
    if (status < 0)
        return status;
    snprintf(ret_path, HISTORY_PATH_SIZE + 128, "%s/%s/ackd", folder, commit);
    if (access(ret_path, X_OK) < 0)
        status = build(commit, folder, interrupts, error);
    return status;
}
