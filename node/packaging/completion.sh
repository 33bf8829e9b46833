#!/usr/bin/env bash
# Completion for bash, from what each command says of itself (--help). usage: completion.sh PROGRAM, with its path
set -euo pipefail
program=$1
name=$(basename "$program")
under=${name//-/_}
commands() { "$program" --help | sed -nE 's/^  ([a-z][a-z-]*( [a-z][a-z-]*)?)  +.*$/\1/p'; }
options() { "$program" "$@" --help </dev/null | sed -nE '/^exit codes/q; s/^  (--[a-z-]+).*$/\1/p' | tr '\n' ' '; }

cat <<EOF
# $name: completion for bash, made from its own --help
_$under() {
    local cur=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]:-} second=\${COMP_WORDS[2]:-} words=
    if [ "\$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '$(commands | cut -d ' ' -f 1 | sort -u | tr '\n' ' ')--help' -- "\$cur")
        return
    fi
    if [ "\$COMP_CWORD" = 2 ]; then
        case \$command in
$(commands | awk 'NF == 2 {list[$1] = list[$1] " " $2} END {for (c in list) print "        " c ") words=\x27" substr(list[c], 2) "\x27 ;;"}' | sort)
        esac
        mapfile -t COMPREPLY < <(compgen -W "\$words" -- "\$cur")
        [ "\${#COMPREPLY[@]}" = 0 ] || return 0
    fi
    case \$cur in
    -*) case "\$command \$second" in
$(commands | awk '{print NF, $0}' | sort -rn | while read -r words command; do
    # shellcheck disable=SC2086
    printf "        '%s%s) words='%s' ;;\n" "$command" "$([ "$words" = 2 ] && echo "'" || echo " '*")" "$(options $command)"
done)
        esac
        mapfile -t COMPREPLY < <(compgen -W "\$words" -- "\$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "\$cur") ;;
    esac
}
complete -o filenames -F _$under $name
EOF
