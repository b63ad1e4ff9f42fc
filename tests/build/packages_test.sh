#!/usr/bin/env bash
# Names the Debian packages whose headers the library and its users are compiled with: none is one that only the supervisor
# needs. Usage: packages_test.sh BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$1 source=$(realpath "$2")

# Every C++ program is compiled with headers of these.
compiler='libc6-dev|linux-libc-dev|libstdc\+\+-[0-9]+-dev|libgcc-[0-9]+-dev'

packages() { # reads the names of headers, prints the packages that they are from
  grep -vF "$source/" | sort -u | xargs -d '\n' realpath | xargs -d '\n' dpkg -S | sed 's/:.*//' | sort -u
}
only() { # WHO ALLOWED: reads packages
  local found others
  found=$(cat)
  others=$(grep -vxE "$compiler${2:+|$2}" <<<"$found" || true)
  if [ -z "$found" ] || [ -n "$others" ]; then
    echo "packages_test.sh: $1 is compiled with headers of ${others:-no package at all}" >&2
    exit 1
  fi
  echo "$1: $found" | tr '\n' ' '
  echo
}

ninja -C "$build" -t deps |
  awk '/^[^ ]/ { ours = /^libhandoff\// } ours && /^ / { print $1 }' |
  sed "s#^[^/]#$build/&#" | xargs -d '\n' realpath | packages |
  only libhandoff 'libexpected-dev|libprotozero-dev|libxxhash-dev'
c++ -std=c++20 -M -I"$source/libhandoff/include" "$source/tests/build/consumer/author.cc" |
  tr -s '[:space:]' '\n' | grep '^/' | packages | only "its user"
