#!/usr/bin/env bash
# make fhir: a system asks a query node in FHIR, over TLS with its certificate, in a federation of real processes: a flag and its
# history are one look that the authority hears of, a silent read is none, "none" is only ever NO FLAG; authorities, directories and
# the node itself are taken away meanwhile. No log holds a child's number.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-fhir.XXXXXX")
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/certificates.sh
. tests/e2e/certificates.sh
AUTHORITIES=(T001 T002)
finish() {
    local status=$?
    stop_all
    if [ "$status" = 0 ] || [ -n "${CI:-}" ]; then rm -rf "$W"; else say "kept for a look: $W"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- asking ---
base() { printf 'https://127.0.0.1:%s/cpis/FHIR/R4' "$port"; }
web() { # CURL-ARGUMENT...: the status; the body is in $W/body
    curl --silent --show-error --max-time 60 --cacert "$W/node.pem" --output "$W/body" --write-out '%{http_code}' "$@" || true
}
# RESOURCE NUMBER [CURL-ARGUMENT...]: by a form, so that no number stands in argv
ask() {
    local resource=$1 number=$2
    shift 2
    printf 'patient:identifier=https://fhir.nhs.uk/Id/nhs-number|%s' "$number" |
        web --cert "$W/client.pem" --key "$W/client.key" --data-binary @- "$@" "$(base)/$resource/_search"
}
same() { [ "$1" = "$2" ] || { head -c 2000 "$W/body"; die "not so: $3: $1, expected $2"; }; }
so() { jq -e "$1" "$W/body" >/dev/null || { head -c 2000 "$W/body"; die "not so: $2: $1"; }; }
told() { "$CPIS" notifications list "$W/T001" --json | wc -l; }
told_is() { [ "$(told)" = "$1" ]; }
says() { [ "$(ask CareTeam "$1")" = "$2" ]; } # NUMBER STATUS

# --- the sandbox ---
port=$(free_port)
"$CPIS" sandbox --listen "127.0.0.1:$port" >"$W/sandbox" 2>&1 &
sandbox=$!
sandbox() { web "http://127.0.0.1:$port/cpis/FHIR/R4/CareTeam?patient=$1" "${@:2}"; } # of the range that is never issued
open() { [ "$(sandbox 9990000026)" = 200 ]; }
until_ok 10 open || die "cpis sandbox does not answer: $(cat "$W/sandbox")"
so '.total == 0 and .meta.tag[0].code == "HTEST"' "none, of a test child"
same "$(sandbox 9990000018)" 200 "a test child's flag"
so '.total == 1' "a test child's flag"
same "$(sandbox 9990000018 --header 'IsUnscheduledAccessEvent: perhaps')" 400 "neither true nor false"
so '.issue[0].details.coding[0].code == "PRECONDITION_FAILED" and (.issue[0].diagnostics | contains("true or false"))' "which header"
kill "$sandbox"
wait "$sandbox" || die "cpis sandbox ended with $?"
say "0. cpis sandbox answers of its test children, without a folder"

say "founding a federation in $W"
found_federation
make_authority ca
make_server_certificate node
make_certificate ca client "/CN=ed.test.example" clientAuth
port=$(free_port)
cat >"$W/clients.conf" <<EOF
clients = ( { name = "emergency-system"; subject = "cn:ed.test.example"; token = "never"; organisation_code = "RZZ99";
    organisation_name = "Test Hospital"; setting = "emergency department"; device_id = "200000000001";
    responsible = "Test LEAD"; unscheduled = true; scheduled = true; } );
EOF
set_key() { sed -i "s|^$1 = .*|$1 = \"$2\";|" "$W/$QUERY/node.conf"; }
set_key web_listen "127.0.0.1:$port"
set_key web_certificate "$W/node.pem"
set_key web_key "$W/node.key"
set_key web_client_ca "$W/ca.pem"
set_key web_clients "$W/clients.conf"
start_all
hold_ceremony
csv 0 8 2 "$W/T001.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
activate_authorities
child=$(number_of "$W/T001.csv" 1)
silent=$(number_of "$W/T001.csv" 2)
dark=$(number_of "$W/T001.csv" 3)
csv 8 20 0 "$W/extra.csv"
nobody=$(number_of "$W/extra.csv" 1)
ready() { lookup --scheduled --json <<<"$nobody" | jq -e '.verdict == "no_flag"'; }
until_ok 30 ready || die "the federation did not become complete"
until_ok 20 says "$nobody" 200 || { cat "$W/log/$QUERY.log"; die "the node's web does not answer: $(cat "$W/body")"; }

# --- none is NO FLAG ---
so '.total == 0 and .entry == null and .type == "searchset"' "nobody is none"
same "$(web "$(base)/metadata")" 200 "capabilities without a certificate"
so '.resourceType == "CapabilityStatement"' "capabilities"
same "$(web "$(base)/CareTeam?patient=9990000018")" 401 "a search without a certificate"
so '.resourceType == "OperationOutcome" and .issue[0].code == "login"' "who may not ask"
say "1. a child whom nobody lists is total 0; whoever is not known is told so"

# --- a flag and its history: one look ---
same "$(ask CareTeam "$child" --header 'TraceID: t-1')" 200 "a flag"
so '.total == 1 and .entry[0].resource.telecom[1].value == "02079460101"' "a flag"
until_ok 20 told_is 1 || die "the authority has heard $(told) times"
same "$(ask AuditEvent "$child")" 200 "a history"
so '.total == 1 and (.entry[1].resource.organization.display == "Test Hospital")' "this look is in the history"
same "$(ask AuditEvent "$silent" --header 'IsUnscheduledAccessEvent: false')" 422 "a silent read"
so '.issue[0].details.coding[0].code == "KNOWN_WITHOUT_HISTORY"' "known, not looked at"
same "$(ask CareTeam "$child")" 200 "a second look"
until_ok 20 told_is 2 || die "the authority has heard $(told) times, not of two looks"
say "2. a flag and its history are one look, which the authority hears of; a silent read is none"

# --- many at once ---
sed 1d "$W/extra.csv" | jq -R '{request: {method: "GET", url: ("CareTeam?patient=" + split(",")[0])}}' |
    jq -s '{resourceType: "Bundle", type: "batch", entry: .}' >"$W/batch"
same "$(web --cert "$W/client.pem" --key "$W/client.key" --header 'Content-Type: application/fhir+json' \
    --header 'IsUnscheduledAccessEvent: false' --data-binary @"$W/batch" "$(base)")" 200 "a batch"
so '[.entry[] | .response.status == "200 OK" and .resource.total == 0] | length == 20 and all' "twenty are none"
say "3. a batch of 20 is answered in one"

# --- an authority that is away ---
stop_node T001
same "$(ask CareTeam "$dark")" 200 "its authority is away"
so '.total == 1 and ([.entry[].resource.resourceType] == ["CareTeam", "OperationOutcome"])' "details to follow are one to ring"
so '.entry[0].resource | .name == "Testborough 1" and .category[0].coding[0].code == "DETAILS_TO_FOLLOW"' "whom to ring"
same "$(ask AuditEvent "$dark")" 503 "its history"
start_node T001
until_ok 30 told_is 4 || die "the authority has heard $(told) times after it came back, not of the two looks meanwhile"
say "4. an authority that is away is a CareTeam to ring, and hears when it is back"

# --- the node that is killed, and directories that are away ---
pgrep -f "^cpis web $W/$QUERY\$" >/dev/null || die "cpis web does not run"
stop_node "$QUERY" KILL
start_node "$QUERY"
until_ok 30 says "$nobody" 200 || die "a node that was killed does not come back: $(cat "$W/body")"
stop_node D02
stop_node D03
same "$(ask CareTeam "$nobody")" 503 "one directory of two that are needed"
so '.resourceType == "OperationOutcome" and .issue[0].code == "transient" and .total == null' "unknown is an error"
start_node D02
start_node D03
until_ok 60 says "$nobody" 200 || die "it does not recover: $(cat "$W/body")"
so '.total == 0' "none again"
say "5. too few directories are an error, never none; and it comes back"

# --- what is written down ---
for number in "$child" "$silent" "$dark" "$nobody"; do
    ! grep -rlF "$number" "$W/log" || die "a log holds a child's number"
done
say "6. no log holds a number"
