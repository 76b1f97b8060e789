# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: full load and misbehaving peers for as long as wanted: nothing may grow, no ack be lost
#|
#| Usage: ./dev soak [--minutes N] [--engine epoll|uring]
#|
#| Three minutes by default. tests/faults/soak.py says what is judged, and how. With --minutes a
#| line of docs/ledger.tsv says what came of it: commit that and docs/SIMULATION.md.

build_preset release
exec python3 tests/faults/soak.py --build build/release "$@"
