#!/usr/bin/env bash
# `cmake --install --strip` installs files without debug information, and the program runs and is as small as it should be.
# Usage: size_test.sh BUILD_FOLDER LIMIT_IN_BYTES
set -euo pipefail
build=$1 limit=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cmake --install "$build" --prefix "$work" --strip >/dev/null
program=$work/bin/handoff
size=$(stat -c %s "$program")
if [ "$size" -gt "$limit" ]; then
  echo "size_test.sh: handoff has $size bytes when it is stripped, and $limit are allowed" >&2
  exit 1
fi
for name in handoff handoff-unpack handoff-vault libhandoff.so libhandoff.a; do
  file=$(find "$work" -name $name ! -type d ! -path '*/completions/*')
  [ -e "$file" ] || {
    echo "size_test.sh: $name was not installed" >&2
    exit 1
  }
  # Not through a pipe: with pipefail, grep's early end would make it false.
  sections=$(readelf -SW "$file")
  if grep -q '\.debug_info' <<<"$sections"; then
    echo "size_test.sh: $file was installed with its debug information" >&2
    exit 1
  fi
  echo "$name: $(stat -Lc %s "$file") bytes"
done
"$program" --version
echo "$(stat -c %s "$build/bin/handoff") bytes before"
