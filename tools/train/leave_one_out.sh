#!/usr/bin/env bash
# How good a recipe is on speakers that it never heard: trains once for each speaker, that one left out, and prints a table.
#
#   tools/train/leave_one_out.sh OUT "SPEAKER SPEAKER ..." TRAIN_OPTION...
#
# Speakers are names of the list's column; the options are those of build/tools/train but for --out and --test-speakers.
# OUT gets a folder a speaker and table.md. There is no dev split, so the last step's model is the one that is tested:
# nothing is chosen by the speaker left out. JOBS (environment, 1): trainings at a time. A run that was stopped goes on
# when the same command is given again.
set -u
export LC_ALL=C
if [ $# -lt 4 ]; then
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 1
fi
out=$1 speakers=$2
shift 2
train=$(dirname "$(realpath "$0")")/../../build/tools/train
[ -x "$train" ] || { echo "leave_one_out: $train is not there: build first (meson compile -C build)" >&2 && exit 1; }
mkdir -p "$out" || exit 1

# The value of "KEY" in the test line of a run's metrics.
tested() { sed -n '/"split":"test"/s/.*"'"$2"'":\([^,}]*\).*/\1/p' "$out/$1/metrics.jsonl" 2>/dev/null | tail -n 1; }

one() {
    local speaker=$1 started=$SECONDS
    shift
    [ ! -f "$out/$speaker/seconds" ] || return 0
    "$train" --out "$out/$speaker" --test-speakers "$speaker" --resume "$@" 2>"$out/$speaker.log" ||
        { echo "leave_one_out: $speaker failed: $(tail -n 1 "$out/$speaker.log")" >&2 && return 1; }
    echo $((SECONDS - started)) >"$out/$speaker/seconds"
    echo "$speaker: macro-F1 $(tested "$speaker" macro_f1)" >&2
}

failed=0
for speaker in $speakers; do
    while [ "$(jobs -pr | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || failed=1; done
    one "$speaker" "$@" &
done
while [ "$(jobs -p | wc -l)" -gt 0 ]; do wait -n || failed=1; done
[ "$failed" = 0 ] || exit 1

{
    echo "| speaker left out | recordings | macro-F1 | accuracy | seconds |"
    echo "| --- | --- | --- | --- | --- |"
    for speaker in $speakers; do
        printf '| %s | %d | %.3f | %.3f | %d |\n' "$speaker" "$(tested "$speaker" count)" "$(tested "$speaker" macro_f1)" \
            "$(tested "$speaker" accuracy)" "$(cat "$out/$speaker/seconds")"
    done | tee "$out/rows"
    awk -F '|' '{ n++; f += $4; a += $5; s += $6 } END { printf "| mean | | %.3f | %.3f | %d |\n", f / n, a / n, s / n }' "$out/rows"
} >"$out/table.md"
rm "$out/rows"
cat "$out/table.md"
