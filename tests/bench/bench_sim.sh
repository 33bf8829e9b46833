#!/usr/bin/env bash
# make bench-sim: how fast the simulator is, in processor time.
#
#   1. the yardstick: the kernel alone; kernel, network and codec around handlers that do nothing, a message, with the mix of messages
#      and the events that the kernel takes in step 2
#   2. the nation (quiet-day's topology and demand, every hour like the next, DAYS=0.05 of it), founding aside: a message, and how many
#      times the yardstick; a whole day
#   3. growth: 50, 153, 400 and 990 authorities (a register holds 1,024 nodes) of 300 plans each, 7 directories, 20 query nodes,
#      250,000 lookups a day in all; the slope is that of a line through the logarithms
#
# ARGS=--json for a program. The machine may be busy: the best of ROUNDS=2 counts, yardstick and nation in turn.
set -euo pipefail
cd "$(dirname "$0")/../.."
SIM=$PWD/build/release/cpis-sim KERNEL=$PWD/build/release/bench_kernel
days=${DAYS:-0.05} rounds=${ROUNDS:-2} grow_days=${GROW_DAYS:-0.01}
json=false
[ "${1:-}" != --json ] || json=true
W=$(mktemp -d "${TMPDIR:-/tmp}/cpis-bench-sim.XXXXXX")
trap 'rm -rf "$W"' EXIT

scenario() { # FILE TOPOLOGY
    local flat='hour = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];'
    cat >"$1" <<END
description = "quiet-day with every hour like the next.";
start = "2026-11-24";
lasts = "1 d";
evidence_permille = 20;
topology = { $2 };
demand = { lookups_per_day = 250000; bursts_per_day = 24; burst_lookups = 20; $flat };
churn = { $flat };
END
}
run() { "$SIM" run "$1" --days "$2" --json --summary >"$3" || { cat "$3" >&2; exit 1; }; }

# of a result: what it took without founding
cost='{cpu_s: (.cpu_s - .founding_cpu_s), founding_s: .founding_cpu_s, virtual_s, messages, lookups, events: (.events - .founding_events),
  rss_mib: .peak_rss_mib, ns: ((.cpu_s - .founding_cpu_s) * 1e9 / .messages), incomplete: .unlisted.incomplete,
  mix: (.message_kinds | map_values(.count) | [.heads + .["list-update"], .signed, .["lookup-reply"],
    .["evaluate-request"] + .["heads-request"], .["evaluate-reply"], .hello])}'

scenario "$W/nation.conf" 'plans = 230000;'
for i in $(seq "$rounds"); do
    run "$W/nation.conf" "$days" "$W/nation.$i"
    jq -c "$cost" "$W/nation.$i" >"$W/cost.$i"
    mix=$(jq -r '.mix | map(tostring) | join(",")' "$W/cost.$i")
    "$KERNEL" --json --mix "$mix" --events "$(jq '.events * 1000 / .messages | floor' "$W/cost.$i")" 1 >"$W/kernel.$i"
    "$KERNEL" --json --mix "$mix" 1 >"$W/single.$i"
done
for n in 50 153 400 990; do
    scenario "$W/$n.conf" "authorities = $n; sizes = \"even\"; plans = $((n * 300));"
    run "$W/$n.conf" "$grow_days" "$W/grown"
    jq -c --argjson n "$n" "$cost + {authorities: \$n}" "$W/grown" >>"$W/growth"
done

# slope of y over x in logarithms: fit.jq
report='include "fit";
  def round2: . * 100 | round / 100;
  ($cost | min_by(.cpu_s)) as $c
  | {kernel_ns: ($kernel | map(1e9 / .kernel_events_per_s) | min | round),
     yardstick_ns: ($kernel | map(.kernel_codec_ns_per_message) | min),
     yardstick_single_event_ns: ($single | map(.kernel_codec_ns_per_message) | min),
     days: $days, message_ns: ($c.ns | round), messages: $c.messages, lookups: $c.lookups,
     events_a_message: ($c.events / $c.messages | round2), founding_s: ($c.founding_s | round2),
     messages_a_day: ($c.messages * 86400 / $c.virtual_s | round), day_s: ($c.cpu_s * 86400 / $c.virtual_s + $c.founding_s | round2),
     rss_mib: $c.rss_mib}
  | .ratio = (.message_ns / .yardstick_ns | round2) | .ratio_single_event = (.message_ns / .yardstick_single_event_ns | round2)
  | .growth = ($growth | map({authorities, s_a_virtual_hour: (.cpu_s * 3600 / .virtual_s | round2), founding_s: (.founding_s | round2),
      messages_a_virtual_hour: (.messages * 3600 / .virtual_s | round), ns_a_message: (.ns | round), rss_mib}))
  | .slope = {s_a_virtual_hour: (.growth | slope(.authorities; .s_a_virtual_hour) | round2),
      messages: (.growth | slope(.authorities; .messages_a_virtual_hour) | round2),
      founding_s: (.growth | slope(.authorities; .founding_s) | round2), rss_mib: (.growth | slope(.authorities; .rss_mib) | round2)}'
jq -L tests/bench -n --argjson days "$days" --slurpfile cost <(cat "$W"/cost.*) --slurpfile kernel <(cat "$W"/kernel.*) \
    --slurpfile single <(cat "$W"/single.*) --slurpfile growth "$W/growth" "$report" >"$W/report"
if $json; then
    jq -c . "$W/report"
    exit
fi
jq -r '"kernel, an empty event                 \(.kernel_ns) ns
kernel + codec, a message of this mix  \(.yardstick_single_event_ns) ns; with \(.events_a_message) events a message, as here, \(.yardstick_ns) ns
the nation, \(.days) days                \(.message_ns) ns a message (\(.messages) messages, \(.lookups) lookups)
times kernel + codec                   \(.ratio); over one event a message \(.ratio_single_event)
a whole day                            \(.day_s) s, founding (\(.founding_s) s) included; \(.messages_a_day) messages; memory \(.rss_mib) MiB so far
"' "$W/report"
printf '%12s %16s %18s %14s %12s %10s\n' authorities "s a virtual hour" "messages an hour" "ns a message" "founding s" MiB
jq -r '.growth[] | [.authorities, .s_a_virtual_hour, .messages_a_virtual_hour, .ns_a_message, .founding_s, .rss_mib] | @tsv' "$W/report" |
    while IFS=$'\t' read -r n s m ns f r; do printf '%12s %16s %18s %14s %12s %10s\n' "$n" "$s" "$m" "$ns" "$f" "$r"; done
jq -r '.slope | [.s_a_virtual_hour, .messages, .founding_s, .rss_mib] | @tsv' "$W/report" |
    while IFS=$'\t' read -r s m f r; do printf '%12s %16s %18s %14s %12s %10s\n' slope "$s" "$m" "" "$f" "$r"; done
