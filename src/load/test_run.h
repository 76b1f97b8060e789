/* SPDX-License-Identifier: MIT
 *
 * test_run - a run for the tests of reports: what was asked for, and what came out */
#ifndef LOAD_TEST_RUN_H
#define LOAD_TEST_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "load/run.h"

struct test_run {
    struct options options;
    struct plan plan;
    struct outcome outcome;
    FILE *to;   /* memory */
    char *text; /* what was written there, after test_run_check() */
    size_t size;
};

/* 100 connections with 16 in flight each, for 10 seconds; nothing has come out. */
static inline int test_run_setup(void **state)
{
    struct test_run *const run = calloc(1, sizeof *run);

    assert_non_null(run);
    run->options = (struct options){
        .connection_count = 100,
        .thread_count = 1,
        .window = 16,
        .duration_ns = 10 * NS_PER_S,
        .plan = {.seed = 7, .payload_size = 22},
    };
    assert_int_equal(address_parse("[::1]:8888", false, &run->options.address, NULL), 0);
    assert_int_equal(plan_init(&run->plan, &run->options.plan, NULL), 0);
    run->to = open_memstream(&run->text, &run->size);
    assert_non_null(run->to);
    *state = run;
    return 0;
}

static inline int test_run_teardown(void **state)
{
    struct test_run *const run = *state;

    fclose(run->to);
    free(run->text);
    plan_deinit(&run->plan);
    free(run);
    return 0;
}

/* Adds @count messages that took @ns to @times. */
static inline void test_run_fill(struct latency_sum *times, uint64_t ns, uint64_t count)
{
    times->bucket[latency_index(ns)] += count;
    times->count += count;
    times->sum_ns += (double)(ns * count);
    if (ns > times->max_ns)
        times->max_ns = ns;
}

/* Fails unless @words were written. */
static inline void test_run_check(struct test_run *run, const char *words)
{
    fflush(run->to);
    if (!strstr(run->text, words))
        fail_msg("expected '%s' in:\n%s", words, run->text);
}

#endif
