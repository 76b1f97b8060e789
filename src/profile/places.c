/* SPDX-License-Identifier: MIT
 *
 * places - what is at the addresses of one profile (places.h) */
#include "profile/places.h"

#include <stdlib.h>
#include <string.h>

#include "profile/intern.h"

struct places {
    struct symbols *symbols;
    struct intern *numbers; /* by address */
    struct place **places;
    size_t capacity;
};

struct places *places_new(void)
{
    struct places *const places = calloc(1, sizeof *places);

    if (!places)
        return NULL;
    places->symbols = symbols_open();
    places->numbers = intern_new();
    if (!places->symbols || !places->numbers) {
        places_free(places);
        return NULL;
    }
    return places;
}

static void free_place(struct place *place)
{
    free(place->symbols);
    free(place);
}

void places_free(struct places *places)
{
    if (!places)
        return;
    for (size_t i = 0; places->places && i < intern_count(places->numbers); i++)
        free_place(places->places[i]);
    free(places->places);
    intern_free(places->numbers);
    symbols_close(places->symbols);
    free(places);
}

static struct place *look_up(struct places *places, uintptr_t address)
{
    struct place *const place = calloc(1, sizeof *place);
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];

    if (!place)
        return NULL;
    place->address = address;
    place->map = maps_find(symbols_maps(places->symbols), address);
    place->symbol_count = symbols_find(places->symbols, address, found);
    if (place->symbol_count == 0)
        return place;
    place->symbols = calloc(place->symbol_count, sizeof *place->symbols);
    if (!place->symbols) {
        free_place(place);
        return NULL;
    }
    memcpy(place->symbols, found, place->symbol_count * sizeof *found);
    return place;
}

static bool reserve(struct places *places)
{
    if (intern_count(places->numbers) < places->capacity)
        return true;
    const size_t capacity = places->capacity ? places->capacity * 2 : 64;
    struct place **const all = realloc(places->places, capacity * sizeof(struct place *));
    if (!all)
        return false;
    places->places = all;
    places->capacity = capacity;
    return true;
}

const struct place *places_find(struct places *places, uintptr_t address)
{
    const size_t known = intern_find(places->numbers, &address, sizeof address);

    if (known != INTERN_NONE)
        return places->places[known];
    struct place *const place = reserve(places) ? look_up(places, address) : NULL;
    if (!place)
        return NULL;
    const size_t number = intern_add(places->numbers, &address, sizeof address, NULL);
    if (number == INTERN_NONE) {
        free_place(place);
        return NULL;
    }
    places->places[number] = place;
    return place;
}

size_t places_count(const struct places *places)
{
    return intern_count(places->numbers);
}

const struct place *places_at(const struct places *places, size_t number)
{
    return places->places[number];
}

size_t places_number(const struct places *places, uintptr_t address)
{
    return intern_find(places->numbers, &address, sizeof address);
}

static bool is_allocator(const struct place *place)
{
    return place && place->map && strncmp(maps_name(place->map), "libjemalloc", 11) == 0;
}

/* A frame of a library of which not even the name is known. */
static bool is_nameless(const struct place *place)
{
    return place && place->symbol_count == 0 && (!place->map || !place->map->is_program);
}

void places_trim(struct places *places, const struct profile_stack *stack, bool is_allocation,
                 uint32_t *ret_begin, uint32_t *ret_end)
{
    uint32_t begin = 0;
    uint32_t end = stack->depth;

    /* The allocator takes the stack, and would else be charged with all of it. */
    while (begin < end && is_allocation && is_allocator(places_find(places, stack->frames[begin])))
        begin++;
    while (end > begin + 1 && is_nameless(places_find(places, stack->frames[end - 1])))
        end--;
    *ret_begin = begin < end || stack->depth == 0 ? begin : 0;
    *ret_end = end;
}

struct symbols *places_symbols(struct places *places)
{
    return places->symbols;
}
