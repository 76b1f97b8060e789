/* SPDX-License-Identifier: MIT
 *
 * counters_expose - the counters as metrics (counters_expose.h) */
#include "stats/counters_expose.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_SIZE = 64 };

static void expose_lines(struct exposition *to, counters_sum *sum, const void *of)
{
    const char *family = "";
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(info[i].family, family) != 0) {
            family = info[i].family;
            exposition_family(to, family,
                              info[i].kind == COUNTER_KIND_GAUGE ? EXPOSITION_GAUGE
                                                                 : EXPOSITION_COUNTER,
                              info[i].help);
        }
        exposition_count(to, info[i].labels, sum(of, info[i].offset));
    }
}

static void expose_close_reasons(struct exposition *to, counters_sum *sum, const void *of)
{
    exposition_family(to, "connections_closed", EXPOSITION_COUNTER,
                      "Connections closed, by reason.");
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        char label[LABEL_SIZE];

        snprintf(label, sizeof label, "reason=\"%s\"", close_reason_word(i));
        exposition_count(to, label,
                         sum(of, offsetof(struct counters, closed) + (size_t)i * sizeof(counter)));
    }
}

void counters_expose(struct exposition *to, counters_sum *sum, const void *of)
{
    expose_lines(to, sum, of);
    expose_close_reasons(to, sum, of);
}
