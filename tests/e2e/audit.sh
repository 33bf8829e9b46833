#!/usr/bin/env bash
# make audit: `cpis log audit` on the logs and evidence of real processes: an honest set is acquitted, and three doctored ones,
# each made by somebody who has that node's key and so signs his log anew, are convicted; a file that was cut on its way convicts nobody. Fails if any of it is not so.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
DOCTOR=$PWD/${DOCTOR_BIN:-build/release/doctor_log}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-audit.XXXXXX")
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
began=$SECONDS
finish() {
    local status=$?
    stop_all
    if [ "$status" = 0 ] || [ -n "${CI:-}" ]; then rm -rf "$W"; else say "kept for a look: $W"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

AUTHORITIES=(T001 T002)
ALL=("${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY")
same() { [ "$1" = "$2" ] || die "not so: $3: $1, expected $2"; }
verdict() { lookup --json "$@" | jq -r .verdict || true; }
says() { [ "$(verdict --scheduled <<<"$1")" = "$2" ]; }
# acked: every copy of a lookup is signed for, so the logs are at rest.
acked() { local d; for d in "${DIRECTORIES[@]}"; do "$CPIS" status "$W/$d" --json | jq -e '.directory.copies_waiting == 0' || return 1; done; }
# The names of what an audit finds, each once.
audit() { "$CPIS" log audit "$@" --register "$W/register" --json | jq -r .finding | sort -u | tr '\n' ' '; }
logs() { local n; for n in "${ALL[@]}"; do [ "$n" = "${1:-}" ] || echo "$W/$n.audit"; done; }

found_federation
start_all
hold_ceremony
csv 1 3 3 "$W/T001.csv"
csv 2 3 3 "$W/T002.csv"
csv 8 5 0 "$W/spare.csv"
for authority in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$authority" "$W/$authority.csv" --wait >/dev/null; done
activate_authorities
nobody=$(number_of "$W/spare.csv" 1)
until_ok 30 says "$nobody" no_flag || die "the federation did not become complete"
for i in 1 2 3; do
    same "$(verdict <<<"$(number_of "$W/T001.csv" "$i")")" flag "the verdict on a listed child"
    same "$(verdict --scheduled <<<"$(number_of "$W/T002.csv" "$i")")" flag "the verdict of a silent read"
done
stop_node T002 KILL # a log survives this as it does a stop
start_node T002
until_ok 20 says "$(number_of "$W/T002.csv" 4)" flag || die "T002 did not come back"
until_ok 20 acked || die "copies still wait"
lookup --json <<<"$(number_of "$W/T001.csv" 4)" >"$W/verdict" || true
rid=$(jq -r .rid "$W/verdict")
"$CPIS" evidence "$W/$QUERY" "$rid" --out "$W/evidence.bin"
until_ok 20 acked || die "copies still wait"
for node in "${ALL[@]}"; do "$CPIS" log export "$W/$node" --audit >"$W/$node.audit"; done

# --- an honest set ---
mapfile -t honest < <(logs)
"$CPIS" log audit "${honest[@]}" "$W/evidence.bin" --register "$W/register" >"$W/verdict.txt" || { cat "$W/verdict.txt"; die "an honest set is convicted"; }
tail -n 1 "$W/verdict.txt"
for node in "${ALL[@]}"; do same "$(audit "$W/$node.audit")" "" "what is found in the log of $node by itself"; done
# ... and given out two minutes later, when what was signed last can be judged by its time as well
for node in "${ALL[@]}"; do "$DOCTOR" drop "$W/$node.audit" "$W/$node" "$(printf 'f%.0s' {1..64})" >"$W/$node.later"; done
same "$(audit "${honest[@]/%.audit/.later}" "$W/evidence.bin")" "" "what is found in an honest set of two minutes later"
! grep -qFf <(cut -d, -f1 "$W"/*.csv | grep '^999') "$W"/*.audit "$W/verdict.txt" || die "a child's number stands in a log or a verdict"

# --- 1: the authority takes a look out of its log, numbers and hashes it anew, and signs it ---
rh=$(jq -r 'select(.event == "details" and .value == 0).about' < <("$CPIS" log export "$W/T001") | head -n 1)
"$DOCTOR" drop "$W/T001.audit" "$W/T001" "$rh" >"$W/T001.dropped"
same "$(audit "$W/T001.dropped")" "" "what its log shows by itself: it is whole"
mapfile -t others < <(logs T001)
same "$(audit "$W/T001.dropped" "${others[@]}" "$W/evidence.bin")" "ack-without-record answer-without-record log-altered " "1, a look taken out"
[[ $(audit "$W/T001.dropped" "$W/D01.audit" "$W/D02.audit") == *ack-without-record* ]] || die "1: not convicted by two directories alone"

# --- 2: it keeps the look, and takes out that anybody was told ---
"$DOCTOR" hush "$W/T001.audit" "$W/T001" "$rh" >"$W/T001.hushed"
same "$(audit "$W/T001.hushed")" "notification-missing " "2, a notification suppressed, by the log alone"
[[ $(audit "$W/T001.hushed" "${others[@]}") == *log-altered* ]] || die "2: the log is not found altered"

# --- 3: a directory denies what it held ---
denied=
for node in "${DIRECTORIES[@]}"; do
    "$DOCTOR" deny "$W/evidence.bin" "$W/$node" >"$W/denied.bin" 2>/dev/null || continue
    denied=$node
    break
done
[ -n "$denied" ] || die "no directory's statement could be turned round"
found=$("$CPIS" log audit "$W/denied.bin" --register "$W/register" || true)
grep -q "^FOUND .*directory $denied .* denied what it held" <<<"$found" || die "3: not convicted: $found"

# --- 4: somebody on the way cuts the file, and leaves the node's signature under it: the node is not to blame ---
last=$(jq -s 'map(.sequence // 0) | max' "$W/T001.audit")
jq -c --argjson last "$last" 'select((.sequence // 0) < $last - 2)' "$W/T001.audit" >"$W/T001.cut"
same "$(audit "$W/T001.cut" "${others[@]}" "$W/evidence.bin")" "log-unsigned " "4, a file cut after its signature"

# --- two entries in another order, as anybody with an editor does it ---
awk '/"sequence":5,/ {held = $0; next} {print} /"sequence":6,/ {print held}' <(jq -c . "$W/D01.audit") >"$W/D01.swapped"
[[ $(audit "$W/D01.swapped") == *entry-missing* ]] || die "entries in another order are not found"

"$CPIS" log audit "$W/T001.dropped" "${others[@]}" --register "$W/register" | head -n 12 || true
say "$found"
say "audit: an honest set acquitted, three doctored logs convicted, in $((SECONDS - began)) s"
