/* SPDX-License-Identifier: MIT
 *
 * pprof - a profile as `go tool pprof` reads it (pprof.h)
 *
 * Numbers of locations, functions and mappings begin with 1: 0 is none. */
#include "profile/pprof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/intern.h"
#include "profile/kinds.h"

/* The fields of profile.proto. */
enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME = 9,
    PROFILE_DURATION = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    PROFILE_DEFAULT_TYPE = 14,
};
enum type_field { TYPE_NAME = 1, TYPE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES = 2, SAMPLE_LABEL = 3 };
enum label_field { LABEL_KEY = 1, LABEL_TEXT = 2 };
enum mapping_field {
    MAPPING_ID = 1,
    MAPPING_BEGIN = 2,
    MAPPING_END = 3,
    MAPPING_OFFSET = 4,
    MAPPING_FILE = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_INLINE_FRAMES = 10,
};
enum location_field {
    LOCATION_ID = 1,
    LOCATION_MAPPING = 2,
    LOCATION_ADDRESS = 3,
    LOCATION_LINE = 4,
};
enum line_field { LINE_FUNCTION = 1, LINE_NUMBER = 2 };
enum function_field {
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
    FUNCTION_FILE = 4,
    FUNCTION_START_LINE = 5,
};

static const char no_stack[] = "(no stack: this thread blocks SIGPROF, or did not answer)";

/* What tells one function from another. */
struct function {
    uint64_t name;
    uint64_t file;
    uint64_t start_line;
};

struct writer {
    struct blob *to;
    struct blob part;  /* one message that is being put together */
    struct blob inner; /* and one inside of it */
    struct places *places;
    struct intern *strings;
    struct intern *functions;
};

static uint64_t string_of(struct writer *writer, const char *text)
{
    const size_t number = intern_add(writer->strings, text, strlen(text), NULL);

    if (number == INTERN_NONE) {
        writer->to->failed = true;
        return 0;
    }
    return number;
}

/* Appends the message in @part as @field of @to, and empties @part. */
static void put_part(struct blob *to, uint32_t field, struct blob *part)
{
    blob_put_bytes(to, field, part->data, part->size);
    to->failed = to->failed || part->failed;
    part->size = 0;
}

static void put_type(struct writer *writer, uint32_t field, const struct profile_type *type)
{
    blob_put_number(&writer->part, TYPE_NAME, string_of(writer, type->name));
    blob_put_number(&writer->part, TYPE_UNIT, string_of(writer, type->unit));
    put_part(writer->to, field, &writer->part);
}

/* --- samples --- */

static void put_label(struct writer *writer, const char *key, const char *text)
{
    blob_put_number(&writer->inner, LABEL_KEY, string_of(writer, key));
    blob_put_number(&writer->inner, LABEL_TEXT, string_of(writer, text));
    put_part(&writer->part, SAMPLE_LABEL, &writer->inner);
}

static void put_sample(struct writer *writer, const struct profile *profile,
                       const struct profile_stack *stack)
{
    const bool is_allocation = profile->kind == &profile_kinds[PROFILE_HEAP] ||
                               profile->kind == &profile_kinds[PROFILE_ALLOCS];
    uint64_t locations[PROFILE_DEPTH_MAX];
    uint64_t values[PROFILE_VALUE_COUNT_MAX];
    uint32_t begin;
    uint32_t end;

    places_trim(writer->places, stack, is_allocation, &begin, &end);
    for (uint32_t i = begin; i < end; i++) {
        if (!places_find(writer->places, stack->frames[i])) {
            writer->to->failed = true;
            return;
        }
        locations[i - begin] = places_number(writer->places, stack->frames[i]) + 2;
    }
    if (begin == end)
        locations[end++] = 1;
    for (size_t i = 0; i < profile->kind->type_count; i++)
        values[i] = (uint64_t)stack->values[i];
    blob_put_numbers(&writer->part, SAMPLE_LOCATIONS, locations, end - begin);
    blob_put_numbers(&writer->part, SAMPLE_VALUES, values, profile->kind->type_count);
    if (stack->label[0])
        put_label(writer, "thread", stack->label);
    put_part(writer->to, PROFILE_SAMPLE, &writer->part);
}

/* --- locations and functions --- */

static void put_line(struct writer *writer, const struct symbol *symbol)
{
    const struct function function = {.name = string_of(writer, symbol->function),
                                      .file = string_of(writer, symbol->file),
                                      .start_line = (uint64_t)symbol->start_line};
    const size_t number = intern_add(writer->functions, &function, sizeof function, NULL);

    if (number == INTERN_NONE)
        writer->to->failed = true;
    blob_put_number(&writer->inner, LINE_FUNCTION, number + 1);
    blob_put_number(&writer->inner, LINE_NUMBER, (uint64_t)symbol->line);
    put_part(&writer->part, LOCATION_LINE, &writer->inner);
}

static void put_location(struct writer *writer, uint64_t id, const struct place *place)
{
    const struct maps *const maps = symbols_maps(places_symbols(writer->places));
    char module[256];

    blob_put_number(&writer->part, LOCATION_ID, id);
    if (place->map)
        blob_put_number(&writer->part, LOCATION_MAPPING, (uint64_t)(place->map - maps->maps) + 1);
    blob_put_number(&writer->part, LOCATION_ADDRESS, place->address);
    for (size_t i = 0; i < place->symbol_count; i++)
        put_line(writer, &place->symbols[i]);
    /* A nameless place of a library is named after that; the program's own can be found by address
     * in a build that has names. */
    if (place->symbol_count == 0 && place->map && !place->map->is_program) {
        snprintf(module, sizeof module, "[%.250s]", maps_name(place->map));
        put_line(writer, &(struct symbol){.function = module, .file = ""});
    }
    put_part(writer->to, PROFILE_LOCATION, &writer->part);
}

/* Location 1 is that of a stack that is not there. */
static void put_locations(struct writer *writer)
{
    blob_put_number(&writer->part, LOCATION_ID, 1);
    put_line(writer, &(struct symbol){.function = no_stack, .file = ""});
    put_part(writer->to, PROFILE_LOCATION, &writer->part);
    for (size_t i = 0; i < places_count(writer->places); i++)
        put_location(writer, i + 2, places_at(writer->places, i));
}

static void put_functions(struct writer *writer)
{
    for (size_t i = 0; i < intern_count(writer->functions); i++) {
        const struct function *const function = intern_at(writer->functions, i, NULL);

        blob_put_number(&writer->part, FUNCTION_ID, i + 1);
        blob_put_number(&writer->part, FUNCTION_NAME, function->name);
        blob_put_number(&writer->part, FUNCTION_SYSTEM_NAME, function->name);
        blob_put_number(&writer->part, FUNCTION_FILE, function->file);
        blob_put_number(&writer->part, FUNCTION_START_LINE, function->start_line);
        put_part(writer->to, PROFILE_FUNCTION, &writer->part);
    }
}

/* --- mappings --- */

/* The name of the program's file is one that no viewer has: some open what they find by that name
 * and then show no source. */
static const char *file_of(const struct map *map, char *text, size_t text_size)
{
    if (!map->is_program)
        return maps_name(map);
    snprintf(text, text_size, "%s-" ACKD_VERSION, program_invocation_short_name);
    return text;
}

static void put_mapping(struct writer *writer, const struct maps *maps, size_t index,
                        bool has_symbols)
{
    const struct map *const map = &maps->maps[index];
    char text[256];

    blob_put_number(&writer->part, MAPPING_ID, index + 1);
    blob_put_number(&writer->part, MAPPING_BEGIN, map->begin);
    blob_put_number(&writer->part, MAPPING_END, map->end);
    blob_put_number(&writer->part, MAPPING_OFFSET, map->offset);
    blob_put_number(&writer->part, MAPPING_FILE,
                    string_of(writer, file_of(map, text, sizeof text)));
    blob_put_number(&writer->part, MAPPING_BUILD_ID,
                    string_of(writer, symbols_build_id(places_symbols(writer->places), map)));
    for (uint32_t i = MAPPING_HAS_FUNCTIONS; has_symbols && i <= MAPPING_HAS_INLINE_FRAMES; i++)
        blob_put_number(&writer->part, i, 1);
    put_part(writer->to, PROFILE_MAPPING, &writer->part);
}

/* A viewer is told that nothing is left to be looked up; but for a stripped program it may try. */
static void put_mappings(struct writer *writer, bool is_named)
{
    const struct maps *const maps = symbols_maps(places_symbols(writer->places));

    for (size_t i = 0; i < maps->count; i++)
        put_mapping(writer, maps, i, is_named || !maps->maps[i].is_program);
}

/* --- the whole --- */

/* What a reader should know: what is missing. */
static void put_comments(struct writer *writer, const struct profile *profile, const char *reason)
{
    char text[128];

    if (reason[0])
        blob_put_number(writer->to, PROFILE_COMMENT, string_of(writer, reason));
    if (profile->lost_count > 0) {
        snprintf(text, sizeof text, "%llu samples found no room and are missing",
                 (unsigned long long)profile->lost_count);
        blob_put_number(writer->to, PROFILE_COMMENT, string_of(writer, text));
    }
}

static void put_head(struct writer *writer, const struct profile *profile)
{
    const struct profile_kind *const kind = profile->kind;

    string_of(writer, ""); /* is number 0 */
    for (size_t i = 0; i < kind->type_count; i++)
        put_type(writer, PROFILE_SAMPLE_TYPE, &kind->types[i]);
    put_type(writer, PROFILE_PERIOD_TYPE, &kind->period_type);
    blob_put_number(writer->to, PROFILE_PERIOD, (uint64_t)profile->period);
    blob_put_number(writer->to, PROFILE_TIME, (uint64_t)profile->begin_ns);
    if (profile->duration_ns > 0)
        blob_put_number(writer->to, PROFILE_DURATION, (uint64_t)profile->duration_ns);
    blob_put_number(writer->to, PROFILE_DEFAULT_TYPE, string_of(writer, kind->default_type));
}

static void put_strings(struct writer *writer)
{
    for (size_t i = 0; i < intern_count(writer->strings); i++) {
        size_t size;
        const char *const text = intern_at(writer->strings, i, &size);
        blob_put_bytes(writer->to, PROFILE_STRING, text, size);
    }
}

static void put_all(struct writer *writer, const struct profile *profile)
{
    const char *reason;
    const bool has_lines = symbols_have_lines(places_symbols(writer->places), &reason);

    put_head(writer, profile);
    for (size_t i = 0; i < profile->stack_count; i++) {
        if (!profile_stack_is_zero(profile->stacks[i]))
            put_sample(writer, profile, profile->stacks[i]);
    }
    put_mappings(writer, has_lines);
    put_locations(writer);
    put_functions(writer);
    put_comments(writer, profile, reason);
    put_strings(writer);
}

void pprof_write(struct blob *blob, const struct profile *profile, struct places *places)
{
    struct writer writer = {
        .to = blob,
        .places = places,
        .strings = intern_new(),
        .functions = intern_new(),
    };

    if (writer.strings && writer.functions)
        put_all(&writer, profile);
    else
        blob->failed = true;
    free(writer.part.data);
    free(writer.inner.data);
    intern_free(writer.strings);
    intern_free(writer.functions);
    blob_gzip(blob);
}
