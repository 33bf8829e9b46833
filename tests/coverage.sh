#!/bin/sh
# What the tests have reached, after `make MODE=coverage test-built`: lines and branches by folder, as a
# table (also in build/coverage/coverage.txt) and as pages (build/coverage/html/index.html). Fails when
# crypto/, proto/ or node/core/ has 95 % of its lines or fewer, when a line there was not reached and
# tests/uncovered.txt has no reason for it, and when a reason there is about no line any more.
set -eu
out=build/coverage
mkdir -p "$out/html"
gcovr --root . --object-directory "$out" --gcov-ignore-parse-errors --exclude 'tests/.*' --exclude 'build/.*' \
    --json "$out/coverage.json" --html-details "$out/html/index.html" "$out" >"$out/gcovr.log" 2>&1 ||
    { cat "$out/gcovr.log" >&2; exit 1; }
jq -r '.files[] | .file as $f | ($f | sub("/[^/]*$"; "")) as $d | .lines[] | select(."gcovr/noncode" | not) |
    [$d, $f, .line_number, .count, (.branches | length), ([.branches[] | select(.count > 0)] | length)] | @tsv' \
    "$out/coverage.json" >"$out/lines.tsv"
awk -F '\t' '
    {lines[$1]++; hit[$1] += $4 > 0; branches[$1] += $5; taken[$1] += $6}
    function row(name, l, h, b, t) {printf "%-14s %7d %7d %6.1f %% %8d %8d %6.1f %%\n", name, l, h, l ? 100 * h / l : 0, b, t, b ? 100 * t / b : 0}
    END {printf "%-14s %7s %7s %8s %8s %8s %8s\n", "folder", "lines", "reached", "", "branches", "taken", ""
         n = split("crypto proto storage node/core node/net node/feed node/cli node/http simulations", order, " ")
         for (i = 1; i <= n; i++) {d = order[i]; if (lines[d]) row(d, lines[d], hit[d], branches[d], taken[d])
             if (d ~ /^(crypto|proto|node\/core)$/ && 100 * hit[d] <= 95 * lines[d]) {low = low " " d}}
         if (low) {print "95 % of the lines or fewer:" low; exit 1}}' "$out/lines.tsv" >"$out/coverage.txt" && low=0 || low=1
cat "$out/coverage.txt"
# A reason holds for the line it names and for what follows it unreached in the same block: as far as no
# line is indented less. Which allocation is refused falls by dice (tests/fail_malloc.h): a reason "no
# memory" may be about no line.
awk -F '\t' '
    function depth(line) {match(line, /^ */); return RLENGTH}
    FNR == NR {if ($0 !~ /^#/ && NF >= 3) {n++; file[n] = $1; text[n] = $2; why[n] = $3; used[n] = 0; line_of[n] = FNR} next}
    $2 != open {if (open) close(open); open = $2; at = 0; follows = 0}
    $4 > 0 || $2 !~ /^(crypto|proto|node\/core)\// {follows = 0; next}
    {
        while (at < $3 && (getline source < open) > 0) {
            at++
            if (source ~ /[^ \t]/ && (depth(source) < deep || deep == 0 && source ~ /^}/)) follows = 0
        }
        here = depth(source)
        gsub(/^[ \t]+|[ \t]+$/, "", source)
        found = 0
        for (i = 1; i <= n && !found; i++) if ($2 ~ ("^(" file[i] ")$") && index(source, text[i]) == 1) {used[i]++; found = 1; follows = 1; deep = here}
        if (!found && follows) found = 1
        if (found) explained++
        else {printf "%s:%d: not reached, and no reason in tests/uncovered.txt: %s\n", $2, $3, source; bad = 1}
    }
    END {for (i = 1; i <= n; i++) if (!used[i] && why[i] !~ /^no memory/) {printf "tests/uncovered.txt:%d: a reason about no line: %s %s\n", line_of[i], file[i], text[i]; bad = 1}
         printf "%d lines not reached have their reason in tests/uncovered.txt\n", explained; exit bad}' tests/uncovered.txt "$out/lines.tsv" && bad=0 || bad=1
exit $((low | bad))
