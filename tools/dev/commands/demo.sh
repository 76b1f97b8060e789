# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: server and load client together for ten seconds, and whether both counted the same
#|
#| Usage: ./dev demo [OPTION...]
#|
#|   --time TIME         how long to send (10s)
#|   --port N            where ackd listens (8888; 0: any free port, for each of these options)
#|   --demo-port N       the same for clients of the published teaching code (8890)
#|   --metrics-port N    the live page and /metrics, always on 127.0.0.1 (8889)
#|   --host ADDR         listen there and not on 127.0.0.1; 0.0.0.0 is every address
#|   --connections N     of ackload (100)
#|   --depth N           unanswered SUBMITs of one connection at most (64), or max
#|   --threads N         of ackload (1)
#|
#|   --keep              go on until Ctrl-C, at 100,000 SUBMITs a second: for the live page
#|   --rate N            SUBMITs a second in all (as fast as it goes)
#|
#| While it runs, http://127.0.0.1:8889/ shows what ackd does.
#| Exits 0 if no ack was lost, client and server counted the same, and the server drained.

build_preset release
exec python3 tools/demo.py --build build/release "$@"
