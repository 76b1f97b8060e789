# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# simulating - the simulator as it is built for speed

sim_program() {
    echo build/release/tests/sim/ackd-sim
}

# Plays the seeds $1 (A..B).
play_seeds() {
    build_preset release
    "$(sim_program)" --seeds "$1"
}
