/* SPDX-License-Identifier: MIT
 *
 * files - which files the process may open (files.h)
 *
 * The numbers are the kernel's: Debian 12's headers know version 2 only. */
#include "ackd/files.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

enum {
    VERSION_REFER = 2,
    VERSION_TRUNCATE = 3,
    VERSION_NET = 4,
    VERSION_IOCTL = 5,
    VERSION_SCOPE = 6,
    PATH_SIZE = 4096,
};

static const uint64_t access_truncate = 1U << 14;
static const uint64_t access_ioctl_dev = 1U << 15;
static const uint64_t access_connect_tcp = 1U << 1;
static const uint64_t scope_abstract_unix = 1U << 0;
static const uint64_t scope_signal = 1U << 1;

/* struct landlock_ruleset_attr as it is today. */
struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writing = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                access_truncate;
static const uint64_t making_sockets =
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;

/* What may be said of a file that is no folder. */
static const uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                 access_truncate | access_ioctl_dev;

/* Everything that this version knows about files. */
static uint64_t known(int version)
{
    uint64_t all = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;

    if (version >= VERSION_REFER)
        all |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= VERSION_TRUNCATE)
        all |= access_truncate;
    if (version >= VERSION_IOCTL)
        all |= access_ioctl_dev;
    return all;
}

static int make_ruleset(int version, bool scope_sockets)
{
    const struct ruleset ruleset = {
        .files = known(version),
        .net = access_connect_tcp,
        .scoped = scope_signal | (scope_sockets ? scope_abstract_unix : 0),
    };
    const size_t size = version >= VERSION_SCOPE ? sizeof ruleset
                        : version >= VERSION_NET ? offsetof(struct ruleset, scoped)
                                                 : offsetof(struct ruleset, net);

    return (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
}

void files_init(struct files *files, bool scope_sockets)
{
    const long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    *files = (struct files){.version = version < 0 ? -errno : (int)version, .fd = -1};
    if (version > 0)
        files->fd = make_ruleset((int)version, scope_sockets);
    if (version > 0 && files->fd < 0)
        files->version = -errno;
}

void files_allow(struct files *files, const char *path, unsigned access)
{
    /* What stays open is to be counted, by poll(2) too, for which O_PATH is not open. */
    const int flags = access & FILES_KEEP ? O_RDONLY : O_PATH;
    const int fd = files->fd < 0 ? -1 : open(path, flags | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.parent_fd = fd};
    struct stat status;

    if (fd < 0)
        return;
    if (access & FILES_READ)
        rule.allowed_access |= reading;
    if (access & FILES_WRITE)
        rule.allowed_access |= writing;
    if (access & FILES_SOCKET)
        rule.allowed_access |= making_sockets;
    rule.allowed_access &= known(files->version);
    if (fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= of_files;
    if (syscall(SYS_landlock_add_rule, files->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        files->version = -errno;
    if (!(access & FILES_KEEP))
        close(fd);
}

static void allow_folder_of(struct files *files, const char *path, unsigned access)
{
    const char *const slash = strrchr(path, '/');
    char folder[PATH_SIZE];

    if (!slash)
        snprintf(folder, sizeof folder, ".");
    else if (slash == path)
        snprintf(folder, sizeof folder, "/");
    else
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    files_allow(files, folder, access);
}

void files_allow_folder_of(struct files *files, const char *path, unsigned access)
{
    char *const target = realpath(path, NULL);

    allow_folder_of(files, path, access);
    if (target)
        allow_folder_of(files, target, access);
    free(target);
}

int files_restrict(struct files *files, struct ackd_error *error)
{
    int status = files->version;

    if (status >= 0 && syscall(SYS_landlock_restrict_self, files->fd, 0) < 0)
        status = -errno;
    if (files->fd >= 0)
        close(files->fd);
    files->fd = -1;
    if (status < 0)
        return error_raise(error, status, "Landlock: %s", strerror(-status));
    return status;
}
