# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# checks - what is found by reading the source: style, headers, analysers
#
# Each check_... is a stage: it prints what it found, and fails if that was anything.

cpu_count() {
    getconf _NPROCESSORS_ONLN
}

# Tests are judged by being run, the library and the programs also by analysers.
list_tests() {
    find src tests -name '*_test.c' -o -name '*_fuzz.c' -o -name '*_bench.c'
}

list_sources() {
    list_tests >build/tests.list
    find src examples ladder -name '*.c' | sort | grep -v -x -F -f build/tests.list
}

# Runs "$@" with each line of stdin behind it, in parallel.
for_each() {
    xargs -n 1 -P "$(cpu_count)" "$@"
}

check_tidy() {
    python3 tools/tidy.py
}

check_tools() {
    python3 -m pytest -q -p no:cacheprovider tools bench
}

check_headers() {
    sh tools/headers_check.sh
}

check_format() {
    find src include examples ladder tests bench -name '*.[ch]' | sort |
        for_each clang-format --dry-run -Werror
    say "clang-format: nothing to change"
}

check_shell() {
    # shellcheck disable=SC2046 # names without spaces
    shellcheck -s sh dev $(find tools -name '*.sh')
    # shellcheck disable=SC2046
    shellcheck $(find .ci -type f)
    say "shellcheck: nothing found"
}

check_cppcheck() {
    # shellcheck disable=SC2046 # names without spaces
    cppcheck --enable=warning,performance,portability --error-exitcode=1 --quiet \
        -j "$(cpu_count)" --project=build/clang/compile_commands.json $(list_tests | sed 's/^/-i/')
    say "cppcheck: nothing found"
}

# One process for each file: with several, version 14 carries state over and sees mistakes that are
# not there.
check_clang_tidy() {
    tidy_status=0
    list_sources | for_each clang-tidy -p build/clang --quiet >build/clang-tidy.log 2>&1 ||
        tidy_status=$?
    # It counts the warnings of system headers, which it does not show.
    grep -v -E '^[0-9]+ warnings? generated\.$' build/clang-tidy.log || :
    [ "$tidy_status" -eq 0 ] || return 1
    say "clang-tidy: $(list_sources | wc -l) files, nothing found"
}

# gcc runs its analyser while it compiles; tests are not compiled here.
check_analyzer() {
    set_up_preset analyzer
    run_quietly 'compiling with -fanalyzer' \
        ninja -C build/analyzer libackd.a src/ackd/ackd src/load/ackload
    say "gcc -fanalyzer: nothing found"
}
