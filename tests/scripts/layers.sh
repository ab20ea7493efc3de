#!/usr/bin/env bash
# Checks the libraries' symbols against the layering kernels <- engine <- weights <- model <- tools:
# - a library defines only names with its own prefix, and needs ours from its own and lower layers only;
# - it has no writable data: no global state;
# - it does not print or exit, save where eng_abort lives, which ends the process on a caller's bug, mdl_child_start, whose
#   child ends itself when it cannot become a program, and tool_options_start, which a main begins with;
# - it takes heap memory through eng_alloc and its kin alone.
#
#   layers.sh NM SIZE LAYER=LIBRARY...
set -u
nm=$1 size=$2
shift 2
passed=0 failed=0

# check NAME OFFENDERS: passes when there are none.
check() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s:\n%s\n' "$1" "$2"
    fi
}

# outside FUNCTION REGEX: prints the uses of undefined symbols like REGEX in objects other than the one with FUNCTION.
outside() {
    awk -v home="$1" -v regex="$2" '
        $(NF-1) == "T" && $NF == home { allowed = $1 }
        $(NF-1) == "U" && $NF ~ regex { use[++n] = $0; object[n] = $1 }
        END { for (i = 1; i <= n; i++) if (stem(object[i]) != stem(allowed)) print use[i] }
        # GNU nm puts the address right after the last colon.
        function stem(text) { sub(/:[0-9a-f]*$/, "", text); return text }'
}

for pair in "$@"; do
    printer=eng_abort
    layer=${pair%%=*} library=${pair#*=} name=$(basename "${pair#*=}")
    case $layer in
    kernels) own='kern_' lower='' ;;
    engine) own='eng_' lower='kern_' ;;
    weights) own='wts_' lower='kern_|eng_' ;;
    model) own='(mdl_|wlm_)' lower='kern_|eng_|wts_' printer=mdl_child_start ;;
    tools) own='(tool_|train_|infer_)' lower='kern_|eng_|wts_|mdl_|wlm_' printer=tool_options_start ;;
    *) check "$pair" "unknown layer" && continue ;;
    esac
    # Lines "archive:object: [address] type symbol".
    if ! symbols=$("$nm" -A "$library" 2>/dev/null) || ! sections=$("$size" -A "$library" 2>/dev/null); then
        check "$name" "cannot be read"
        continue
    fi
    if [ -z "$symbols" ]; then
        check "$name" "has no symbols: nothing to look at"
        continue
    fi

    check "$name defines only $own" "$(awk -v own="^$own" '$(NF-1) ~ /^[TRDBCVW]$/ && $NF !~ own' <<<"$symbols")"
    check "$name needs only lower layers" "$(awk -v ok="^($own${lower:+|$lower})" \
        '$(NF-1) == "U" && $NF ~ /^(kern|eng|wts|mdl|wlm|tool)_/ && $NF !~ ok' <<<"$symbols")"
    check "$name has no writable data" "$(awk '/ex / || /:$/ { object = $1 }
        $1 ~ /^\.(data|bss|tdata|tbss|data\.rel|data\.rel\.local)$/ && $2 > 0 { print object, $1, $2 }' \
        <<<"$sections")"
    check "$name does not print or exit" "$(outside "$printer" \
        '^(stdout|stderr|(__)?v?f?printf(_chk)?|puts|putchar|perror|_?exit|abort)$' <<<"$symbols")"
    check "$name allocates through eng_alloc" "$(outside eng_alloc \
        '^(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|strdup)$' <<<"$symbols")"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
