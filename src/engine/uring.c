/* SPDX-License-Identifier: MIT
 *
 * uring - a submission and a completion ring, and the buffers that the kernel receives into
 *         (uring.h)
 *
 * The ring is entered by a call of our own: liburing 2.3 has none that submits and waits at once
 * without looking at the completions in between.
 *
 * Sources: io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */
#include "engine/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/uring_compat.h"

_Static_assert((URING_BUFFER_COUNT & (URING_BUFFER_COUNT - 1)) == 0, "the kernel masks");

enum {
    ENTER_TRY_COUNT_MAX = 1000,

    FEATURES = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP,
};

/* How a ring may be set up, best first.  All but the last need the thread that enters it to be one:
 * then its completions are processed when it asks for them, and interrupt nobody. */
static const uint32_t setups[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
        IORING_SETUP_CQSIZE,
    IORING_SETUP_CQSIZE,
};

int uring_raise(struct ackd_error *error, const char *what, int code)
{
    switch (-code) {
    case ENOSYS:
        return error_raise(error, code, "%s: this kernel has no io_uring", what);
    case EPERM:
    case EACCES:
        return error_raise(error, code,
                           "%s: forbidden, by the container's seccomp profile or by the sysctl "
                           "kernel.io_uring_disabled",
                           what);
    case ENOMEM:
        return error_raise(error, code,
                           "%s: out of memory, or over the limit of locked memory "
                           "(RLIMIT_MEMLOCK)",
                           what);
    case EINVAL:
        return error_raise(error, code, "%s: this kernel's io_uring is too old; 6.0 will do", what);
    default:
        return error_raise(error, code, "%s: %s", what, strerror(-code));
    }
}

/* Sets the ring up in the first of @setups from @index on that the kernel has. */
static int set_up(struct uring *uring, size_t index)
{
    int status = -EINVAL;

    for (size_t i = index; i < sizeof setups / sizeof setups[0] && status == -EINVAL; i++) {
        struct io_uring_params params = {.flags = setups[i], .cq_entries = URING_CQ_COUNT};

        status = io_uring_queue_init_params(URING_SQ_COUNT, &uring->ring, &params);
        if (status == 0 && (params.features & FEATURES) != FEATURES) {
            io_uring_queue_exit(&uring->ring);
            status = -EINVAL;
            break;
        }
    }
    if (status < 0) {
        uring->ring.ring_fd = -1; /* 0, otherwise: somebody else's */
        return status;
    }
    uring->enabled = !(uring->ring.flags & IORING_SETUP_R_DISABLED);

    /* Entry i of the ring is always entry i of the array. */
    for (unsigned i = 0; i < uring->ring.sq.ring_entries; i++)
        uring->ring.sq.array[i] = i;
    return 0;
}

static int register_buffers(struct uring *uring)
{
    const size_t ring_size = URING_BUFFER_COUNT * sizeof(struct io_uring_buf);
    const size_t buffers_size = (size_t)URING_BUFFER_COUNT * URING_BUFFER_SIZE;

    uring->map_size = ring_size + buffers_size;
    uint8_t *const map =
        mmap(NULL, uring->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        uring->map_size = 0;
        return -ENOMEM;
    }
    uring->buffer_ring = (struct io_uring_buf_ring *)(void *)map;
    uring->buffers = map + ring_size;

    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)map,
                                   .ring_entries = URING_BUFFER_COUNT,
                                   .bgid = URING_BUFFER_GROUP};
    const int status = io_uring_register_buf_ring(&uring->ring, &reg, 0);
    if (status < 0)
        return status;
    io_uring_buf_ring_init(uring->buffer_ring);
    for (int i = 0; i < URING_BUFFER_COUNT; i++)
        uring_give_back(uring, (uint16_t)i);
    return 0;
}

/* Leaves the ring with what the engine does, before it is enabled: whoever got hold of the ring
 * could otherwise open files and connect past every filter of system calls. */
static int restrict_ring(struct uring *uring)
{
    static const uint8_t operations[] = {IORING_OP_NOP, IORING_OP_RECV, IORING_OP_SEND,
                                         IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL};
    enum { COUNT = sizeof operations };
    struct io_uring_restriction restrictions[COUNT + 2] = {
        [COUNT] = {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
                   .sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS},
        [COUNT + 1] = {.opcode = IORING_RESTRICTION_REGISTER_OP,
                       .register_op = IORING_REGISTER_ENABLE_RINGS},
    };

    if (uring->enabled)
        return 0; /* an older kernel's kind of ring, which is never disabled */
    for (int i = 0; i < COUNT; i++)
        restrictions[i] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP,
                                                        .sqe_op = operations[i]};
    return uring_compat_restrict(uring->ring.ring_fd, restrictions, COUNT + 2);
}

struct opening {
    struct uring *uring;
    struct ackd_error *error;
    int status;
};

static int open_here(struct uring *uring, struct ackd_error *error)
{
    int status = set_up(uring, 0);
    if (status < 0)
        return uring_raise(error, "io_uring_setup", status);
    status = register_buffers(uring);
    if (status == 0)
        status = restrict_ring(uring);
    if (status < 0) {
        uring_close(uring);
        return uring_raise(error, "io_uring_register", status);
    }
    return 0;
}

static void *run_open(void *context)
{
    struct opening *const opening = context;

    opening->status = open_here(opening->uring, opening->error);
    return NULL;
}

/* On a thread of its own: the kernel remembers who set a ring up, and interrupts that thread's
 * system calls (EINTR) when the ring has been closed. */
int uring_open(struct uring *uring, struct ackd_error *error)
{
    struct opening opening = {.uring = uring, .error = error};
    pthread_t thread;

    *uring = (struct uring){.ring.ring_fd = -1};
    const int status = thread_start(&thread, "ackd-uring", run_open, &opening);
    if (status < 0)
        return error_raise(error, status, "cannot start a thread: %s", strerror(-status));
    pthread_join(thread, NULL);
    return opening.status;
}

void uring_close(struct uring *uring)
{
    if (uring->ring.ring_fd >= 0)
        io_uring_queue_exit(&uring->ring);
    if (uring->map_size > 0)
        munmap(uring->buffer_ring, uring->map_size);
    uring->ring.ring_fd = -1;
    uring->map_size = 0;
}

/* Lets the kernel see what was filled.  Returns how much it has not taken yet. */
static unsigned publish(struct uring *uring)
{
    struct io_uring_sq *const sq = &uring->ring.sq;

    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return sq->sqe_tail - IO_URING_READ_ONCE(*sq->khead);
}

static void enable(struct uring *uring)
{
    const int status = uring_compat_enable(uring->ring.ring_fd);

    assert(status == 0);
    uring->enabled = true;
}

int uring_enter(struct uring *uring, unsigned wait_count, int64_t timeout_ns)
{
    struct __kernel_timespec timeout = {.tv_sec = timeout_ns / (int64_t)NS_PER_S,
                                        .tv_nsec = timeout_ns % (int64_t)NS_PER_S};
    struct io_uring_getevents_arg argument = {
        .sigmask_sz = _NSIG / 8,
        .ts = timeout_ns < 0 ? 0 : (uintptr_t)&timeout,
    };

    if (!uring->enabled)
        enable(uring);
    /* What it cannot take now (-EBUSY, -EAGAIN) it takes once completions were taken. */
    const int status = io_uring_enter2((unsigned)uring->ring.enter_ring_fd, publish(uring),
                                       wait_count, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                                       (void *)&argument, sizeof argument);
    uring->ring.sq.sqe_head = IO_URING_READ_ONCE(*uring->ring.sq.khead);
    return status < 0 ? status : 0;
}

struct io_uring_sqe *uring_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    for (int i = 0; !sqe && i < ENTER_TRY_COUNT_MAX; i++) {
        if (!uring->enabled)
            enable(uring);
        io_uring_enter((unsigned)uring->ring.enter_ring_fd, publish(uring), 0, 0, NULL);
        uring->ring.sq.sqe_head = IO_URING_READ_ONCE(*uring->ring.sq.khead);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    assert(sqe);
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

struct io_uring_sqe *uring_find_unsubmitted(struct uring *uring, uint64_t user_data)
{
    struct io_uring_sq *const sq = &uring->ring.sq;

    for (unsigned i = sq->sqe_head; i != sq->sqe_tail; i++) {
        struct io_uring_sqe *const sqe = &sq->sqes[i & (sq->ring_entries - 1)];
        if (sqe->user_data == user_data)
            return sqe;
    }
    return NULL;
}
