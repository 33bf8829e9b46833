#!/usr/bin/env bash
# make bench-guard: what eleven fixed operations cost, held against tests/bench/guard.txt: callgrind's instruction counts in the project's own
# objects alone (libsodium and libc choose their code by processor), 3 % more or less fails; and how many of libsodium's costly calls
# they make, which must be the same. UPDATE=1 writes that file: the commit says why.
set -euo pipefail
cd -P "$(dirname "$0")/../.." # callgrind tells the program's real path
GUARD=$PWD/build/release/bench_guard
figures=tests/bench/guard.txt
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-guard.XXXXXX")
trap 'rm -rf "$W"' EXIT
trap 'exit 130' INT TERM
die() { echo "bench-guard: $*" >&2; exit 1; }
command -v valgrind >/dev/null || die "no valgrind: apt-get install valgrind"
# An object's own cost: the cost lines behind its ob= line, without those that a calls= line announces.
own_instructions() {
    awk -v own="$GUARD" '
        /^c?ob=/ {
            id = $0; sub(/^c?ob=/, "", id); path = id
            sub(/ .*/, "", id); if (sub(/^\([0-9]+\) /, "", path)) name[id] = path
            if (/^ob=/) mine = name[id] == own
            next
        }
        /^calls=/ { skip = 1; next }
        /^[-+*0-9]/ { if (skip) skip = 0; else if (mine) sum += $2 }
        END { printf "%d\n", sum }' "$1"
}
names=$("$GUARD")
for name in $names; do
    calls=$(valgrind --quiet --tool=callgrind --toggle-collect=guard_measured --callgrind-out-file="$W/$name.out" "$GUARD" "$name" 2>"$W/log") ||
        { cat "$W/log" >&2; die "$name did not run"; }
    instructions=$(own_instructions "$W/$name.out")
    [ "$instructions" -gt 0 ] || { cat "$W/log" >&2; die "nothing was counted of $name: does callgrind tell another path than $GUARD?"; }
    echo "$name $instructions $calls"
done >"$W/found"
if [ "${UPDATE:-0}" = 1 ]; then
    cp "$W/found" "$figures"
    echo "bench-guard: $figures written anew; the commit that holds it says why"
    exit 0
fi
awk '
    FNR == NR { want[$1] = $2; calls[$1] = $3; next }
    FNR == 1 { printf "%-20s %12s %12s %10s %13s %10s\n", "", "instructions", "guard.txt", "", "costly calls", "guard.txt" }
    {
        seen[$1] = 1
        off = want[$1] > 0 ? 100 * ($2 / want[$1] - 1) : 100
        bad = off > 3 || off < -3 || $3 != calls[$1]
        printf "%-20s %12d %12d %+8.2f %% %13d %10d%s\n", $1, $2, want[$1], off, $3, calls[$1], bad ? "  OFF" : ""
        failed += bad
    }
    END {
        for (n in want) if (!(n in seen)) { print n, "was not run"; failed++ }
        exit failed > 0
    }' "$figures" "$W/found" ||
    die "off; guard.txt is of Debian 12's gcc 12.2.0 on x86_64, this is $(${CC:-cc} -dumpfullversion) on $(uname -m). If it is meant: make bench-guard UPDATE=1, and the reason in the commit"
