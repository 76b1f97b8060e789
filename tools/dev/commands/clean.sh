# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: remove everything that was built
#|
#| Usage: ./dev clean
#|
#| Removes build/ and Python's caches. What was written by hand stays.

[ $# -eq 0 ] || die_usage 'clean takes no options'
rm -rf build
find . -name .git -prune -o -type d \( -name __pycache__ -o -name .pytest_cache \) -print |
    while IFS= read -r folder; do
        rm -rf "$folder"
    done
say 'clean'
