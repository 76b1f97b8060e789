# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: make the network and system calls fail, and end the server under full load, N times over
#|
#| Usage: ./dev faults [--rounds N]
#|
#| First N (20) rounds of SIGTERM under full load, on both engines by turns: the acks that clients
#| saw must be the submits that the server counted. ./dev ledger --add drain goes on with such
#| rounds and writes them down. Then the network fails, between two network namespaces (which needs
#| root): 1 % and 30 % of the packets are lost, connections are reset and ended at any point, all
#| goes dark. The server and its clients are stopped for a while. System calls fail, as strace makes
#| them: accept, epoll_wait, recv, send, io_uring_enter.

need_packages core faults
build_preset release
python3 tests/faults/drain.py --build build/release "$@"
run_pytest release faults
