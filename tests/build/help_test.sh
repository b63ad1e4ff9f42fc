#!/usr/bin/env bash
# --help of a script only prints: it installs nothing and builds nothing. Usage: help_test.sh REPOSITORY
set -euo pipefail
repository=$1

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkdir -p "$folder/bin" "$folder/tests" "$folder/libhandoff"
cp -r "$repository/scripts" "$folder/"
cp -r "$repository/tests/long" "$folder/tests/"
for program in "$folder/scripts/deps" "$folder/bin/cmake" "$folder/bin/ctest" "$folder/bin/git"; do
  # shellcheck disable=SC2016  # the program that is written expands them
  printf '#!/bin/sh\necho "$0 $*" >>"%s/did"\n' "$folder" >"$program"
  chmod +x "$program"
done
# The script that stands in for deps does not answer for it.
cp "$repository/scripts/deps" "$folder/scripts/deps.itself"

failed=0
prints() {  # SCRIPT [ARG...]
  if ! PATH=$folder/bin:$PATH "$folder/scripts/$1" "${@:2}" >"$folder/out" 2>"$folder/err" </dev/null ||
    [ ! -s "$folder/out" ] || [ -s "$folder/err" ] || [ -e "$folder/did" ]; then
    echo "scripts/${*/.itself/}: it should print its help, and do nothing else:"
    cat "$folder/out" "$folder/err"
    [ ! -e "$folder/did" ] || sed 's/^/did: /' "$folder/did"
    rm -f "$folder/did"
    failed=1
  fi
}
for script in abi bench chaos check demo deps.itself test vm; do
  prints $script --help
  prints $script -h
done
prints test dev --help
prints test fuzz --help
prints test long --help
prints bench copy --help
prints chaos --preset dev --help

# A script that is new has its place in the list above.
for script in "$repository"/scripts/*; do
  case $(basename "$script") in
    abi | bench | chaos | check | demo | deps | test | vm) ;;
    *)
      echo "help_test.sh does not know $script"
      failed=1
      ;;
  esac
done
exit $failed
