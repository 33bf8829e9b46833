#!/usr/bin/env bash
# make keys: the life of every key, on real processes, under lookups that never stop: secrets in no place where they must not be; a
# new key epoch with an authority that is stuck; a node's key replaced with overlap; a revocation in force everywhere within 60 s,
# by each node's own signed log; another set of root keys; a lost passphrase; a lost disk. No listed child is ever "no flag".
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
load=
at_end() { [ -z "$load" ] || { rm -f "$W/loading"; wait "$load" 2>/dev/null; }; }

AUTHORITIES=(T001 T002)
ask() { "$CPIS" lookup "$W/$1" - "${ASKER[@]}" --scheduled --json; }
verdict() { ask "$1" <<<"$2" | jq -r .verdict || true; }
says() { [ "$(verdict "$1" "$2")" = "$3" ]; }
version() { "$CPIS" status "$W/$1" --json | jq .register.version; }
at_version() { local n; for n in "${!PIDS[@]}"; do [ "$(version "$n")" = "$1" ] || return 1; done; }
id_of() { "$CPIS" status "$W/$1" --json | jq -r .node_id; }
signers=(k1 k2)
sign_register() { "$CPIS" register sign "$W/register" "${signers[@]/#/$W/keys/}" >/dev/null; }
newest() { "$CPIS" register show "$W/register" --json | jq .version; }
in_force() { sign_register; publish_register; until_ok 60 at_version "$(newest)" || die "not every node has the newest register"; }
live() { "$CPIS" status "$W/$1" --json | jq -e --argjson e "$2" '[.authority.published[] | select(.epoch == $e) | .live] == [true]'; }

ulimit -c unlimited # what the shell allows, each process takes back
found_federation
start_all
hold_ceremony
csv 1 4 3 "$W/T001.csv"
csv 2 4 3 "$W/T002.csv"
csv 3 4 3 "$W/T003.csv"
csv 8 5 0 "$W/spare.csv"
for a in T001 T002; do "$CPIS" flags import "$W/$a" "$W/$a.csv" --wait >/dev/null; done
activate_authorities
nobody=$(number_of "$W/spare.csv" 1) later=$(number_of "$W/spare.csv" 2)
one=$(number_of "$W/T001.csv" 1) two=$(number_of "$W/T002.csv" 1) three=$(number_of "$W/T003.csv" 1)
until_ok 30 says Q01 "$nobody" no_flag || die "the federation did not become complete"

# --- secrets are where they belong ---
for node in "${!PIDS[@]}"; do
    pid=${PIDS[$node]}
    locked=$(awk '/^VmLck/ {print $2}' "/proc/$pid/status")
    [ "$locked" -gt 0 ] || die "$node has locked no memory"
    same "$(awk '/^Max core file size/ {print $5, $6}' "/proc/$pid/limits")" "0 0" "the core limit of $node"
done
kill -STOP "${PIDS[D01]}" "${PIDS[D02]}" "${PIDS[D03]}" # so that a lookup lasts long enough to be looked at
"$CPIS" lookup "$W/Q01" "$one" "${ASKER[@]}" --json >/dev/null 2>&1 &
asking=$!
hidden() { tr '\0' ' ' <"/proc/$asking/cmdline" >"$W/cmdline" && [ -s "$W/cmdline" ] && ! grep -q "$one" "$W/cmdline"; }
until_ok 2 hidden || die "a number stands in argv"
! tr '\0' ' ' <"/proc/$asking/environ" | grep -q "$one" || die "a number stands in the environment"
kill -CONT "${PIDS[D01]}" "${PIDS[D02]}" "${PIDS[D03]}"
wait "$asking" || true
cores() { find "$W" . -maxdepth 2 -type f \( -name core -o -name 'core.*' \) | wc -l; }
(cd "$W/log" && bash -c 'kill -ABRT $$') >/dev/null 2>&1 || true # does this machine leave cores where one looks?
leaves=$(cores)
rm -f "$W"/log/core*
node=T002
kill -ABRT "${PIDS[$node]}"
wait "${PIDS[$node]}" 2>/dev/null || true
same "$(cores)" 0 "cores left by a node that was made to dump one"
[ "$leaves" = 1 ] || say "this machine leaves no core of any program here: only the limit of 0 was seen"
start_node "$node"
until_ok 30 says Q01 "$two" flag || die "$node did not come back"
say "secrets: locked in every node, no core of one that was made to dump, no number in argv or environment"

# --- from here on somebody asks all the time ---
: >"$W/loading"
(while [ -e "$W/loading" ]; do for n in "$one" "$two"; do verdict "$(cat "$W/asker")" "$n"; done; done) >"$W/load" 2>/dev/null &
load=$!
echo Q01 >"$W/asker"
never_no() { ! grep -qx no_flag "$W/load" || die "$1: a listed child was said to be none"; }

# --- a new epoch, while an authority is stuck ---
made() { "$CPIS" ceremony result "$W/D01" >"$W/ceremony" 2>/dev/null && [ "$(jq .epoch "$W/ceremony")" = 2 ]; }
# Until the old epoch is over, 48 h after the switch, lookups are in it alone, where the stuck authority's list stands; who is then
# missing in the new one is named beside each NO FLAG: tests/simulations/test_epochs.c has those hours.
holds() { "$CPIS" status "$W/D01" --json | jq -e --arg a "$1" '[.directory.lists[] | select(.epoch == 2) | .authority.code] | index($a)'; }
"$CPIS" ceremony start "$W/D01" "${DIRECTORIES[@]}" --epoch 2 --threshold "$THRESHOLD" >/dev/null
until_ok 30 made || die "the second ceremony did not end"
kill -STOP "${PIDS[T002]}"
"$CPIS" register epoch "$W/register" "$W/ceremony" >/dev/null
sign_register
publish_register
until_ok 30 live T001 2 || die "T001's list is not live in the new epoch"
until_ok 30 holds T001 || die "D01 holds no list of T001 in the new epoch"
if holds T002 >/dev/null; then die "a stuck authority has a list in the new epoch"; fi
says Q01 "$nobody" no_flag || die "during the switch the federation is not complete"
found=$(verdict Q01 "$two")
[[ $found == flag* ]] || die "a child of the stuck authority: $found"
kill -CONT "${PIDS[T002]}"
until_ok 60 live T002 2 || die "T002 did not catch up"
until_ok 30 holds T002 || die "D01 does not hold T002's list in the new epoch"
until_ok 30 says Q01 "$nobody" no_flag || die "after the switch the federation is not complete"
never_no "a new epoch"
say "epoch: switched under lookups; the children of the authority that was stuck were found all the while, and it has caught up"

# --- a query node's key is replaced: both in force, then the old one is revoked ---
old=$(id_of Q01)
"$CPIS" init "$W/Q02" --role query --org RZZ99 --name "Test Hospital" --register "$W/register" >/dev/null
"$CPIS" register admit "$W/register" "$W/Q02/descriptor" --replaces "$old" --active >/dev/null
in_force
cp "$W/register" "$W/Q02/register"
start_node Q02
until_ok 30 says Q02 "$one" flag || die "the new key is of no use"
says Q01 "$one" flag || die "the old key is of no use before it was revoked"
echo Q02 >"$W/asker"
"$CPIS" register revoke "$W/register" "$old" >/dev/null
sign_register
published=$(date +%s%3N)
publish_register
revoked() { [ "$(verdict Q01 "$one")" = unknown ]; }
until_ok 60 revoked || die "a revoked node still gets answers"
stop_node Q01 # nobody tells it any more: neither the register that shuts it out
until_ok 60 at_version "$(newest)" || die "not every node has the revocation"
slowest=0
for node in "${!PIDS[@]}"; do
    "$CPIS" log export "$W/$node" --audit >"$W/$node.audit"
    accepted=$("$CPIS" log export "$W/$node" | jq -r --argjson v "$(newest)" 'select(.event == "register-accepted" and .value == $v).time' | tail -n 1)
    [ -n "$accepted" ] || die "the log of $node has no register $(newest)"
    ms=$(($(date -d "$accepted" +%s%3N) - published))
    [ "$ms" -le 60000 ] || die "$node took the revocation after $ms ms"
    slowest=$((ms > slowest ? ms : slowest))
done
# each log is signed by its node, and what others hold of it agrees: so these times are its own word
"$CPIS" log audit "$W"/*.audit --register "$W/register" >"$W/audit" || { cat "$W/audit"; die "the logs do not agree"; }
never_no "a key replaced"
say "revocation: in force at every node $slowest ms after it was published, by each node's signed log; $(tail -n 1 "$W/audit")"

# --- other root keys: one is lost, another comes ---
lost=$("$CPIS" register key "$W/keys/k1")
"$CPIS" register roots "$W/register" --remove "$lost" --add "$("$CPIS" register key "$W/keys/k4")" >/dev/null
signers=(k2 k3) # enough of the old, and of the new
in_force
"$CPIS" register expect "$W/register" T009=Later=02079460199 >/dev/null
if "$CPIS" register sign "$W/register" "$W/keys/k1" >/dev/null 2>&1; then die "a root key that was removed still signs"; fi
signers=(k3 k4)
in_force
say "root keys: one replaced; every node takes what the new ones sign, and nothing of the old"

# --- a passphrase is lost: the folder can't be opened any more, by anybody ---
(umask 077; echo "a long passphrase for T003" >"$W/passphrase")
"$CPIS" init "$W/T003" --role authority --org T003 --name "Testborough 3" --emergency 02079460103 --register "$W/register" --passphrase-file "$W/passphrase" >/dev/null
"$CPIS" register admit "$W/register" "$W/T003/descriptor" >/dev/null
in_force
cp "$W/register" "$W/T003/register"
start_node T003
! tr '\0' ' ' <"/proc/${PIDS[T003]}/cmdline" | grep -q "a long passphrase" || die "a passphrase stands in argv"
! grep -qr "a long passphrase" "$W/log" "$W/T003" || die "a passphrase stands in a log or the folder"
"$CPIS" flags import "$W/T003" "$W/T003.csv" --wait >/dev/null
"$CPIS" register state "$W/register" T003 active >/dev/null
in_force
until_ok 30 says Q02 "$three" flag || die "T003's child is not found"
gone=$(id_of T003)
stop_node T003
echo "another one" >"$W/passphrase"
if "$CPIS" run "$W/T003" >"$W/refused" 2>&1; then die "another passphrase opens the folder"; fi
grep -q "the passphrase of identity.key is wrong" "$W/refused" || die "what is wrong is not said: $(cat "$W/refused")"
found=$(verdict Q02 "$three")
[[ $found == flag* ]] || die "its last list is searched no more: $found"
"$CPIS" init "$W/T003.new" --role authority --org T003 --name "Testborough 3" --emergency 02079460103 --register "$W/register" >/dev/null
"$CPIS" register admit "$W/register" "$W/T003.new/descriptor" --replaces "$gone" >/dev/null
in_force
cp "$W/register" "$W/T003.new/register"
start_node T003.new
"$CPIS" flags import "$W/T003.new" "$W/T003.csv" --snapshot --wait >/dev/null
"$CPIS" register state "$W/register" "$(id_of T003.new)" active >/dev/null
in_force
"$CPIS" register remove "$W/register" "$gone" >/dev/null
in_force
until_ok 30 says Q02 "$three" flag || die "with its new key T003's child is not found"
until_ok 30 says Q02 "$nobody" no_flag || die "with its new key the federation is not complete"
never_no "a lost passphrase"
say "lost passphrase: a new key in its place, its children found all the while"

# --- a disk is lost: the backup, then all that came since ---
"$CPIS" backup "$W/T001" "$W/T001.backup" >/dev/null
head -n 1 "$W/T001.csv" >"$W/since.csv"
sed -n 3p "$W/spare.csv" >>"$W/since.csv"
cat "$W/T001.csv" <(sed -n 3p "$W/spare.csv") >"$W/all.csv"
"$CPIS" flags import "$W/T001" "$W/since.csv" --wait >/dev/null
stop_node T001 KILL
rm -rf "$W/T001"
found=$(verdict Q02 "$later")
[[ $found == flag* ]] || die "without its node T001's child is: $found"
"$CPIS" restore "$W/T001.backup" "$W/T001" >/dev/null
cp "$W/register" "$W/T001/register" # as a steward would send it
start_node T001
found=$(verdict Q02 "$later")
[[ $found == flag* ]] || die "restored, before the snapshot: $found"
"$CPIS" flags import "$W/T001" "$W/all.csv" --snapshot --wait >/dev/null
"$CPIS" flags confirm-restore "$W/T001" >/dev/null
until_ok 30 says Q02 "$later" flag || die "what came after the backup is lost"
until_ok 60 says Q02 "$nobody" no_flag || die "the federation is not complete again"
rm -f "$W/loading"
wait "$load" || true
load=
never_no "a lost disk"
[ $((2 * $(grep -c ^flag "$W/load"))) -gt "$(wc -l <"$W/load")" ] || die "most lookups found nothing out: $(sort "$W/load" | uniq -c)"
say "keys: all of it under $(wc -l <"$W/load") lookups of listed children, none of them \"no flag\", in $((SECONDS - began)) s"
