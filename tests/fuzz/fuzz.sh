#!/bin/sh
# Runs fuzz targets that are built, one after the other: fuzz.sh fuzz|fuzz-merge SECONDS TARGET...
# fuzz: each for SECONDS of processor time, so that a busy machine gives no less, from its corpus in the tree
# and what earlier runs left in build/fuzz/corpus; an input that fails ends it, and stays in
# build/fuzz/found/TARGET-... A row of the table in README.md each.
# fuzz-merge: into the tree, a small set of both corpora that reaches every edge that either reaches,
# and whatever has a name of its own there (findings, stories): libFuzzer names by hash.
set -eu
what=$1 seconds=$2
shift 2
at=build/fuzz
mkdir -p "$at/found"

# -> spent: seconds of processor time of all that this shell has run and waited for
spent() {
    times >"$at/times"
    spent=$(awk 'NR == 2 {n = 0; for (i = 1; i <= 2; i++) {split($i, p, /[ms]/); n += 60 * p[1] + p[2]} printf "%d", n}' "$at/times")
}

merge() { # TARGET
    rm -rf "$at/merged" && mkdir "$at/merged"
    "$at/fuzz_$1" -merge=1 -use_counters=0 "$at/merged" "$tree" "$mine" >"$at/$1.log" 2>&1
    for f in "$tree"/*; do
        case ${f##*/} in *[!0-9a-f]*) [ ! -f "$f" ] || cp "$f" "$at/merged/" ;; esac
    done
    rm -rf "$tree" && mv "$at/merged" "$tree"
    echo "$1: $(find "$tree" -type f | wc -l) inputs, $(du -sb "$tree" | cut -f1) bytes"
}

for t in "$@"; do
    mine=$at/corpus/$t tree=tests/fuzz/corpus/$t
    mkdir -p "$mine" "$tree"
    [ "$what" = fuzz ] || { merge "$t"; continue; }
    spent
    begun=$spent used=0
    : >"$at/$t.log"
    while [ "$used" -lt "$seconds" ]; do
        if ! "$at/fuzz_$t" -max_total_time=$((seconds - used)) -artifact_prefix="$at/found/$t-" -timeout=20 \
            -print_final_stats=1 "$mine" "$tree" >>"$at/$t.log" 2>&1; then
            tail -n 60 "$at/$t.log"
            echo "$t: a finding; again: $at/fuzz_$t $at/found/$t-..." >&2
            exit 1
        fi
        spent
        used=$((spent - begun))
    done
    awk -v t="$t" -v s="$used" '/^#[0-9]+.*cov: / {for (i = 1; i < NF; i++) {if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1)}}
        /number_of_executed_units/ {n += $2} END {printf "| `%s` | %d | %d s | %d | %d | none |\n", t, n, s, cov, ft}' "$at/$t.log"
done
