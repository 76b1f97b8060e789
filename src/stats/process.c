/* SPDX-License-Identifier: MIT
 *
 * process - the process_* metrics (process.h); source: proc(5) */
#include "stats/process.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    FD_SLICE_COUNT = 1024,
    BOOT_TIME_TRY_COUNT = 8,
};

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

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * (int64_t)NS_PER_S + time.tv_nsec;
}

/* When the machine started, in whole seconds since 1970: "btime" of /proc/stat, a file that a
 * service may not see (ProcSubset=pid).  It is how far two clocks are apart, which changes only
 * when one is set; so that it is the same each time, the readings around the other clock's must
 * agree. */
static double boot_time(void)
{
    int64_t latest_s = 0;

    for (int i = 0; i < BOOT_TIME_TRY_COUNT; i++) {
        const int64_t before_ns = read_clock_ns(CLOCK_BOOTTIME);
        const int64_t now_ns = read_clock_ns(CLOCK_REALTIME);
        const int64_t after_ns = read_clock_ns(CLOCK_BOOTTIME);

        latest_s = (now_ns - before_ns) / (int64_t)NS_PER_S;
        if ((now_ns - after_ns) / (int64_t)NS_PER_S == latest_s)
            break;
    }
    return (double)latest_s;
}

/* Those that are not open have POLLNVAL. */
double process_count_fds_by_poll(rlim_t limit)
{
    struct pollfd fds[FD_SLICE_COUNT];
    double count = 0;

    for (rlim_t first = 0; first < limit; first += FD_SLICE_COUNT) {
        const nfds_t slice = limit - first < FD_SLICE_COUNT ? limit - first : FD_SLICE_COUNT;

        for (nfds_t i = 0; i < slice; i++)
            fds[i] = (struct pollfd){.fd = (int)(first + i)};
        if (poll(fds, slice, 0) < 0)
            return -1;
        for (nfds_t i = 0; i < slice; i++)
            count += !(fds[i].revents & POLLNVAL);
    }
    return count;
}

/* The size of the descriptor table: no open one lies beyond.  0 when it cannot be read. */
static rlim_t fd_table_size(void)
{
    char text[2048];
    unsigned long size = 0;

    if (!read_file("/proc/self/status", text, sizeof text))
        return 0;
    const char *const line = strstr(text, "\nFDSize:");
    return line && sscanf(line, "\nFDSize: %lu", &size) == 1 ? size : 0;
}

/* Reading the folder costs as much as there are descriptors, and a kernel entry each. */
static double open_fd_count(void)
{
    struct stat folder;
    struct rlimit limit;

    if (stat("/proc/self/fd", &folder) < 0)
        return -1;
    if (folder.st_size > 0)
        return (double)folder.st_size; /* since Linux 6.2 */

    const rlim_t size = fd_table_size();
    if (size == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    return process_count_fds_by_poll(size < limit.rlim_cur ? size : limit.rlim_cur);
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

    expose(to, "process_start_time_seconds", EXPOSITION_GAUGE,
           "Start time of the process since unix epoch in seconds.",
           boot_time() + fields.start_ticks / (double)sysconf(_SC_CLK_TCK));
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

void process_read(struct process_values *ret_values)
{
    struct stat_fields fields;
    struct rlimit limit;
    struct rusage usage;
    const double fds = open_fd_count();

    *ret_values = (struct process_values){.open_fds = fds > 0 ? fds : 0};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        ret_values->cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret_values->max_fds = (double)limit.rlim_cur;
    if (read_stat(&fields)) {
        ret_values->resident_bytes = fields.resident_pages * (double)sysconf(_SC_PAGESIZE);
        ret_values->threads = fields.thread_count;
    }
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
