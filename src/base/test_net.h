/* SPDX-License-Identifier: MIT
 *
 * test_net - the other end of a connection, for tests; and the descriptors of this process
 *
 * Blocking sockets whose calls give up after TEST_PATIENCE_S seconds, so that a test that waits
 * for what never comes fails instead of hanging. */
#ifndef BASE_TEST_NET_H
#define BASE_TEST_NET_H

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/address.h"

enum { TEST_PATIENCE_S = 20 };

static inline struct address test_address(const char *text)
{
    struct address address;
    const int status = address_parse(text, false, &address, NULL);

    assert(status == 0);
    return address;
}

/* Makes the calls on @fd give up in time. */
static inline void test_be_patient(int fd)
{
    const struct timeval patience = {.tv_sec = TEST_PATIENCE_S};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/* Connects to @address; -1 and errno if that fails. */
static inline int test_connect(const struct address *address)
{
    const int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(fd >= 0);
    test_be_patient(fd);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int test_connect_text(const char *text)
{
    const struct address address = test_address(text);
    return test_connect(&address);
}

/* Closes @fd so that the other end sees a reset. */
static inline void test_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* Reads @size bytes, or what comes before the end.  Returns how many. */
static inline size_t test_read(int fd, void *to, size_t size)
{
    size_t done = 0;

    while (done < size) {
        const ssize_t got = recv(fd, (char *)to + done, size - done, 0);
        if (got < 0 && errno == EINTR)
            continue; /* an io_uring of this thread has ended */
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

static inline void test_write(int fd, const void *from, size_t size)
{
    const ssize_t sent = send(fd, from, size, MSG_NOSIGNAL);

    assert(sent == (ssize_t)size);
}

/* How many descriptors this process has open. */
static inline int test_fd_count(void)
{
    DIR *const folder = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the folder's own */

    assert(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

#endif
