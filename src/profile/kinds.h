/* SPDX-License-Identifier: MIT
 *
 * kinds - the kinds of profiles (kinds.def) */
#ifndef PROFILE_KINDS_H
#define PROFILE_KINDS_H

#include "profile/profile.h"

enum {
#define KIND(id, name, types, period_type, default_type, has_delta, help) PROFILE_##id,
#include "profile/kinds.def"
#undef KIND
    PROFILE_KIND_COUNT,
};

/* By PROFILE_..., in the order of kinds.def. */
extern const struct profile_kind profile_kinds[PROFILE_KIND_COUNT];

/* The kind of this name, or NULL. */
const struct profile_kind *profile_kind_find(const char *name);

#endif
