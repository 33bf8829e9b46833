#!/usr/bin/env bash
# make bench-publish: lookups, one after the other, while an authority publishes a whole list through the same directories, without workers
# and with the default (`workers` of node.conf), in turns, each authority once: p50, p99 and the longest, and the ratios of the medians of
# both. Then what one directory evaluates in a second. PLANS=5000 LOOKUPS=150 SECONDS_EACH=4
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$PWD/build/release
CPIS=$BIN/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
plans=${PLANS:-5000}
count=${LOOKUPS:-150}
figures=$W/figures
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
# of this authority: has it begun to evaluate, is all of it published?
evaluates() { "$CPIS" status "$W/$1" --json | jq -e '[.authority.published[] | select(.waiting > 0)] | length > 0'; }
is_live() { "$CPIS" status "$W/$1" --json | jq -e "[.authority.published[] | select(.live and .real >= $plans)] | length > 0"; }
restart_directories() { # WORKERS
    local d
    for d in "${DIRECTORIES[@]}"; do
        stop_node "$d"
        set_key "$d" workers "$1"
        start_node "$d"
    done
    until_ok 60 ready || die "the federation did not become complete"
    sleep 2 # what follows a start, each node with each
}

found_federation
start_all
hold_ceremony
csv 9 "$count" 0 "$W/nobody.csv"
# shellcheck disable=SC2034 # of `ready`
nobody=$(number_of "$W/nobody.csv" 1)
become_complete
for i in "${!AUTHORITIES[@]}"; do
    authority=${AUTHORITIES[$i]}
    workers=$((i % 2 * 4))
    restart_directories $workers
    csv "$i" "$plans" 0 "$W/$authority.csv"
    "$CPIS" flags import "$W/$authority" "$W/$authority.csv" >/dev/null &
    import=$!
    until_ok 60 evaluates "$authority" || die "$authority does not publish"
    numbers "$W/nobody.csv" | sed -n "1,${count}p" | load 1 "publish_workers_$workers"
    is_live "$authority" >/dev/null && say "the list was live before the last lookup: ask for fewer" >&2
    wait $import
    until_ok 600 is_live "$authority" || die "$authority's list is not live"
done
stop_all
jq -rs 'map(select(.name | test("_(p50|p99|p999)_ms$"))) | def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
    [group_by(.name)[] | {key: .[0].name, value: (map(.value) | median)}] | from_entries
    | to_entries[] as $e | select($e.key | test("workers_0")) | ($e.key | sub("workers_0"; "workers_4")) as $with
    | "\($e.key | ltrimstr("publish_workers_0_")): \($e.value) without, \(.[$with]) with workers; ratio \(.[$with] / $e.value * 1000 | round / 1000)"' "$figures"
"$BIN/bench_workers" "${SECONDS_EACH:-4}" 0 1 2
