#!/usr/bin/env bash
# Runs the inspect program as a user does: what it says of every golden model, exit statuses, streams.
#
#   inspect.sh PROGRAM GOLDEN_FOLDER
set -u
program=$1 golden=$2
passed=0 failed=0

# check STATUS PATTERN ARGUMENTS...: the exit status, and an extended regular expression somewhere in the output.
check() {
    local status=$1 pattern=$2 output result
    shift 2
    output=$("$program" "$@" 2>&1)
    result=$?
    if [ $result -eq "$status" ] && grep -qE -- "$pattern" <<<"$output"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED inspect %s: status %s, not %s, or no line like %s\n' "$*" $result "$status" "$pattern"
    fi
}

check 0 '^model +WavLM backbone \(Hugging Face\)$' "$golden/large"
check 0 '^parameters +86708$' "$golden/large"
check 0 '^  hidden_size = 48$' "$golden/large"
check 0 '^  layer_norm_eps = 1e-05$' "$golden/large"
check 0 '^  masked_spec_embed  F32\[48\]  -> wavlm.masked_spec_embed$' "$golden/large/model.safetensors"
check 0 '^container +torch zip archive$' "$golden/base/pytorch_model.bin"
check 0 '^configuration \(in the checkpoint\)$' "$golden/base/wavlm_original.pt"
check 0 "^model +WavLM backbone \(Microsoft's original\)$" "$golden/base/wavlm_original.pt"
check 0 '^model +WavLMForSequenceClassification' "$golden/hf_sequence_classification"
check 0 '^model +Odyssey 2024 baseline' "$golden/odyssey"
check 0 '^model +unknown$' "$golden/large/forward.safetensors"
check 0 '^\{"model": "Odyssey.*"config": \{.*"tensors": \[\{"name": "ssl_model.*\]\}$' --json "$golden/odyssey"
check 0 '^Usage|^usage|inspect \[--json\] PATH' --help
check 0 '[0-9]+\.[0-9]+\.[0-9]+' --version
check 1 'one PATH'
check 1 'one PATH' "$golden/large" "$golden/base"
check 1 'unknown|no option' --frobnicate "$golden/large"
check 2 'No such file' "$golden/none"
check 2 'no checkpoint in this folder' "$golden"
check 2 'weight_map' "$golden/large/config.json"
[ -z "$("$program" "$golden/none" 2>/dev/null)" ] && passed=$((passed + 1)) || failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
