#!/usr/bin/env bash
# The numbers of the whole program, from files to rows: the golden logits, and the same bytes for any number of threads
# and in any company.
#
#   infer_numbers.sh INFER FIXTURES TESTS    TESTS: this folder
#
# With WLM_CPU naming a tier that the CPU lacks it exits with 77, which counts as skipped.
set -u
infer=$(realpath "$1") fixtures=$(realpath "$2") tests=$(realpath "$3")
. "$tests/scripts/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
model=$tests/golden/hf_sequence_classification

"$infer" --model "$model" "$tests/data/IC0_surprised_3.wav" >out 2>err
if grep -q '^infer: CPU tier .* is not available here' err; then
    cat err
    exit 77
fi

# same_logits ROWS LOGITS: JSON rows hold the logits of the lines of LOGITS, within 1e-4; none missing, none NaN.
same_logits() {
    sed -n 's/.*"logits": \[\([^]]*\)\].*/\1/p' "$1" | tr -d , | paste -d '|' - "$2" | awk -F '|' '
        {
            n = split($1, got, " "); m = split($2, want, " ")
            if (n != m || n < 2) bad = 1
            for (i = 1; i <= m; i++) {
                d = got[i] - want[i]
                if (got[i] !~ /^-?[0-9]/ || !(d <= 1e-4 && -d <= 1e-4)) bad = 1
                compared++
            }
        }
        END { exit bad || NR < 2 || !compared }'
}

# ---- Golden logits -----------------------------------------------------------------------------------------------------
for name in hf_sequence_classification odyssey; do
    mkdir "$name"
    check "$name: recordings" "$fixtures" expected "$tests/golden/$name/expected.safetensors" "$name"
    "$infer" --model "$tests/golden/$name" --format jsonl --logits "$name" >out 2>err
    check "$name: exit status" [ $? = 0 ]
    check "$name: golden logits" same_logits out "$name/logits.txt"
done
for backbone in large base; do
    for head in mean std attention attentive_std; do
        name=$backbone.$head
        mkdir "$name"
        check "$name: model and recordings" "$fixtures" emotion "$tests/golden/$backbone" \
            "$tests/golden/$backbone/ser_$head.safetensors" "$name"
        text=()
        [ ! -f "$name/text.safetensors" ] || text=(--text-embeddings "$name/text.safetensors")
        "$infer" --model "$name/model" --format jsonl --logits ${text[@]+"${text[@]}"} "$name/list.csv" >out 2>err
        check "$name: exit status" [ $? = 0 ]
        check "$name: golden logits" same_logits out "$name/logits.txt"
    done
done

# ---- The same bytes ----------------------------------------------------------------------------------------------------
"$infer" --model "$model" --logits --threads 1 "$tests/data/list.csv" >one 2>err
check "seven recordings are labelled" [ "$(grep -c '^[A-Z0-9]*_.*,$' one)" = 7 ]
for threads in 2 5; do
    "$infer" --model "$model" --logits --threads $threads "$tests/data/list.csv" >out 2>err
    check "$threads threads: the same bytes" cmp -s one out
done
"$infer" --model "$model" --logits "$tests"/data/*.wav >together 2>err
head -n 1 together >apart
for wav in "$tests"/data/*.wav; do "$infer" --model "$model" --logits "$wav" 2>err | tail -n 1 >>apart; done
check "alone and together: the same bytes" cmp -s together apart
# shellcheck disable=SC2046 # names without spaces
"$infer" --model "$model" --logits $(ls -r "$tests"/data/*.wav) >reversed 2>err
check "in another order: the same bytes" cmp -s <(sort together) <(sort reversed)
for threads in 1 3; do
    "$infer" --model "$model" --threads $threads --features f$threads.safetensors "$tests"/data/*.wav >out 2>err
done
check "features: the same bytes for 1 and 3 threads" cmp -s f1.safetensors f3.safetensors

finish
