/* SPDX-License-Identifier: MIT
 *
 * intern - gives equal runs of bytes one number (intern.h)
 *
 * An open hash table of numbers, half full at most, over an array of entries. */
#include "profile/intern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_COUNT_MIN = 64 };

struct entry {
    uint64_t hash;
    size_t size;
    uint8_t data[];
};

struct intern {
    struct entry **entries;
    size_t count;
    size_t *slots; /* number + 1; 0 is free */
    size_t slot_count;
};

/* FNV-1a, with the upper bits mixed into the lower ones that choose the slot. */
static uint64_t hash_of(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

struct intern *intern_new(void)
{
    struct intern *const intern = calloc(1, sizeof *intern);

    if (!intern)
        return NULL;
    intern->slot_count = SLOT_COUNT_MIN;
    intern->slots = calloc(intern->slot_count, sizeof *intern->slots);
    intern->entries = calloc(intern->slot_count / 2, sizeof(struct entry *));
    if (!intern->slots || !intern->entries) {
        intern_free(intern);
        return NULL;
    }
    return intern;
}

void intern_free(struct intern *intern)
{
    if (!intern)
        return;
    for (size_t i = 0; i < intern->count; i++)
        free(intern->entries[i]);
    free(intern->entries);
    free(intern->slots);
    free(intern);
}

/* The slot where these bytes are, or where they belong. */
static size_t slot_of(const struct intern *intern, uint64_t hash, const void *data, size_t size)
{
    size_t at = hash & (intern->slot_count - 1);

    while (intern->slots[at] != 0) {
        const struct entry *const entry = intern->entries[intern->slots[at] - 1];
        if (entry->hash == hash && entry->size == size && memcmp(entry->data, data, size) == 0)
            break;
        at = (at + 1) & (intern->slot_count - 1);
    }
    return at;
}

static bool grow(struct intern *intern)
{
    const size_t slot_count = intern->slot_count * 2;
    size_t *const slots = calloc(slot_count, sizeof *slots);
    struct entry **const entries =
        realloc(intern->entries, slot_count / 2 * sizeof(struct entry *));

    if (entries)
        intern->entries = entries;
    if (!slots || !entries) {
        free(slots);
        return false;
    }
    free(intern->slots);
    intern->slots = slots;
    intern->slot_count = slot_count;
    for (size_t i = 0; i < intern->count; i++) {
        const struct entry *const entry = entries[i];
        slots[slot_of(intern, entry->hash, entry->data, entry->size)] = i + 1;
    }
    return true;
}

size_t intern_find(const struct intern *intern, const void *data, size_t size)
{
    const size_t slot = slot_of(intern, hash_of(data, size), data, size);

    return intern->slots[slot] == 0 ? INTERN_NONE : intern->slots[slot] - 1;
}

size_t intern_add(struct intern *intern, const void *data, size_t size, bool *ret_new)
{
    const uint64_t hash = hash_of(data, size);
    size_t slot = slot_of(intern, hash, data, size);
    const bool is_new = intern->slots[slot] == 0;

    if (ret_new)
        *ret_new = is_new;
    if (!is_new)
        return intern->slots[slot] - 1;
    if (intern->count == intern->slot_count / 2) {
        if (!grow(intern))
            return INTERN_NONE;
        slot = slot_of(intern, hash, data, size);
    }

    struct entry *const entry = malloc(sizeof *entry + size + 1);
    if (!entry)
        return INTERN_NONE;
    entry->hash = hash;
    entry->size = size;
    memcpy(entry->data, data, size);
    entry->data[size] = '\0';
    intern->entries[intern->count++] = entry;
    intern->slots[slot] = intern->count;
    return intern->count - 1;
}

size_t intern_count(const struct intern *intern)
{
    return intern->count;
}

const void *intern_at(const struct intern *intern, size_t number, size_t *ret_size)
{
    assert(number < intern->count);
    if (ret_size)
        *ret_size = intern->entries[number]->size;
    return intern->entries[number]->data;
}
