#!/usr/bin/env bash
# make bench-web: what HTTP adds to a lookup at a query node of a federation of real processes, beside 1,000 refused and metadata
# requests a second, and beside 10,000 idle connections (bench_web.c). LOOKUPS=400.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/cpis
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-bench.XXXXXX")
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/certificates.sh
. tests/e2e/certificates.sh
trap 'stop_all; rm -rf "$W"' EXIT
count=${LOOKUPS:-400}
ulimit -n "$(ulimit -Hn)"
found_federation
make_authority ca
make_certificate ca ed "/CN=ed.test.example" clientAuth
make_server_certificate web
cat >"$W/clients.conf" <<X
clients = ( { name = "ed"; subject = "cn:ed.test.example"; token = "never"; organisation_code = "RZZ99"; organisation_name = "Test Hospital";
  setting = "emergency department"; device_id = "ed-1"; responsible = "Dr Test LEAD"; unscheduled = true; scheduled = true;
  requests_a_minute = 60000; user_requests_a_minute = 60000; } );
X
port=$(free_port)
set_key() { sed -i "s|^$1 = .*|$1 = \"$2\";|" "$W/$QUERY/node.conf"; }
set_key web_listen "127.0.0.1:$port"
set_key web_certificate "$W/web.pem"
set_key web_key "$W/web.key"
set_key web_client_ca "$W/ca.pem"
set_key web_clients "$W/clients.conf"
sed -i "s|^web_connections_of_one_address = .*|web_connections_of_one_address = 0;|" "$W/$QUERY/node.conf" # the idle ones are all its own
start_all
hold_ceremony
csv 1 225 352 "$W/T001.csv"
csv 9 "$count" 0 "$W/nobody.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
activate_authorities
until_complete "$(number_of "$W/nobody.csv" 1)"
sleep 2
tail -n +2 "$W/nobody.csv" | cut -d, -f1 |
    build/release/bench_web "$W/$QUERY" "https://127.0.0.1:$port/FHIR/R4" "$W/web.pem" "$W/ed.pem" "$W/ed.key"
