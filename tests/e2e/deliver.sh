#!/usr/bin/env bash
# make deliver: notifications told to a receiver, on real processes. It checks each signature, refuses one child for a while, is
# killed and comes back; what sends is killed with -9 again and again. Each notification arrives, one child's in their order, none
# is lost; what repeats has the same Idempotency-Key. Then the same over TLS, and mail. No log, state or mail holds a child's data.
set -euo pipefail
cd "$(dirname "$0")/../.."
CPIS=$PWD/${CPIS_BIN:-build/release/cpis}
RECEIVER=$PWD/build/release/receiver
KILLS=${KILLS:-6}
# shellcheck source=tests/e2e/federation.sh
. tests/e2e/federation.sh
others=()
at_end() { [ ${#others[@]} = 0 ] || kill "${others[@]}" 2>/dev/null; }

AUTHORITIES=(T001)
D=$W/T001
tell() { "$CPIS" notifications test "$D" --by "A. Duty" >/dev/null; }
look() { # NUMBER: the flag is found, or its details follow
    local got=0
    lookup --org-code RJ1 --org "Hospital" >"$W/answer" <<<"$1" || got=$?
    [ "$got" = 10 ] || [ "$got" = 11 ] || { cat "$W/answer"; die "the flag was not found: exit $got"; }
}
receive() { # starts the receiver
    "$RECEIVER" http "$port" "$W/secrets/key" "$W/received" "$W/refused" &
    receiver=$!
    others+=("$receiver")
}
arrived() { awk '$1 == 204 {print $2, $3}' "$W/received" | sort -u | sort -k2n; }
ids() { arrived | awk -v e="$1" '$1 == e {print $2}' | tr '\n' ' '; }
has_notification() { [ -n "$("$CPIS" notifications list "$D" --json)" ]; }
has_arrived() { arrived | grep -qx "$1 $2"; }
told() { grep -q "event=$1 " "$W/log/T001.log"; }
doctor_says() { { "$CPIS" doctor "$D" || true; } | grep -qF "$1"; }
kill_sender() {
    runs() { pgrep -f "^cpis deliver $D\$"; }
    until_ok 70 runs || die "nothing starts what sends again"
    pkill -9 -f "^cpis deliver $D\$"
}
# node.conf has changed: the running node takes it
reload() {
    local before
    before=$(grep -c 'SIGHUP: ' "$W/log/T001.log" || true)
    kill -HUP "${PIDS[T001]}"
    answered() { [ "$(grep -c 'SIGHUP: ' "$W/log/T001.log")" -gt "$before" ]; }
    until_ok 5 answered || die "no answer to SIGHUP"
    grep 'SIGHUP: ' "$W/log/T001.log" | tail -n 1 | grep -qF "taken: $1" || die "not taken: $1: $(tail -n 2 "$W/log/T001.log")"
}

port=$(free_port)
: >"$W/received"
: >"$W/refused"
mkdir -m 700 "$W/secrets" # which holds nothing else: what sends may see its folder, and no more
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$W/secrets/key" && echo >>"$W/secrets/key")
found_federation
start_all
hold_ceremony
csv 3 8 0 "$W/T001.csv"
"$CPIS" flags import "$D" "$W/T001.csv" --wait >/dev/null
child=()
for i in 1 2 3 4; do child+=("$(number_of "$W/T001.csv" "$i")"); done
csv 8 1 0 "$W/spare.csv"
nobody=$(number_of "$W/spare.csv" 1)
become_complete

# --- what was there before: opened ones are not told ---
look "${child[0]}"
until_ok 5 has_notification || die "no notification"
"$CPIS" notifications ack "$D" 1 --by "A. Duty"
stop_node T001
set_key T001 webhook_url "\"http://127.0.0.1:$port/inbox\""
set_key T001 webhook_key_file "\"$W/secrets/key\""
set_key T001 pattern_count 0
start_node T001
receive
look "${child[0]}"
until_ok 10 has_arrived notification 2 || die "nothing arrived: $(tail -n 3 "$W/log/T001.log")"
tell
until_ok 10 has_arrived test 3 || die "the test did not arrive"
same "$(ids notification)" "2 " "what was opened before is not told"
say "1. what comes is told, signed; what was opened before is not"

# --- one child is refused; the others are not held up ---
echo "${child[0]}" >"$W/refused"
echo "4 ${child[1]}" >>"$W/refused"
for i in 0 1 2 0 3 1; do look "${child[$i]}"; done # 4 .. 9
until_ok 10 has_arrived notification 6 || die "another child is held up"
until_ok 10 has_arrived notification 8 || die "another child is held up"
until_ok 5 told WEBHOOK_REFUSED || die "403 is not told"
told WEBHOOK_WAITS || die "500 is not told"
! has_arrived notification 4 && ! has_arrived notification 7 || die "what was refused has arrived"
grep -q ' 7 ' "$W/received" && die "the second of a child was tried before the first had arrived"
same "$(awk '/^notification/ {print $2}' "$D/feed/webhook.state" | tr '\n' ' ')" "4 5 7 9 " "what is unsent"
if "$CPIS" deliver "$D" --once 2>"$W/once"; then die "two processes send"; fi
grep -q another "$W/once" || die "it does not say that another sends: $(cat "$W/once")"
doctor_says 'ok    webhook: 4 not sent yet' || die "doctor does not count: $("$CPIS" doctor "$D" | grep webhook)"
: >"$W/refused"
until_ok 60 has_arrived notification 9 || die "what was refused does not arrive later"
until_ok 60 has_arrived notification 7 || die "what was refused does not arrive later"
say "2. a child that fails holds up no other"

# --- by a timer: what there is, then it ends and says whether all has arrived ---
set_key T001 webhook_url '""'
reload webhook_url
ended() { ! pgrep -f "^cpis deliver $D\$" >/dev/null; }
until_ok 10 ended || die "it runs although there is nobody to tell"
set_key T001 webhook_url "\"http://127.0.0.1:$port/inbox\""
echo "${child[2]}" >"$W/refused"
look "${child[2]}" # 10
look "${child[3]}" # 11
if "$CPIS" deliver "$D" --once 2>"$W/once"; then die "all is well, it says, though one is refused"; fi
has_arrived notification 11 || die "--once has not sent what it could: $(cat "$W/once")"
: >"$W/refused"
"$CPIS" deliver "$D" --once 2>>"$W/once" || die "--once does not end well: $(cat "$W/once")"
has_arrived notification 10 || die "--once has not sent what was left"
reload webhook_url
say "3. by a timer it sends what there is and says whether all has arrived"

# --- killed again and again ---
for i in $(seq "$KILLS"); do
    look "${child[$((i % 4))]}"
    look "${child[$(((i + 1) % 4))]}"
    kill_sender
    if [ $((i % 3)) = 2 ]; then
        kill -9 "$receiver"
        wait "$receiver" 2>/dev/null || true
        sleep "0.$((RANDOM % 90 + 10))"
        receive
    fi
    [ $((i % 3)) != 0 ] || { kill_sender; stop_node T001 KILL; start_node T001; }
done
last=$((11 + 2 * KILLS))
everything() { same_sets "$(seq 2 "$last" | grep -vx 3 | tr '\n' ' ')"; }
same_sets() { [ "$(ids notification)" = "$1" ]; }
until_ok 90 everything || die "lost: $(ids notification), unsent: $(cat "$D/feed/webhook.state")"
awk '$1 == 401' "$W/received" | grep -q . && die "a signature was wrong"
# first arrivals: one child's ids rise; one event has one key
awk '$1 == 204 && !seen[$2, $3]++ {if ($3 < last[$4]) bad = 1; last[$4] = $3} END {exit bad}' "$W/received" || die "not in their order"
awk '$1 == 204 {if (($2, $3) in key && key[$2, $3] != $5) bad = 1; key[$2, $3] = $5} END {exit bad}' "$W/received" || die "a repeated one has another key"
say "4. killed $KILLS times: each has arrived, one child's in their order ($(awk '$1 == 204' "$W/received" | wc -l) sent for $(arrived | wc -l))"

# --- a receiver that asks for patience gets it, from all children ---
echo "w6 ${child[0]}" >"$W/refused"
look "${child[0]}"
until_ok 80 grep -q "^503 notification $((last + 1)) " "$W/received" || die "503 was not said"
look "${child[1]}"
: >"$W/refused"
last=$((last + 2))
until_ok 30 has_arrived notification "$last" || die "nothing arrives after a Retry-After"
until_ok 30 has_arrived notification $((last - 1)) || die "what was refused does not arrive after a Retry-After"
awk '$1 == 503 {t = $6; next} t && $6 - t < 6 {bad = 1} END {exit bad || !t}' "$W/received" || die "it was asked again before its time: $(tail -n 3 "$W/received")"
say "4b. a Retry-After is waited for, whichever child is next"

# --- what nobody opens; and a mail, at most once a minute, whose server is away at first ---
mails() { grep -c '^---$' "$W/mails" || true; }
has_mails() { [ "$(mails)" = "$1" ]; }
subject() { sed -n 's/\r$//; s/^Subject: //p' "$W/mails" | sed -n "$1p"; }
stop_node T001
! pgrep -f "^cpis deliver $D\$" >/dev/null || die "it sends on without its node"
: >"$W/mails"
smtp=$(free_port)
start_node T001
set_key T001 mail_every_minutes 1
reload mail_every_minutes
set_key T001 escalate_after_minutes 1
set_key T001 mail_url "\"smtp://127.0.0.1:$smtp\""
set_key T001 mail_from '"cpis@authority.test.example"'
set_key T001 mail_to '"duty@authority.test.example"'
reload "escalate_after_minutes, mail_url, mail_from, mail_to"
until_ok 20 told MAIL_WAITS || die "that the mail server is away is not told"
"$RECEIVER" smtp "$smtp" "$W/mails" &
others+=($!)
until_ok 40 has_mails 1 || die "no mail came: $(tail -n 3 "$W/log/T001.log")"
mailed=$SECONDS
subject 1 | grep -qE "^CP-IS T001: $((last - 1)) new, oldest 00:0[0-9]" || die "the mail says: $(subject 1)"
until_ok 70 told EVENT_NOTIFICATION_UNOPENED || die "the running node has not taken escalate_after_minutes"
tell
stop_node T001
start_node T001
kill_sender
until_ok 90 has_arrived escalated "$last" || die "escalations do not arrive: $(ids escalated)"
same "$(awk -v last="$last" '$1 <= last' <<<"$(ids escalated | tr ' ' '\n')" | xargs)" "$(seq -s ' ' 2 "$last")" "each escalated one"
same "$(awk '$1 == 204 && $2 == "escalated" {print $3}' "$W/received" | sort | uniq -d)" "" "escalated twice"
say "5. what nobody opens is told once more"
until_ok 90 has_mails 2 || die "no second mail came"
[ $((SECONDS - mailed)) -ge 55 ] || die "the second mail came after $((SECONDS - mailed)) s"
subject 2 | grep -qE "^CP-IS T001: 1 new, oldest 00:0[0-9]; [0-9]+ unopened for over 1 min$" || die "the second mail says: $(subject 2)"
say "6. a mail says how many, once a period, over restarts and deaths, when its server is back"
"$RECEIVER" smtp "127.0.0.2:$smtp" "$W/elsewhere" &
others+=($!)
set_key T001 mail_url "\"smtp://127.0.0.2:$smtp\"" # to us a machine as any other
stop_node T001
rm "$D/feed/mail.state" # as if never one was sent
start_node T001
until_ok 20 grep -q 'MAIL_.*SSL' "$W/log/T001.log" || die "a mail server without STARTTLS is not told: $(grep MAIL_ "$W/log/T001.log" | tail -n 1)"
[ ! -s "$W/elsewhere" ] || die "a mail went out in clear"
say "7. no mail leaves the machine in clear"

# --- a mail server that wants TLS and to know who this is ---
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.2 \
    -keyout "$W/tls.key" -out "$W/tls.pem" 2>/dev/null
mail_to() { # URL: a mail to that server, as if never one was sent
    stop_node T001
    rm -f "$D/feed/mail.state"
    set_key T001 mail_url "\"$1\""
    before=$(wc -l <"$W/log/T001.log")
    start_node T001
}
says_since() { tail -n "+$((before + 1))" "$W/log/T001.log" | grep -q "$1"; }
has_safe() { [ "$(grep -c '^Subject: CP-IS T001: ' "$W/safe")" = "$1" ]; }
(umask 077 && echo "a wrong word" >"$W/password")
: >"$W/safe"
starttls=$(free_port)
"$RECEIVER" smtp "127.0.0.2:$starttls" "$W/safe" starttls "$W/tls.pem" "$W/tls.key" duty "a right word" &
others+=($!)
mail_to "smtp://127.0.0.2:$starttls"
until_ok 20 says_since 'MAIL_WAITS.*\(certificate\|SSL\)' || die "an unknown certificate of a mail server is not told"
set_key T001 mail_ca_file "\"$W/tls.pem\""
mail_to "smtp://127.0.0.2:$starttls"
until_ok 20 says_since 'MAIL_REFUSED.*SMTP 530' || die "that the server wants to know who this is is not told"
set_key T001 mail_user '"duty"'
set_key T001 mail_password_file "\"$W/password\""
mail_to "smtp://127.0.0.2:$starttls"
until_ok 20 says_since 'MAIL_REFUSED.*SMTP 535' || die "a wrong password is not told"
[ ! -s "$W/safe" ] || die "a mail was sent before all was right"
echo "a right word" >"$W/password"
mail_to "smtp://127.0.0.2:$starttls"
until_ok 20 has_safe 1 || die "no mail over STARTTLS: $(tail -n 3 "$W/log/T001.log")"
doctor_says 'ok    mail: what no mail has told waits for 0 min; the last was tried 0 min ago' || die "doctor says of mail: $("$CPIS" doctor "$D" | grep mail)"
smtps=$(free_port)
"$RECEIVER" smtp "127.0.0.2:$smtps" "$W/safe" tls "$W/tls.pem" "$W/tls.key" duty "a right word" &
others+=($!)
mail_to "smtps://127.0.0.2:$smtps"
until_ok 20 has_safe 2 || die "no mail over TLS: $(tail -n 3 "$W/log/T001.log")"
! grep -q "right word\|wrong word" "$W/log/T001.log" || die "a password stands in the log"
mail_to ""
say "8. a mail over TLS, only to whom the given certificate vouches for, by whom the server knows"

# --- TLS: a certificate that nobody vouches for is refused, and nothing is said before ---
stop_node T001
tls=$(free_port)
mkfifo "$W/answer.fifo"
openssl s_server -accept "127.0.0.1:$tls" -key "$W/tls.key" -cert "$W/tls.pem" -quiet <"$W/answer.fifo" >"$W/tls.in" 2>/dev/null &
others+=($!)
exec 7>"$W/answer.fifo"
set_key T001 webhook_url "\"https://localhost:$tls/inbox\""
set_key T001 feed false
"$CPIS" run "$D" >>"$W/log/T001.log" 2>&1 &
PIDS[T001]=$!
until_ok 15 "$CPIS" status "$D" || die "the node does not answer"
tell
until_ok 20 grep -q 'WEBHOOK_WAITS.*\(certificate\|SSL\)' "$W/log/T001.log" || die "an unknown certificate is not told: $(tail -n 3 "$W/log/T001.log")"
[ ! -s "$W/tls.in" ] || die "something was said to a receiver that nobody vouches for"
stop_node T001
set_key T001 webhook_ca_file "\"$W/tls.pem\""
start_node T001
until_ok 20 grep -q '"event":"test"' "$W/tls.in" || die "nothing arrives over TLS"
grep -q '^CPIS-Signature: t=' "$W/tls.in" || die "it is not signed"
printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' >&7
nothing_unsent() { ! grep -qE '^(notification|escalated) ' "$D/feed/webhook.state"; }
until_ok 20 nothing_unsent || die "its answer is not heard"
exec 7>&-
say "9. over TLS, only to whom the given certificate vouches for"

stop_all
cut -d, -f1,3,4,5 "$W/T001.csv" | tail -n +2 | tr ',' '\n' | sort -u >"$W/patterns"
if grep -F -l -f "$W/patterns" "$W"/log/*.log "$D"/feed/*.state "$W/once" "$W/mails" "$W/safe"; then die "a log, state or mail holds a child's number or name"; fi
same "$(stat -c %a "$D"/feed/*.state | sort -u)" 600 "the state is its owner's"
say "what was told is told; took $((SECONDS - began)) s"
