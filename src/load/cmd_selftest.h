/* SPDX-License-Identifier: MIT
 *
 * cmd_selftest - `ackload selftest`: what the client itself can do */
#ifndef LOAD_CMD_SELFTEST_H
#define LOAD_CMD_SELFTEST_H

/* A struct subcommand's run. */
int cmd_selftest(int argc, char **argv);

#endif
