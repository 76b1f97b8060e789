#!/bin/sh
# SPDX-License-Identifier: MIT
#
# headers_check - each header compiles alone: the public ones as C and as C++, those of src/ as C
#
#      sh tools/headers_check.sh        (in the project's root; C++ only where a compiler for it is)
#
# Each is included twice, so that its guard is checked too.
set -eu

cc=${CC:-gcc}
warnings='-Wall -Wextra -Wpedantic -Werror -fsyntax-only'
count=0
failed=0

# Compiles the header $1 as "$2..." would.
try() {
    header=$1
    shift
    count=$((count + 1))
    # shellcheck disable=SC2086 # several words
    if ! printf '#include "%s"\n#include "%s"\nextern int use;\n' "$header" "$header" |
        "$@" $warnings -Iinclude -; then
        echo "$header does not compile alone: $*" >&2
        failed=$((failed + 1))
    fi
}

cxx=
for candidate in "${CXX:-g++}" clang++; do
    if [ -z "$cxx" ] && command -v "$candidate" >/dev/null; then
        cxx=$candidate
    fi
done

for header in include/ackd/*.h; do
    try "${header#include/}" "$cc" -std=c11 -x c
    [ -z "$cxx" ] || try "${header#include/}" "$cxx" -std=c++11 -x c++
done
for header in src/*/*.h; do
    # Pedantry is for the public ones: inside, GNU C is the language.
    try "${header#src/}" "$cc" -std=gnu17 -D_GNU_SOURCE -Isrc -Wno-pedantic -x c
done
echo "headers: $count compiled alone with ${cc}${cxx:+ and $cxx}, $failed failed"
[ "$failed" -eq 0 ]
