#!/usr/bin/env bash
# Checks who includes whom among the project's files, and who calls whom. A file is named without its suffix: x.c and x.h
# of a folder are one.
# - No include and no call runs up a layer: kernels <- engine <- weights <- model <- tools; bench and tests may use all, and
#   nobody them.
# - There is no circle of includes, and none of calls.
# - What is included is there, by its full path.
# A call is a word that names a function of another .c file; one that is not static is found by how it is written: at the
# left margin, behind its type. What a program of bench or tests defines is its own.
#
#   includes.sh FOLDER...   the project's root, which is checked after the script itself was, on small trees
set -u
. "$(dirname "$0")/checks.sh"
layers='kernels engine weights model tools bench tests'

# arrows ROOT: lines "include FROM TO", "call FROM TO FUNCTION" and "missing FILE TO" of all files there.
arrows() {
    (
        cd "$1" || exit 1
        for layer in $layers; do [ ! -d "$layer" ] || find "$layer" -name '*.[ch]'; done | LC_ALL=C sort >"$scratch/files"
        # Twice: what is defined where, then who uses it.
        awk '
            function node(path) { sub(/\.[ch]$/, "", path); return path }
            function layer(path) { sub(/\/.*/, "", path); return path }
            function can_see(file, name,    there) {
                if (!(name in home) || home[name] == node(file)) return 0
                there = layer(home[name])
                return (there != "bench" && there != "tests") || there == layer(file)
            }
            # The line without comments and without what stands between quotes.
            function code(line,    out, at, end) {
                out = ""
                for (;;) {
                    if (inside) {
                        if (!(end = index(line, "*/"))) return out
                        line = substr(line, end + 2)
                        inside = 0
                    }
                    if (!match(line, /\/\*|\/\/|"([^"\\]|\\.)*"/)) return out line
                    at = substr(line, RSTART, 2)
                    out = out substr(line, 1, RSTART - 1) " "
                    if (at == "//") return out
                    line = substr(line, RSTART + (at == "/*" ? 2 : RLENGTH))
                    inside = at == "/*"
                }
            }
            { files[++count] = $0; here[$0] = 1 }
            END {
                for (pass = 1; pass <= 2; pass++)
                    for (f = 1; f <= count; f++) {
                        file = files[f]
                        inside = 0
                        while ((getline line < file) > 0) look(file, line)
                        close(file)
                    }
            }
            function look(file, line,    name, n, word, i) {
                if (line ~ /^ *# *include *"/) {
                    if (pass == 2) {
                        split(line, word, "\"")
                        if (!(word[2] in here)) print "missing", file, word[2]
                        else if (node(file) != node(word[2])) print "include", node(file), node(word[2])
                    }
                    return
                }
                line = code(line)
                if (pass == 1) {
                    if (file !~ /\.c$/ || line !~ /^[a-z][a-z0-9_ *]*[ *][a-z][a-z0-9_]*\(/ || line ~ /;/) return
                    if (line ~ /^(static|typedef|return|else) /) return
                    name = substr(line, 1, index(line, "(") - 1)
                    sub(/.*[ *]/, "", name)
                    home[name] = node(file)
                    return
                }
                if (file !~ /\.c$/) return
                n = split(line, word, /[^A-Za-z0-9_]+/)
                for (i = 1; i <= n; i++)
                    if (can_see(file, word[i]) && !seen[file, word[i]]++) print "call", node(file), home[word[i]], word[i]
            }' "$scratch/files"
    )
}

# judge: reads such lines, and prints what is wrong, a line each.
judge() {
    awk -v layers="$layers" '
        BEGIN { n = split(layers, name, " "); for (i = 1; i <= n; i++) rank[name[i]] = i }
        function layer(node) { sub(/\/.*/, "", node); return node }
        $1 == "missing" { print "missing: " $2 " includes " $3; next }
        {
            from = layer($2); to = layer($3)
            if (from != to && (rank[to] > rank["tools"] || rank[to] > rank[from]))
                print $1 " up a layer: " $2 " -> " $3 ($4 ? " (" $4 ")" : "")
            if ($1 SUBSEP $2 SUBSEP $3 in why) next
            why[$1, $2, $3] = $4 ? " (" $4 ")" : ""
            to_of[$1, $2, ++degree[$1, $2]] = $3
            if (!met[$1, $2]++) nodes[$1, ++count[$1]] = $2
        }
        # Depth first; a node that is met again on the way closes a circle.
        function visit(kind, node, depth,    i, to, at, text) {
            state[kind, node] = 1
            path[depth] = node
            for (i = 1; i <= degree[kind, node]; i++) {
                to = to_of[kind, node, i]
                if (state[kind, to] == 1) {
                    for (at = depth; path[at] != to; at--) continue
                    text = to
                    for (; at < depth; at++) text = text " -> " path[at + 1] why[kind, path[at], path[at + 1]]
                    print kind " circle: " text " -> " to why[kind, node, to]
                } else if (!state[kind, to]) visit(kind, to, depth + 1)
            }
            state[kind, node] = 2
        }
        function look(kind,    i) {
            for (i = 1; i <= count[kind]; i++) if (!state[kind, nodes[kind, i]]) visit(kind, nodes[kind, i], 1)
        }
        END { look("include"); look("call") }'
}

# put FILE TEXT: makes FILE of the small tree.
put() { mkdir -p "$scratch/tree/$(dirname "$1")" && printf "$2" >"$scratch/tree/$1"; }

# A tree without a fault, of which others are made by one file more or another.
good_tree() {
    rm -rf "$scratch/tree"
    put kernels/sum.h '/* tools_run() is none of ours */\nfloat kern_sum(int n);\n'
    put kernels/sum.c '#include "kernels/sum.h"\n\nfloat kern_sum(int n)\n{\n    return n;\n}\n'
    put engine/a.h '#include "kernels/sum.h"\nvoid eng_a(void);\n'
    put engine/a.c '#include "engine/a.h"\n#include "engine/b.h"\n\nvoid eng_a(void)\n{\n    eng_b();\n}\n'
    put engine/b.h '#include "engine/c.h"\nvoid eng_b(void);\n'
    put engine/b.c '#include "engine/b.h"\n\n/* not eng_a() */\nvoid eng_b(void)\n{\n    eng_c("eng_a()", 1 /* eng_a(\n  eng_a() */);\n}\n'
    put engine/c.h 'void eng_c(const char *text, int n);\n'
    put engine/c.c '#include "engine/c.h"\n\nvoid eng_c(const char *text, int n)\n{\n    kern_sum(n);\n}\n'
    put tools/run.c '#include "engine/a.h"\n\nint tools_run(void)\n{\n    eng_a();\n}\n'
    put bench/bench.c '#include "engine/a.h"\n\nint main(void)\n{\n    return tools_run();\n}\n'
    put tests/t.c '#include "engine/b.h"\n\nint main(void)\n{\n    eng_b();\n}\n'
}

# finds WHAT TEXT: the tree has exactly one fault, a line like TEXT ("": none).
finds() {
    local found
    found=$(arrows "$scratch/tree" | judge)
    if [ -z "$2" ]; then
        if [ -n "$found" ]; then bad "$1: expected nothing, found: $found"; else ok; fi
    elif [ "$(wc -l <<<"$found")" = 1 ] && [[ $found == $2 ]]; then
        ok
    else
        bad "$1: expected '$2', found: $found"
    fi
}

self_test() {
    good_tree && finds 'a tree without a fault' ''
    good_tree && put engine/c.h '#include "engine/a.h"\n'
    finds 'a circle of headers' 'include circle: engine/a -> engine/b -> engine/c -> engine/a'
    good_tree && put engine/c.c '#include "engine/b.h"\n'
    finds 'a circle through a .c' 'include circle: engine/b -> engine/c -> engine/b'
    good_tree && put engine/c.c 'void eng_a(void);\nvoid eng_c(const char *text, int n)\n{\n    eng_a();\n}\n'
    finds 'a circle of calls' 'call circle: engine/a -> engine/b (eng_b) -> engine/c (eng_c) -> engine/a (eng_a)'
    good_tree && put engine/c.c 'void eng_a(void);\nvoid eng_c(const char *text, int n)\n{\n    run(eng_a);\n}\n'
    finds 'a circle through a pointer' 'call circle: engine/a -> engine/b (eng_b) -> engine/c (eng_c) -> engine/a (eng_a)'
    good_tree && put kernels/up.c '#include "engine/c.h"\n'
    finds 'an include up a layer' 'include up a layer: kernels/up -> engine/c'
    good_tree && put engine/up.c 'int tools_run(void);\nint eng_up(void)\n{\n    return tools_run();\n}\n'
    finds 'a call up a layer' 'call up a layer: engine/up -> tools/run (tools_run)'
    good_tree && put bench/b.h '' && put tools/up.c '#include "bench/b.h"\n'
    finds 'a program that includes bench' 'include up a layer: tools/up -> bench/b'
    good_tree && put tests/b.h '' && put bench/b.c '#  include "tests/b.h"\n'
    finds 'bench that includes tests' 'include up a layer: bench/b -> tests/b'
    good_tree && put engine/d.c '#include "a.h"\n'
    finds 'an include by a short path' 'missing: engine/d.c includes a.h'
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
self_test
for root in "$@"; do
    arrows "$root" >"$scratch/arrows"
    for layer in $layers; do
        for kind in include call; do check "$layer has an $kind" grep -q "^$kind $layer/" "$scratch/arrows"; done
    done
    while read -r fault; do bad "$fault"; done < <(judge <"$scratch/arrows")
done
finish
