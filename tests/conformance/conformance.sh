#!/usr/bin/env bash
# The attacks of proto/README.md against real processes: founds a federation in a temporary folder, runs the target's
# nodes, two directories in an attacker's hands, and then the cases (attack/). Ends with "N passed, N failed".
#   tests/conformance/conformance.sh [TARGET, default build/release/cpis] [--list] [--only TEXT] [--slow] [--json]
set -euo pipefail
cd "$(dirname "$0")/../.."
B=build/release
TARGET=$B/cpis
case "${1:-}" in "" | --*) ;; *) TARGET=$1; shift ;; esac
for argument; do [ "$argument" != --list ] || exec $B/conformance --list; done
CPIS=$(realpath "$TARGET")
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# The cases stop and start nodes: who runs at last stands in pid/.
at_end() {
    local file pid node
    mkdir -p "$W/pid"
    [ -f "$W/attacked" ] || for node in "${!PIDS[@]}"; do echo "${PIDS[$node]}" >"$W/pid/$node"; done
    for file in "$W"/pid/*; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        kill -CONT "$pid" 2>/dev/null || continue # a case may have frozen it
        kill -TERM "$pid" 2>/dev/null || continue
        until_ok 15 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
    done
    PIDS=()
}
gone() { ! kill -0 "$1"; }
AUTHORITIES=(T001 T002)
found_federation
# whose keys an attacker has: no process runs on these folders
"$CPIS" init "$W/Q02" --role query --org RZZ98 --name "Test Hospital 2" --register "$W/register" >/dev/null
"$CPIS" init "$W/Q03" --role query --org RZZ97 --name "Test Hospital 3" --register "$W/register" >/dev/null
"$CPIS" init "$W/T009" --role authority --org T009 --name "Testborough 9" --emergency 02079460109 \
    --register "$W/register" >/dev/null
"$CPIS" register admit "$W/register" --active "$W/Q02/descriptor" >/dev/null
"$CPIS" register admit "$W/register" --active "$W/Q03/descriptor" --evaluations-per-day 12 >/dev/null
"$CPIS" register admit "$W/register" "$W/T009/descriptor" >/dev/null
sign_register
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do cp "$W/register" "$W/$node/register"; done
TARGET_CPIS=$CPIS
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do
    case $node in
    D02 | D03) CPIS=$PWD/$B/puppet CPIS_PUPPET="$W/$node.puppet" start_node "$node" ;;
    *) start_node "$node" ;;
    esac
done
CPIS=$TARGET_CPIS
hold_ceremony
csv 1 700 0 "$W/T001.csv"
csv 2 700 0 "$W/nobody.csv"
csv 3 100 0 "$W/spare.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
nobody=$(number_of "$W/nobody.csv" 1)
become_complete
mkdir "$W/pid"
for node in "${!PIDS[@]}"; do echo "${PIDS[$node]}" >"$W/pid/$node"; done
touch "$W/attacked"
CPIS_CLOCK=$PWD/$B/clock.so $B/conformance "$W" "$CPIS" "$@"
