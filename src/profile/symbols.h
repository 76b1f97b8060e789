/* SPDX-License-Identifier: MIT
 *
 * symbols - functions, files and lines of addresses of this process, inlined ones too
 *
 *      program: its own DWARF              libraries: theirs, if it is in the file, or their
 * symbols file gone: what is in memory        nothing there: the address remains, and the module's
 * name
 *
 * No debug file is searched for elsewhere, and nothing over the network.  One session serves one
 * profile and one thread: what is mapped may change afterwards. */
#ifndef PROFILE_SYMBOLS_H
#define PROFILE_SYMBOLS_H

#include "profile/maps.h"

enum { SYMBOLS_INLINE_DEPTH_MAX = 16 };

/* One function at an address. */
struct symbol {
    const char *function;
    const char
        *file;      /* "" when it is not known; relative to the source's root if it was built so */
    int line;       /* 0 when it is not known */
    int start_line; /* of the function */
};

struct symbols;

/* NULL when memory ran out. */
struct symbols *symbols_open(void);

/* NULL is fine. */
void symbols_close(struct symbols *symbols);

/* The functions at @address: the innermost first, and whom it was inlined into behind it.  Returns
 * how many; 0 when it has no name.  Texts live until symbols_close(). */
size_t symbols_find(struct symbols *symbols, uintptr_t address,
                    struct symbol ret_symbols[SYMBOLS_INLINE_DEPTH_MAX]);

/* What is mapped, as of symbols_open(). */
const struct maps *symbols_maps(const struct symbols *symbols);

/* The build id of the file of @map as hexadecimal digits; "" for none.  Lives as the texts. */
const char *symbols_build_id(struct symbols *symbols, const struct map *map);

/* True if the program has line tables; if not, @ret_reason (static) says what is missing. */
bool symbols_have_lines(struct symbols *symbols, const char **ret_reason);

#endif
