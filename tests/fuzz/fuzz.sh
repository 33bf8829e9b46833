#!/bin/sh
# Runs fuzz targets that are built, one after the other: fuzz.sh fuzz|fuzz-merge SECONDS TARGET...
# fuzz: each for SECONDS, from its corpus in the tree and what earlier runs left in build/fuzz/corpus;
# an input that fails ends it, and stays in build/fuzz/found/TARGET-... One line of figures each.
# fuzz-merge: into the tree, a small set of both corpora that reaches every edge that either reaches,
# and whatever has a name of its own there (findings, stories): libFuzzer names by hash.
set -eu
what=$1 seconds=$2
shift 2
at=build/fuzz
mkdir -p "$at/found"
for t in "$@"; do
    mine=$at/corpus/$t tree=tests/fuzz/corpus/$t
    mkdir -p "$mine" "$tree"
    if [ "$what" = fuzz-merge ]; then
        rm -rf "$at/merged" && mkdir "$at/merged"
        "$at/fuzz_$t" -merge=1 -use_counters=0 "$at/merged" "$tree" "$mine" >"$at/$t.log" 2>&1
        for f in "$tree"/*; do
            case ${f##*/} in *[!0-9a-f]*) [ ! -f "$f" ] || cp "$f" "$at/merged/" ;; esac
        done
        rm -rf "$tree" && mv "$at/merged" "$tree"
        echo "$t: $(find "$tree" -type f | wc -l) inputs, $(du -sb "$tree" | cut -f1) bytes"
        continue
    fi
    if ! "$at/fuzz_$t" -max_total_time="$seconds" -artifact_prefix="$at/found/$t-" -timeout=20 \
        -print_final_stats=1 "$mine" "$tree" >"$at/$t.log" 2>&1; then
        tail -n 60 "$at/$t.log"
        echo "$t: a finding; again: $at/fuzz_$t $at/found/$t-..." >&2
        exit 1
    fi
    awk -v t="$t" '/^#[0-9]+.*cov: / {for (i = 1; i < NF; i++) {if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1)}}
        /number_of_executed_units/ {n = $2} END {printf "%-12s %12d executions %6d edges %7d features, nothing found\n", t, n, cov, ft}' "$at/$t.log"
done
