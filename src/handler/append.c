/* SPDX-License-Identifier: MIT
 *
 * append - the handler that appends every payload to a file
 *
 *      | size: u32 | payload | size: u32 | payload | ...        big endian
 *
 * A record is whole or not there: what a full disk cut is truncated away again, and its SUBMITs
 * fail.  Workers take turns (one lock per write, not per message), so that this end of the file
 * is known.  The file is locked against a second server, and must hold whole records at the start:
 * appending behind a torn one would make all that follows unreadable. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/lock.h"
#include "handler/handlers.h"

enum {
    SIZE_PREFIX_SIZE = 4,

    /* What is read at once of a file that is there already: hundreds of small records, and not much
     * of a large one. */
    BLOCK_SIZE = 16 * 1024,

    /* Records of one write; the kernel takes 1,024 pieces, and a record has two. */
    RECORD_COUNT_MAX = 512,
};

struct append {
    struct lock lock; /* guards the file's end */
    int fd;
    off_t end;
};

/* The records of one write. */
struct train {
    uint8_t prefixes[RECORD_COUNT_MAX][SIZE_PREFIX_SIZE];
    struct iovec pieces[RECORD_COUNT_MAX * 2];
    uint32_t indexes[RECORD_COUNT_MAX];
    uint32_t count;
    size_t size;
};

static void put_record(struct train *train, const struct ackd_submit *submit)
{
    uint8_t *const prefix = train->prefixes[train->count];

    store_be32(prefix, submit->payload_size);
    train->pieces[train->count * 2] = (struct iovec){prefix, SIZE_PREFIX_SIZE};
    train->pieces[train->count * 2 + 1] =
        (struct iovec){(void *)(uintptr_t)submit->payload, submit->payload_size};
    train->indexes[train->count++] = submit->index;
    train->size += SIZE_PREFIX_SIZE + submit->payload_size;
}

/* How many whole records the first @size bytes of @train are; @size becomes theirs. */
static uint32_t count_whole(const struct train *train, size_t *size)
{
    size_t whole_size = 0;

    for (uint32_t i = 0; i < train->count; i++) {
        const size_t record_size = SIZE_PREFIX_SIZE + train->pieces[i * 2 + 1].iov_len;
        if (whole_size + record_size > *size) {
            *size = whole_size;
            return i;
        }
        whole_size += record_size;
    }
    *size = whole_size;
    return train->count;
}

/* Writes @train at the file's end.  Returns how many of its records are there. */
static uint32_t write_train(struct append *self, const struct train *train)
{
    lock_take(&self->lock);
    const ssize_t written = pwritev(self->fd, train->pieces, (int)train->count * 2, self->end);
    size_t size = written > 0 ? (size_t)written : 0;
    const uint32_t count = count_whole(train, &size);

    if (written > 0 && size < (size_t)written) {
        const int status = ftruncate(self->fd, self->end + (off_t)size);
        (void)status; /* what stays behind the end is covered by the next write */
    }
    self->end += (off_t)size;
    lock_release(&self->lock);
    return count;
}

static void flush_train(struct append *self, struct ackd_batch *batch, struct train *train)
{
    const uint32_t count = write_train(self, train);

    for (uint32_t i = count; i < train->count; i++)
        ackd_batch_set_result(batch, train->indexes[i], ACKD_RESULT_FAILED);
    if (count < train->count)
        ackd_batch_count_error(batch);
    train->count = 0;
    train->size = 0;
}

static void append_batch(void *context, struct ackd_batch *batch)
{
    struct append *const self = context;
    struct ackd_submit submit;
    struct train train;

    train.count = 0;
    train.size = 0;
    while (ackd_batch_next(batch, &submit)) {
        put_record(&train, &submit);
        if (train.count == RECORD_COUNT_MAX)
            flush_train(self, batch, &train);
    }
    if (train.count > 0)
        flush_train(self, batch, &train);
}

static void append_free(void *context)
{
    struct append *const self = context;

    close(self->fd);
    lock_deinit(&self->lock);
    free(self);
}

/* Finds the end of the last whole record of the file at @fd, which has @size bytes. */
static int find_end(int fd, off_t size, off_t *ret_end)
{
    uint8_t block[BLOCK_SIZE];
    off_t block_at = 0;
    ssize_t block_size = 0;
    off_t at = 0;

    while (size - at >= SIZE_PREFIX_SIZE) {
        if (at + SIZE_PREFIX_SIZE > block_at + block_size) {
            block_at = at;
            block_size = pread(fd, block, sizeof block, at);
            if (block_size < SIZE_PREFIX_SIZE)
                return -EIO;
        }
        const off_t record_size = SIZE_PREFIX_SIZE + (off_t)load_be32(block + (at - block_at));
        if (record_size > size - at)
            break;
        at += record_size;
    }
    *ret_end = at;
    return 0;
}

static int open_file(const char *path, off_t *ret_end, struct ackd_error *error)
{
    struct stat status;
    int code = 0;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        return error_raise(error, -errno, "append:%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        code = errno == EWOULDBLOCK
                   ? error_raise(error, -EBUSY, "append:%s: another server appends to it", path)
                   : error_raise(error, -errno, "append:%s: cannot be locked: %s", path,
                                 strerror(errno));
    else if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        code = error_raise(error, -EINVAL, "append:%s: is no regular file", path);
    else if (find_end(fd, status.st_size, ret_end) < 0)
        code = error_raise(error, -EIO, "append:%s: cannot be read", path);
    else if (*ret_end != status.st_size)
        code = error_raise(error, -EILSEQ,
                           "append:%s: is torn after byte %lld: move it away, or cut it there "
                           "with truncate -s %lld",
                           path, (long long)*ret_end, (long long)*ret_end);
    if (code < 0) {
        close(fd);
        return code;
    }
    return fd;
}

int handler_append_new(const char *path, struct ackd_handler *ret_handler, struct ackd_error *error)
{
    off_t end = 0;

    assert(path && ret_handler);
    const int fd = open_file(path, &end, error);
    if (fd < 0)
        return fd;

    struct append *const self = malloc(sizeof *self);
    if (!self) {
        close(fd);
        return error_raise(error, -ENOMEM, "append:%s: no memory", path);
    }
    *self = (struct append){.fd = fd, .end = end};
    lock_init(&self->lock);
    *ret_handler =
        (struct ackd_handler){.self = self, .on_batch = append_batch, .free = append_free};
    return 0;
}
