# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# stages - a run of named steps, and a table of what each took
#
# The first step that fails ends the run, unless go_on_after_failure was called.

stages_go_on=
stages_table=
stages_passed=0
stages_failed=0
stages_start=$(now_s)

go_on_after_failure() {
    stages_go_on=1
}

# Runs "$2..." as the stage $1. Its output is shown.
# Not to be called in a condition: the shell would then ignore failures inside of it.
stage() {
    stage_name=$1
    shift
    say
    say "== $stage_name"
    stage_start=$(now_s)
    set +e
    (
        set -e
        "$@"
    ) </dev/null
    stage_status=$?
    set -e
    if [ "$stage_status" -eq 0 ]; then
        stage_result=ok
        stages_passed=$((stages_passed + 1))
    else
        stage_result="FAILED (exit $stage_status)"
        stages_failed=$((stages_failed + 1))
    fi
    stages_table="$stages_table$(printf '  %-24s %5d s  %s' \
        "$stage_name" $(($(now_s) - stage_start)) "$stage_result")
"
    [ "$stage_status" -eq 0 ] || [ -n "$stages_go_on" ] || end_stages
}

# Prints the table and one closing line, and ends the command.
end_stages() {
    say
    printf '%s' "$stages_table"
    printf '  %-24s %5d s\n' total $(($(now_s) - stages_start))
    printf 'stages: %d passed, %d failed\n' "$stages_passed" "$stages_failed"
    [ "$stages_failed" -eq 0 ] || exit 1
    exit 0
}
