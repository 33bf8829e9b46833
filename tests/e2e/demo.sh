#!/usr/bin/env bash
# make demo: three directories (t = 2), four authorities, one query node, each its own process with its own folder,
# on loopback. A real key ceremony, CSV files the size of real authorities, eight stories; each verdict is printed as a
# person reads it and asserted on the --json. Fails if any story fails; leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-demo.XXXXXX")
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

# --- the figures of four real authorities, 31 March 2025 (children on plans, looked after): Rutland, Camden,
# Hackney and Birmingham, from the DfE's children in need and children looked after statistics ---
SIZES=("28 32" "151 205" "225 352" "1677 2317")

ask() { # LABEL EXPECTED-EXIT JQ-ASSERTION NUMBER [OPTION...]
    local label=$1 exit_wanted=$2 assertion=$3 number=$4 got=0
    shift 4
    say ""
    say "== $label"
    lookup "$@" --json <<<"$number" >"$W/answer.json" || got=$?
    # asked once more for people to read, silently, so that the first look is the one that is notified
    lookup --scheduled <<<"$number" | sed 's/^/   /' || true
    [ "$got" = "$exit_wanted" ] || { cat "$W/answer.json"; die "story failed: $label: exit $got, expected $exit_wanted"; }
    jq -e "$assertion" "$W/answer.json" >/dev/null || { cat "$W/answer.json"; die "story failed: $label: not so: $assertion"; }
}
inbox() { "$CPIS" notifications list "$W/$1" --json; }
heard() { # AUTHORITY NUMBER HOW-MANY
    [ "$(inbox "$1" | jq -s --arg n "$2" '[.[] | select(.nhs_number == $n)] | length')" = "$3" ]
}

say "founding a federation in $W"
found_federation
operations=$(free_port)
sed -i "s/^metrics_listen = .*/metrics_listen = \"127.0.0.1:$operations\";/" "$W/$QUERY/node.conf"
start_all
say "   8 processes run; holding the key ceremony (t = $THRESHOLD of ${#DIRECTORIES[@]}; nobody ever knows the key)"
hold_ceremony

i=0
for authority in "${AUTHORITIES[@]}"; do
    # shellcheck disable=SC2086
    csv "$i" ${SIZES[$i]} "$W/$authority.csv"
    i=$((i + 1))
done
far=$(number_of "$W/T001.csv" 5)      # on a plan at the smallest authority
placed=$(number_of "$W/T004.csv" 1800) # looked after by the largest
twice=$(number_of "$W/T002.csv" 7)    # on a plan here, and below looked after by T003, too
stopped=$(number_of "$W/T003.csv" 9)
silent=$(number_of "$W/T003.csv" 11)
csv 8 2 0 "$W/extra.csv"
mother=$(number_of "$W/extra.csv" 1)
nobody=$(number_of "$W/extra.csv" 2)
echo "$mother,1999-04-05,Givenmother,Familymother,M1,UCPP,2026-09-01,2027-03-01,," >>"$W/T002.csv"
echo "$twice,2014-02-03,Giventwice,Familytwice,X1,LAC,2026-05-01,,," >>"$W/T003.csv"
for authority in "${AUTHORITIES[@]}"; do
    "$CPIS" flags import "$W/$authority" "$W/$authority.csv" --wait >"$W/import-$authority.txt" &
    imports+=($!)
done
for job in "${imports[@]}"; do wait "$job" || die "an import failed: $(tail -n 3 "$W"/import-*.txt)"; done
say "   $(($(cat "$W"/T00?.csv | wc -l) - 4)) plans imported and live nationally"
activate_authorities
ready() { lookup --scheduled --json <<<"$nobody" | jq -e '.verdict == "no_flag"'; }
until_ok 30 ready || die "the federation did not become complete"

ask "1. a child on a plan, seen far from home" 10 \
    '.verdict == "flag" and .flags[0].plan == "CPP" and .flags[0].authority.code == "T001"' "$far"
until_ok 5 heard T001 "$far" 1 || die "story failed: the authority's inbox does not show it"
say "   T001's inbox: $(inbox T001 | jq -r 'select(.nhs_number == "'"$far"'") | "seen at \(.organisation) by \(.who), \(.at)"')"
ask "2. a looked-after child placed in another authority's area" 10 \
    '.verdict == "flag" and .flags[0].plan == "LAC" and .flags[0].authority.code == "T004"' "$placed"
ask "3. a pregnant woman with an unborn-child plan" 10 \
    '.verdict == "flag" and .flags[0].plan == "UCPP" and .flags[0].end == "2027-03-01"' "$mother"
ask "4. a child nobody holds: no flag, as of which moment" 0 \
    '.verdict == "no_flag" and .as_of != null and .authorities.asked == 4 and .authorities.expected == 4' "$nobody"
ask "5. a child held by two authorities" 10 \
    '.verdict == "flag" and ([.flags[].authority.code] | sort | unique) == ["T002", "T003"]' "$twice"
echo "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility
$far,2014-02-03,Givenfar,Familyfar,N1,CPP,2026-11-01,,," >"$W/moved.csv"
"$CPIS" flags import "$W/T004" "$W/moved.csv" --wait >/dev/null
held() { "$CPIS" flags show "$W/$1" - --json <<<"$far"; }
told() { [ "$(held T001 | jq -c '[.elsewhere[].code]')" = '["T004"]' ]; }
until_ok 20 told || die "story failed: T001 is not told that T004 lists the child, too"
[ "$(held T004 | jq -c .elsewhere)" = '[]' ] || die "story failed: the newcomer is told who was there first"
"$CPIS" flags transfer "$W/T001" - --to T004 <<<"$far" >/dev/null
[ "$(held T001 | jq '[.plans[] | select(.end == null)] | length')" = 0 ] || die "story failed: the transfer did not end T001's plan"
say "   T004 lists T001's child of story 1, too: T001 is told, T004 is not; transferred, it ends at T001 (and is shown for its year)"
stop_node T003 KILL
ask "6. the holding authority is stopped: details to follow, and whom to ring" 11 \
    '.verdict == "flag_details_to_follow" and .pending[0].authority.code == "T003" and .pending[0].telephone.emergency == "02079460103"' "$stopped"
start_node T003
until_ok 20 heard T003 "$stopped" 1 || die "story failed: the notification did not arrive after the restart"
say "   T003 is back; its inbox shows the look that it missed"
stop_node D02 KILL
stop_node D03 KILL
ask "7. two of three directories are stopped: unknown, never no flag" 30 \
    '.verdict == "unknown" and .flags == []' "$nobody"
start_node D02
start_node D03
until_ok 30 ready || die "the federation did not recover"
ask "8. silent read: recorded, nobody is told" 10 '.verdict == "flag"' "$silent" --scheduled
sleep 0.5
heard T003 "$silent" 0 || die "story failed: a silent read made a notification"
"$CPIS" accesses "$W/T003" - --json <<<"$silent" | jq -s -e 'length == 2 and all(.scheduled)' >/dev/null ||
    die "story failed: the silent read is not in the access log"

# what an operator sees of each node: metrics, status, doctor, as text and as JSON
mkdir "$W/seen"
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do
    for view in metrics status doctor; do
        "$CPIS" $view "$W/$node" >"$W/seen/$node.$view.txt" || [ $view = doctor ] || die "$node: no $view"
        "$CPIS" $view "$W/$node" --json >"$W/seen/$node.$view.json" || [ $view = doctor ] || die "$node: no $view as JSON"
    done
done
# what the machines of its operations team see, over HTTP
probe() { # PATH STATUS HEADER...: the answer's status, and its body
    local path=$1 status=$2
    shift 2
    exec 3<>"/dev/tcp/127.0.0.1/$operations"
    printf 'GET %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n' "$path" >&3
    [ $# = 0 ] || printf '%s\r\n' "$@" >&3
    printf '\r\n' >&3
    cat <&3 >"$W/answer.http"
    exec 3<&- 3>&-
    head -n 1 "$W/answer.http" | grep -q " $status " || die "$path: not $status: $(head -n 1 "$W/answer.http")"
    sed '1,/^\r$/d' "$W/answer.http"
}
probe /healthz 200 >"$W/seen/$QUERY.healthz.txt"
probe /readyz 200 >"$W/seen/$QUERY.readyz.txt"
probe /readyz 200 'Accept: application/json' | jq -e .ready >"$W/seen/$QUERY.readyz.json"
probe /metrics 200 >"$W/seen/$QUERY.http.metrics.txt"
for family in cpis_node_up cpis_node_resident_memory_bytes cpis_lookups_total cpis_http_requests_total cpis_feed_files; do
    grep -q "^$family" "$W/seen/$QUERY.http.metrics.txt" || die "story failed: /metrics has no $family"
done
jq -e '.confined | startswith("confined: ")' "$W/seen/$QUERY.status.json" >/dev/null || say "   (this machine does not confine a node)"
asked=$(awk '/^cpis_lookups_total/ {n += $2} END {print n}' "$W/seen/$QUERY.metrics.txt")
[ "$asked" -ge 16 ] || die "story failed: the query node counted $asked lookups, 8 stories asked 16 at least"
if command -v promtool >/dev/null; then
    for node in D01 T001 "$QUERY" "$QUERY.http"; do promtool check metrics <"$W/seen/$node.metrics.txt" || die "promtool refuses the metrics of $node"; done
    say "   promtool has nothing against the metrics"
fi
stop_all
# No child's data in any of that, nor in any line that a node logged: every number and every name ...
cut -d, -f1,3,4 "$W"/T00?.csv "$W/extra.csv" | tr ',' '\n' | grep -v -E '^(nhs_number|given|family)?$' | sort -u >"$W/patterns"
printf '%s\n' Giventwice Familytwice Givenmother Familymother Givenfar Familyfar "Test NURSE" >>"$W/patterns"
[ "$(grep -c -E '^[0-9]{10}$' "$W/patterns")" -gt 4900 ] || die "the search looks for too few numbers"
found=0
grep -F -l -f "$W/patterns" "$W"/log/*.log "$W"/seen/* || found=$?
[ "$found" = 1 ] || die "a log line or a page of an operator holds a child's number or name"
# ... and no token, nor anything else that could be one: no hexadecimal or base64 of 16 bytes but the ids of nodes and the head of the log
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do
    jq -r '.node_id, .log.head, (.peers[].id)' "$W/seen/$node.status.json"
done | sort -u | sed 's/.*/s,&,,g/' >"$W/public.sed"
cat "$W"/log/*.log "$W"/seen/* | sed -f "$W/public.sed" >"$W/rest"
! grep -E '[0-9a-fA-F]{32}|(^|[^A-Za-z0-9+/_.-])[A-Za-z0-9+/]{22}==' "$W/rest" || die "a log line or a page of an operator holds what may be a token"
say ""
say "all eight stories hold; $(wc -l <"$W/patterns") numbers and names looked for in $(cat "$W"/log/*.log | wc -l) log lines and $(cat "$W"/seen/* | wc -l) lines of metrics, status and doctor: none found"
say "took $((SECONDS - began)) s"
