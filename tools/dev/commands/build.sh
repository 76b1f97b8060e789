# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: compile: release, or another preset
#|
#| Usage: ./dev build [PRESET]
#|
#|   release   optimised, with line tables: what demo, up and bench use (default)
#|   test      what test uses: debuggable, warnings are errors
#|   clang     the same with clang
#|   asan      AddressSanitizer and UndefinedBehaviorSanitizer
#|   tsan      ThreadSanitizer
#|   fuzz      libFuzzer targets (clang)
#|   coverage  for gcovr
#|
#| Builds in build/PRESET. CC in the environment chooses another compiler for the presets but clang
#| and fuzz.

[ $# -le 1 ] || die_usage 'build takes one preset; see ./dev help build'
build_preset "${1:-release}"
say "build/${1:-release} is up to date"
