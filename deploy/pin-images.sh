#!/bin/sh
# Pins images by digest, because a tag can be moved to another image. Pulls the images of docker-compose.yml and the
# Dockerfile and appends their current digests to the tags (redis:7.4.6-bookworm@sha256:…). Run it again after changing a
# tag, review the difference, and commit it.
#
#   deploy/pin-images.sh            needs Docker and its registry
#   deploy/pin-images.sh --check    lists images that are not pinned, and exits with 1 if there are any
set -eu
cd "$(dirname "$0")/.."
files='docker-compose.yml Dockerfile'
# Ours is built here and never pulled.
images=$(sed -n 's/^ *image: \([^ ]*\)$/\1/p; s/^FROM \([^ ]*\).*$/\1/p' $files | grep -v '^bellwether:' | sort -u)

if [ "${1:-}" = --check ]; then
  unpinned=$(echo "$images" | grep -v '@sha256:' || true)
  [ -n "$unpinned" ] || exit 0
  echo "$unpinned"
  exit 1
fi

for image in $images; do
  tagged=${image%@*}
  docker pull --quiet "$tagged" > /dev/null
  # An image may have digests in several repositories.
  digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$tagged" |
    sed -n "s|^${tagged%:*}@\(sha256:[0-9a-f]\{64\}\)\$|\1|p" | head -n 1)
  [ -n "$digest" ] || { echo "The registry gave no digest for $tagged." >&2; exit 1; }
  for file in $files; do
    # Up to the end of the word, so that no image with a longer name is changed.
    sed "s|\( \)$tagged\(@sha256:[0-9a-f]*\)\{0,1\}\( .*\)\{0,1\}\$|\1$tagged@$digest\3|" "$file" > "$file.pinned"
    cat "$file.pinned" > "$file"
    rm "$file.pinned"
  done
  echo "$tagged@$digest"
done
