#!/usr/bin/env bash
# make bench-lookup: lookup times on the demo's federation, half of them hits (silent reads), one after the other.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/cpis
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-bench.XXXXXX")
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
trap 'stop_all; rm -rf "$W"' EXIT
count=${LOOKUPS:-1000}
found_federation
start_all
hold_ceremony
import_medians
activate_authorities
csv 9 "$((count / 2))" 0 "$W/nobody.csv"
until_complete "$(number_of "$W/nobody.csv" 1)"
sleep 2
hits=$(tail -q -n +2 "$W"/T00?.csv | cut -d, -f1 | sed -n "1,$((count / 2))p")
paste -d '\n' <(echo "$hits") <(tail -n +2 "$W/nobody.csv" | cut -d, -f1) | grep . | build/release/bench_lookup "$W/$QUERY"
