#!/usr/bin/env bash
# The training program as its users meet it: golden losses, resuming, stopping, a full disk, what it says of bad input.
#
#   train.sh TRAIN INFER FIXTURES TESTS    TESTS: this folder
set -u
train=$(realpath "$1") infer=$(realpath "$2") fixtures=$(realpath "$3") tests=$(realpath "$4")
. "$tests/scripts/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# ---- The reference's 25 losses -------------------------------------------------------------------------------------------
for backbone in large base; do
    mkdir "$backbone"
    check "$backbone: model and recordings" "$fixtures" emotion "$tests/golden/$backbone" \
        "$tests/golden/$backbone/adamw.safetensors" "$backbone"
    "$train" --init "$backbone/model" --data "$backbone/list.csv" --out "$backbone/out" --batch-size 4 --steps 25 \
        --no-shuffle --lr 1e-3 --weight-decay 0.01 --dropout 0 --quiet 2>err
    check "$backbone: exit status" [ $? = 0 ]
    numbers loss "$backbone/out/metrics.jsonl" >losses
    check "$backbone: 25 losses" [ "$(wc -l <losses)" = 25 ]
    check "$backbone: the reference's losses" same_numbers losses "$backbone/losses.txt" 1e-3
done

# ---- bf16: near those losses; the same bits on other threads and when resumed ------------------------------------------------
bf16() { # bf16 OUT OPTIONS...
    local out=$1
    shift
    "$train" --init base/model --data base/list.csv --out "$out" --batch-size 4 --no-shuffle --lr 1e-3 --weight-decay 0.01 \
        --dropout 0 --train-feature-encoder --precision bf16 --quiet "$@" 2>err
}
check "bf16" "$train" --init base/model --data base/list.csv --out bf16 --batch-size 4 --steps 25 --no-shuffle --lr 1e-3 \
    --weight-decay 0.01 --dropout 0 --precision bf16 --quiet
numbers loss bf16/metrics.jsonl >losses
check "bf16: within 0.02 of the reference's losses" same_numbers losses base/losses.txt 2e-2
numbers loss base/out/metrics.jsonl >exact
check "bf16: not those of f32" bash -c '! cmp -s losses exact'
check "bf16: recipe.txt names it" grep -qE '^(--)?precision[ =]bf16$' bf16/recipe.txt
check "bf16: a run" bf16 bf16-whole --epochs 4 --threads 2
check "bf16: half of it" bf16 bf16-half --epochs 2 --threads 1
bf16 bf16-half --epochs 4 --resume --precision f32
status=$?
check "bf16: another precision is refused" [ "$status" != 0 ]
check "bf16: by name" grep -q -- '--precision' err
bf16 bf16-half --epochs 4 --resume --cpu portable
status=$?
check "bf16: another kernel tier is refused" [ "$status" = 2 ]
check "bf16: the tier by name" grep -q -- '--cpu portable' err
check "bf16: the rest" bf16 bf16-half --epochs 4 --resume --threads 1
check "bf16: the same bits" cmp bf16-whole/last/model.safetensors bf16-half/last/model.safetensors
check "bf16: the same losses" cmp <(numbers loss bf16-whole/metrics.jsonl) <(numbers loss bf16-half/metrics.jsonl)

# ---- A run of everything that is random, to stop and resume --------------------------------------------------------------
# seven recordings, one of them dev, one test
awk -F, 'NR == 1 { print $0 ",split" } NR > 1 { print $0 "," (NR == 3 ? "dev" : NR == 4 ? "test" : "train") }' \
    "$tests/data/list.csv" >list.csv
run_as_program() { # run_as_program OUT OPTIONS...: instead of this shell, so that a signal meets the program
    local out=$1
    shift
    exec "$train" --init "$tests/golden/base" --data list.csv --audio "$tests/data" --out "$out" --epochs 12 --batch-size 2 \
        --accumulate 2 --lr 1e-3 --schedule cosine --warmup 0.1 --clip 1 --dropout 0.1 --layer-drop 0.2 --feature-dropout 0.1 \
        --mask-time-prob 0.3 --pooling attention --gender-conditioning multiply --crop 1 --gain 6 --noise 0.5 --speed 0.1 \
        --pitch 1 --ema 0.9 --train-feature-encoder --checkpoint-layers --save-minutes 0 --threads 2 --quiet "$@"
}
run() { (run_as_program "$@"); }
same_run() { # same_run A B: everything that counts is the same, byte for byte
    cmp "$1/best/model.safetensors" "$2/best/model.safetensors" && cmp "$1/last/model.safetensors" "$2/last/model.safetensors" &&
        cmp "$1/metrics.jsonl" "$2/metrics.jsonl" && cmp "$1/state.safetensors" "$2/state.safetensors"
}

# Signals are to meet a program in the middle of its work, on a machine of any speed, busy or not. So they wait for lines
# of metrics.jsonl, then for a random time that is measured in what an undisturbed run took; and where the program was
# faster still, it is done again.
now() { echo $(($(date +%s%N) / 1000)); } # in microseconds
count_lines() {                           # count_lines FILE: into $lines; 0 where there is none
    local all=()
    [ ! -e "$1" ] || mapfile -t all <"$1"
    lines=${#all[@]}
}
await_lines() { # await_lines FILE COUNT PROGRAM: until FILE has as many lines, or the program has ended
    while count_lines "$1" && [ "$lines" -lt "$2" ] && kill -0 "$3" 2>/dev/null; do sleep 0.01; done
}
random_pause() { # random_pause MOST: in microseconds
    local pause=$(((RANDOM << 15 | RANDOM) % ($1 + 1)))
    sleep "$(printf '%d.%06d' $((pause / 1000000)) $((pause % 1000000)))"
}
signal() { # signal NAME PROGRAM: its exit status into $status
    kill "-$1" "$2" 2>/dev/null
    wait "$2" 2>/dev/null
    status=$?
}

began=$(now)
check "undisturbed run" run whole
took=$(($(now) - began))
count_lines whole/metrics.jsonl
whole_lines=$lines
line_time=$((took / 37))
check "all of it is there" [ -s whole/best/model.safetensors -a -s whole/last/config.json -a -s whole/report.html ]
check "24 steps" [ "$(grep -c '"lr"' whole/metrics.jsonl)" = 24 ]
check "an evaluation of dev an epoch" [ "$(grep -c '"split":"dev"' whole/metrics.jsonl)" = 12 ]
check "one of test" [ "$(grep -c '"split":"test"' whole/metrics.jsonl)" = 1 ]
check "and no other line" [ "$whole_lines" = 37 ]
check "infer reads the best model" "$infer" -o labels.csv --model whole/best --gender female --quiet "$tests/data/KD0_anger_54.wav"
check "without an average" run last --ema 0
check "an average changes no step" cmp <(grep '"lr"' whole/metrics.jsonl) <(grep '"lr"' last/metrics.jsonl)
check "an average is written" eval '! cmp -s whole/last/model.safetensors last/last/model.safetensors'
check "other threads" run threads --threads 3 --decoders 1 --cache 0
check "other threads, the same bits" same_run whole threads
run whole 2>err
check "no second run in the same place" [ $? = 1 ]
check "it says how to go on" grep -q -- '--resume' err

# Each kill comes 0, 1 or 2 lines behind the beginning of a run, plus up to the time of two. When the training is through,
# another begins; should a line take a tenth of the time that it took above, that happens every second time.
kills=0 through=0 wanted=${WLM_TEST_KILLS:-20} # fewer under the sanitizers, where a run takes long
while [ "$kills" -lt "$wanted" ] && [ "$through" -lt 200 ]; do
    count_lines killed/metrics.jsonl
    before=$lines
    (run_as_program killed --resume 2>err) &
    await_lines killed/metrics.jsonl $((before + kills % 3)) $!
    random_pause $((2 * line_time))
    signal KILL $!
    case $status in
    137) kills=$((kills + 1)) ;;
    0)
        through=$((through + 1))
        rm -rf killed
        ;;
    *) break ;;
    esac
done
[ "$kills" = "$wanted" ] || echo "$kills kills, $through runs that were through, the last exit status $status: $(cat err)"
check "kills" [ "$kills" = "$wanted" ]
check "resumed after the kills" run killed --resume
check "kills, the same bits" same_run whole killed

for tries in {1..50}; do
    rm -rf stopped
    (run_as_program stopped --cpu portable 2>err) &
    await_lines stopped/metrics.jsonl 1 $!
    signal TERM $!
    count_lines stopped/metrics.jsonl
    [ "$status" = 143 ] && [ "$lines" -lt "$whole_lines" ] && break # else the signal came too late, or the status is wrong
    [ "$status" = 143 ] || [ "$status" = 0 ] || break
done
[ "$status" = 143 ] && [ "$lines" -lt "$whole_lines" ] ||
    echo "SIGTERM: exit status $status, $lines of $whole_lines lines, $tries tries: $(cat err)"
check "SIGTERM: exit status" [ "$status" = 143 ]
check "SIGTERM: it saved" [ -s stopped/state.safetensors ]
check "SIGTERM: in the middle" [ "$lines" -lt "$whole_lines" ]
check "resumed after SIGTERM, on another kernel tier" run stopped --resume
check "SIGTERM, the same bits" same_run whole stopped

# A signal while dev or test is scored: here that takes long, and most of the time. Lines: a step, dev, a step, dev, test.
awk -F, 'NR <= 4 { print } NR == 3 || NR == 4 { for (i = 0; i < 120; i++) print }' list.csv >scored.csv
score_as_program() { # score_as_program OUT OPTIONS...
    local out=$1
    shift
    exec "$train" --init "$tests/golden/base" --data scored.csv --audio "$tests/data" --out "$out" --epochs 2 --dropout 0 \
        --threads 2 --quiet "$@"
}
began=$(now)
check "undisturbed long evaluations" eval '(score_as_program scored)'
took=$(($(now) - began))
count_lines scored/metrics.jsonl
check "five lines" [ "$lines" = 5 ]
for before in 1 3 4; do # the lines before an evaluation
    for tries in {1..50}; do
        (score_as_program halted --resume 2>err) &
        await_lines halted/metrics.jsonl "$before" $!
        random_pause $((took / 4 / tries))
        signal TERM $!
        count_lines halted/metrics.jsonl
        [ "$status" = 143 ] && [ "$lines" = "$before" ] && break
        [ "$status" = 143 ] || [ "$status" = 0 ] || break
        rm -rf halted # too late: once more from the beginning
    done
    [ "$status" = 143 ] && [ "$lines" = "$before" ] ||
        echo "SIGTERM behind line $before: exit status $status, $lines lines, $tries tries: $(cat err)"
    check "stopped while it scored, behind line $before" [ "$status" = 143 -a "$lines" = "$before" ]
done
check "resumed after those stops" eval '(score_as_program halted --resume)'
check "those stops, the same bits" same_run scored halted

mkdir full
(ulimit -f 60 && run full) 2>err # in units of 1024 bytes: less than a state
check "full disk: exit status" [ $? = 3 ]
check "full disk: the file is named" grep -q 'full/.*: ' err
check "full disk: nothing half-written" [ -z "$(find full -name 'model.safetensors*' -size -60k -o -name '*.part')" ]
check "resumed after a full disk" run full --resume
check "full disk, the same bits" same_run whole full
run whole --resume --lr 2e-3 2>err
check "another option is refused" [ $? = 2 ]
check "it is named" grep -q -- '--lr' err
check "resuming what is done" run whole --resume
check "changes nothing" same_run whole killed

finish
