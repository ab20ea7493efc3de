#!/usr/bin/env bash
# The benchmarks as scripts rely on them: the keys of every line and what must hold between them. Nothing here is about how
# fast anything is.
#
#   bench.sh BENCH TESTS    TESTS: this folder
set -u
bench=$(realpath "$1") tests=$(realpath "$2")
. "$tests/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# value KEY FILE: the values of "KEY" in FILE's lines that have it.
value() { sed -n "s/.*\"$1\": \([^,}]*\).*/\1/p" "$2"; }

# lines FILE COUNT KEY...: FILE has COUNT lines, each an object with all the keys.
lines() {
    local file=$1 count=$2 key
    shift 2
    [ "$(grep -c '^{.*}$' "$file")" = "$count" ] && [ "$(wc -l <"$file")" = "$count" ] || return 1
    for key; do [ "$(value "$key" "$file" | wc -l)" = "$count" ] || return 1; done
}

# all FILE KEY CONDITION: CONDITION (awk, of v) holds for every value of KEY, of which there is one.
all() { value "$2" "$1" | awk '{ v = $1 + 0; if ($1 !~ /^[0-9]/ || !('"$3"')) bad = 1 } END { exit bad || NR == 0 }'; }

common=(bench engine precision threads seconds_audio time_s time_min_s gflops peak_gflops share_of_peak max_error)
network=(model batch x_realtime work_gflop peak_bytes)
run() { "$bench" --json --threads 2 --repeats 2 --seconds 0.2,0.4 "$@" 2>err; }

mkdir bare
cp "$tests/golden/base/config.json" bare
for model in "$tests/golden/large" "$tests/golden/odyssey" "$tests/golden/variants/emotion_conditioned" bare; do
    name=$(basename "$model")
    check "$name: model" run model "$model" >model.json
    check "$name: keys of model" lines model.json 2 "${common[@]}" "${network[@]}"
    check "$name: the last state is the scalar tier's" all model.json max_error 'v < 1e-4'
    check "$name: time" all model.json time_s 'v > 0'
    check "$name: work" all model.json work_gflop 'v > 0'
    check "$name: lengths" [ "$(value seconds_audio model.json | tr '\n' ' ')" = "0.2 0.4 " ]
    check "$name: train" run --batch 2 train "$model" >train.json
    check "$name: keys of train" lines train.json 2 "${common[@]}" "${network[@]}" checkpoint_layers train_feature_encoder \
        forward_backward_s
    check "$name: whole steps take longer" all train.json time_s 'v > 0'
    check "$name: memory" all train.json peak_bytes 'v > 1e6'
    check "$name: both utterances" [ "$(value seconds_audio train.json | tr '\n' ' ')" = "0.4 0.8 " ]
done
check "train: checkpointed layers and the feature encoder" run --checkpoint-layers --train-feature-encoder train bare \
    >train.json
check "train: says so" [ "$(value checkpoint_layers train.json | sort -u) $(value train_feature_encoder train.json | sort -u)" = \
    "true true" ]
check "text" "$bench" --seconds 0.2 --repeats 1 --threads 1 model bare >text 2>err
check "text: one line" [ "$(grep -c '^model .*real time' text)" = 1 ]
check "gemm" "$bench" --json --threads 1 gemm 8x16x32 >gemm.json 2>err
check "gemm: keys" lines gemm.json 1 "${common[@]}" shape gbytes_s
check "gemm: error" all gemm.json max_error 'v < 1e-5'

# refused STATUS PATTERN ARGUMENTS...
refused() {
    local status=$1 pattern=$2
    shift 2
    "$bench" "$@" >out 2>err
    [ $? = "$status" ] && [ ! -s out ] && grep -q "$pattern" err
}
check "a length that is none" refused 1 'seconds.*found 1,x' --seconds 1,x model bare
check "no frame in it" refused 2 'at least 400' --seconds 0.01 train bare
check "no such model" refused 2 'none' model "$folder/none"
check "no such command" refused 1 'expected gemm, ops, model or train' speed
check "no such tier" refused 1 'sse9' --cpu sse9 gemm
finish
