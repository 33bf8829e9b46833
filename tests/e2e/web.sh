#!/usr/bin/env bash
# make web: a query node's HTTP on real processes: FHIR over TLS for a client with a certificate, all five verdicts, and three naive
# clients that must never read "none" where it is not; while `cpis web`, the node, an authority and directories are killed and
# come back. Certificates and clients are renewed by SIGHUP. No log, metric or refusal holds a child's data.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
KILLS=${KILLS:-10}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/certificates.sh
. tests/e2e/certificates.sh
AUTHORITIES=(T001 T002)
D=$W/$QUERY
told() { grep -q "event=$1 " "$W/log/$QUERY.log"; }

# --- clients ---
BASE=/FHIR/R4
as() { # CLIENT CURL-ARG...
    local client=$1
    shift
    curl -s -m 20 --cacert "$W/web.pem" --cert "$W/$client.pem" --key "$W/$client.key" "$@"
}
# Body in $W/body, status in $W/status; by POST, so that the number is in no argument list.
care_team() { # CLIENT NUMBER [CURL-ARG...]
    local client=$1 number=$2
    shift 2
    printf 'patient:identifier=https://fhir.nhs.uk/Id/nhs-number|%s' "$number" >"$W/form"
    as "$client" -o "$W/body" -w '%{http_code}' "$@" -H 'Content-Type: application/x-www-form-urlencoded' \
        --data-binary "@$W/form" "https://127.0.0.1:$port$BASE/CareTeam/_search" >"$W/status" || echo 000 >"$W/status"
}
# What three careless programs make of it: "none", or something else.
counts_entries() { [ "$(cat "$W/status")" = 200 ] && [ "$(jq '[.entry[]? | select(.resource.resourceType == "CareTeam")] | length' "$W/body")" = 0 ] && echo none || echo else; }
reads_total() { [ "$(cat "$W/status")" = 200 ] && [ "$(jq '.total // 0' "$W/body")" = 0 ] && echo none || echo else; }
checks_status() { [ "$(cat "$W/status")" = 404 ] || { [ "$(cat "$W/status")" = 200 ] && [ "$(jq -r '.resourceType' "$W/body")" != Bundle ]; } && echo none || echo else; }
naive() { echo "$(counts_entries) $(reads_total)"; }
is() { # LABEL NUMBER STATUS NAIVE JQ-ASSERTION [CURL-ARG...]
    local label=$1 number=$2 status=$3 naive=$4 assertion=$5
    shift 5
    care_team ed "$number" "$@"
    same "$(cat "$W/status")" "$status" "$label: status"
    same "$(naive)" "$naive" "$label: what naive clients read"
    same "$(checks_status)" else "$label: what one that looks at the status alone reads"
    jq -e "$assertion" "$W/body" >/dev/null || { cat "$W/body"; die "not so: $label: $assertion"; }
    say "   $label: $status"
}

port=$(free_port)
metrics=$(free_port)
say "founding a federation in $W"
found_federation
"$CPIS" init "$W/Q02" --role query --org RZZ98 --name "Test Hospital, second" --register "$W/register" >/dev/null
"$CPIS" register admit "$W/register" --active "$W/Q02/descriptor" >/dev/null
sign_register
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY" Q02; do cp "$W/register" "$W/$node/register"; done
make_authority ca
make_certificate ca stranger "/CN=stranger.test.example" clientAuth
make_server_certificate web
add_client ed RJ1 true 60000
add_client gp A81001 false 5
first=$port
second=$(free_port)
serve_clients "$QUERY" "$first"
serve_clients Q02 "$second"
set_key "$QUERY" metrics_listen "\"127.0.0.1:$metrics\""
set_key Q02 web_connections_of_one_address 3
"$CPIS" clients check "$W/Q02" >"$W/clients.txt" || { cat "$W/clients.txt"; die "clients.conf"; }
start_all
start_node Q02
hold_ceremony
csv 1 20 10 "$W/T001.csv"
csv 2 20 10 "$W/T002.csv"
for a in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$a" "$W/$a.csv" --wait >/dev/null; done
csv 8 1 0 "$W/spare.csv"
nobody=$(number_of "$W/spare.csv" 1)
flagged=$(number_of "$W/T001.csv" 3)
silent=$(number_of "$W/T002.csv" 4)
activate_authorities
says_ready() { [ "$(curl -s -m 5 -o "$W/ready" -w '%{http_code}' "http://127.0.0.1:$metrics/readyz")" = 200 ]; }
until_ok 30 says_ready || die "not ready: $(cat "$W/ready")"
complete() { care_team ed "$nobody" -H 'IsUnscheduledAccessEvent: false' && [ "$(cat "$W/status")" = 200 ]; }
until_ok 30 complete || die "the federation did not become complete: $(cat "$W/body")"

say "the five verdicts, and what three naive clients read"
is "a child on a plan" "$flagged" 200 "else else" '.total == 1 and .entry[0].resource.resourceType == "CareTeam"'
told_of() { "$CPIS" notifications list "$W/$1" --json | jq -s --arg n "$2" 'map(select(.nhs_number == $n)) | length'; } # NODE NUMBER
told_once() { [ "$(told_of "$@")" = 1 ]; }
until_ok 5 told_once T001 "$flagged" || die "one look, $(told_of T001 "$flagged") notifications"
is "a child nobody holds" "$nobody" 200 "none none" '.total == 0'
stop_node T002 KILL
is "the holder is stopped: whom to ring" "$silent" 200 "else else" '.total == 1 and ([.. | .value? // empty | tostring] | any(contains("02079460102")))'
start_node T002
"$CPIS" init "$W/T009" --role authority --org T009 --name "Testborough 9" --emergency 02079460109 --office 01632960109 --register "$W/register" >/dev/null
"$CPIS" register admit "$W/register" "$W/T009/descriptor" >/dev/null
sign_register
"$CPIS" register state "$W/register" T009 active >/dev/null
sign_register
publish_register
incomplete() { care_team ed "$nobody" && [ "$(cat "$W/status")" = 503 ] && grep -q INCOMPLETE "$W/body"; }
until_ok 20 incomplete || die "an authority that was never heard did not make it incomplete: $(cat "$W/body")"
is "an authority was never heard: incomplete" "$nobody" 503 "else else" '.resourceType == "OperationOutcome" and (tostring | contains("Testborough 9") and contains("02079460109"))'
cp "$W/register" "$W/T009/register"
start_node T009
until_ok 30 complete || die "heard, it stays incomplete: $(cat "$W/body")"
stop_node D02 KILL
stop_node D03 KILL
is "two of three directories are stopped: unknown" "$nobody" 503 "else else" '.resourceType == "OperationOutcome"'
not_ready() { ! says_ready; }
until_ok 70 not_ready || die "it says that it is ready"
grep -q "directories" "$W/ready" || die "readyz does not say why: $(cat "$W/ready")"
start_node D02
start_node D03
until_ok 30 complete || die "the federation did not recover"

say "who may ask"
is "a practice asks unscheduled" "$nobody" 403 "else else" '.issue[0].code == "forbidden"' --cert "$W/gp.pem" --key "$W/gp.key"
care_team stranger "$nobody"
same "$(cat "$W/status")" 403 "a stranger"
until_ok 5 told WEB_REFUSED || die "a refusal is not in the log"
limited() { care_team gp "$nobody" -H 'IsUnscheduledAccessEvent: false' && [ "$(cat "$W/status")" = 429 ]; }
until_ok 10 limited || die "a practice asks without a limit"
same "$(naive)" "else else" "over the limit"

say "killed while asked"
web_pid() { pgrep -f "^cpis web $D\$"; }
up() { curl -s -m 5 -o /dev/null --cacert "$W/web.pem" "https://127.0.0.1:$port$BASE/metadata"; }
for round in $(seq "$KILLS"); do
    number=$(number_of "$W/T001.csv" $((round % 20 + 4)))
    care_team ed "$number" &
    asking=$!
    sleep "0.0$((RANDOM % 6))"
    if [ $((round % 2)) = 0 ]; then
        pkill -9 -f "^cpis web $D\$" || true
        wait "$asking"
    else
        stop_node "$QUERY" KILL
        wait "$asking"
        start_node "$QUERY"
    fi
    case "$(naive)" in *none*) die "round $round: a naive client reads none of a child on a plan: $(cat "$W/status" "$W/body")" ;; esac
    until_ok 70 up || die "round $round: nothing starts it again"
    until_ok 60 complete || die "round $round: it did not recover"
done
say "   $KILLS times: no naive client read none"

say "two at one door"
twin=$(number_of "$W/T002.csv" 20)
port=$second
until_ok 30 complete || die "the second does not answer: $(cat "$W/body")"
is "the second answers as the first" "$twin" 200 "else else" '.total == 1'
exec {a}<>"/dev/tcp/127.0.0.1/$second" {b}<>"/dev/tcp/127.0.0.1/$second" {c}<>"/dev/tcp/127.0.0.1/$second"
exec {d}<>"/dev/tcp/127.0.0.1/$second"
is_open() { # FD: nothing comes, nor its end
    local status=0
    timeout 1 head -c 1 <&"$1" >/dev/null 2>&1 || status=$?
    [ "$status" = 124 ]
}
is_open "$c" || die "the third connection of one address is not let in"
! is_open "$d" || die "the fourth connection of one address is let in, and three are the most"
exec {a}>&- {b}>&- {c}>&- {d}>&-
stop_node Q02 KILL
until_ok 10 told_once T002 "$twin" || die "the node that answered was killed, and the authority was told $(told_of T002 "$twin") times"
port=$first
is "the first goes on without it" "$nobody" 200 "none none" '.total == 0'

say "renewed while it runs"
make_server_certificate web "second"
kill -HUP "$(web_pid)"
is_second() { openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -subject | grep -q second; }
until_ok 10 is_second || die "SIGHUP did not renew the certificate"
renewals() { grep -c 'event=WEB_CERTIFICATE msg="a new certificate is served' "$W/log/$QUERY.log"; }
reloads() { grep -c 'event=WEB_CLIENTS ' "$W/log/$QUERY.log"; }
hup() { # and it is done
    local before
    before=$(reloads || true)
    kill -HUP "$(web_pid)"
    hupped() { [ "$(reloads)" -gt "$before" ]; }
    until_ok 10 hupped || die "SIGHUP was not taken up"
}
hup
same "$(renewals)" 1 "renewals after a SIGHUP without a new certificate"
make_server_certificate web "third"
chmod 0644 "$W/web.key"
hup
is_second || die "a key that everybody can read is served"
grep -q 'event=WEB_CERTIFICATE msg="the new certificate is not served' "$W/log/$QUERY.log" || die "that it is not served is not told"
chmod 0600 "$W/web.key" # its time stays
hup
same "$(renewals)" 2 "renewals after one that failed"
sed -i 's/name = "gp"; subject/name = "gp"; nonsense/' "$W/clients.conf"
kill -HUP "$(web_pid)"
until_ok 5 grep -q 'event=WEB_CLIENTS msg="the clients stay as they were' "$W/log/$QUERY.log" || die "a wrong clients.conf is not told"
is "and the clients of before may ask" "$nobody" 200 "none none" '.total == 0'

say "what it says of itself"
same "$(curl -s -m 5 -o /dev/null -w '%{http_code}' --cacert "$W/web.pem" "https://127.0.0.1:$port$BASE/CareTeam")" 401 "without a certificate"
curl -s -m 5 "http://127.0.0.1:$metrics/metrics" >"$W/metrics.txt"
grep -q '^cpis_lookups_total{verdict="no_flag"} [1-9]' "$W/metrics.txt" || die "metrics do not count lookups"
grep -q '^cpis_http_callers_refused_total{reason="nobody"} [1-9]' "$W/metrics.txt" || die "metrics do not count who was refused"
grep -q '^cpis_fhir_answers_total{code="ok"} [1-9]' "$W/metrics.txt" || die "metrics do not count what FHIR answered"
grep -q '^cpis_http_requests_total{listener="web"} [1-9]' "$W/metrics.txt" || die "metrics do not count requests"
as ed -o "$W/metadata" "https://127.0.0.1:$port$BASE/metadata"
jq -e '.resourceType == "CapabilityStatement"' "$W/metadata" >/dev/null || die "no CapabilityStatement"

say "ended while a look waits for a node that stands still"
kill -STOP "${PIDS[$QUERY]}"
care_team ed "$nobody" &
asking=$!
waits() { # the node stands still: the metrics take 5 s
    curl -s -m 10 -o "$W/metrics.txt" "http://127.0.0.1:$metrics/metrics" && grep -q '^cpis_http_requests_waiting{listener="web"} 1$' "$W/metrics.txt"
}
until_ok 15 waits || die "no look waits for the node"
kill -TERM "$(web_pid)"
wait "$asking"
kill -CONT "${PIDS[$QUERY]}"
same "$(cat "$W/status")" 503 "a look that waits when cpis web ends: status"
jq -e '.resourceType == "OperationOutcome"' "$W/body" >/dev/null || die "not told in FHIR: $(cat "$W/body")"
stop_node "$QUERY"
grep -q WEB "$W/log/$QUERY.log"
stop_all
cut -d, -f1,3,4 "$W"/T00?.csv "$W/spare.csv" | tail -n +2 | tr ',' '\n' | grep -v -E '^(nhs_number|given|family)$' | sort -u >"$W/patterns"
if grep -F -l -f "$W/patterns" "$W"/log/*.log "$W/metrics.txt" "$W/metadata" "$W/ready"; then die "a child's number or name"; fi
say "$(wc -l <"$W/patterns") numbers and names looked for in logs, metrics and refusals: none found"
say "took $((SECONDS - began)) s"
