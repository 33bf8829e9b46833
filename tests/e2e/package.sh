#!/usr/bin/env bash
# make package-test: the Debian package in a Debian 12 of its own: installed, used by its own user, upgraded while a
# node is there, removed, purged; what a node holds is still there afterwards. BASE=FOLDER: a debootstrap'ed Debian 12
# to copy instead of fetching one. Without root or debootstrap: unpacked and looked at, which is said.
set -euo pipefail
deb=$(realpath "$1")
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-package.XXXXXX")
root=$W/root
finish() {
    local status=$?
    if mountpoint -q "$root/proc" 2>/dev/null; then umount "$root/proc"; fi
    rm -rf --one-file-system "$W"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
die() { printf 'package: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }

# Of a tree that the package was put into: what --help names has a page, and completion knows it.
look_at() { # COMMAND-PREFIX...: runs a program of the package
    local command
    "$@" cpis --help >"$W/help"
    [ "$(grep -c '^  [a-z]' "$W/help")" -ge 50 ] || die "cpis --help names few commands"
    # to a file: a command whose reader goes away before its end says so and fails
    "$@" cpis deliver --help >"$W/said" || die "cpis does not find cpis-web"
    grep -q 'exit codes' "$W/said" || die "cpis deliver --help: $(cat "$W/said")"
    "$@" cpis-sim list >"$W/said" || die "cpis-sim does not find its scenarios"
    grep -q 'quiet-day' "$W/said" || die "cpis-sim list: $(cat "$W/said")"
    sed -nE 's/^  ([a-z][a-z-]*( [a-z][a-z-]*)?)  +.*$/\1/p' "$W/help" | while read -r command; do
        [ -f "$root/usr/share/man/man1/cpis-${command// /-}.1.gz" ] || die "no page of cpis $command"
    done
    bash -c ". $root/usr/share/bash-completion/completions/cpis"'
        COMP_WORDS=(cpis flags import --acc) COMP_CWORD=3; _cpis; [ "${COMPREPLY[*]}" = --accept-sequence ] &&
        COMP_WORDS=(cpis flags confirm-s) COMP_CWORD=2 && _cpis && [ "${COMPREPLY[*]}" = confirm-shrink ]' ||
        die "completion does not complete"
    grep -q '^emergency = ' "$root/usr/share/doc/cpis/examples/node.conf" || die "the example of node.conf has no settings"
    grep -q '^ExecStart=/usr/bin/cpis run ' "$root/usr/lib/systemd/system/cpis@.service" || die "the unit runs another program"
}

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    say "not root, or no debootstrap: the package is unpacked and looked at, not installed"
    dpkg -x "$deb" "$root"
    # shellcheck disable=SC2317
    here() { CPIS_SIM_SCENARIOS=$root/usr/share/cpis/scenarios "$root/usr/bin/$1" "${@:2}"; }
    look_at here
    exit 0
fi

say "1. a Debian 12"
if [ -n "${BASE:-}" ]; then cp -a "$BASE" "$root"; else
    debootstrap --variant=minbase bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$W/log" 2>&1 ||
        { tail -n 5 "$W/log" >&2; die "debootstrap failed"; }
fi
mount -t proc proc "$root/proc"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
as_cpis() { inside runuser -u cpis -- "$@"; }
quietly() { "$@" >"$W/log" 2>&1 || { tail -n 20 "$W/log" >&2; die "failed: $*"; }; }
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$deb" "$root/tmp/cpis.deb"

say "2. installed with what it depends on; its user and folder are made"
quietly inside apt-get update
quietly inside apt-get install -y --no-install-recommends /tmp/cpis.deb man-db procps
[ "$(inside stat -c '%U %G %a' /var/lib/cpis)" = "cpis cpis 750" ] || die "/var/lib/cpis is $(inside stat -c '%U %G %a' /var/lib/cpis)"
inside dpkg -L cpis | while read -r f; do if [ ! -d "$root$f" ]; then echo "$f"; fi; done >"$W/files"

say "3. help, pages, completion"
look_at inside
inside man cpis-flags-import >"$W/page"
grep -q -- '--accept-sequence' "$W/page" || die "man shows no options"
inside man --warnings -l /usr/share/man/man1/cpis.1.gz 2>&1 >/dev/null | grep . && die "man has warnings"

say "4. a node of its user: made, run, confined, stopped"
node=/var/lib/cpis/rzz99
cpis() { as_cpis cpis "$@"; }
quietly cpis register init /var/lib/cpis/register --keys /var/lib/cpis/k1 --threshold 1
quietly cpis init $node --register /var/lib/cpis/register --role query --org RZZ99 --name Hospital
quietly cpis register admit /var/lib/cpis/register $node/descriptor --active
quietly cpis register sign /var/lib/cpis/register /var/lib/cpis/k1
quietly cpis register verify /var/lib/cpis/register
inside install -o cpis -g cpis -m 600 /var/lib/cpis/register $node/register
run() { # waits until it answers
    as_cpis cpis run $node >>"$W/node.log" 2>&1 &
    for _ in $(seq 100); do cpis status $node >/dev/null 2>&1 && return; sleep 0.1; done
    tail -n 5 "$W/node.log" >&2
    die "the node does not answer"
}
stop() {
    quietly cpis stop $node
    wait
}
run
grep -q 'msg=".*confined' "$W/node.log" || die "the log does not say what confines it"
cpis doctor $node >"$W/doctor" || true
grep -q '^ok    confinement: ' "$W/doctor" || die "doctor does not say what confines it"
grep -m 1 'msg=".*confined' "$W/node.log"
stop
# all but the store, which a node that runs changes, and the lock, which names its process
sum_of_node() { inside sh -c "cd $node && find . -type f ! -path './data/*' ! -name lock -exec sha256sum {} + | sort" | sha256sum; }
before=$(sum_of_node)

say "5. upgraded: the same files, and the node goes on with them"
dpkg-deb -R "$deb" "$W/newer"
sed -i 's/^Version: .*/&+newer/' "$W/newer/DEBIAN/control"
dpkg-deb --root-owner-group -b "$W/newer" "$root/tmp/newer.deb" >/dev/null
quietly inside apt-get install -y /tmp/newer.deb
inside dpkg -s cpis | grep '^Version: ' | grep -q '+newer$' || die "it was not upgraded"
[ "$(sum_of_node)" = "$before" ] || die "an upgrade changed a node's files"
run
stop

say "6. removed and purged: nothing of the package is left, all of the node is"
quietly inside apt-get purge -y cpis
grep -q '/var/lib/cpis and the user cpis stay' "$W/log" || die "purge does not say what stays"
while read -r f; do [ ! -e "$root$f" ] || die "left behind: $f"; done <"$W/files"
[ "$(sum_of_node)" = "$before" ] || die "a node's files are gone or changed"
[ -s "$root$node/data/data.mdb" ] || die "a node's store is gone"
inside id cpis >/dev/null || die "the user is gone, and what it owns is nobody's"
quietly inside apt-get install -y --no-install-recommends /tmp/cpis.deb
run
stop
say "installed, used, upgraded, removed; installed again it goes on where it was"
