#!/usr/bin/env bash
# make bench: a lookup, its steps and their floor, lists, starts and memory, in one run: a table here, build/bench/results.json (a name ->
# value, unit, n, and low and high of what is measured in each round) for a program, build/bench/floor.txt for what the last round's floor is made
# of. LOOKUPS=400 in each of ROUNDS=5; AWAKE=1: processors do not sleep meanwhile; tests/bench/README.md says what each figure means.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$PWD/build/release
CPIS=$BIN/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
DIRECTORIES=(D01 D02 D03 D04 D05 D06 D07)
THRESHOLD=4
count=${LOOKUPS:-400}
[[ $count =~ ^[1-9][0-9]{0,4}$ && $count -le 20000 ]] || die "LOOKUPS=$count is not a number from 1 to 20000"
rounds=${ROUNDS:-5}
[[ $rounds =~ ^[1-9]$ ]] || die "ROUNDS=$rounds is not a number from 1 to 9"
out=build/bench figures=$W/figures
mkdir -p "$out"
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
keep_awake
step "lists, matches"
"$BIN/bench_sizes" lists >>"$figures"
"$BIN/bench_sizes" match >>"$figures"
step "files of plans"
"$BIN/bench_feed" --json --quick |
    jq -c '{name: (if .what | startswith("csv") then "csv_rows_per_second" else "xml_records_per_second" end), value: .rows_a_second, unit: "1/s", n: 1}' >>"$figures"

step "a federation of real processes: ${#DIRECTORIES[@]} directories, t = $THRESHOLD"
found_federation
for size in 1e4 1e5 1e6; do cp -a "$W/D01" "$W/full-$size"; done # for later: as it was before its first start
run_founded "$count"
some() { # ROUND <numbers: half as many as are looked up without a flag, others in each round
    awk -v from=$(($1 * count / 2)) -v n=$((count / 2)) '{line[NR - 1] = $0} END {for (i = 0; i < n; i++) print line[(from + i) % NR]}'
}
flagged=$((${#AUTHORITIES[@]} * (225 + 352))) # listed children
for round in $(seq "$rounds"); do
    step "round $round of $rounds: lookups one after the other, primitives and floor, a lookup through the machines"
    numbers "$W/nobody.csv" | load 1 lookup
    numbers "$W"/T00?.csv | some "$round" | load 1 lookup_flag
    "$BIN/bench_primitives" "$THRESHOLD" "$flagged" "$W/commits-$round" >>"$figures" 2>"$out/floor.txt"
    "$BIN/bench_machines" "$THRESHOLD" "${#DIRECTORIES[@]}" 200 >>"$figures"
done
for flight in 2 4 8 16 32 64; do
    step "lookups, $flight in flight"
    numbers "$W/nobody.csv" | load $flight "lookup_flight_$flight"
done
step "answers of an authority, 16 in flight"
numbers "$W/T001.csv" | sed -n "1,$((count / 2))p" | load 16 lookup_flag_flight_16

step "the log of a query node"
t=$(now)
verified=$("$CPIS" log verify "$W/$QUERY" | sed -nE 's/^holds: ([0-9]+) entries.*/\1/p')
[ -n "$verified" ] || die "log verify did not say how many entries hold"
figure log_verify_entries_per_second "$(awk -v n="$verified" -v ms=$(($(now) - t)) 'BEGIN {printf "%.0f", 1000 * n / ms}')" 1/s "$verified"

step "an authority of 5,000 plans"
csv 5 4423 0 "$W/5000.csv" # and the 577 that it has
"$CPIS" flags import "$W/T004" "$W/5000.csv" --wait >/dev/null
stop_node T004
timed_start T004 '.authority.children >= 5000'
figure authority_start_s_5000 "$took" s 1
figure authority_rss_mib_5000 "$(rss_mib "${PIDS[T004]}")" mib 1
stop_node "$QUERY"
timed_start "$QUERY" '.register.version > 0'
figure query_start_s "$took" s 1
figure query_rss_mib "$(rss_mib "${PIDS[$QUERY]}")" mib 1
stop_all

for size in 1e4 1e5 1e6; do
    step "a directory of $size tokens"
    node=full-$size
    cp "$W/register" "$W/$node/register"
    "$BIN/bench_sizes" fill "$W/$node" "$(printf '%.0f' $size)" "${AUTHORITIES[@]/#/$W/}"
    timed_start "$node" "[.directory.lists[].n] | add == $size"
    figure "directory_start_s_$size" "$took" s 1
    figure "directory_rss_mib_$size" "$(rss_mib "${PIDS[$node]}")" mib 1
    stop_node "$node"
done

step "a register of 160 nodes and 100 versions"
"$BIN/make_chain" "$W/chain"
"$CPIS" init "$W/chained" --role query --org RZZ99 --name "Test Hospital" --register "$W/chain" >/dev/null
"$BIN/make_chain" "$W/chain" 100 160 "$W/chained/descriptor" >/dev/null
t=$(now)
"$CPIS" register verify "$W/chain" >/dev/null
figure register_apply_ms_per_version "$(awk -v ms=$(($(now) - t)) 'BEGIN {print ms / 100}')" ms 100

# What is compared, from this run's own figures; a name that a reader relies on and that is missing is an error.
jq -s -L tests/bench 'include "rounds";
    (rounds | .floor_path_ms = (get(.; "floor_path_us") | .of |= map(. / 1000) | .unit = "ms")) as $r
    | ($r | figures) as $f
    | ($f + {
        lookup_cpu_over_floor: ratio($r; "lookup_cpu_us"; "floor_cpu_no_flag_us"),
        lookup_cpu_over_primitives: ratio($r; "lookup_cpu_us"; "floor_primitives_no_flag_us"),
        lookup_flag_cpu_over_floor: ratio($r; "lookup_flag_cpu_us"; "floor_cpu_flag_us"),
        machines_cpu_over_primitives: ratio($r; "machines_cpu_no_flag_us"; "floor_primitives_no_flag_us"),
        lookup_p50_over_floor: ratio($r; "lookup_p50_ms"; "floor_path_ms"),
        lookups_per_second: ([$f | to_entries[] | select(.key | test("^lookup(_flight_[0-9]+)?_per_second$")) | .value] | max_by(.value)),
        authority_answers_per_second: $f.lookup_flag_flight_16_per_second,
        wire_bytes_per_lookup: $f.wire_bytes_no_flag }) as $all
    | ("lookup_cpu_over_floor lookup_p50_over_floor lookup_p50_ms lookup_p99_ms lookups_per_second authority_rss_mib_5000 directory_rss_mib_1e6 directory_start_s_1e6 csv_rows_per_second xml_records_per_second wire_bytes_per_lookup"
       | split(" ")) as $must
    | ($must - ($all | keys)) as $missing
    | if $missing == [] then $all else error("missing: \($missing | join(" "))") end' "$figures" >"$W/results.json"
mv "$W/results.json" "$out/results.json"
cat "$out/floor.txt"
jq -r 'to_entries | sort_by(.key)[] | [.key, .value.value, .value.unit, .value.n, .value.low, .value.high] | @tsv' "$out/results.json" |
    awk -F '\t' '{printf "%-46s %14.6g %-6s n = %d", $1, $2, $3, $4; if ($5 != "") printf ", %.6g to %.6g", $5, $6; print ""}'
step "done: $out/results.json"
