#!/usr/bin/env bash
# make bench-compare: a lookup beside what people would use instead, in one run: a central PostgreSQL, a broadcast to all 153
# authorities, bare echoes over the same topology, evaluation without proofs. A table here (ARGS=--json: the lines of a program), and
# build/bench/compare.json. ROUNDS=3 of everything in turns, so that a machine's moods meet all of them. tests/bench/README.md says what
# is in each and what each does not promise.
set -euo pipefail
cd "$(dirname "$0")/../.."
POSTGRES=/usr/lib/postgresql/15/bin
refuse() { printf 'bench_compare.sh: %s\n' "$*" >&2; exit 2; }
json=
case ${1-} in '') ;; --json) json=1 ;; *) refuse "usage: bench_compare.sh [--json]" ;; esac
rounds=${ROUNDS:-3}
[[ $rounds =~ ^[1-9]$ ]] || refuse "ROUNDS=$rounds is not a number from 1 to 9"
[ -x "$POSTGRES/initdb" ] || refuse "no $POSTGRES/initdb: apt-get install postgresql-15 (make bench-compare does)"
[ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || refuse "PostgreSQL does not run as root, and there is no user postgres to run it as"
BIN=$PWD/build/release
CPIS=$BIN/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
DIRECTORIES=(D01 D02 D03 D04 D05 D06 D07)
THRESHOLD=4
EVERYONE=153          # authorities of England
MEDIAN=$((225 + 352)) # plans of the median one
MANY=1000000
out=build/bench figures=$W/figures
mkdir -p "$out"
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh

# --- a PostgreSQL of this run's own: a folder, a port on loopback, TLS; no other cluster is touched ---
C=$(mktemp -d "${TMPDIR:-/tmp}/cpis-central.XXXXXX")
chmod 755 "$C"
postmaster() { head -n 1 "$C/run/data/postmaster.pid"; }
at_end() { # of finish, which federation.sh traps
    local pid
    if pid=$(postmaster 2>/dev/null); then
        kill -QUIT "$pid" 2>/dev/null || true
        until_ok 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -rf "$C"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
# initdb and postgres refuse to run as root
as_postgres() { (cd "$C" && if [ "$(id -u)" = 0 ]; then exec runuser -u postgres -- "$@"; else exec "$@"; fi); }
sql() { "$POSTGRES/psql" "host=localhost hostaddr=127.0.0.1 port=$port user=bench dbname=$1 sslmode=verify-full sslrootcert=$C/cert.pem" -v ON_ERROR_STOP=1 -qAtX; }
started() { sql postgres <<<'SELECT 1'; }
start_central() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$C/key.pem" -out "$C/cert.pem" 2>/dev/null
    mkdir "$C/run"
    openssl rand -hex 16 >"$C/run/password"
    printf '*:*:*:bench:%s\n' "$(cat "$C/run/password")" >"$C/pass"
    chmod 600 "$C/pass"
    cp "$C/key.pem" "$C/run/key.pem"
    chmod 600 "$C/run/key.pem"
    [ "$(id -u)" != 0 ] || chown -R postgres "$C/run"
    export PGPASSFILE=$C/pass
    port=$(free_port)
    as_postgres "$POSTGRES/initdb" -D "$C/run/data" -U bench --pwfile="$C/run/password" -A scram-sha-256 -E UTF8 --locale=C >"$C/initdb.log" 2>&1 ||
        { tail -n 5 "$C/initdb.log" >&2; die "initdb fails (may the user postgres enter ${TMPDIR:-/tmp}?)"; }
    # all else is the default: fsync and synchronous_commit are on
    as_postgres tee -a "$C/run/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 100
ssl = on
ssl_cert_file = '$C/cert.pem'
ssl_key_file = '$C/run/key.pem'
ssl_min_protocol_version = 'TLSv1.3'
CONF
    as_postgres tee "$C/run/data/pg_hba.conf" >/dev/null <<<'hostssl all bench 127.0.0.1/32 scram-sha-256'
    as_postgres "$POSTGRES/postgres" -D "$C/run/data" >"$C/log" 2>&1 &
    until_ok 20 started || { tail -n 5 "$C/log" >&2; die "PostgreSQL does not start"; }
}
# The plans of so many in a database of their own, as many children as the 999 range's even numbers allow.
fill_central() { # DATABASE PLANS CHILDREN
    sql postgres <<<"CREATE DATABASE $1"
    sql "$1" <<SQL
CREATE TABLE plan (nhs_number bigint, kind int, starts bigint, ends bigint, authority text, name text, emergency text, office text);
CREATE TABLE audit (id bytea PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), caller bytea NOT NULL, nhs_number bigint NOT NULL,
    request bytea NOT NULL, found bigint NOT NULL);
INSERT INTO plan SELECT 9990000000 + 2 * (i % $3), 1 + i / $3, 202601150000, 0, 'T' || lpad((i % $EVERYONE)::text, 3, '0'), 'Testborough ' || i % $EVERYONE,
    '02079460101', '01632960101' FROM generate_series(0::bigint, $2 - 1) i;
ALTER TABLE plan ADD PRIMARY KEY (nhs_number, kind, starts);
VACUUM ANALYZE plan;
CHECKPOINT;
SQL
}
central() { # DATABASE CHILDREN hit|miss LABEL FLIGHT:LOOKUPS...
    local database=$1
    shift
    timeout 120 "$BIN/bench_central" "host=localhost hostaddr=127.0.0.1 port=$port user=bench dbname=$database sslmode=verify-full sslrootcert=$C/cert.pem" \
        "$(postmaster)" "$C/cert.pem" "$C/key.pem" "$@" >>"$figures"
}

peers() { # as bench_peers; its rows, where it keeps some, begin anew
    rm -rf "$W/rows"
    timeout 120 "$BIN/bench_peers" "$@" >>"$figures"
}

keep_awake
step "a lookup's bytes, through the machines"
"$BIN/bench_machines" "$THRESHOLD" "${#DIRECTORIES[@]}" 200 >>"$figures"
few=$((${#AUTHORITIES[@]} * MEDIAN)) # as many as ours holds
step "a central PostgreSQL, of $few plans and of $MANY"
start_central
fill_central few "$few" "$few"
fill_central many "$MANY" $((MANY / 2))
step "a federation of real processes: ${#DIRECTORIES[@]} directories, t = $THRESHOLD"
found_federation
run_founded 400
for round in $(seq "$rounds"); do
    step "round $round of $rounds: ours"
    numbers "$W/nobody.csv" | load 1 lookup
    numbers "$W/nobody.csv" | load 16 lookup_flight_16
    numbers "$W"/T00?.csv | sed -n "$((200 * round)),$((200 * round + 199))p" | load 1 lookup_flag
    numbers "$W"/T00?.csv | sed -n "$((200 * round)),$((200 * round + 199))p" | load 16 lookup_flag_flight_16
    step "round $round of $rounds: primitives and floor"
    "$BIN/bench_primitives" "$THRESHOLD" "$few" "$W/commits-$round" >>"$figures" 2>/dev/null
    step "round $round of $rounds: central"
    central few "$few" miss central_few 1:500 16:2000
    central few "$few" hit central_few_hit 1:500 16:2000
    central many $((MANY / 2)) miss central_many 1:500 16:2000
    central many $((MANY / 2)) hit central_many_hit 1:500 16:2000
    step "round $round of $rounds: echoes, broadcasts"
    peers echo "${#DIRECTORIES[@]}" "$THRESHOLD" 0 echo2 - 1:1000 16:4000
    peers broadcast "$EVERYONE" "$EVERYONE" "$MEDIAN" broadcast "$W/rows" 1:50 16:96
    peers broadcast-bare "$EVERYONE" "$EVERYONE" "$MEDIAN" broadcast_bare "$W/rows" 1:50 16:96
done

# A name that is missing is an error: rounds.jq.
jq -s -L tests/bench --argjson t "$THRESHOLD" 'include "rounds";
    map(if .name == "wire_bytes_no_flag" then .name = "lookup_bytes" elif .name == "wire_bytes_flag" then .name = "lookup_flag_bytes" else . end)
    | rounds as $r
    | def of($name; $i): get($r; $name).of[$i];
      def computed($unit; f): {of: [range(get($r; "floor_path_us").of | length) | f], unit: $unit, n: get($r; "floor_path_us").n};
      def proofs($i; $turns): $turns * (of("primitive_prove_us"; $i) + of("primitive_verify_us"; $i));
      (($t / of("processors"; 0)) | ceil) as $turns
    | ($r + {
        unverified_cpu_us: computed("us"; of("floor_cpu_no_flag_us"; .) - proofs(.; $t)),
        unverified_p50_ms: computed("ms"; (of("floor_path_us"; .) - proofs(.; $turns)) / 1000),
        floor_cpu_us: computed("us"; of("floor_cpu_no_flag_us"; .)),
        floor_p50_ms: computed("ms"; of("floor_path_us"; .) / 1000)}) as $r
    | def ratios($ours; $other; $what): $what | map({("\($ours)_over_\($other)_\(.)"): ratio($r; "\($ours)_\(.)"; "\($other)_\(.)")}) | add;
      ["p50_ms", "p99_ms", "cpu_us", "asker_cpu_us", "bytes", "flight_16_per_second", "flight_16_cpu_us"] as $all
    | ($r | figures)
      + ratios("lookup"; "central_few"; $all) + ratios("lookup"; "central_many"; $all)
      + ratios("lookup_flag"; "central_few_hit"; $all) + ratios("lookup_flag"; "central_many_hit"; $all)
      + ratios("lookup"; "broadcast"; $all) + ratios("lookup"; "broadcast_bare"; $all) + ratios("lookup"; "echo2"; $all)
      + ratios("lookup"; "unverified"; ["p50_ms", "cpu_us"]) + ratios("lookup"; "floor"; ["p50_ms", "cpu_us"])
      + ratios("floor"; "unverified"; ["p50_ms", "cpu_us"])' "$figures" >"$W/compare.json"
mv "$W/compare.json" "$out/compare.json"
columns() { awk -F '\t' '{printf "%-33s", $1; for (i = 2; i <= NF; i++) printf " %-20s", $i; print ""}'; }
table() { # NAME:TITLE... : a row for each, to three digits
    jq -r --args '
        . as $r
        | def digits: if . == 0 then . else . as $v | pow(10; 2 - ($v | fabs | log10 | floor)) as $s | ($v * $s | round) / $s end;
          def shown: if . == null then "-" else "\(.value | digits)" + (if .low and .low != .high then " (\(.low | digits)-\(.high | digits))" else "" end) end;
        $ARGS.positional[] | split(":") as [$name, $title]
        | [$title] + (["p50_ms", "p99_ms", "cpu_us", "asker_cpu_us", "flight_16_per_second", "flight_16_cpu_us", "bytes"] | map($r["\($name)_\(.)"] | shown)) | @tsv' "$@" <"$out/compare.json" | columns
}
heading() { columns <<<"$1"; }
if [ -n "$json" ]; then
    jq -c 'to_entries[] | {name: .key} + .value' "$out/compare.json"
else
    heading $'in one run: median (low-high)\tp50, ms\tp99, ms\tall, cpu us\tasker, cpu us\t16 in flight, 1/s\t16: all, cpu us\ton the wire, bytes'
    table "lookup:ours, NO FLAG" "central_few:central, $few plans, none" "central_many:central, $MANY plans, none" \
        "lookup_flag:ours, FLAG" "central_few_hit:central, $few plans, found" "central_many_hit:central, $MANY plans, found" \
        "broadcast:broadcast to $EVERYONE" "broadcast_bare:broadcast, length tells" "echo2:CURVE echo, two rounds" \
        "unverified:floor without proofs, computed" "floor:floor, computed"
    echo
    heading $'ours divided by it, ratio\tp50\tp99\tall, cpu\tasker, cpu\t16 in flight, 1/s\t16: all, cpu\ton the wire'
    table "lookup_over_central_few:NO FLAG / central, $few" "lookup_over_central_many:NO FLAG / central, $MANY" \
        "lookup_flag_over_central_few_hit:FLAG / central, $few" "lookup_flag_over_central_many_hit:FLAG / central, $MANY" \
        "lookup_over_broadcast:NO FLAG / broadcast" "lookup_over_broadcast_bare:NO FLAG / broadcast, length tells" \
        "lookup_over_echo2:NO FLAG / CURVE echo" "lookup_over_unverified:NO FLAG / floor without proofs" "lookup_over_floor:NO FLAG / floor" \
        "floor_over_unverified:floor / floor without proofs"
fi
step "done: $out/compare.json"
