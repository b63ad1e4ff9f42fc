#!/usr/bin/env bash
# Installs the library, moves it to another folder, and builds consumers against it there. Usage: install_test.sh
# BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

for component in library development; do
  cmake --install "$build" --prefix "$work/usr" --component $component >/dev/null
done
tls=no
if [ -e "$build/lib/libhandoff-tls.so" ]; then
  tls=yes
  for component in tls tls-development; do
    cmake --install "$build" --prefix "$work/usr" --component $component >/dev/null
  done
fi
mv "$work/usr" "$work/moved"
if grep -rnF -e "$build" -e "$source" "$work/moved" --include='*.cmake' --include='*.pc' --include='*.h*'; then
  echo "install_test.sh: what was installed knows where it was built" >&2
  exit 1
fi
# The package must not pass this build's flags on to its users.
if grep -rnE 'INTERFACE_(COMPILE|LINK_(OPTIONS|DIRECTORIES))|fortify|[ ;"]-[fWD]' "$work/moved" --include='*.cmake' --include='*.pc'; then
  echo "install_test.sh: flags of this build are in what was installed" >&2
  exit 1
fi
"$(dirname "$0")/consumers.sh" "$work/moved"

# uv.hpp is a header alone, so its users bring libuv.
PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name handoff.pc)")
export PKG_CONFIG_PATH
read -ra flags < <(pkg-config --cflags handoff libuv)
c++ -std=c++20 -fsyntax-only "${flags[@]}" "$source/docs/guide/echo.cc"

# libhandoff-tls, whose users need no OpenSSL of their own to be built; it wipes from the start what OpenSSL frees.
if [ $tls = yes ]; then
  read -ra flags < <(pkg-config --cflags --libs handoff-tls)
  cc -std=c99 -pedantic -Wall -Wextra -Werror "$source/tests/build/consumer/tls.c" "${flags[@]}" -o "$work/tls"
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir handoff-tls) "$work/tls"
  read -ra flags < <(pkg-config --cflags handoff-tls libuv)
  c++ -std=c++20 -fsyntax-only "${flags[@]}" -x c++ - <<<'#include <handoff/tls.hpp>'
  mkdir "$work/user"
  printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' 'project(user LANGUAGES C)' \
    'find_package(handoff REQUIRED COMPONENTS tls)' "add_executable(user $source/tests/build/consumer/tls.c)" \
    'target_link_libraries(user PRIVATE handoff::tls)' >"$work/user/CMakeLists.txt"
  cmake -G Ninja -S "$work/user" -B "$work/user/build" -DCMAKE_PREFIX_PATH="$work/moved" >/dev/null
  cmake --build "$work/user/build" >/dev/null
  "$work/user/build/user"
fi
