#!/usr/bin/env bash
# make soak SECONDS=300: a federation under constant load, with clocks that go RATE times as fast (tests/faults/clock.c: no period
# of a node is a setting), so that five minutes are fifty of hellos, gossip, new heads, repetitions and sweeps. All at once: two lookers
# at listed and unlisted children, plans added and removed, files dropped into a watched folder, a webhook that is told, and any
# node killed with -9 and started again at random. Then a last third in which nobody is killed, for memory, files and store.
# At the end: no false "no", one record and one notification of each look at each holder, the webhook told of all, plans and files
# where they belong, logs that verify and acquit.
#   [RATE=10] [SEED=n] tests/e2e/soak.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/faults/cpis
RECEIVER=$PWD/build/release/receiver
LASTS=${1:-300} RATE=${RATE:-10} SEED=${SEED:-$((RANDOM + 1))}
[ "$LASTS" -ge 60 ] || { echo "soak: at least 60 seconds" >&2; exit 2; }
export CPIS_FAULT_RATE=$RATE:$EPOCHSECONDS
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/looks.sh
. tests/e2e/looks.sh
AUTHORITIES=(T001 T002)
HOLDERS=("${AUTHORITIES[@]}")
NODES=("${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY")
POOL=60 # children that are looked at again and again
looked=$W/looked.csv
D=$W/T001
receiver='' workers=()
at_end() {
    local p
    touch "$W/stop"
    for p in "${workers[@]}" $receiver; do kill "$p" 2>/dev/null || true; done
}
# What a worker finds wrong ends everything: the main loop looks for it.
wrong() { printf '%s\n' "$*" >>"$W/wrong"; exit 1; }
goes_on() { [ ! -e "$W/stop" ]; }

set_up() {
    local port node
    port=$(free_port)
    (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$W/key" && echo >>"$W/key")
    : >"$W/received" && : >"$W/refused" && : >"$W/looks" && : >"$W/samples"
    found_federation
    for node in "${AUTHORITIES[@]}"; do
        set_key "$node" pattern_count 0
        set_key "$node" escalate_after_minutes 0
    done
    set_key T001 webhook_url "\"http://127.0.0.1:$port/inbox\""
    set_key T001 webhook_key_file "\"$W/key\""
    "$RECEIVER" http "$port" "$W/key" "$W/received" "$W/refused" &
    receiver=$!
    start_all
    hold_ceremony
    csv 1 $POOL 0 "$looked"
    csv 3 40 0 "$W/nobody.csv"
    csv 4 5000 0 "$W/moving.csv"
    csv 5 5000 0 "$W/dropped.csv"
    # a short list that loses a few is held until an officer confirms
    csv 6 400 0 "$W/others.csv"
    "$CPIS" flags import "$W/T001" "$W/others.csv" >/dev/null
    for node in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$node" "$looked" --wait >/dev/null; done
    nobody=$(number_of "$W/nobody.csv" 1)
    become_complete
}

# --- what goes on at once; each worker has its own seed and its own files ---
look_at() { timeout 60 "$CPIS" lookup "$W/$QUERY" - "${ASKER[@]}" --json 2>/dev/null <<<"$1" || true; }
look_on() { # WORKER
    local answer
    RANDOM=$((SEED + $1))
    while goes_on; do
        answer=$(look_at "$(number_of "$looked" $((RANDOM % POOL + 1)))")
        [[ $answer != *'"no_flag"'* ]] || wrong "a false no: $answer"
        [ -z "$answer" ] || printf '%s\n' "$answer" >>"$W/looks.$1"
        answer=$(look_at "$(number_of "$W/nobody.csv" $((RANDOM % 40 + 1)))")
        [[ $answer != *'"verdict":"flag'* ]] || wrong "a flag of nobody: $answer"
        [ -z "$answer" ] || printf '%s\n' "$answer" >>"$W/others.$1"
    done
}
# A plan that is said to be live is found from then on, until it is taken away.
move_plans() {
    local i=0 number answer
    while goes_on; do
        i=$((i + 1))
        sed -n "1p;$((i + 1))p" "$W/moving.csv" >"$W/row.csv"
        number=$(number_of "$W/moving.csv" "$i")
        until timeout 120 "$CPIS" flags import "$W/T001" "$W/row.csv" --wait >"$W/moving.out" 2>&1; do
            goes_on || break 2
            sleep 0.2
        done
        answer=$(look_at "$number")
        [[ $answer != *'"no_flag"'* ]] || wrong "a plan that is live nationally is not found: $answer"
        echo "$number" >>"$W/added"
        [ $((i % 2)) = 0 ] || continue
        until "$CPIS" flags remove "$W/T001" "$number" --plan CPP >"$W/moving.out" 2>&1; do
            goes_on || break 2
            sleep 0.2
        done
        echo "$number" >>"$W/removed"
    done
}
drop_files() {
    local i=0 in=$W/T002/feed/in
    while goes_on; do
        i=$((i + 1))
        sed -n "1p;$((i * 5 - 3)),$((i * 5 + 1))p" "$W/dropped.csv" >"$in/.drop"
        touch -d '1 minute ago' "$in/.drop"
        mv "$in/.drop" "$in/plans$i.csv"
        echo "$i" >"$W/files"
        sleep 4
    done
}
look_for_wrong() {
    [ ! -s "$W/wrong" ] || die "$(cat "$W/wrong")"
    local node
    for node in "${NODES[@]}"; do kill -0 "${PIDS[$node]}" 2>/dev/null || die "$node ended by itself: $(tail -n 2 "$W/log/$node.log")"; done
}
answers() { cat "$W"/looks.[0-9] "$W"/others.[0-9] 2>/dev/null | wc -l; }

# --- figures: a line for each node: when, looks so far, its own memory in KiB, open files, bytes in use of its store ---
sample() {
    local node pid memory files store
    for node in "${NODES[@]}"; do
        pid=${PIDS[$node]}
        memory=$(awk '/^RssAnon/ {print $2}' "/proc/$pid/status") files=$(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)
        store=$("$CPIS" status "$W/$node" --json | jq .store.used_bytes)
        echo "$node $((SECONDS - loaded)) $(answers) $memory $files $store" >>"$W/samples"
    done
}
# Between the first and the last sample of the quiet third. What is kept of a look is kept on purpose; all else has to stay as it was.
GROWTH_KIB=6144 GROWTH_FILES=16 STORE_A_LOOK=20480
judge() {
    awk -v kib=$GROWTH_KIB -v files=$GROWTH_FILES -v look=$STORE_A_LOOK '
        !($1 in n) { n[$1] = ++nodes; name[nodes] = $1; l0[$1] = $3; m0[$1] = $4; f0[$1] = $5; s0[$1] = $6 }
        { l1[$1] = $3; m1[$1] = $4; f1[$1] = $5; s1[$1] = $6 }
        END {
            for (i = 1; i <= nodes; i++) {
                x = name[i]; looks = l1[x] - l0[x]
                per = looks > 0 ? (s1[x] - s0[x]) / looks : 0
                grown = m1[x] - m0[x] > kib || f1[x] - f0[x] > files || per > look
                bad += grown || looks <= 0
                printf "%-5s memory %d to %d KiB, open files %d to %d, store %d to %d KiB: %d bytes a look in %d looks%s\n", x, m0[x], m1[x],
                    f0[x], f1[x], s0[x] / 1024, s1[x] / 1024, per, looks, grown ? ": TOO MUCH" : ""
            }
            exit bad > 0 || nodes == 0
        }' "$W/samples"
}

# --- at the end ---
nothing_waits() { [ -z "$(find "$W/T002/feed/in" "$W/T002/feed/work" -type f)" ]; }
held() { "$CPIS" flags show "$W/$1" - --json <<<"$2" | jq -se 'length >= 1'; }
check_all() {
    local number answered=0 i
    until_ok 120 ready || die "the federation does not recover"
    until_ok 160 quiet || die "something is still waiting to be delivered"
    cat "$W"/looks.[0-9] >>"$W/looks"
    until_ok 60 nothing_waits || die "a file is left in feed"
    for i in $(seq $POOL); do
        number=$(number_of "$looked" "$i")
        [ -n "$(read_rids "$number")" ] || continue
        until_ok 30 each_once "$number" || die "not one record and one notification of each look at both holders: $(rids T001 "$number" | wc -l), $(rids T002 "$number" | wc -l)"
        answered=$((answered + 1))
    done
    [ $answered -gt $((POOL / 2)) ] || die "only $answered children were looked at"
    until_ok 120 notified T001 || die "the webhook was not told of each notification"
    sort "$W/added" >"$W/added.sorted" && sort "$W/removed" >"$W/removed.sorted"
    while read -r number; do becomes "$number" flag; done < <(comm -23 "$W/added.sorted" "$W/removed.sorted")
    while read -r number; do becomes "$number" no_flag; done <"$W/removed.sorted"
    for i in $(seq 2 $(($(cat "$W/files") * 5 + 1))); do
        number=$(sed -n "${i}s/,.*//p" "$W/dropped.csv")
        held T002 "$number" >/dev/null || die "a plan of a dropped file is not held"
    done
    logs_verify
    logs_acquit
}

set_up
say "seed $SEED, clocks $RATE times as fast"
loaded=$SECONDS
look_on 1 & workers+=($!)
look_on 2 & workers+=($!)
move_plans & workers+=($!)
drop_files & workers+=($!)
RANDOM=$SEED kills=0 shown=0
while [ $((SECONDS - loaded)) -lt $((LASTS * 2 / 3)) ]; do
    victim=${NODES[$((RANDOM % ${#NODES[@]}))]}
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    look_for_wrong
    stop_node "$victim" KILL
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    start_node "$victim"
    kills=$((kills + 1))
    [ $((SECONDS - shown)) -lt 20 ] || { shown=$SECONDS && say "$((SECONDS - loaded)) s: $kills killed, $(answers) looks"; }
done
until_ok 60 ready || die "the federation does not recover"
plans=$(wc -l <"$W/added") quiet_since=$SECONDS
while [ $((SECONDS - loaded)) -lt "$LASTS" ]; do
    sleep 5
    look_for_wrong
    sample
    [ $((SECONDS - shown)) -lt 20 ] || { shown=$SECONDS && say "$((SECONDS - loaded)) s: nobody is killed any more, $(answers) looks"; }
done
plans=$(($(wc -l <"$W/added") - plans)) quiet_for=$((SECONDS - quiet_since))
touch "$W/stop"
for worker in "${workers[@]}"; do wait "$worker" || look_for_wrong; done
workers=()
look_for_wrong
[ $((plans * 5)) -ge $quiet_for ] || die "with all nodes there only $plans plans became live nationally in $quiet_for s"
judge || die "memory, open files or a store grow: more than $GROWTH_KIB KiB, $GROWTH_FILES files, $STORE_A_LOOK bytes a look"
check_all
say "verdicts: $(cat "$W"/looks.[0-9] "$W"/others.[0-9] | jq -r .verdict | sort | uniq -c | awk '{printf "%s%s %s", (NR > 1 ? ", " : ""), $1, $2}')"
say "$LASTS s at $RATE times the speed: $kills nodes killed, $(answers) looks, $(wc -l <"$W/added") plans added, $(wc -l <"$W/removed") removed, $(cat "$W/files") files: \
no false no, one record and one notification each at both holders, $("$CPIS" notifications list "$D" --json | wc -l) told to the webhook, logs verify"
