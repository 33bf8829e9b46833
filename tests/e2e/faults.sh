#!/usr/bin/env bash
# make faults: what goes wrong around real processes, one story each: directories lost, a query node lost after a hit or without
# its disk, an authority restored from an old backup, an authority replaced by a new key, directories that go back to one moment
# together, clocks that are off, an authority dark for 72 hours, a peer that does not read, a full store, too few open files, too
# little memory. After each: no false "no", one record of each lookup, the notification delivered, the
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
at_version() { local n; for n in "${!PIDS[@]}"; do [ "$("$CPIS" status "$W/$n" --json | jq .register.version)" = "$1" ] || return 1; done; }
in_force() {
    sign_register
    publish_register
    until_ok 60 at_version "$("$CPIS" register show "$W/register" --json | jq .version)" || die "not every node has the newest register"
}
id_of() { "$CPIS" status "$W/$1" --json | jq -r .node_id; }
# An authority's key is replaced: both are in the register until the old one is removed, and the old node is gone before that.
authority_replaced() {
    local old before during waiting both
    fresh
    before=$child
    [ "$(never_no "$before")" = flag ] || die "$(cat "$W/answer")"
    one_record "$before"
    old=$(id_of T001)
    "$CPIS" init "$W/T001.new" --role authority --org T001 --name "Testborough 1" --emergency 02079460101 --register "$W/register" >/dev/null
    set_key T001.new pattern_count 0
    "$CPIS" register admit "$W/register" "$W/T001.new/descriptor" --replaces "$old" >/dev/null
    in_force
    if "$CPIS" register remove "$W/register" "$old" >/dev/null 2>&1; then die "the old key can be removed before the new one is active"; fi
    fresh
    during=$child
    [ "$(never_no "$during")" = flag ] || die "the old one's list counts no more: $(cat "$W/answer")"
    becomes "$nobody" no_flag
    one_record "$during"
    stop_node T001 KILL # for good
    fresh
    waiting=$child
    [ "$(never_no "$waiting")" = flag_details_to_follow ] || die "the old one's list is searched no more: $(cat "$W/answer")"
    cp "$W/register" "$W/T001.new/register"
    start_node T001.new
    becomes "$nobody" no_flag # of the old list, while the new one is not there
    "$CPIS" flags import "$W/T001.new" "$W/T001.csv" --snapshot --wait >/dev/null
    fresh
    both=$child
    [ "$(never_no "$both")" = flag ] || die "in both lists: $(cat "$W/answer")"
    "$CPIS" register state "$W/register" "$(id_of T001.new)" active >/dev/null
    in_force
    "$CPIS" register remove "$W/register" "$old" >/dev/null
    in_force
    [ "$(never_no "$waiting")" = flag ] || die "by the new one: $(cat "$W/answer")"
    one_record "$waiting" T001.new 2 # the one that waited too
    one_record "$both" T001.new
    fresh
    [ "$(never_no "$child")" = flag ] || die "by the new one: $(cat "$W/answer")"
    one_record "$child" T001.new
    becomes "$nobody" no_flag
    until_ok 30 nothing_waits || die "copies wait for who is gone"
    recorded "$before" T001.new 0 || die "a record came twice"
    stop_node T001.new
    mv "$W/T001" "$W/T001.old"
    mv "$W/T001.new" "$W/T001"
    start_node T001
    becomes "$nobody" no_flag
}
nothing_waits() { local d; for d in "${DIRECTORIES[@]}"; do "$CPIS" status "$W/$d" --json | jq -e '.directory.copies_waiting == 0' || return 1; done; }
# With clocks that can be moved while it runs; the file lies where a node that is confined may read.
start_with_clock() {
    move_clock "$1" 0 0
    CPIS_FAULT_CLOCK_FILE=$W/$1/.faults.clock "$CPIS" run "$W/$1" >>"$W/log/$1.log" 2>&1 &
    PIDS[$1]=$!
    until_ok 15 "$CPIS" status "$W/$1" || die "$1 does not answer"
}
move_clock() { echo "$2 $3" >"$W/clock" && mv "$W/clock" "$W/$1/.faults.clock"; } # NODE WALL MONOTONIC, seconds
misses_t002() { [ "$(verdict "$1")" = incomplete ] && jq -e --arg why "$2" '.unconfirmed | map([.authority.code, .why]) == [["T002", $why]]' "$W/answer" >/dev/null; } # NUMBER WHY
keep_evidence() { "$CPIS" evidence "$W/$1" "$(jq -r .rid "$W/answer")" --out "$2" >/dev/null || die "no evidence"; } # NODE FILE, of the last answer
# t directories go back to one moment, and nobody is there who knows better: neither the authority nor the third directory.
# (Folders, as snapshots of machines: a backup has no share.) Floors hold where a query node has known the newer list for a minute;
# who has not may hear NO FLAG (crypto/README.md: past the limit), whose evidence then convicts both.
directories_rolled_back_together() {
    local node rolled
    "$CPIS" init "$W/Q02" --role query --org RZZ98 --name "Test Hospital 2" --register "$W/register" >/dev/null
    "$CPIS" register admit "$W/register" --active "$W/Q02/descriptor" >/dev/null
    in_force
    cp "$W/register" "$W/Q02/register"
    stop_node "$QUERY"
    start_with_clock "$QUERY"
    for node in D01 D02; do
        stop_node "$node"
        cp -a "$W/$node" "$W/$node.before"
        start_node "$node"
    done
    becomes "$nobody" no_flag
    csv 6 1 0 "$W/rolled.csv"
    rolled=$(number_of "$W/rolled.csv" 1)
    "$CPIS" flags import "$W/T002" "$W/rolled.csv" --wait >/dev/null
    stop_node D03
    [ "$(never_no "$rolled")" = flag ] || die "$(cat "$W/answer")"
    one_record "$rolled" T002
    move_clock "$QUERY" 0 61
    becomes "$nobody" no_flag
    keep_evidence "$QUERY" "$W/newer.bin"
    for node in T002 D01 D02; do stop_node "$node" KILL; done
    for node in D01 D02; do
        rm -rf "${W:?}/$node"
        mv "$W/$node.before" "$W/$node"
    done
    move_clock "$QUERY" 180 61 # what is signed two minutes apart can be judged by its time
    for node in D01 D02; do start_at "$node" 180; done
    until_ok 60 misses_t002 "$nobody" no_list || die "one that is as old vouches for a list: $(cat "$W/answer")" # T001 pushes its own
    misses_t002 "$rolled" no_list || die "one that is as old vouches for a list: $(cat "$W/answer")"
    for node in D01 D02; do "$CPIS" accept-heads "$W/$node" >/dev/null; done # an operator's word, and wrong
    for node in D01 D02; do until_ok 10 searches_t002 "$node" || die "$node does not search what it was told to"; done
    for _ in 1 2 3; do
        misses_t002 "$rolled" rolled_back || die "below the floor: $(cat "$W/answer")"
    done
    start_at Q02 180
    QUERY=Q02 becomes "$nobody" no_flag
    [ "$(QUERY=Q02 verdict "$rolled")" = no_flag ] || die "past the limit: $(cat "$W/answer")"
    keep_evidence Q02 "$W/older.bin"
    "$CPIS" log audit "$W/newer.bin" "$W/older.bin" --register "$W/register" --json >"$W/findings" 2>&1 || true
    [ "$(jq -r '[.finding, .node] | join(" ")' "$W/findings" | sort)" = "$(for node in D01 D02; do echo "rolled-back $(id_of "$node")"; done | sort)" ] ||
        die "it is not these two who are convicted: $(cat "$W/findings")"
    stop_node Q02
    start_at D03 180
    becomes "$rolled" flag_details_to_follow # what the third one knows, they take over
    start_at T002 180
    stop_node T001
    start_at T001 180
    becomes "$nobody" no_flag
    [ "$(never_no "$rolled")" = flag ] || die "all is well again: $(cat "$W/answer")"
    one_record "$rolled" T002 2
}
searches_t002() { "$CPIS" status "$W/$1" --json | jq -e '[.directory.lists[] | select(.authority.code == "T002").in_state] == [true]'; }

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
# the clocks of the last two are ahead from then on
for story in ${STORIES:-directories_lost query_lost_after_a_hit peer_that_does_not_read too_few_files out_of_memory clocks_off
    query_without_its_disk authority_from_an_old_backup full_store authority_replaced directories_rolled_back_together authority_dark_72_hours}; do
    at=$SECONDS
    "$story"
    logs_verify
    say "ok: ${story//_/ } ($((SECONDS - at)) s)"
done
say "all stories end as they should; $((SECONDS - began)) s"
