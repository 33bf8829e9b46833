#!/usr/bin/env bash
# An example of node.conf: the one that `cpis init` writes. usage: example.sh CPIS
set -euo pipefail
cpis=$1
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
"$cpis" register init "$w/register" --keys "$w/k1" --threshold 1 >/dev/null 2>&1
"$cpis" init "$w/node" --role authority --org T001 --name Testborough --emergency 02079460123 \
    --register "$w/register" >/dev/null
cat "$w/node/node.conf"
