#!/usr/bin/env bash
# make bench-lookup: lookup times on the demo's federation, half of them hits (silent reads), one after the other.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
count=${LOOKUPS:-1000}
found_federation
run_founded "$((count / 2))"
hits=$(numbers "$W"/T00?.csv | sed -n "1,$((count / 2))p")
paste -d '\n' <(echo "$hits") <(numbers "$W/nobody.csv") | grep . | build/release/bench_lookup "$W/$QUERY"
