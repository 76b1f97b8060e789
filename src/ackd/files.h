/* SPDX-License-Identifier: MIT
 *
 * files - which files the process may open from now on (Landlock)
 *
 *      struct files files;
 *      files_init(&files, true);
 *      files_allow(&files, "/etc", FILES_READ); ...
 *      files_restrict(&files, &error);
 *
 * What is open stays open.  Holds for the calling thread and those that it starts afterwards.
 * Source: landlock(7), Documentation/userspace-api/landlock.rst of the kernel. */
#ifndef ACKD_FILES_H
#define ACKD_FILES_H

#include <ackd/error.h>
#include <stdbool.h>

enum files_access {
    FILES_READ = 1,   /* read files and list folders */
    FILES_WRITE = 2,  /* make, write, rename and remove files */
    FILES_SOCKET = 4, /* make and remove sockets */
    FILES_KEEP = 8,   /* the path stays open until the process ends: what a rule for /proc holds for
                       * is forgotten, and made anew as something else, when memory is short */
};

struct files {
    int version; /* of the kernel's Landlock; a negative errno: it has none, or something failed */
    int fd;
};

/* Begins a list of what may be opened.  @scope_sockets: abstract unix sockets of others are
 * forbidden, too.  What fails is said by files_restrict(). */
void files_init(struct files *files, bool scope_sockets);

/* Allows @access beneath @path, or to it if it is a file.  What does not exist is left out. */
void files_allow(struct files *files, const char *path, unsigned access);

/* The same for the folder that @path stands in, and for that of the file that it is a link to. */
void files_allow_folder_of(struct files *files, const char *path, unsigned access);

/* Forbids the rest: other files, running programs, TCP connections to others, and signals to other
 * processes, as far as the kernel's version can.  That version, or a negative errno (-ENOSYS,
 * -EOPNOTSUPP: the kernel has no Landlock). */
int files_restrict(struct files *files, struct ackd_error *error);

#endif
