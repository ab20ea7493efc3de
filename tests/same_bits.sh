#!/usr/bin/env bash
# The same bits everywhere: what infer and train of several builds, on every CPU tier of each, make of the same recordings,
# models and seeds, compared byte for byte.
#
#   same_bits.sh [--infer | --train] BUILD...    BUILD: a build folder; one for aarch64 runs under qemu
#
# The reference is the first build on its first tier below; every other run must give its rows and hidden states, or its
# models, state (parameters, moments, average) and metrics. No byte is left out: metrics.jsonl has no times. Slow tiers
# run a part of the list, which the reference then runs too. SAME_BITS_KEEP=FOLDER keeps what differs.
#
# The last line is "N passed, N failed[, N skipped]"; exit status 0 when nothing failed and something was compared.
set -u
tests=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
. "$tests/scripts/checks.sh"
export LC_ALL=C OMP_WAIT_POLICY=passive
unset WLM_CPU WLM_MODEL

what=both
case ${1-} in
--infer | --train) what=${1#--} && shift ;;
-*) set -- ;;
esac
[ $# -gt 0 ] || { echo "usage: same_bits.sh [--infer | --train] BUILD..." >&2 && exit 2; }
builds=()
for build in "$@"; do builds+=("$(realpath "$build")") || exit 2; done
keep=${SAME_BITS_KEEP:+$(mkdir -p "$SAME_BITS_KEEP" && realpath "$SAME_BITS_KEEP")}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir recordings models out results
jobs=$(nproc 2>/dev/null || echo 2)

# ---- Builds and their tiers -----------------------------------------------------------------------------------------------
# foreign BUILD: made for another kind of CPU, by the machine in the ELF header (183: aarch64)
foreign() {
    local machine
    machine=$(od -An -t u2 -j 18 -N 2 "$1/tools/infer" | tr -d ' ')
    [ "$machine" = 183 ] && [ "$(uname -m)" != aarch64 ]
}
# run BUILD TIER PROGRAM ARGUMENTS...
run() {
    local build=$1 tier=$2 program=$3 emulator=()
    shift 3
    ! foreign "$build" || emulator=(qemu-aarch64-static -L /usr/aarch64-linux-gnu)
    WLM_CPU=$tier "${emulator[@]}" "$build/tools/$program" "$@" </dev/null
}
# has_tier BUILD TIER: the build has it and the CPU can run it.
has_tier() { run "$1" "$2" infer --quiet --model "$tests/../weights/default" "$tests/data/IC0_surprised_3.wav" >tier 2>&1; }
# tiers BUILD: the fast ones that run here; then, with a part of what a CPU can do left out, for int8.
tiers() {
    local tier
    for tier in avx2 avx512 neon; do ! has_tier "$1" $tier || echo $tier; done
}
lesser_tiers() {
    local tier
    for tier in avx512-amx avx512-amx-vnni neon-dotprod; do ! has_tier "$1" $tier || echo $tier; done
}
name_of() { echo "${1##*/} $2"; } # name_of BUILD TIER

# ---- Jobs: as many at a time as there are CPUs; each leaves lines "ok" or "FAILED: ..." in a file of its own ---------------
job=0
start() { # start COMMAND...
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    job=$((job + 1))
    "$@" >"results/$(printf %05d $job)" 2>&1 &
}
collect() { # waits for all, counts and prints what failed
    local line
    wait
    while read -r line; do
        case $line in
        ok) ok ;;
        "FAILED: "*) bad "${line#FAILED: }" ;;
        *) echo "$line" ;;
        esac
    done < <(cat results/* 2>/dev/null)
    rm -f results/*
}
# same WHAT WANTED FOUND HOW: the verdict on two files; HOW, one of those below, says what differs
same() {
    local name missing=
    if cmp -s "$2" "$3" && [ -s "$2" ]; then echo ok && return; fi
    [ -s "$2" ] && [ -s "$3" ] || missing='a file is missing or empty; '
    echo "FAILED: $1: $missing$($4 "$2" "$3" 2>&1)"
    [ "$keep" ] || return
    name=$keep/$(tr -c 'a-z0-9.\n-' _ <<<"$1")
    cp "$3" "$name" && cp "$2" "$name.wanted"
}
differ() { [[ $(keep='' same '' "$1" "$2" unlike_bytes) == FAILED* ]]; } # differ A B: by the same judge
# unlike_rows WANTED FOUND: how many rows differ, and by how much their logits
unlike_rows() {
    paste "$1" "$2" | awk -F '\t' '
        function logits(row, to) { sub(/.*"logits": \[/, "", row); sub(/\].*/, "", row); return split(row, to, ", ") }
        $1 != $2 {
            rows++
            if (!first) { first = $1; sub(/^{"file": "/, "", first); sub(/".*/, "", first) }
            n = logits($1, a); logits($2, b)
            for (i = 1; i <= n; i++) { d = a[i] - b[i]; if (d < 0) d = -d; if (d > most) most = d }
        }
        END { printf "%d of %d rows differ, logits by up to %.2g, the first is %s\n", rows, NR, most, first }'
}
unlike_bytes() { cmp -l "$1" "$2" | awk 'NR == 1 { first = $1 } END { print NR " bytes differ, the first is " first }'; }
unlike_lines() { diff "$1" "$2" | awk '/^</ { n++ } NR == 2 { first = $0 } END { print n " lines differ, first: " first }'; }

# ---- infer ----------------------------------------------------------------------------------------------------------------
# label OUT BUILD TIER LIST MODEL PRECISION: rows and hidden states of the recordings of LIST; status: 0 or 3, some too short
label() {
    local out=$1 model=models/$5 text=()
    [ ! -e "models/$5.text" ] || text=(--text-embeddings "models/$5.text")
    run "$2" "$3" infer --model "$model" --precision "$6" --format jsonl --logits --features "$out.safetensors" --threads 2 \
        "${text[@]}" --quiet -o "$out.jsonl" "$4.csv" 2>"$out.err"
    case $? in
    0 | 3) ;;
    *) echo "FAILED: $5 in $6, $(name_of "$2" "$3"), $4: $(tail -n 1 "$out.err")" ;;
    esac
}
reference_label() { label "out/reference.$1.$2.$3" "${builds[0]}" "$reference" "$1" "$2" "$3"; }
compare_label() { # compare_label BUILD TIER LIST MODEL PRECISION
    local out want=out/reference.$3.$4.$5
    out=out/$(tr -c 'a-z0-9\n' _ <<<"$*")
    label "$out" "$1" "$2" "$3" "$4" "$5"
    same "$4 in $5, $3, $(name_of "$1" "$2"): rows" "$want.jsonl" "$out.jsonl" unlike_rows
    same "$4 in $5, $3, $(name_of "$1" "$2"): states" "$want.safetensors" "$out.safetensors" unlike_bytes
    rm -f "$out".*
}
make_model() { # make_model NAME BACKBONE HEAD: a golden emotion model
    local made=made.$1
    mkdir "$made" && "$fixtures" emotion "$tests/golden/$2" "$tests/golden/$2/$3.safetensors" "$made" || return 1
    mv "$made/model" "models/$1"
    [ ! -e "$made/text.safetensors" ] ||
        "$fixtures" text "models/$1.text" 12 "$(sed '1d; s/recordings.//; s/.wav,.*//' all.csv | paste -sd,)"
}
make_lists() {
    local lines
    { echo file,gender && find recordings -name '*.wav' | sort | awk '{ print $0 (NR % 2 ? ",female" : ",male") }'; } >all.csv
    # some: every eighth, the longest two beside them; few: every sixteenth and the second longest
    awk 'NR == 1 || NR % 8 == 5 || /s24_|s33_/' all.csv >some.csv
    awk 'NR == 1 || NR % 16 == 13 || /s24_/' all.csv >few.csv
    for lines in all:107 some:15 few:7; do
        check "recordings: ${lines%:*}" [ "$(sed 1d "${lines%:*}.csv" | wc -l)" -ge "${lines#*:}" ]
    done
}
count() { sed 1d "$1.csv" | wc -l; }

infer_everywhere() {
    local build list model precision file models=(default golden odyssey conditioned described)
    ln -s "$(realpath "$tests/../weights/default")" models/default
    ln -s "$tests/golden/hf_sequence_classification" models/golden
    ln -s "$tests/golden/odyssey" models/odyssey
    check "models" eval 'make_model conditioned base ser_std && make_model described large ser_attentive_std'
    for model in "${models[@]}"; do
        for precision in f32 int8; do
            for list in all some few; do start reference_label $list "$model" $precision; done
        done
    done
    collect
    for model in "${models[@]}"; do
        check "$model: labelled" [ "$(grep -c '"label"' "out/reference.all.$model.f32.jsonl")" -ge 100 ]
        for file in jsonl safetensors; do
            check "$model: int8 is not f32, and that is seen: $file" differ "out/reference.all.$model".{f32,int8}.$file
        done
    done
    for build in "${builds[@]}"; do infer_build "$build" "${models[@]}"; done
    collect
}
infer_build() { # infer_build BUILD MODELS...
    local build=$1 tier model precision list=all lesser fast
    shift
    mapfile -t fast < <(tiers "$build")
    mapfile -t lesser < <(lesser_tiers "$build")
    if foreign "$build"; then list=few; fi
    for model; do
        for precision in f32 int8; do
            for tier in "${fast[@]}"; do start compare_label "$build" "$tier" $list "$model" $precision; done
        done
    done
    if foreign "$build"; then
        for tier in "${lesser[@]}"; do start compare_label "$build" "$tier" few default int8; done
        for precision in f32 int8; do start compare_label "$build" portable few default $precision; done
        echo "infer, ${build##*/} emulated: $(count few) recordings x $# models x f32, int8 on ${fast[*]}; the default" \
            "model in int8 on ${lesser[*]}, in both on portable"
        return
    fi
    list=few
    [ "$build" != "${builds[0]}" ] || list=some
    for model; do
        for tier in "${lesser[@]}"; do start compare_label "$build" "$tier" some "$model" int8; done
        for precision in f32 int8; do start compare_label "$build" portable $list "$model" $precision; done
    done
    echo "infer, ${build##*/}: $(count all) recordings x $# models x f32, int8 on ${fast[*]}; $(count some) x $# models x" \
        "int8 on ${lesser[*]}; $(count $list) x $# models x f32, int8 on portable"
}

# ---- train ----------------------------------------------------------------------------------------------------------------
# Between them: every loss, every pooling, every conditioning, every augmentation, weights that are given and drawn, the CNN
# frozen and trained; and `long`, whose keys are more than one tile of attention's scores.
runs=(everything focal ccc mean scratch long)
options_of() { # options_of RUN: a word a line
    local all="--audio recordings --lr 1e-3 --threads 2 --quiet" data="--data train.csv --crop 0.3"
    local augmented="--gain 6 --noise 0.7 --speed 0.1 --pitch 1 --equalise 6" text="--text-embeddings text.safetensors"
    case $1 in
    everything)
        echo "$all $data $augmented --init base --steps 30 --batch-size 2 --label-smoothing 0.1 --class-weights balanced
            --pooling attention --gender-conditioning multiply --dropout 0.1 --layer-drop 0.2 --feature-dropout 0.1
            --mask-time-prob 0.3 --mask-time-length 3 --mask-feature-prob 0.2 --mask-feature-length 5 --ema 0.9 --clip 1
            --schedule cosine --warmup 0.1 --head-lr 3e-3 --train-feature-encoder --checkpoint-layers"
        ;;
    focal)
        echo "$all $data $augmented --init large --steps 12 --batch-size 2 --accumulate 2 --loss focal --focal-gamma 1.5
            --soft-labels --pooling attentive_std --gender-conditioning mean --dropout 0.1 --mask-time-prob 0.2
            --schedule linear --warmup 2 --train-feature-encoder"
        ;;
    ccc)
        echo "$all $data $text --init large --steps 12 --batch-size 3 --loss ccc --pooling std --noise 1 --ema 0.99 --clip 0.1
            --text-conditioning multiply"
        ;;
    mean)
        echo "$all $data $text --init base --steps 12 --batch-size 3 --soft-labels --pooling mean --text-conditioning mean
            --gender-conditioning mean"
        ;;
    scratch)
        echo "$all $data $augmented --init scratch --steps 12 --batch-size 3 --class-weights balanced --pooling std
            --train-feature-encoder"
        ;;
    long) echo "$all --data long.csv --crop 0 --init base --steps 1 --batch-size 1 --pooling attention --dropout 0.1" ;;
    esac | tr -s ' ' '\n'
}
train_on() { # train_on OUT BUILD TIER RUN
    local options
    mapfile -t options < <(options_of "$4")
    run "$2" "$3" train --out "$1" "${options[@]}" >"$1.err" 2>&1 ||
        echo "FAILED: train $4, $(name_of "$2" "$3"): $(tail -n 1 "$1.err")"
}
reference_train() { train_on "out/reference.$1" "${builds[0]}" "$reference" "$1"; }
compare_train() { # compare_train BUILD TIER RUN
    local out file how want=out/reference.$3
    out=out/$(tr -c 'a-z0-9\n' _ <<<"$*")
    train_on "$out" "$1" "$2" "$3"
    for file in metrics.jsonl state.safetensors best/model.safetensors last/model.safetensors; do
        how=unlike_bytes
        [ $file != metrics.jsonl ] || how=unlike_lines
        same "train $3, $(name_of "$1" "$2"): $file" "$want/$file" "$out/$file" $how
    done
    rm -rf "$out" "$out.err"
}
make_corpus() {
    ln -s "$tests/golden/base" base && ln -s "$tests/golden/large" large
    ln -s "$(realpath "$tests/../weights/default/scratch")" scratch
    { # labels, attributes and votes that mean nothing
        echo file,gender,emotion,split,arousal,dominance,valence,anger,fear,happiness,neutral,sadness,surprised
        awk -F, -v OFS=, 'NR > 1 && NR != 3 && NR != 8 {
            print $1, $3, $4, "train", 1 + NR * 5 % 7, 1 + NR * 3 % 7, 1 + NR * 4 % 7, NR % 3, NR % 2, 1, (NR + 1) % 3,
                2, NR % 4
        }' "$tests/data/list.csv"
        echo s88_short.wav,male,anger,dev,2,3,4,1,0,0,2,0,1
        echo s78_short.wav,female,fear,test,5,3,1,0,2,0,0,0,1
    } >train.csv
    printf '%s\n' file,gender,emotion s24_quiet.wav,male,anger s24_quiet.wav,female,fear >long.csv
    "$fixtures" text text.safetensors 12 "$(sed '1d; s/.wav,.*//' train.csv | paste -sd,)"
}
steps() { grep -c '"lr"' "out/reference.$1/metrics.jsonl"; } # steps RUN

train_everywhere() {
    local build tier name fast
    check "corpus" make_corpus
    for name in "${runs[@]}"; do start reference_train "$name"; done
    collect
    check "30 steps of everything" [ "$(steps everything)" = 30 ]
    check "runs that differ are seen" differ out/reference.{everything,mean}/metrics.jsonl
    check "the state holds an average" grep -qa '"average\.' out/reference.everything/state.safetensors
    for build in "${builds[@]}"; do
        mapfile -t fast < <(tiers "$build")
            for name in "${runs[@]}"; do
            for tier in "${fast[@]}"; do start compare_train "$build" "$tier" "$name"; done
            if ! foreign "$build" || [ "$name" = focal ]; then start compare_train "$build" portable "$name"; fi
        done
        echo "train, ${build##*/}: runs ${runs[*]} ($(for name in "${runs[@]}"; do steps "$name"; done | paste -sd' ') steps)" \
            "on ${fast[*]} portable$(! foreign "$build" || echo ': focal alone')"
    done
    collect
}

# ---- The run --------------------------------------------------------------------------------------------------------------
if ! have espeak-ng || ! have sox; then
    skip "espeak-ng or sox is not there"
    finish
    exit
fi
runnable=()
for build in "${builds[@]}"; do
    if foreign "$build" && ! have qemu-aarch64-static; then
        skip "${build##*/}: qemu is not there"
    else
        runnable+=("$build")
    fi
done
builds=("${runnable[@]}")
[ ${#builds[@]} -gt 0 ] || { finish && exit || exit 1; }
fixtures=
for build in "${builds[@]}"; do [ ! -x "$build/tests/fixtures" ] || fixtures=${fixtures:-$build/tests/fixtures}; done
[ "$fixtures" ] || { echo "no BUILD for this machine with its tests" && exit 2; }
reference=$(tiers "${builds[0]}" | head -n 1)
[ "$reference" ] || reference=portable
echo "reference: $(name_of "${builds[0]}" "$reference")"
check "recordings" "$tests/scripts/same_bits_recordings.sh" "$tests" recordings
make_lists
[ $what = train ] || infer_everywhere
[ $what = infer ] || train_everywhere
finish
