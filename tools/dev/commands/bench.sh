# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: measure: ackd beside its peers and beside the ceiling that no server can pass
#|
#| Usage: ./dev bench peers [OPTION...]     ackd and what one could pick instead; an hour
#|        ./dev bench peers --check         are their acks right? (no times; a minute)
#|        ./dev bench core [OPTION...]      ackd and the ceiling only; ten minutes
#|
#| Builds release and runs bench/peers.py, which explains its options with --help; --quick
#| shows in minutes that all works. The table goes into docs/PERFORMANCE.md when everything is run
#| in full. Not a test: what it prints depends on the machine, and it says how much.

bench_what=${1:-}
[ $# -eq 0 ] || shift
case $bench_what in
core)
    build_preset release
    exec python3 bench/peers.py --only ceiling "$@"
    ;;
peers)
    need_packages core bench
    build_preset release
    [ "${1:-}" = --check ] || exec python3 bench/peers.py "$@"
    run_pytest release peers
    ;;
'') die_usage 'bench what? There are: peers, core' ;;
*) die_usage "there is no benchmark '$bench_what'; there are: peers, core" ;;
esac
