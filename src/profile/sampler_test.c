/* SPDX-License-Identifier: MIT
 *
 * sampler_test - CPU time is counted, of threads that come and go too; one profile at a time; the
 * stacks of all threads.  How exact it is, sampler_bench measures. */
#include "profile/sampler.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "profile/kinds.h"
#include "profile/symbols.h"

/* ThreadSanitizer keeps signals back until the thread calls something that it knows: then stacks
 * are not those of the moment. */
#ifdef __SANITIZE_THREAD__
enum { STACKS_ARE_EXACT = 0 };
#else
enum { STACKS_ARE_EXACT = 1 };
#endif

static uint64_t cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* Uses @ms of CPU time. */
__attribute__((noinline)) static void burn(uint64_t ms)
{
    const uint64_t end_ns = cpu_ns() + ms * NS_PER_MS;

    while (cpu_ns() < end_ns)
        ;
}

static void *burn_a_while(void *ms)
{
    burn((uintptr_t)ms);
    return NULL;
}

static void start(uint32_t hz)
{
    struct ackd_error error;

    assert_int_equal(sampler_start(hz, &error), 0);
}

/* A timer that nobody deleted would send signals for ever. */
static void no_timer_is_left(void)
{
    struct itimerspec times;
    int found = 0;

    for (int id = 0; id < 100000; id++)
        found += syscall(SYS_timer_gettime, id, &times) == 0;
    assert_int_equal(found, 0);
}

static bool has_stack(const struct profile *profile, const char *label, const char *function)
{
    struct symbols *const symbols = symbols_open();
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];
    bool has = !STACKS_ARE_EXACT;

    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *const stack = profile->stacks[i];
        if (strcmp(stack->label, label) != 0)
            continue;
        for (uint32_t j = 0; j < stack->depth; j++) {
            const size_t count = symbols_find(symbols, stack->frames[j], found);
            for (size_t k = 0; k < count; k++)
                has = has || strcmp(found[k].function, function) == 0;
        }
    }
    symbols_close(symbols);
    return has;
}

/* Lets nothing more of @resource be had.  Gives the limit that there was. */
static struct rlimit use_up(int resource)
{
    struct rlimit before;

    assert_int_equal(getrlimit(resource, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(resource, &none), 0);
    return before;
}

/* Comes first: the list of threads is kept open. */
static void does_not_begin_without_a_list_of_threads(void **state)
{
    struct ackd_error error;

    (void)state;
    burn(200);
    const struct rlimit before = use_up(RLIMIT_NOFILE);
    const int status = sampler_start(1000, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, -EMFILE);
    assert_non_null(strstr(error.text, "cannot list the threads"));
    start(1000);
    burn(50);
    struct profile *const profile = sampler_stop();
    assert_in_range(profile_total(profile, 1), 40 * NS_PER_MS, 150 * NS_PER_MS);
    profile_free(profile);
}

/* Timers need room for their signals.  Once there is some, what was used since the beginning
 * counts, and not what was used before. */
static void timers_that_come_late_count_from_the_beginning(void **state)
{
    (void)state;
    burn(300);
    const struct rlimit before = use_up(RLIMIT_SIGPENDING);
    start(100);
    burn(100);
    no_timer_is_left();
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &before), 0);
    burn(100);
    struct profile *const profile = sampler_stop();
    assert_in_range(profile_total(profile, 1), 180 * NS_PER_MS, 260 * NS_PER_MS);
    profile_free(profile);
}

static void counts_cpu_time_not_sleep(void **state)
{
    const struct timespec nap = {.tv_nsec = 200000000};

    (void)state;
    start(100);
    burn(300);
    nanosleep(&nap, NULL);
    struct profile *const profile = sampler_stop();
    no_timer_is_left();
    assert_non_null(profile);
    assert_int_equal(profile->period, 10000000);
    assert_in_range(profile_total(profile, 1), 250 * NS_PER_MS, 340 * NS_PER_MS);
    assert_true(profile->duration_ns > 500 * (int64_t)NS_PER_MS);
    assert_true(has_stack(profile, "profile_sampler", "burn"));
    profile_free(profile);
}

/* Nothing of a thread that blocks the signal is seen; but its time is counted. */
static void counts_time_that_it_was_not_signalled(void **state)
{
    sigset_t prof;

    (void)state;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    start(100);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    burn(200);
    struct profile *const profile = sampler_stop();
    pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
    assert_in_range(profile_total(profile, 1), 190 * NS_PER_MS, 230 * NS_PER_MS);
    assert_true(has_stack(profile, "profile_sampler", "cpu_time_unseen"));
    profile_free(profile);
}

/* One that starts after the profile did is found, and named. */
static void finds_threads_that_come_later(void **state)
{
    pthread_t thread;

    (void)state;
    start(1000);
    assert_int_equal(thread_start(&thread, "test-late", burn_a_while, (void *)200), 0);
    pthread_join(thread, NULL);
    struct profile *const profile = sampler_stop();
    assert_true(has_stack(profile, "test-late", "burn"));
    assert_in_range(profile_total(profile, 1), 160 * NS_PER_MS, 260 * NS_PER_MS);
    profile_free(profile);
}

static void one_at_a_time_and_again(void **state)
{
    struct ackd_error error;

    (void)state;
    for (int i = 0; i < 3; i++) {
        start(1000);
        assert_int_equal(sampler_start(100, &error), -EBUSY);
        assert_string_equal(error.text, "cpu profiling already in use");
        profile_free(sampler_stop());
    }
}

/* A SIGPROF from elsewhere is ignored, during a profile and after it. */
static void foreign_signals_do_nothing(void **state)
{
    const union sigval forged = {.sival_int = 1 << 30};

    (void)state;
    start(1);
    raise(SIGPROF);
    sigqueue(getpid(), SIGPROF, forged);
    struct profile *const profile = sampler_stop();
    raise(SIGPROF);
    assert_int_equal(profile_total(profile, 0), 0);
    profile_free(profile);
}

static pthread_barrier_t barrier;

static void *block_and_wait(void *unused)
{
    sigset_t prof;

    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

__attribute__((noinline)) static void *sleep_here(void *unused)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

static void stacks_of_threads_that_sleep_or_refuse(void **state)
{
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_GOROUTINE], 1);
    pthread_t threads[2];
    struct ackd_error error;
    bool is_empty = false;

    (void)state;
    pthread_barrier_init(&barrier, NULL, 3);
    assert_int_equal(thread_start(&threads[0], "test-asleep", sleep_here, NULL), 0);
    assert_int_equal(thread_start(&threads[1], "test-deaf", block_and_wait, NULL), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(sampler_take_stacks(profile, &error), 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(profile_total(profile, 0) >= 3);
    assert_true(has_stack(profile, "test-asleep", "sleep_here"));
    assert_true(has_stack(profile, "profile_sampler", "sampler_take_stacks") ||
                has_stack(profile, "profile_sampler", "stacks_of_threads_that_sleep_or_refuse"));
    for (size_t i = 0; i < profile->stack_count; i++)
        is_empty = is_empty || (strcmp(profile->stacks[i]->label, "test-deaf") == 0 &&
                                profile->stacks[i]->depth == 0);
    assert_true(is_empty);
    profile_free(profile);
    pthread_barrier_destroy(&barrier);
}

enum { IDLE_COUNT = 5 };

static int stuck_pipe[2]; /* it says that it is stuck */
static int free_pipe[2];  /* it is told to go on */

/* Sleeps until its child ends, and takes no signal meanwhile: what vfork() does. */
static void *be_stuck(void *unused)
{
    char byte = 0;
    const pid_t child = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

    if (child == 0) {
        const bool is_done =
            write(stuck_pipe[1], &byte, 1) == 1 && read(free_pipe[0], &byte, 1) == 1;
        _exit(is_done ? 0 : 1);
    }
    waitpid(child, NULL, 0);
    return unused;
}

static size_t count_without_stack(const struct profile *profile, const char *label)
{
    int64_t count = 0;

    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *const stack = profile->stacks[i];
        if (strcmp(stack->label, label) == 0 && stack->depth == 0)
            count += stack->values[0];
    }
    return (size_t)count;
}

/* It is asked first. */
static void a_thread_that_is_stuck_takes_no_others_stack(void **state)
{
    struct profile *const profile = profile_new(&profile_kinds[PROFILE_GOROUTINE], 1);
    pthread_t threads[1 + IDLE_COUNT];
    struct ackd_error error;
    char byte = 0;

    (void)state;
    pthread_barrier_init(&barrier, NULL, 1 + IDLE_COUNT);
    assert_int_equal(pipe2(stuck_pipe, O_CLOEXEC) | pipe2(free_pipe, O_CLOEXEC), 0);
    assert_int_equal(thread_start(&threads[0], "test-stuck", be_stuck, NULL), 0);
    assert_int_equal(read(stuck_pipe[0], &byte, 1), 1);
    for (int i = 1; i <= IDLE_COUNT; i++)
        assert_int_equal(thread_start(&threads[i], "test-idle", sleep_here, NULL), 0);
    pthread_barrier_wait(&barrier);
    const uint64_t begin_ns = clock_monotonic_ns();
    assert_int_equal(sampler_take_stacks(profile, &error), 0);
    assert_true(clock_monotonic_ns() - begin_ns < NS_PER_S);
    assert_int_equal(write(free_pipe[1], &byte, 1), 1);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i <= IDLE_COUNT; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_without_stack(profile, "test-stuck"), 1);
    assert_true(!STACKS_ARE_EXACT || count_without_stack(profile, "test-idle") == 0);
    for (int i = 0; i < 2; i++) {
        close(stuck_pipe[i]);
        close(free_pipe[i]);
    }
    pthread_barrier_destroy(&barrier);
    profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_not_begin_without_a_list_of_threads),
        cmocka_unit_test(counts_cpu_time_not_sleep),
        cmocka_unit_test(counts_time_that_it_was_not_signalled),
        cmocka_unit_test(finds_threads_that_come_later),
        cmocka_unit_test(timers_that_come_late_count_from_the_beginning),
        cmocka_unit_test(one_at_a_time_and_again),
        cmocka_unit_test(foreign_signals_do_nothing),
        cmocka_unit_test(stacks_of_threads_that_sleep_or_refuse),
        cmocka_unit_test(a_thread_that_is_stuck_takes_no_others_stack),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
