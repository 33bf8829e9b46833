#!/usr/bin/env bash
# make authority: an authority's life and a practice's list, on real processes: born, renumbered, transferred, checked; a trace
# that is killed, goes on, and stops at its share of the day. Fails if any of it is not so; leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
AUTHORITIES=(T001 T002)
held() { "$CPIS" flags show "$W/$1" - --json <<<"$2"; }
verdict() { lookup --scheduled --json <<<"$1" | jq -r .verdict || true; }
says() { [ "$(verdict "$1")" = "$2" ]; }
findings() { "$CPIS" flags check "$W/$1" --json | jq -rs '[.[].finding] | sort | join(" ")' || true; }

found_federation
start_all
hold_ceremony
csv 1 3 3 "$W/T001.csv"
csv 2 200 100 "$W/T002.csv"
csv 8 5 0 "$W/spare.csv"
mother=$(number_of "$W/spare.csv" 1) baby=$(number_of "$W/spare.csv" 2) new=$(number_of "$W/spare.csv" 3) nobody=$(number_of "$W/spare.csv" 4)
old=$(number_of "$W/T001.csv" 2)
today=$(TZ=Europe/London date +%F) yesterday=$(TZ=Europe/London date -d yesterday +%F) week=$(TZ=Europe/London date -d '+7 days' +%F)
echo "$mother,1999-04-05,Givenmother,Familymother,M1,UCPP,2026-05-01,$yesterday,," >>"$W/T001.csv"
for authority in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$authority" "$W/$authority.csv" --wait >/dev/null; done
become_complete

# --- the numbers that people ring ---
"$CPIS" register drill "$W/T001/register" --list "$W/ring.csv" >"$W/drill" && got=0 || got=$?
same "$got" 14 "the exit code where test numbers stand in a register"
same "$(grep -c 'range for plays' "$W/drill")" 4 "numbers of the range for plays"
same "$(sed 1d "$W/ring.csv" | wc -l)" 4 "numbers to ring"
same "$(sed -n 2p "$W/ring.csv")" '"T001","Testborough 1","day and night","02079460101",,,,' "the first of them"

# --- an unborn child past its date is asked about; born, it has a plan of its own ---
same "$(findings T001)" unborn-overdue "what flags check says"
"$CPIS" flags born "$W/T001" - --birth-date "$yesterday" --local-id B1 < <(printf '%s\n' "$mother" "$baby") >/dev/null
same "$(held T001 "$baby" | jq -c '[.plans[].plan, .birth_date]')" "[\"CPP\",\"$yesterday\"]" "the baby's plan"
same "$(held T001 "$mother" | jq -r '.plans[0].end')" "$yesterday" "the end of the mother's"
until_ok 20 says "$baby" flag || die "the baby is not found nationally"
say "born: a plan of its own, found nationally"

# --- a new number: the old one through a day, the new one at once; an upload shows the old one again ---
"$CPIS" flags renumber "$W/T001" - --keep-until "$week" < <(printf '%s\n' "$old" "$new") >/dev/null
same "$(held T001 "$old" | jq -r .keep_until)" "$week" "the old number's last day"
until_ok 20 says "$new" flag || die "the new number is not found nationally"
same "$(verdict "$old")" flag "the old number, until then"
"$CPIS" flags renumber "$W/T001" - --keep-until "$yesterday" < <(printf '%s\n' "$old" "$nobody") >/dev/null
until_ok 40 says "$old" no_flag || die "the old number is still listed after its last day"
until_ok 20 says "$nobody" flag || die "the third number is not found"
same "$(findings T001)" "same-person same-person unborn-overdue" "what flags check says of three numbers of one person"
say "renumbered: both until the day, then the new one alone"

# --- the last import is taken back: all but what somebody has changed since; then it can be sent again ---
added=$(number_of "$W/spare.csv" 5) first=$(number_of "$W/T002.csv" 1) second=$(number_of "$W/T002.csv" 2)
{ head -n 1 "$W/T002.csv"; grep -e "^$first" -e "^$second" "$W/T002.csv" | sed "s/,,,\$/,$today,,/"; grep "^$added" "$W/spare.csv"; } >"$W/wrong.csv"
"$CPIS" flags import "$W/T002" "$W/wrong.csv" >/dev/null
"$CPIS" flags end "$W/T002" - --plan CPP --end "$yesterday" --start "$(held T002 "$second" | jq -r '.plans[0].start')" <<<"$second" >/dev/null
same "$("$CPIS" flags undo "$W/T002" --dry-run --json | jq -c '[.undone,.kept]')" '[2,1]' "what undo would do"
same "$("$CPIS" flags undo "$W/T002" --json | jq -c '[.undone,.kept]')" '[2,1]' "what undo did"
same "$(held T002 "$first" | jq '.plans[0].end')" null "an end that was taken back"
same "$(held T002 "$second" | jq -r '.plans[0].end')" "$yesterday" "an end that somebody gave since"
! held T002 "$added" >/dev/null 2>&1 || die "a child that the import added is still held"
! "$CPIS" flags undo "$W/T002" >/dev/null 2>&1 || die "an import is undone twice"
"$CPIS" flags import "$W/T002" "$W/wrong.csv" >/dev/null
same "$(held T002 "$first" | jq -r '.plans[0].end')" "$today" "the same file, sent again"
"$CPIS" flags undo "$W/T002" >/dev/null
say "undone: as it was before, but for what somebody has changed since"

# --- beside the national upload: what is held, compared with an export ---
"$CPIS" flags diff "$W/T002" "$W/T002.csv" --json >"$W/diff" && got=0 || got=$?
same "$got" 14 "the exit code of a difference"
same "$(jq -r '[.nhs_number,.difference] | join(" ")' "$W/diff")" "$second differs" "the one that somebody has ended"
{ grep -v "^$first" "$W/T002.csv"; grep "^$added" "$W/spare.csv"; } >"$W/other.csv"
same "$("$CPIS" flags diff "$W/T002" "$W/other.csv" --json | jq -r .difference | sort | tr '\n' ';')" \
    "differs;only in the file;open here, and not in the file;" "three differences"
"$CPIS" flags diff "$W/T001" <(:) >/dev/null 2>&1 && die "a pipe was compared"
say "compared: each difference is named, and nothing changes"
"$CPIS" flags list "$W/T002" --json | jq -r .nhs_number >"$W/listed"
sort -u "$W/listed" | diff - "$W/listed" >/dev/null && [ "$(wc -l <"$W/listed")" -gt 100 ] || die "what is held is not listed by number, each once"

# --- the list of traced numbers: what does not agree with it is refused, and what is held stays ---
row() { sed -n "$(($1 + 1))p" "$W/T002.csv"; }
traced() { # rows 1 to 4 of T002.csv as tracing has them, 5 not at all, the others as they are
    awk -F, -v new="$new" 'NR == 1 { print "nhs_number,birth_date,family,status,replaced_by"; next }
        NR == 2 { print $1 "," $2 ",,sensitive,"; next }
        NR == 3 { print $1 "," $2 "," $4 ",superseded," new; next }
        NR == 4 { print $1 ",,,not-found,"; next }
        NR == 5 { print $1 ",2001-02-03," $4 ",verified,"; next }
        NR > 6 { print $1 "," $2 "," toupper($4) ",verified," }' "$W/T002.csv"
}
record() { # of an upload
    local IFS=, number birth given family rest t=2.16.840.1.113883.2.1
    read -r number birth given family rest <<<"$1"
    printf '<record><CP-ISRecord><pertinentInformation><l:contentId root="%s.3.2.4.18.16" extension="COCT_TP146101GB01#CPPInformation"/>' "$t"
    printf '<COCT_TP146101GB01.CPPInformation><component><cPPStartDate><value value="202601021130"/></cPPStartDate></component>'
    printf '</COCT_TP146101GB01.CPPInformation></pertinentInformation><subject>'
    printf '<l:contentId root="%s.3.2.4.18.16" extension="COCT_TP145101GB01#Child"/><COCT_TP145101GB01.Child>' "$t"
    printf '<id root="%s.4.1" extension="%s"/><childPerson><birthTime value="%s"/>' "$t" "$number" "${birth//-/}"
    printf '<name><given>%s</given><family>%s</family></name></childPerson></COCT_TP145101GB01.Child></subject></CP-ISRecord></record>' "$given" "$family"
}
upload() { # $1: its number; of rows 1 to 6
    local i
    sed -e 's/<record>.*//' -e "s/<id extension=\"12\"/<id extension=\"$1\"/" -e 's/value="1"/value="6"/' tests/fuzz/corpus/upload/one
    for i in 1 2 3 4 5 6; do record "$(row "$i")"; done
    echo '</File>'
}
codes() { jq -r '[.failed[].code] | join(" ")' "$1"; }
traced >"$W/traced.csv"
chmod 0600 "$W/traced.csv"
set_key T002 traced_numbers "\"$W/traced.csv\""
stop_node T002 # a node is confined to the files that its settings name when it starts
start_node T002
same "$("$CPIS" flags check "$W/T002" --json | jq -rs '[.[].finding | select(startswith("traced"))] | sort | join(" ")' || true)" \
    "traced-birth traced-none traced-not-found traced-sensitive traced-superseded" "what flags check says of traced numbers"
"$CPIS" flags import "$W/T002" "$W/T002.csv" --snapshot --json >"$W/report" && got=0 || got=$?
same "$got" 12 "the exit code where some numbers do not agree with the list"
same "$(codes "$W/report")" "CPR02 CPR05 CPR01 CPR03 CPR01" "the codes of a spreadsheet"
same "$("$CPIS" flags list "$W/T002" --json | jq -s '[.[].plans[] | select(.end == null)] | length')" 299 "plans that are open, as before"
upload 12 >"$W/traced.xml"
"$CPIS" flags import "$W/T002" "$W/traced.xml" --ack "$W/ack.xml" --json >"$W/report" && got=0 || got=$?
same "$got" 12 "the exit code of an upload"
same "$(codes "$W/report")" "CPR05 CPR01 CPR03 CPR01" "the codes of an upload"
same "$(jq -r '[.notes[].note | select(contains("sensitive"))] | length' "$W/report")" 1 "notes of a sensitive child"
same "$(held T002 "$(row 1 | cut -d, -f1)" | jq -r .visibility)" contact-only "how a sensitive child of an upload is held"
until_ok 20 says "$(row 1 | cut -d, -f1)" flag || die "a sensitive child is not found"
same "$(grep -c "translation code=\"replaced-by\" displayName=\"$new\"" "$W/ack.xml")" 1 "the new number in the acknowledgement"
! grep -q "$new" "$W/report" "$W/log/T002.log" || die "the new number stands in a report or a log"
[ -z "${CPIS_SCHEMAS:-}" ] || xmllint --noout --schema "$CPIS_SCHEMAS/Schemas/REPC_MT000003GB01.xsd" "$W/ack.xml" 2>"$W/xmllint" ||
    die "no valid message 02: $(head -n 5 "$W/xmllint")"
echo broken >>"$W/traced.csv"
! "$CPIS" flags import "$W/T002" "$W/traced.xml" >/dev/null 2>"$W/why" || die "a broken list was taken"
grep -q "nothing was changed: traced_numbers: .*: line 301: the row has more or fewer fields" "$W/why" || die "it does not say why: $(cat "$W/why")"
same "$("$CPIS" doctor "$W/T002" --json | jq '[.checks[] | select(.check == "traced numbers")][0].ok' || true)" false "what doctor says of a broken list"
cp "$W/traced.xml" "$W/T002/feed/.drop" && touch -d '1 minute ago' "$W/T002/feed/.drop" && mv "$W/T002/feed/.drop" "$W/T002/feed/in/again.xml"
until_ok 20 grep -q FEED_WAITS "$W/log/T002.log" || die "a file does not wait for a right list"
{ traced && row 5 | awk -F, '{ print $1 "," $2 ",,verified," }'; } >"$W/traced.new"
chmod 0600 "$W/traced.new" && mv "$W/traced.new" "$W/traced.csv"
until_ok 40 test -e "$W/T002/feed/done/again.xml" || die "the file was not taken in with the right list"
same "$(codes "$W/T002/feed/out/again.xml.report.json")" "CPR05 CPR01 CPR03" "the same upload with another list"
grep -q "judged anew" "$W/T002/feed/out/again.xml.report.json" || die "it is not said that the file was judged anew"
same "$("$CPIS" stats "$W/T002" --json | jq -r '.records_traced | "\(.numerator) of \(.denominator)"')" "301 of 312" "the match rate of three files"
"$CPIS" stats "$W/T002" | grep -q '^records that agree with tracing  *301 of 312, 96 %$' || die "stats do not say the match rate"
set_key T002 traced_numbers '""'
say "traced: five codes, a sensitive child found contact-only, the new number to the officer alone; what is held stays"

# --- a trace: killed and taken up, each number once; then its share of the day is used up ---
cut -d, -f1 "$W/T002.csv" >"$W/list.csv"
{ number_of "$W/T001.csv" 3; number_of "$W/T001.csv" 3; echo 9990000000; echo; } >>"$W/list.csv"
trace() { "$CPIS" trace "$W/$QUERY" "$W/list.csv" --out "$W/answers" "${ASKER[@]}" "$@"; }
"$CPIS" trace "$W/$QUERY" "$W/list.csv" --out "$W/answers" --per-second 60 "${ASKER[@]}" >/dev/null 2>"$W/why" &
job=$!
gets_on() { [ "$(wc -l <"$W/answers")" -gt 60 ]; }
until_ok 20 gets_on || die "the trace does not get on: $(cat "$W/why")"
kill -9 "$job"
wait "$job" 2>/dev/null || true
printf '{"verdict":"no_flag","nhs_num' >>"$W/answers" # as a power cut may leave it
before=$(($(wc -l <"$W/answers") - 1))
got=0
trace --per-second 150 --json >"$W/report" || got=$?
same "$got" 12 "the exit code of a trace with a line that holds no number"
same "$(jq -c '[.numbers, .flag, .no_flag, .not_answered, .listed_again, (.faults | length), (.known | length)]' "$W/report")" \
    '[301,301,0,0,1,1,301]' "the report"
same "$(jq '.asked_now' "$W/report")" $((301 - before)) "how many were asked after the kill"
same "$(tail -n +2 "$W/answers" | jq -r .nhs_number | sort | uniq -d | wc -l)" 0 "numbers answered twice"
same "$("$CPIS" notifications list "$W/T002" --json | wc -l)" 0 "notifications of a silent read"
same "$(stat -c %a "$W/answers")" 600 "who may read the answers"
got=0
trace --json >/dev/null || got=$?
same "$got" 12 "the exit code of a trace that has nothing left to do"
echo "$nobody" >>"$W/list.csv"
got=0
trace >/dev/null 2>"$W/why" || got=$?
same "$got" 1 "the exit code for answers to another list"
grep -q "holds the answers to another list" "$W/why" || die "it does not say why: $(cat "$W/why")"
"$CPIS" register limits "$W/register" RZZ99 --lookups-per-day 1000 >/dev/null
sign_register
publish_register
limited() { [ "$("$CPIS" status "$W/$QUERY" --json | jq .query.today.limit)" = 1000 ]; }
until_ok 20 limited || die "the limit did not arrive"
used_today() { "$CPIS" status "$W/$QUERY" --json | jq .query.today.lookups; }
already=$(used_today) # a slow machine has asked more often above
got=0
"$CPIS" trace "$W/$QUERY" "$W/list.csv" --out "$W/more" --per-second 100 --share 35 "${ASKER[@]}" >/dev/null 2>"$W/why" || got=$?
same "$got" 15 "the exit code when the share is used up"
grep -q "used up" "$W/why" || die "it does not say why: $(cat "$W/why")"
used=$(used_today)
[ "$used" -le $((already > 350 ? already : 350)) ] || die "$used lookups of 350 were used"
say "traced: $before answers before kill -9, $((301 - before)) after it, none twice; stopped at its share ($used of 350)"
say "an authority's life holds; took $((SECONDS - began)) s"
