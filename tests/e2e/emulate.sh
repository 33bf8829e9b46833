#!/usr/bin/env bash
# make emulate: one federation run both ways, with real processes and in virtual time, and compared within stated
# bounds; then what must be refused, and a WAN whose delays can be seen (root only). Under a minute, nothing left running.
#
# The simulated run is given this machine's figures of this minute, taken before the load begins: the disk's from
# fdatasync beside the nodes, the processors' from the scenario, both scaled until a lookup takes as long as one alone did.
# What is then compared was not fitted: another load, arriving at random, with notifications and plan changes.
set -euo pipefail
cd "$(dirname "$0")/../.."
SIM=$PWD/${CPIS_SIM_BIN:-build/release/cpis-sim}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-emulate.XXXXXX")
SCENARIO=simulations/scenarios/emulate-small.conf
# verdicts: points apart; the others: per cent of the larger one. p50 of lookups is held to P50 besides.
BOUNDS=verdicts=3%,latency=80%,propagation=50%
P50=60
die() { printf 'emulate: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }
# Everything that a run starts works in a folder of ours: whatever still does, was left running.
left_over() {
    local p
    for p in /proc/[0-9]*; do
        case "$(readlink "$p/cwd" 2>/dev/null)" in "$W"/*) echo "${p#/proc/}" ;; esac
    done
}
finish() {
    local status=$? p
    for p in $(jobs -p); do kill -TERM "$p" 2>/dev/null || true; done
    wait || true
    for p in $(left_over); do kill -KILL "$p" 2>/dev/null || true; done
    if [ "$status" = 0 ] || [ -n "${CI:-}" ]; then rm -rf "$W"; else say "kept for a look: $W"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
export TMPDIR=$W # scratch folders too
began=$SECONDS
# Runs "$@" until it succeeds, for at most $1 seconds.
until_ok() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# --- the same scenario, both ways ---

# FACTOR NAME: runs a copy of the scenario with this machine's disk and the scenario's processors, both so many times as slow
simulate() {
    mkdir -p "$W/$2"
    sed -e '/^cpu = /d' -e '/^disk = /d' "$SCENARIO" >"$W/$2/emulate-small.conf"
    jq -r --argjson f "$1" '[.sync_us[] * $f | round] |
        "disk = { commit_min_us = \(.[0]); commit_median_us = \(.[1]); commit_p90_us = \(.[2]); commit_p99_us = \(.[3]); commit_max_us = \(.[4]); };"' \
        "$W/figures.json" >>"$W/$2/emulate-small.conf"
    sed -n 's/^cpu = { *\(.*\) *};.*/\1/p' "$SCENARIO" | awk -v f="$1" '
        { n = split($0, c, /[ ;=]+/); printf "cpu = { "
          for (i = 1; i < n; i += 2) printf "%s = %d; ", c[i], c[i + 1] * f + 0.5
          print "};" }' >>"$W/$2/emulate-small.conf"
    "$SIM" run "$W/$2/emulate-small.conf" --storage memory --json --out "$W/$2.json" >/dev/null || die "the simulated run failed"
}
# Figures, the run with real processes, the one in virtual time. Fails when latencies differ by more than the bounds: on a
# machine that others use the figures may be old before the load is over.
both_ways() {
    local factor
    "$SIM" emulate "$SCENARIO" --figures "$W/figures.json" --out "$W/emulated.json" >"$W/emulated.txt" || die "$(cat "$W/emulated.txt")"
    jq -e '.engine == "emulated" and .breaches == 0 and .liveness.converged and .notifications.made == .notifications.due' \
        "$W/emulated.json" >/dev/null || die "not all held in the emulated run"
    simulate 1 reference
    factor=$(jq -n --slurpfile f "$W/figures.json" --slurpfile r "$W/reference.json" '$f[0].lookup_us[1] / 1000 / $r[0].latency_ms.p50')
    simulate "$factor" simulated
    say "this machine now: a lookup alone $(jq '.lookup_us[1] / 1000' "$W/figures.json") ms, fdatasync $(jq '.sync_us[1] / 1000' "$W/figures.json") ms; both scaled by $factor"
    "$SIM" compare "$W/emulated.json" "$W/simulated.json" --within "$BOUNDS" || return 1
    "$SIM" compare "$W/emulated.json" "$W/simulated.json" --json |
        jq -e --argjson p50 "$P50" '.measures[] | select(.name == "latency p50") | .difference_percent <= $p50' >/dev/null
}
both_ways || { say "out of bounds; once more"; both_ways; } || die "the two runs differ by more than $BOUNDS, or p50 by more than $P50 %"
[ -z "$(left_over)" ] || die "processes were left running: $(left_over)"
"$SIM" report "$W/emulated.json" "$W/simulated.json" --out "$W/report.html" && grep -q '</html>' "$W/report.html" || die "no report of both"
say "both runs agree within $BOUNDS, and p50 within $P50 %"

# --- what must be refused, and what must end ---

refused() { # EXIT WORDS ARGUMENT...
    local wanted=$1 words=$2 got=0
    shift 2
    "$SIM" emulate "$@" >"$W/refused" 2>&1 || got=$?
    [ "$got" = "$wanted" ] && grep -q -e "$words" "$W/refused" || die "emulate $*: exit $got, $(cat "$W/refused")"
}
refused 2 'line [0-9]*: "clock-skew": .*emulated' clock-drift
refused 2 'line [0-9]*: "partition": .*--netns' split-brain
refused 2 'name it with --cpis' emulate-small --cpis /nowhere/cpis
runs() { [ -n "$(left_over)" ] && [ -e "$(echo "$W"/cpis-sim.*/D01/control.sock)" ]; }
ends() { [ -z "$(left_over)" ]; }
for signal in TERM KILL; do
    "$SIM" emulate emulate-small --seconds 60 --out "$W/stopped.json" >/dev/null 2>&1 &
    until_ok 20 runs || die "no node came up"
    kill "-$signal" $!
    got=0
    wait $! 2>/dev/null || got=$?
    until_ok 5 ends || die "SIG$signal: processes were left running"
    [ "$signal" = KILL ] || { [ "$got" = 4 ] && jq -e .partial "$W/stopped.json" >/dev/null; } || die "SIG$signal: exit $got"
    rm -rf "$W"/cpis-sim.*
done
say "refused what can't be; stopped and killed: nothing was left running"

# --- a WAN: packets that take their time, an authority that is cut off ---

probed=0
build/release/wan_probe || probed=$?
[ "$probed" = 3 ] || [ "$probed" = 0 ] || die "the WAN does not do what it says"
if [ "$probed" = 0 ]; then
    cat >"$W/wan.conf" <<'CONF'
description = "An authority behind 20 ms is cut off for two seconds.";
lasts = "6 s"; converge_within = "60 s"; series_s = 1;
topology = { authorities = 2; directories = 2; threshold = 2; queries = 1; sizes = "even"; plans = 20; };
links = ( { name = "far"; delay_min_us = 20000; delay_median_us = 20000; delay_p90_us = 20000; delay_p99_us = 20000; delay_max_us = 20000; } );
network = { directory_directory = "far"; authority_directory = "far"; query_directory = "far"; };
demand = { hit_permille = 900; };
faults = ( { at = "0d 00:00:02"; until = "0d 00:00:04"; what = "partition"; role = "authority"; index = 1; } );
CONF
    "$SIM" emulate "$W/wan.conf" --netns --rate 10 --out "$W/wan.json" >"$W/wan.txt" || die "$(cat "$W/wan.txt")"
    # a lookup is two questions of directories, and a flag is fetched through one: four or six ways of 20 ms
    jq -e '.latency_ms.p50 >= 80 and .verdicts.flag_details_to_follow > 0 and .liveness.converged' "$W/wan.json" >/dev/null ||
        die "the WAN was not noticed: $(jq -c '[.latency_ms, .verdicts]' "$W/wan.json")"
    say "behind the WAN: lookups take $(jq .latency_ms.p50 "$W/wan.json") ms, and while it was cut off, details of one authority were to follow"
fi
[ -z "$(left_over)" ] || die "processes were left running: $(left_over)"
say "took $((SECONDS - began)) s"
