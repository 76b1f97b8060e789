# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: measure: ackd beside its peers and beside the ceiling that no server can pass
#|
#| Usage: ./dev bench peers [OPTION...]     ackd and what one could pick instead; an hour
#|        ./dev bench peers --check         are their acks right? (no times; a minute)
#|        ./dev bench core [OPTION...]      ackd and the ceiling only; ten minutes
#|        ./dev bench counts [OPTION...]    instructions, system calls, scrapes; a minute
#|        ./dev bench busy-poll [OPTION...] what --busy-poll-us gains; a minute
#|
#| Builds release and runs bench/peers.py, counts.py or busy_poll.py, which explain their options
#| with --help; --quick shows in minutes that all works. They write their tables into
#| docs/PERFORMANCE.md (peers: only when everything is run in full). Not tests: what they print
#| depends on the machine, and they say how much.

bench_what=${1:-}
[ $# -eq 0 ] || shift
case $bench_what in
core)
    build_preset release
    exec python3 bench/peers.py --only ceiling "$@"
    ;;
busy-poll)
    build_preset release
    exec python3 bench/busy_poll.py "$@"
    ;;
counts)
    need_packages core bench
    build_preset release
    set_up_preset uncounted
    run_quietly 'building build/uncounted' ninja -C build/uncounted src/ackd/ackd
    exec python3 bench/counts.py "$@"
    ;;
peers)
    need_packages core bench
    build_preset release
    [ "${1:-}" = --check ] || exec python3 bench/peers.py "$@"
    run_pytest release peers
    ;;
'') die_usage 'bench what? There are: peers, core, counts, busy-poll' ;;
*) die_usage "there is no benchmark '$bench_what'; there are: peers, core, counts, busy-poll" ;;
esac
