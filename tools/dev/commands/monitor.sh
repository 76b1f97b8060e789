# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: ackd under load, watched by a real Prometheus and node_exporter, until Ctrl-C
#|
#| Usage: ./dev monitor [OPTION...]
#|
#| Starts ackd, ackload, and Debian's prometheus and prometheus-node-exporter with what is in
#| monitor/, all of them on 127.0.0.1, and prints the three figures of the column as PromQL gives
#| them next to ackload's own. No Docker, no service of the system: everything ends with it.
#|
#|   --rate R              SUBMITs per second (20k)
#|   --connections N       of ackload (100)
#|   --time TIME           how long at most (24h)
#|   --port N              ackd (8888; 0: any free port, for each of these options)
#|   --metrics-port N      /metrics (8889)
#|   --prometheus-port N   Prometheus and its pages (9090)
#|   --node-port N         node_exporter (9100)
#|
#|   --check               45 s of it on free ports, and whether all that it shows is true: the
#|                         counters agree within 1 %, every panel has data, every rule works
#|   --fire                a minute of real trouble: the alerts have to fire, and no others
#|   --scrape-cost         the CPU time of a scrape with 10,000 connections, 1 ms at most
#|
#| The same in containers, with Grafana: docs/MONITORING.md.

need_packages monitor
build_preset release
exec python3 tools/monitor.py --build build/release "$@"
