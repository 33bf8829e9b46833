#!/usr/bin/env bash
# make bench-web: what HTTP adds to a lookup at a query node of a federation of real processes, beside 1,000 refused and metadata
# requests a second, and beside 10,000 idle connections (bench_web.c). LOOKUPS=400.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/certificates.sh
. tests/e2e/certificates.sh
count=${LOOKUPS:-400}
ulimit -n "$(ulimit -Hn)"
found_federation
make_authority ca
make_server_certificate web
add_client ed RZZ99 true 60000
port=$(free_port)
serve_clients "$QUERY" "$port"
set_key "$QUERY" web_connections_of_one_address 0 # the idle ones are all its own
start_all
hold_ceremony
csv 1 225 352 "$W/T001.csv"
csv 9 "$count" 0 "$W/nobody.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
nobody=$(number_of "$W/nobody.csv" 1)
become_complete
sleep 2
tail -n +2 "$W/nobody.csv" | cut -d, -f1 |
    build/release/bench_web "$W/$QUERY" "https://127.0.0.1:$port/FHIR/R4" "$W/web.pem" "$W/ed.pem" "$W/ed.key"
