/* SPDX-License-Identifier: MIT
 *
 * heap - what jemalloc knows of memory, as a profile (heap.h)
 *
 * Source: jemalloc(3), the mallctl names under "opt.prof" and "prof.dump", and pprof's scaling of
 * sampled heaps: with one sample every R bytes, an allocation of s bytes is seen with the
 * probability 1 - exp(-s / R). */
#include "profile/heap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile/kinds.h"

/* Of jemalloc, if the program is linked with it. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
    __attribute__((weak));

/* What jemalloc reads before main(), unless the program has one of its own. */
extern const char *malloc_conf;
__attribute__((weak, visibility("default"))) const char *malloc_conf =
    "prof:true,prof_active:true,prof_accum:true,lg_prof_sample:19";

/* One row of a dump: what is live, and what was allocated ever. */
struct row {
    uint64_t live_count;
    uint64_t live_size;
    uint64_t all_count;
    uint64_t all_size;
};

/* What @count samples of @size bytes together stand for. */
static void scale(uint64_t count, uint64_t size, uint64_t period, int64_t *ret_count,
                  int64_t *ret_size)
{
    if (count == 0 || size == 0) {
        *ret_count = 0;
        *ret_size = 0;
        return;
    }
    const double mean = (double)size / (double)count;
    const double factor = 1 / (1 - exp(-mean / (double)period));
    *ret_count = (int64_t)((double)count * factor);
    *ret_size = (int64_t)((double)size * factor);
}

/* "@ 0x1 0x2 ...": return addresses, leaf first. */
static size_t parse_stack(const char *line, uintptr_t *ret_frames)
{
    size_t depth = 0;
    uintptr_t address;
    int size;

    for (line++; depth < PROFILE_DEPTH_MAX && sscanf(line, " %" SCNxPTR "%n", &address, &size) == 1;
         line += size)
        ret_frames[depth++] = address - 1;
    return depth;
}

static void add_row(struct profile *profile, const struct row *row, const uintptr_t *frames,
                    size_t depth)
{
    const uint64_t period = (uint64_t)profile->period;
    int64_t values[PROFILE_VALUE_COUNT_MAX];

    scale(row->all_count, row->all_size, period, &values[0], &values[1]);
    scale(row->live_count, row->live_size, period, &values[2], &values[3]);
    profile_add(profile, frames, depth, NULL, values);
}

int heap_parse(struct profile *profile, char *text, struct ackd_error *error)
{
    uintptr_t frames[PROFILE_DEPTH_MAX];
    size_t depth = 0;
    bool is_row = false; /* the next line of totals is that of a stack */
    char *rest = text;
    char *line = strsep(&rest, "\n");

    if (sscanf(line, "heap_v2/%" SCNd64, &profile->period) != 1 || profile->period <= 0)
        return error_raise(error, -EBADMSG, "jemalloc's dump begins with '%.32s'", line);
    while ((line = strsep(&rest, "\n")) && strncmp(line, "MAPPED_LIBRARIES", 16) != 0) {
        struct row row;

        if (line[0] == '@') {
            depth = parse_stack(line, frames);
            is_row = true;
        } else if (is_row &&
                   sscanf(line, " t*: %" SCNu64 ": %" SCNu64 " [%" SCNu64 ": %" SCNu64 "]",
                          &row.live_count, &row.live_size, &row.all_count, &row.all_size) == 4) {
            add_row(profile, &row, frames, depth);
            is_row = false;
        }
    }
    return 0;
}

static bool is_sampling(void)
{
    bool is_on = false;
    size_t size = sizeof is_on;

    return mallctl("opt.prof", &is_on, &size, NULL, 0) == 0 && is_on;
}

/* Reads all that was written to @fd; NULL when memory ran out. */
static char *read_all(int fd)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return NULL;
    char *const text = malloc((size_t)status.st_size + 1);
    if (!text)
        return NULL;
    const ssize_t size = pread(fd, text, (size_t)status.st_size, 0);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

/* Has jemalloc write its dump into memory. */
static int dump(char **ret_text, struct ackd_error *error)
{
    const int fd = memfd_create("heap", MFD_CLOEXEC);
    char path[32];
    const char *name = path;

    if (fd < 0)
        return error_raise(error, -errno, "cannot make a file in memory: %s", strerror(errno));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int code = mallctl("prof.dump", NULL, NULL, &name, sizeof name);
    *ret_text = code == 0 ? read_all(fd) : NULL;
    close(fd);
    if (*ret_text)
        return 0;
    return error_raise(error, code ? -code : -ENOMEM, "jemalloc cannot dump its profile: %s",
                       strerror(code ? code : ENOMEM));
}

int heap_take(const struct profile_kind *kind, struct profile **ret_profile,
              struct ackd_error *error)
{
    char *text = NULL;

    if (!mallctl)
        return error_raise(error, -ENOTSUP, "this program was built without jemalloc");
    if (!is_sampling())
        return error_raise(error, -ENOTSUP,
                           "jemalloc was not told to sample: MALLOC_CONF lacks prof:true");
    int status = dump(&text, error);
    if (status < 0)
        return status;
    struct profile *const profile = profile_new(kind, 0);
    status = profile ? heap_parse(profile, text, error)
                     : error_raise(error, -ENOMEM, "no memory for a profile");
    free(text);
    if (status < 0) {
        profile_free(profile);
        return status;
    }
    *ret_profile = profile;
    return 0;
}
