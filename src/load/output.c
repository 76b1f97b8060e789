/* SPDX-License-Identifier: MIT
 *
 * output - whether result files can be written (output.h) */
#include "load/output.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes the file and takes it away again: nothing else knows of all reasons against it. */
static int try_new(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0)
        return errno == EEXIST ? 0 : -errno; /* a link that leads to no file yet */
    close(fd);
    unlink(path);
    return 0;
}

static int try_to_write(const char *path)
{
    struct stat found;

    if (stat(path, &found) < 0)
        return errno == ENOENT ? try_new(path) : -errno;
    if (S_ISDIR(found.st_mode))
        return -EISDIR;
    /* It is not opened: the reader of a pipe would take the close for the end. */
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int output_check(const char *option, const char *path, struct ackd_error *error)
{
    const int status = path ? try_to_write(path) : 0;

    return status < 0 ? error_raise(error, -EINVAL, "%s %s: %s", option, path, strerror(-status))
                      : 0;
}

int output_check_result(const char *json_path, const char *html_path, struct ackd_error *error)
{
    const bool on_stdout = json_path && strcmp(json_path, "-") == 0;
    const int status = output_check("--json", on_stdout ? NULL : json_path, error);

    return status < 0 ? status : output_check("--html", html_path, error);
}
