#!/usr/bin/env bash
# make inbox: an authority's people live with it, on real processes: a child seen at three hospitals, one that was
# not brought, a test, somebody who deals with them, what nobody opens, exports without loss or doubles, numbers.
# With CPIS_SCHEMAS=DIR (the folder that has Schemas/REPC_MT000004GB01.xsd) messages 05 and 06 are validated by xmllint.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
AUTHORITIES=(T001)
inbox() { "$CPIS" notifications list "$W/T001" --json "$@"; }
counted() { # HOW-MANY [OPTION...]
    local want=$1
    shift
    [ "$(inbox "$@" | wc -l)" = "$want" ]
}
so() { jq -e "$1" >/dev/null || die "not so: $2: $1"; } # JQ-ASSERTION WHAT
look() { # NUMBER CODE [OPTION...]: the flag is found, or its details follow
    local number=$1 code=$2 got=0
    shift 2
    lookup --org-code "$code" --org "Hospital $code" "$@" >"$W/answer" <<<"$number" || got=$?
    [ "$got" = 10 ] || [ "$got" = 11 ] || { cat "$W/answer"; die "the flag was not found: exit $got"; }
}
export_as() { "$CPIS" notifications export "$W/T001" --format "$1" --out "$W/$2" --after "$3" --json; } # prints the result
valid() { # SCHEMA FILE
    [ -z "${CPIS_SCHEMAS:-}" ] || xmllint --noout --schema "$CPIS_SCHEMAS/Schemas/$1.xsd" "$2" 2>"$W/xmllint" ||
        { cat "$W/xmllint"; die "$2 is not valid by $1"; }
}

say "founding a federation in $W"
found_federation
set_key T001 escalate_after_minutes 1
start_all
hold_ceremony
csv 0 6 6 "$W/T001.csv"
"$CPIS" flags import "$W/T001" "$W/T001.csv" --wait >/dev/null
often=$(number_of "$W/T001.csv" 1)
missed=$(number_of "$W/T001.csv" 2)
once=$(number_of "$W/T001.csv" 3)
csv 8 1 0 "$W/extra.csv"
nobody=$(number_of "$W/extra.csv" 1)
become_complete

say "1. an empty message 05 is one, and a test goes the way of all"
export_as message05 empty.xml 0 | so '.written == 0 and .last == 0' "nothing yet"
valid REPC_MT000004GB01 "$W/empty.xml"
"$CPIS" notifications test "$W/T001" --by "A. Duty" >/dev/null
inbox | so '.kind == "test" and .nhs_number == null and .who == "A. Duty" and .state == "new"' "a test"

say "2. one child at three hospitals: a pattern, once"
for code in RJ1 RJ2 RJ3; do look "$often" "$code"; done
until_ok 5 counted 1 --kind pattern || die "no pattern was told"
inbox --kind pattern | so '(.looks | map(.organisation_code)) == ["RJ1", "RJ2", "RJ3"]' "its places"

say "3. not brought: of a flagged child only; the sender reads what any lookup reads"
look "$missed" RJ1 --purpose not-brought --scheduled
cp "$W/answer" "$W/answer-missed"
look "$missed" RJ1 --scheduled
learned() { sed -e 's/[0-9][0-9]:[0-9][0-9]//g' -e '/^Evidence/d' "$1"; }
diff <(learned "$W/answer-missed") <(learned "$W/answer") || die "the sender of not-brought reads something else"
until_ok 5 counted 1 --kind not-brought || die "not-brought was not told"
got=0
lookup --purpose not-brought --scheduled --json <<<"$nobody" >"$W/answer" || got=$?
[ "$got" = 0 ] || die "not-brought of nobody's child: exit $got"
counted 1 --kind not-brought || die "not-brought of a child without a flag was told"

say "4. who has seen it, and who has dealt with it"
look "$once" RJ1
until_ok 5 counted 7 || die "seven notifications are due"
id=$(inbox | jq -s --arg n "$once" '.[] | select(.nhs_number == $n) | .id')
"$CPIS" notifications ack "$W/T001" "$id" --by "A. Duty"
"$CPIS" notifications ack "$W/T001" "$id" --state actioned --by "B. Worker"
stop_node T001 KILL
start_node T001
inbox | jq -s ".[] | select(.id == $id)" |
    so '.state == "actioned" and .seen_by == "A. Duty" and .actioned_by == "B. Worker" and (.changes | length) == 2' "kept"

say "5. exports: whole, and each notification once"
export_as csv all.csv 0 | so '.written == 7' "all in csv"
[ "$(wc -l <"$W/all.csv")" = 8 ] || die "the csv has other rows"
export_as json first.json 0 >"$W/first"
last=$(jq -r .after "$W/first")
look "$once" RJ2
until_ok 5 counted 8
export_as json second.json "$last" | so '.written == 1 and .last == 8' "what came since"
[ "$(cat "$W"/first.json "$W"/second.json | jq .id | sort -n | tr '\n' ' ')" = "1 2 3 4 5 6 7 8 " ] || die "lost or doubled"
export_as message05 all.xml 0 | so '.written == 7 and .left_out == 1' "a pattern has no place in message 05"
valid REPC_MT000004GB01 "$W/all.xml"
grep -q 'NOT BROUGHT' "$W/all.xml" && grep -q 'TEST NOTIFICATION' "$W/all.xml" || die "message 05 is not marked"
grep -q '<value extension="1"/>' "$W/all.xml" || die "message 05 does not name the upload file"
if export_as csv all.csv 99 >/dev/null 2>&1; then die "a cursor of another inbox was taken"; fi

"$CPIS" flags inactive "$W/T001" - --replaced-by "$nobody" --out "$W/inactive.xml" <<<"$once" >/dev/null
grep -q "<id extension=\"$nobody\"/>" "$W/inactive.xml" || die "message 06 does not name the new number"
valid REPC_MT000005GB01 "$W/inactive.xml"
"$CPIS" flags inactive "$W/T001" - --out "$W/inactive.xml" < <(printf '%s\n' "$once" "$often") >/dev/null
valid REPC_MT000005GB01 "$W/inactive.xml"

say "6. what nobody opens is escalated once, and told without a child's data"
escalated() { "$CPIS" status "$W/T001" --json | jq -e '.authority.notifications == {unopened: 7, escalated: 7}'; }
until_ok 90 escalated || die "not escalated: $("$CPIS" status "$W/T001" --json | jq -c .authority.notifications)"
[ "$("$CPIS" notifications list "$W/T001" | grep -c 'UNOPENED since')" = 7 ] || die "the list does not show it"
grep -q EVENT_NOTIFICATION_UNOPENED "$W/log/T001.log" || die "the log does not tell"
if "$CPIS" doctor "$W/T001" >"$W/doctor"; then die "doctor finds nothing wrong"; fi
grep -q 'WRONG inbox' "$W/doctor" || die "doctor does not name the inbox"

say "7. in numbers, and who looked at one child"
"$CPIS" stats "$W/T001" --json | so '.accesses == {total: 7, unscheduled: 5, silent: 2, without_details: 0} and
    .notifications.total == 7 and .made_to_opened.numerator == 1 and .made_to_opened.denominator == 7' "numbers"
"$CPIS" stats "$W/T001" --json --for-sharing | so '.made_to_opened.numerator == null' "withheld"
"$CPIS" accesses "$W/T001" - --report <<<"$often" >"$W/report"
grep -q '^Looks         3$' "$W/report" && grep -q '1  Hospital RJ2 (RJ2)' "$W/report" || { cat "$W/report"; die "the report"; }
"$CPIS" accesses "$W/T001" - --report --json <<<"$missed" | so '.looks == 2 and .organisations[0].looks == 2' "the report in json"
"$CPIS" accesses "$W/T001" - --to 2020-01-01 --json <<<"$often" >"$W/none"
[ ! -s "$W/none" ] || die "looks of another period"

stop_all
cut -d, -f1,3,4 "$W/T001.csv" | tail -n +2 | tr ',' '\n' | sort -u >"$W/patterns"
if grep -F -l -f "$W/patterns" "$W"/log/*.log; then die "a log line holds a child's number or name"; fi
say "the inbox holds"
