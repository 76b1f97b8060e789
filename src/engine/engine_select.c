/* SPDX-License-Identifier: MIT
 *
 * engine_select - which engine a server runs on (engine_select.h)
 *
 * What a kernel says of itself is not what it does: containers forbid parts of it, and versions
 * lack parts of it.  So a byte is received as the engine will receive it. */
#include "engine/engine_select.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/uring.h"

/* How long the kernel may take for what should take microseconds. */
static const int64_t patience_ns = 1000 * (int64_t)NS_PER_MS;

/* Receives one byte from @fd by a multishot recv into a buffer of the ring. */
static int try_recv(struct uring *uring, int fd)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    sqe->opcode = IORING_OP_RECV;
    sqe->fd = fd;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    const int status = uring_enter(uring, 1, patience_ns);
    if (uring_ready_count(uring) == 0)
        return status < 0 ? status : -ETIME;

    const struct uring_cqe cqe = uring_take(uring);
    if (cqe.result < 0)
        return cqe.result;
    if (cqe.result != 1 || !(cqe.flags & IORING_CQE_F_BUFFER) || !(cqe.flags & IORING_CQE_F_MORE))
        return -EINVAL;
    return *uring_buffer(uring, uring_buffer_of(cqe.flags)) == 'x' ? 0 : -EINVAL;
}

static int try_socket(struct uring *uring)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    const int status = send(fds[1], "x", 1, MSG_NOSIGNAL) == 1 ? try_recv(uring, fds[0]) : -errno;
    close(fds[0]);
    close(fds[1]);
    return status;
}

static int try_here(struct ackd_error *error)
{
    struct uring uring;
    int status = uring_open(&uring, error);

    if (status < 0)
        return status;
    status = try_socket(&uring);
    uring_close(&uring);
    return status < 0 ? uring_raise(error, "receiving by io_uring", status) : 0;
}

struct trial {
    struct ackd_error *error;
    int status;
};

static void *run_trial(void *context)
{
    struct trial *const trial = context;

    trial->status = try_here(trial->error);
    return NULL;
}

/* On a thread of its own, which the ring may interrupt when it goes (uring.h). */
static int try_uring(struct ackd_error *error)
{
    struct trial trial = {.error = error};
    pthread_t thread;
    const int status = thread_start(&thread, "ackd-uring", run_trial, &trial);

    if (status < 0)
        return error_raise(error, status, "cannot start a thread: %s", strerror(-status));
    pthread_join(thread, NULL);
    return trial.status;
}

int engine_select(enum ackd_engine wanted, struct engine_choice *ret_choice,
                  struct ackd_error *error)
{
    *ret_choice = (struct engine_choice){.new = engine_epoll_new, .name = "epoll"};
    if (wanted == ACKD_ENGINE_EPOLL)
        return 0;

    const int status = try_uring(&ret_choice->error);
    if (status == 0) {
        ret_choice->new = engine_uring_new;
        ret_choice->name = "uring";
        return 0;
    }
    if (wanted == ACKD_ENGINE_URING)
        return error_raise(error, status, "%s", ret_choice->error.text);
    ret_choice->fell_back = true;
    return 0;
}
