#!/usr/bin/env bash
# make bench-flame: what the processor time of a query node goes into while lookups are under way, as a picture: build/bench/flame.svg, and its
# widest frames here. FLIGHT=16 LOOKUPS=2000; CPIS_BIN=FILE for another build's, OUT=FILE for another name. Needs perf.
#   flame.sh fold <perf-script >folded;   flame.sh draw TITLE <folded >svg
set -euo pipefail
# Each sample as one line "outer;...;inner": the names of its frames, without what is outside of the program.
fold() {
    awk '/^[^ \t#]/ {n = 0; next}
        /^[ \t]+[0-9a-f]+ / {name = $2; sub(/\+0x[0-9a-f]+$/, "", name); if (name != "[unknown]") f[n++] = name; next}
        /^$/ && n > 0 {s = f[n - 1]; for (i = n - 2; i >= 0; i--) s = s ";" f[i]; print s; n = 0}' | LC_ALL=C sort | uniq -c | awk '{c = $1; sub(/^ *[0-9]+ /, ""); print $0, c}'
}
# Frames that stand in the same stack lie side by side, as wide as their samples are many; under a 500th of all none is drawn.
draw() {
    awk -v title="$1" '{line[NR] = $0; all += $NF}
        function esc(s) {gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s}
        function put(d,   w, x) {
            w = (at - from[d]) * 1200 / all; x = from[d] * 1200 / all
            if (w < 2.4) return
            rect = rect sprintf("<g><title>%s: %.1f %%</title><rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"15\" fill=\"hsl(%d,70%%,70%%)\" rx=\"2\"/>", esc(name[d]), (at - from[d]) * 100 / all, x, 20 + 16 * d, w, 20 + length(name[d]) * 7 % 40)
            if (w > 40) rect = rect sprintf("<text x=\"%.1f\" y=\"%d\">%s</text>", x + 3, 31 + 16 * d, esc(substr(name[d], 1, int(w / 6.2))))
            rect = rect "</g>\n"
            if (d > deepest) deepest = d
        }
        END {
            for (l = 1; l <= NR; l++) {
                c = line[l]; sub(/.* /, "", c); s = line[l]; sub(/ [0-9]+$/, "", s)
                n = split(s, f, ";")
                for (d = 1; d <= n && d <= depth && f[d] == name[d]; d++) ;
                for (k = depth; k >= d; k--) put(k)
                for (depth = n; d <= n; d++) {name[d] = f[d]; from[d] = at}
                at += c
            }
            for (k = depth; k >= 1; k--) put(k)
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1200\" height=\"%d\" font-family=\"monospace\" font-size=\"10\">\n<text x=\"3\" y=\"14\" font-size=\"13\">%s: %d samples</text>\n%s</svg>\n", 40 + 16 * deepest, esc(title), all, rect
        }'
}
case ${1:-} in
fold) fold; exit ;;
draw) draw "${2:-}"; exit ;;
esac
cd "$(dirname "$0")/../.."
BIN=$PWD/build/release
CPIS=${CPIS_BIN:-$BIN/cpis}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
DIRECTORIES=(D01 D02 D03 D04 D05 D06 D07)
THRESHOLD=4
flight=${FLIGHT:-16} count=${LOOKUPS:-2000} out=${OUT:-build/bench/flame.svg} figures=$W/figures
command -v perf >/dev/null || die "perf is not there: apt-get install linux-perf"
mkdir -p "$(dirname "$out")"
found_federation
run_founded "$count"
perf record -q -F 499 --call-graph dwarf,16384 -o "$W/perf.data" -p "${PIDS[$QUERY]}" 2>"$W/perf.log" &
perf=$!
sleep 1
numbers "$W/nobody.csv" | load "$flight" lookup
kill -INT $perf
wait $perf || true
stop_all
perf script -i "$W/perf.data" 2>/dev/null | fold >"$W/folded"
[ -s "$W/folded" ] || die "perf has no samples: $(head -n 3 "$W/perf.log")"
draw "query node, NO FLAG, $flight in flight" <"$W/folded" >"$out"
echo "$out; of a query node's samples those in"
awk '{c = $NF; sub(/ [0-9]+$/, ""); n = split($0, f, ";"); split("", seen); for (i = 1; i <= n; i++) if (!(f[i] in seen)) {seen[f[i]]; of[f[i]] += c} all += c}
    END {for (s in of) if (of[s] * 25 > all) printf "%5.1f %%  %s\n", of[s] * 100 / all, s}' "$W/folded" | sort -rn | head -n 40
