/* SPDX-License-Identifier: MIT
 *
 * tasks - the threads of this process, as the kernel lists them (tasks.h) */
#include "profile/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "profile/profile.h"

enum { CAPACITY_MIN = 64, STATUS_SIZE = 4096 };

static int compare(const void *a, const void *b)
{
    const pid_t one = *(const pid_t *)a;
    const pid_t other = *(const pid_t *)b;

    return (one > other) - (one < other);
}

static int append(struct tasks *tasks, pid_t tid)
{
    if (tasks->count == tasks->capacity) {
        const size_t capacity = tasks->capacity ? tasks->capacity * 2 : CAPACITY_MIN;
        pid_t *const tids = realloc(tasks->tids, capacity * sizeof *tids);
        if (!tids)
            return -ENOMEM;
        tasks->tids = tids;
        tasks->capacity = capacity;
    }
    tasks->tids[tasks->count++] = tid;
    return 0;
}

int tasks_read(struct tasks *tasks)
{
    const struct dirent *entry;
    uint64_t tid;
    int status = 0;

    if (tasks->folder)
        rewinddir(tasks->folder);
    else
        tasks->folder = opendir("/proc/self/task");
    if (!tasks->folder)
        return -errno;
    tasks->count = 0;
    while (status == 0 && (entry = readdir(tasks->folder))) {
        if (units_parse_count(entry->d_name, &tid))
            status = append(tasks, (pid_t)tid);
    }
    if (tasks->count > 1)
        qsort(tasks->tids, tasks->count, sizeof *tasks->tids, compare);
    return status;
}

void tasks_deinit(struct tasks *tasks)
{
    if (tasks->folder)
        closedir(tasks->folder);
    free(tasks->tids);
    *tasks = (struct tasks){0};
}

bool tasks_have(const struct tasks *tasks, pid_t tid)
{
    return tasks->count > 0 &&
           bsearch(&tid, tasks->tids, tasks->count, sizeof tid, compare) != NULL;
}

/* Reads the file @name of thread @tid as text; "" when it has gone. */
static void read_file(pid_t tid, const char *name, char *ret_text, size_t text_size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)tid, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd < 0 ? -1 : read(fd, ret_text, text_size - 1);
    ret_text[size > 0 ? size : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

void tasks_name(pid_t tid, char *ret_name)
{
    char text[PROFILE_LABEL_SIZE + 1];

    read_file(tid, "comm", text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    snprintf(ret_name, PROFILE_LABEL_SIZE, "%.*s", PROFILE_LABEL_SIZE - 1, text[0] ? text : "?");
}

bool tasks_take_signals(pid_t tid)
{
    char text[STATUS_SIZE];
    unsigned long long blocked = 0;

    read_file(tid, "status", text, sizeof text);
    const char *const line = strstr(text, "\nSigBlk:");
    if (!line || sscanf(line, "\nSigBlk: %llx", &blocked) != 1)
        return false;
    return (blocked >> (SIGPROF - 1) & 1) == 0;
}
