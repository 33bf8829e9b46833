#!/usr/bin/env bash
# make crash-points, make power-cut: an authority, a directory and a query node die at every point at which they keep or send
# something (tests/faults/faults.h), while a child is looked up, a file is taken in, a list is published, a notification is told
# and a register comes. After each: what was killed is started again, no more. No lookup was ever answered with "no flag", each
# holder has one record and one notification of each, all plans are held, the webhook was told, the logs verify.
#   ACTION=kill|power|some|full|readonly|io ROLES="T001 D01 Q01" POINTS=REGEX tests/e2e/crash_points.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/build/release/faults/cpis
RECEIVER=$PWD/build/release/receiver
ACTION=${ACTION:-kill} ROLES=${ROLES:-T001 D01 Q01} POINTS=${POINTS:-.}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
receiver=
at_end() { [ -z "$receiver" ] || kill "$receiver" 2>/dev/null; }
AUTHORITIES=(T001 T002)
D=$W/T001 k=0 checked=0 # rounds begun; rounds whose lookup was checked

# --- a federation whose two authorities both hold each child that is looked up ---
set_up() {
    local port
    port=$(free_port)
    (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$W/key" && echo >>"$W/key")
    : >"$W/received" && : >"$W/refused"
    found_federation
    set_key T001 webhook_url "\"http://127.0.0.1:$port/inbox\""
    set_key T001 webhook_key_file "\"$W/key\""
    for node in "${AUTHORITIES[@]}"; do set_key "$node" pattern_count 0; done
    "$RECEIVER" http "$port" "$W/key" "$W/received" "$W/refused" &
    receiver=$!
    start_all
    hold_ceremony
    csv 1 300 0 "$W/looked.csv"
    csv 2 300 0 "$W/taken.csv"
    csv 3 1 0 "$W/nobody.csv"
    csv 4 300 0 "$W/shared.csv"
    for node in "${AUTHORITIES[@]}"; do "$CPIS" flags import "$W/$node" "$W/looked.csv" --wait >/dev/null; done
    "$CPIS" flags import "$D" "$W/shared.csv" --wait >/dev/null
    nobody=$(number_of "$W/nobody.csv" 1)
    become_complete
}

# --- one round: the node runs with the fault, everything happens once, it is started again if it died ---
alive() { kill -0 "${PIDS[$1]}" 2>/dev/null; }
is_up() { ! alive "$1" || "$CPIS" status "$W/$1"; }
start_with() { # NODE FAULT
    rm -f "$W/$1"/.faults.*
    failing=no
    if [ -n "$2" ] && disk_fails; then
        failing=yes
        touch "$W/$1/.faults.full"
    fi
    CPIS_FAULT_DIR=$W/$1 ${2:+env CPIS_FAULT="$2"} "$CPIS" run "$W/$1" >>"$W/log/$1.log" 2>&1 &
    armed=$!
    PIDS[$1]=$armed
    until_ok 20 is_up "$1" || die "$1 neither runs nor dies"
}
again_if_dead() {
    alive "$1" && return
    wait "${PIDS[$1]}" 2>/dev/null || true
    start_node "$1"
}
look() { timeout 40 "$CPIS" lookup "$W/$QUERY" - "${ASKER[@]}" --json <<<"$1" >>"$W/answers.$k" 2>/dev/null || true; }
publish() { "$CPIS" register publish "$W/$published_at" "$W/register"; }
publish_again() { again_if_dead "$1" && publish; } # it may have died of it, and a moment later than it was asked
import_row() { "$CPIS" flags import "$W/$1" "$W/row.csv"; }
row() { sed -n "1p;$((k + 1))p" "$1" >"$W/row.csv"; }
everything() { # NODE [asked]: so that this node is asked for what it may be asked for, or another
    local looking
    published_at=D01
    [ "$1 ${2:-}" != "Q01 asked" ] || published_at=Q01        # directories have the register from it
    [ "$1 ${2:-}" != "D01 asked" ] || stop_node D03 # t others would be enough
    look "$(number_of "$W/looked.csv" "$k")" &
    looking=$!
    row "$W/shared.csv" # whoever lists a child first is told of the other: that is T001, in every round
    import_row T002 >/dev/null 2>&1 || [ $failing = yes ] || until_ok 30 import_row T002 || die "an import does not come through"
    row "$W/taken.csv"
    if [ "$1" = T001 ]; then
        cp "$W/row.csv" "$D/feed/in/.drop"
        touch -d '1 minute ago' "$D/feed/in/.drop"
        mv "$D/feed/in/.drop" "$D/feed/in/plans$k.csv"
    else
        import_row T001 >/dev/null 2>&1 || [ $failing = yes ] || until_ok 30 import_row T001 || die "an import does not come through"
    fi
    "$CPIS" register limits "$W/register" RZZ99 --lookups-per-day $((1000000 + k)) >/dev/null
    sign_register
    version=$(("$("$CPIS" register show "$W/register" --json | jq .version)"))
    publish >/dev/null 2>&1 || [ $failing = yes ] || until_ok 30 publish_again "$1" || die "the register can't be published"
    wait "$looking" || true
    [ "$1 ${2:-}" != "D01 asked" ] || start_node D03
}
# The point was passed, and whoever passed it is gone.
was_hit() { [ -s "$W/$1/.faults.hit" ]; }

# --- what must be so after it ---
# T001 knows that T002 lists this child of its own, too.
knows_other() { "$CPIS" flags show "$D" - --json <<<"$1" | jq -se 'map(.elsewhere | map(.code)) == [["T002"]]'; }
number_held() { [ "$("$CPIS" flags show "$D" - --json <<<"$1" | jq -s length)" -ge 1 ]; }
waiting() {
    "$CPIS" status "$W/$QUERY" --json | jq -c .query
    for d in "${DIRECTORIES[@]}"; do "$CPIS" status "$W/$d" --json | jq -c '[.directory.copies_waiting, .directory.copies_oldest]'; done
}
has_version() { [ "$("$CPIS" status "$W/$1" --json | jq .register.version)" = "$version" ]; }
flag_found() { lookup --json <<<"$1" >"$W/again" || true; jq -e '.verdict == "flag"' "$W/again"; }
# Both holders are connected, and answer: what a round passes without a fault holds their answers, too.
both_answer() { lookup --json <<<"$1" >>"$W/answers.$k" || true; jq -se 'last | .verdict == "flag" and .pending == []' "$W/answers.$k"; }
rids() { "$CPIS" accesses "$W/$1" - --json <<<"$2" | jq -r .rid | sort; }
told_each_once() { # NODE NUMBER
    "$CPIS" notifications list "$W/$1" --json |
        jq -se --arg n "$2" --argjson want "$(rids "$1" "$2" | wc -l)" 'map(select(.nhs_number == $n)) | length == $want'
}
nothing_waits() { [ -z "$(find "$D/feed/in" "$D/feed/work" -type f)" ]; }
# The lookup of this round found no false no; each holder has one record and one notification of it.
check_look() { # ROUND
    local number node rid
    number=$(number_of "$W/looked.csv" "$1")
    ! grep -q '"no_flag"' "$W/answers.$1" || die "a false no"
    for node in "${AUTHORITIES[@]}"; do
        [ -z "$(rids "$node" "$number" | uniq -d)" ] || die "$node has two records of one lookup"
        until_ok 10 told_each_once "$node" "$number" || die "$node: not one notification for each record"
    done
    [ "$(rids T001 "$number")" = "$(rids T002 "$number")" ] || die "the holders do not have the same lookups"
    for rid in $(jq -r 'select(.verdict == "flag" or .verdict == "flag_details_to_follow") | .rid' "$W/answers.$1"); do
        rids T001 "$number" | grep -qx "$rid" || die "read and not recorded"
    done
}
check() { # NODE
    local number
    number=$(number_of "$W/looked.csv" "$k")
    until_ok 60 ready || die "it does not recover"
    until_ok 30 flag_found "$number" || die "the flag is not found: $(cat "$W/again")"
    cat "$W/again" >>"$W/answers.$k"
    # what found nobody in is tried again after 5 s, 10 s, ... 80 s
    until_ok 160 quiet || die "something is still waiting to be delivered: $(waiting)"
    # all that was looked up since the last check: while the disk failed, and where the point was not hit yet
    while [ "$checked" -lt "$k" ]; do
        checked=$((checked + 1))
        check_look "$checked"
    done
    until_ok 60 nothing_waits || die "feed: a file is left: $(find "$D/feed" -type f | tail -n 3)"
    until_ok 30 number_held "$(number_of "$W/taken.csv" "$k")" || die "a plan that was taken in is not held"
    until_ok 30 knows_other "$(number_of "$W/shared.csv" "$k")" || die "T001 is not told of a child that T002 lists, too"
    until_ok 30 has_version "$1" || die "$1 does not have the newest register"
    "$CPIS" register verify "$W/$1/register" >/dev/null || die "$1/register does not verify"
    "$CPIS" log verify "$W/$1" >/dev/null || die "$1: the log does not verify"
}
# What tests/e2e/crash_points.txt says that a round of this role passes, and this one has not yet.
not_passed() { grep "^$1 " tests/e2e/crash_points.txt | cut -d' ' -f2- | grep -vxFf "$W/$1/.faults.log"; }
passes_all() { [ -s "$W/$1/.faults.log" ] && ! not_passed "$1"; }
is_gone() { ! kill -0 "$armed" 2>/dev/null; }
disk_fails() { [[ $ACTION =~ ^(full|readonly|io)$ ]]; }
# The disk is well again, and the node goes on by itself. (One that could not start is started again.)
at_work_it_lives() { # NODE N
    rm -f "$W/$1/.faults.full"
    [ "${2##*:}" = 1 ] || alive "$1" || die "the disk's error ended it: $(tail -n 2 "$W/log/$1.log")"
    again_if_dead "$1"
    until_ok 90 ready || die "it does not recover"
    k=$((k + 1))
    failing=no
    everything "$1"
}
is_ready_or_dead() { was_hit "$1" || ! alive "$1" || ready; }
round() { # NODE POINT N
    local tries
    k=$((k + 1))
    at="$1: ${2:-no fault} ($3)"
    stop_node "$1"
    start_with "$1" "$([ -z "$2" ] || echo "$ACTION:${3}:$2")"
    [ "${3##*:}" = 1 ] || until_ok 60 is_ready_or_dead "$1" || die "it does not become ready"
    [ -n "$2" ] || until_ok 60 both_answer "$(number_of "$W/looked.csv" "$k")" || die "not both holders answer"
    for tries in 1 2 3 4 5 6; do # who is asked is drawn; in the round without a fault and from the third time on it is not
        again_if_dead "$1"
        [ "$tries" = 1 ] || until_ok 60 is_ready_or_dead "$1" || die "it does not become ready"
        again_if_dead "$1"
        everything "$1" "$([ -n "$2" ] && [ "$tries" -lt 3 ] || echo asked)"
        [ "$1" != T001 ] || until_ok 10 nothing_waits || true
        [ -n "$2" ] || until_ok 90 passes_all "$1" || die "it never passes '$(not_passed "$1" | head -n 1)' any more: see tests/e2e/crash_points.txt"
        [ -n "$2" ] || until_ok 60 has_version "$1" || die "it does not have the newest register"
        [ -n "$2" ] || cp "$W/$1/.faults.log" "$W/$1.passed"
        { [ -n "$2" ] && [ "$tries" != 6 ] && ! until_ok 4 was_hit "$1"; } || break
        k=$((k + 1))
    done
    if [ -n "$2" ] && ! was_hit "$1"; then
        stop_node "$1"
        start_node "$1"
        check "$1"
        hit=no
        return
    fi
    hit=yes
    # the mark is made a moment before the death
    if disk_fails; then
        at_work_it_lives "$1" "$3"
    elif [[ $2 == run* ]]; then
        until_ok 5 is_gone || die "it does not die"
    fi
    again_if_dead "$1"
    check "$1"
}
# the shell's own words about what was killed
exec 2> >(grep -v 'Killed .*CPIS_FAULT_DIR' >&2)
die() { printf 'crash points: %s: %s\n' "${at:-start}" "$*" >&2; exit 1; }

set_up
hits=0 missed=()
for node in $ROLES; do
    round "$node" "" 0
    sort "$W/$node.passed" | uniq -c >"$W/$node.points"
    grep -E -- "$POINTS" "$W/$node.points" >"$W/$node.chosen" || true
    while read -r -u 9 count point; do
        # the first time is at the start, a late one at work; operators are answered as often as they ask
        late=$((count - count / 4))
        [[ $count != 1 && $point != *operator ]] || late=
        [[ $ACTION != full && $ACTION != readonly ]] || [[ $point =~ \ before\ (write|sync|create|truncate|mkdir|link) ]] || continue
        [[ $ACTION != io ]] || [[ $point =~ \ before\ (write|sync|create|truncate|mkdir|link|rename|commit) ]] || continue
        for n in 1 $late; do
            # how often one life passes it is not always as in the round without a fault: who tells whom is drawn
            while
                round "$node" "$point" "$([ "$ACTION" = some ] && echo "$((RANDOM + 1)):")$n"
                [ $hit = no ] && [ "$n" -gt 3 ]
            do n=$((n / 2)); done
            if [ $hit = yes ]; then
                hits=$((hits + 1))
                printf '%-5s %-66s at its %3s. time   ok\n' "$node" "$point" "$n"
            elif [ "$n" = 1 ]; then
                missed+=("$node $point")
            else
                say "$node $point: passed less often than $n times"
            fi
        done
    done 9<"$W/$node.chosen"
done
for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}" "$QUERY"; do
    "$CPIS" log verify "$W/$node" >/dev/null || die "$node: the log does not verify"
done
[[ " $ROLES " != *" T001 "* ]] || until_ok 90 notified T001 || die "the webhook was not told of each notification"
[ "$hits" -gt 0 ] || die "POINTS=$POINTS ROLES=$ROLES ACTION=$ACTION: no such point is passed"
[ ${#missed[@]} = 0 ] || die "not hit: $(printf '%s; ' "${missed[@]}")"
say "$ACTION at $hits points, each hit: no false no, one record and one notification each, nothing lost; $((SECONDS - began)) s"
