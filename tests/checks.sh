# What the script tests share: counting checks, and the closing line. Sourced by bash.
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}
check() { # check WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then ok; else bad "$what"; fi
}
skip() { # skip WHAT: a check that cannot run here
    skipped=$((skipped + 1))
    echo "skipped: $*"
}
have() { command -v "$1" >/dev/null 2>&1; }

# Prints the closing line; fails when a check failed or nothing was checked.
finish() {
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line+=", $skipped skipped"
    echo "$line"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
