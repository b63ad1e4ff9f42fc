#!/usr/bin/env bash
# Hardens a small program by cmake/Hardening.cmake: the protections are in the file and stop mistakes. Usage:
# hardening_test.sh SOURCE_FOLDER
set -euo pipefail
source=$1
here=$source/tests/build
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
ulimit -c 0  # the programs are to abort, and nobody wants their cores

fail() {
  echo "hardening_test.sh: $*" >&2
  exit 1
}
run() { # COMMAND...
  "$@" >"$work/log" 2>&1 || fail "$*: $(cat "$work/log")"
}
build() { # FOLDER ARGUMENTS...
  run cmake -G Ninja -S "$here/hardening" -B "$work/$1" -DCMAKE_BUILD_TYPE=Release "${@:2}"
  run cmake --build "$work/$1"
}

run cmake -G 'Ninja Multi-Config' -S "$here/hardening" -B "$work/all"
for config in Release RelWithDebInfo Debug; do run cmake --build "$work/all" --config $config; done
for config in Release RelWithDebInfo; do
  "$here/hardened.sh" "$work/all/$config/attempt" "$work/all/$config/libtarget.so"
done
"$work/all/Release/attempt" none >/dev/null
stops() { # MISTAKE WORDS: the program aborts with the words
  local said status=0
  said=$("$work/all/Release/attempt" "$1" 2>&1) || status=$?
  if [ $status -ne 134 ] || ! grep -qF "$2" <<<"$said"; then
    fail "the mistake '$1' was not stopped: exit status $status, $said"
  fi
}
stops heap 'buffer overflow detected'
stops stack 'stack smashing detected'
stops element "Assertion '__n < this->size()' failed"

# Other builds are not hardened, and hardened.sh names what they lack.
lacks() { # FOLDER PROTECTION...
  if "$here/hardened.sh" "$work/$1/libtarget.so" 2>"$work/lacking"; then fail "the build '$1' is hardened"; fi
  for protection in "${@:2}"; do
    grep -qF -e "$protection" "$work/lacking" || fail "the build '$1' has $protection, says hardened.sh: $(cat "$work/lacking")"
  done
}
by_default=('-z now' -fstack-protector _FORTIFY_SOURCE _GLIBCXX_ASSERTIONS)
if [ "$(uname -m)" = x86_64 ]; then by_default+=(-fcf-protection); fi
build plain -DHANDOFF_HARDEN=OFF -DCMAKE_SHARED_LINKER_FLAGS="-Wl,-z,norelro -Wl,-z,execstack"
lacks plain '-z relro' '-z noexecstack' "${by_default[@]}"
build sanitized -DHANDOFF_SANITIZE=address
lacks sanitized "${by_default[@]}"
build unoptimized -DCMAKE_CXX_FLAGS_RELEASE=-O0
lacks unoptimized "${by_default[@]}"
lacks all/Debug "${by_default[@]}"
