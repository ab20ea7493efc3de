#!/usr/bin/env bash
# From audio files of every kind to labels: the same sound in many formats must give the same scores (lossless ones to
# the last digit), bad files must fail alone and say why.
#
#   audio_formats.sh INFER MODEL    MODEL: a folder with an emotion head
#
# Needs ffmpeg to make the files; without it exits with 77, which counts as skipped.
set -u
infer=$(realpath "$1") model=$(realpath "$2")
command -v ffmpeg >/dev/null 2>&1 || { echo "SKIPPED: ffmpeg is not installed" && exit 77; }
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}
check() { # check WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then ok; else bad "$what"; fi
}

# convert FROM TO FFMPEG_OPTIONS...
convert() {
    local from=$1 to=$2
    shift 2
    ffmpeg -nostdin -y -loglevel error -i "file:$from" "$@" "file:$to" 2>ffmpeg.log
}

label() { "$infer" --model "$model" --format csv "$@" 2>stderr; }

# scores OUTPUT: label and scores of each row, without the name of the file.
scores() { tail -n +2 "$1" | sed 's/^[^,]*,//'; }

# close_scores A B TOLERANCE: one row each, as many scores, all within TOLERANCE, none of them NaN or missing.
close_scores() {
    paste -d '\n' <(scores "$1") <(scores "$2") | awk -F, -v tolerance="$3" '
        NR == 1 { n = NF; for (i = 1; i <= NF; i++) want[i] = $i }
        NR == 2 {
            for (i = 3; i < NF; i++) { # behind label and score; the last column is the error
                d = $i - want[i]
                if ($i == "" || want[i] == "" || !(d <= tolerance && -d <= tolerance)) bad = 1
                compared++
            }
            if (NF != n) bad = 1
        }
        END { exit bad || NR != 2 || compared < 2 }'
}

# failed_row OUTPUT FILE TEXT: FILE has a row without a label whose error holds TEXT.
failed_row() { grep -F "$2,,," "$1" | grep -qF "$3"; }

# ---- The sound: two seconds, something like vowels, at a level that nothing clips --------------------------------------
tone='0.2*sin(2*PI*140*t)*(1+sin(2*PI*3*t))+0.1*sin(2*PI*710*t)*(1+sin(2*PI*5*t))+0.05*sin(2*PI*1900*t)'
ffmpeg -nostdin -y -loglevel error -f lavfi -i "aevalsrc=$tone:s=16000:d=2" -c:a pcm_s16le base.wav || exit 1
check "a WAV file is labelled" label base.wav >base.csv
check "one row for one file" [ "$(scores base.csv | wc -l)" = 1 ]

# ---- Lossless: not a digit may differ ----------------------------------------------------------------------------------
lossless() { # lossless FILE FFMPEG_OPTIONS...
    local file=$1
    shift
    if ! convert base.wav "$file" "$@"; then
        skipped=$((skipped + 1))
        echo "skipped: this ffmpeg writes no $file"
        return
    fi
    label "$file" >out.csv
    check "$file: exit status and scores of the WAV file" cmp -s <(scores base.csv) <(scores out.csv)
}
lossless s24.wav -c:a pcm_s24le
lossless s32.wav -c:a pcm_s32le
lossless f32.wav -c:a pcm_f32le
lossless f64.wav -c:a pcm_f64le
lossless rf64.wav -rf64 always
lossless a.flac
lossless a.aiff
lossless a.au
lossless a.w64
lossless a.caf
lossless a.mka -c:a flac
lossless alac.m4a -c:a alac
lossless same.ogg -c:a flac
lossless ./-i.flac
lossless http:a.flac
lossless 'a b $(id) %d.flac'

# ---- Lossy and resampled: close --------------------------------------------------------------------------------------
lossy() { # lossy FILE TOLERANCE FFMPEG_OPTIONS...
    local file=$1 tolerance=$2
    shift 2
    if ! convert base.wav "$file" "$@"; then
        skipped=$((skipped + 1))
        echo "skipped: this ffmpeg writes no $file"
        return
    fi
    label "$file" >out.csv
    check "$file: scores near the WAV file's" close_scores base.csv out.csv "$tolerance"
}
lossy r8000.wav 0.1 -ar 8000
lossy r44100.wav 0.02 -ar 44100
lossy r48000.flac 0.02 -ar 48000
lossy r22050.wav 0.02 -ar 22050
lossy stereo.wav 0.001 -ac 2 -c:a pcm_f32le
lossy alaw.wav 0.1 -c:a pcm_alaw
lossy mulaw.wav 0.1 -c:a pcm_mulaw
lossy adpcm.wav 0.1 -c:a adpcm_ms
lossy a.mp3 0.1 -b:a 128k
lossy a.opus 0.1
lossy a.ogg 0.1 -c:a libvorbis
lossy a.m4a 0.1 -c:a aac
lossy a.aac 0.1
lossy a.webm 0.1
lossy a.wma 0.1

# ---- Standard input ----------------------------------------------------------------------------------------------------
for file in base.wav a.flac alac.m4a; do
    label - <"$file" >out.csv
    check "$file on standard input" cmp -s <(scores base.csv) <(scores out.csv)
done
# shellcheck disable=SC2002 # a pipe is what is tested
cat base.wav | label - >out.csv
check "a WAV file through a pipe" cmp -s <(scores base.csv) <(scores out.csv)
ffmpeg -nostdin -loglevel error -i base.wav -f wav - | label - >out.csv
check "ffmpeg's WAV, sizes unknown, through a pipe" cmp -s <(scores base.csv) <(scores out.csv)

# ---- Bad files fail alone ----------------------------------------------------------------------------------------------
: >empty.wav
head -c 1000 base.wav >cut.wav
echo "no audio" >text.mp3
label empty.wav base.wav cut.wav text.mp3 missing.wav >out.csv
check "some inputs failed: exit status 3" [ $? = 3 ]
check "the good file among them is labelled" cmp -s <(scores base.csv) <(sed -n '1p;/^base.wav,/p' out.csv | tail -n +2 |
    sed 's/^[^,]*,//')
check "empty file" failed_row out.csv empty.wav empty
check "truncated file" failed_row out.csv cut.wav "bytes are missing"
check "text as mp3" failed_row out.csv text.mp3 "ffmpeg cannot decode"
check "missing file" failed_row out.csv missing.wav "No such file"
PATH=/nonexistent label a.flac base.wav >out.csv
check "without ffmpeg: exit status 3" [ $? = 3 ]
check "without ffmpeg: the kind of file is named" failed_row out.csv a.flac "FLAC needs the ffmpeg program"

# ---- Folders and lists -------------------------------------------------------------------------------------------------
mkdir -p calls/day1
cp base.wav calls/b.wav && cp a.flac calls/day1/a.flac && cp base.wav calls/.hidden.wav && echo x >calls/notes.md
label calls >out.csv
check "a folder: its audio files, sorted" [ "$(cut -d, -f1 out.csv | paste -sd' ')" = "file calls/b.wav calls/day1/a.flac" ]
printf 'speaker,file,label\r\n7,b.wav,happy\r\n"8, or 9",day1/a.flac,sad\r\n' >calls/list.csv
label calls/list.csv >out.csv
check "a list: its columns are kept" grep -q '^file,label,score,.*,speaker,list\.label,error$' out.csv
check "a list: paths are relative to it" grep -q '^day1/a.flac,.*,"8, or 9",sad,$' out.csv
"$infer" --model "$model" --format jsonl calls/list.csv >out.jsonl 2>stderr
check "the list as JSON lines" [ "$(grep -c '^{"file": .*"scores": {.*"speaker": ".*"list.label": ".*"}$' out.jsonl)" = 2 ]

line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
