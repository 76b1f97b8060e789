# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: play the whole server on a simulated network, from seeds
#|
#| Usage: ./dev sim [--seeds A..B]     the seeds that CI plays (1..10000), or others
#|        ./dev sim --seed N           one seed, and what happens in it
#|        ./dev sim --mutants          are planted bugs found? (tests/sim/mutants)
#|
#| docs/SIMULATION.md says what is played and what must hold. ./dev ledger --add sim plays seeds
#| that nobody has played, and writes them down.

sim_what=${1:---seeds}
[ $# -eq 0 ] || shift
case $sim_what in
--seeds)
    [ $# -le 1 ] || die_usage "sim --seeds wants one range A..B, not '$*'"
    sim_range=${1:-1..10000}
    is_seed_range "$sim_range" || die_usage "sim --seeds wants a range A..B, not '$sim_range'"
    play_seeds "$sim_range"
    ;;
--seed)
    { [ $# -eq 1 ] && is_number "$1"; } || die_usage "sim --seed wants one number, not '$*'"
    build_preset release
    "$(sim_program)" --seed "$1"
    ;;
--mutants)
    need_packages core sim
    tests/sim/mutants.py "$@"
    ;;
*) die_usage "sim knows --seeds A..B, --seed N and --mutants, not '$sim_what'" ;;
esac
