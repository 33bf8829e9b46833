#!/usr/bin/env bash
# Real processes, kill -9 at random moments: the holder, a directory or the query node dies a few milliseconds into a
# lookup of a flagged child and comes back. Afterwards every lookup that was sent has exactly one record at the
# holder, one notification for each record, and none was ever answered with "no flag".
#   tests/e2e/kills.sh [ROUNDS, default 12]
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
rounds=${1:-12}
found_federation
start_all
hold_ceremony
csv 1 "$rounds" 0 "$W/T001.csv"
csv 2 1 0 "$W/nobody.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
nobody=$(number_of "$W/nobody.csv" 1)
become_complete

victims=(T001 "$QUERY" D01 D02 D03)
killed="" slowest=0
for round in $(seq "$rounds"); do
    waited=$SECONDS
    until_ok 60 ready || die "round $round: the federation did not recover"
    slowest=$((SECONDS - waited > slowest ? SECONDS - waited : slowest))
    number=$(number_of "$W/T001.csv" "$round")
    victim=${victims[$((RANDOM % ${#victims[@]}))]}
    lookup --json <<<"$number" >"$W/answer.$round" 2>/dev/null &
    asking=$!
    sleep "0.0$((RANDOM % 3))$((RANDOM % 10))"
    stop_node "$victim" KILL
    killed="$killed $victim"
    start_node "$victim"
    wait "$asking" || true
    if grep -q '"no_flag"' "$W/answer.$round"; then die "round $round: $victim killed: a false no"; fi
done
say "killed:$killed; the slowest recovery took $slowest s"
until_ok 120 quiet || die "something is still waiting to be delivered"
sleep 1
for round in $(seq "$rounds"); do
    number=$(number_of "$W/T001.csv" "$round")
    looks=$("$CPIS" accesses "$W/T001" - --json <<<"$number" | jq -s length)
    told=$("$CPIS" notifications list "$W/T001" --json | jq -s --arg n "$number" '[.[] | select(.nhs_number == $n)] | length')
    verdict=$(jq -r '.verdict // "none"' "$W/answer.$round" 2>/dev/null || echo none)
    say "lookup $round: ${verdict:-none}, $looks records, $told notifications"
    [ "$looks" -le 1 ] && [ "$told" = "$looks" ] || die "lookup $round: not one record and one notification"
    case "$verdict" in flag | flag_details_to_follow) [ "$looks" = 1 ] || die "lookup $round: read and not recorded" ;; esac
done
say "all $rounds lookups: at most one record, one notification each, no false no"
