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
# wav RATE CHANNELS SAMPLES SIZE: a 16-bit WAV file of a saw-tooth; SIZE is what its data chunk claims ("" for the truth).
wav() {
    local rate=$1 channels=$2 samples=$3 bytes=$(($3 * $2 * 2)) size
    size=${4:-$bytes}
    u32() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x$(printf %02x $(($1 >> 16 & 255)))\\x$(printf %02x $(($1 >> 24 & 255)))"; }
    u16() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))"; }
    printf RIFF && u32 $((size == 4294967295 || size == 0 ? size : size + 36)) && printf 'WAVEfmt ' && u32 16 && u16 1
    u16 "$channels" && u32 "$rate" && u32 $((rate * channels * 2)) && u16 $((channels * 2)) && u16 16
    printf data && u32 "$size"
    # The bytes 0...63, then half of them again, and so on: not silent, never clipping.
    awk -v n="$bytes" 'BEGIN { for (i = 0; i < n; i++) printf "%c", i % 2 ? 1 + i % 31 : 1 + i * 7 % 113 }'
}
# enter_scratch: in the C locale, on the tier of this machine, in a new folder ($folder) that goes when the script ends.
enter_scratch() {
    export LC_ALL=C
    unset WLM_CPU
    folder=$(mktemp -d) || exit 1
    trap 'rm -rf "$folder"' EXIT
    cd "$folder" || exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Prints the closing line; fails when a check failed or nothing was checked.
finish() {
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line+=", $skipped skipped"
    echo "$line"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
