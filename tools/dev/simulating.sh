# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# simulating - the simulator as it is built for speed

sim_program() {
    echo build/release/tests/sim/ackd-sim
}

# Whether $1 is A..B.
is_seed_range() {
    case $1 in
    *..*) is_number "${1%%..*}" && is_number "${1#*..}" ;;
    *) return 1 ;;
    esac
}

# Plays the seeds $1 (A..B).
play_seeds() {
    build_preset release
    "$(sim_program)" --seeds "$1"
}
