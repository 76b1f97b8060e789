/* SPDX-License-Identifier: MIT
 *
 * process - the process_* metrics (process.h); source: proc(5) */
#include "stats/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The fields of /proc/self/stat that are used. */
struct stat_fields {
    double start_ticks;
    double thread_count;
    double virtual_size;
    double resident_pages;
};

static bool read_file(const char *path, char *ret_text, size_t text_size)
{
    FILE *const file = fopen(path, "re");
    if (!file)
        return false;

    const size_t size = fread(ret_text, 1, text_size - 1, file);
    fclose(file);
    ret_text[size] = '\0';
    return size > 0;
}

static bool read_stat(struct stat_fields *ret_fields)
{
    char text[1024];
    if (!read_file("/proc/self/stat", text, sizeof text))
        return false;

    /* The second field is the program's name in parentheses and may hold anything. */
    const char *const rest = strrchr(text, ')');
    return rest && sscanf(rest + 1,
                          " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                          "%lf %*d %lf %lf %lf",
                          &ret_fields->thread_count, &ret_fields->start_ticks,
                          &ret_fields->virtual_size, &ret_fields->resident_pages) == 4;
}

/* When the machine started, in seconds since 1970; 0 when it cannot be read. */
static double boot_time(void)
{
    char line[256];
    double seconds = 0;
    FILE *const file = fopen("/proc/stat", "re");

    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "btime %lf", &seconds) == 1)
            break;
    }
    if (file)
        fclose(file);
    return seconds;
}

static double open_fd_count(void)
{
    DIR *const folder = opendir("/proc/self/fd");
    double count = -1; /* the folder's own descriptor */

    if (!folder)
        return -1;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] != '.')
            count++;
    }
    closedir(folder);
    return count;
}

static void expose(struct exposition *to, const char *family, enum exposition_type type,
                   const char *help, double value)
{
    exposition_family(to, family, type, help);
    exposition_number(to, "", value);
}

static void expose_stat(struct exposition *to)
{
    struct stat_fields fields;
    if (!read_stat(&fields))
        return;

    const double boot = boot_time();
    if (boot > 0)
        expose(to, "process_start_time_seconds", EXPOSITION_GAUGE,
               "Start time of the process since unix epoch in seconds.",
               boot + fields.start_ticks / (double)sysconf(_SC_CLK_TCK));
    expose(to, "process_virtual_memory_bytes", EXPOSITION_GAUGE, "Virtual memory size in bytes.",
           fields.virtual_size);
    expose(to, "process_resident_memory_bytes", EXPOSITION_GAUGE, "Resident memory size in bytes.",
           fields.resident_pages * (double)sysconf(_SC_PAGESIZE));
    expose(to, "process_threads", EXPOSITION_GAUGE, "Number of OS threads in the process.",
           fields.thread_count);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void expose_limits(struct exposition *to)
{
    struct rlimit limit;
    const double fds = open_fd_count();

    if (fds >= 0)
        expose(to, "process_open_fds", EXPOSITION_GAUGE, "Number of open file descriptors.", fds);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        expose(to, "process_max_fds", EXPOSITION_GAUGE, "Maximum number of open file descriptors.",
               (double)limit.rlim_cur);
    if (getrlimit(RLIMIT_AS, &limit) == 0)
        expose(to, "process_virtual_memory_max_bytes", EXPOSITION_GAUGE,
               "Maximum amount of virtual memory available in bytes.",
               limit.rlim_cur == RLIM_INFINITY ? -1 : (double)limit.rlim_cur);
}

void process_expose(struct exposition *to)
{
    const char *const prefix = to->prefix;
    struct rusage usage;

    to->prefix = "";
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        expose(to, "process_cpu_seconds", EXPOSITION_COUNTER,
               "Total user and system CPU time spent in seconds.",
               seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    expose_limits(to);
    expose_stat(to);
    to->prefix = prefix;
}
