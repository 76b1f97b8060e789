/* SPDX-License-Identifier: MIT
 *
 * output - whether result files can be written, asked before there is a result to lose */
#ifndef LOAD_OUTPUT_H
#define LOAD_OUTPUT_H

#include "base/error.h"

/* Fails with -EINVAL and the reason unless the file @path of @option can be written; NULL is no
 * file.  What is there stays as it is, and what was not there is not there afterwards. */
int output_check(const char *option, const char *path, struct ackd_error *error);

/* The same for the files of --json, where "-" is stdout, and --html. */
int output_check_result(const char *json_path, const char *html_path, struct ackd_error *error);

#endif
