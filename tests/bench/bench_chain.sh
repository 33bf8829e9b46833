#!/usr/bin/env bash
# make bench-chain: a register of national size and age (VERSIONS=500 NODES=160) made, verified, offered to a running directory, caught
# up with by a query node and an authority that know its first two versions, and what all that takes in time and memory.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/cpis
MAKE_CHAIN=$PWD/build/release/make_chain
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-chain.XXXXXX")
versions=${VERSIONS:-500} nodes=${NODES:-160} port=$((20000 + RANDOM % 20000))
trap 'for d in "$W"/d "$W"/q "$W"/a; do "$CPIS" stop "$d" 2>/dev/null || true; done; wait; rm -rf "$W"' EXIT
say() { printf '%-62s %s\n' "$1" "$2"; }
now() { date +%s%3N; }
timed() { # WHAT COMMAND...
    local what=$1 t
    shift
    t=$(now)
    "$@" >/dev/null
    say "$what" "$(($(now) - t)) ms"
}
memory() { # WHAT NODE
    local pid
    pid=$(cat "$W/$2/lock")
    say "$1" "$(awk '/^VmRSS|^VmHWM|^RssAnon/ {printf "%s %d KiB  ", $1, $2}' "/proc/$pid/status")"
}
version_of() { "$CPIS" status "$W/$1" --json 2>/dev/null | jq -r '.register.version // 0'; }
until_version() { # NODE VERSION
    for _ in $(seq 1200); do
        [ "$(version_of "$1" || echo 0)" = "$2" ] && return
        sleep 0.1
    done
    echo "$1 does not reach version $2" >&2
    cat "$W/$1.log" >&2
    exit 1
}
run() { "$CPIS" run "$W/$1" >>"$W/$1.log" 2>&1 & }

"$MAKE_CHAIN" "$W/register"
"$CPIS" init "$W/d" --role directory --org D01 --name Directory --endpoint "tcp://127.0.0.1:$port" --register "$W/register" >/dev/null
"$CPIS" init "$W/q" --role query --org RZZ99 --name Hospital --register "$W/register" >/dev/null
"$CPIS" init "$W/a" --role authority --org T001 --name Testborough --emergency 02079460123 --register "$W/register" >/dev/null
cp "$W/register" "$W/two"
described=("$W/d/descriptor" "$W/q/descriptor" "$W/a/descriptor")
"$MAKE_CHAIN" "$W/two" 2 "$nodes" "${described[@]}" >/dev/null
cp "$W/two" "$W/register"
say "$("$MAKE_CHAIN" "$W/register" "$versions" "$nodes")" "$(($(stat -c %s "$W/register") / 1024)) KiB"
for n in d q a; do cp "$W/two" "$W/$n/register"; done

timed "cpis register verify" "$CPIS" register verify "$W/register"
run d
until_version d 2
memory "directory, 2 versions" d
timed "cpis register publish to the running directory" "$CPIS" register publish "$W/d" "$W/register"
until_version d "$versions"
memory "directory, after the offer" d
for n in q a; do
    t=$(now)
    run $n
    until_version $n "$versions"
    say "$n: from version 2 to $versions by its directory, start included" "$(($(now) - t)) ms"
    memory "$n, caught up" $n
done
memory "directory, having served both" d
for n in d q a; do
    "$CPIS" stop "$W/$n"
    cmp "$W/$n/register" "$W/register" || { echo "$n/register is not the whole chain" >&2; exit 1; }
done
wait
for n in d q a; do
    t=$(now)
    run $n
    until_version $n "$versions"
    say "$n: start with $versions versions in its store" "$(($(now) - t)) ms"
    memory "$n, restarted" $n
done
"$CPIS" register verify "$W/q/register" >/dev/null
