# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: the column's three servers and ackd under the same load: what each step gives
#|
#| Usage: ./dev ladder [OPTION...]
#|
#| Builds release and runs ladder/ladder.py, which explains its options with --help. Prints a table
#| and draws docs/images/ladder.svg; docs/LADDER.md tells the story. Not a test: what it prints
#| depends on the machine. Two minutes; --quick: seconds.

need_packages ladder
build_preset release
ladder_program=$PWD/ladder/ladder.py
ladder_build=$PWD/build/release
go_back
exec python3 "$ladder_program" --build "$ladder_build" "$@"
