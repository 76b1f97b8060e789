# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# say - messages to the person who typed ./dev, and a sign of life while something long runs

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${CI:-}" ]; then
    say_is_tty=1
else
    say_is_tty=
fi

say() {
    printf '%s\n' "$*"
}

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

# As sysexits.h has it: the command was used incorrectly.
die_usage() {
    printf 'dev: %s\n' "$*" >&2
    exit 64
}

# Whether $1 is nothing but digits.
is_number() {
    case $1 in
    '' | *[!0-9]*) return 1 ;;
    esac
}

now_s() {
    date +%s
}

# One line that is overwritten each second on a terminal, and added every 30 s elsewhere. Ends with
# the script: Ctrl-C does not reach what runs in the background.
tick() {
    tick_title=$1
    tick_log=$2
    tick_start=$(now_s)
    while sleep 1 && kill -0 "$$" 2>/dev/null; do
        tick_elapsed=$(($(now_s) - tick_start))
        if [ -n "$say_is_tty" ]; then
            printf '\r\033[K  %s %d s  %.60s' "$tick_title" "$tick_elapsed" \
                "$(tail -n 1 "$tick_log" | tr -cd '[:print:]')"
        elif [ $((tick_elapsed % 30)) -eq 0 ]; then
            printf '  %s: %d s ...\n' "$tick_title" "$tick_elapsed"
        fi
    done
}

# What the last run_quietly printed.
quiet_output() {
    cat "$quiet_log"
}

# Runs "$2..." with one line that moves, and at the end says how long it took. The output goes to
# build/logs/, and is shown whole if the command fails. Returns its status.
run_quietly() {
    quiet_title=$1
    shift
    quiet_log=build/logs/$(printf %s "$quiet_title" | tr -c 'a-zA-Z0-9' -).log
    mkdir -p build/logs
    : >"$quiet_log"
    quiet_start=$(now_s)
    tick "$quiet_title" "$quiet_log" &
    quiet_ticker=$!
    quiet_status=0
    "$@" >"$quiet_log" 2>&1 </dev/null || quiet_status=$?
    kill "$quiet_ticker" 2>/dev/null || :
    wait "$quiet_ticker" 2>/dev/null || :
    [ -z "$say_is_tty" ] || printf '\r\033[K'
    if [ "$quiet_status" -eq 0 ]; then
        printf '  %s: %d s\n' "$quiet_title" $(($(now_s) - quiet_start))
    else
        quiet_output
        printf '  %s: FAILED after %d s\n' "$quiet_title" $(($(now_s) - quiet_start))
    fi
    return "$quiet_status"
}
