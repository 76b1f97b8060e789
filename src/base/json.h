/* SPDX-License-Identifier: MIT
 *
 * json - text as JSON has it */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdio.h>

/* Writes @text between quotes.  What comes out is legal whatever @text is: of bytes that are no
 * well-formed UTF-8, each becomes \u00XX, as if it were Latin-1. */
void json_put_text(FILE *to, const char *text);

#endif
