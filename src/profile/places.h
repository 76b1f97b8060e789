/* SPDX-License-Identifier: MIT
 *
 * places - what is at the addresses of one profile: each is looked up once
 *
 * It also decides which frames of a stack are shown: not the allocator's own on top of a heap
 * stack, and not the nameless beginnings of threads in libc. */
#ifndef PROFILE_PLACES_H
#define PROFILE_PLACES_H

#include "profile/profile.h"
#include "profile/symbols.h"

/* What is at one address. */
struct place {
    uintptr_t address;
    const struct map *map;  /* NULL: nothing is mapped there any more */
    struct symbol *symbols; /* innermost first */
    size_t symbol_count;    /* 0: it has no name */
};

struct places;

/* NULL when memory ran out. */
struct places *places_new(void);

/* NULL is fine. */
void places_free(struct places *places);

/* What is at @address; NULL when memory ran out.  Lives as long as @places. */
const struct place *places_find(struct places *places, uintptr_t address);

/* How many places were found so far; places_at() has them in the order in which they were. */
size_t places_count(const struct places *places);
const struct place *places_at(const struct places *places, size_t number);

/* The number of the place at @address, which was found. */
size_t places_number(const struct places *places, uintptr_t address);

/* Which frames of @stack are shown: from @ret_begin up to, not including, @ret_end. */
void places_trim(struct places *places, const struct profile_stack *stack, bool is_allocation,
                 uint32_t *ret_begin, uint32_t *ret_end);

struct symbols *places_symbols(struct places *places);

#endif
