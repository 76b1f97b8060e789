/* SPDX-License-Identifier: MIT
 *
 * kinds - the kinds of profiles (kinds.h) */
#include "profile/kinds.h"

#include <string.h>

/* clang-format off: a table of macros */
#define TYPE(name, unit)                                                                           \
    {                                                                                              \
        name, unit                                                                                 \
    }
#define TYPES(...)                                                                                 \
    {__VA_ARGS__}, sizeof((const struct profile_type[]){__VA_ARGS__}) / sizeof(struct profile_type)
/* clang-format on */

const struct profile_kind profile_kinds[PROFILE_KIND_COUNT] = {
#define KIND(id, name, types, period_type, default_type, has_delta, help)                          \
    {name, types, period_type, default_type, has_delta, help},
#include "profile/kinds.def"
#undef KIND
};

const struct profile_kind *profile_kind_find(const char *name)
{
    for (int i = 0; i < PROFILE_KIND_COUNT; i++) {
        if (strcmp(profile_kinds[i].name, name) == 0)
            return &profile_kinds[i];
    }
    return NULL;
}
