#!/usr/bin/env bash
# Recordings for same_bits.sh: those of tests/data, and a hundred more that espeak-ng speaks and sox cuts, resamples,
# mixes and encodes. The same files every time: nothing is random but the noise of sox -R, whose seed is fixed.
#
#   same_bits_recordings.sh TESTS FOLDER    TESTS: this folder; FOLDER gets the files
set -u
tests=$1 folder=$2
export LC_ALL=C
cd "$folder" || exit 1

# Lengths of these lists that have no common divisor: every value of one meets every value of the others.
kinds=(plain plain loud plain quiet plain noise plain short plain)
rates=(16000 8000 44100 11025 22050 17321 48000 12000 16000 32000 23456)
formats=('-e unsigned-integer -b 8' '-e signed-integer -b 16' '-e signed-integer -b 24' '-e signed-integer -b 32'
    '-e floating-point -b 32' '-e floating-point -b 64' '-e signed-integer -b 16')
voices=(en-us pl de fr-fr es it sv cs pt-br nl en-gb-scotland tr fi)
sentences=("The same words on every machine." "W grudniu często pada śnieg." "Wer das liest, hört zu."
    "Quelle surprise, mon ami!")
speeds=(110 150 175 210 260)

# The longest two have more keys than a tile of attention scores has: 576 keys are 11.5 seconds with a frame every 20 ms, 23
# with one every 40 ms.
length_of() { # length_of NUMBER RATE KIND: samples, an odd number
    local milliseconds=$((300 + ($1 * $1 * 97 + $1 * 1231) % 2700))
    case $1 in
    24) milliseconds=13100 ;;
    33) milliseconds=26200 ;;
    50 | 75) milliseconds=$((9000 + 11 * $1)) ;;
    esac
    if [ "$3" = short ]; then echo $((411 + 62 * $1)); else echo $((milliseconds * $2 / 1000 | 1)); fi
}

speak() { # speak NUMBER: to spoken.wav
    espeak-ng -v "${voices[$1 % 13]}" -s "${speeds[$1 % 5]}" -p $((20 + $1 % 60)) -w spoken.wav "${sentences[$1 % 4]}"
}

make() { # make NUMBER
    local rate=${rates[$1 % 11]} kind=${kinds[$1 % 10]} channels=1 source=(spoken.wav) effects=() samples
    samples=$(length_of "$1" "$rate" "$kind")
    [ $(($1 % 3)) != 2 ] || channels=2
    case $kind in
    noise)
        source=(-n)
        effects=(synth "$((samples + 1))s" whitenoise vol 0.0005)
        ;;
    *)
        speak "$1" || return 1
        effects=(repeat 14 rate "$rate")
        [ "$kind" != loud ] || effects+=(gain -n 6)
        [ "$kind" != quiet ] || effects+=(vol 0.0004)
        [ $channels = 1 ] || effects+=(remix 1v0.9 1v-0.5 delay 0 0.007)
        ;;
    esac
    # formats are words of their own
    # shellcheck disable=SC2086
    sox -R -V1 "${source[@]}" -r "$rate" -c $channels ${formats[$1 % 7]} "$(printf 's%02d_%s.wav' "$1" "$kind")" \
        "${effects[@]}" trim 0 "${samples}s"
}

cp "$tests"/data/*.wav . || exit 1
for ((number = 0; number < 100; number++)); do make $number || exit 1; done
rm spoken.wav
