/* SPDX-License-Identifier: MIT
 *
 * page - what all HTML reports are made of: a page that needs no script, no font and no network
 *
 *      page_begin()   <header> badges, headline   tiles   cards: <section> ...   page_end()
 *
 * The style (report_style.h) follows the reader's light or dark and is readable on a phone and on
 * paper.  Words are escaped where a function takes words; what is named @html is not. */
#ifndef LOAD_PAGE_H
#define LOAD_PAGE_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

enum { PAGE_COMMAND_SIZE = 4096 };

/* The head of the page, and the beginning of its body. */
void page_begin(FILE *to, const char *title);
void page_end(FILE *to);

/* Writes @text so that it means itself in a page, also between quotes. */
void page_text(FILE *to, const char *text);

/* A word on a coloured ground; @tone is "good", "bad" or "warn". */
void page_badge(FILE *to, const char *tone, const char *words);

/* A figure in large type with what it is below. */
void page_tile(FILE *to, const char *words, const char *html);

/* A figure of a result: @words for people, and @value for programs under the name @key, which is
 * where it stands in the JSON.  NaN is a dash. */
void page_figure(FILE *to, const char *key, double value, const char *words);

/* The same as a tile, and as a cell of a table. */
void page_figure_tile(FILE *to, const char *name, const char *key, double value, const char *words);
void page_figure_cell(FILE *to, const char *key, double value, const char *words);

/* A row of two columns in a table: a name, and words. */
void page_row(FILE *to, const char *name, const char *words);

/* The rows that say which command line this is, when it ended, and with which ackload. */
void page_command_rows(FILE *to, const char *command);

/* This process's own command line, as a shell would read it, to @ret_command
 * (PAGE_COMMAND_SIZE). */
void page_read_command(char *ret_command);

/* Writes the file @path, that of option --html, by calling @write. */
int page_save(const char *path, void (*write)(FILE *to, const void *content), const void *content,
              struct ackd_error *error);

#endif
