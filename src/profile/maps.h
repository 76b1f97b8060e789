/* SPDX-License-Identifier: MIT
 *
 * maps - what code is mapped where in this process, and the files it came from
 *
 * A deploy replaces files under a running program.  So a file is opened by what is mapped:
 * /proc/self/exe for the program itself; a library by its path, if it still is the same file, or
 * else through /proc/self/map_files, where that is allowed. */
#ifndef PROFILE_MAPS_H
#define PROFILE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAPS_PATH_SIZE = 4096 };

/* One mapping of code. */
struct map {
    uintptr_t begin;
    uintptr_t end;
    uint64_t offset; /* in the file */
    uintptr_t base;  /* where the file's first byte would be, or is, mapped */
    uint64_t inode;
    dev_t device;
    bool is_program; /* the program itself */
    char *path;      /* without " (deleted)"; "" or "[vdso]" when there is no file */
};

struct maps {
    struct map *maps; /* by address, but the program's first */
    size_t count;
};

/* Reads /proc/self/maps.  0 or a negative errno. */
int maps_read(struct maps *ret_maps);

void maps_deinit(struct maps *maps);

/* The mapping that holds @address, or NULL. */
const struct map *maps_find(const struct maps *maps, uintptr_t address);

/* Opens the file of @map for reading; -1 when it is not to be had any more. */
int maps_open(const struct map *map);

/* The last part of @map's path. */
const char *maps_name(const struct map *map);

#endif
