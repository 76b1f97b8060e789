# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# suites - the tests that are run, each against what stands in build/PRESET

# A sanitizer ends the program at its first finding, with a stack.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

# What sanitizers cost, in deadlines.
time_factor() {
    case $1 in
    asan | tsan) echo 4 ;;
    *) echo 1 ;;
    esac
}

# Runs the program "$2..." as the tests of preset $1 need it.
for_preset() {
    suite_preset=$1
    shift
    case $suite_preset in
    asan | tsan) set -- env "ACKD_TEST_PATIENCE=$(time_factor "$suite_preset")" "$@" ;;
    esac
    # ThreadSanitizer of gcc 12 does not know the address layout of newer kernels.
    if [ "$suite_preset" = tsan ] && setarch -R true 2>/dev/null; then
        set -- setarch -R "$@"
    fi
    "$@"
}

# All that Meson knows: unit tests, corpora, embedders. cmocka's closing lines are shown.
run_meson_tests() {
    meson_status=0
    for_preset "$1" meson test -C "build/$1" --print-errorlogs \
        --timeout-multiplier "$(time_factor "$1")" || meson_status=$?
    grep -h -E '^\[  (PASSED|FAILED)  \]' "build/$1/meson-logs/testlog.txt" || :
    return "$meson_status"
}

# The tests of folder tests/$2 against build/$1. Most of them wait most of the time, so a few run
# beside each other; each has a server of its own. "$3..." goes to pytest.
run_pytest() {
    pytest_preset=$1
    pytest_suite=$2
    shift 2
    for_preset "$pytest_preset" env "ACKD=$PWD/build/$pytest_preset/src/ackd/ackd" \
        "ACKLOAD=$PWD/build/$pytest_preset/src/load/ackload" \
        "ACKD_TOP=$PWD/build/$pytest_preset/src/top/ackd-top" \
        python3 -m pytest -q -p no:cacheprovider -n 4 "tests/$pytest_suite" "$@"
}

# The same under --sandbox strict: a system call that is not on ackd's list ends it, and the test.
run_sandboxed() {
    ACKD_TEST_SANDBOX=strict
    export ACKD_TEST_SANDBOX
    run_pytest "$@"
}
