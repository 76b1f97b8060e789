/* SPDX-License-Identifier: MIT
 *
 * log_lines - ackd's log lines, to stderr: logfmt or JSON
 *
 *      time=2026-01-31T12:00:00.123Z level=info event="listening" address=127.0.0.1:8888
 *      {"time":"2026-01-31T12:00:00.123Z","level":"info","event":"listening", ...}
 *
 * A line is one write(2), so lines of several threads do not mix.  A line that is too long is
 * cut; what comes from outside is escaped. */
#ifndef ACKD_LOG_LINES_H
#define ACKD_LOG_LINES_H

#include <ackd/log.h>

#include "ackd/options.h"

/* The library's log hook.  @format outlives it. */
struct ackd_log log_to_stderr(enum ackd_log_level level, const enum log_format *format);

#endif
