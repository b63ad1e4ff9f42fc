#!/usr/bin/env bash
# Builds, installs and uses the library in a minimal Debian (tests/machine/root library) that lacks what only the supervisor
# and the examples need. Needs root. Usage: library_only.sh
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)

say() { echo "library_only.sh: $*"; }
fail() {
  say "$*" >&2
  exit 1
}

# This part runs in the minimal Debian; /mnt has the sources.
inside() {
  # cmake itself needs the shared objects of libuv and libarchive. No build can use them without their headers.
  local headers=(uv.h spdlog/spdlog.h systemd/sd-daemon.h sodium.h gcrypt.h archive.h CLI/CLI.hpp nlohmann/json.hpp
    toml++/toml.h google/protobuf/message.h hiredis/hiredis.h gtest/gtest.h)
  for header in "${headers[@]}"; do
    if echo "#include <$header>" | c++ -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then fail "$header is there: this is no test"; fi
  done
  local libraries=(libuv libsystemd libsodium libarchive protobuf spdlog hiredis)
  for library in "${libraries[@]}"; do
    if pkg-config --exists "$library"; then fail "$library is there: this is no test"; fi
  done
  for command in ccache protoc python3; do
    if command -v $command >/dev/null; then fail "$command is there: this is no test"; fi
  done

  local log=/tmp/log started=$SECONDS
  {
    cmake -G Ninja -S /mnt -B /tmp/library -DHANDOFF_BUILD_SUPERVISOR=OFF -DHANDOFF_BUILD_EXAMPLES=OFF \
      -DCMAKE_BUILD_TYPE=RelWithDebInfo -DHANDOFF_WERROR=ON &&
      cmake --build /tmp/library &&
      cmake --install /tmp/library --prefix /tmp/usr --strip
  } >$log 2>&1 || fail "the library can't be built alone: $(tail -n 30 $log)"
  say "built and installed in $((SECONDS - started)) s: $(cd /tmp/usr && find . ! -type d -printf '%P (%s bytes) ')"
  /mnt/tests/unit/api/exports_test.sh /tmp/usr/lib/libhandoff.so /mnt/libhandoff/include/handoff/handoff.h \
    "$(readlink /tmp/usr/lib/libhandoff.so)"
  /mnt/tests/build/hardened.sh /tmp/usr/lib/libhandoff.so
  # Users of the library need none of the headers that it was built with.
  mount -t tmpfs none /usr/include/protozero
  mount -t tmpfs none /usr/include/tl
  mount --bind /dev/null /usr/include/xxhash.h
  if echo "XXH64_hash_t hash;" | c++ -fsyntax-only -include xxhash.h -x c++ - 2>/dev/null; then fail "xxhash.h is still there"; fi
  started=$SECONDS
  /mnt/tests/build/consumers.sh /tmp/usr
  say "used in $((SECONDS - started)) s"
  umount /usr/include/protozero /usr/include/tl /usr/include/xxhash.h

  started=$SECONDS
  {
    cmake -G Ninja -S /mnt/tests/build/embedder -B /tmp/embedder -DHANDOFF=/mnt &&
      cmake --build /tmp/embedder
  } >$log 2>&1 || fail "a project can't build the library with its own: $(tail -n 30 $log)"
  local version
  version=$(PKG_CONFIG_PATH=/tmp/usr/lib/pkgconfig pkg-config --modversion handoff)
  for program in consumer_shared consumer_static; do
    [ "$(/tmp/embedder/programs/$program)" = "$version" ] || fail "$program doesn't print $version"
  done
  say "built by add_subdirectory() in another project, and used, in $((SECONDS - started)) s"
}
if [ "${1:-}" = inside ]; then
  inside
  exit
fi

[ "$(id -u)" -eq 0 ] || fail "only root can make a Debian and enter it: run it with sudo"
root=$("$source/tests/machine/root" library)/root

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
git -C "$source" ls-files -z --cached --others --exclude-standard | tar -C "$source" --null -T - -c --ignore-failed-read | tar -C "$work" -x
# The namespaces keep the build from writing to the cached root, and from fetching anything.
# shellcheck disable=SC2016
unshare --mount --net --pid --fork --kill-child bash -euc '
  root=$1 work=$2
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mount -o remount,bind,ro "$root"
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o exec tmpfs "$root/tmp"
  mount --bind "$work" "$root/mnt"
  mount --rbind /dev "$root/dev"
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
    chroot "$root" bash /mnt/tests/system/library_only.sh inside
' bash "$root" "$work"
