#!/usr/bin/env bash
# make planted: bugs are planted in a copy of this tree, one at a time, and `cpis-sim sweep small` must find each within
# SEEDS seeds; without them it must find nothing. What is planted: tests/planted/*.patch, the first line of each says it.
set -euo pipefail
cd "$(dirname "$0")/../.."
SEEDS=${SEEDS:-10} JOBS=${JOBS:-2}
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-planted.XXXXXX")
trap 'rm -rf "$W"' EXIT
die() { printf 'planted: %s\n' "$*" >&2; exit 1; }
tar --exclude=./build --exclude=./.git -cf - . | tar -C "$W" -xf -
mkdir -p "$W/build" && cp -a build/release "$W/build/" # what has been compiled already is not compiled again
build() { make -C "$W" --no-print-directory MODE=release build/release/cpis-sim >"$W/build.log" 2>&1 || { cat "$W/build.log" >&2; die "$1 does not compile"; }; }
sweep() { "$W/build/release/cpis-sim" sweep small --seeds 1.."$SEEDS" --jobs "$JOBS" >/dev/null 2>"$W/found" || true; }
found() { grep -c '^seed' "$W/found" || true; }
build "the tree"
sweep
[ "$(found)" = 0 ] || { cat "$W/found" >&2; die "a seed fails with nothing planted"; }
printf '%-18s %s\n' planted "first seed that finds it, of $SEEDS; how many do; and how"
for patch in tests/planted/*.patch; do
    name=$(basename "$patch" .patch)
    patch -s -p1 -d "$W" <"$patch" || die "$name: the code has changed; plant it anew"
    build "$name"
    sweep
    first=$(grep '^seed' "$W/found" | sort -t' ' -k2n | head -n 1) || true
    [ -n "$first" ] || die "$name was not found within $SEEDS seeds"
    printf '%-18s %s of %s: %s\n' "$name" "$(sed 's/seed \([0-9]*\):.*/\1/' <<<"$first")" "$(found)" \
        "$(sed -e 's/^seed [0-9]*: exit [0-9]*: //' -e 's/: seed .*//' -e 's/^simulations\/[a-z]*\.c:[0-9]*: //' <<<"$first")"
    patch -s -R -p1 -d "$W" <"$patch"
done
