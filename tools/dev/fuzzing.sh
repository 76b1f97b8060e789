# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# fuzzing - libFuzzer on each target of build/fuzz, from the inputs of tests/corpus/TARGET
#
# What it finds interesting is kept in build/fuzz-corpus/TARGET and is where the next run starts; an
# input that breaks something is left as build/fuzz-crash-TARGET-*.

list_fuzz_targets() {
    for fuzz_file in build/fuzz/tests/*_fuzz; do
        if [ -x "$fuzz_file" ]; then
            basename "$fuzz_file" _fuzz
        fi
    done
}

# Fuzzes target $1 for $2 seconds.
fuzz_target() {
    fuzz_name=$1
    fuzz_seconds=$2
    mkdir -p "build/fuzz-corpus/$fuzz_name"
    set -- "build/fuzz-corpus/$fuzz_name"
    if [ -d "tests/corpus/$fuzz_name" ]; then
        set -- "$@" "tests/corpus/$fuzz_name"
    fi
    run_quietly "fuzzing $fuzz_name" "build/fuzz/tests/${fuzz_name}_fuzz" \
        "-max_total_time=$fuzz_seconds" "-artifact_prefix=build/fuzz-crash-$fuzz_name-" \
        -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 "$@"
    say "    $(quiet_output | sed -n 's/^stat::number_of_executed_units: *//p') inputs tried"
}

# Fuzzes the targets "$2...", or all of them, for $1 seconds each.
fuzz_targets() {
    fuzz_time=$1
    shift
    build_preset fuzz
    # shellcheck disable=SC2046 # names without spaces
    [ $# -gt 0 ] || set -- $(list_fuzz_targets)
    for fuzz_each in "$@"; do
        fuzz_target "$fuzz_each" "$fuzz_time"
    done
    say "fuzz: $# targets, nothing found"
}
