#!/usr/bin/env bash
# Checks that nothing asks libm for a function whose result is not exact: its last digits differ between versions,
# libraries and CPUs, and what is made of them would, too. engine/math has these functions. What IEEE 754 defines to
# the last bit may stay: sqrt, fabs, floor, ceil, trunc, round, rint, fma, fmod, remainder, modf, frexp, ldexp, scalbn, logb,
# copysign, nextafter, fmin, fmax and their like.
#
#   libm.sh NM LIBRARY...
set -u
nm=$1
shift
passed=0 failed=0

# C's and POSIX's functions, what compilers make of them (sincos, pow10, exp10; the _finite of fast-math; vectors of
# them), C23's, and complex ones; for double, float, long double and the others.
real='a?(sin|cos|tan)(h|pi)?|atan2(pi)?|sincos(pi)?|exp(2|10)?(m1)?|log(2|10)?(p1)?|log1p|pow(10|n|r|i)?|rootn'
real+='|compoundn|rsqrt|cbrt|hypot|erfc?|[lt]?gamma|gamma|[jy][01n]'
complex='c(a?(sin|cos|tan)h?|exp|log|log10|pow|sqrt|abs|arg)'
denied="^(__)?($real|$complex)(f|l|f16|f32x?|f64x?|f128)?(_r|_finite)?\$|^_ZGV"

# offenders: of lines "archive:object: [address] type symbol" those that need a denied function.
offenders() { awk -v denied="$denied" '$(NF-1) == "U" { sub(/@.*/, "", $NF); if ($NF ~ denied) print $1, $NF }'; }

# check NAME OFFENDERS: passes when there are none.
check() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s needs of libm:\n%s\n' "$1" "$2"
    fi
}

# The list knows what it is to find, and nothing else.
for name in exp expf exp2 expm1 log logf log1p log2 log10 pow powf sin cosf tan sinh tanh atan atan2 sincos cbrt hypot \
    lgamma lgamma_r tgamma erf erfcf exp10 pow10 __exp_finite __powf_finite _ZGVdN4v_exp cexpf j0 expl@GLIBC_2.29; do
    [ "$(echo "lib.a:file.o:                  U $name" | offenders)" ] || check "the list without $name" "$name"
done
for name in sqrt sqrtf fabs floor ceilf trunc round rint lrint fma fmaf fmod modf frexp ldexp scalbn logb copysign \
    fmin fmaxf nextafter eng_exp eng_log explicit_bzero powers logger exit; do
    check "the list with $name" "$(echo "lib.a:file.o:                  U $name" | offenders)"
done

for library in "$@"; do
    if ! symbols=$("$nm" -A "$library" 2>/dev/null) || ! awk '$(NF-1) == "U"' <<<"$symbols" | grep -q .; then
        check "$library" "cannot be read, or needs nothing at all"
        continue
    fi
    check "$(basename "$library")" "$(offenders <<<"$symbols" | sort -u)"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
