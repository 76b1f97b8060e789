/* SPDX-License-Identifier: MIT
 *
 * sampler_bench - how exact the sampler is, what a sample costs, and whether it stands a rough day
 *
 *      sampler_bench accuracy SECONDS HZ   two busy threads: sampled by true CPU time, and the
 * share of a function that takes 70 of 100 sampler_bench cost                  nanoseconds of one
 * sample, 20 frames deep sampler_bench soak SECONDS          1 kHz beside threads that come and go,
 * and dlopen()
 *
 * Prints "name value" lines; tests/profile judges them. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/units.h"
#include "profile/kinds.h"
#include "profile/sampler.h"
#include "profile/symbols.h"

enum { THREAD_COUNT = 2, COST_COUNT = 20000, DEPTH = 20, HOT_PERCENT = 70 };

static _Atomic bool is_over;
static _Atomic uint64_t count_done;

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec used;

    clock_gettime(clock, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void spin(uint64_t ns)
{
    const uint64_t end_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

    while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end_ns)
        ;
}

__attribute__((noinline)) static void hot(uint64_t ns)
{
    spin(ns);
    __asm__ volatile("" ::: "memory");
}

/* Not the same code as hot(): the compiler would make one function of both. */
__attribute__((noinline)) static void cold(uint64_t ns)
{
    spin(ns);
    __asm__ volatile("nop" ::: "memory");
}

/* --- accuracy --- */

/* What each thread truly did. */
struct truth {
    uint64_t hot_ns;
    uint64_t all_ns;
};

static void *work(void *context)
{
    struct truth *const truth = context;
    unsigned int random = (unsigned int)gettid();
    const uint64_t begin_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);

    while (!is_over) {
        /* Uneven pieces, which no rate of samples keeps step with. */
        const uint64_t piece_ns = 500 + (uint64_t)rand_r(&random) % 20000;
        const uint64_t before_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        hot(piece_ns * HOT_PERCENT);
        truth->hot_ns += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
        cold(piece_ns * (100 - HOT_PERCENT));
    }
    truth->all_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns;
    return NULL;
}

static void nap(uint64_t seconds)
{
    const struct timespec time = {.tv_sec = (time_t)seconds};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static bool is_in(struct symbols *symbols, const struct profile_stack *stack, const char *name)
{
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];

    for (uint32_t i = 0; i < stack->depth; i++) {
        const size_t count = symbols_find(symbols, stack->frames[i], found);
        for (size_t j = 0; j < count; j++) {
            if (strcmp(found[j].function, name) == 0)
                return true;
        }
    }
    return false;
}

/* Of the threads called "busy": all they were sampled with, and that under hot(). */
static void sum_up(const struct profile *profile, double *ret_all, double *ret_hot)
{
    struct symbols *const symbols = symbols_open();

    *ret_all = 0;
    *ret_hot = 0;
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *const stack = profile->stacks[i];
        if (strcmp(stack->label, "busy") != 0)
            continue;
        *ret_all += (double)stack->values[1];
        if (is_in(symbols, stack, "hot"))
            *ret_hot += (double)stack->values[1];
    }
    symbols_close(symbols);
}

static int measure_accuracy(uint64_t seconds, uint32_t hz)
{
    struct truth truths[THREAD_COUNT] = {{0}};
    pthread_t threads[THREAD_COUNT];
    struct ackd_error error;
    double sampled;
    double sampled_hot;

    if (sampler_start(hz, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < THREAD_COUNT; i++)
        thread_start(&threads[i], "busy", work, &truths[i]);
    nap(seconds);
    is_over = true;
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    struct profile *const profile = sampler_stop();
    sum_up(profile, &sampled, &sampled_hot);
    const double all = (double)(truths[0].all_ns + truths[1].all_ns);
    const double hot_part = (double)(truths[0].hot_ns + truths[1].hot_ns);
    printf("true_s %.3f\nsampled_percent %.2f\nhot_true_percent %.2f\nhot_sampled_percent %.2f\n",
           all / 1e9, sampled / all * 100, hot_part / all * 100,
           sampled > 0 ? sampled_hot / sampled * 100 : 0);
    printf("lost %llu\n", (unsigned long long)profile->lost_count);
    profile_free(profile);
    return 0;
}

/* --- cost --- */

/* Sends itself what a timer would send: to slot 0, which is the first thread's. */
static void signal_self(int count)
{
    siginfo_t info = {.si_signo = SIGPROF, .si_code = SI_TIMER};

    for (int i = 0; i < count; i++)
        syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPROF, &info);
}

__attribute__((noinline)) static uint64_t time_signals(int depth)
{
    uint64_t used_ns;

    if (depth > 0) {
        used_ns = time_signals(depth - 1);
    } else {
        const uint64_t begin_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        signal_self(COST_COUNT);
        used_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns;
    }
    __asm__ volatile("" ::: "memory");
    return used_ns;
}

static int measure_cost(void)
{
    struct ackd_error error;

    if (sampler_start(1, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    const double ns = (double)time_signals(DEPTH) / COST_COUNT;
    struct profile *const profile = sampler_stop();
    printf("ns_per_sample %.0f\npercent_at_100_hz %.3f\nsamples %lld\n", ns, ns * 100 / 1e9 * 100,
           (long long)profile_total(profile, 0) + (long long)profile->lost_count);
    profile_free(profile);
    return 0;
}

/* --- soak --- */

static void *live_shortly(void *unused)
{
    hot(200 * NS_PER_US);
    return unused;
}

static void *churn_threads(void *unused)
{
    while (!is_over) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            thread_start(&threads[i], "churn", live_shortly, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        count_done += 4;
    }
    return unused;
}

static void *churn_libraries(void *unused)
{
    while (!is_over) {
        void *const library = dlopen("libcmocka.so.0", RTLD_NOW);
        if (library)
            dlclose(library);
        count_done += library ? 1 : 0;
    }
    return unused;
}

static void *churn_memory(void *unused)
{
    while (!is_over) {
        char *const memory = malloc(300);
        if (memory)
            snprintf(memory, 300, "%p %f", (void *)memory, 1.5);
        free(memory);
    }
    return unused;
}

static int soak(uint64_t seconds)
{
    static void *(*const churns[])(void *) = {churn_threads, churn_libraries, churn_libraries,
                                              churn_memory};
    enum { CHURN_COUNT = sizeof churns / sizeof churns[0] };
    pthread_t threads[CHURN_COUNT];
    struct ackd_error error;
    uint64_t stack_count = 0;

    if (sampler_start(SAMPLER_HZ_MAX, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < CHURN_COUNT; i++)
        thread_start(&threads[i], "soak", churns[i], NULL);
    /* Stacks of all threads while they come and go. */
    for (uint64_t i = 0; i < seconds; i++) {
        struct profile *const stacks = profile_new(&profile_kinds[PROFILE_GOROUTINE], 1);
        nap(1);
        sampler_take_stacks(stacks, &error);
        stack_count += (uint64_t)profile_total(stacks, 0);
        profile_free(stacks);
    }
    is_over = true;
    for (int i = 0; i < CHURN_COUNT; i++)
        pthread_join(threads[i], NULL);
    struct profile *const profile = sampler_stop();
    printf("samples %lld\nlost %llu\nchurned %llu\nstacks %llu\n",
           (long long)profile_total(profile, 0), (unsigned long long)profile->lost_count,
           (unsigned long long)count_done, (unsigned long long)stack_count);
    profile_free(profile);
    return 0;
}

int main(int argc, char **argv)
{
    const char *const what = argc > 1 ? argv[1] : "";
    uint64_t seconds = 0;
    uint64_t hz = 0;

    if (argc > 2 && !units_parse_count(argv[2], &seconds))
        return EX_USAGE;
    if (argc > 3 && !units_parse_count(argv[3], &hz))
        return EX_USAGE;
    if (strcmp(what, "accuracy") == 0 && hz > 0 && hz <= SAMPLER_HZ_MAX)
        return measure_accuracy(seconds, (uint32_t)hz);
    if (strcmp(what, "cost") == 0)
        return measure_cost();
    if (strcmp(what, "soak") == 0 && argc == 3)
        return soak(seconds);
    fprintf(stderr, "usage: sampler_bench accuracy SECONDS HZ | cost | soak SECONDS\n");
    return EX_USAGE;
}
