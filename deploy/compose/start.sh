#!/usr/bin/env bash
# Starts the platform, or brings a running one up to date: makes the secrets that are missing, then calls Docker Compose with the arguments given.
# A secret is changed by deleting its file and starting again (docs/operations.md).
set -euo pipefail
cd "$(dirname "$0")"
[ -f .env ] || cp .env.example .env
mkdir -p secrets
chmod 700 secrets # the files in it are readable by the containers' users, and the folder keeps everybody else out

make() { [ -s "secrets/$1" ] || (umask 022 && "${@:2}" > "secrets/$1.new" && mv "secrets/$1.new" "secrets/$1"); }
connection() { printf 'Host=postgres;Database=%s;Username=%s;Password=%s;Maximum Pool Size=12' "$1" "$1" "$(cat "secrets/$1-password")"; }

for name in postgres-password account-key-secret internal-call-key; do make "$name" openssl rand -hex 32; done
for database in accountingdb busdb cartdb customersdb salesdb tododb usersdb warehousedb; do
  [ -s "secrets/$database-password" ] || rm -f "secrets/$database"
  make "$database-password" openssl rand -hex 32
  make "$database" connection "$database"
done
if [ ! -s secrets/tls.crt ] || [ ! -s secrets/tls.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout secrets/tls.key -out secrets/tls.crt 2> /dev/null
  chmod 644 secrets/tls.key
fi

exec docker compose up --detach --wait "$@"
