/* SPDX-License-Identifier: MIT
 *
 * card - a stored run as people read it */
#ifndef LOAD_CARD_H
#define LOAD_CARD_H

#include <jansson.h>
#include <stdio.h>

/* One line for a list: number, kind, name, time, and what it came to. */
void card_line(FILE *to, const json_t *run);

/* All that matters, on a few lines. */
void card_print(FILE *to, const json_t *run);

#endif
