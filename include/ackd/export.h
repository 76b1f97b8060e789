/* SPDX-License-Identifier: MIT
 *
 * ackd/export.h - marks what libackd exports; included by the other headers */
#ifndef ACKD_EXPORT_H
#define ACKD_EXPORT_H

#define ACKD_API __attribute__((visibility("default")))

#endif
