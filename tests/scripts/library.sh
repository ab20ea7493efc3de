#!/usr/bin/env bash
# The library as others use it: `meson install` into an empty folder, and from there its symbols, its header in strict C11 and
# C++17, the programs of tools/examples/ built by pkg-config (shared and static) and run, and the Python module with NumPy and
# without.
#
#   library.sh BUILD INFER TESTS
set -u
. "$(dirname "$0")/checks.sh"
build=$1 infer=$2 tests=$3
unset WLM_LIBRARY WLM_MODEL WLM_CPU LD_LIBRARY_PATH PYTHONPATH
export LC_ALL=C OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
model=$(realpath "$tests/../weights/default")
examples=$(realpath "$tests/../tools/examples")
clips=("$tests"/data/*.wav)
root=$scratch/root

if ! have meson || ! have pkg-config || ! have nm || ! have readelf; then
    skip "meson, pkg-config, nm or readelf is not there"
    passed=1 && finish
    exit
fi
check "meson install" env DESTDIR="$root" meson install -C "$build" --no-rebuild >"$scratch/install.log" 2>&1
header=$(find "$root" -name wlm.h)
static=$(find "$root" -name libwavlm.a)
shared=$(find "$root" -name libwavlm.so)
module=$(find "$root" -name wavlm.py)
for file in "$header" "$static" "$shared" "$module"; do
    check "one file is installed of each: $file" test -f "$file"
done
lib=$(dirname "$shared")
include=$(dirname "$header")
export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root

# ---- Names ----

is() { # is WHAT GOT EXPECTED
    if [ "$2" = "$3" ] && [ "$3" ]; then ok; else bad "$1: $2, expected $3"; fi
}

version=$(pkg-config --modversion wavlm)
is "soname" "$(readelf -d "$shared" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')" "libwavlm.so.${version%%.*}"
is "what libwavlm.so is" "$(basename "$(realpath "$shared")")" "libwavlm.so.$version"
check "libwavlm.so.${version%%.*} is there" test -e "$lib/libwavlm.so.${version%%.*}"
declared=$(sed -nE 's/^WLM_API .*[ *](wlm_[a-z0-9_]+)\(.*/\1/p' "$header" | sort)
is "the shared library exports what wlm.h declares" \
    "$(nm -D --defined-only "$shared" | awk '{ print $NF }' | sort | tr '\n' ' ')" "$(tr '\n' ' ' <<<"$declared")"
check "wlm.h declares some" test "$(wc -l <<<"$declared")" -gt 30
# An archive's members need each other by name: these stay, and have the layers' prefixes.
is "names in the static library that are not the layers'" "$(nm "$static" 2>/dev/null |
    awk 'NF == 3 && $2 ~ /[A-Z]/ && $3 !~ /^(kern|eng|wts|mdl|wlm)_/ { n++ } END { print n + 0 }')" 0
check "the static library has wlm_run" test -n "$(nm "$static" 2>/dev/null | grep ' T wlm_run$')"
undocumented=$(awk '/^$/ { said = 0 } /\*\/$/ { said = 1 } /^WLM_API/ && !said' "$header")
if [ -z "$undocumented" ]; then ok; else bad "functions without a comment: $undocumented"; fi

# ---- C and C++ ----

built() { # built PROGRAM COMMAND...: it compiles without a warning
    local program=$1
    shift
    if "$@" -o "$scratch/$program" >"$scratch/log" 2>&1 && [ ! -s "$scratch/log" ]; then ok; else
        bad "$program: $* : $(head -n 20 "$scratch/log")"
        return 1
    fi
}
strict=(-Wall -Wextra -Wpedantic -Werror -pedantic-errors)
echo '#include <wlm.h>' >"$scratch/alone.c"
cp "$scratch/alone.c" "$scratch/alone.cpp"
flags=($(pkg-config --cflags wavlm))
libs=($(pkg-config --libs wavlm))
all=($(pkg-config --static --libs wavlm))
built alone.o cc -std=c11 "${strict[@]}" "${flags[@]}" -c "$scratch/alone.c"
built label cc -std=c11 "${strict[@]}" "${flags[@]}" "$examples/label.c" "${libs[@]}" &&
    LD_LIBRARY_PATH=$lib "$scratch/label" "$model" "${clips[@]}" >"$scratch/label.out" 2>"$scratch/label.err"
is "label.c: status" "$?" 0
check "label.c links the shared library" grep -q "NEEDED.*libwavlm.so.${version%%.*}" <(readelf -d "$scratch/label")
LD_LIBRARY_PATH=$lib "$scratch/label" "$model" "$scratch/none.wav" >/dev/null 2>"$scratch/label.err"
is "label.c: a file that is not there" "$?$(grep -c none.wav "$scratch/label.err")" 11

# The whole program static, where there is a static libc; else the library alone.
whole=(-static)
if ! cc -static -x c - -o "$scratch/libc" <<<'int main(void) { return 0; }' 2>/dev/null; then
    whole=()
    all=("${all[@]/-lwavlm/-l:libwavlm.a}")
fi
# (The linker warns of libgomp, which calls dlopen where there are devices.)
check "label.c, static" cc -std=c11 "${whole[@]}" "${flags[@]}" "$examples/label.c" "${all[@]}" -o "$scratch/label_static" \
    2>"$scratch/log" && "$scratch/label_static" "$model" "${clips[@]}" >"$scratch/static.out" 2>"$scratch/label.err"
check "label.c, static, says the same" cmp -s "$scratch/label.out" "$scratch/static.out"
check "label.c, static, needs no libwavlm.so" test -z "$(readelf -d "$scratch/label_static" | grep libwavlm)"

"$infer" --quiet --model "$model" --logits --format jsonl "${clips[@]}" >"$scratch/infer.jsonl"
labels() { sed -nE 's/^([^:]*): ([a-z]+).*/\1 \2/p' "$1"; }
labels "$scratch/label.out" >"$scratch/label.labels"
sed -nE 's/.*"file": ?"([^"]*)".*"label": ?"([a-z]+)".*/\1 \2/p' "$scratch/infer.jsonl" >"$scratch/infer.labels"
is "infer labelled" "$(wc -l <"$scratch/infer.labels")" ${#clips[@]}
check "label.c has infer's labels" cmp -s "$scratch/label.labels" "$scratch/infer.labels"

if have c++; then
    built alone.o c++ -std=c++17 "${strict[@]}" "${flags[@]}" -c "$scratch/alone.cpp"
    built threads c++ -std=c++17 "${strict[@]}" "${flags[@]}" "$examples/threads.cpp" "${libs[@]}" -pthread &&
        LD_LIBRARY_PATH=$lib "$scratch/threads" "$model" "${clips[@]}" >"$scratch/threads.out" 2>&1
    labels "$scratch/threads.out" >"$scratch/threads.labels"
    check "threads.cpp has infer's labels" cmp -s "$scratch/threads.labels" "$scratch/infer.labels"
else
    skip "no C++ compiler"
fi

# ---- Python ----

# module PYTHON NUMPY: its tests, with NumPy or not; and the example. The module finds the library from where it lies.
module() {
    local line
    PYTHONPATH=$(dirname "$module") "$1" "$tests/scripts/library_module.py" "$model" "$tests" "$scratch/infer.jsonl" \
        "$version" "$2" >"$scratch/module.log" 2>&1
    line=$(tail -n 1 "$scratch/module.log")
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
        grep '^FAILED' "$scratch/module.log"
    else
        bad "the Python module, $2: $(tail -n 20 "$scratch/module.log")"
    fi
    tail -c +45 "${clips[0]}" | PYTHONPATH=$(dirname "$module") "$1" "$examples/stream.py" "$model" >"$scratch/stream.out" 2>&1
    is "stream.py, $2: labels" "$(awk '{ print $3 }' "$scratch/stream.out")" \
        "$(awk 'NR == 1 { print $2 }' "$scratch/infer.labels")"
}
if have python3 && python3 -m venv --without-pip "$scratch/bare" 2>"$scratch/log"; then
    module "$scratch/bare/bin/python" without
    if python3 -c 'import numpy' 2>/dev/null; then
        module python3 with
    elif python3 -m venv "$scratch/venv" >/dev/null 2>&1 &&
        timeout 120 "$scratch/venv/bin/pip" -q install numpy >/dev/null 2>&1; then
        module "$scratch/venv/bin/python" with
    else
        skip "no NumPy: the module with it"
    fi
else
    skip "no python3, or none that makes a venv"
fi
finish
