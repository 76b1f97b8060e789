/* SPDX-License-Identifier: MIT
 *
 * maps - what code is mapped where in this process (maps.h)
 *
 * Source: proc(5), /proc/pid/maps and /proc/pid/map_files. */
#include "profile/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char deleted[] = " (deleted)";

/* A line of /proc/self/maps.  The path, which ends the line, is set apart. */
static bool parse_line(char *line, struct map *ret_map, bool *ret_executable, char **ret_path)
{
    char permissions[8];
    unsigned int major;
    unsigned int minor;
    int path_at = 0;

    *ret_map = (struct map){0};
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %" SCNx64 " %x:%x %" SCNu64 " %n",
               &ret_map->begin, &ret_map->end, permissions, &ret_map->offset, &major, &minor,
               &ret_map->inode, &path_at) < 7)
        return false;
    ret_map->device = makedev(major, minor);
    *ret_executable = strchr(permissions, 'x') != NULL;

    char *const path = line + path_at;
    path[strcspn(path, "\n")] = '\0';
    const size_t size = strlen(path);
    if (size >= sizeof deleted && strcmp(path + size - (sizeof deleted - 1), deleted) == 0)
        path[size - (sizeof deleted - 1)] = '\0';
    *ret_path = path;
    return true;
}

static bool is_same_file(const struct map *one, const struct map *other)
{
    return one->inode != 0 && one->inode == other->inode && one->device == other->device;
}

/* Appends a copy of @map.  The program's goes to the front: viewers take the first for it. */
static int append(struct maps *maps, const struct map *map, const char *path)
{
    struct map *const all = realloc(maps->maps, (maps->count + 1) * sizeof *all);

    if (!all)
        return -ENOMEM;
    maps->maps = all;
    all[maps->count] = *map;
    all[maps->count].path = strdup(path);
    if (!all[maps->count].path)
        return -ENOMEM;
    maps->count++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct map *const one = a;
    const struct map *const other = b;

    if (one->is_program != other->is_program)
        return one->is_program ? -1 : 1;
    return (one->begin > other->begin) - (one->begin < other->begin);
}

/* The program is where the kernel has put its program headers. */
static void mark_program(struct maps *maps, const struct map *program)
{
    for (size_t i = 0; i < maps->count; i++)
        maps->maps[i].is_program = is_same_file(&maps->maps[i], program);
    if (maps->count > 1)
        qsort(maps->maps, maps->count, sizeof *maps->maps, compare);
}

static int read_lines(FILE *file, struct maps *maps)
{
    const uintptr_t headers = getauxval(AT_PHDR);
    struct map program = {0};
    struct map first = {0}; /* the first mapping of the file of the line */
    char line[MAPS_PATH_SIZE + 128];
    int status = 0;

    while (status == 0 && fgets(line, sizeof line, file)) {
        struct map map;
        bool is_executable;
        char *path;

        if (!parse_line(line, &map, &is_executable, &path))
            continue;
        if (!is_same_file(&first, &map))
            first = map;
        if (headers >= map.begin && headers < map.end)
            program = map;
        map.base = map.inode != 0 ? first.begin - first.offset : map.begin;
        if (is_executable)
            status = append(maps, &map, path);
    }
    mark_program(maps, &program);
    return status;
}

int maps_read(struct maps *ret_maps)
{
    FILE *const file = fopen("/proc/self/maps", "re");

    *ret_maps = (struct maps){0};
    if (!file)
        return -errno;
    const int status = read_lines(file, ret_maps);
    fclose(file);
    if (status < 0)
        maps_deinit(ret_maps);
    return status;
}

void maps_deinit(struct maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        free(maps->maps[i].path);
    free(maps->maps);
    *maps = (struct maps){0};
}

const struct map *maps_find(const struct maps *maps, uintptr_t address)
{
    for (size_t i = 0; i < maps->count; i++) {
        if (address >= maps->maps[i].begin && address < maps->maps[i].end)
            return &maps->maps[i];
    }
    return NULL;
}

/* Opens @path if it is still what is mapped. */
static int open_same(const struct map *map, const char *path)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && status.st_ino == map->inode && status.st_dev == map->device)
        return fd;
    close(fd);
    return -1;
}

int maps_open(const struct map *map)
{
    char path[64];

    if (map->inode == 0)
        return -1;
    if (map->is_program)
        return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const int fd = open_same(map, map->path);
    if (fd >= 0)
        return fd;
    snprintf(path, sizeof path, "/proc/self/map_files/%" PRIxPTR "-%" PRIxPTR, map->begin,
             map->end);
    return open(path, O_RDONLY | O_CLOEXEC);
}

const char *maps_name(const struct map *map)
{
    const char *const slash = strrchr(map->path, '/');

    return slash ? slash + 1 : map->path;
}
