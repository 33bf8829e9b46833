#!/usr/bin/env bash
# make rolling: two minor versions in one federation of real processes. Each node, one after the other, goes from today's cpis to
# one that sends frames of a kind today's does not know, and back, while lookups go on: no false no, each look recorded once, what
# is not known is counted and not complained of. `rolling.sh OLD`: the older one is that build of cpis.
set -euo pipefail
cd "$(dirname "$0")/../.."
NEXT=$PWD/build/release/next/cpis
OLD=${1:-$PWD/build/release/cpis}
CPIS=$OLD
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
AUTHORITIES=(T001 T002)
asker=""
at_end() { [ -z "$asker" ] || kill "$asker" 2>/dev/null; }

found_federation
start_all
hold_ceremony
csv 1 300 0 "$W/T001.csv"
csv 2 50 0 "$W/T002.csv"
csv 8 1 0 "$W/spare.csv"
for a in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$a" "$W/$a.csv" --wait >/dev/null; done
nobody=$(number_of "$W/spare.csv" 1)
become_complete

# A look at one listed child after the other, each once; its verdict, or nothing where the query node is away.
ask_on() {
    local i=0 got
    while i=$((i + 1)) && [ "$i" -le 300 ] && [ ! -e "$W/enough" ]; do
        got=$(lookup --json <<<"$(number_of "$W/T001.csv" "$i")" 2>/dev/null | jq -r .verdict) || true
        echo "$i ${got:-none}" >>"$W/asked"
        sleep 0.1
    done
}
: >"$W/asked"
ask_on &
asker=$!

flags() { grep -c ' flag$' "$W/asked" || true; }
looked_on() { [ "$(flags)" -ge $(($1 + 3)) ]; }
# ... and each mixture of versions has found some of the children that are asked for meanwhile
upgrade() { # NODE CPIS
    CPIS=$2
    stop_node "$1"
    start_node "$1"
    until_ok 60 ready || die "$1 runs the other version, and the federation does not get complete"
    until_ok 60 looked_on "$(flags)" || die "$1 runs the other version, and hardly a look is answered: $(tail -n 3 "$W/asked")"
}
unknown_frames() { "$OLD" status "$W/$1" --json | jq '[.. | objects | .EVENT_FRAME_LATER? // empty] | add // 0'; }
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do
    upgrade "$node" "$NEXT"
    say "   $node is of the next version"
done
for node in D01 T001; do
    upgrade "$node" "$OLD"
    say "   $node is back at the older one"
done
heard() { [ "$(unknown_frames D01)" -gt 0 ] && [ "$(unknown_frames T001)" -gt 0 ]; }
until_ok 30 heard || die "an older node has heard nothing that it does not know: $("$OLD" status "$W/D01" --json | jq -c .events)"
touch "$W/enough"
wait "$asker" || true
asker=""
CPIS=$OLD
until_ok 60 ready || die "not complete at the end"
quiet() { "$CPIS" status "$W/$QUERY" --json | jq -e '.query.outbox == 0'; }
until_ok 60 quiet || die "something is still waiting to be delivered"
sleep 1

asked=0
while read -r i verdict; do
    asked=$((asked + 1))
    [ "$verdict" != no_flag ] || die "look $i: a false no"
    looks=$("$CPIS" accesses "$W/T001" - --json <<<"$(number_of "$W/T001.csv" "$i")" | jq -s length)
    case "$verdict" in
        flag | flag_details_to_follow) [ "$looks" = 1 ] || die "look $i ($verdict): $looks records" ;;
        *) [ "$looks" -le 1 ] || die "look $i ($verdict): $looks records" ;;
    esac
done <"$W/asked"
if grep -h "EVENT_FRAME_MALFORMED" "$W"/log/*.log; then die "what is not known was taken for a fault"; fi
say "$asked looks ($(flags) flags; the others: $(cut -d' ' -f2 "$W/asked" | grep -v '^flag$' | sort | uniq -c | tr -s ' \n' ' ')), no false no, one record each"
say "frames of a later kind: D01 heard $(unknown_frames D01), T001 $(unknown_frames T001); took $((SECONDS - began)) s"
