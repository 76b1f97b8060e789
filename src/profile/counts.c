/* SPDX-License-Identifier: MIT
 *
 * counts - what the profiler counts (counts.h) */
#include "profile/counts.h"

#include <stdatomic.h>
#include <string.h>

struct info {
    const char *family;
    const char *labels;
    const char *help;
};

static const struct info infos[COUNT_COUNT] = {
#define COUNT(id, family, labels, help) {family, labels, help},
#include "profile/counts.def"
#undef COUNT
};

static _Atomic uint64_t numbers[COUNT_COUNT];

void counts_add(enum count count, uint64_t by)
{
    atomic_fetch_add_explicit(&numbers[count], by, memory_order_relaxed);
}

uint64_t counts_read(enum count count)
{
    return atomic_load_explicit(&numbers[count], memory_order_relaxed);
}

void counts_expose(struct exposition *to)
{
    const char *family = "";

    for (int i = 0; i < COUNT_COUNT; i++) {
        if (strcmp(infos[i].family, family) != 0) {
            family = infos[i].family;
            exposition_family(to, family, EXPOSITION_COUNTER, infos[i].help);
        }
        exposition_count(to, infos[i].labels, counts_read((enum count)i));
    }
}
