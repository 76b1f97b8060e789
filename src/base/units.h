/* SPDX-License-Identifier: MIT
 *
 * units - numbers as people write them: 64k, 5ms, 10s
 *
 * Strict on purpose: trailing bytes, signs, overflow and empty text are refused, never guessed. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* A plain decimal number.  False, and @ret_value untouched, when @text is anything else. */
bool units_parse_count(const char *text, uint64_t *ret_value);

/* The plain decimal number in the environment's @variable; 0 when there is none. */
uint64_t units_environment_count(const char *variable);

/* Bytes: 65536, 64k, 64KiB, 1m, 1MiB, 1g, 1GiB.  The units are powers of 1024. */
bool units_parse_size(const char *text, uint64_t *ret_size);

/* A time: 250us, 5ms, 10s, 2m, 1h, or 0.  A unit is required unless the number is 0. */
bool units_parse_duration_ns(const char *text, uint64_t *ret_ns);

/* A count with a decimal multiplier: 250000, 250k, 1.5m.  For rates. */
bool units_parse_rate(const char *text, double *ret_value);

#endif
