#!/usr/bin/env bash
# make partitions: each node in a network namespace of its own, and between them a network (build/release/wan) that is cut, one
# way or both, flaps, loses and delays, one story each. Listed and unlisted children are looked at before, during and after: never
# a false "no"; after it has healed each look has one record and one notification at each of the two authorities that hold the
# child, no node was started again, the logs verify and acquit. STORIES="a b" chooses, SEED=n repeats the network's dice.
# Exit code 3: no such network can be made here.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/cpis
SEED=${SEED:-$((RANDOM + 1))}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/looks.sh
. tests/e2e/looks.sh
AUTHORITIES=(T001 T002)
HOLDERS=("${AUTHORITIES[@]}")
NODES=("${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY")
looked=$W/looked.csv

# --- the network ---
declare -A AT=() ADDRESS=() NETWORK=()
at_end() { [ -z "${WAN_PID:-}" ] || kill "$WAN_PID" 2>/dev/null; }
make_network() {
    local i=0 node got=0
    build/release/wan_probe >"$W/probe" || got=$?
    [ "$got" = 0 ] || { cat "$W/probe" >&2; [ "$got" != 3 ] || exit 3; die "the network does not do what it says"; }
    coproc WAN { exec build/release/wan "${#NODES[@]}" "$SEED"; }
    exec {orders}>&"${WAN[1]}" {answers}<&"${WAN[0]}"
    for node in "${NODES[@]}"; do
        AT[$node]=$((i++))
        read -r "ADDRESS[$node]" "NETWORK[$node]" <&"$answers"
    done
}
endpoint_of() { echo "tcp://${ADDRESS[$1]}:7001"; }
inside() { exec nsenter --net="${NETWORK[$1]}" "${@:2}"; }
run_node() { inside "$1" "$CPIS" run "$W/$1" {orders}>&- {answers}<&-; }
order() { # FROM TO WHAT...
    local word=
    echo "${AT[$1]} ${AT[$2]} ${*:3}" >&"$orders"
    read -r word <&"$answers" && [ "$word" = ok ] || die "the network does not obey: $*"
}
# WHAT... of each of the first words' nodes to each of the second's
from_to() {
    local a b
    for a in $1; do for b in $2; do [ "$a" = "$b" ] || order "$a" "$b" "${@:3}"; done; done
}
between() { from_to "$1" "$2" "${@:3}" && from_to "$2" "$1" "${@:3}"; }
everywhere() { from_to "${NODES[*]}" "${NODES[*]}" "$@"; }
away() { between "$1" "${NODES[*]}" cut; } # a word of nodes, also from each other
connects() { (inside "$1" timeout 1 bash -c "exec 3<>/dev/tcp/${ADDRESS[$2]}/7001") 2>/dev/null; }
is_cut() { ! connects "$1" "$2" || die "$1 still reaches $2"; }

# --- looks ---
asked=()
# A new child, and one in no list: what is said of them, and of which authority the details are to follow.
look_as() { # VERDICT VERDICT-OF-NOBODY [AUTHORITY]
    local got
    fresh
    asked+=("$child")
    got=$(never_no "$child")
    [ "$got" = "$1" ] && jq -e --arg who "${3:-}" '.pending // [] | map(.authority.code) | join(" ") == $who' "$W/answer" >/dev/null ||
        die "a listed child: $(cat "$W/answer")"
    got=$(verdict "$nobody" --scheduled)
    [ "$got" = "$2" ] || die "a child in no list: $(cat "$W/answer")"
}
# ... when anything may be said but "no", and of the other anything but a flag
look_anyhow() {
    local got
    fresh
    asked+=("$child")
    got=$(never_no "$child")
    said="$said $got"
    got=$(verdict "$nobody" --scheduled)
    [[ $got != flag* ]] || die "a flag of nobody: $(cat "$W/answer")"
}
healed() {
    local at=$SECONDS
    everywhere open
    becomes "$nobody" no_flag 90
    recorded_now "${asked[@]}"
    asked=()
    recovered=$((SECONDS - at))
}
same_processes() {
    for node in "${NODES[@]}"; do
        [ "${PIDS[$node]}" = "${BORN[$node]}" ] && kill -0 "${PIDS[$node]}" || die "$node has ended: $(tail -n 2 "$W/log/$node.log")"
    done
}

# --- the stories ---
directory_cut_off() { # t of the directories are left
    away D02
    is_cut "$QUERY" D02
    for _ in 1 2 3; do look_as flag no_flag; done
}
authority_cut_off() {
    away T001
    is_cut T001 D01
    for _ in 1 2 3; do look_as flag no_flag T001; done
}
query_node_cut_off() {
    away "$QUERY"
    is_cut "$QUERY" D01
    for _ in 1 2 3; do look_as unknown unknown; done
}
directories_cut_off_from_each_other() {
    away "${DIRECTORIES[*]:0:2}"
    between "${DIRECTORIES[*]:0:2}" "${AUTHORITIES[*]} $QUERY" open
    is_cut D01 D03
    for _ in 1 2 3; do look_as flag no_flag; done
}
one_directory_too_few() {
    away "D02 D03"
    is_cut "$QUERY" D03
    for _ in 1 2 3; do look_as unknown unknown; done
    between D02 "${NODES[*]}" open
    becomes "$nobody" no_flag
    look_as flag no_flag
}
split_in_two() { # the query node beside one directory, the authorities beside the others
    between "D01 $QUERY" "D02 D03 ${AUTHORITIES[*]}" cut
    is_cut "$QUERY" D02
    for _ in 1 2; do look_as unknown unknown; done
}
only_questions_are_lost() {
    from_to "$QUERY" "${DIRECTORIES[*]}" cut
    for _ in 1 2; do look_as unknown unknown; done
}
only_statements_are_lost() {
    from_to "${DIRECTORIES[*]}" "$QUERY" cut
    for _ in 1 2; do look_as unknown unknown; done
}
one_directorys_statements_are_lost() {
    from_to D01 "$QUERY" cut
    for _ in 1 2; do look_as flag no_flag; done
}
only_copies_for_the_authority_are_lost() {
    from_to "${DIRECTORIES[*]}" T001 cut
    for _ in 1 2; do look_as flag no_flag T001; done
}
# It records and signs, and no signature arrives; after a minute connections are given up and made anew: copies come again.
only_what_the_authority_signs_is_lost() {
    local end=$((SECONDS + 100))
    from_to T001 "${DIRECTORIES[*]}" cut
    look_as flag no_flag T001
    until_ok 10 recorded "$child" || die "nothing arrives at T001 either: that was no one-way cut"
    while [ $SECONDS -lt $end ]; do
        look_as flag no_flag T001
        sleep 10
    done
}
cut_off_for_two_minutes() { # longer than TCP, hellos and the first few repetitions
    local end=$((SECONDS + 120))
    away "D02 T001"
    while [ $SECONDS -lt $end ]; do
        look_as flag no_flag T001
        sleep 15
    done
}
flapping_link() {
    local end=$((SECONDS + 40))
    while [ $SECONDS -lt $end ]; do
        between "$QUERY T001" "${DIRECTORIES[*]}" cut
        sleep "$((RANDOM % 3)).$((RANDOM % 10))"
        between "$QUERY T001" "${DIRECTORIES[*]}" open
        sleep "$((RANDOM % 4 + 1)).$((RANDOM % 10))"
    done &
    flapping=$!
    while [ $SECONDS -lt $end ]; do look_anyhow; done
    wait "$flapping"
}
loss_and_delay() {
    everywhere 100 150000
    for _ in 1 2 3 4 5; do look_anyhow; done
    everywhere 350 500000
    for _ in 1 2 3 4 5; do look_anyhow; done
}
plan_that_one_directory_does_not_hear_of() { # the others tell it
    between T001 D01 cut
    between "$QUERY" D02 cut
    is_cut T001 D01
    "$CPIS" flags import "$W/T001" "$W/late.csv" >/dev/null
    becomes "$late" flag 120
    for _ in 1 2 3; do
        is "$late" flag || die "found, and found no more: $(cat "$W/answer")"
        look_as flag no_flag
    done
}
plan_that_too_few_hear_of() { # it is not said to be live before it is
    between T001 "D01 D02" cut
    is_cut T001 D01
    ! "$CPIS" flags import "$W/T001" "$W/later.csv" --wait --wait-seconds 10 >"$W/out" 2>&1 || die "said to be live: $(cat "$W/out")"
    between T001 "D01 D02" open
    "$CPIS" flags import "$W/T001" "$W/later.csv" --wait --wait-seconds 100 >"$W/out" || die "a new plan: $(cat "$W/out")"
    is "$later" flag || die "live nationally, and not found: $(cat "$W/answer")"
}

make_network
found_federation
for node in "${AUTHORITIES[@]}"; do set_key "$node" pattern_count 0; done
start_all
hold_ceremony
csv 1 300 0 "$looked"
csv 3 1 0 "$W/nobody.csv"
csv 4 1 0 "$W/late.csv"
csv 5 1 0 "$W/later.csv"
for node in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$node" "$looked" --wait >/dev/null; done
nobody=$(number_of "$W/nobody.csv" 1) late=$(number_of "$W/late.csv" 1) later=$(number_of "$W/later.csv" 1)
become_complete
declare -A BORN=()
for node in "${NODES[@]}"; do BORN[$node]=${PIDS[$node]}; done
say "seed $SEED"
for story in ${STORIES:-directory_cut_off authority_cut_off query_node_cut_off directories_cut_off_from_each_other
    one_directory_too_few split_in_two only_questions_are_lost only_statements_are_lost one_directorys_statements_are_lost
    only_copies_for_the_authority_are_lost only_what_the_authority_signs_is_lost cut_off_for_two_minutes flapping_link
    loss_and_delay plan_that_one_directory_does_not_hear_of plan_that_too_few_hear_of}; do
    at=$SECONDS said=''
    look_as flag no_flag
    "$story"
    healed
    same_processes
    logs_verify
    say "ok: ${story//_/ } ($((SECONDS - at)) s, all in order within $recovered s of healing)${said:+:$said}"
done
logs_acquit
say "$next children looked at, none was a false no; one record and one notification of each look at both holders; no node was started again; $((SECONDS - began)) s"
