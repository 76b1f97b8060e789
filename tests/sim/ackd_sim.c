/* SPDX-License-Identifier: MIT
 *
 * ackd-sim - plays scenarios of a simulated server, each drawn from a seed
 *
 *      ackd-sim --seed N                 one, and says what happens
 *      ackd-sim --seeds A..B [-j JOBS]   a range; on failure, the command that replays
 *
 * Each job is a process of its own that takes a block of seeds at a time: whatever ends it (an
 * assertion, a sanitizer, a signal, a hang), the seed that it was at is known. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "world.h"

enum {
    JOB_COUNT_MAX = 64,
    BLOCK_COUNT = 64,
    SEED_TIMEOUT_S = 60,

    /* With so many, each close reason and a hand-over must have occurred: else the scenarios are
       too tame.  But `vanished`: there is no kernel here that would give a peer up. */
    SEEDS_FOR_ALL = 5000,
};

/* Shared by the jobs. */
struct range {
    _Atomic uint64_t next;
    uint64_t last;
    _Atomic uint64_t sum; /* over all seeds, in any order */
    _Atomic uint64_t turns;
    _Atomic uint64_t conns;
    _Atomic uint64_t handed;
    _Atomic uint64_t acks;
    _Atomic uint64_t ms;
    _Atomic uint64_t closed[CLOSE_REASON_COUNT];
    _Atomic uint64_t at[JOB_COUNT_MAX];
};

static const char usage[] = "Usage: ackd-sim --seed N | --seeds A..B [-j JOBS]\n";

/* SIGPROF after @seconds of our own time: what waits for a CPU does not hang. */
static void set_timeout(int seconds)
{
    const struct itimerval timer = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_PROF, &timer, NULL);
}

static void play_block(struct range *range, int job, uint64_t first)
{
    for (uint64_t seed = first; seed < first + BLOCK_COUNT && seed <= range->last; seed++) {
        atomic_store(&range->at[job], seed);
        set_timeout(SEED_TIMEOUT_S);
        const struct outcome outcome = scenario_play(seed, false);
        atomic_fetch_add(&range->sum, outcome.sum);
        atomic_fetch_add(&range->turns, outcome.turns);
        atomic_fetch_add(&range->conns, outcome.conns);
        atomic_fetch_add(&range->handed, outcome.handed);
        atomic_fetch_add(&range->acks, outcome.acks);
        atomic_fetch_add(&range->ms, outcome.ms);
        for (int i = 0; i < CLOSE_REASON_COUNT; i++)
            atomic_fetch_add(&range->closed[i], outcome.closed[i]);
    }
    set_timeout(0);
}

static void run_job(struct range *range, int job)
{
    uint64_t first;

    while ((first = atomic_fetch_add(&range->next, BLOCK_COUNT)) <= range->last)
        play_block(range, job, first);
    exit(0); /* not _exit(): leaks are looked for here */
}

static const char *name_of(int status)
{
    if (WIFEXITED(status))
        return "an exit";
    return WTERMSIG(status) == SIGPROF ? "a hang" : strsignal(WTERMSIG(status));
}

/* Waits for all jobs.  The number of those that failed. */
static int wait_for_jobs(struct range *range, const pid_t *pids, int count, const char *program)
{
    int failed_count = 0;

    for (int ended = 0; ended < count; ended++) {
        int status;
        const pid_t pid = wait(&status);

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        failed_count++;
        atomic_store(&range->next, range->last + 1); /* the others stop */
        for (int job = 0; job < count; job++) {
            if (pids[job] == pid)
                fprintf(stderr, "ended by %s; replay: %s --seed %" PRIu64 "\n", name_of(status),
                        program, atomic_load(&range->at[job]));
        }
    }
    return failed_count;
}

/* Prints what was played.  Whether connections were handed over, and closed for each reason there
 * is. */
static bool print_sums(const struct range *range)
{
    bool has_all = atomic_load(&range->handed) > 0;

    printf("sim: %" PRIu64 " connections, %" PRIu64 " of them handed over, %" PRIu64
           " acks checked, %" PRIu64 " turns, %" PRIu64 " s of simulated time\nsim: closed:",
           atomic_load(&range->conns), atomic_load(&range->handed), atomic_load(&range->acks),
           atomic_load(&range->turns), atomic_load(&range->ms) / 1000);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        printf(" %s %" PRIu64, close_reason_word((enum close_reason)i),
               atomic_load(&range->closed[i]));
        has_all = has_all && (i == CLOSE_vanished || atomic_load(&range->closed[i]) > 0);
    }
    putchar('\n');
    return has_all;
}

static int play_range(uint64_t first, uint64_t last, int job_count, const char *program)
{
    struct range *const range =
        mmap(NULL, sizeof *range, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const uint64_t begin_ns = clock_monotonic_ns();
    pid_t pids[JOB_COUNT_MAX];

    if (range == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    atomic_store(&range->next, first);
    range->last = last;
    for (int job = 0; job < job_count; job++) {
        pids[job] = fork();
        if (pids[job] == 0)
            run_job(range, job);
        if (pids[job] < 0) {
            perror("fork");
            return 1;
        }
    }
    if (wait_for_jobs(range, pids, job_count, program) > 0)
        return 1;
    if (!print_sums(range) && last - first >= SEEDS_FOR_ALL) {
        fputs("sim: there are reasons for which nothing was closed, or nothing was handed over\n",
              stderr);
        return 1;
    }
    printf("sim: seeds %" PRIu64 "..%" PRIu64 ", %" PRIu64 " played in %.1f s, nothing found "
           "(sum %016" PRIx64 ")\n",
           first, last, last - first + 1,
           (double)(clock_monotonic_ns() - begin_ns) / (double)NS_PER_S, atomic_load(&range->sum));
    return 0;
}

/* "A..B", cut in place. */
static bool parse_range(char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    char *const dots = strstr(text, "..");

    if (!dots)
        return false;
    *dots = '\0';
    return units_parse_count(text, ret_first) && units_parse_count(dots + 2, ret_last) &&
           *ret_first <= *ret_last;
}

int main(int argc, char **argv)
{
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t job_count = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    bool is_range = false;
    bool is_legal = argc > 1;

    for (int i = 1; i + 1 < argc && is_legal; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            is_legal = units_parse_count(argv[i + 1], &first);
        } else if (strcmp(argv[i], "--seeds") == 0) {
            is_range = true;
            is_legal = parse_range(argv[i + 1], &first, &last);
        } else {
            is_legal = strcmp(argv[i], "-j") == 0 && units_parse_count(argv[i + 1], &job_count);
        }
    }
    if (!is_legal || argc % 2 == 0) {
        fputs(usage, stderr);
        return 64;
    }
    if (is_range)
        return play_range(first, last,
                          job_count == 0              ? 1
                          : job_count > JOB_COUNT_MAX ? JOB_COUNT_MAX
                                                      : (int)job_count,
                          argv[0]);
    printf("sum %016" PRIx64 "\n", scenario_play(first, true).sum);
    return 0;
}
