# tests/e2e/certificates.sh - certificates for the end-to-end tests, clients.conf, and a node that serves them, all in $W:
# sourced after federation.sh, not run. Needs openssl.
# shellcheck shell=bash
EC=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
make_authority() { # NAME
    openssl req -x509 "${EC[@]}" -keyout "$W/$1.key" -out "$W/$1.pem" -days 30 -subj "/CN=Test authority $1" 2>/dev/null
}
make_certificate() { # AUTHORITY NAME SUBJECT PURPOSE
    openssl req "${EC[@]}" -keyout "$W/$2.key" -out "$W/$2.csr" -subj "$3" 2>/dev/null
    openssl x509 -req -in "$W/$2.csr" -CA "$W/$1.pem" -CAkey "$W/$1.key" -CAcreateserial -days 30 -out "$W/$2.pem" \
        -extfile <(printf 'extendedKeyUsage=%s\nbasicConstraints=CA:false\n' "$4") 2>/dev/null
    chmod 600 "$W/$2.key"
}
make_server_certificate() { # NAME [COMMON-NAME]; its key first, as whoever renews does
    openssl req -x509 "${EC[@]}" -keyout "$W/$1.new.key" -out "$W/$1.new.pem" -days 30 -subj "/CN=${2:-first}" \
        -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" 2>/dev/null
    chmod 600 "$W/$1.new.key"
    mv "$W/$1.new.key" "$W/$1.key"
    mv "$W/$1.new.pem" "$W/$1.pem"
}
# NAME ORGANISATION-CODE UNSCHEDULED REQUESTS-A-MINUTE: a certificate of the authority `ca`, whose owner may ask
CLIENTS=()
add_client() {
    local IFS=,
    make_certificate ca "$1" "/CN=$1.test.example" clientAuth
    CLIENTS+=("{ name = \"$1\"; subject = \"cn:$1.test.example\"; token = \"never\"; organisation_code = \"$2\";
  organisation_name = \"Test Hospital\"; setting = \"emergency department\"; device_id = \"$1-1\"; responsible = \"Dr Test LEAD\";
  unscheduled = $3; scheduled = true; requests_a_minute = $4; user_requests_a_minute = $4; }
")
    printf 'clients = (\n%s);\n' "${CLIENTS[*]}" >"$W/clients.conf"
}
serve_clients() { # NODE PORT, with the server certificate `web`
    set_key "$1" web_listen "\"127.0.0.1:$2\""
    set_key "$1" web_certificate "\"$W/web.pem\""
    set_key "$1" web_key "\"$W/web.key\""
    set_key "$1" web_client_ca "\"$W/ca.pem\""
    set_key "$1" web_clients "\"$W/clients.conf\""
}
