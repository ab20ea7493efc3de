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
# ends STATUS TEXT WHAT: the last run of $program ended with $status so, and its stderr, in the file err, has a line like
# TEXT, one line alone after wrong usage, and no line without the program's name.
ends() {
    if [ "$status" != "$1" ]; then bad "$3: exit status $status, expected $1: $(cat err)" && return; fi
    if [ "$2" ] && ! grep -q -- "$2" err; then bad "$3: no '$2' in: $(cat err)" && return; fi
    if [ "$1" = 1 ] && [ "$(wc -l <err)" != 1 ]; then bad "$3: expected one line: $(cat err)" && return; fi
    if grep -qv "^$program: " err; then bad "$3: a line without the program's name: $(cat err)" && return; fi
    ok
}
# numbers KEY FILE: the values of "KEY" in FILE's lines (of JSON) that have it.
numbers() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$2"; }
# same_numbers A B TOLERANCE: two files of numbers, a line each; none missing, none NaN.
same_numbers() {
    paste -d '|' "$1" "$2" | awk -F '|' -v tolerance="$3" '
        {
            d = $1 - $2
            if ($1 !~ /^-?[0-9]/ || $2 !~ /^-?[0-9]/ || !(d <= tolerance && -d <= tolerance)) bad = 1
        }
        END { exit bad || NR < 2 }'
}
have() { command -v "$1" >/dev/null 2>&1; }

# Prints the closing line; fails when a check failed or nothing was checked.
finish() {
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line+=", $skipped skipped"
    echo "$line"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
