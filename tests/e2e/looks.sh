# tests/e2e/looks.sh - looks at children while something goes wrong, and what has to be so of each look afterwards:
# sourced after federation.sh by a script that says what $looked (a file that csv made, of children that nobody has looked at)
# and ${HOLDERS[@]} (the authorities that each hold all of them) are.
# shellcheck shell=bash disable=SC2154
HOLDERS=(T001)
next=0
die() { printf '%s: %s: %s\n' "$(basename "$0" .sh)" "${story:-start}" "$*" >&2; exit 1; }

verdict() { { lookup --json "${@:2}" <<<"$1" || true; } >"$W/answer" 2>/dev/null; jq -r .verdict "$W/answer"; }
is() { [ "$(verdict "$1" --scheduled)" = "$2" ]; } # NUMBER VERDICT, silently
becomes() { until_ok "${3:-60}" is "$1" "$2" || die "$1 is not $2 but $(cat "$W/answer")"; }
# A flagged child, whatever else is said. In $( ) it ends the script by an assignment, or where a check wants a word that is said.
never_no() {
    local got
    got=$(verdict "$1")
    cat "$W/answer" >>"$W/looks"
    [ "$got" != no_flag ] || die "a false no: $(cat "$W/answer")"
    printf '%s' "$got"
}
fresh() { next=$((next + 1)); child=$(number_of "$looked" "$next"); } # a child that nobody has looked at
rids() { "$CPIS" accesses "$W/$1" - --json <<<"$2" | jq -r 'select(.scheduled | not) | .rid' | sort; } # NODE NUMBER
read_rids() { jq -r --arg n "$1" 'select(.nhs_number == $n and (.verdict | startswith("flag"))) | .rid' "$W/looks" | sort; }
recorded() { [ "$(rids "${2:-T001}" "$1" | sort -u | wc -l)" = "${3:-1}" ] && [ "$(rids "${2:-T001}" "$1" | wc -l)" = "${3:-1}" ]; }
told() { [ "$("$CPIS" notifications list "$W/${2:-T001}" --json | jq -s --arg n "$1" 'map(select(.nhs_number == $n)) | length')" = "${3:-1}" ]; }
one_record() { # NUMBER [NODE [COUNT]]
    until_ok 160 recorded "$@" || die "not one record of each lookup: $("$CPIS" accesses "$W/${2:-T001}" - --json <<<"$1")"
    until_ok 10 told "$@" || die "not one notification of each lookup"
}
# At each holder the same looks, each once, with a notification each; and all whose answer was read are among them.
each_once() { # NUMBER
    local holder first='' here
    for holder in "${HOLDERS[@]}"; do
        here=$(rids "$holder" "$1")
        : "${first:=$here}"
        [ -n "$here" ] && [ "$here" = "$first" ] && [ -z "$(uniq -d <<<"$here")" ] || return 1
        [ -z "$(comm -23 <(read_rids "$1") - <<<"$here")" ] || return 1
        told "$1" "$holder" "$(wc -l <<<"$here")" || return 1
    done
}
# What was asked while something was wrong is found now, and each look at it has its one record.
recorded_now() { # NUMBER...
    local holder
    for child; do
        [[ $(never_no "$child") == flag* ]] || die "all is well again: $(cat "$W/answer")"
        until_ok 160 each_once "$child" || die "$(for holder in "${HOLDERS[@]}"; do
            echo "$holder: not one record and one notification of each lookup:"
            "$CPIS" accesses "$W/$holder" - --json <<<"$child"
        done)"
    done
}
logs_verify() { for node in "${!PIDS[@]}"; do "$CPIS" log verify "$W/$node" >/dev/null || die "$node: the log does not verify"; done; }
logs_acquit() {
    local node files=()
    for node in "${!PIDS[@]}"; do
        "$CPIS" log export "$W/$node" --audit >"$W/$node.audit" || die "$node: its log can't be exported"
        files+=("$W/$node.audit")
    done
    "$CPIS" log audit "${files[@]}" --register "$W/register" >"$W/verdict.txt" || die "the logs against each other: $(cat "$W/verdict.txt")"
}
