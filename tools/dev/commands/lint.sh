# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: find mistakes by reading: style, clang-format, cppcheck, clang-tidy, gcc -fanalyzer
#|
#| Usage: ./dev lint [CHECK...]
#|
#|   tidy        the style guide (tools/tidy.py); its own tests are run by `tools`
#|   headers     each header compiles alone, the public ones as C and C++
#|   format      .clang-format; to mend: clang-format -i FILE
#|   shell       shellcheck
#|   cppcheck    warnings, performance, portability
#|   clang_tidy  the checks of .clang-tidy
#|   analyzer    gcc -fanalyzer
#|
#| Without CHECK: all of them.

for check in "$@"; do
    command -v "check_$check" >/dev/null ||
        die_usage "there is no check '$check'; see ./dev help lint"
done
[ $# -gt 0 ] || set -- tidy tools headers format shell cppcheck clang_tidy analyzer

need_packages core clang lint
build_preset clang
go_on_after_failure
for check in "$@"; do
    stage "$check" "check_$check"
done
end_stages
