# step LABEL COMMAND... - runs a command quietly, with one progress line.
#
# Read with "." by the other scripts.  The end of the command's output is shown
# when it fails; its status is step's.

step() {
    step_label=$1
    shift
    step_log=$(mktemp "${TMPDIR:-/tmp}/step.XXXXXX")
    step_start=$(date +%s)
    printf '%s ... ' "$step_label"
    if "$@" </dev/null >"$step_log" 2>&1; then
        step_status=0
        printf 'done (%d s)\n' $(($(date +%s) - step_start))
    else
        step_status=$?
        printf 'failed\n'
        tail -n 300 "$step_log"
    fi
    rm -f "$step_log"
    return $step_status
}
