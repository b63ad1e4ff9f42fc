#!/usr/bin/env bash
# Installs the library into a folder of its own and builds three consumers against it: C with pkg-config, C++ on
# libuv with pkg-config, C++ with find_package(). Usage: install_test.sh BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cmake --install "$build" --prefix "$work/usr" --component library >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name handoff.pc)")
export PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(pkg-config --variable=libdir handoff)
export LD_LIBRARY_PATH

cat >"$work/consumer.c" <<'END'
#include <handoff/handoff.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  handoff_t *h = NULL;
  struct handoff_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.name = "consumer";
  options.version = "1.0";
  if (handoff_open(&h, &options) != 0 || handoff_ready(h) != 0) return 1;
  puts(handoff_version());
  handoff_close(h);
  return 0;
}
END
# shellcheck disable=SC2046
cc -std=c99 -Wall -Wextra -Werror -pedantic "$work/consumer.c" $(pkg-config --cflags --libs handoff) -o "$work/c"
[ "$("$work/c")" = "$(pkg-config --modversion handoff)" ]

# shellcheck disable=SC2046
c++ -std=c++20 -fsyntax-only $(pkg-config --cflags handoff libuv) "$source/docs/guide/echo.cc"

mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(handoff REQUIRED)
add_executable(consumer ../consumer.c)
target_link_libraries(consumer PRIVATE handoff::handoff)
END
cmake -G Ninja -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null
cmake --build "$work/project/build" >/dev/null
"$work/project/build/consumer" >/dev/null
echo "installed, and used from C, C++ and CMake"
