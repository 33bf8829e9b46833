#!/usr/bin/env bash
# Manual pages from what each command says of itself (--help), which comes from the tables that parse its command line:
# there is no second text. usage: man.sh PROGRAM VERSION FOLDER, with PROGRAM's path; a page for each command.
set -euo pipefail
program=$1 version=$2 out=$3
name=$(basename "$program")
mkdir -p "$out"

# stdin: a --help. $1: the page's name; $2: a summary where the text has none.
page() {
    awk -v page="$1" -v summary="$2" -v name="$name" -v version="$version" '
    function safe(s) { # roff: backslashes, hyphens that are typed, a dot or quote that begins a line
        gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); sub(/^[.\x27]/, "\\\\&&", s)
        return s
    }
    function open(title) { if (section != title) print ".SH " title; section = title }
    function head() {
        print ".TH " toupper(page) " 1 \"\" \"" name " " version "\" \"CP\\-IS\""
        print ".SH NAME\n" safe(page) " \\- " safe(summary)
        print ".SH SYNOPSIS\n" safe(usage)
    }
    NR == 1 { usage = $0; sub(/^usage: /, "", usage); if (summary != "") { head(); begun = 1 } next }
    /^$/ { gap = 1; next }
    !begun { summary = $0; head(); begun = 1; gap = 0; next }
    /^exit codes: / { open("EXIT STATUS"); sub(/^exit codes: /, "") ; print safe($0); exits = 1; gap = 0; next }
    exits { sub(/^ +/, ""); print safe($0); next }
    /^  [^ ]/ {
        open(substr($0, 3, 2) == "--" ? "OPTIONS" : "COMMANDS")
        rest = substr($0, 3); at = match(rest, /  +[^ ]|$/)
        left = substr(rest, 1, at - 1); right = substr(rest, at); sub(/^ +/, "", right)
        if (right == "" && match(left, / [^ ]+$/) == 0) right = ""
        print ".TP\n.B " safe(left); print right == "" ? "\\&" : safe(right)
        gap = 0; next
    }
    { open("DESCRIPTION"); if (gap) print ".PP"; else print ".br"; sub(/^ +/, ""); print safe($0); gap = 0 }'
}

# "flags import" of each line "  flags import   take in ..."; one or two spaces stand between the words of a name
commands() { "$program" --help | sed -nE 's/^  ([a-z][a-z-]*( [a-z][a-z-]*)?)  +.*$/\1/p'; }

"$program" --help | page "$name" "$(case $name in
    cpis-sim) echo "a federation of nodes in virtual time" ;;
    *) echo "child protection information sharing between peers" ;;
    esac)" >"$out/$name.1"
commands | while read -r command; do
    # shellcheck disable=SC2086
    "$program" $command --help </dev/null | page "$name-${command// /-}" "" >"$out/$name-${command// /-}.1"
done
