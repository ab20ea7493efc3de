#!/usr/bin/env bash
# infer over an archive: shares that add up to the whole, runs that go on where they were killed, what could not be labelled,
# sums, embeddings, a page to look at.
#
#   infer_archive.sh INFER FIXTURES TESTS    TESTS: this folder
set -u
infer=$(realpath "$1") fixtures=$(realpath "$2") tests=$(realpath "$3")
. "$tests/scripts/checks.sh"
enter_scratch
model=$tests/golden/hf_sequence_classification

program=infer
label() { # label ARGUMENTS...: the result in out and err, its exit status in $status
    "$infer" --model "$model" "$@" >out 2>err </dev/null
    status=$?
}

mkdir archive archive/below
for i in 0 1 2 3 4 5 6 7 8 9; do wav 16000 1 $((500 + 1777 * i)) >archive/call_$i.wav; done
wav 8000 2 20000 >archive/below/stereo.wav && wav 16000 1 100 >archive/below/short.wav && echo text >archive/below/text.wav
wav 16000 1 30000 >"archive/below/=1+1, \"x\".wav"
seconds() { echo $((500 + 1777 * $1)) | awk '{ printf "%.4f", $1 / 16000 }'; }
{
    echo file,duration,who
    for i in 9 0 8 1 7 2 6 3 5 4; do echo "archive/call_$i.wav,$(seconds $i),speaker $i"; done
    echo 'archive/below/stereo.wav,2.5,"a, b"'
    echo archive/below/short.wav,,c
} >list.csv

# ---- Shares ------------------------------------------------------------------------------------------------------------------
# shares WHAT N ARGUMENTS...: the outputs of N shares, one after the other, are that of the whole
shares() {
    local what=$1 n=$2 i
    shift 2
    label "$@" && cp out whole
    : >together
    for ((i = 1; i <= n; i++)); do
        label --shard "$i/$n" "$@"
        cat out >>together
        wc -l <out
    done >sizes
    check "$what, $n shares" cmp -s whole together
}
for n in 1 2 7 30; do
    shares "a folder" $n archive
    shares "a list" $n list.csv
    shares "JSON lines" $n --format jsonl list.csv
    shares "segments" $n --segment 0.5 --channels split archive
done
shares "by length" 3 list.csv
check "shares are of about the same audio, not of as many rows" [ "$(tr '\n' ' ' <sizes | tr -s ' ')" = "6 5 2 " ]
label --shard 0/3 archive; ends 1 '1/8 to 8/8' "share 0"
label --shard 4/3 archive; ends 1 '4/3' "share 4 of 3"
label --shard 2 archive; ends 1 'I/N' "share 2"

# ---- Going on ------------------------------------------------------------------------------------------------------------------
# resumes WHAT ARGUMENTS...: from FILE.part cut anywhere the run goes on to the same file
resumes() {
    local what=$1 size cut
    shift
    rm -f full.out full.out.part
    label -o full.out "$@"
    size=$(wc -c <full.out)
    for cut in 0 1 20 $((size / 7)) $((size / 5)) $((size / 3)) $((size / 2)) $((size * 3 / 4)) $((size - 20)) $((size - 1)) "$size"; do
        rm -f part.out && head -c "$cut" full.out >part.out.part
        label --resume -o part.out "$@"
        check "$what, killed after $cut bytes of $size" cmp -s full.out part.out
        check "$what, $cut bytes: nothing is left" [ ! -e part.out.part ]
    done
}
resumes "a folder" archive
resumes "a list, TSV" --format tsv list.csv
resumes "JSON lines" --format jsonl --logits archive
resumes "segments, both channels" --segment 0.5 --hop 0.3 --channels split archive
{ echo file,start,end && for i in 0 1 2 3 4 5; do echo "archive/call_9.wav,0.$i,0.$((i + 2))"; done && echo archive/call_8.wav,,; } >cuts.csv
resumes "a list of segments" cuts.csv
label --resume -o new.csv archive; ends 3 '' "nothing to go on with"
label -o whole.csv archive && label --format csv archive
check "nothing to go on with: as from the beginning" cmp -s whole.csv new.csv

# A real kill: the run waits for a recording that does not come.
cp -r archive killed && rm killed/call_5.wav && mkfifo killed/call_5.wav
find killed -not -type d | sort >killed.txt
rows_before=$(sed -n '/call_5/=' whole.csv)
for round in 1 2; do
    "$infer" --model "$model" --resume --decoders 1 -o killed.csv killed.txt >out 2>err </dev/null &
    for _ in $(seq 600); do
        [ "$(wc -l 2>/dev/null <killed.csv.part)" = $((rows_before - 1)) ] && break
        sleep 0.05
    done
    check "round $round: all before it is written" [ "$(wc -l <killed.csv.part)" = $((rows_before - 1)) ]
    kill -9 $! && wait $! 2>/dev/null
done
rm killed/call_5.wav && cp archive/call_5.wav killed
label --resume -o killed.csv killed.txt; ends 3 "$((rows_before - 2)) of 14 inputs are done" "after two kills"
check "after two kills: as undisturbed" cmp -s <(sed 's/archive/killed/g' whole.csv) killed.csv

# A folder that has grown.
cp whole.csv grown.csv && cp archive/call_3.wav archive/call_25.wav && cp archive/call_1.wav archive/below/a.wav
label --resume -o grown.csv archive; ends 3 '14 of 16 inputs are done' "a folder that has grown"
check "grown: what was there is as it was" cmp -s whole.csv <(head -n 15 grown.csv)
check "grown: the new ones behind it" [ "$(tail -n 2 grown.csv | cut -d, -f1 | tr '\n' ' ')" = "archive/below/a.wav archive/call_25.wav " ]
cp grown.csv again.csv && label --resume -o again.csv archive; ends 3 '16 of 16' "nothing is left to do"
check "nothing is left to do: the same" cmp -s grown.csv again.csv
rm archive/call_25.wav archive/below/a.wav
label --resume -o again.csv archive; ends 3 'a.wav, which is not among the inputs' "an input is gone"
check "an input is gone: the results stay" cmp -s grown.csv again.csv
label --resume --logits -o again.csv archive; ends 3 'logit' "other columns"
check "other columns: the results stay" cmp -s grown.csv again.csv
label --resume archive; ends 1 'give -o FILE' "--resume without a file"
label --resume -o again.csv --errors e.csv archive; ends 1 'leave out' "--resume with --errors"
label --resume -o again.csv -; ends 1 'cannot be read again' "--resume of standard input"
label --resume --format srt --segment 1 -o again.srt archive/call_9.wav; ends 1 '' "--resume of cues"

label --shard 1/2 --format rttm --segment 1 archive; ends 1 'csv, tsv and jsonl' "shares of another format"
label --format srt archive/call_9.wav; ends 1 '' "cues without segments"
mkdir odd && cp archive/call_1.wav "odd/caf$(printf '\351').wav" && cp archive/call_2.wav odd/z.wav
resumes "names that are not UTF-8" odd
resumes "names that are not UTF-8, JSON lines" --format jsonl odd

# Two runs at once: the second leaves the first alone.
mkfifo slow.wav && printf '%s\n' archive/call_1.wav slow.wav >slow.txt
"$infer" --model "$model" -o both.csv slow.txt >/dev/null 2>first.err </dev/null &
for _ in $(seq 600); do
    [ "$(wc -l 2>/dev/null <both.csv.part)" = 2 ] && break
    sleep 0.05
done
for how in '' --resume; do
    # shellcheck disable=SC2086 # an option or none
    label $how -o both.csv archive/call_1.wav; ends 3 'both.csv.part: another program is writing it' "a second run $how"
done
cat archive/call_2.wav >slow.wav
wait $! && status=0 || status=$?
check "the first run ends as if alone" [ "$status $(wc -l <both.csv)" = "0 3" ]

# ---- Failures and sums ---------------------------------------------------------------------------------------------------------
label --errors errors.csv --summary sum.json archive; ends 3 '2 of 14 inputs' "errors and a summary"
check "errors: theirs alone, with a header" [ "$(cut -d, -f1 errors.csv | tr '\n' ' ')" = "file archive/below/short.wav archive/below/text.wav " ]
for pair in '"inputs": 14' '"inputs_done": 14' '"rows_labelled": 12' '"rows_failed": 2' '"recordings_unread": 1'; do
    check "summary: $pair" grep -q "$pair" sum.json
done
check "summary: labels add up" [ "$(sed 's/.*"labels": {\([^}]*\)}.*/\1/' sum.json | tr ',' '\n' | awk -F: '{ n += $2 } END { print n }')" = 12 ]
check "summary: errors add up" [ "$(sed 's/.*"errors": {\([^}]*\)}.*/\1/' sum.json | tr ',' '\n' | awk -F: '{ n += $2 } END { print n }')" = 2 ]
if have python3; then
    check "summary: JSON" python3 -c 'import json; json.load(open("sum.json"))'
else
    skip "summary: no python3"
fi
label --errors same.csv -o same.csv archive; ends 1 'two different things' "two results in one file"
label --errors /dev/full archive; ends 3 '/dev/full' "no room for the errors"

# ---- Embeddings, layers ----------------------------------------------------------------------------------------------------------
label --embeddings all.npy archive; ends 3 '' "--embeddings"
shape=$(head -c 128 all.npy | tr -d '\0' | sed 's/.*(\([0-9]*\), *\([0-9]*\)).*/\1 \2/' | tail -n 1)
read -r rows width <<<"$shape"
check "embeddings: a row a row" [ "$rows" = 14 ]
row() { tail -c +129 "$1" | tail -c +$((4 * width * $2 + 1)) | head -c $((4 * width)); } # FILE N: row N of a file
at=0
while IFS= read -r name; do
    label --embeddings one.npy "$name"
    check "embeddings: $name as alone" cmp -s <(row all.npy $at) <(row one.npy 0)
    at=$((at + 1))
done < <(find archive -type f | sort)
check "embeddings: of a failure no numbers" [ "$(row all.npy "$(find archive -type f | sort | grep -n short | cut -d: -f1 | awk '{ print $1 - 1 }')" |
    od -An -v -tf4 | tr -s ' ' '\n' | grep -v '^$' | sort -u)" = nan ]
label --embeddings all.safetensors archive/call_*.wav; ends 0 '' "embeddings as safetensors"
check "embeddings: a tensor an input" [ "$("$fixtures" show all.safetensors | wc -l)" = 10 ]
label --embeddings x.npz archive; ends 1 'x.npz' "another kind of file"
label --embeddings x.safetensors --segment 1 archive; ends 1 '.npy' "segments as safetensors"
label --features all.safetensors archive/call_7.wav && label --features some.safetensors --layers 2,0 archive/call_7.wav
ends 0 '' "--layers"
check "layers: less of it" [ "$(wc -c <some.safetensors)" -lt "$(wc -c <all.safetensors)" ]
label --features x.safetensors --layers 99 archive/call_7.wav; ends 1 '99' "no such layer"
label --layers 1 archive/call_7.wav; ends 1 'features' "--layers alone"

# ---- The page --------------------------------------------------------------------------------------------------------------------
label --report page.html --segment 0.5 --channels split archive; ends 3 '' "--report"
check "report: the recordings are in it" [ "$(grep -o 'call_[0-9]*\.wav' page.html | sort -u | wc -l)" = 10 ]
check "report: whole" grep -q '</html>' page.html
cp out with.csv && label --segment 0.5 --channels split archive
check "report: the rows are the same" cmp -s with.csv out
label --report page.html --report-audio embed archive; ends 3 '' "--report-audio embed"
label --report /dev/full archive; ends 3 '/dev/full' "no room for the page"
finish
