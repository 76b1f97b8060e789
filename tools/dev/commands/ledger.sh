# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: what long runs have tried (docs/ledger.tsv); go on with them, or try some of it again
#|
#| Usage: ./dev ledger                             the sums, as docs/SIMULATION.md has them
#|        ./dev ledger --add sim [--seeds N]       the next N (100000) seeds of the simulator
#|        ./dev ledger --add TARGET [--seconds N] [--longest BYTES]
#|                                                 fuzz TARGET for N (300) seconds, with inputs of
#|                                                 256 bytes at most
#|        ./dev ledger --add drain [--rounds N]    N (20) more rounds of SIGTERM under full load,
#|                                                 half of them on each engine
#|        ./dev ledger --add soak [--minutes N]    full load beside misbehaving peers
#|        ./dev ledger --verify                    play random pieces of it once more: three times
#|                                                 1000 seeds, three seconds of each target
#|
#| Each piece (25000 seeds, five minutes, 50 rounds) is written down as soon as it is done, so a run
#| that is interrupted goes on with the same command. Commit docs/ledger.tsv and docs/SIMULATION.md.

ledger_what=${1:-}
case $ledger_what in
'') tools/ledger.py table ;;
--verify)
    shift
    build_preset release
    build_preset fuzz
    tools/ledger.py verify --program "$(sim_program)" --programs build/fuzz/tests "$@"
    ;;
--add)
    [ $# -ge 2 ] || die_usage "ledger --add wants sim, drain, soak or a target of ./dev fuzz"
    ledger_target=$2
    shift 2
    case $ledger_target in
    sim)
        build_preset release
        tools/ledger.py sim --program "$(sim_program)" "$@"
        ;;
    drain | soak)
        build_preset release
        python3 "tests/faults/$ledger_target.py" --build build/release --ledger "$@"
        ;;
    *)
        check_fuzz_targets "$ledger_target"
        build_preset fuzz
        tools/ledger.py fuzz --programs build/fuzz/tests --target "$ledger_target" "$@"
        ;;
    esac
    ;;
*) die_usage "ledger knows --add and --verify, not '$ledger_what'" ;;
esac
