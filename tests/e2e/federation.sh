# tests/e2e/federation.sh - a federation of real processes on loopback, for the demo, the benches and the
# end-to-end tests: sourced by a script, not run. Needs $CPIS (the command). Makes $W, an empty folder, all of it ours,
# and takes it away when the script ends, with every node that still runs; $began is when it was made.
# Test codes T001.., NHS numbers of the 999 range, telephone numbers of Ofcom's drama ranges.
# shellcheck shell=bash
DIRECTORIES=(D01 D02 D03)
AUTHORITIES=(T001 T002 T003 T004)
QUERY=Q01
THRESHOLD=2
ASKER=(--user "Test NURSE" --role-code R0110 --role "Emergency nurse" --setting "emergency department")
declare -A PIDS=()
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-$(basename "$0" .sh).XXXXXX")
# shellcheck disable=SC2034
began=$SECONDS

die() { printf 'federation: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }
same() { [ "$1" = "$2" ] || die "not so: $3: $1, expected $2"; }

# What a script has to end besides its nodes, before them: it says so by a function of its own.
at_end() { :; }
finish() {
    local status=$?
    at_end || true
    stop_all
    if [ "$status" = 0 ] || [ -n "${CI:-}" ]; then rm -rf "$W"; else say "kept for a look: $W" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A TCP port that nobody listens on now, below those that outgoing connections are given.
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((12000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    die "no free port found"
}

# Runs "$@" until it succeeds, for at most $1 seconds.
until_ok() {
    local seconds=$1 end
    shift
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# Where a directory is to be found, and how a node runs: other networks have others.
endpoint_of() { echo "tcp://127.0.0.1:$(free_port)"; }
run_node() { exec "$CPIS" run "$W/$1"; }
start_node() {
    local node=$1
    run_node "$node" >>"$W/log/$node.log" 2>&1 &
    PIDS[$node]=$!
    until_ok 15 "$CPIS" status "$W/$node" || { tail -n 5 "$W/log/$node.log" >&2; die "$node does not answer"; }
}
# $2: the signal, default TERM
stop_node() {
    local node=$1
    kill "-${2:-TERM}" "${PIDS[$node]}" 2>/dev/null || true
    wait "${PIDS[$node]}" 2>/dev/null || true
    unset "PIDS[$node]"
}
stop_all() {
    local node
    for node in "${!PIDS[@]}"; do kill -TERM "${PIDS[$node]}" 2>/dev/null || true; done
    # a story may have frozen one
    for node in "${!PIDS[@]}"; do kill -CONT "${PIDS[$node]}" 2>/dev/null || true; done
    for node in "${!PIDS[@]}"; do wait "${PIDS[$node]}" 2>/dev/null || true; done
    PIDS=()
}

# NODE KEY VALUE, the value as node.conf has it, a text in its quotes. Every node.conf names every key: one that is not there is wrong.
set_key() {
    local file=$W/$1/node.conf
    grep -q "^ *$2 = " "$file" || die "$file has no key $2"
    sed -i "s|^\( *\)$2 = .*|\1$2 = $3;|" "$file"
}

# Two of the three stewards sign the version under construction.
sign_register() { "$CPIS" register sign "$W/register" "$W/keys/k1" "$W/keys/k2" >/dev/null; }
publish_register() { "$CPIS" register publish "$W/${DIRECTORIES[0]}" "$W/register" >/dev/null; }

found_federation() {
    local node i=0
    mkdir -p "$W/log" "$W/keys"
    "$CPIS" register init "$W/register" --keys "$W/keys/k1" "$W/keys/k2" "$W/keys/k3" --threshold 2 >/dev/null 2>&1
    [ -f "$W/register" ] || sign_register
    for node in "${DIRECTORIES[@]}"; do
        "$CPIS" init "$W/$node" --role directory --org "$node" --name "Test region $node" \
            --endpoint "$(endpoint_of "$node")" --register "$W/register" >/dev/null
    done
    for node in "${AUTHORITIES[@]}"; do
        i=$((i + 1))
        "$CPIS" init "$W/$node" --role authority --org "$node" --name "Testborough $i" \
            --emergency "02079460$((100 + i))" --office "01632960$((100 + i))" --register "$W/register" >/dev/null
    done
    "$CPIS" init "$W/$QUERY" --role query --org RZZ99 --name "Test Hospital" --register "$W/register" >/dev/null
    local nhs=("$W/$QUERY/descriptor") las=()
    for node in "${DIRECTORIES[@]}"; do nhs+=("$W/$node/descriptor"); done
    for node in "${AUTHORITIES[@]}"; do las+=("$W/$node/descriptor"); done
    "$CPIS" register admit "$W/register" --active "${nhs[@]}" >/dev/null
    "$CPIS" register admit "$W/register" "${las[@]}" >/dev/null
    sign_register
    # before its first start a node may be given a newer register as a file
    for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do cp "$W/register" "$W/$node/register"; done
}

start_all() {
    local node
    for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do start_node "$node"; done
}

ceremony_done() { "$CPIS" ceremony result "$W/${DIRECTORIES[0]}" >"$W/ceremony" 2>/dev/null && [ -s "$W/ceremony" ]; }

# Each directory's own process deals, checks and keeps only its own share.
hold_ceremony() {
    "$CPIS" ceremony start "$W/${DIRECTORIES[0]}" "${DIRECTORIES[@]}" --epoch 1 --threshold "$THRESHOLD" >/dev/null
    until_ok 30 ceremony_done || die "the key ceremony did not end"
    "$CPIS" register epoch "$W/register" "$W/ceremony" >/dev/null
    sign_register
    publish_register
}

activate_authorities() {
    "$CPIS" register state "$W/register" "${AUTHORITIES[@]}" active >/dev/null
    sign_register
    publish_register
}

# csv PREFIX CPP LAC FILE: that many plans with NHS numbers 999PREFIXnnnnn.
csv() {
    awk -v prefix="$1" -v cpp="$2" -v lac="$3" '
        function check(n, i, sum, c) {
            sum = 0
            for (i = 1; i <= 9; i++) sum += substr(n, i, 1) * (11 - i)
            c = 11 - sum % 11
            return c == 11 ? 0 : c
        }
        BEGIN {
            print "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility"
            for (made = i = 0; made < cpp + lac; i++) {
                n = sprintf("999%s%05d", prefix, i)
                c = check(n)
                if (c == 10) continue
                made++
                printf "%s%d,%d-%02d-%02d,Givenname%s%05d,Familyname%s%05d,L%s%05d,%s,2026-0%d-15,,,\n", n, c,
                    2010 + i % 15, 1 + i % 12, 1 + i % 28, prefix, i, prefix, i, prefix, i,
                    made <= cpp ? "CPP" : "LAC", 1 + i % 9
            }
        }' >"$4"
}
# The n-th NHS number (from 1) of a file that csv made.
number_of() { sed -n "$(($2 + 1))s/,.*//p" "$1"; }

# Each authority takes in a list as long as the median one's: 225 plans and 352 looked after, numbers 999<i>nnnnn, i from 0.
import_medians() {
    local authority i=0
    for authority in "${AUTHORITIES[@]}"; do
        csv "$i" 225 352 "$W/$authority.csv"
        "$CPIS" flags import "$W/$authority" "$W/$authority.csv" --wait >/dev/null
        i=$((i + 1))
    done
}
# Asks for one number; the number comes on standard input, never in argv.
lookup() { "$CPIS" lookup "$W/$QUERY" - "${ASKER[@]}" "$@"; }
# Is the federation complete? It says that of a child in no list, $nobody.
# shellcheck disable=SC2154
ready() { lookup --scheduled --json <<<"$nobody" | jq -e '.verdict == "no_flag"'; }
become_complete() {
    activate_authorities
    until_ok 60 ready || die "the federation did not become complete"
}

# No copy of a lookup waits any more, at the query node or at a directory.
quiet() {
    local d
    "$CPIS" status "$W/$QUERY" --json | jq -e '.query.outbox == 0' || return 1
    for d in "${DIRECTORIES[@]}"; do "$CPIS" status "$W/$d" --json | jq -e '.directory.copies_waiting == 0' || return 1; done
}

# NODE: its notifications have all arrived at build/release/receiver, which keeps what it hears in $W/received.
notified() {
    local ids
    ids=$(awk '$1 == 204 && $2 == "notification" {print $3}' "$W/received" | sort -un | wc -l)
    [ "$ids" = "$("$CPIS" notifications list "$W/$1" --json | jq -s length)" ]
}
