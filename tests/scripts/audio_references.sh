#!/usr/bin/env bash
# Playlists, manifests and scripts under the names of recordings, through the whole program: each fails alone, at once and
# with its reason, the recordings beside them are labelled, and what they name is opened by nobody (strace tells, where
# it can run). tests/model/audio_references.c has the kinds in full.
#
#   audio_references.sh INFER TESTS    TESTS: this folder
set -u
infer=$(realpath "$1") tests=$(realpath "$2")
. "$tests/scripts/checks.sh"
export LC_ALL=C
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
model=$tests/golden/hf_sequence_classification

# Not for the clock, but so that one that never ends is seen: ten times the patience that the program has with ffmpeg.
label() { timeout 300 "$infer" --model "$model" --format csv "$@" 2>stderr; }
failed_row() { grep -F "$2,,," "$1" | grep -qF "$3"; }

mkdir calls secret || exit 1
cp "$tests/data/KS0_happiness_54.wav" secret/secret.wav && cp secret/secret.wav calls/good.wav || exit 1
cp secret/secret.wav calls/secret.wav

hls='#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n'
printf "$hls%s\n#EXT-X-ENDLIST\n" secret.wav >calls/relative.mp3
printf "$hls%s\n#EXT-X-ENDLIST\n" "$folder/secret/secret.wav" >calls/absolute.wav
printf "$hls%s\n" secret.wav >calls/live.m4a
printf "ID3\4\0\0\0\0\0\0$hls%s\n" secret.wav >calls/tagged.mp3
printf 'ffconcat version 1.0\nfile secret.wav\n' >calls/concat.flac
printf 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 59998 RTP/AVP 0\r\n' >calls/sdp.ogg
printf '<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet %s' \
    'mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>secret.wav</BaseURL></Representation>' \
    '</AdaptationSet></Period></MPD>' >calls/dash.opus
files=(relative.mp3 absolute.wav live.m4a concat.flac sdp.ogg dash.opus)
kinds=("an HLS playlist" "an HLS playlist" "an HLS playlist" "an ffconcat script" "an SDP session description"
    "a DASH manifest")

label calls/good.wav >alone.csv
check "the recording alone" [ $? = 0 ]
rm calls/secret.wav
ln -s ../secret/secret.wav calls/secret.wav
label "${files[@]/#/calls/}" calls/good.wav calls/tagged.mp3 >out.csv
check "some inputs failed: exit status 3" [ $? = 3 ]
check "the recording among them" cmp -s <(grep '^calls/good.wav,' alone.csv) <(grep '^calls/good.wav,' out.csv)
for i in "${!files[@]}"; do
    check "${files[i]}: ${kinds[i]}" failed_row out.csv "calls/${files[i]}" \
        "expected a recording, found ${kinds[i]}, which names other files: refused"
    label - <"calls/${files[i]}" >stdin.csv
    check "${files[i]} on standard input: exit status 3" [ $? = 3 ]
    check "${files[i]} on standard input" grep -qF "found ${kinds[i]}, which names other files" stdin.csv
done
check "a playlist behind a tag" failed_row out.csv calls/tagged.mp3 ""
check "as many rows as inputs" [ "$(wc -l <out.csv)" = 9 ]

# Who opens what. That strace sees what ffmpeg does is shown by a recording that it reads.
opens() { # a leak sanitizer cannot work beside strace, and says so with its exit status
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        timeout 300 strace -f -qq -s 4096 -e trace=open,openat,execve -o trace "$infer" --model "$model" "$@" >traced.csv 2>stderr
}
if ! have strace || ! strace -o trace true 2>stderr || ! grep -q execve trace; then
    skip "who opens what: strace is not there or may not trace"
else
    opens "${files[@]/#/calls/}" calls/tagged.mp3 calls/good.wav
    check "strace sees the playlists opened" grep -q 'calls/live.m4a' trace
    check "strace sees the recording opened" grep -q 'calls/good.wav' trace
    check "nobody opens what they name" [ "$(grep -c 'secret' trace)" = 0 ]
    if have ffmpeg && ffmpeg -nostdin -loglevel error -i calls/good.wav recording.flac; then
        opens recording.flac
        check "a recording that ffmpeg reads" [ $? = 0 ]
        grep 'execve("[^"]*/ffmpeg"' trace >runs
        check "strace sees ffmpeg run" [ -s runs ]
        check "ffmpeg is given no name of a file" [ "$(grep -c recording runs)" = 0 ]
        check "the recording is opened once, by the program" [ "$(grep -c 'open.*recording.flac' trace)" = 1 ]
    else
        skip "a recording that ffmpeg reads: no ffmpeg, or it writes no FLAC"
    fi
fi

finish
