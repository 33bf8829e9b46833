#!/usr/bin/env bash
# make faults: what goes wrong around real processes, one story each: directories lost, a query node lost after a hit or without
# its disk, an authority restored from an old backup, clocks that are off, an authority dark for 72 hours, a peer that does not
# read, a full store, too few open files, too little memory. After each: no false "no", one record of each lookup, the notification delivered, the
# logs verify. Clocks are moved by tests/faults/clock.c, 72 hours are no waiting. STORIES="a b" chooses.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/faults/cpis
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
# shellcheck source=tests/e2e/looks.sh
. tests/e2e/looks.sh
AUTHORITIES=(T001 T002)
looked=$W/T001.csv

start_at() { # NODE SECONDS: with its clock so far ahead
    CPIS_FAULT_CLOCK=$2 "$CPIS" run "$W/$1" >>"$W/log/$1.log" 2>&1 &
    PIDS[$1]=$!
    until_ok 15 "$CPIS" status "$W/$1" || die "$1 does not answer"
}

directories_lost() {
    local asked=()
    fresh
    stop_node D03 KILL
    becomes "$nobody" no_flag
    [ "$(never_no "$child")" = flag ] || die "with n-t directories lost: $(cat "$W/answer")"
    one_record "$child"
    stop_node D02 KILL
    for _ in 1 2 3; do
        [ "$(verdict "$nobody" --scheduled)" = unknown ] || die "with one directory: $(cat "$W/answer")"
        fresh
        asked+=("$child")
        never_no "$child" >/dev/null
    done
    start_node D02
    start_node D03
    becomes "$nobody" no_flag
    [ "$(never_no "$child")" = flag ] || die "they are back: $(cat "$W/answer")"
    recorded_now "${asked[@]}"
}
query_lost_after_a_hit() {
    local was
    fresh
    stop_node T001
    was=$(never_no "$child")
    [ "$was" = flag_details_to_follow ] || die "the holder is away: $was"
    stop_node "$QUERY" KILL
    mv "$W/$QUERY" "$W/lost"
    start_node T001
    one_record "$child" # by the directories alone
    mv "$W/lost" "$W/$QUERY"
    start_node "$QUERY"
    becomes "$nobody" no_flag
    one_record "$child"
}
query_without_its_disk() {
    local before
    fresh
    before=$child
    [ "$(never_no "$before")" = flag ] || die "$(cat "$W/answer")"
    stop_node "$QUERY" KILL
    rm -rf "${W:?}/$QUERY"
    "$CPIS" init "$W/$QUERY" --role query --org RZZ97 --name "Test Hospital" --register "$W/register" >/dev/null
    "$CPIS" register revoke "$W/register" RZZ99 >/dev/null
    "$CPIS" register admit "$W/register" --active "$W/$QUERY/descriptor" >/dev/null
    sign_register
    publish_register
    start_node "$QUERY"
    becomes "$nobody" no_flag 100 # directories name the register that they have once a minute
    fresh
    [ "$(never_no "$child")" = flag ] || die "$(cat "$W/answer")"
    one_record "$child"
    one_record "$before" # which the node that asked can't know any more
}
authority_from_an_old_backup() {
    local was
    "$CPIS" backup "$W/T002" "$W/backup" >/dev/null
    "$CPIS" flags import "$W/T002" "$W/late.csv" --wait >/dev/null
    becomes "$late" flag
    stop_node T002 KILL
    rm -rf "${W:?}/T002"
    "$CPIS" restore "$W/backup" "$W/T002" >/dev/null
    start_node T002
    sleep 3
    was=$(never_no "$late")
    [ "$was" != flag ] || die "the backup does not hold this child"
    cat "$W/T002.csv" <(tail -n +2 "$W/late.csv") >"$W/all.csv"
    "$CPIS" flags import "$W/T002" "$W/all.csv" --snapshot >/dev/null
    "$CPIS" flags confirm-restore "$W/T002" >"$W/out" 2>&1 || die "$(cat "$W/out")"
    becomes "$late" flag
    one_record "$late" T002
}
# A node goes by the directories' median, and says from 30 s on that its own clock is off.
clocks_off() {
    local ahead node
    for node in "$QUERY" T001 D03; do
        stop_node "$node"
        for ahead in 20 -20 900 -900 200000; do
            start_at "$node" "$ahead"
            becomes "$nobody" no_flag
            fresh
            [[ $(never_no "$child") == flag* ]] || die "$node $ahead s: $(cat "$W/answer")"
            jq -e '(.as_of | sub("[.][0-9]+Z"; "Z") | fromdate) - now | . < 30 and . > -30' "$W/answer" >/dev/null ||
                die "$node $ahead s: the verdict has its time: $(cat "$W/answer")"
            one_record "$child"
            [ "${ahead#-}" = 20 ] || until_ok 20 doctor_names_the_clock "$node" || die "doctor of $node does not name its clock"
            stop_node "$node"
        done
        start_node "$node"
    done
    becomes "$nobody" no_flag
}
doctor_names_the_clock() { { "$CPIS" doctor "$W/$1" || true; } | grep -q '^WRONG.*clock\|^warn.*clock'; }
authority_dark_72_hours() {
    local node hours
    fresh
    stop_node T002 KILL
    for hours in 71 73; do
        for node in "${DIRECTORIES[@]}" T001 "$QUERY"; do
            stop_node "$node"
            start_at "$node" $((hours * 3600))
        done
        if [ "$hours" = 71 ]; then
            becomes "$nobody" no_flag
        else
            becomes "$nobody" incomplete
            jq -e '.unconfirmed | map(.authority.code) == ["T002"]' "$W/answer" >/dev/null || die "it does not say who is missing"
        fi
        never_no "$(number_of "$W/T002.csv" "$next")" >/dev/null
    done
    [ "$(never_no "$child")" = flag ] || die "another authority's child: $(cat "$W/answer")"
    one_record "$child"
    start_at T002 $((73 * 3600))
    becomes "$nobody" no_flag
    one_record "$(number_of "$W/T002.csv" "$next")" T002 2
}
peer_that_does_not_read() {
    fresh
    kill -STOP "${PIDS[D03]}"
    for _ in 1 2 3 4 5; do
        fresh
        [ "$(never_no "$child")" = flag ] || die "a directory reads nothing: $(cat "$W/answer")"
    done
    kill -CONT "${PIDS[D03]}"
    one_record "$child"
    fresh
    kill -STOP "${PIDS[T001]}"
    [ "$(never_no "$child")" = flag_details_to_follow ] || die "the holder reads nothing: $(cat "$W/answer")"
    kill -CONT "${PIDS[T001]}"
    one_record "$child"
}
full_store() {
    stop_node T001
    set_key T001 map_mib 1
    set_key T001 map_mib_max 2
    start_node T001
    ! "$CPIS" flags import "$W/T001" "$W/large.csv" >"$W/out" 2>&1 || die "a full store takes everything"
    kill -0 "${PIDS[T001]}" || die "a full store ends the node"
    fresh
    never_no "$child" >/dev/null
    stop_node T001
    set_key T001 map_mib_max 64
    start_node T001
    "$CPIS" flags import "$W/T001" "$W/large.csv" --wait >"$W/out" || die "there is room again: $(cat "$W/out")"
    becomes "$child" flag
    one_record "$child"
}
out_of_memory() {
    local node every asked
    for node in T001 D01 "$QUERY"; do
        for every in 97 499 1999; do
            stop_node "$node"
            rm -f "$W/$node"/.faults.*
            CPIS_FAULT_DIR=$W/$node CPIS_FAULT_ALLOC=$every "$CPIS" run "$W/$node" >>"$W/log/$node.log" 2>&1 &
            PIDS[$node]=$!
            until_ok 15 "$CPIS" status "$W/$node" || die "$node does not answer"
            becomes "$nobody" no_flag
            touch "$W/$node/.faults.memory"
            asked=()
            for _ in 1 2 3; do
                fresh
                asked+=("$child")
                { timeout 40 "$CPIS" lookup "$W/$QUERY" - "${ASKER[@]}" --json <<<"$child" || true; } >"$W/answer" 2>/dev/null
                ! grep -q '"no_flag"' "$W/answer" || die "$node, each ${every}th allocation fails: a false no"
            done
            kill -0 "${PIDS[$node]}" || die "$node, each ${every}th allocation fails: it ended: $(tail -n 2 "$W/log/$node.log")"
            rm "$W/$node/.faults.memory"
            becomes "$nobody" no_flag 100
            recorded_now "${asked[@]}"
        done
    done
}
too_few_files() {
    local asked=() pid
    for node in T001 D01 "$QUERY"; do
        fresh
        asked+=("$child")
        pid=${PIDS[$node]}
        prlimit --pid "$pid" --nofile="$(find "/proc/$pid/fd" -mindepth 1 | wc -l):"
        for _ in 1 2 3; do timeout 5 "$CPIS" status "$W/$node" >/dev/null 2>&1 || true; done
        { timeout 40 "$CPIS" lookup "$W/$QUERY" - "${ASKER[@]}" --json <<<"$child" || true; } >"$W/answer" 2>/dev/null
        ! grep -q '"no_flag"' "$W/answer" || die "$node: a false no"
        kill -0 "$pid" || die "$node: too few files end it: $(tail -n 2 "$W/log/$node.log")"
        prlimit --pid "$pid" --nofile=1024:
        becomes "$nobody" no_flag
        [ "$(never_no "$child")" = flag ] || die "$node has files again: $(cat "$W/answer")"
    done
    recorded_now "${asked[@]}"
}

found_federation
start_all
hold_ceremony
csv 1 100 0 "$W/T001.csv"
csv 2 100 0 "$W/T002.csv"
csv 3 1 0 "$W/nobody.csv"
csv 4 1 0 "$W/late.csv"
csv 5 6000 0 "$W/large.csv"
for node in "${AUTHORITIES[@]}"; do
    stop_node "$node"
    set_key "$node" pattern_count 0
    start_node "$node"
    "$CPIS" flags import "$W/$node" "$W/$node.csv" --wait >/dev/null
done
activate_authorities
nobody=$(number_of "$W/nobody.csv" 1) late=$(number_of "$W/late.csv" 1)
becomes "$nobody" no_flag 30
# the clocks of the last one are days ahead from then on
for story in ${STORIES:-directories_lost query_lost_after_a_hit peer_that_does_not_read too_few_files out_of_memory clocks_off
    query_without_its_disk authority_from_an_old_backup full_store authority_dark_72_hours}; do
    at=$SECONDS
    "$story"
    logs_verify
    say "ok: ${story//_/ } ($((SECONDS - at)) s)"
done
say "all stories end as they should; $((SECONDS - began)) s"
