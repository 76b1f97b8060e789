/* SPDX-License-Identifier: MIT
 *
 * version - which libackd this is (ackd/version.h) */
#include <ackd/version.h>

const char *ackd_version(void)
{
    return ACKD_VERSION;
}
