#!/usr/bin/env bash
# infer on long recordings: by windows, by segments of the user's, as they come in; that each row is what its samples alone
# give, and what becomes of segments that are none.
#
#   infer_segments.sh INFER FIXTURES TESTS    TESTS: this folder
set -u
infer=$(realpath "$1") tests=$(realpath "$3")
. "$tests/scripts/checks.sh"
enter_scratch
model=$tests/golden/hf_sequence_classification

program=infer
label() { # label ARGUMENTS...: the result in out and err, its exit status in $status
    "$infer" --model "$model" "$@" >out 2>err </dev/null
    status=$?
}
u16() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))"; }
u32() { u16 $(($1 & 65535)) && u16 $(($1 >> 16 & 65535)); }
# pcm RATE CHANNELS <PCM: 16-bit samples on standard input as a WAV file
pcm() {
    cat >pcm.tmp
    local bytes
    bytes=$(wc -c <pcm.tmp)
    printf RIFF && u32 $((bytes + 36)) && printf 'WAVEfmt ' && u32 16 && u16 1 && u16 "$2" && u32 "$1"
    u32 $(($1 * $2 * 2)) && u16 $(($2 * 2)) && u16 16 && printf data && u32 "$bytes" && cat pcm.tmp
}
samples() { tail -c +45 "$1"; } # FILE: of a WAV file with a plain header
# part FILE BEGIN END: those samples of a mono recording at 16 kHz, as a WAV file
part() { samples "$1" | tail -c +$((2 * $2 + 1)) | head -c $((2 * ($3 - $2))) | pcm 16000 1; }
# scores FILE: of CSV rows with start and end, what the model says; "file,start,end,label,..." to "label,..."
scores() { tail -n +2 "$1" | cut -d, -f4-; }

for clip in "$tests"/data/*.wav "$tests"/data/*.wav "$tests"/data/*.wav; do samples "$clip"; done | head -c $((2 * 16000 * 21 + 2 * 3200)) >long.pcm
pcm 16000 1 <long.pcm >long.wav # 21.2 s

# ---- Windows ---------------------------------------------------------------------------------------------------------------
# by_hand SEGMENT HOP SHORTEST: the windows of long.wav in samples, from the definition in model/audio/windows.h
by_hand() {
    awk -v n=339200 -v l="$1" -v h="$2" -v s="$3" 'BEGIN {
        for (at = 0; at + l <= n; at += h) { print at, at + l; covered = at + l }
        if ((at > covered ? at : covered) < n) print (n - at < s ? n - s : at), n
    }'
}
for way in "5 5 1" "5 2.5 1" "8 8 4" "3 7 1" "30 30 1" "0.3 5 0.1"; do
    read -r s h least <<<"$way"
    by_hand "$(awk "BEGIN { print $s * 16000 }")" "$(awk "BEGIN { print $h * 16000 }")" "$(awk "BEGIN { print $least * 16000 }")" \
        >windows
    : >want
    while read -r begin end; do
        part long.wav "$begin" "$end" >part.wav
        label part.wav
        awk -v b="$begin" -v e="$end" -F, 'NR == 2 { sub(/^[^,]*,/, ""); printf "%.4f,%.4f,%s\n", b / 16000, e / 16000, $0 }' out >>want
    done <windows
    label --segment "$s" --hop "$h" --shortest "$least" long.wav; ends 0 '' "--segment $s --hop $h"
    cp out windows.csv
    check "--segment $s --hop $h: each window as its samples alone" cmp -s want \
        <(tail -n +2 out | awk -F, '{ begin = $2; end = $3; sub(/^[^,]*,[^,]*,[^,]*,/, ""); printf "%.4f,%.4f,%s\n", begin, end, $0 }')
    check "--segment $s --hop $h: there are some" [ "$(wc -l <want)" -ge 1 ]
done

label --segment 2 --hop 1 long.wav && cp out want
check "columns" [ "$(head -n 1 out | cut -d, -f1-5)" = file,start,end,label,score ]
for seconds in 0 1 1000; do
    for threads in 1 2; do
        label --segment 2 --hop 1 --batch-seconds $seconds --threads $threads long.wav
        check "--batch-seconds $seconds --threads $threads: the same bytes" cmp -s want out
    done
done
"$infer" --model "$model" --segment 2 --hop 1 - <long.wav >out 2>err
check "from standard input: the same" cmp -s <(sed 's/^long.wav,/-,/' want) out
(cat long.wav && :) | "$infer" --model "$model" --segment 2 --hop 1 - >out 2>err
check "from a pipe: the same" cmp -s <(sed 's/^long.wav,/-,/' want) out
cat long.pcm | "$infer" --model "$model" --raw s16le:16000 --segment 2 --hop 1 - >out 2>err
check "from a pipe of samples: the same" cmp -s <(sed 's/^long.wav,/-,/' want) out
cat long.pcm | "$infer" --model "$model" --raw s16le:16000 - >out 2>err && cp out raw
label long.wav
check "samples, labelled as one" cmp -s <(sed 's/^long.wav,/-,/' out) raw
if have ffmpeg; then
    ffmpeg -v error -i long.wav long.flac </dev/null
    label --segment 2 --hop 1 long.flac
    check "from FLAC: the same" cmp -s <(sed 's/^long.wav,/long.flac,/' want) out
else
    skip "FLAC: no ffmpeg"
fi
label --segment 2 --hop 1 "$tests/data/WR0_neutral_5.wav" long.wav "$tests/data/KD0_anger_54.wav"
check "among others: the same rows" cmp -s <(tail -n +2 want) <(grep '^long.wav' out)

# Two channels: the recording, and itself backwards by seconds.
for ((i = 20; i >= 0; i--)); do tail -c +$((32000 * i + 1)) long.pcm | head -c 32000; done >other.pcm
head -c 672000 long.pcm >one.pcm
paste -d ' ' <(od -An -v -tx2 -w2 one.pcm) <(od -An -v -tx2 -w2 other.pcm) | tr -d ' \n' | sed 's/\(..\)\(..\)/\2\1/g' |
    sed 's/../\\x&/g' >stereo.hex && printf '%b' "$(cat stereo.hex)" 2>/dev/null | pcm 16000 2 >stereo.wav
if [ "$(wc -c <stereo.wav)" = $((2 * 672000 + 44)) ]; then
    pcm 16000 1 <one.pcm >one.wav && pcm 16000 1 <other.pcm >other.wav
    label --segment 5 one.wav && cp out one.csv && label --segment 5 other.wav && cp out other.csv
    label --segment 5 --channels split stereo.wav; ends 0 '' "--channels split"
    check "--channels split: the first" cmp -s <(scores one.csv) <(tail -n +2 out | awk -F, '$2 == 0' | cut -d, -f5-)
    check "--channels split: the second" cmp -s <(scores other.csv) <(tail -n +2 out | awk -F, '$2 == 1' | cut -d, -f5-)
    check "--channels split: by time, then by channel" [ "$(sed -n '2,5p' out | cut -d, -f2,3 | tr '\n' ' ')" = "0,0.0 1,0.0 0,5.0 1,5.0 " ]
else
    bad "stereo.wav could not be made"
fi

# ---- The user's own ----------------------------------------------------------------------------------------------------------
cat >turns.rttm <<'END'
SPEAKER long 1 3.000 2.000 <NA> <NA> anna <NA> <NA>
SPEAKER long 1 0.500 0.100 <NA> <NA> bob <NA> <NA>
SPEAKER long 1 3.500 9.000 <NA> <NA> bob <NA> <NA>
SPEAKER long 1 20.000 5.000 <NA> <NA> anna <NA> <NA>
SPEAKER long 1 22.000 1.000 <NA> <NA> anna <NA> <NA>
SPEAKER long 1 1.000 0.010 <NA> <NA> bob <NA> <NA>
END
label --segments turns.rttm long.wav; ends 3 'ends at 21.200 s' "turns of a diariser"
check "turns: in their order" [ "$(tail -n +2 out | cut -d, -f2 | tr '\n' ' ')" = "3.0 0.5 3.5 20.0 22.0 1.0 " ]
check "turns: who speaks is kept" [ "$(tail -n +2 out | cut -d, -f4 | tr '\n' ' ')" = "anna bob bob anna anna bob " ]
check "turns: one that reaches beyond the end is cut there" [ "$(sed -n 5p out | cut -d, -f3)" = 21.2 ]
check "turns: and that is said" grep -q '1 segments cut' err
check "turns: one of 10 ms is too short" grep -q 'too short\|fewest\|at least' <(sed -n 7p out)
cp out turns.csv
row=2
for span in "48000 80000" "8000 9600" "56000 200000" "320000 339200"; do
    # shellcheck disable=SC2086 # two numbers
    part long.wav $span >part.wav && label part.wav
    check "turn $row: as its samples alone" [ "$(sed -n 2p out | cut -d, -f2-)" = "$(sed -n ${row}p turns.csv | cut -d, -f6-)" ]
    row=$((row + 1))
done
cat >list.csv <<'END'
file,start,end,who
long.wav,3.0,5.0,a
long.wav,0.5,0.6,b
long.wav,,,c
long.wav,20,x,d
END
label list.csv; ends 3 'no time' "a list with start and end"
check "a list: its rows" [ "$(cut -d, -f1-4 out | sed -n '2,3p' | cut -d, -f2-4 | tr '\n' ' ')" = \
    "$(sed -n '2,3p' turns.csv | cut -d, -f2,3,6 | tr '\n' ' ')" ]
label long.wav && cp out whole
check "a list: without times the whole" [ "$(sed -n 2p whole | cut -d, -f2,3)" = "$(label list.csv && sed -n 4p out | cut -d, -f4,5)" ]
cp long.wav second.wav && { cat list.csv && echo second.wav,1,2,e; } >two.csv
label --format srt -o cues two.csv; ends 3 '' "a list with start and end, as cues"
check "a list, as cues: a file a recording" [ "$(grep -c -- '-->' cues/long.srt cues/second.srt | tr '\n' ' ')" = "cues/long.srt:3 cues/second.srt:1 " ]
{ cat two.csv && echo long.wav,6,7,f; } >torn.csv
label --format srt -o cues torn.csv; ends 3 'not one after the other' "a list whose recordings are torn apart, as cues"
label --segments turns.rttm missing.wav; ends 3 'names no segment of 1 of 1 inputs' "a recording without segments"
check "a recording without segments: whose they are" grep -q 'segments of 1 recordings that are no input' err
label -q --segments turns.rttm missing.wav; ends 3 'names no segment' "a recording without segments, quiet"
label --segments turns.rttm --summary sum.json long.wav missing.wav; ends 3 'names no segment of 1 of 2 inputs' "one of two"
check "one of two: the summary" grep -q '"recordings_without_segments": 1, "segments_without_recording": 0' sum.json
{ cat turns.rttm && sed 's/long/other/' turns.rttm; } >both.rttm
label --segments both.rttm long.wav; ends 3 'segments of 1 recordings that are no input' "turns of another recording"
printf '1.0\t2.0\tone\n4.0\t5.5\ttwo\n' >labels.txt
label --segments labels.txt --format textgrid -o long.TextGrid long.wav; ends 0 '' "a TextGrid of labels"
check "a TextGrid lasts as long as its recording" [ "$(grep -c 'xmax = 21.2$' long.TextGrid)" -ge 4 ]
sed 's/long/missing/' turns.rttm >missing.rttm
label --segments missing.rttm missing.wav; ends 3 'cannot open' "a recording that is not there"
check "not there: a row each" [ "$(wc -l <out)" = 7 ]

# ---- Silence, lengths ----------------------------------------------------------------------------------------------------------
{ head -c 160000 long.pcm && head -c 320000 /dev/zero && tail -c 160000 long.pcm; } | pcm 16000 1 >pause.wav
label --segment 5 --skip-silence -80 pause.wav; ends 0 '2 silent left out' "--skip-silence"
check "--skip-silence: what is left" [ "$(tail -n +2 out | cut -d, -f2 | tr '\n' ' ')" = "0.0 15.0 " ]
label --longest 10 long.wav; ends 0 'labelled as one' "a long recording"
label --longest 30 long.wav; ends 0 '' "not so long"
check "not so long: nothing is said" [ ! -s err ]

# ---- Live ----------------------------------------------------------------------------------------------------------------------
mkfifo live
"$infer" --model "$model" --live --raw s16le:16000 --segment 2 --hop 1 - <live >live.csv 2>err &
exec 9>live
rows() { # rows N: waits until so many rows are there
    for _ in $(seq 600); do
        [ "$(wc -l <live.csv)" -gt "$1" ] && return
        sleep 0.05
    done
    false
}
head -c 64000 long.pcm >&9
check "live: a row when its segment is there" rows 1
tail -c +64001 long.pcm | head -c 32000 >&9
check "live: the next a hop later" rows 2
check "live: and no more" [ "$(wc -l <live.csv)" = 3 ]
tail -c +96001 long.pcm >&9
exec 9>&-
wait $! && status=0 || status=$?
check "live: ends with its input" [ "$status" = 0 ]
check "live: as the whole" cmp -s <(sed 's/^long.wav,/-,/' want) live.csv

# ---- What is refused -------------------------------------------------------------------------------------------------------------
label --hop 2 long.wav; ends 1 '--segment' "--hop alone"
label --segment 2 --segments turns.rttm long.wav; ends 1 'one of them' "both"
label --segment 2 list.csv; ends 1 'start and end' "a list of segments, cut"
label --segment 2 --features f.safetensors long.wav; ends 1 'features' "features of segments"
label --segments nowhere.rttm long.wav; ends 1 'nowhere.rttm' "no such segments"
label --live long.wav; ends 1 'only input' "--live of a file"
label --raw s16le:16000 long.wav; ends 1 'only input' "--raw of a file"
label --raw s17le:16000 -; ends 1 's17le' "no such format"
label --segment 0.001 long.wav; ends 1 'segment' "too short a segment"
finish
