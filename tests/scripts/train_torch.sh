#!/usr/bin/env bash
# The losses of training runs with all sorts of options, against PyTorch's, and what train says of options that do nothing.
#
#   train_torch.sh TRAIN INFER FIXTURES TESTS    TESTS: this folder
#
# data/train_losses.txt has a run a line, "backbone head options = losses": a plain float64 PyTorch implementation
# (torch.optim.AdamW, cross_entropy, clip_grad_norm_, the schedules of transformers) on the list below.
set -u
train=$(realpath "$1") infer=$(realpath "$2") fixtures=$(realpath "$3") tests=$(realpath "$4")
. "$tests/scripts/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

list() {
    cat <<END
file,gender,emotion,LABEL_0,LABEL_1,LABEL_3,LABEL_5
0.wav,male,LABEL_3,0,1,4,0
1.wav,female,LABEL_1,1,3,0,1
2.wav,male,LABEL_3,2,2,3,1
1.wav,male,LABEL_5,0,0,1,5
0.wav,female,LABEL_3,0,0,1,0
2.wav,female,LABEL_1,1,1,0,1
1.wav,male,LABEL_0,5,1,1,1
END
}
# numbers KEY FILE: the values of "KEY" in FILE's lines that have it, in one line.
numbers() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$2" | paste -sd ' '; }

# near WANTED FOUND TOLERANCE: as many numbers in both, and none further apart.
near() {
    awk -v wanted="$1" -v found="$2" -v tolerance="$3" 'BEGIN {
        n = split(wanted, a, " ")
        bad = n == 0 || n != split(found, b, " ")
        for (i = 1; i <= n && !bad; i++)
            if (b[i] !~ /^-?[0-9]/ || !(a[i] - b[i] <= tolerance && b[i] - a[i] <= tolerance)) bad = 1
        exit bad
    }'
}

# ---- Losses --------------------------------------------------------------------------------------------------------------
runs=0
while read -r backbone head rest; do
    here=$backbone.$head
    options=${rest%% = *} losses=${rest##* = }
    if [ ! -d "$here" ]; then
        mkdir "$here"
        "$fixtures" emotion "$tests/golden/$backbone" "$tests/golden/$backbone/$head.safetensors" "$here"
    fi
    list >"$here/list.csv"
    text=()
    [ -e "$here/text.safetensors" ] && text=(--text-embeddings "$here/text.safetensors")
    runs=$((runs + 1))
    # the options are words of their own
    # shellcheck disable=SC2086
    check "$here $options: exit status" "$train" --init "$here/model" --data "$here/list.csv" --out "$runs" --no-shuffle \
        --dropout 0 --quiet "${text[@]}" $options
    check "$here $options: PyTorch's losses" near "$losses" "$(numbers loss "$runs/metrics.jsonl")" 2e-4
done <"$tests/data/train_losses.txt"
check "runs" [ "$runs" = 8 ]

# Votes alone count: that no recording has LABEL_0 for its emotion changes nothing.
line=$(grep -- --soft-labels "$tests/data/train_losses.txt" | grep '^large ser_attention ')
options=${line%% = *}
list | sed 's/LABEL_0,5,/LABEL_5,5,/' >large.ser_attention/list.csv
# shellcheck disable=SC2086
check "votes for a class without recordings" "$train" --init large.ser_attention/model --data large.ser_attention/list.csv \
    --out votes --no-shuffle --dropout 0 --quiet ${options#large ser_attention }
check "votes for a class without recordings: losses" near "${line##* = }" "$(numbers loss votes/metrics.jsonl)" 2e-4

# ---- Rates ---------------------------------------------------------------------------------------------------------------
train() {
    "$train" --init base.ser_std/model --data base.ser_std/list.csv --batch-size 4 --dropout 0 --lr 1 --clip 1e-9 "$@"
}
rates() { near "$1" "$(numbers lr "$2/metrics.jsonl")" 1e-6; }
check "linear" train --out linear --steps 8 --schedule linear --warmup 2 --quiet
check "linear: transformers' rates" rates "0 0.5 1 0.8333333 0.6666667 0.5 0.3333333 0.1666667" linear
check "share" train --out share --epochs 3 --warmup 0.3 --quiet
check "a share is rounded up" rates "0 0.5 1 1 1 1" share
check "cosine" train --out cosine --steps 4 --schedule cosine --quiet
check "cosine: transformers' rates" rates "1 0.8535534 0.5 0.1464466" cosine
check "a head alone" train --out head --steps 2 --lr 0 --head-lr 1 --weight-decay 0.1 --quiet
states() { "$infer" --model "$1" --features "$2" --gender male --quiet -o "$2.csv" base.ser_std/0.wav; }
check "its states" states head/last after.safetensors
check "the model's states" states base.ser_std/model before.safetensors
check "--lr 0 leaves the backbone as it was" cmp -s before.safetensors after.safetensors
check "--head-lr trains the head all the same" [ "$(cat before.safetensors.csv)" != "$(cat after.safetensors.csv)" ]

# ---- Options that do nothing ---------------------------------------------------------------------------------------------
says() { # says WHAT TEXT OPTIONS...: a run of one step has TEXT among its notes
    local what=$1 text=$2
    shift 2
    rm -rf said
    train --out said --steps 1 "$@" 2>notes
    check "$what" grep -q -- "$text" notes
}
says "a focal loss's option" "--focal-gamma does nothing" --focal-gamma 3
says "a range of attributes" "--attribute-range does nothing" --attribute-range 0:1
says "a noise's option" "--noise-snr does nothing" --noise-snr 0:3
says "a mask's option" "--mask-time-length does nothing" --mask-time-length 4
says "a crop" "3 recordings to train on are longer than 0.6 s" --crop 0.6
finish
