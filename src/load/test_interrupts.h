/* SPDX-License-Identifier: MIT
 *
 * test_interrupts - the signals of a test's process, taken by setup and teardown of its group */
#ifndef LOAD_TEST_INTERRUPTS_H
#define LOAD_TEST_INTERRUPTS_H

#include "load/child.h"

static struct interrupts interrupts;

static inline int open_interrupts(void **state)
{
    (void)state;
    return interrupts_open(&interrupts, NULL);
}

static inline int close_interrupts(void **state)
{
    (void)state;
    interrupts_close(&interrupts);
    return 0;
}

#endif
