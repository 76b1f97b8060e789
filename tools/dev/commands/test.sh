# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: build, and run the tests (six minutes; --all: everything there is)
#|
#| Usage: ./dev test [--all | --added]
#|
#| Without --all: style guide, unit tests with the corpora, the black-box suite against ackd, the
#| suites of ackload, of the teaching ladder and of ackd-top, profiles. Needs the core packages.
#|
#| --all adds: a build with clang, all tests under AddressSanitizer, UndefinedBehaviorSanitizer and
#| ThreadSanitizer, the checks of lint, a minute of fuzzing for each target, 10,000 seeds of the
#| simulator and planted bugs for it to find, the live page in Chromium, promtool on /metrics,
#| what is in monitor/ with a real Prometheus, profiles in go tool pprof and in a browser, those
#| servers of bench/peers that can be built here, the demo, and a short run of the ladder. Half an
#| hour on two cores. --added runs only what --all adds.
#|
#| Ends at the first stage that fails; a table at the end shows what each took. No fixed ports: it
#| may run beside anything.

[ $# -le 1 ] || die_usage "test takes one option, --all or --added, not '$*'"
basic=1
added=
case ${1:-} in
'') ;;
--all) added=1 ;;
--added)
    basic=
    added=1
    ;;
*) die_usage "test knows only the options --all and --added, not '$1'" ;;
esac

fuzz_seconds=60

build_and_test() {
    build_preset "$1"
    run_meson_tests "$1"
}

# The suites that are there, against build/$1.
stage_suites() {
    stage "unit tests${2:-}" build_and_test "$1"
    for suite in contract load ladder top; do
        if [ -d "tests/$suite" ]; then
            stage "$suite tests${2:-}" run_pytest "$1" "$suite"
        fi
    done
    # ackd's own choice is io_uring where the kernel has it: the other engine as well, by name, and
    # where no sanitizer forbids it, in the sandbox.
    case $1 in
    test) stage 'contract tests, epoll, sandbox' run_sandboxed "$1" contract --engine epoll ;;
    *) stage "contract tests, epoll${2:-}" run_pytest "$1" contract --engine epoll ;;
    esac
    # Viewers and long measurements come with --all, once.
    stage "profile tests${2:-}" run_pytest "$1" profile -m 'not viewers and not long'
}

# What the tests of the ladder want an optimised build for: profiles, and the ladder itself.
run_release_tests() {
    env "ACKD=$PWD/build/release/src/ackd/ackd" "ACKLOAD=$PWD/build/release/src/load/ackload" \
        python3 -m pytest -q -p no:cacheprovider -m release tests/ladder
}

stage 'packages' need_packages core
if [ -n "$basic" ]; then
    stage 'style guide' check_tidy
    stage 'headers' check_headers
    stage 'tools' check_tools
    stage_suites test
fi
[ -n "$added" ] || end_stages

stage 'all packages' need_packages core clang lint sim faults profile ladder monitor service \
    all
stage 'clang build' build_and_test clang
for check in format shell cppcheck clang_tidy analyzer; do
    stage "lint: $check" "check_$check"
done
stage_suites asan ', asan'
stage_suites tsan ', tsan'
stage 'fuzz' fuzz_targets "$fuzz_seconds"
stage 'release build' build_preset release
stage 'simulator' play_seeds 1..10000
stage 'planted bugs' tests/sim/mutants.py
stage 'live page' run_pytest release page
stage 'profile viewers' run_pytest release profile -m 'viewers or long'
stage 'promtool' python3 tools/promtool_check.py --build build/release
stage 'sandbox: contract, io_uring' run_sandboxed test contract --engine uring
stage 'sandbox: profiles' run_sandboxed test profile -m 'not viewers and not long'
stage 'faults' run_pytest release faults
stage 'drain under load' python3 tests/faults/drain.py --build build/release --rounds 20
stage 'units of systemd' run_pytest test service
stage 'peers' run_pytest release peers
stage 'monitor: files' check_monitor
stage 'monitor: values' python3 tools/monitor.py --build build/release --check
stage 'monitor: alerts' python3 tools/monitor.py --build build/release --fire
stage 'demo' python3 tools/demo.py --build build/release --time 2s \
    --port 0 --demo-port 0 --metrics-port 0
stage 'ladder' run_release_tests
end_stages
