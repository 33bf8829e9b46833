#!/usr/bin/env bash
# make bench-growth: what grows with authorities, plans, lookups in flight, directories, key epochs. Seven tables (plans have three), each
# with the exponents of growth (fit.jq) below it, and build/bench/growth.json for a program. tests/bench/README.md says what the columns mean.
# PLANS_MAX=1000000 (to 10000000, 10 GiB of disk) tokens in a directory, AUTHORITIES_MAX=1000, LOOKUPS=100 for each row of machines; ONLY="tokens list" leaves
# the other tables out.
# shellcheck disable=SC2016,SC2034,SC2154
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$PWD/build/release
CPIS=$BIN/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
plans_max=${PLANS_MAX:-1000000} authorities_max=${AUTHORITIES_MAX:-1000} count=${LOOKUPS:-100}
only=" ${ONLY:-authorities tokens list flight authority directories epochs} "
out=build/bench figures=$W/figures
mkdir -p "$out"
: >"$W/tables"
wanted() { [[ $only == *" $1 "* ]]; }

# Figures in $figures, and fields as `jq` arguments, become a row of the table.
row() { # TABLE JQ-FIELDS
    jq -c -s "(map({key: .name, value: .value}) | from_entries) as \$f | {table: \"$1\", row: {$2}}" "$figures" >>"$W/tables"
    : >"$figures"
}
: >"$figures"
# Prints a table with its exponents and keeps them. The first column is what grows; FIT says over which column that is measured.
table() { # NAME TITLE FIT [WITHOUT-EXPONENT]...
    local name=$1 title=$2 over=$3
    shift 3
    jq -c -s -L tests/bench --arg name "$name" --arg title "$title" --arg over "$over" 'include "fit";
        map(select(.table == $name).row) as $rows
        | {name: $name, title: $title, over: $over, rows: $rows,
           fit: (reduce ($rows[0] | keys_unsorted[]) as $c ({}; if ($ARGS.positional | index($c)) or $c == $over then . else .[$c] = ($rows | fit(.[$over]; .[$c]) + {upper_half: ($rows[($rows | length / 2 | floor):] | slope(.[$over]; .[$c]))}) end))}' \
        --args "$@" <"$W/tables" >"$W/table"
    cat "$W/table" >>"$W/growth"
    jq -r 'def round4: if . == null then "-" elif . == 0 then 0 else (pow(10; 3 - (fabs | log10 | floor)) as $s | . * $s | round / $s) end;
        def fabs: if . < 0 then -. else . end;
        def text: if type == "number" then round4 | tostring else tostring end;
        def line: "| " + join(" | ") + " |";
        (.rows[0] | keys_unsorted) as $c | .fit as $f
        | def fitted(what; field): [$c[] as $k | if $k == $c[0] then what else ($f[$k][field] // null | if . == null then "" else . * 100 | round / 100 | tostring end) end] | line;
          "", .title, "", ($c | line), ($c | map("---:") | line), (.rows[] | [.[$c[]] | text] | line),
          fitted("exponent"; "exponent"), fitted("of the upper half"; "upper_half"), fitted("R²"; "r2")' "$W/table" |
        sed 's/| -0 |/| 0 |/g; s/| -0 |/| 0 |/g'
}

machines() { "$BIN/bench_machines" "$@" >>"$figures"; }
# What a row says of a lookup through the machines; curve: multiplications and signatures, made and checked.
curve='([$f | to_entries[] | select(.key | test("^made_no_flag_(ristretto|signature|x25519|hash_to)")) | .value] | add)'
lookup='query_us: $f.query_cpu_no_flag_us, directories_us: $f.directories_cpu_no_flag_us, curve_calls: '$curve', messages: $f.machines_messages_no_flag, wire_bytes: $f.wire_bytes_no_flag'
around='evidence_bytes: $f.query_store_bytes_no_flag, query_kib: ($f.query_heap_bytes / 1024), directory_kib: ($f.directory_heap_bytes / 1024), background_us_per_s: $f.background_cpu_us'

if wanted authorities; then
    for n in 10 30 100 300 1000; do
        [ "$n" -le "$authorities_max" ] || continue
        step "$n authorities"
        machines 2 3 "$count" "$n" "$((n > 64 ? n : 64))"
        row authorities "authorities: $n, $lookup, $around"
    done
    table authorities "Authorities; 3 directories, t = 2; lists of 64 entries each, the least there is" authorities
fi

# None of its lists is confirmed, so a lookup can't end well; what counts is that D01 has searched, and holds its index from then on.
searched() {
    lookup --scheduled --json <<<"$(number_of "$W/nobody.csv" 1)" || true
    "$CPIS" metrics "$W/D01" | grep -q "^cpis_lookups_taken_today.* [1-9]"
}

if wanted tokens; then
    step "matches"
    "$BIN/bench_sizes" match "$plans_max" >"$W/match"
    DIRECTORIES=(D01 D02)
    AUTHORITIES=(T001 T002 T003 T004 T005 T006 T007 T008 T009 T010)
    found_federation
    mkdir "$W/before"
    mv "$W/D01" "$W/D02" "$W/$QUERY" "$W/register" "$W/before"
    csv 9 40 0 "$W/nobody.csv"
    for ((tokens = 10000; tokens <= plans_max; tokens *= 10)); do
        step "a directory of $tokens tokens"
        cp -a "$W/before/." "$W"
        eatmydata "$BIN/bench_sizes" fill "$W/D01" "$tokens" "${AUTHORITIES[@]/#/$W/}"
        timed_start D01 "[.directory.lists[].n] | add == $tokens"
        figure start_s "$took" s 1
        figure start_cpu_s "$(cpu_s "${PIDS[D01]}")" s 1
        figure rss_mib "$(rss_mib "${PIDS[D01]}")" mib 1
        start_node D02
        start_node "$QUERY"
        hold_ceremony
        until_ok 60 searched || die "no lookup reached D01"
        figure searched_rss_mib "$(rss_mib "${PIDS[D01]}")" mib 1
        figure store_mib "$(du -sm "$W/D01/data" | cut -f1)" mib 1
        jq -c --arg n "directory_matches_per_second_$tokens" 'select(.name == $n) | .name = "matches"' "$W/match" >>"$figures"
        row tokens "tokens: $tokens, match_us: (1e6 / \$f.matches), start_s: \$f.start_s, start_cpu_s: \$f.start_cpu_s, rss_mib: \$f.rss_mib, searched_rss_mib: \$f.searched_rss_mib, store_mib: \$f.store_mib"
        stop_all
        rm -rf "$W/D01" "$W/D02" "${W:?}/$QUERY" "$W/register"
    done
    table tokens "Plans in a directory; ten authorities" tokens
    rm -rf "$W/keys" "$W/before" "$W"/T0??
fi

if wanted list; then
    for n in 1000 3000 10000; do
        step "a list of $n plans"
        "$BIN/bench_sizes" lists "$n" >>"$figures"
        row list "plans: $n, publish_us_per_plan: \$f.list_publish_cpu_us_per_plan, delta_ms: \$f.list_delta_cpu_ms, repair_ms: \$f.gossip_repair_cpu_ms, tree_ms: \$f.list_tree_cpu_ms"
    done
    table list "Plans of one authority: its list; 3 directories, t = 2" plans
fi

if wanted flight || wanted authority; then
    DIRECTORIES=(D01 D02 D03)
    AUTHORITIES=(T001 T002 T003 T004)
    step "a federation of real processes"
    found_federation
    run_founded 1024
fi

if wanted flight; then
    for ((flight = 1; flight <= 256; flight *= 2)); do
        step "$flight lookups in flight"
        tail -n +2 "$W/nobody.csv" | cut -d, -f1 | sed -n "1,$((flight < 64 ? 400 : 1024))p" |
            load "$flight" l
        row flight "flight: $flight, p50_ms: \$f.l_p50_ms, p99_ms: \$f.l_p99_ms, cpu_us: \$f.l_cpu_us, per_second: \$f.l_per_second"
    done
    table flight "Lookups in flight; real processes, 3 directories, t = 2, 4 authorities of 577 plans" flight
fi

if wanted authority; then
    has=577
    for n in 1000 5000 10000; do
        step "an authority of $n plans"
        csv $((n / 1000 % 8 + 1)) $((n - has)) 0 "$W/more.csv"
        "$CPIS" flags import "$W/T001" "$W/more.csv" --wait >/dev/null
        has=$n
        stop_node T001
        timed_start T001 ".authority.children >= $n"
        figure start_s "$took" s 1
        figure start_cpu_s "$(cpu_s "${PIDS[T001]}")" s 1
        figure rss_mib "$(rss_mib "${PIDS[T001]}")" mib 1
        figure store_mib "$(du -sm "$W/T001/data" | cut -f1)" mib 1
        row authority "plans: $n, start_s: \$f.start_s, start_cpu_s: \$f.start_cpu_s, rss_mib: \$f.rss_mib, store_mib: \$f.store_mib"
    done
    table authority "Plans of one authority: its process" plans
fi
stop_all

if wanted directories; then
    for n in 3 5 7 9 11 13 15; do
        t=$((n / 2 + 1))
        step "$n directories, t = $t"
        machines $t $n "$count"
        row directories "directories: $n, t: $t, $lookup, one_directory_us: (\$f.directories_cpu_no_flag_us / $t), evidence_bytes: \$f.query_store_bytes_no_flag"
    done
    table directories "Directories; t = floor(n / 2) + 1, 4 authorities; exponents over t" t directories
fi

if wanted epochs; then
    for e in "1 1" "2 1" "2 2"; do
        step "key epochs published and searched: $e"
        # shellcheck disable=SC2086
        machines 2 3 "$count" 4 3000 $e
        row epochs "published: ${e% *}, searched: ${e#* }, $lookup, $around"
    done
    table epochs "Key epochs in parallel; 3 directories, t = 2, 4 authorities, 3,000 plans; exponents over those searched" searched published
fi

jq -s '{date: (now | todate), processors: '"$(nproc)"', tables: .}' "$W/growth" >"$out/growth.json"
step "done: $out/growth.json"
