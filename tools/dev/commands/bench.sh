# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: measure: `bench core` is ackd beside the ceiling that no server can pass
#|
#| Usage: ./dev bench core [OPTION...]
#|
#| Builds release and runs bench/core.py, which explains its options with --help. Not a test: what
#| it prints depends on the machine, and says how much.

case ${1:-} in
core) shift ;;
'') die_usage 'bench what? There is: ./dev bench core' ;;
*) die_usage "there is no benchmark '$1'; there is: ./dev bench core" ;;
esac
[ -e bench/core.py ] || die 'bench/core.py is not there'
build_preset release
exec python3 bench/core.py "$@"
