#!/usr/bin/env bash
# Builds and runs users of an installed libhandoff, one for each way to find and link it: pkg-config, shared and static;
# CMake, shared, static, and inside a shared object; CMake without C++. Usage: consumers.sh PREFIX
set -euo pipefail
prefix=$1
here=$(cd "$(dirname "$0")/consumer" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

fail() {
  echo "consumers.sh: $*" >&2
  exit 1
}
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name handoff.pc)")
export PKG_CONFIG_PATH
version=$(pkg-config --modversion handoff)
libdir=$(pkg-config --variable=libdir handoff)

prints_version() { # PROGRAM
  local printed
  printed=$("$1")
  [ "$printed" = "$version" ] || fail "$1 printed '$printed' instead of the package's version, $version"
}
needs_shared() { # PROGRAM: whether the dynamic linker finds libhandoff.so for it
  local entries
  entries=$(readelf -d "$1")
  grep -q 'NEEDED.*libhandoff' <<<"$entries"
}

# pkg-config. The linker prefers libhandoff.so to libhandoff.a unless it is told -static.
read -ra shared < <(pkg-config --cflags --libs handoff)
read -ra static < <(pkg-config --static --cflags --libs handoff)
warnings=(-Wall -Wextra -Werror)
cc -std=c99 -pedantic "${warnings[@]}" "$here/consumer.c" "${shared[@]}" -o "$work/shared"
LD_LIBRARY_PATH=$libdir prints_version "$work/shared"
cc -std=c99 "${warnings[@]}" -static "$here/consumer.c" "${static[@]}" -o "$work/static"
prints_version "$work/static"
segments=$(readelf -l "$work/static")
if grep -q INTERP <<<"$segments"; then fail "a program that was linked with -static has a dynamic linker"; fi
c++ -std=c++20 "${warnings[@]}" "$here/author.cc" "${shared[@]}" -o "$work/author"
LD_LIBRARY_PATH=$libdir "$work/author"

# CMake.
configure() { # SOURCE BUILD ARGUMENTS...
  cmake -G Ninja -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$prefix" "${@:3}" >"$work/log" 2>&1
}
configure "$here" "$work/build" || fail "$(cat "$work/log")"
cmake --build "$work/build" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
prints_version "$work/build/consumer"
needs_shared "$work/build/consumer" || fail "handoff::handoff was not linked as a shared object"
prints_version "$work/build/consumer_static"
"$work/build/author_static"
for user in consumer_static author_static libplugin.so; do
  if needs_shared "$work/build/$user"; then fail "$user needs libhandoff.so, although it has the archive in it"; fi
done
# Instances of the C++ library's templates do not count: the dynamic linker takes one for all shared objects.
exported=$(nm -DC --defined-only "$work/build/libplugin.so" | grep -vE ' (u|V|W) .*(std|__gnu_cxx)::' || true)
[ "$(awk '{print $3}' <<<"$exported")" = plugin_open ] ||
  fail "a shared object with libhandoff.a in it exports more than its own function: $exported"


# Versions: before 1.0 another minor is another interface.
IFS=. read -r major minor _ <<<"$version"
configure "$here/c" "$work/c" -DWANTED="$major.$minor" || fail "$(cat "$work/log")"
cmake --build "$work/c" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
prints_version "$work/c/consumer"
for other in "$major.$((minor + 1))" $((major + 1)); do
  if configure "$here/c" "$work/$other" -DWANTED="$other"; then fail "who wants $other was given $version"; fi
  grep -q "version: $version" "$work/log" || fail "find_package(handoff $other) failed for another reason: $(cat "$work/log")"
done
echo "libhandoff $version was used from C, C++ and CMake, shared and static"
