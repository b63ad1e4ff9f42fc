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

# The headers for authors, without any of protobuf's.
cat >"$work/author.cc" <<'END'
#include <handoff/handoff.hpp>
#include <handoff/protobuf.hpp>
#include <handoff/testing.hpp>
#include <iostream>
int main() {
  const auto service = handoff::Service::open({.name = "consumer", .version = "2.0", .state_version = 2});
  service->on_upgrade_state(1, 2, [](std::string_view state) { return std::string(state) + "."; });
  service->on_downgrade_state(2, 1, [](std::string_view state) { return std::string(state.substr(0, state.size() - 1)); });
  const auto checked = handoff::testing::check_round_trips(handoff::testing::steps_of(*service), {{1, "a"}, {2, "b."}});
  std::cout << checked;
  return checked ? 0 : 1;
}
END
# shellcheck disable=SC2046
c++ -std=c++20 -Wall -Wextra -Werror "$work/author.cc" $(pkg-config --cflags --libs handoff) -o "$work/author"
"$work/author"

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
