#!/usr/bin/env bash
# Part of `make lint`: every test that node/SAFETY.md names exists (suite/name: a Criterion test; tests/e2e/...: a file), every
# hazard names one, ids rise without a gap, and there are at least 25. $1: the hazard log, for a try with another.
set -euo pipefail
cd "$(dirname "$0")/../.."
log=${1:-node/SAFETY.md}
bad=0
wrong() { printf '%s: %s\n' "$log" "$*" >&2; bad=1; }

# a declaration may stand on several lines
tests=$(find tests -name '*.c' -exec cat {} + | tr '\n' ' ' | grep -oE '(Test|Theory)\([a-z_0-9]+, *[A-Za-z_0-9]+' | sed -E 's/^[A-Za-z]+\(//; s/, */\//' | sort -u)
hazards=$(grep -E '^\| H[0-9]+ ' "$log" || true)
[ "$(grep -c . <<<"$hazards")" -ge 25 ] || wrong "fewer than 25 hazards"
i=0
while IFS= read -r line; do
    i=$((i + 1))
    id=$(cut -d'|' -f2 <<<"$line" | tr -d ' ')
    [ "$id" = "$(printf 'H%02d' "$i")" ] || wrong "$id stands where $(printf 'H%02d' "$i") should"
    [ "$(awk -F'|' '{print NF}' <<<"$line")" = 9 ] || wrong "$id has not seven columns"
    grep -qE '\| [1-5] x [1-5] = [0-9]+ \|$' <<<"$line" || wrong "$id does not end with S x L"
    named=$(grep -oE '`[A-Za-z_0-9./-]+/[A-Za-z_0-9.-]+`' <<<"$line" | tr -d '`' || true)
    [ -n "$named" ] || wrong "$id names no test"
    for name in $named; do
        case $name in
        tests/*) [ -f "$name" ] || wrong "$id names $name, which does not exist" ;;
        *) grep -qxF "$name" <<<"$tests" || wrong "$id names the test $name, which does not exist" ;;
        esac
    done
    for risk in $(grep -oE '[1-5] x [1-5] = [0-9]+' <<<"$line" | tr -d ' '); do
        IFS='x=' read -r s l product <<<"$risk"
        [ $((s * l)) = "$product" ] || wrong "$id: $s x $l is not $product"
    done
done <<<"$hazards"
exit $bad
