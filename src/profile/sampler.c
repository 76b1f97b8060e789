/* SPDX-License-Identifier: MIT
 *
 * sampler - CPU time of every thread, by SIGPROF (sampler.h)
 *
 * A slot is what the sampler has for one thread.  Signals name a slot by its number, which the
 * handler checks: whoever sends a SIGPROF cannot make it write elsewhere.  Slots are never freed,
 * and given to another thread only when theirs is gone: so a ring has one putter at any time.
 *
 * Sources: timer_create(2), clock_getcpuclockid(3), signal-safety(7), proc(5). */
#include "profile/sampler.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "profile/counts.h"
#include "profile/kinds.h"
#include "profile/ring.h"
#include "profile/stack.h"
#include "profile/tasks.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
    COLLECT_NS = 10 * 1000 * 1000,
    SCAN_COST_MAX_PERCENT = 1, /* of one CPU: with many threads, scans are rarer */
    ANSWER_TIMEOUT_NS = 100 * 1000 * 1000,
};

/* Who may touch a slot's captured stack. */
enum capture {
    CAPTURE_IDLE,    /* nobody */
    CAPTURE_WANTED,  /* the thread may begin */
    CAPTURE_WRITING, /* the thread */
    CAPTURE_DONE,    /* who wanted it */
};

struct slot {
    pid_t tid; /* 0: free */
    timer_t timer;
    bool is_armed;
    uint64_t base_ns;                 /* of the thread's CPU time: when the profile began */
    uint64_t first_ns;                /* of the thread's CPU time: when its timer expires first */
    uint64_t due_count;               /* how often it has expired, when last looked at */
    uint64_t seen_count;              /* how often of these by a signal */
    const struct profile_stack *last; /* where the thread was seen last; NULL: nowhere yet */
    char name[PROFILE_LABEL_SIZE];
    _Atomic int capture;
    size_t capture_depth;
    uintptr_t capture_frames[PROFILE_DEPTH_MAX];
    struct ring ring;
};

/* The one of this process.  @lock guards all that handlers do not touch. */
static struct sampler {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    _Atomic bool is_sampling;
    pthread_t collector;
    struct profile *profile;
    struct tasks tasks;
    uint64_t period_ns;
    uint64_t begin_ns;
    uint64_t next_scan_ns;
    uint32_t phase; /* of the last timer: this of 2^32 parts of a period */
    _Atomic(struct slot *) slots[SAMPLER_THREAD_COUNT_MAX];
    _Atomic uint32_t slot_count;
    sem_t captured;
} sampler = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- in the handler --- */

static struct slot *slot_of_signal(const siginfo_t *info)
{
    const uint32_t number = (uint32_t)info->si_value.sival_int;

    if (number >= atomic_load_explicit(&sampler.slot_count, memory_order_acquire))
        return NULL;
    return atomic_load_explicit(&sampler.slots[number], memory_order_acquire);
}

static void take_sample(struct slot *slot, const siginfo_t *info, const void *ucontext)
{
    uintptr_t frames[PROFILE_DEPTH_MAX];

    if (!atomic_load_explicit(&sampler.is_sampling, memory_order_relaxed))
        return;
    const size_t depth = stack_interrupted(ucontext, frames, PROFILE_DEPTH_MAX);
    ring_put(&slot->ring, frames, (uint32_t)depth, 1 + (uint32_t)info->si_overrun);
}

static void take_stack(struct slot *slot, const void *ucontext)
{
    int expected = CAPTURE_WANTED;

    if (!atomic_compare_exchange_strong(&slot->capture, &expected, CAPTURE_WRITING))
        return;
    slot->capture_depth = stack_interrupted(ucontext, slot->capture_frames, PROFILE_DEPTH_MAX);
    atomic_store(&slot->capture, CAPTURE_DONE);
    sem_post(&sampler.captured);
}

static void on_signal(int number, siginfo_t *info, void *ucontext)
{
    const int saved = errno;
    struct slot *const slot = slot_of_signal(info);

    (void)number;
    if (slot && info->si_code == SI_TIMER)
        take_sample(slot, info, ucontext);
    else if (slot && info->si_code == SI_QUEUE && info->si_pid == getpid())
        take_stack(slot, ucontext);
    errno = saved;
}

/* --- slots and their timers --- */

static struct slot *find_slot(pid_t tid)
{
    const uint32_t count = atomic_load_explicit(&sampler.slot_count, memory_order_relaxed);

    for (uint32_t i = 0; i < count; i++) {
        struct slot *const slot = atomic_load_explicit(&sampler.slots[i], memory_order_relaxed);
        if (slot->tid == tid)
            return slot;
    }
    return NULL;
}

/* A free slot for thread @tid; NULL when there are too many, or no memory. */
static struct slot *make_slot(pid_t tid)
{
    const uint32_t count = atomic_load_explicit(&sampler.slot_count, memory_order_relaxed);
    struct slot *slot = find_slot(0);

    if (!slot) {
        slot = count < SAMPLER_THREAD_COUNT_MAX ? calloc(1, sizeof *slot) : NULL;
        if (!slot)
            return NULL;
        atomic_store_explicit(&sampler.slots[count], slot, memory_order_release);
        atomic_store_explicit(&sampler.slot_count, count + 1, memory_order_release);
    }
    slot->tid = tid;
    slot->base_ns = 0;
    slot->name[0] = '\0';
    ring_clear(&slot->ring);
    slot->last = NULL;
    return slot;
}

static int number_of(const struct slot *slot)
{
    int number = 0;

    while (atomic_load_explicit(&sampler.slots[number], memory_order_relaxed) != slot)
        number++;
    return number;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* The CPU clock of thread @tid: clock_getcpuclockid() has it for processes only. */
static clockid_t clock_of(pid_t tid)
{
    return (clockid_t)((~(unsigned int)tid << 3) | 6);
}

/* Up to a period, differently each time: threads that are sampled for less than a period each are
 * counted right on the whole.  Multiples of the golden ratio, modulo 1, lie more evenly than random
 * numbers do: with a hundred threads, the whole is off by a period and not by five. */
static uint64_t next_phase_ns(void)
{
    sampler.phase += 0x9e3779b9;
    return 1 + (sampler.phase * sampler.period_ns >> 32);
}

/* The CPU time of thread @tid so far.  False when it has gone. */
static bool read_clock(pid_t tid, uint64_t *ret_ns)
{
    struct timespec used;

    if (clock_gettime(clock_of(tid), &used) < 0)
        return false;
    *ret_ns = (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
    return true;
}

/* Counts how often the timer of @slot has expired, signal or not. */
static void look_at_clock(struct slot *slot)
{
    uint64_t used_ns;

    if (slot->is_armed && read_clock(slot->tid, &used_ns) && used_ns >= slot->first_ns)
        slot->due_count = 1 + (used_ns - slot->first_ns) / sampler.period_ns;
}

/* Starts the timer of @slot.  What the thread has used since its base counts, however late this
 * is.  Nothing happens to a thread that has gone. */
static void arm(struct slot *slot)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};

    event.sigev_notify_thread_id = slot->tid;
    event.sigev_value.sival_int = number_of(slot);
    if (timer_create(clock_of(slot->tid), &event, &slot->timer) < 0)
        return;

    slot->first_ns = slot->base_ns + next_phase_ns();
    slot->due_count = 0;
    slot->seen_count = 0;
    const struct itimerspec times = {
        .it_interval = timespec_of(sampler.period_ns),
        .it_value = timespec_of(slot->first_ns),
    };
    slot->is_armed = timer_settime(slot->timer, TIMER_ABSTIME, &times, NULL) == 0;
    if (!slot->is_armed)
        timer_delete(slot->timer);
}

static void disarm(struct slot *slot)
{
    look_at_clock(slot);
    if (slot->is_armed)
        timer_delete(slot->timer);
    slot->is_armed = false;
}

/* --- the collector --- */

/* @weight samples of @slot's thread, at the stack @frames. */
static void add_sample(struct slot *slot, const uintptr_t *frames, size_t depth, uint64_t weight)
{
    const int64_t values[] = {(int64_t)weight, (int64_t)(weight * sampler.period_ns)};

    /* Not before: a thread gets its name a while after it began. */
    if (slot->name[0] == '\0')
        tasks_name(slot->tid, slot->name);
    slot->last = profile_add(sampler.profile, frames, depth, slot->name, values);
    counts_add(COUNT_SAMPLES, weight);
}

static void drain(struct slot *slot)
{
    uintptr_t frames[PROFILE_DEPTH_MAX];
    uint32_t depth;
    uint32_t weight;

    while (ring_take(&slot->ring, frames, &depth, &weight)) {
        add_sample(slot, frames, depth, weight);
        slot->seen_count += weight;
    }
    const uint64_t lost = atomic_exchange_explicit(&slot->ring.lost_count, 0, memory_order_relaxed);
    slot->seen_count += lost;
    sampler.profile->lost_count += lost;
    counts_add(COUNT_LOST_RING, lost);
}

/* Never called: its name stands in profiles for CPU time of threads that were never seen at it. */
static void cpu_time_unseen(void)
{
}

/* The kernel sees that a timer has expired when a tick finds its thread running.  One that runs in
 * short turns may use milliseconds until then, and what it had not been seen with in the end is
 * missing: with a hundred such threads, a fifth of everything.  It is counted where the thread was
 * seen last. */
static void settle(struct slot *slot)
{
    const uintptr_t unseen = (uintptr_t)cpu_time_unseen;
    const struct profile_stack *const last = slot->last;

    if (slot->due_count > slot->seen_count)
        add_sample(slot, last ? last->frames : &unseen, last ? last->depth : 1,
                   slot->due_count - slot->seen_count);
    slot->due_count = 0;
}

static void for_each_slot(void (*visit)(struct slot *))
{
    const uint32_t count = atomic_load_explicit(&sampler.slot_count, memory_order_relaxed);

    for (uint32_t i = 0; i < count; i++) {
        struct slot *const slot = atomic_load_explicit(&sampler.slots[i], memory_order_relaxed);
        if (slot->tid != 0)
            visit(slot);
    }
}

/* Frees the slot of a thread that has gone.  One that is missing in the list may be there all the
 * same: the kernel leaves some out when others go meanwhile. */
static void bury(struct slot *slot)
{
    uint64_t used_ns;

    if (tasks_have(&sampler.tasks, slot->tid) || read_clock(slot->tid, &used_ns))
        return;
    disarm(slot);
    if (sampler.profile) {
        drain(slot);
        settle(slot);
    }
    slot->tid = 0;
}

/* Looks which threads there are.  @is_first: all of them were there before the profile; of others,
 * all CPU time counts.  0 or a negative errno. */
static int scan(bool is_first)
{
    const int status = tasks_read(&sampler.tasks);

    if (status < 0)
        return status;
    for_each_slot(look_at_clock);
    for_each_slot(bury);
    for (size_t i = 0; i < sampler.tasks.count; i++) {
        const pid_t tid = sampler.tasks.tids[i];
        struct slot *slot = find_slot(tid);

        if (!slot)
            slot = make_slot(tid);
        if (slot && is_first)
            read_clock(tid, &slot->base_ns);
        if (slot && !slot->is_armed)
            arm(slot);
    }
    return 0;
}

static void collect(void)
{
    const uint64_t begin_ns = clock_monotonic_ns();
    uint64_t used_ns = 0;
    uint64_t used_before_ns = 0;

    for_each_slot(drain);
    if (begin_ns >= sampler.next_scan_ns) {
        /* CPU time: on a busy machine a scan takes long without costing more. */
        read_clock(gettid(), &used_before_ns);
        scan(false);
        read_clock(gettid(), &used_ns);
        sampler.next_scan_ns = begin_ns + (used_ns - used_before_ns) * 100 / SCAN_COST_MAX_PERCENT;
    }
}

static void *run(void *context)
{
    (void)context;
    pthread_mutex_lock(&sampler.lock);
    while (atomic_load(&sampler.is_sampling)) {
        const struct timespec next = timespec_of(clock_monotonic_ns() + COLLECT_NS);
        pthread_cond_clockwait(&sampler.stop, &sampler.lock, CLOCK_MONOTONIC, &next);
        /* Once it is over, nothing may start a timer again. */
        if (atomic_load(&sampler.is_sampling))
            collect();
    }
    pthread_mutex_unlock(&sampler.lock);
    return NULL;
}

/* --- what others call --- */

static void take_signal(void)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    stack_prime();
    sem_init(&sampler.captured, 0, 0);
    pthread_cond_init(&sampler.stop, NULL);
    sampler.phase = (uint32_t)clock_monotonic_ns();
    sigfillset(&action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
}

void sampler_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, take_signal);
}

static int64_t now_real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

/* What came after the end of the profile before. */
static void forget(struct slot *slot)
{
    ring_clear(&slot->ring);
    slot->due_count = 0;
    slot->seen_count = 0;
    slot->base_ns = 0;
    slot->last = NULL;
}

/* Starts timers, and the collector. */
static int start_sampling(struct ackd_error *error)
{
    int status = scan(true);

    if (status < 0)
        return error_raise(error, status, "cannot list the threads: %s", strerror(-status));
    status = thread_start(&sampler.collector, "pprof-sampler", run, NULL);
    if (status < 0)
        return error_raise(error, status, "cannot start a thread: %s", strerror(-status));
    return 0;
}

static int begin(uint32_t hz, struct ackd_error *error)
{
    sampler.period_ns = NS_PER_S / hz;
    sampler.profile = profile_new(&profile_kinds[PROFILE_CPU], (int64_t)sampler.period_ns);
    if (!sampler.profile)
        return error_raise(error, -ENOMEM, "no memory for a profile");
    sampler.profile->begin_ns = now_real_ns();
    sampler.begin_ns = clock_monotonic_ns();
    sampler.next_scan_ns = 0;
    for_each_slot(forget);
    atomic_store(&sampler.is_sampling, true);
    const int status = start_sampling(error);
    if (status < 0) {
        atomic_store(&sampler.is_sampling, false);
        for_each_slot(disarm);
        profile_free(sampler.profile);
        sampler.profile = NULL;
    }
    return status;
}

int sampler_start(uint32_t hz, struct ackd_error *error)
{
    assert(hz > 0 && hz <= SAMPLER_HZ_MAX);
    sampler_init();
    pthread_mutex_lock(&sampler.lock);
    const int status = sampler.profile ? error_raise(error, -EBUSY, "cpu profiling already in use")
                                       : begin(hz, error);
    pthread_mutex_unlock(&sampler.lock);
    return status;
}

struct profile *sampler_stop(void)
{
    pthread_mutex_lock(&sampler.lock);
    assert(sampler.profile);
    scan(false); /* those that came last count, too */
    for_each_slot(disarm);
    atomic_store(&sampler.is_sampling, false);
    pthread_cond_signal(&sampler.stop);
    pthread_mutex_unlock(&sampler.lock);
    pthread_join(sampler.collector, NULL);

    pthread_mutex_lock(&sampler.lock);
    struct profile *const profile = sampler.profile;
    for_each_slot(drain);
    for_each_slot(settle);
    sampler.profile = NULL;
    pthread_mutex_unlock(&sampler.lock);
    profile->duration_ns = (int64_t)(clock_monotonic_ns() - sampler.begin_ns);
    return profile;
}

/* --- stacks of all threads --- */

/* Asks thread @tid for its stack, if it can answer. */
static void ask(pid_t tid)
{
    struct slot *slot = find_slot(tid);
    siginfo_t info = {.si_signo = SIGPROF, .si_code = SI_QUEUE};

    if (!tasks_take_signals(tid))
        return;
    if (!slot)
        slot = make_slot(tid);
    if (!slot)
        return;
    atomic_store(&slot->capture, CAPTURE_WANTED);
    info.si_pid = getpid();
    info.si_value.sival_int = number_of(slot);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, SIGPROF, &info) < 0)
        atomic_store(&slot->capture, CAPTURE_IDLE);
}

/* Waits for the answer of @slot, but not beyond @deadline.  True if it is there.  What others post
 * meanwhile is not missed later: that they are done stands in their slots. */
static bool wait_for(struct slot *slot, const struct timespec *deadline)
{
    while (atomic_load(&slot->capture) != CAPTURE_DONE) {
        if (sem_clockwait(&sampler.captured, CLOCK_MONOTONIC, deadline) == 0 || errno == EINTR)
            continue;
        int expected = CAPTURE_WANTED;
        /* Too late; but what it has begun to write it will end. */
        if (atomic_compare_exchange_strong(&slot->capture, &expected, CAPTURE_IDLE))
            return false;
    }
    return true;
}

static void add_stack(struct profile *profile, pid_t tid, const uintptr_t *frames, size_t depth)
{
    static const int64_t one[] = {1};
    char name[PROFILE_LABEL_SIZE];

    tasks_name(tid, name);
    profile_add(profile, frames, depth, name, one);
}

/* Adds what thread @tid answers until @deadline. */
static void take_answer(struct profile *profile, pid_t tid, const struct timespec *deadline)
{
    struct slot *const slot = find_slot(tid);

    if (slot && atomic_load(&slot->capture) != CAPTURE_IDLE && wait_for(slot, deadline)) {
        add_stack(profile, tid, slot->capture_frames, slot->capture_depth);
        atomic_store(&slot->capture, CAPTURE_IDLE);
    } else {
        add_stack(profile, tid, NULL, 0);
    }
}

/* All are asked before anyone is waited for: one that is stuck takes no other's time. */
static void take_stacks(struct profile *profile)
{
    const struct tasks *const tasks = &sampler.tasks;
    const pid_t self = gettid();
    uintptr_t frames[PROFILE_DEPTH_MAX];

    for (size_t i = 0; i < tasks->count; i++) {
        if (tasks->tids[i] != self)
            ask(tasks->tids[i]);
    }
    const struct timespec deadline = timespec_of(clock_monotonic_ns() + ANSWER_TIMEOUT_NS);
    for (size_t i = 0; i < tasks->count; i++) {
        if (tasks->tids[i] != self)
            take_answer(profile, tasks->tids[i], &deadline);
        else
            add_stack(profile, self, frames, stack_here(frames, PROFILE_DEPTH_MAX));
    }
}

int sampler_take_stacks(struct profile *profile, struct ackd_error *error)
{
    sampler_init();
    pthread_mutex_lock(&sampler.lock);
    const int status = tasks_read(&sampler.tasks);
    if (status == 0) {
        for_each_slot(bury);
        profile->begin_ns = now_real_ns();
        take_stacks(profile);
    }
    pthread_mutex_unlock(&sampler.lock);
    if (status < 0)
        return error_raise(error, status, "cannot list the threads: %s", strerror(-status));
    return 0;
}
