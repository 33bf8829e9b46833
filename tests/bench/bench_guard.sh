#!/usr/bin/env bash
# make bench-guard: callgrind's instruction counts of ten fixed operations, in the project's own objects alone (libsodium and libc choose
# their code by processor), held against tests/bench/guard.txt: 3 % more or less fails. UPDATE=1 writes that file: the commit says why.
set -euo pipefail
cd "$(dirname "$0")/../.."
GUARD=$PWD/build/release/bench_guard
figures=tests/bench/guard.txt
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-guard.XXXXXX")
trap 'rm -rf "$W"' EXIT
command -v valgrind >/dev/null || { echo "bench-guard: no valgrind: apt-get install valgrind" >&2; exit 1; }
# An object's own cost: the cost lines behind its ob= line, without those that a calls= line announces.
own_instructions() {
    awk -v own="$GUARD" '
        /^ob=/ {
            id = $0; sub(/^ob=/, "", id); path = id
            sub(/ .*/, "", id); if (sub(/^\([0-9]+\) /, "", path)) name[id] = path
            mine = name[id] == own; next
        }
        /^cob=\([0-9]+\) / { id = $0; sub(/^cob=/, "", id); path = id; sub(/ .*/, "", id); sub(/^\([0-9]+\) /, "", path); name[id] = path; next }
        /^calls=/ { skip = 1; next }
        /^[-+*0-9]/ { if (skip) skip = 0; else if (mine) sum += $2 }
        END { printf "%d\n", sum }' "$1"
}
for name in $("$GUARD"); do
    valgrind --quiet --tool=callgrind --toggle-collect=guard_measured --callgrind-out-file="$W/$name.out" "$GUARD" "$name" >"$W/$name.log" 2>&1 ||
        { cat "$W/$name.log" >&2; echo "bench-guard: $name did not run" >&2; exit 1; }
    echo "$name $(own_instructions "$W/$name.out")"
done >"$W/found"
if [ "${UPDATE:-0}" = 1 ]; then
    cp "$W/found" "$figures"
    echo "bench-guard: $figures written anew; the commit that holds it says why"
    exit 0
fi
awk '
    FNR == NR { want[$1] = $2; next }
    {
        seen[$1] = 1
        off = want[$1] > 0 ? 100 * ($2 / want[$1] - 1) : 100
        bad = !($1 in want) || $2 <= 0 || off > 3 || off < -3
        printf "%-22s %10d %10d %+7.2f %%%s\n", $1, want[$1], $2, off, bad ? "  OFF" : ""
        failed += bad
    }
    END {
        for (n in want) if (!(n in seen)) { print n, "was not run"; failed++ }
        if (failed) print "bench-guard: if it is meant: make bench-guard UPDATE=1, and the reason in the commit"
        exit failed > 0
    }' "$figures" "$W/found"
