#!/usr/bin/env bash
# Checks that the contract of the vocabulary (kernels/vector/vector.h), each tier's header and the test of the vocabulary
# have the same functions: none that is promised and missing, none that no test looks at.
#
#   vocabulary.sh ROOT   the project's root; first the script itself is checked, on copies with a fault
set -u
. "$(dirname "$0")/checks.sh"
prefix='(f32x16|i32x16|f64x8|mask16|block16)_'

# promised ROOT, defined HEADER, tested ROOT: names, sorted. In the contract "f32x16_add  _sub" are two.
promised() {
    awk -v prefix="$prefix" '
        /^ \*   [a-z]/ {
            for (i = 2; i <= NF; i++) {
                if (match($i, "^" prefix "[a-z0-9_]+")) {
                    name = substr($i, 1, RLENGTH)
                    type = name
                    sub(/_.*/, "", type)
                } else if (match($i, /^_[a-z0-9]+/)) name = type substr($i, 1, RLENGTH)
                else continue
                print name
            }
        }' "$1/kernels/vector/vector.h" | LC_ALL=C sort -u
}
defined() { grep -E '^(KERN_INLINE|static inline) ' "$1" | grep -oE "\\b$prefix[a-z0-9_]+\\(" | tr -d '(' | LC_ALL=C sort -u; }
tested() { cat "$1"/tests/kernels/vocabulary/{lanes,memory}.c | grep -oE "\"$prefix[a-z0-9_]+\"" | tr -d '"' | LC_ALL=C sort -u; }

# differ NAMES WHOSE NAMES WHOSE: prints what only one has.
differ() {
    comm -23 "$1" "$3" | sed "s|\$| is in $2, not in $4|"
    comm -13 "$1" "$3" | sed "s|\$| is in $4, not in $2|"
}

# faults ROOT: a line each.
faults() {
    promised "$1" >"$scratch/promised"
    tested "$1" >"$scratch/tested"
    differ "$scratch/promised" vector.h "$scratch/tested" "the test"
    for header in "$1"/kernels/vector/*.h; do
        [ "$(basename "$header")" != vector.h ] || continue
        defined "$header" >"$scratch/defined"
        differ "$scratch/promised" vector.h "$scratch/defined" "$(basename "$header")"
    done
}

# finds TEXT FILE SED: a copy whose FILE was changed by SED has the fault TEXT alone.
finds() {
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/kernels" "$scratch/tree/tests/kernels"
    cp -r "$root/kernels/vector" "$scratch/tree/kernels" && cp -r "$root/tests/kernels/vocabulary" "$scratch/tree/tests/kernels"
    sed -i "$3" "$scratch/tree/$2"
    local found
    found=$(faults "$scratch/tree")
    if [ "$found" = "$1" ]; then ok; else bad "expected '$1', found '$found'"; fi
}

root=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
finds 'mask16_any is in vector.h, not in the test' tests/kernels/vocabulary/lanes.c '/"mask16_any"/d'
finds 'f32x16_sqrt is in vector.h, not in neon.h' kernels/vector/neon.h 's/ f32x16_sqrt(/ root(/'
finds 'f32x16_more is in avx2.h, not in vector.h' kernels/vector/avx2.h '$a KERN_INLINE f32x16 f32x16_more(f32x16 v)'
check "there are many functions" [ "$(promised "$root" | wc -l)" -gt 60 ]
check "there are tiers" [ "$(ls "$root"/kernels/vector/*.h | wc -l)" -gt 4 ]
while read -r fault; do bad "$fault"; done < <(faults "$root")
finish
