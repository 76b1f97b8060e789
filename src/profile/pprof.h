/* SPDX-License-Identifier: MIT
 *
 * pprof - a profile as `go tool pprof` reads it: profile.proto, gzip
 *
 * Everything is in it, names and lines too: the viewer needs no program.
 * Source: github.com/google/pprof/blob/main/proto/profile.proto */
#ifndef PROFILE_PPROF_H
#define PROFILE_PPROF_H

#include "profile/blob.h"
#include "profile/places.h"
#include "profile/profile.h"

/* Appends @profile to @blob, which is empty.  blob->failed when memory ran out. */
void pprof_write(struct blob *blob, const struct profile *profile, struct places *places);

#endif
