/* SPDX-License-Identifier: MIT
 *
 * text - a profile as people read it (text.h)
 *
 * Source: Go's runtime/pprof, the legacy text of each profile. */
#include "profile/text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "profile/kinds.h"

/* What is being written. */
struct page {
    struct blob *to;
    const struct profile *profile;
    struct places *places;
    int kind;
};

static bool is_heap(const struct page *page)
{
    return page->kind == PROFILE_HEAP || page->kind == PROFILE_ALLOCS;
}

static bool is_contention(const struct page *page)
{
    return page->kind == PROFILE_MUTEX || page->kind == PROFILE_BLOCK;
}

/* The line that tells pprof which kind it is. */
static void write_head(struct page *page)
{
    const struct profile *const profile = page->profile;

    if (is_heap(page))
        blob_print(page->to,
                   "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64
                   "] @ heap/%" PRId64 "\n",
                   profile_total(profile, 2), profile_total(profile, 3), profile_total(profile, 0),
                   profile_total(profile, 1), profile->period * 2);
    else if (is_contention(page))
        blob_print(page->to, "--- %s:\ncycles/second=1000000000\n%s",
                   page->kind == PROFILE_MUTEX ? "mutex" : "contention",
                   page->kind == PROFILE_MUTEX ? "sampling period=1\n" : "");
    else
        blob_print(page->to, "%s profile: total %" PRId64 "\n", profile->kind->name,
                   profile_total(profile, 0));
}

static void write_values(struct page *page, const struct profile_stack *stack)
{
    const int64_t *const values = stack->values;

    if (is_heap(page))
        blob_print(page->to, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "]", values[2],
                   values[3], values[0], values[1]);
    else if (is_contention(page))
        blob_print(page->to, "%" PRId64 " %" PRId64, values[1], values[0]);
    else
        blob_print(page->to, "%" PRId64, values[0]);
}

/* The functions at one address, in lines that begin with @indent. */
static void write_place(struct page *page, const char *indent, uintptr_t address)
{
    const struct place *const place = places_find(page->places, address);

    if (!place)
        return;
    for (size_t i = 0; i < place->symbol_count; i++) {
        const struct symbol *const symbol = &place->symbols[i];

        blob_print(page->to, "%s0x%" PRIxPTR "\t%s\t", indent, address, symbol->function);
        if (symbol->file[0])
            blob_print(page->to, "%s:%d\n", symbol->file, symbol->line);
        else
            blob_print(page->to, "%s\n", place->map ? maps_name(place->map) : "");
    }
    if (place->symbol_count == 0)
        blob_print(page->to, "%s0x%" PRIxPTR "\t[%s]\n", indent, address,
                   place->map ? maps_name(place->map) : "nothing is mapped there any more");
}

static void write_places(struct page *page, const char *indent, const struct profile_stack *stack,
                         uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++)
        write_place(page, indent, stack->frames[i]);
    if (stack->depth == 0)
        blob_print(page->to, "%sno stack: this thread blocks SIGPROF, or did not answer\n", indent);
}

static void write_stack(struct page *page, const struct profile_stack *stack)
{
    uint32_t begin;
    uint32_t end;

    places_trim(page->places, stack, is_heap(page), &begin, &end);
    write_values(page, stack);
    blob_print(page->to, " @");
    for (uint32_t i = begin; i < end; i++)
        blob_print(page->to, " 0x%" PRIxPTR, stack->frames[i]);
    blob_print(page->to, "\n");
    if (stack->label[0])
        blob_print(page->to, "# labels: {\"thread\":\"%s\"}\n", stack->label);
    write_places(page, "#\t", stack, begin, end);
    blob_print(page->to, "\n");
}

/* As debug=2 of Go has goroutines. */
static void write_thread(struct page *page, const struct profile_stack *stack)
{
    uint32_t begin;
    uint32_t end;

    places_trim(page->places, stack, false, &begin, &end);
    blob_print(page->to, "thread %s", stack->label);
    if (stack->values[0] > 1)
        blob_print(page->to, " (%" PRId64 " of this name and stack)", stack->values[0]);
    blob_print(page->to, ":\n");
    write_places(page, "\t", stack, begin, end);
    blob_print(page->to, "\n");
}

void text_write(struct blob *blob, const struct profile *profile, int debug, struct places *places)
{
    struct page page = {.to = blob,
                        .profile = profile,
                        .places = places,
                        .kind = (int)(profile->kind - profile_kinds)};
    const bool is_by_thread = debug >= 2 && page.kind == PROFILE_GOROUTINE;
    const char *reason;

    if (!is_by_thread)
        write_head(&page);
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *const stack = profile->stacks[i];
        if (is_by_thread)
            write_thread(&page, stack);
        else if (!profile_stack_is_zero(stack))
            write_stack(&page, stack);
    }
    if (!symbols_have_lines(places_symbols(places), &reason))
        blob_print(blob, "# %s\n", reason);
}
