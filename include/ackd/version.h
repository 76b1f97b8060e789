/* SPDX-License-Identifier: MIT
 *
 * ackd/version.h - which libackd this is */
#ifndef ACKD_VERSION_H
#define ACKD_VERSION_H

#include <ackd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is linked, such as "0.1.0", with the revision of its source
 * behind a plus where it is known.  Never NULL, never freed; any thread. */
ACKD_API const char *ackd_version(void);

#ifdef __cplusplus
}
#endif

#endif
