# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: make system calls fail, and end the server under full load, N times over
#|
#| Usage: ./dev faults [--rounds N] [--seed N] [--ledger]
#|
#| First system calls fail, as strace makes them: accept, epoll_wait, recv, send, io_uring_enter.
#| Then N (20) rounds of SIGTERM under full load, on both engines by turns: the acks that clients
#| saw must be the submits that the server counted. --ledger writes a line to docs/ledger.tsv.

need_packages core service
build_preset release
run_pytest release faults
exec python3 tests/faults/drain.py --build build/release "$@"
