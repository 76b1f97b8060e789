/* SPDX-License-Identifier: MIT
 *
 * text - numbers as people read them: 1,840,233   1.84M   812 us   61.6 MB */
#ifndef LOAD_TEXT_H
#define LOAD_TEXT_H

#include <stdint.h>

enum { TEXT_SIZE = 32 };

/* Room for one number, for use in one expression: text_time(&(struct text){0}, ns). */
struct text {
    char bytes[TEXT_SIZE];
};

/* Each fills @text and returns its bytes. */
const char *text_count(struct text *text, uint64_t count); /* 1,840,233 */
const char *text_amount(struct text *text, double amount); /* 1.84M: three digits and a unit */
const char *text_time(struct text *text, uint64_t ns);     /* 812 us */
const char *text_size(struct text *text, double size);     /* 61.6 MB, powers of 1000 */

#endif
