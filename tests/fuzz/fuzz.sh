#!/usr/bin/env bash
# Fuzzes the readers of untrusted files with clang's libFuzzer under address and undefined-behaviour sanitizers.
#
#   tests/fuzz/fuzz.sh [SECONDS]    seconds for each of the targets (30)
#
# Builds into a temporary folder; inputs that crash are copied to ./fuzz-crashes.
set -eu
seconds=${1:-30}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
golden=$root/tests/golden
failed=0 passed=0

mkdir -p "$work/json" "$work/checkpoint" "$work/pickle" "$work/segments" "$work/crashes"
cp "$golden"/large/config.json "$work/json/"
# seeds: headers and pickles alone, as mutating hundreds of kilobytes of numbers teaches nothing
for f in "$golden"/*/model.safetensors; do
    head -c 4000 "$f" | tail -c +9 >"$work/json/$(basename "$(dirname "$f")").header"
done
printf '\x40\0\0\0\0\0\0\0{"t":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}        01234567' >"$work/checkpoint/a.safetensors"
# converted NAME PRECISION TENSORS: a converted file of one weight, 96 bytes
converted() {
    local header='{"__metadata__":{"format":"wavlm.c panels","version":"1","precision":"'$2'","panel_width":"8"},'$3'}'
    {
        printf "\\x$(printf %02x $((${#header} & 255)))\\x$(printf %02x $((${#header} >> 8)))\\0\\0\\0\\0\\0\\0"
        printf '%s%096d' "$header" 0
    } >"$work/checkpoint/$1.safetensors"
}
converted bf16 bf16 '"a.panels":{"dtype":"BF16","shape":[1,3,8,2],"data_offsets":[0,96]}'
converted int8 int8 '"a.panels":{"dtype":"I8","shape":[1,1,8,4],"data_offsets":[0,32]},'\
'"a.scale":{"dtype":"F32","shape":[8],"data_offsets":[32,64]},'\
'"a.correction":{"dtype":"I32","shape":[8],"data_offsets":[64,96]}'
if command -v unzip >/dev/null; then
    for d in base large; do
        unzip -p "$golden/$d/wavlm_original.pt" '*/data.pkl' >"$work/pickle/$d"
    done
fi
printf '\x80\x02}(X\x01\0\0\0tctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0' >"$work/pickle/a"
printf '0X\x03\0\0\0cpuK\x10tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtRX\x01\0\0\0x]q\x01(K\x01h\x01eu.' >>"$work/pickle/a"

# segments: the first byte is the format
printf '1file,start,end,text\n"a,b",0 days 00:00:01,2.5,"x"\n' >"$work/segments/csv"
printf '3SPEAKER call 1 10.50 0.1 <NA> <NA> Ann 0.9 <NA>\nLEXEME call\n' >"$work/segments/rttm"
printf '40.0\t1.5\thello\n\\\t1\t2\n' >"$work/segments/labels"
printf '5"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "t" 0 1 1 0 1 "a ""b"""' >"$work/segments/textgrid"
printf '6WEBVTT\n\nNOTE x\n\na\n00:01.000 --> 00:02.500\n<v Ann>Yes &amp; <i>no</i>\nb\n' >"$work/segments/vtt"
printf '71\n00:00:01,000 --> 00:00:02,500\n<i>Yes</i>\n{\\an8}b\n2\n' >"$work/segments/srt"

# run NAME SOURCE SEEDS FLAGS...
run() {
    local name=$1 source=$2 seeds=$3
    shift 3
    clang -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I"$root" "$@" \
        "$root/tests/fuzz/$source" "$root"/weights/*.c "$root"/weights/torch/*.c \
        "$root"/engine/{memory,error,gemm/precision}.c -lm -o "$work/fuzz_$name"
    if "$work/fuzz_$name" -max_total_time="$seconds" -max_len=20000 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/crashes/$name-" "$work/$seeds" >"$work/$name.log" 2>&1; then
        passed=$((passed + 1))
        printf '%s: %s\n' "$name" "$(grep -E 'number_of_executed_units' "$work/$name.log" | tr -s ' ')"
    else
        failed=$((failed + 1))
        tail -40 "$work/$name.log"
    fi
}

run json json.c json
# the builders of tests/support/files.c report failures through Criterion
run checkpoint checkpoint.c checkpoint "$root/tests/support/files.c" -lcriterion
run pickle checkpoint.c pickle -DFUZZ_PICKLE "$root/tests/support/files.c" -lcriterion
run segments segments.c segments "$root"/tools/common/segments/*.c "$root"/tools/common/{table,text,whole_file}.c
if [ -n "$(ls -A "$work/crashes")" ]; then
    mkdir -p fuzz-crashes
    cp "$work"/crashes/* fuzz-crashes/
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
