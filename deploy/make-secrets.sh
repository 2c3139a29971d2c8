#!/bin/sh
# Makes what docker-compose.yml asks for and is not there yet: passwords in production.env, keys in secrets/.
# Never overwrites: a password that PostgreSQL already knows, or a key that payloads are encrypted with, must stay.
#
#   deploy/make-secrets.sh [directory]     default: the directory of this script
set -eu
directory=${1:-$(dirname "$0")}
umask 077
# The containers' user reads the files inside through mounts; this directory keeps other users of the machine out.
mkdir -p "$directory/secrets"

settings="$directory/production.env"
# Only a new audit trail gets keyed hashes automatically. docs/production.md says how to turn them on for an old one.
audit_keys=/run/secrets/audit_keys
touch "$settings"
! grep -q '^POSTGRES_PASSWORD=' "$settings" || audit_keys=
# Without a line break at its end, the last line would merge with the next.
[ -z "$(tail -c 1 "$settings")" ] || echo >> "$settings"
setting() {
  ! grep -q "^$1=" "$settings" || return 0
  echo "$1=$2" >> "$settings"
  echo "made $1 in $settings"
}
# Before the passwords, by which an older installation is known.
setting BELLWETHER_AUDIT_KEYS_FILE "$audit_keys"
# Hexadecimal, because they become parts of URLs.
for name in POSTGRES TEMPORAL_DB BELLWETHER_DB BELLWETHER_WORKER_DB BELLWETHER_GATEWAY_DB REDIS; do
  setting "${name}_PASSWORD" "$(openssl rand -hex 24)"
done
setting HOLYSHEEP_BASE_URL https://api.holysheep.ai/v1
# The provider to migrate away from, and the file with its key: /run/secrets/providers/legacy
setting LEGACY_BASE_URL ''
setting LEGACY_API_KEY_FILE ''
setting LOG_LEVEL INFO

secret() {
  [ ! -e "$directory/secrets/$1" ] || return 0
  printf '%s' "$2" > "$directory/secrets/$1"
  chmod 444 "$directory/secrets/$1"
  echo "made $directory/secrets/$1"
}
secret encryption_keys "$(date -u +%Y-%m):$(openssl rand -base64 32)"
secret audit_keys "$(date -u +%Y-%m):$(openssl rand -base64 32)"
secret codec_token "$(openssl rand -hex 24)"
secret grafana_password "$(openssl rand -hex 12)"
# Prometheus's API key, which only the ledger can make: docs/operations.md says how.
secret metrics_key ''
[ -s "$directory/secrets/metrics_key" ] || chmod 644 "$directory/secrets/metrics_key"

mkdir -p "$directory/secrets/providers"
chmod 755 "$directory/secrets/providers"
secret providers/holysheep ''
if [ ! -s "$directory/secrets/providers/holysheep" ]; then
  chmod 644 "$directory/secrets/providers/holysheep"
  echo "Now write the provider's API key into $directory/secrets/providers/holysheep"
fi
