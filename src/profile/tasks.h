/* SPDX-License-Identifier: MIT
 *
 * tasks - the threads of this process, as the kernel lists them */
#ifndef PROFILE_TASKS_H
#define PROFILE_TASKS_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tasks {
    DIR *folder; /* kept open: reading it again allocates nothing */
    pid_t *tids; /* ascending; freed with tasks_deinit() */
    size_t count;
    size_t capacity;
};

/* Reads /proc/self/task into @tasks, which is empty ({0}) or from the last time.  0 or a negative
 * errno. */
int tasks_read(struct tasks *tasks);

void tasks_deinit(struct tasks *tasks);

bool tasks_have(const struct tasks *tasks, pid_t tid);

/* The name of thread @tid (PROFILE_LABEL_SIZE bytes); "?" when it has gone. */
void tasks_name(pid_t tid, char *ret_name);

/* True if thread @tid takes SIGPROF now. */
bool tasks_take_signals(pid_t tid);

#endif
