#!/usr/bin/env bash
# The benchmarks as scripts rely on them: the keys of every line and what must hold between them. Nothing here is about how
# fast anything is.
#
#   bench.sh BENCH TESTS    TESTS: this folder
set -u
bench=$(realpath "$1") tests=$(realpath "$2")
. "$tests/scripts/checks.sh"
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

common=(bench engine precision threads seconds_audio time_s time_min_s quiet_time_s calls quiet_calls gflops peak_gflops
    peak_precision share_of_peak quiet_share_of_peak gbytes_s max_error)
network=(model batch x_realtime work_gflop peak_bytes)
run() { "$bench" --quick --json --threads 2 --repeats 2 --seconds 0.2,0.4 "$@" 2>err; }

mkdir bare
cp "$tests/golden/base/config.json" bare
for model in "$tests/golden/large" "$tests/golden/odyssey" "$tests/golden/variants/emotion_conditioned" bare; do
    name=$(basename "$model")
    check "$name: model" run model "$model" >model.json
    check "$name: keys of model" lines model.json 2 "${common[@]}" "${network[@]}"
    check "$name: the last state is the specification's" all model.json max_error 'v < 1e-4'
    check "$name: time" all model.json time_s 'v > 0'
    check "$name: work" all model.json work_gflop 'v > 0'
    check "$name: lengths" [ "$(value seconds_audio model.json | tr '\n' ' ')" = "0.2 0.4 " ]
    check "$name: train" run --batch 2 train "$model" >train.json
    check "$name: keys of train" lines train.json 2 "${common[@]}" "${network[@]}" checkpoint_layers train_feature_encoder \
        forward_backward_s
    check "$name: gradients are the specification's" all train.json max_error 'v < 1e-4'
    check "$name: whole steps take longer" all train.json time_s 'v > 0'
    check "$name: memory" all train.json peak_bytes 'v > 1e6'
    check "$name: both utterances" [ "$(value seconds_audio train.json | tr '\n' ' ')" = "0.4 0.8 " ]
done
check "train: checkpointed layers and the feature encoder" run --checkpoint-layers --train-feature-encoder train bare \
    >train.json
check "train: says so" [ "$(value checkpoint_layers train.json | sort -u) $(value train_feature_encoder train.json | sort -u)" = \
    "true true" ]
check "text" "$bench" --quick --seconds 0.2 --repeats 1 --threads 1 model bare >text 2>err
check "text: one line" [ "$(grep -c '^model .*quiet [01] of 1 .*real time' text)" = 1 ]

# A quiet call is a call, and a time of quiet calls needs three of them.
quiet_is_sane() {
    paste -d ' ' <(value calls "$1") <(value quiet_calls "$1") <(value quiet_time_s "$1") | awk '
        { if ($1 < 1 || $2 > $1 || ($2 < 3) != ($3 == "null")) bad = 1 }
        END { exit bad || NR == 0 }'
}
check "model: quiet calls" quiet_is_sane model.json
for kind in nt nn tn; do
    for precision in f32 bf16; do
        check "gemm $kind $precision" "$bench" --quick --json --threads 1 --kind $kind --precision $precision gemm 8x16x32 \
            37x65x129 >gemm.json 2>err
        check "gemm $kind $precision: keys" lines gemm.json 2 "${common[@]}" shape kind
        check "gemm $kind $precision: kind" [ "$(value kind gemm.json | sort -u)" = "\"$kind\"" ]
        check "gemm $kind $precision: precision" [ "$(value precision gemm.json | sort -u)" = "\"$precision\"" ]
        if [ $precision = f32 ]; then check "gemm $kind f32: error" all gemm.json max_error 'v < 1e-5'
        else check "gemm $kind bf16: error" all gemm.json max_error 'v > 1e-4 && v < 2e-2'; fi
        check "gemm $kind $precision: quiet calls" quiet_is_sane gemm.json
    done
done
check "gemm int8" "$bench" --quick --json --threads 1 --kind all --precision int8 gemm 37x65x129 >gemm.json 2>err
check "gemm int8: the forward product alone" lines gemm.json 1 "${common[@]}" shape kind
check "gemm int8: error" all gemm.json max_error 'v > 1e-4 && v < 5e-2'
check "gemm: lists" "$bench" --quick --json --threads 1,2 --kind all --precision f32,bf16 gemm 8x16x32 >gemm.json 2>err
check "gemm: lists give every combination" lines gemm.json 12 "${common[@]}"
check "gemm: threads" [ "$(value threads gemm.json | tr -d '\n')" = 111222111222 ]
check "gemm: overlapping rows" "$bench" --quick --json --threads 1 --kind all gemm 16x8x32/8 >gemm.json 2>err
check "gemm: overlapping rows have no gradient here" lines gemm.json 1 "${common[@]}" kind
check "ops" "$bench" --quick --json ops gelu layer_norm adamw >ops.json 2>err
check "ops: keys" lines ops.json 3 "${common[@]}" shape
check "ops: error" all ops.json max_error 'v < 1e-5'
check "ops: quiet calls" quiet_is_sane ops.json

# Roofline: shares and work of all ops make those of the whole pass.
roof=(bench engine model op shape precision threads batch seconds_audio passes calls quiet_calls time_s quiet_time_s share_of_time
    work_gflop work_bytes gflops gbytes_s peak_gflops stream_gbytes_s bound bound_s distance quiet_distance)
for model in "$tests/golden/large" "$tests/golden/odyssey" bare; do
    name=$(basename "$model")
    check "$name: roofline" "$bench" --quick --json --threads 2 --seconds 0.5 roofline "$model" >roof.json 2>err
    check "$name: keys of roofline" lines roof.json "$(wc -l <roof.json)" "${roof[@]}"
    check "$name: ops of roofline" [ "$(grep -cE '"op": "(attention|feature encoder|positional convolution|feed-forward up)"' \
        roof.json)" = 4 ]
    check "$name: layers" [ "$(grep '"op": "attention"' roof.json | value calls /dev/stdin)" -gt 1 ]
    check "$name: every op has a bound" all roof.json bound_s 'v > 0'
    head -n -1 roof.json >ops.json
    tail -n 1 roof.json >whole.json
    check "$name: the whole" [ "$(value op whole.json)" = '"whole"' ]
    check "$name: what ops do not explain" lines whole.json 1 sum_of_ops_s rest_s
    check "$name: work of all ops" awk -v whole="$(value work_gflop whole.json)" \
        '{ sum += $1 } END { d = sum / whole - 1; exit !(d < 1e-4 && -d < 1e-4) }' <(value work_gflop ops.json)
    check "$name: as much work as model counts" run --seconds 0.5 model "$model" >model.json
    check "$name: nearly the same" awk -v model="$(value work_gflop model.json)" \
        '{ d = $1 / model - 1; exit !(d < 0.02 && -d < 0.02) }' <(value work_gflop whole.json)
done
check "roofline: text" "$bench" --quick --threads 1 --seconds 0.5 roofline bare >text 2>err
check "roofline: a table" [ "$(grep -cE '^\| (op|---|all ops|rest|whole pass) ' text)" = 5 ]

check "table" "$bench" --quick --repeats 1 --seconds 0.2,0.4 --threads 1,2 model bare "$tests/golden/large" >text 2>err
check "table: two models" [ "$(grep -c '^WavLM .*wavlm.c [0-9]' text)" = 2 ]
check "table: columns" [ "$(grep -c '^| audio | f32, 1 thread | f32, 2 threads |$' text)" = 2 ]
check "table: rows" [ "$(grep -cE '^\| 0\.[24] s \| [0-9.e-]+ s, [0-9.]+ x, [0-9]+ % \| [0-9.e-]+ s, ' text)" = 4 ]
check "table: errors and memory" [ "$(grep -cE '^\| (largest error|memory) ' text)" = 4 ]
check "table: precisions" "$bench" --quick --repeats 1 --seconds 0.2 --threads 1 --precision f32,int8 model bare >text 2>err
check "table: a column each" [ "$(grep -c '^| audio | f32, 1 thread | int8, 1 thread |$' text)" = 1 ]
check "train: bf16" run --precision bf16 train bare >train.json
check "train: gradients near f32's" all train.json max_error 'v > 1e-4 && v < 0.1'
check "table: of one column" "$bench" --quick --markdown --repeats 1 --seconds 0.2 --threads 1 model bare >text 2>err
check "table: one row" [ "$(grep -c '^| 0.2 s ' text)" = 1 ]
for precision in f32 bf16 int8; do
    check "$precision: model" run --precision $precision model bare >model.json
    check "$precision: says so" [ "$(value precision model.json | sort -u)" = "\"$precision\"" ]
    check "$precision: near f32" all model.json max_error 'v < 0.1'
done
check "quality" "$bench" --json quality "$tests/golden/hf_sequence_classification" >quality.json 2>err
check "quality: scores, and four hidden states, of bf16 and int8" [ "$(value precision quality.json | uniq -c | xargs)" = \
    '5 bf16 5 int8' ]
check "quality: clips" all quality.json clips 'v == 7'
check "quality: states" all quality.json cosine_least 'v > 0.99 && v < 1.0001'
check "quality: their mean is no less" [ "$(value cosine_mean quality.json | wc -l)" = 8 ]
check "quality: scores change" all quality.json max_score_change 'v > 0 && v < 0.1'
check "quality: labels that mean nothing to the model" [ "$(value labelled quality.json | sort -u)" = 0 ]
check "quality: a backbone, one precision" "$bench" --json --precision int8 quality bare >quality.json 2>err
check "quality: states alone" [ "$(value precision quality.json | uniq -c | xargs)" = '4 int8' ]

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
check "no such command" refused 1 'expected gemm, ops, model' speed
check "no such precision" refused 1 'precision.*found f32,f16' --precision f32,f16 gemm 8x8x8
check "no precision at all" refused 1 'precision' --precision f32, gemm 8x8x8
check "no such number of threads" refused 1 'threads.*found 1,two' --threads 1,two gemm 8x8x8
check "a table of products" refused 1 'markdown' --markdown gemm 8x8x8
check "kernels in bf16" refused 1 'ops measures f32' --precision bf16 ops gelu
check "training in int8" refused 1 'a training.s are f32 and bf16' --precision int8 train bare
check "nothing to compare" refused 1 'compares bf16 and int8' --precision f32 quality bare
check "no such tier" refused 1 'sse9' --cpu sse9 gemm
finish
