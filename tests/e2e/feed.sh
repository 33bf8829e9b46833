#!/usr/bin/env bash
# make feed: a watched folder on real processes. A file of ROWS (20000) plans is dropped, and whatever takes it in is killed with
# -9 again and again: the process that imports, the one that watches, the node. In the end every plan is held once, the file
# lies in feed/done, and nothing is left half-way. Then files of every other kind. Fails if any of it is not so.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
ROWS=${ROWS:-20000} KILLS=${KILLS:-12}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-feed.XXXXXX")
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

AUTHORITIES=(T001)
D=$W/T001/feed
same() { [ "$1" = "$2" ] || die "not so: $3: $1, expected $2"; }
drop() { cp "$1" "$D/.drop.$2" && touch -d '1 minute ago' "$D/.drop.$2" && mv "$D/.drop.$2" "$D/in/$2"; }
lies() { [ -e "$D/$1/$2" ]; }
held() { "$CPIS" flags list "$W/T001" --json | wc -l; }
victim() { # import | feed | node: a process of that kind, or nothing
    case $1 in
    import) pgrep -f "^cpis flags import $W/T001 " ;;
    feed) pgrep -f "^cpis feed $W/T001\$" ;;
    node) echo "${PIDS[T001]}" ;;
    esac | shuf -n 1
}

found_federation
start_all
hold_ceremony
activate_authorities
csv 4 $((ROWS / 2)) $((ROWS - ROWS / 2)) "$W/big.csv"
until_ok 10 test -d "$D/work" || die "nobody watches feed/in"

# --- killed again and again while a large file is taken in ---
drop "$W/big.csv" big.csv
killed=()
for i in $(seq "$KILLS"); do
    kind=$([ $((i % 4)) = 0 ] && echo node || { [ $((i % 2)) = 0 ] && echo feed || echo import; })
    sleep "0.$((RANDOM % 90 + 10))"
    pid=$(victim "$kind") || true
    [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && killed+=("$kind") || true
    if [ "$kind" = node ]; then
        wait "${PIDS[T001]}" 2>/dev/null || true
        start_node T001
    fi
done
until_ok 180 lies done big.csv || die "the file was not taken in: $(ls "$D"/*; tail -n 3 "$W/log/T001.log")"
same "$(held)" "$ROWS" "plans held after ${killed[*]} were killed"
same "$(ls -A "$D/in" "$D/work" | grep -cv ':$\|^$' || true)" 0 "files left half-way"
same "$(jq -r .file_code "$D/out/big.csv.report.json")" CPF02 "the report"
say "killed ${#killed[@]} times (${killed[*]}): $ROWS plans held, each once; the file lies in feed/done"

# --- a file that makes each import die of itself is put away, and holds the next one up for no longer than that ---
faults() { # the node stands meanwhile, so each import waits for it until it dies
    local pid
    kill -STOP "${PIDS[T001]}"
    drop "$1" dies.csv
    for _ in 1 2 3 4; do
        until_ok 60 victim_is_there || die "no import to let die: $(tail -n 3 "$W/log/T001.log")"
        pid=$(victim import)
        kill -SEGV "$pid"
        until_ok 10 is_gone "$pid" || die "an import outlives SIGSEGV"
    done
    until_ok 20 lies failed dies.csv || die "a file of which imports die is tried for ever: $(ls "$D"/*)"
    kill -CONT "${PIDS[T001]}"
}
victim_is_there() { [ -n "$(victim import)" ]; }
is_gone() { ! kill -0 "$1"; }
{ head -n 1 "$W/big.csv"; tail -n 2 "$W/big.csv"; } >"$W/last.csv"
faults "$W/last.csv"
grep -q 'died 4 times .*(signal 11)' "$D/failed/dies.csv.why.txt" || die "it does not say why: $(cat "$D/failed/dies.csv.why.txt")"
grep -q 'FEED_FAILED .*died 4 times' "$W/log/T001.log" || die "the log does not say it: $(tail -n 3 "$W/log/T001.log")"
drop "$W/last.csv" last.csv
until_ok 20 lies done last.csv || die "the file after it was not taken in"

# --- other files: each goes where it belongs and says why ---
head -n 3 "$W/big.csv" >"$W/two.csv"
drop "$W/two.csv" big.csv
until_ok 20 lies done big.csv.2 || die "a name that is there already"
{ head -n 2 "$W/big.csv"; echo 'x,2014-02-03,A,B,L,CPP,2026-01-01,,,'; } >"$W/some.csv"
drop "$W/some.csv" some.csv
until_ok 20 lies done some.csv || die "a file with a bad row"
same "$(jq -c '[.file_code, .rows.failed]' "$D/out/some.csv.report.json")" '["CPF03",1]' "its report"
echo 'nonsense' >"$W/bad.csv"
drop "$W/bad.csv" bad.csv
until_ok 20 lies failed bad.csv || die "a file that is none"
grep -q CPF01 "$D/failed/bad.csv.why.txt" || die "it does not say why: $(cat "$D/failed/bad.csv.why.txt")"
sed 's/,,,$/,2026-11-01,,/' "$W/big.csv" >"$W/ends.csv"
drop "$W/ends.csv" ends.csv
until_ok 60 lies failed ends.csv || die "a file that ends everything"
grep -q confirm-shrink "$D/failed/ends.csv.why.txt" || die "it does not say what to do: $(cat "$D/failed/ends.csv.why.txt")"
same "$(held)" "$ROWS" "plans held"
# --- uploads as a case system sends them: each is acknowledged, in the order of their numbers ---
for n in 14 12 13; do sed "s/<id extension=\"12\"/<id extension=\"$n\"/" tests/fuzz/corpus/upload/one >"$W/$n.xml"; done
stop_node T001
for n in 14 12 13; do drop "$W/$n.xml" "$n.xml"; done
start_node T001
for n in 12 13 14; do until_ok 20 lies done "$n.xml" || die "upload $n was not taken in"; done
for n in 12 13 14; do
    grep -q 'code="CPF02"' "$D/out/$n.xml.ack.xml" || die "upload $n: $(cat "$D/out/$n.xml.ack.xml")"
    grep -q "<id extension=\"$n\"/>" "$D/out/$n.xml.ack.xml" || die "upload $n: another number in its acknowledgement"
done
drop "$W/13.xml" again.xml
until_ok 20 lies failed again.xml || die "an upload with a lower number"
grep -q 'code="CPF04"' "$D/out/again.xml.ack.xml" || die "a lower number is acknowledged otherwise"
drop tests/fuzz/corpus/upload/doctype doctype.xml
until_ok 20 lies failed doctype.xml || die "a file with a DOCTYPE"
grep -q 'code="CPF01"' "$D/out/doctype.xml.ack.xml" || die "a DOCTYPE is acknowledged otherwise"
same "$(held)" $((ROWS + 1)) "plans held"

stop_node T001
drop "$W/two.csv" later.csv
sleep 1
lies in later.csv || die "taken by nobody"
start_node T001
until_ok 20 lies done later.csv || die "a file that waited for the node"
pgrep -f "^cpis feed $W/T001\$" >/dev/null || die "nobody watches any more"
stop_node T001
! pgrep -f "^cpis feed $W/T001\$" >/dev/null || die "it watches on without its node"
say "each other file went where it belongs, and says why; took $((SECONDS - began)) s"
