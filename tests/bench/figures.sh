# tests/bench/figures.sh - what benches of real processes share: progress, figures, lookups, starts that are timed. Sourced after
# tests/e2e/federation.sh, with $figures, the file that figures go to.
# shellcheck shell=bash
# shellcheck disable=SC2154
step() { printf '%4d s  %s\n' $((SECONDS - began)) "$*" >&2; }
figure() { printf '{"name":"%s","value":%s,"unit":"%s","n":%s}\n' "$@" >>"$figures"; } # NAME VALUE UNIT N
now() { date +%s%3N; }
# AWAKE=1: processors with nothing to do stay awake from here on (PM QoS: a latency of 0 us, for as long as the file is open), as on a server that
# is tuned for latency. Else what it takes to wake a virtual processor is in each figure, the floor's too.
keep_awake() {
    local latency
    [ "${AWAKE:-0}" = 1 ] || return 0
    { [ -c /dev/cpu_dma_latency ] && [ -w /dev/cpu_dma_latency ]; } || die "AWAKE=1: /dev/cpu_dma_latency can't be written: only root may, and not in each container"
    exec {latency}>/dev/cpu_dma_latency
    printf '\0\0\0\0' >&"$latency"
}
rss_mib() { awk '/^VmRSS/ {printf "%.2f", $2 / 1024}' "/proc/$1/status"; }
# Seconds of processor time that a process has taken.
cpu_s() { awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz}' "/proc/$1/stat"; }
# Numbers of files of plans; lookups of them at the query node of $BIN's programs.
numbers() { tail -q -n +2 "$@" | cut -d, -f1; }
# A federation that was founded: started, with its plans, complete. So many children that nobody lists stand in $W/nobody.csv.
run_founded() { # CHILDREN
    start_all
    hold_ceremony
    import_medians
    csv 9 "$1" 0 "$W/nobody.csv"
    # shellcheck disable=SC2034 # of become_complete
    nobody=$(number_of "$W/nobody.csv" 1)
    become_complete
    sleep 2 # what follows a new register, each node with each
}
load() { # FLIGHT LABEL <numbers
    local node others=()
    for node in "${DIRECTORIES[@]}" "${AUTHORITIES[@]}"; do others+=("${PIDS[$node]}"); done
    "$BIN/bench_load" "$W/$QUERY" "$1" "$2" "${PIDS[$QUERY]}" "${others[@]}" >>"$figures"
}
# Starts a node and sets $took: seconds until what it says of itself fits `filter` (of jq).
timed_start() { # NODE FILTER
    local node=$1 filter=$2 t
    t=$(now)
    "$CPIS" run "$W/$node" >>"$W/log/$node.log" 2>&1 &
    PIDS[$node]=$!
    answers() { "$CPIS" status "$W/$node" --json | jq -e "$filter"; }
    until_ok 120 answers || { tail -n 5 "$W/log/$node.log" >&2; die "$node does not answer"; }
    # shellcheck disable=SC2034
    took=$(awk -v ms=$(($(now) - t)) 'BEGIN {printf "%.3f", ms / 1000}')
}
