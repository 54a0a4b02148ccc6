#!/bin/sh
# Make what docker-compose.yml reads as secrets: passwords, a CA, and a certificate for each service and for operators.
# What is there stays; a certificate that ends within 30 days is renewed. Needs openssl. Usage: make-secrets.sh [FOLDER]
set -eu
folder=${1:-var/secrets}
umask 077
mkdir -p "$folder"
cd "$folder"

for name in database_superuser database_owner database_service grafana_admin; do
    [ -s "$name" ] || openssl rand -hex 24 >"$name"
done

new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
# shellcheck disable=SC2086 # options are words
[ -s ca.crt ] || openssl req -x509 $new_key -days 3650 -subj "/CN=liangfa CA" -keyout ca.key -out ca.crt 2>/dev/null

for name in enforcement-record case-transfer joint-meeting supervision operator; do
    openssl x509 -in "$name.crt" -noout -checkend 2592000 >/dev/null 2>&1 && continue
    # shellcheck disable=SC2086
    openssl req $new_key -subj "/CN=$name" -keyout "$name.key.new" -out request 2>/dev/null
    printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' "$name" >extensions
    openssl x509 -req -in request -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile extensions -out "$name.crt.new" 2>/dev/null
    # Into the same file: a container sees the file that was mounted, not one that takes its name.
    cat "$name.key.new" >"$name.key"
    cat "$name.crt.new" >"$name.crt"
    rm -f request extensions "$name.key.new" "$name.crt.new"
done

# Containers run under users of their own and see these files as they are: they have to be able to read them. Nobody
# else on this machine can: the folder is closed. The CA's key is in no container.
chmod 644 database_* grafana_admin ca.crt ./*.crt ./*.key
chmod 600 ca.key
