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

if [ ! -e "$directory/production.env" ]; then
  # Hexadecimal, because they become parts of URLs.
  cat > "$directory/production.env" <<SETTINGS
POSTGRES_PASSWORD=$(openssl rand -hex 24)
TEMPORAL_DB_PASSWORD=$(openssl rand -hex 24)
BELLWETHER_DB_PASSWORD=$(openssl rand -hex 24)
HOLYSHEEP_BASE_URL=https://api.holysheep.ai/v1
# The provider to migrate away from, and the file with its key: /run/secrets/providers/legacy
LEGACY_BASE_URL=
LEGACY_API_KEY_FILE=
LOG_LEVEL=INFO
SETTINGS
  echo "made $directory/production.env"
fi

secret() {
  [ ! -e "$directory/secrets/$1" ] || return 0
  printf '%s' "$2" > "$directory/secrets/$1"
  chmod 444 "$directory/secrets/$1"
  echo "made $directory/secrets/$1"
}
secret encryption_keys "$(date -u +%Y-%m):$(openssl rand -base64 32)"
secret codec_token "$(openssl rand -hex 24)"

mkdir -p "$directory/secrets/providers"
chmod 755 "$directory/secrets/providers"
secret providers/holysheep ''
if [ ! -s "$directory/secrets/providers/holysheep" ]; then
  chmod 644 "$directory/secrets/providers/holysheep"
  echo "Now write the provider's API key into $directory/secrets/providers/holysheep"
fi
