/* SPDX-License-Identifier: MIT
 *
 * text - a profile as people read it: what ?debug=1 and ?debug=2 give
 *
 * debug=1 has the form that Go gives it, which pprof reads too; names are in comments. */
#ifndef PROFILE_TEXT_H
#define PROFILE_TEXT_H

#include "profile/blob.h"
#include "profile/places.h"
#include "profile/profile.h"

/* Appends @profile to @blob.  @debug is 1 or more; 2 gives threads one by one. */
void text_write(struct blob *blob, const struct profile *profile, int debug, struct places *places);

#endif
