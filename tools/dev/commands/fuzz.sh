# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: feed each parser made-up input with libFuzzer
#|
#| Usage: ./dev fuzz [SECONDS] [TARGET...]
#|
#| Fuzzes each target (src/*/x_fuzz.c) for SECONDS (60), as many beside each other as there are
#| CPUs, starting from tests/corpus/TARGET and from what earlier runs found, which is kept in
#| build/fuzz-corpus/TARGET. What a target prints is in build/logs/fuzz-TARGET.log, and shown if it
#| fails. An input that breaks something is left as build/fuzz-crash-TARGET-*; docs/HACKING.md says
#| how to go on from there.

fuzz_seconds=60
case ${1:-} in
'') ;;
*[!0-9]*) ;;
*)
    fuzz_seconds=$1
    shift
    ;;
esac
fuzz_targets "$fuzz_seconds" "$@"
