/* SPDX-License-Identifier: MIT
 *
 * proc - what /proc says of another process and of the machine (proc.h) */
#include "load/proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

enum { PATH_SIZE = 64, TEXT_SIZE = 4096 };

/* Reads a small file as text.  False when that fails. */
static bool read_text(const char *path, char *text, size_t text_size)
{
    FILE *const file = fopen(path, "re");
    size_t got = 0;

    if (!file)
        return false;
    got = fread(text, 1, text_size - 1, file);
    fclose(file);
    text[got] = '\0';
    return got > 0;
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *const at = strstr(text, key);
    uint64_t number = 0;

    if (at && sscanf(at + strlen(key), "%" SCNu64, &number) != 1)
        return 0;
    return number;
}

static void read_task(pid_t pid, const char *id, struct proc_sample *sample)
{
    struct proc_task task = {0};
    char path[PATH_SIZE];
    char text[TEXT_SIZE];
    uint64_t number;

    if (!units_parse_count(id, &number) || sample->task_count == PROC_TASK_COUNT_MAX)
        return;
    task.id = (int)number;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, task.id);
    if (!read_text(path, text, sizeof text) ||
        sscanf(text, "%" SCNu64 " %" SCNu64, &task.cpu_ns, &task.waiting_ns) != 2)
        return;
    sample->tasks[sample->task_count++] = task;

    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, task.id);
    if (!read_text(path, text, sizeof text))
        return;
    sample->voluntary_count += number_after(text, "\nvoluntary_ctxt_switches:");
    sample->involuntary_count += number_after(text, "\nnonvoluntary_ctxt_switches:");
}

/* The ticks of the whole process. */
static void read_ticks(pid_t pid, struct proc_sample *sample)
{
    char path[PATH_SIZE];
    char text[TEXT_SIZE];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_text(path, text, sizeof text))
        return;
    /* The name, in parentheses, may hold anything. */
    const char *const rest = strrchr(text, ')');
    if (rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                       &sample->user_ticks, &sample->system_ticks) != 2)
        sample->user_ticks = sample->system_ticks = 0;
}

static uint64_t cpu_clock_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec now = {0};

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) < 0)
        return 0;
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void proc_sample(pid_t pid, struct proc_sample *ret_sample)
{
    char path[PATH_SIZE];
    const struct dirent *entry;

    *ret_sample = (struct proc_sample){.time_ns = clock_monotonic_ns()};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *const folder = opendir(path);
    if (!folder)
        return;
    while ((entry = readdir(folder)))
        read_task(pid, entry->d_name, ret_sample);
    closedir(folder);
    read_ticks(pid, ret_sample);
    ret_sample->cpu_ns = cpu_clock_ns(pid);
    ret_sample->known = ret_sample->task_count > 0 && ret_sample->cpu_ns > 0;
}

static const struct proc_task *find_task(const struct proc_sample *sample, int id)
{
    static const struct proc_task nothing;

    for (uint32_t i = 0; i < sample->task_count; i++) {
        if (sample->tasks[i].id == id)
            return &sample->tasks[i];
    }
    return &nothing;
}

static uint64_t difference(uint64_t end, uint64_t begin)
{
    return end > begin ? end - begin : 0;
}

struct proc_usage proc_compare(const struct proc_sample *begin, const struct proc_sample *end)
{
    const uint64_t user = difference(end->user_ticks, begin->user_ticks);
    const uint64_t ticks = user + difference(end->system_ticks, begin->system_ticks);
    const uint64_t elapsed_ns = difference(end->time_ns, begin->time_ns);
    struct proc_usage usage = {
        .known = begin->known && end->known && elapsed_ns > 0,
        .cpu_ns = difference(end->cpu_ns, begin->cpu_ns),
        .user_share = ticks > 0 ? (double)user / (double)ticks : 0.5,
        .voluntary_count = difference(end->voluntary_count, begin->voluntary_count),
        .involuntary_count = difference(end->involuntary_count, begin->involuntary_count),
    };

    for (uint32_t i = 0; i < end->task_count && usage.known; i++) {
        const struct proc_task *const task = &end->tasks[i];
        const struct proc_task *const before = find_task(begin, task->id);
        const uint64_t wanted_ns = difference(task->cpu_ns, before->cpu_ns) +
                                   difference(task->waiting_ns, before->waiting_ns);
        const double share = (double)wanted_ns / (double)elapsed_ns;
        if (share > usage.busiest)
            usage.busiest = share;
    }
    return usage;
}

struct proc_machine proc_machine(void)
{
    struct proc_machine machine = {0};
    char text[TEXT_SIZE];
    uint64_t times[8] = {0};

    if (!read_text("/proc/stat", text, sizeof text) ||
        sscanf(text,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &times[0], &times[1], &times[2], &times[3], &times[4], &times[5], &times[6],
               &times[7]) != 8)
        return machine;
    for (int i = 0; i < 8; i++)
        machine.total_ticks += times[i];
    machine.steal_ticks = times[7];
    return machine;
}
