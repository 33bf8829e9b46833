#!/usr/bin/env bash
# Cover traffic on real processes, seen by who watches the lines. Looks at listed and at unlisted children take turns at
# random; what is on the lines of the query node and of the listing authority is put to a permutation test
# (line_test.c). Without cover it tells them apart; with it, not; and it sees how little it needs: directories that take
# 20 ms longer for a presence, and whose replies do not wait for their time. A directory without cover costs no answer.
# Every verdict is right, and each look at a listed child has one record.
#   tests/e2e/cover.sh [LOOKS of each kind, default 12]
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILT=$PWD/build/release
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
RELAY=
at_end() { [ -z "$RELAY" ] || kill "$RELAY" 2>/dev/null; }
LOOKS=${1:-12}
AUTHORITIES=(T001 T002)
found_federation

# Each directory listens elsewhere; the relay stands where the register says it is.
lines=()
for d in "${DIRECTORIES[@]}"; do
    port=$(sed -n 's/^endpoint = "tcp:.*:\([0-9]*\)".*/\1/p' "$W/$d/node.conf")
    behind=$(free_port)
    set_key "$d" listen "\"tcp://127.0.0.1:$behind\""
    lines+=("$port:$behind")
done
"$BUILT/line_relay" "$W/lines" "$W/who" "${lines[@]}" 2>"$W/log/relay.log" &
RELAY=$!

# All nodes start one after the other, so that the relay knows whose lines it sees. $1: true or false; $2: what the
# directories run.
all_connected() { "$CPIS" status "$W/$1" --json | jq -e --argjson n "$2" '[.peers[] | select(.role == "directory" and .reachable)] | length == $n'; }
start_watched() {
    local node
    for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do
        set_key "$node" cover_traffic "$1"
    done
    echo directory >"$W/who"
    for node in "${DIRECTORIES[@]}"; do CPIS=${2:-$CPIS} start_node "$node"; done
    for node in "${DIRECTORIES[@]}"; do until_ok 20 all_connected "$node" $((${#DIRECTORIES[@]} - 1)) || die "$node does not reach the others"; done
    for node in "${AUTHORITIES[@]}" "$QUERY"; do
        echo "$node" >"$W/who"
        start_node "$node"
        until_ok 20 all_connected "$node" ${#DIRECTORIES[@]} || die "$node does not reach the directories"
    done
}
all_covered() {
    local node
    for node in T001 "$QUERY"; do
        "$CPIS" status "$W/$node" --json | jq -e '[.peers[] | select(.role == "directory")] | length > 0 and all(.covered)' || return 1
    done
}

start_watched false
hold_ceremony
csv 1 $((3 * LOOKS + 10)) 0 "$W/T001.csv"
csv 2 $((3 * LOOKS + 11)) 0 "$W/nobody.csv"
nobody=$(number_of "$W/nobody.csv" $((3 * LOOKS + 11)))
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
become_complete

# $1: the name of the run; $2: hit or miss; $3: the number
look() {
    local verdict
    verdict=$(lookup --json <<<"$3" | jq -r .verdict) || true
    case $2/$verdict in
    hit/flag | miss/no_flag) ;;
    *) die "$1: a $2 gave $verdict" ;;
    esac
}
used=0
# $1: the name of the run; $2: milliseconds for each look; $3: alike or apart
watch_looks() {
    local i kind number mark
    : >"$W/looks.$1"
    for kind in $(for i in $(seq "$LOOKS"); do echo "hit:$((used + i))"; echo "miss:$((used + i))"; done | shuf); do
        case $kind in
        hit:*) number=$(number_of "$W/T001.csv" "${kind#*:}") ;;
        *) number=$(number_of "$W/nobody.csv" "${kind#*:}") ;;
        esac
        mark=$(date +%s%6N)
        echo "$mark ${kind%:*}" >>"$W/looks.$1"
        look "$1" "${kind%:*}" "$number"
        sleep "$(awk -v m="$mark" -v n="$(date +%s%6N)" -v w="$2" 'BEGIN {s = (m + w * 1000 + 150000 - n) / 1e6; print (s > 0 ? s : 0)}')"
    done
    used=$((used + LOOKS))
    printf '%-11s' "$1"
    "$BUILT/line_test" "$W/lines" "$W/looks.$1" "$2" "$3" "$QUERY" T001
}

watch_looks uncovered 1000 apart || die "without cover the test does not tell looks apart: it has no power"
stop_all
start_watched true
until_ok 30 all_covered || die "no cells come"
until_ok 60 ready || die "the federation did not become complete again"
watch_looks covered 2600 alike || die "with cover who watches can tell a look at a listed child"

# One directory is told to do without: nothing is lost, and what goes to it in the clear is counted and told.
covered_are() { "$CPIS" status "$W/$1" --json | jq -e --argjson n "$2" '[.peers[] | select(.covered)] | length == $n'; }
clear_is_told() { "$CPIS" status "$W/$1" --json | jq -e '.cover.clear > 0 and .events.EVENT_UNCOVERED > 0 and .cover.lost == 0'; }
set_key D03 cover_traffic false
kill -HUP "${PIDS[D03]}"
for i in 1 2; do
    used=$((used + 1))
    look "one without" hit "$(number_of "$W/T001.csv" "$used")"
    look "one without" miss "$(number_of "$W/nobody.csv" "$used")"
    [ "$i" = 2 ] || until_ok 20 covered_are "$QUERY" 2 || die "a directory that sends no cells counts as covered"
done
for i in $(seq 8); do # until one of them goes through that directory
    if clear_is_told "$QUERY" >/dev/null; then break; fi
    used=$((used + 1))
    look "one without" hit "$(number_of "$W/T001.csv" "$used")"
done
clear_is_told "$QUERY" >/dev/null || die "what went in the clear was not told"
uncovered=$("$CPIS" doctor "$W/$QUERY" | grep "NOT covered" || true)
case $(wc -l <<<"$uncovered")$uncovered in
1*D03*) ;;
*) die "cpis doctor does not say which line is not covered: $uncovered" ;;
esac
stop_all
# What a presence really costs is a millisecond or so more, which is not to be seen in so few looks on a busy machine.
start_watched true "$BUILT/no_release/cpis"
until_ok 30 all_covered || die "no cells come"
until_ok 60 ready || die "the federation did not become complete again"
watch_looks "no release" 700 apart || die "replies that do not wait for their time are not seen"
for i in $(seq "$used"); do
    looks=$("$CPIS" accesses "$W/T001" - --json <<<"$(number_of "$W/T001.csv" "$i")" | jq -s length)
    [ "$looks" = 1 ] || die "child $i has $looks records"
done
say "$used looks at listed children: all FLAG, each with its one record; at others: all NO FLAG"
