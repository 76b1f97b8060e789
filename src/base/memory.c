/* SPDX-License-Identifier: MIT
 *
 * memory - how much of it this process may use (memory.h)
 *
 * Sources: sysconf(3), cgroups(7), the kernel's cgroup-v2.rst and cgroup-v1/memory.rst. */
#include "base/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"

enum { PATH_SIZE = 1024 };

/* The number in file @path; UINT64_MAX where there is none ("max", no such file). */
static uint64_t read_limit(const char *path)
{
    char text[64];
    uint64_t limit = UINT64_MAX;
    FILE *const file = fopen(path, "re");

    if (!file)
        return UINT64_MAX;
    if (fgets(text, sizeof text, file)) {
        text[strcspn(text, "\n")] = '\0';
        if (!units_parse_count(text, &limit))
            limit = UINT64_MAX;
    }
    fclose(file);
    return limit;
}

/* The smallest limit of the cgroup @group and of those around it; files are named @name. */
static uint64_t read_limits(const char *root, const char *mount, char *group, const char *name)
{
    uint64_t smallest = UINT64_MAX;

    for (;;) {
        char path[3 * PATH_SIZE];
        char *const slash = strrchr(group, '/');

        snprintf(path, sizeof path, "%s%s%s/%s", root, mount, group, name);
        const uint64_t limit = read_limit(path);
        smallest = limit < smallest ? limit : smallest;
        if (!slash)
            return smallest;
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup: NUMBER:CONTROLLERS:/GROUP, where v2 has no controllers. */
static uint64_t read_group(const char *root, char *line)
{
    line[strcspn(line, "\n")] = '\0';

    const char *const controllers = strchr(line, ':');
    char *const group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return UINT64_MAX;
    *group = '\0';
    if (strcmp(controllers + 1, "memory") == 0)
        return read_limits(root, "/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes");
    if (controllers[1] == '\0')
        return read_limits(root, "/sys/fs/cgroup", group + 1, "memory.max");
    return UINT64_MAX;
}

uint64_t memory_allowed_size(const char *root)
{
    uint64_t smallest = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char text[PATH_SIZE];

    snprintf(text, sizeof text, "%s/proc/self/cgroup", root);
    FILE *const file = fopen(text, "re");
    if (!file)
        return smallest;
    while (fgets(text, sizeof text, file)) {
        const uint64_t limit = read_group(root, text);
        smallest = limit < smallest ? limit : smallest;
    }
    fclose(file);
    return smallest;
}
