#!/usr/bin/env bash
# Installs from a build in which only libhandoff.so was built, and then the archive, too. What was built is installed, and what
# was not is named. Usage: partial_install_test.sh BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

fail() {
  echo "partial_install_test.sh: $*" >&2
  exit 1
}
install() { # FOLDER ARGUMENTS...
  cmake --install "$work/build" --prefix "$work/$1" "${@:2}" >"$work/log" 2>&1
}
installed() { # FOLDER: the names of its files
  (cd "$work/$1" && find . ! -type d -printf '%f\n' | sort | tr '\n' ' ')
}

cmake -G Ninja -S "$source" -B "$work/build" -DBUILD_TESTING=OFF -DHANDOFF_BUILD_EXAMPLES=OFF >"$work/log" 2>&1 ||
  fail "$(cat "$work/log")"
mkdir -p "$work/build/lib"
cp -P "$build"/lib/libhandoff.so* "$work/build/lib"
version=$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")/\1/p' "$work/build/libhandoff/handoffConfigVersion.cmake")

install library --component library || fail "the library can't be installed alone: $(cat "$work/log")"
[ "$(installed library)" = "libhandoff.so.${version%%.*} libhandoff.so.$version " ] ||
  fail "the component 'library' has $(installed library)"

install all || fail "what was built can't be installed: $(cat "$work/log")"
for program in handoff handoff-unpack handoff-vault; do
  tr -s '\n ' ' ' <"$work/log" | grep -q "/$program was not built, and is not installed" ||
    fail "nobody is told that $program is missing: $(cat "$work/log")"
done
case " $(installed all)" in
  *libhandoff.a* | *" handoff "*) fail "something was installed that was not built: $(installed all)" ;;
esac

if install supervisor --component supervisor; then fail "a supervisor was installed that was not built"; fi
grep -q 'was not built' "$work/log" || fail "the supervisor was not installed for another reason: $(cat "$work/log")"
[ ! -e "$work/supervisor" ] || fail "a half of the supervisor was installed: $(installed supervisor)"

# Without the archive the package has the shared object.
find_handoff() { # COMPONENTS
  mkdir -p "$work/user"
  printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' 'project(user LANGUAGES C)' \
    "find_package(handoff REQUIRED COMPONENTS $1)" 'if(NOT TARGET handoff::handoff)' 'message(FATAL_ERROR "no library")' 'endif()' \
    >"$work/user/CMakeLists.txt"
  cmake -G Ninja -S "$work/user" -B "$work/user/build" -DCMAKE_PREFIX_PATH="$work/all" >"$work/log" 2>&1
}
find_handoff '' || fail "without the archive: $(cat "$work/log")"
if find_handoff static; then fail "COMPONENTS static was found without the archive"; fi
cp "$build/lib/libhandoff.a" "$work/build/lib"
install all --component development || fail "$(cat "$work/log")"
find_handoff static || fail "with the archive: $(cat "$work/log")"
echo "installed what was built: the library, the headers, and the archive when it was there"
