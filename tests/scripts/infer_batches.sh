#!/usr/bin/env bash
# infer over many files: the same bytes whatever is run together, one bad file among good ones, files that never end,
# and how much memory it takes.
#
#   infer_batches.sh INFER FIXTURES TESTS    TESTS: this folder
set -u
infer=$(realpath "$1") fixtures=$(realpath "$2") tests=$(realpath "$3")
. "$tests/scripts/checks.sh"
enter_scratch
model=$tests/golden/hf_sequence_classification

program=infer
run() { # run ARGUMENTS...: the result in out and err, its exit status in $status
    "$infer" "$@" >out 2>err </dev/null
    status=$?
}
label() { run --model "$model" "$@"; }
# stderr but for the last line, which counts the failures
complaints() { grep -v 'inputs could not be labelled' err; }

# ---- A folder of all kinds ---------------------------------------------------------------------------------------------
mkdir mixed mixed/below
cp "$tests"/data/*.wav mixed && cp "$tests"/data/*.opus mixed/below
wav 16000 1 399 >mixed/A_short.wav && wav 16000 1 400 >mixed/B_enough.wav && wav 16000 1 0 >mixed/Z_none.wav
wav 16000 1 140000 >mixed/JA_9s.wav && wav 16000 1 60001 >mixed/B_4s.wav && wav 16000 1 41234 >mixed/Y_3s.wav
wav 44100 2 30000 >mixed/K_stereo.wav && wav 8000 1 9999 >mixed/L_telephone.wav
echo "no audio at all" >mixed/C_text.wav && head -c 20000 mixed/JA_9s.wav >mixed/M_cut.wav && : >mixed/N_empty.wav
wav 16000 1 12345 >"mixed/below/o, \"quoted\".wav"
for i in 1 2 3 4 5 6 7 8; do wav 16000 1 $((400 + 777 * i)) >mixed/P_$i.wav; done

find mixed -type f | sort >names
: >want && : >want.complaints
while read -r name; do
    label --threads 1 "$name"
    [ -s want ] || head -n 1 out >want
    tail -n +2 out >>want
    complaints >>want.complaints
done <names
rows=$(($(wc -l <names)))
check "there is all of it" [ "$(wc -l <want)" = $((rows + 1)) ]
failures=$(wc -l <want.complaints)
check "some fail, more do not" [ "$failures" -ge 5 -a "$failures" -lt $((rows / 2)) ]
for seconds in 0 1 7 1000; do
    for threads in 1 2; do
        what="--batch-seconds $seconds --threads $threads"
        # shellcheck disable=SC2086 # options
        label $what mixed; ends 3 "$failures of $rows inputs" "$what"
        check "$what: as each alone" cmp -s want out
        check "$what: the same complaints in the same order" cmp -s want.complaints <(complaints)
    done
done
for decoders in 1 5; do
    label --decoders $decoders mixed; ends 3 "$failures of $rows inputs" "--decoders $decoders"
    check "--decoders $decoders: as each alone" cmp -s want out
done
label --batch-seconds 0 --format jsonl --logits mixed && cp out want.jsonl
label --batch-seconds 1000 --format jsonl --logits mixed; ends 3 '' "JSON lines in batches"
check "JSON lines: as one by one" cmp -s want.jsonl out
tac names >turned.txt && label turned.txt
check "in another order: the same rows" cmp -s <(sort want) <(sort out)
label --batch-seconds x mixed; ends 1 'batch-seconds' "no number"
label --batch-seconds -1 mixed; ends 1 'batch-seconds' "less than nothing"
label --decoders 0 mixed; ends 1 'decoders' "no decoders"

"$infer" --model "$model" mixed/P_1.wav - mixed/A_short.wav <mixed/JA_9s.wav >out 2>err
status=$? && ends 3 'A_short' "standard input among files"
check "standard input among files: in its place, as by name" cmp -s <(sed 's/^-,/mixed\/JA_9s.wav,/' out) \
    <(sed -n 1p want && grep P_1 want && grep JA_9s want && grep A_short want)

# ---- Channels, features, gender, text ------------------------------------------------------------------------------------
for seconds in 0 1 1000; do
    label --batch-seconds $seconds --channels split mixed && cp out split.$seconds
    label --batch-seconds $seconds --channels 1 mixed && cp out second.$seconds
    label --batch-seconds $seconds --features $seconds.safetensors mixed/[A-K]*.wav && cp out features.$seconds
done
for seconds in 1 1000; do
    check "--channels split, $seconds s: as one by one" cmp -s split.0 split.$seconds
    check "--channels 1, $seconds s: as one by one" cmp -s second.0 second.$seconds
    check "--features, $seconds s: the rows as one by one" cmp -s features.0 features.$seconds
    check "--features, $seconds s: the states as one by one" cmp -s 0.safetensors $seconds.safetensors
done
wav 16000 3 16000 >three.wav # each channel a batch of its own
label --batch-seconds 0 --channels split --features three.safetensors three.wav; ends 0 '' "hidden states of three channels"
check "hidden states of three channels" [ "$("$fixtures" show three.safetensors | wc -l)" = 3 ]
check "both channels of the one that has two" [ "$(grep -c K_stereo split.0)" = 2 ]
check "hidden states of those that can be labelled" [ "$("$fixtures" show 0.safetensors | wc -l)" = \
    "$(grep -c ',$' features.0)" ]
rm ./*.safetensors

for head in std attentive_std; do # conditioned on gender; on text
    mkdir $head && "$fixtures" emotion "$tests/golden/base" "$tests/golden/base/ser_$head.safetensors" $head
    text=()
    [ ! -f $head/text.safetensors ] || text=(--text-embeddings $head/text.safetensors)
    cp mixed/B_enough.wav $head/none.wav && cp mixed/A_short.wav $head/short.wav
    { cat $head/list.csv && printf '%s,\n' none.wav,female none.wav,other short.wav,male 0.wav, 1.wav,M; } >$head/more.csv
    for seconds in 0 1000; do
        run --model $head/model --batch-seconds $seconds ${text[@]+"${text[@]}"} $head/more.csv
        ends 3 'short.wav' "$head, rows of all kinds, $seconds s" && cp out $head.$seconds
    done
    check "$head: one by one and together" cmp -s $head.0 $head.1000
    check "$head: some have labels" [ "$(grep -c ',$' $head.0)" -ge 3 ]
done

# ---- Many rows -----------------------------------------------------------------------------------------------------------
label --format tsv mixed/B_enough.wav && tail -n +2 out >want.row
yes mixed/B_enough.wav | head -n 2000 >many.txt && echo mixed/C_text.wav >>many.txt
label --format tsv --batch-seconds 1000 many.txt; ends 3 '1 of 2001' "2001 rows"
check "2001 rows: each as alone" [ "$(sed '1d;$d' out | sort | uniq -c | tr -s ' ')" = " 2000 $(cat want.row)" ]

# limited KIB ARGUMENTS...: as run, with so much address space. (The sanitizers want more than there is.)
limited() {
    local kib=$1
    shift
    (ulimit -v "$kib" && exec "$infer" --model "$model" --threads 1 --decoders 1 "$@") >out 2>err </dev/null
    status=$?
}
limited 4000000 mixed/P_1.wav
[ $status = 0 ] && limits=yes || limits=no

# peak LIST: the most memory in KiB that it took to label the rows of LIST and to wait for one that never comes.
peak() {
    local rows
    rows=$(wc -l <"$1")
    { cat "$1" && echo never.wav; } >waiting.txt
    "$infer" --model "$model" --threads 2 --decoders 2 --batch-seconds 5 -o "$1.csv" waiting.txt >out 2>err &
    for _ in $(seq 1200); do
        [ "$(wc -l 2>/dev/null <"$1.csv.part")" = $((rows + 1)) ] && break
        sleep 0.1
    done
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' /proc/$!/status
    kill $! && wait $! 2>/dev/null
    [ "$(wc -l <"$1.csv.part")" = $((rows + 1)) ]
}
mkfifo never.wav && wav 16000 1 4000 >quarter.wav
if [ $limits = yes ]; then
    yes quarter.wav | head -n 100 >100.txt && yes quarter.wav | head -n 2000 >2000.txt
    few=$(peak 100.txt) && many=$(peak 2000.txt)
    check "2000 rows are all there" [ $? = 0 ]
    # Decoded at once they would take 32 MB more.
    check "memory is bounded: $few KiB for 100 rows, $many KiB for 2000" [ "${few:-0}" -gt 1000 -a \
        $((${many:-99999} - ${few:-0})) -lt 12000 ]
else
    skip "memory of many rows: this build does not run under a limit"
fi

# ---- Files that never come ---------------------------------------------------------------------------------------------
mkfifo late.wav
"$infer" --model "$model" mixed/P_1.wav late.wav mixed/P_2.wav mixed/P_3.wav >out 2>err &
for _ in $(seq 300); do
    [ "$(wc -l <out)" = 2 ] && break
    sleep 0.1
done
check "rows before a slow one are written at once, those behind it are not" [ "$(sed 1d out | cut -d, -f 1)" = mixed/P_1.wav ]
cat mixed/Y_3s.wav >late.wav && wait $!
status=$? && ends 0 '' "a slow file comes after all"
check "all rows in their order" cmp -s <(sed 's/late.wav/mixed\/Y_3s.wav/' out) \
    <(sed -n 1p want && grep P_1 want && grep Y_3s want && grep P_2 want && grep P_3 want)
if [ -c /dev/full ]; then
    "$infer" --model "$model" mixed/P_1.wav never.wav >/dev/full 2>err
    status=$? && ends 3 'standard output' "a full disk, and a file that never comes"
    "$infer" --model missing never.wav >out 2>err
    status=$? && ends 2 'missing' "no model, and a file that never comes"
else
    skip "there is no /dev/full"
fi

# ---- Out of memory -------------------------------------------------------------------------------------------------------
# Fifty channels of two seconds, decoded, take what one recording of a hundred seconds does.
if [ $limits = yes ]; then
    wav 16000 50 32000 >fifty.wav && wav 16000 1 1600000 >long.wav
    label --threads 1 --channels split fifty.wav && cp out want.fifty
    least=16384
    while limited $least --batch-seconds 0 --channels split fifty.wav && [ $status != 0 ]; do least=$((least + 4096)); done
    check "one after the other: the bytes that they have" cmp -s want.fifty out
    limited $least long.wav; ends 3 'out of memory: ' "a hundred seconds as one are too much"
    limited $((least + 2048)) --batch-seconds 1000 --channels split fifty.wav
    ends 0 '' "what is too much together is run one by one"
    check "... to the same bytes" cmp -s want.fifty out
else
    skip "out of memory: this build does not run under a limit"
fi

finish
