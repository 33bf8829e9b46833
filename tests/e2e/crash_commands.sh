#!/usr/bin/env bash
# make crash-points, make power-cut, second half: commands that leave something durable die at every point at which they keep
# something, and once more when they have said that it is done. After a death the same command, given again, comes through and
# what it leaves is whole; after a power cut at the end nothing that was said to be done is lost.
#   ACTION=kill|power|some tests/e2e/crash_commands.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/faults/cpis
ACTION=${ACTION:-kill}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
AUTHORITIES=(T001)
F=$W/f hits=0
die() { printf 'crash commands: %s: %s\n' "${at:-start}" "$*" >&2; exit 1; }

# command NAME: NAME_before makes F, NAME_run is the command, NAME_check looks at what it has left
run_with() { # NAME FAULT
    local got=0
    rm -rf "$F"/.faults.*
    (
        export CPIS_FAULT_DIR=$F
        [ -z "$2" ] || export CPIS_FAULT=$2
        "$1_run"
    ) >"$W/out" 2>&1 || got=$?
    return "$got"
}
command_dies() {
    local points point got
    at=$1
    rm -rf "$F" && mkdir "$F" && "$1_before"
    run_with "$1" "" || die "without a fault: $(cat "$W/out")"
    "$1_check" || die "without a fault: what it left is not as it should be"
    points=$(sort -u "$F/.faults.log")
    [ "$(grep -c . <<<"$points")" -gt 1 ] || die "it passes no point"
    while read -r -u 9 point; do
        at="$1: $point"
        rm -rf "$F" && mkdir "$F" && "$1_before"
        got=0
        run_with "$1" "$ACTION$([ "$ACTION" = some ] && echo ":$((RANDOM + 1))"):1:$point" || got=$?
        [ "$got" = 137 ] || die "it did not die there: $got: $(cat "$W/out")"
        # what has said that it is done is not asked again
        [[ $point == *" at exit" ]] || run_with "$1" "" || die "given again it fails: $(cat "$W/out")"
        "$1_check" || die "what it left is not as it should be"
        hits=$((hits + 1))
        printf '%-16s %-60s ok\n' "$1" "$point"
    done 9<<<"$points"
}

init_before() { :; }
init_run() { [ -e "$F/n/node.conf" ] || "$CPIS" init "$F/n" --role query --org RZZ98 --name "Another" --register "$W/register"; }
init_check() {
    { "$CPIS" doctor "$F/n" 2>&1 || true; } >"$W/doctor"
    grep -q 'node.conf is right' "$W/doctor" && grep -q 'identity.key opens' "$W/doctor" && grep -q 'file holds: versions' "$W/doctor"
}

founding_before() { :; }
founding_run() {
    if [ -e "$F/register.next" ]; then
        [ -e "$F/register" ] || "$CPIS" register sign "$F/register" "$F/k1" "$F/k2"
    elif [ ! -e "$F/register" ]; then
        "$CPIS" register init "$F/register" --keys "$F/k1" "$F/k2" "$F/k3" --threshold 2
    fi
}
founding_check() { "$CPIS" register verify "$F/register" && [ "$(find "$F" -name "k[123]" -size +0c | wc -l)" = 3 ]; }

signing_before() {
    cp "$W/register" "$F/register" && cp "$W/keys/k1" "$W/keys/k2" "$F"
    "$CPIS" register limits "$F/register" RZZ99 --lookups-per-day 77777 >/dev/null
}
signing_run() { [ "$(version_of "$F/register")" != "$(version_of "$W/register")" ] || "$CPIS" register sign "$F/register" "$F/k1" "$F/k2"; }
signing_check() { "$CPIS" register verify "$F/register" && [ "$(version_of "$F/register")" = $(("$(version_of "$W/register")" + 1)) ]; }
version_of() { env -u CPIS_FAULT_DIR -u CPIS_FAULT "$CPIS" register show "$1" --json | jq .version; }

editing_before() { cp "$W/register" "$F/register"; }
editing_run() { "$CPIS" register limits "$F/register" RZZ99 --lookups-per-day 77777; }
editing_check() { "$CPIS" register show "$F/register" --next | grep -q "version"; }

accounts_before() { cp -r "$W/T001/node.conf" "$W/T001/identity.key" "$F"; }
accounts_run() { # the second time it may be there
    env -u CPIS_FAULT_DIR -u CPIS_FAULT "$CPIS" accounts list "$F" 2>/dev/null | grep -q '^nurse1' ||
        "$CPIS" accounts add "$F" nurse1 --role officer --display "N. Urse" --password-file "$W/password" --keep
}
accounts_check() { [ "$("$CPIS" accounts list "$F" | grep -c '^nurse1')" = 1 ]; }

backup_before() { :; }
backup_run() { rm -rf "$F/b" && "$CPIS" backup "$W/T001" "$F/b"; }
backup_check() { rm -rf "$W/restored" && "$CPIS" restore "$F/b" "$W/restored" >"$W/check"; } # every row is read and checked

import_before() { :; }
import_run() { "$CPIS" flags import "$W/T001" "$W/T001.csv" --ack "$F/ack.xml"; }
import_check() { grep -q 'CPF02' "$F/ack.xml" && [ "$("$CPIS" flags list "$W/T001" --json | wc -l)" = 5 ]; }

export_before() { :; }
export_run() { "$CPIS" notifications export "$W/T001" --format json --after 0 --out "$F/told.json"; }
export_check() { [ "$(wc -l <"$F/told.json")" = 2 ]; }

trace_before() { :; }
trace_run() { # 10: children are known
    local rc=0
    "$CPIS" trace "$W/$QUERY" "$W/list" --out "$F/answers" --org-code A81001 --user "Dr B" --setting "general practice" --per-second 50 || rc=$?
    [ "$rc" = 10 ] || return "$rc"
}
trace_check() { [ "$(grep -c '"verdict"\|,flag' "$F/answers")" -ge 5 ]; }

found_federation
start_all
hold_ceremony
csv 1 5 0 "$W/T001.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
activate_authorities
for i in 1 2 3 4 5; do number_of "$W/T001.csv" "$i"; done >"$W/list"
seen() { [ "$("$CPIS" notifications list "$W/T001" --json | wc -l)" = 2 ]; }
all_found() { { lookup --scheduled --json <"$W/list" || true; } | jq -se 'all(.verdict == "flag")'; }
until_ok 30 all_found || die "the federation did not become complete"
for i in 1 2; do number_of "$W/T001.csv" "$i" | lookup >/dev/null || true; done
until_ok 10 seen || die "no notifications"
echo 'a password that is long' >"$W/password"
for name in ${COMMANDS:-init founding editing signing accounts backup import export trace}; do command_dies "$name"; done
say "$ACTION at $hits points of commands: given again they come through; what was said to be done is there; $((SECONDS - began)) s"
