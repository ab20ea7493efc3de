#!/usr/bin/env bash
# infer's page in headless Chromium: nothing on the console, nothing asked of a network; sorting, filtering, opening,
# keyboard; names that would break it. Needs chromium (Debian: apt-get install chromium, 13 s) and python3.
#
#   report_page.sh REPORT_PAGE TESTS    REPORT_PAGE: makes pages without a model; TESTS: this folder
set -u
page=$(realpath "$1") tests=$(realpath "$2")
. "$tests/scripts/checks.sh"
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
for kind in call embedded folder values clip hostile; do
    check "a page: $kind" "$page" $kind "$folder/$kind.html" "$tests"
done
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ] || ! have python3; then
    skip "pages in a browser: no chromium or no python3"
else
    timeout 500 python3 "$tests/scripts/report_page.py" "$browser" "$folder" >"$folder/out" 2>&1
    check "the browser's checks ran to their end: $(tail -n 3 "$folder/out")" grep -qx 'end' "$folder/out"
    while read -r result what; do
        if [ "$result" = ok ]; then ok; elif [ "$result" = bad ]; then bad "$what"; fi
    done <"$folder/out"
fi
finish
