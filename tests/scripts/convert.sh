#!/usr/bin/env bash
# convert, and infer, inspect and train on what it writes, as scripts meet them. (The numbers of every model: tests/model/convert.c.)
#
#   convert.sh CONVERT INFER INSPECT TRAIN TESTS    TESTS: this folder
set -u
convert=$(realpath "$1") infer=$(realpath "$2") inspect=$(realpath "$3") train=$(realpath "$4") tests=$(realpath "$5")
. "$tests/scripts/checks.sh"
enter_scratch
model=$tests/golden/hf_sequence_classification
cp "$tests"/data/*.wav .
program=convert

run() { # run PROGRAM ARGUMENTS...: the result in out and err, its exit status in $status
    local file=$1
    shift
    program=$(basename "$file")
    "$file" "$@" >out 2>err </dev/null
    status=$?
}
rows() { # rows WHAT ARGUMENTS...: infer's result in the file WHAT
    local what=$1
    shift
    "$infer" --quiet "$@" ./*.wav >"$what" 2>err
}

# ---- Usage -------------------------------------------------------------------------------------------------------------
run "$convert" --help; ends 0 '' "--help"
run "$convert"; ends 1 'expected --precision' "no arguments"
run "$convert" --model "$model" --out o; ends 1 '--precision' "no precision"
run "$convert" --model "$model" --precision int4 --out o; ends 1 'f32|bf16|int8' "an unknown precision"
run "$convert" --model "$model" --precision int8 --out o extra; ends 1 'expected' "an operand"
run "$convert" --model "$model" --precision int8 --out o --cpu sse9; ends 1 'sse9' "an unknown tier"
run "$convert" --model none --precision int8 --out o; ends 2 'none' "no model"
run "$convert" --model "$model" --precision int8 --out none/o; ends 3 'none/o' "a folder in a folder that is not there"
check "nothing was written" [ ! -e o ]
cp -r "$model" mine && before=$(cksum mine/*)
run "$convert" --model mine --precision int8 --out ./mine/../mine; ends 1 'overwritten' "onto the model itself"
run "$convert" --model mine/model.safetensors --precision int8 --out mine; ends 1 'overwritten' "onto its file"
check "it is what it was" [ "$(cksum mine/*)" = "$before" ]

# ---- Each precision ----------------------------------------------------------------------------------------------------
rows f32.rows --model "$model"
for precision in f32 bf16 int8; do
    run "$convert" --model "$model" --precision $precision --out $precision; ends 0 "$precision" "to $precision"
    check "$precision: three files, no .part" [ "$(ls $precision | tr '\n' ' ')" = \
        "config.json model.safetensors preprocessor_config.json " ]
    check "$precision: config.json says so" grep -q "\"weight_precision\": \"$precision\"" $precision/config.json
    check "$precision: labels" rows want --model "$model" --precision $precision && check "... converted" rows got --model $precision
    check "$precision: the same rows" cmp -s want got
    check "$precision: named as what it is" rows named --model $precision --precision $precision && check "... the same" cmp -s want named
    run "$inspect" $precision; ends 0 '' "inspect $precision"
    check "inspect: $precision" grep -qE "^converted +$precision, panels of [0-9]+ \(version 1\)$" out
    run "$inspect" --json $precision
    check "inspect --json: $precision" grep -q "\"converted\": {\"precision\": \"$precision\", \"panel_width\"" out
    check "again, over itself once more" "$convert" --quiet --model "$model" --precision $precision --out $precision
    # for kernels of another width: slower to open, and the same numbers
    run "$convert" --cpu portable --model "$model" --precision $precision --out narrow; ends 0 portable "$precision for portable kernels"
    run "$infer" --model narrow ./*.wav; ends 0 'repacked' "$precision: the note"
    check "$precision: repacked, the same rows" cmp -s want out
    [ $precision = f32 ] || check "$precision: other numbers than f32's" bash -c '! cmp -s want f32.rows'
done
run "$inspect" --json "$model"
check "inspect --json: not converted" grep -q '"converted": null' out

# ---- Refused -----------------------------------------------------------------------------------------------------------
run "$infer" --model int8 --precision bf16 KD0_anger_54.wav; ends 2 'converted to int8, and bf16' "another precision"
run "$convert" --model int8 --precision f32 --out p; ends 2 'converted to int8, and f32' "converting to another precision"
run "$train" --init int8 --data "$tests/data/list.csv" --out run --epochs 1; ends 2 'int8.*cannot be trained' "training"
cp -r int8 cut && head -c 20000 int8/model.safetensors >cut/model.safetensors
run "$infer" --model cut KD0_anger_54.wav; ends 2 'cut short' "a file that is cut short"
cp -r int8 plain && cp "$model/model.safetensors" plain
run "$infer" --model plain KD0_anger_54.wav; ends 2 'weight_precision' "config.json of a converted model, another checkpoint"
finish
