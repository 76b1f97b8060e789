# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#: run the server in the foreground until Ctrl-C
#|
#| Usage: ./dev up [OPTION OF ackd...]
#|
#| Builds release and runs ackd on 127.0.0.1:8888, with a second listener on 127.0.0.1:8890 for
#| clients of the published teaching code, and /metrics on 127.0.0.1:8889. With a --listen of your
#| own (or a --config) only that one counts. ackd --help lists all options.
#|
#|   ./dev up --workers 1 --handler delay:5ms
#|   ./dev up --listen 0.0.0.0:8888

build_preset release
up_program=$PWD/build/release/src/ackd/ackd
up_defaults=1
for up_option in "$@"; do
    case $up_option in
    --listen | --listen=* | --config | --config=* | --help | --version) up_defaults= ;;
    esac
done
if [ -n "$up_defaults" ]; then
    set -- --listen 127.0.0.1:8888 --listen 127.0.0.1:8890,dialect=demo "$@"
fi
go_back
exec "$up_program" "$@"
