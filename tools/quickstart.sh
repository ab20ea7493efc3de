#!/usr/bin/env bash
# From a fresh clone to labelled recordings: installs what the build needs where it is missing (Debian, Ubuntu; as root
# or through sudo), builds into build/, and labels the recordings in tests/data.
#
#   tools/quickstart.sh            with the small model that is part of the project (weights/default)
#   tools/quickstart.sh MODEL      with a model of your own: a folder or a checkpoint file
#
# May be run again, and from anywhere: what is done already is not done twice.
set -u

case ${1-} in
-*)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    [ "$1" = --help ] || [ "$1" = -h ]
    exit
    ;;
esac
[ $# -le 1 ] || { echo "usage: tools/quickstart.sh [MODEL]" >&2 && exit 1; }
model=
[ $# = 0 ] || model=$(realpath -e -- "$1") || exit 1 # says what is missing
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." || exit 1

say() { printf '\n== %s\n' "$*"; }
give_up() {
    echo "quickstart: $*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# ---- Packages -------------------------------------------------------------------------------------------------------

# True when there is a compiler, with the C library's headers.
can_compile() { echo '#include <stdio.h>' | "${CC:-cc}" -E - >/dev/null 2>&1; }

missing_packages() {
    can_compile || echo gcc libc6-dev
    have meson || echo meson
    have ninja || echo ninja-build
    have pkg-config || echo pkg-config
}

install_packages() {
    local missing as_root=()
    missing=$(missing_packages | xargs)
    [ "$missing" ] || return 0
    say "Installing $missing"
    have apt-get || give_up "please install $missing (there is no apt-get here), then run this again"
    if [ "$(id -u)" != 0 ]; then
        have sudo || give_up "neither root nor sudo: please have someone run: apt-get install $missing"
        as_root=(sudo)
    fi
    # shellcheck disable=SC2086 # a list of packages
    if ! { "${as_root[@]}" apt-get -qq update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing \
            >/dev/null; }; then
        give_up "apt-get could not install $missing (its message is above)"
    fi
    missing=$(missing_packages | xargs)
    [ -z "$missing" ] || give_up "still missing after the installation: $missing"
}

install_packages

# ---- Build ----------------------------------------------------------------------------------------------------------

say "Building into build/ (half a minute or so)"
if [ ! -f build/build.ninja ]; then
    log=$(meson setup build 2>&1) || { echo "$log" && give_up "meson cannot set up build/ (its message is above)"; }
fi
log=$(ninja -C build 2>&1) ||
    { echo "$log" | tail -n 40 && give_up "the build failed; if build/ is older than this copy: rm -rf build, and again"; }
build/tools/infer --version || give_up "build/tools/infer does not run"

# ---- Labels ---------------------------------------------------------------------------------------------------------

name=${model:-weights/default} choice=()
[ -z "$model" ] || choice=(--model "$model")
say "Labelling the seven recordings of tests/data/list.csv with $name"
if [ -z "$model" ]; then
    echo "A small model of our own, trained on acted Polish speech (nEMO, CC BY-NC-SA 4.0: not for commercial use). It never"
    echo "heard these clips, but it did hear their speakers: weights/default/README.md says how it does on others."
fi
echo
table=$(build/tools/infer ${choice[@]+"${choice[@]}"} --quiet --format tsv tests/data/list.csv)
status=$?
[ "$table" ] || exit "$status"
echo "$table" | awk -F '\t' '
    function cell(name) { return name in column ? $column[name] : "" }
    NR == 1 {
        for (i = 1; i <= NF; i++) column[$i] = i
        if ("emotion" in column) $column["emotion"] = "(acted)"
    }
    { printf "%-22s %-14s %-12s %s\n", $1, cell("label"), cell("score"), cell("emotion") }'
[ $status = 0 ] || give_up "not all were labelled (the messages are above)"

cat <<'TEXT'

It works. With a model of your own (a folder as Hugging Face writes it) and your recordings:

    build/tools/infer --model /path/to/wavlm-large-emotion recording.wav

Files, folders and lists in, CSV, TSV or JSON lines out: build/tools/infer --help, and tools/README.md.
(Everything but WAV is read through ffmpeg: apt-get install ffmpeg.)
TEXT
