# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: full load and misbehaving peers for as long as wanted: nothing may grow, no ack be lost
#|
#| Usage: ./dev soak [--minutes N] [--engine epoll|uring] [--ledger]
#|
#| Three minutes by default. tests/faults/soak.py says what is judged, and how. --ledger writes a
#| line to docs/ledger.tsv.

build_preset release
exec python3 tests/faults/soak.py --build build/release "$@"
