#!/usr/bin/env bash
# make browser: every page of the three kinds of node in Debian's chromium, over a federation of real processes: what
# people do there, by keyboard and without scripts too, all five verdicts, what is live, axe (WCAG 2.2 AA), no number in
# any address or title, nothing loaded from elsewhere. Screenshots at 1280 and 320 pixels in build/screenshots.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-browser.XXXXXX")
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

CHROMIUM=${CHROMIUM:-$(command -v chromium)} || die "there is no chromium: apt-get install chromium"
PASSWORD='seven violet anvils'
export PASSWORD CHROMIUM NODE_MODULES=$PWD/build/npm-browser/node_modules SCREENSHOTS=$PWD/build/screenshots CPIS W
mkdir -p "$SCREENSHOTS"
rm -f "$SCREENSHOTS"/*.png

# NODE ROLE...: its pages, at the address in web_NODE, for `tester` and `other`, and for `fresh`, who has to choose a
# password
serve() {
    local node=$1 port
    shift
    port=$(free_port)
    sed -i "s|^web_listen = .*|web_listen = \"127.0.0.1:$port\";|; s|^web_second_factor = .*|web_second_factor = false;|
        s|^\\( *\\)setting = .*|\\1setting = \"emergency department\";|" "$W/$node/node.conf"
    set -- "${@/#/--role=}"
    [ "$node" != "$QUERY" ] || set -- "$@" --lookups both --user-id 200009876204 --job-code R0110 --job "Emergency nurse"
    "$CPIS" accounts add "$W/$node" tester --display "Test NURSE" "$@" --password-file - --keep <<<"$PASSWORD" >/dev/null
    "$CPIS" accounts add "$W/$node" other --display "Another NURSE" "$@" --password-file - --keep <<<"$PASSWORD" >/dev/null
    "$CPIS" accounts add "$W/$node" fresh --display "Fresh NURSE" "$@" --password-file - <<<"$PASSWORD" >/dev/null
    export "web_$node=http://127.0.0.1:$port"
}
stage() {
    say "== $*"
    timeout 300 node tests/e2e/browser.mjs "$@" || die "stage failed: $1"
}

found_federation
serve "$QUERY" clinician operator
serve T001 officer operator
serve D01 operator
for node in "${DIRECTORIES[@]}" T001 T002 T003 "$QUERY"; do start_node "$node"; done
hold_ceremony
csv 0 9 3 "$W/T001.csv"
csv 1 4 2 "$W/T002.csv"
csv 8 2 0 "$W/extra.csv"
# what a data-quality list is there for, and a row that fails
sed -i '2s/,L[0-9]*,CPP,/,,CPP,/; 3s/,20[0-9][0-9]-/,2008-/' "$W/T001.csv"
for node in T001 T002; do "$CPIS" flags import "$W/$node" "$W/$node.csv" --wait >/dev/null; done
FLAGGED=$(number_of "$W/T001.csv" 5) STOPPED=$(number_of "$W/T002.csv" 3) NOBODY=$(number_of "$W/extra.csv" 2)
export FLAGGED STOPPED NOBODY
{ cat "$W/T001.csv"; echo "9990000019,2014-02-03,Wrong,Number,W1,CPP,2026-01-01,,,"; } >"$W/week 49.csv"
mv "$W/week 49.csv" "$W/T001/feed/in/"
activate_authorities
# the fourth has published nothing yet, so that what is not found can't be told from what is not searched
verdict() { [ "$(lookup --scheduled --json <<<"$NOBODY" | jq -r .verdict)" = "$1" ]; }
until_ok 30 verdict incomplete || die "the federation did not get ready"
until_ok 30 test -e "$W/T001/feed/out/week 49.csv.report.json" || die "the watched folder took nothing in"

stage query
start_node T004
until_ok 30 verdict no_flag || die "the fourth authority did not get live"
stage none
stop_node T002 KILL
stage details
start_node T002
stage authority
stage directory "${PIDS[D02]}" "${PIDS[D03]}" # which stops them, while the page looks
stop_node D02
stop_node D03
stage unknown
say ""
say "$(find "$SCREENSHOTS" -name '*.png' | wc -l) screenshots in build/screenshots; took $((SECONDS - began)) s"
