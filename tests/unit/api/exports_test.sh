#!/usr/bin/env bash
# The shared object exports the C ABI and nothing else, and needs no third party's library but those that are named: a
# service may link any version of protobuf, or none. Usage: exports_test.sh LIBRARY HEADERS SONAME [NEEDED...]
set -euo pipefail
library=$1 headers=$2
exported=$(nm -D --defined-only "$library" | awk '{print $3}' | sort)
declared=$(grep -rhoE --include='*.h' '^HANDOFF_API [^(]*[ *](handoff_[a-z_]+)\(' "$headers" | grep -oE 'handoff_[a-z_]+\($' | tr -d '(' | sort)
if ! diff <(echo "$declared") <(echo "$exported"); then
  echo "exports differ from what the headers declare (< declared, > exported)" >&2
  exit 1
fi
needed=$(readelf -d "$library" | grep NEEDED | grep -oE '\[[^]]*\]' | tr -d '[]')
for name in $needed; do
  case " ${*:4} " in *" $name "*) continue ;; esac
  case $name in
    libstdc++.so.* | libgcc_s.so.* | libc.so.* | libm.so.* | ld-linux*.so.* | libasan.so.* | libubsan.so.* | libtsan.so.*) ;;
    *)
      echo "the library needs $name" >&2
      exit 1
      ;;
  esac
done
soname=$(readelf -d "$library" | grep SONAME | grep -oE '\[[^]]*\]')
[ "$soname" = "[$3]" ] || {
  echo "the soname is $soname" >&2
  exit 1
}
echo "$(echo "$exported" | wc -l) symbols, all of the headers"
