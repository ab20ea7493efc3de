#!/bin/sh
# Turns style sheets and scripts into C: an array of their lines, one file after the other, with NULL behind the last.
#
#   strings.sh HEADER NAME FILE...    HEADER: the header, by its full path, that declares const char *const NAME[]
header=$1 name=$2
shift 2
echo "#include \"$header\""
echo
echo "#include <stddef.h>"
echo
echo "const char *const $name[] = {"
# A question mark might begin a trigraph.
cat "$@" | sed 's/[\\"?]/\\&/g; s/^/"/; s/$/\\n",/'
echo "NULL,"
echo "};"
