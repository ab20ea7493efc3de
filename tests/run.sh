#!/usr/bin/env bash
# Builds and tests everything: release with gcc, clang, the sanitizers, without OpenMP, as an x86 CPU without AVX, and
# aarch64 under qemu (where tests/plain takes Criterion's place). Installs the packages that are missing (Debian, Ubuntu).
# A failing step does not end the run; the last line is the sum over all steps: "N passed, N failed[, N skipped]". Exit
# status 0 when nothing failed and something ran.
#
#   tests/run.sh           everything
#   tests/run.sh --quick   the release build and its tests
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null
# Criterion names skipped tests only when it is asked to be verbose.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive CRITERION_VERBOSITY_LEVEL=1

quick=
case ${1-} in
'') ;;
--quick) quick=1 ;;
*)
    echo "usage: tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

builds=build-test
host=$(uname -m)
jobs=$(nproc 2>/dev/null || echo 2)
passed=0 failed=0 skipped=0
failures=()

heading() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
pass() { passed=$((passed + 1)) && echo "ok: $*"; }
skip() { skipped=$((skipped + 1)) && echo "SKIPPED: $*"; }
fail() {
    failed=$((failed + 1))
    failures+=("$*")
    echo "FAILED: $*"
}
have() { command -v "$1" >/dev/null 2>&1; }

# ---- Packages -------------------------------------------------------------------------------------------------------

# Prints the packages whose program, or which themselves when they hold none, are not there.
missing_packages() {
    local pair
    for pair in gcc:gcc meson:meson ninja:ninja-build pkg-config:pkg-config nm:binutils "$@"; do
        have "${pair%%:*}" || echo "${pair#*:}"
    done
    local libraries=(libc6-dev libcriterion-dev)
    python3 -c 'import numpy' 2>/dev/null || libraries+=(python3-numpy)
    [ "$quick" ] || [ "$host" = aarch64 ] || libraries+=(libc6-dev-arm64-cross)
    for pair in "${libraries[@]}"; do
        dpkg-query -W -f '${Status}' "$pair" 2>/dev/null | grep -q 'ok installed' || echo "$pair"
    done
}

install_packages() {
    local wanted=(sox:sox espeak-ng:espeak-ng ffmpeg:ffmpeg opusenc:opus-tools strace:strace c++:g++ python3:python3)
    [ "$quick" ] || wanted+=(chromium:chromium)
    [ "$quick" ] || wanted+=(clang:clang)
    [ "$quick" ] || have qemu-aarch64 || wanted+=(qemu-aarch64-static:qemu-user-static)
    [ "$quick" ] || [ "$host" = aarch64 ] || wanted+=(aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu)
    [ "$quick" ] || wanted+=(mpirun.openmpi:openmpi-bin mpicc.openmpi:libopenmpi-dev)
    [ "$quick" ] || wanted+=(mpirun.mpich:mpich mpicc.mpich:libmpich-dev)
    local missing
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "missing: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        have sudo || { echo "neither root nor sudo: going on without them" && return 0; }
        as_root=(sudo -n DEBIAN_FRONTEND=noninteractive)
    fi
    "${as_root[@]}" apt-get -qq update
    # All at once is fast; one by one, when one of them does not exist here, gets the others.
    "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null && return 0
    local package
    for package in "${missing[@]}" qemu-user; do
        [ "$package" = qemu-user ] && { [ "$quick" ] || have qemu-aarch64-static || have qemu-aarch64; } && continue
        "${as_root[@]}" apt-get -qq install -y --no-install-recommends "$package" >/dev/null ||
            echo "could not install $package"
    done
}

# Debian 13 and later drop the suffix -static, which the cross file names.
name_qemu() {
    local cpu
    for cpu in aarch64 x86_64; do
        have "qemu-$cpu-static" || ! have "qemu-$cpu" || {
            mkdir -p "$builds/bin"
            ln -sf "$(command -v "qemu-$cpu")" "$builds/bin/qemu-$cpu-static"
        }
    done
    PATH=$PATH:$PWD/$builds/bin
}

# ---- Steps ----------------------------------------------------------------------------------------------------------

# build NAME [VARIABLE=VALUE...] -- MESON_OPTIONS...: configures (afresh when the options have changed) and compiles: all,
# or what $targets names.
build() {
    local dir=$builds/$1 name=$1 environment=()
    shift
    while [ "$1" != -- ]; do environment+=("$1") && shift; done
    shift
    local options="${environment[*]-} $*"
    [ "$(cat "$dir/options" 2>/dev/null)" = "$options" ] || rm -rf "$dir"
    if [ ! -f "$dir/build.ninja" ]; then
        mkdir -p "$builds"
        if ! env "${environment[@]}" meson setup "$dir" "$@" >"$builds/$name.log" 2>&1; then
            cat "$builds/$name.log"
            rm -rf "$dir"
            fail "$name: meson setup"
            return 1
        fi
        echo "$options" >"$dir/options"
    fi
    if ! ninja -C "$dir" ${targets-} >"$builds/$name.log" 2>&1; then
        grep -v '^\[[0-9]*/[0-9]*\] ' "$builds/$name.log" | head -n 200
        fail "$name: build"
        return 1
    fi
    pass "$name: build without warnings"
}

# Adds up a meson test log (one JSON object a line): prints "passed failed skipped", then a line for each failed test.
# A Criterion program counts its tests, a program that ends with "N passed, N failed" what it counted (its checks; its
# tests under tests/plain), any other counts one.
count_log() {
    awk '
    function number_after(text, key,    at) {
        at = index(text, key)
        return at ? substr(text, at + length(key)) + 0 : 0
    }
    function field(text, key,    at) {
        at = index(text, "\"" key "\": \"")
        if (!at) return ""
        text = substr(text, at + length(key) + 5)
        return substr(text, 1, index(text, "\"") - 1)
    }
    {
        p = f = s = 0
        name = field($0, "name"); result = field($0, "result")
        note = last = ""
        rest = $0
        while (match(rest, /[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?/)) {
            last = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
        }
        if (result == "SKIP") s = 1
        else if (match($0, /Tested:.*Crashing:[^0-9]*[0-9]+/)) {
            text = substr($0, RSTART, RLENGTH)
            gsub(/\\u001[bB]\[[0-9;]*m/, "", text)
            p = number_after(text, "Passing:")
            f = number_after(text, "Tested:") - p # a crash counts as failing, too
            for (rest = $0; match(rest, /\[SKIP\] [^\\"]*/); rest = substr(rest, RSTART + RLENGTH)) {
                s++
                note = note "\nskipped: " name ": " substr(rest, RSTART + 7, RLENGTH - 7)
            }
        } else if (last != "") {
            split(last, n, /[^0-9]+/)
            p = n[1]; f = n[2]; s = n[3] + 0
        } else if (result == "OK") p = 1
        # A leak shows after Criterion has passed the test.
        if (f == 0 && $0 ~ /ERROR: (Leak|Address)Sanitizer|runtime error: /) { f = 1; result = "sanitizer report" }
        if (f == 0 && (p + s == 0 || (result != "OK" && result != "SKIP"))) f = 1
        if (f) note = note "\n" name " (" result ")"
        if (s && note !~ /skipped: /) note = note "\nskipped: " name " (" s ")"
        passed += p; failed += f; skipped += s; notes = notes note
    }
    END { printf "%d %d %d%s\n", passed, failed, skipped, notes }' "$1"
}

# run_tests NAME [MESON_TEST_OPTIONS...]: runs the tests of the build of that name and adds up its log.
run_tests() {
    local name=$1 dir=$builds/$1 p f s line
    shift
    rm -f "$dir/meson-logs/testlog.json"
    meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes "$jobs" "$@" 2>&1 | grep -v '^ninja:'
    if [ ! -s "$dir/meson-logs/testlog.json" ]; then
        fail "$name: no test ran"
        return
    fi
    {
        read -r p f s
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
        echo "$name: $p passed, $f failed, $s skipped"
        while read -r line; do
            case $line in
            skipped:*) echo "SKIPPED $name: ${line#skipped: }" ;;
            *) failures+=("$name: $line") ;;
            esac
        done
    } < <(count_log "$dir/meson-logs/testlog.json")
}

# A CPU without AVX: the probe must refuse the AVX tiers, and the rest must run on the base instruction set. (AVX2 is
# not run this way: qemu 7.2 reads the masked-off part of a masked load.)
old_cpu() {
    local program=$builds/gcc/tests/conformance out=$builds/conformance.log tier status p=0 f=0
    local nehalem=(qemu-x86_64-static -cpu Nehalem "$program" --tier)
    for tier in avx2 avx512; do
        "${nehalem[@]}" $tier >"$out" 2>&1
        status=$?
        if [ $status = 77 ]; then pass "Nehalem: $tier is refused"; else fail "Nehalem: $tier: exit status $status"; fi
    done
    "${nehalem[@]}" portable >"$out" 2>&1
    status=$?
    read -r p f < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$out" | tail -n 1)
    if [ "${p:-0}" = 0 ] || [ $status != 0 ]; then
        tail -n 40 "$out"
        fail "Nehalem: conformance: exit status $status"
        return
    fi
    passed=$((passed + p)) failed=$((failed + f))
    echo "Nehalem: conformance: $p passed, $f failed"
}

# An aarch64 CPU without the dot product: the probe must refuse it, and the product of 8-bit integers run without.
old_arm() {
    local out=$builds/conformance.log
    if qemu-aarch64-static -L /usr/aarch64-linux-gnu -cpu cortex-a53 "$builds/aarch64/tests/conformance" --tier neon \
        --kernel gemm_i8 >"$out" 2>&1 && grep -q '^skipped: neon+dot' "$out"; then
        pass "Cortex-A53: the dot product is refused"
    else
        tail -n 40 "$out"
        fail "Cortex-A53: the dot product"
    fi
}

# run_script NAME COMMAND...: a script that prints FAILED lines and ends with "N passed, N failed[, N skipped]"; adds those up.
run_script() {
    local name=$1 log=$builds/script.log p f s line
    shift
    "$@" >"$log" 2>&1
    sed '/^FAILED: /d; $s/^/'"$name"': /' "$log"
    read -r p f s < <(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p' "$log")
    if [ "$((${p:-0} + ${f:-0} + ${s:-0}))" = 0 ]; then
        fail "$name: nothing was compared"
        return
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
    while read -r line; do failures+=("$name: $line"); done < <(sed -n 's/^FAILED: //p' "$log")
}

# The same recordings, models and seeds on every tier of every build: byte for byte the same. (Leaks on this way the
# sanitizers' build looks for, in infer_numbers and train.)
same_bits() {
    local name built=()
    for name in gcc clang pthreads aarch64; do
        [ ! -x "$builds/$name/tools/infer" ] || [ ! -x "$builds/$name/tools/train" ] || built+=("$builds/$name")
    done
    run_script "same bits" tests/same_bits.sh "${built[@]}"
}

# ranks MPI LAUNCHER...: training on several processes, in a build with that MPI of which nothing else is made.
ranks() {
    local mpi=$1
    shift
    if ! have "$1" || ! have "mpicc.$mpi"; then skip "$mpi is not there" && return; fi
    targets=tools/train build "$mpi" CC=gcc -- -Dwerror=true -Dtests=disabled -Dmpi=enabled "-Dmpicc=mpicc.$mpi" &&
        run_script "ranks, $mpi" tests/scripts/train_ranks.sh "$builds/$mpi/tools/train" "$builds/gcc/tools/train" "$@" tests
}

# race: many threads on one model under the thread sanitizer: pools on pthreads, since OpenMP's waits are unknown to it; and
# tests/plain, because Criterion's processes are, too.
race() {
    local fixed=(setarch "$host" -R) # older sanitizers do not know all places where Linux puts a program
    "${fixed[@]}" true 2>/dev/null || fixed=()
    targets=tests/test_sharing build race CC=gcc -- -Dwerror=true -Dtests=plain -Dopenmp=disabled \
        -Dbuildtype=debugoptimized -Db_ndebug=true -Db_sanitize=thread -Db_lundef=false || return
    echo 'int main(void) { return 0; }' | gcc -fsanitize=thread -x c - -o $builds/race.probe
    if ! "${fixed[@]}" $builds/race.probe; then skip "the thread sanitizer does not run here" && return; fi
    TSAN_OPTIONS=halt_on_error=1 WLM_TEST_DATA=tests run_script "thread sanitizer" \
        "${fixed[@]}" $builds/race/tests/test_sharing
}

# ---- The run --------------------------------------------------------------------------------------------------------

finish() {
    heading "Result"
    [ ${#failures[@]} -eq 0 ] || printf 'FAILED %s\n' "${failures[@]}"
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line+=", $skipped skipped"
    echo "$line"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
    exit
}

heading "Packages"
if have apt-get && have dpkg-query; then install_packages; else echo "no apt-get: using what is there"; fi
name_qemu

heading "Release build with gcc: all tests, once per SIMD tier"
build gcc CC=gcc -- -Dwerror=true -Dtests=enabled && run_tests gcc
[ -z "$quick" ] || finish

# Left out in some builds is what the build cannot change, or what the last step shows to the last bit: that clang's tiers
# and plain threads compute what gcc's do. Under the sanitizers plain C has its conformance and its vocabulary; the units above
# it, in the tiles that AVX2 has too, would take half an hour.
heading "clang: no warnings; the kernels, and the rest with SIMD"
if have clang; then
    build clang CC=clang -- -Dwerror=true -Dtests=enabled && run_tests clang --no-suite once --no-suite portable_units
else
    skip "clang is not there"
fi

heading "Address and undefined-behaviour sanitizers, assertions on"
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
build sanitize CC=gcc -- -Dwerror=true -Dtests=enabled -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
    -Db_lundef=false && run_tests sanitize --timeout-multiplier 4 --no-suite portable_units

heading "Thread sanitizer: many threads on one model"
race

heading "Without OpenMP: plain threads, on one tier, all but the kernels, which have none"
build pthreads CC=gcc -- -Dwerror=true -Dtests=enabled -Dopenmp=disabled &&
    run_tests pthreads --no-suite kernels --no-suite once --no-suite portable_units --no-suite further_units

heading "aarch64 under qemu: the unit tests and conformance on NEON"
if [ "$host" = aarch64 ]; then
    echo "this machine is one: done above"
elif have aarch64-linux-gnu-gcc && have qemu-aarch64-static; then
    build aarch64 -- --cross-file tests/cross/aarch64.ini -Dwerror=true -Dtests=plain &&
        run_tests aarch64 --timeout-multiplier 4 && old_arm
else
    skip "aarch64: cross compiler or qemu is not there"
fi

heading "x86 without AVX, under qemu"
if [ "$host" != x86_64 ]; then
    echo "this machine is no x86-64"
elif have qemu-x86_64-static; then
    old_cpu
else
    skip "old x86: qemu is not there"
fi

# As root Open MPI wants to be told so; more ranks than CPUs, too. What it has to kill has nothing to tidy up.
heading "Training on several processes, with Open MPI and with MPICH"
if [ -x $builds/gcc/tools/train ]; then
    ranks openmpi mpirun.openmpi --allow-run-as-root --oversubscribe --bind-to none --mca odls_base_sigkill_timeout 0
    ranks mpich mpirun.mpich
else
    skip "train is not part of the build"
fi

heading "The same bits on every tier and build"
if [ -x $builds/gcc/tools/infer ]; then same_bits; else skip "infer is not part of the build"; fi

finish
