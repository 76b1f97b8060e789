/* SPDX-License-Identifier: MIT
 *
 * uring_compat - what the kernel has and liburing 2.3 lacks */
#ifndef ENGINE_URING_COMPAT_H
#define ENGINE_URING_COMPAT_H

#include <errno.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

/* io_uring_enable_rings(): declared, and left out of the shared library's symbols. */
static inline int uring_compat_enable(int ring_fd)
{
    const long status =
        syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    return status < 0 ? -errno : 0;
}

/* io_uring_register_restrictions(): the same. */
static inline int uring_compat_restrict(int ring_fd, struct io_uring_restriction *restrictions,
                                        unsigned count)
{
    const long status =
        syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_RESTRICTIONS, restrictions, count);
    return status < 0 ? -errno : 0;
}

#endif
