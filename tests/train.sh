#!/usr/bin/env bash
# The training program as its users meet it: golden losses, resuming, stopping, a full disk, what it says of bad input.
#
#   train.sh TRAIN INFER FIXTURES TESTS    TESTS: this folder
set -u
train=$(realpath "$1") infer=$(realpath "$2") fixtures=$(realpath "$3") tests=$(realpath "$4")
. "$tests/checks.sh"
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
        --pitch 1 --train-feature-encoder --checkpoint-layers --save-minutes 0 --threads 2 --quiet "$@"
}
run() { (run_as_program "$@"); }
same_run() { # same_run A B: everything that counts is the same, byte for byte
    cmp "$1/best/model.safetensors" "$2/best/model.safetensors" && cmp "$1/last/model.safetensors" "$2/last/model.safetensors" &&
        cmp "$1/metrics.jsonl" "$2/metrics.jsonl" && cmp "$1/state.safetensors" "$2/state.safetensors"
}
check "undisturbed run" run whole
check "all of it is there" [ -s whole/best/model.safetensors -a -s whole/last/config.json -a -s whole/report.html ]
check "24 steps" [ "$(grep -c '"lr"' whole/metrics.jsonl)" = 24 ]
check "an evaluation of dev an epoch" [ "$(grep -c '"split":"dev"' whole/metrics.jsonl)" = 12 ]
check "one of test" [ "$(grep -c '"split":"test"' whole/metrics.jsonl)" = 1 ]
check "infer reads the best model" "$infer" -o labels.csv --model whole/best --gender female --quiet "$tests/data/KD0_anger_54.wav"
check "other threads" run threads --threads 3 --decoders 1 --cache 0
check "other threads, the same bits" same_run whole threads
run whole 2>err
check "no second run in the same place" [ $? = 1 ]
check "it says how to go on" grep -q -- '--resume' err

kills=0 whole_runs=0
while [ "$kills" -lt 20 ] && [ "$whole_runs" -lt 20 ]; do
    (run_as_program killed --resume 2>err) &
    sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    if [ $? = 137 ]; then
        kills=$((kills + 1))
    else # it was through: once more from the beginning
        whole_runs=$((whole_runs + 1))
        rm -rf killed
    fi
done
check "twenty kills" [ "$kills" = 20 ]
check "resumed after twenty kills" run killed --resume
check "twenty kills, the same bits" same_run whole killed

(run_as_program stopped 2>err) &
while [ ! -s stopped/metrics.jsonl ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -TERM $! 2>/dev/null
wait $!
check "SIGTERM: exit status" [ $? = 143 ]
check "SIGTERM: it saved" [ -s stopped/state.safetensors ]
check "SIGTERM: in the middle" [ "$(wc -l <stopped/metrics.jsonl)" -lt "$(wc -l <whole/metrics.jsonl)" ]
check "resumed after SIGTERM" run stopped --resume
check "SIGTERM, the same bits" same_run whole stopped

# A signal while dev or test is scored: here that takes long, and most of the time.
awk -F, 'NR <= 4 { print } NR == 3 || NR == 4 { for (i = 0; i < 120; i++) print }' list.csv >scored.csv
score_as_program() { # score_as_program OUT OPTIONS...
    local out=$1
    shift
    exec "$train" --init "$tests/golden/base" --data scored.csv --audio "$tests/data" --out "$out" --epochs 2 --dropout 0 \
        --threads 2 --quiet "$@"
}
check "undisturbed long evaluations" eval '(score_as_program scored)'
stops=0
for seconds in 0.1 0.2 0.4 0.8 1.2 1.6; do
    (score_as_program halted --resume 2>err) &
    while [ ! -e halted/recipe.txt ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
    sleep "$seconds"
    kill -TERM $! 2>/dev/null
    wait $!
    status=$?
    [ "$status" = 143 ] && stops=$((stops + 1))
    check "a stop, or the end" [ "$status" = 143 -o "$status" = 0 ]
    [ "$status" = 0 ] && break
done
check "stopped while it scored" [ "$stops" -ge 1 ]
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
