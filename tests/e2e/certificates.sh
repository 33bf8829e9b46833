# tests/e2e/certificates.sh - certificates for the end-to-end tests, in $W: sourced, not run. Needs openssl.
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
