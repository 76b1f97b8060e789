# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# fuzzing - libFuzzer on each target of build/fuzz, from the inputs of tests/corpus/TARGET
#
# What it finds interesting is kept in build/fuzz-corpus/TARGET and is where the next run starts; an
# input that breaks something is left as build/fuzz-crash-TARGET-*. As many targets as there are
# CPUs run beside each other; what each prints is in build/logs/fuzz-TARGET.log.

# The names that the build gives them: nothing needs to be built for this.
list_fuzz_targets() {
    find src tests -name meson.build -exec \
        sed -n "s/^fuzz_targets += \[\['\([^']*\)'.*/\1/p" {} + | sort
}

fuzz_log() {
    echo "build/logs/fuzz-$1.log"
}

# Ends with an error unless "$@" are names of targets.
check_fuzz_targets() {
    for fuzz_each in "$@"; do
        # shellcheck disable=SC2046 # names without spaces
        list_fuzz_targets | grep -q -x -F -e "$fuzz_each" ||
            die_usage "there is no fuzz target '$fuzz_each'; there are:" $(list_fuzz_targets)
    done
}

# How many inputs target $1 has tried; 0 if it says nothing about that.
fuzz_tried() {
    fuzz_number=$(sed -n 's/^stat::number_of_executed_units: *//p' "$(fuzz_log "$1")")
    echo "${fuzz_number:-0}"
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
    exec "build/fuzz/tests/${fuzz_name}_fuzz" \
        "-max_total_time=$fuzz_seconds" "-artifact_prefix=build/fuzz-crash-$fuzz_name-" \
        -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 "$@"
}

# Fuzzes the targets "$2...", beside each other, for $1 seconds. Prints what those have printed that
# failed, or that tried nothing.
fuzz_beside() {
    fuzz_time=$1
    fuzz_status=0
    shift
    fuzz_ids=
    for fuzz_each in "$@"; do
        fuzz_target "$fuzz_each" "$fuzz_time" >"$(fuzz_log "$fuzz_each")" 2>&1 &
        fuzz_ids="$fuzz_ids $!"
    done
    for fuzz_id in $fuzz_ids; do
        fuzz_each=$1
        shift
        if ! wait "$fuzz_id" || [ "$(fuzz_tried "$fuzz_each")" -eq 0 ]; then
            fuzz_status=1
            say "-- $fuzz_each found something, or did not run:"
            cat "$(fuzz_log "$fuzz_each")"
        fi
    done
    return "$fuzz_status"
}

# Fuzzes the targets "$2...", or all of them, for $1 seconds each.
fuzz_targets() {
    fuzz_each_for=$1
    fuzz_report=
    shift
    check_fuzz_targets "$@"
    build_preset fuzz
    # shellcheck disable=SC2046 # names without spaces
    [ $# -gt 0 ] || set -- $(list_fuzz_targets)
    fuzz_count=$#
    while [ $# -gt 0 ]; do
        fuzz_now=
        while [ $# -gt 0 ] && [ "$(echo "$fuzz_now" | wc -w)" -lt "$(cpu_count)" ]; do
            fuzz_now="$fuzz_now $1"
            shift
        done
        # shellcheck disable=SC2086 # names without spaces
        run_quietly "fuzzing$fuzz_now" fuzz_beside "$fuzz_each_for" $fuzz_now
        for fuzz_each in $fuzz_now; do
            fuzz_report="$fuzz_report, $fuzz_each $(fuzz_tried "$fuzz_each")"
        done
    done
    say "fuzz: $fuzz_count targets, $fuzz_each_for s each, nothing found; inputs tried:" \
        "${fuzz_report#, }"
}
