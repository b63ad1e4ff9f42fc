#!/usr/bin/env bash
# Changes a library of two functions in thirteen ways, and scripts/abi refuses those that break programs. Usage: abi_test.sh
# SOURCE_FOLDER
set -euo pipefail
abi=$1/scripts/abi
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir -p "$work/include/small"

cat >"$work/include/small/small.h" <<'C'
#include <stddef.h>
#include <stdint.h>
typedef struct small small_t;
struct small_options {
  size_t size;
#ifndef MEMBER_REMOVED
  const char* name;
#endif
#ifdef MEMBER_WIDER /* where there was padding, so that nothing else moves */
  uint64_t lanes;
#else
  uint32_t lanes;
#endif
#ifdef MEMBER_IN_THE_MIDDLE
  void* user;
#endif
#ifdef CALLBACK_OF_ANOTHER_TYPE
  void (*log)(long level, const char* message);
#else
  void (*log)(int level, const char* message);
#endif
#ifdef MEMBER_AT_THE_END
  void* user;
#endif
};
struct small_point { /* without a size of its own */
  int x;
  int y;
#ifdef MEMBER_AT_THE_END_OF_WHAT_HAS_NO_SIZE
  int z;
#endif
};
int small_open(small_t** out, const struct small_options* options);
#ifdef PARAMETER
int small_move(small_t* s, struct small_point by, int fast);
#else
int small_move(small_t* s, struct small_point by);
#endif
int small_more(small_t* s);
C
cat >"$work/small.c" <<'C'
#include <small/small.h>
struct small {
  int secret;
#ifdef SECRET_CHANGED
  long another;
#endif
};
int small_open(small_t** out, const struct small_options* options) { return out && options ? 0 : -1; }
#ifdef PARAMETER
int small_move(small_t* s, struct small_point by, int fast) { return s ? by.x + fast : -1; }
#elif !defined FUNCTION_REMOVED
int small_move(small_t* s, struct small_point by) { return s ? by.x : -1; }
#endif
#ifdef FUNCTION_ADDED
int small_more(small_t* s) { return s ? s->secret : -1; }
#endif
C

build() { # CHANGE SONAME
  cc -g -shared -fPIC -I"$work/include" -D"$1" "$work/small.c" -Wl,-soname,"$2" -o "$work/$1.so"
}
small() { # check|update CHANGE
  "$abi" "$1" "$work/$2.so" --reference "$work/small.abi" --headers "$work/include" >"$work/log" 2>&1
}
fail() {
  echo "abi_test.sh: $*" >&2
  cat "$work/log" >&2
  exit 1
}
passes() {
  build "$1" libsmall.so.0
  small check "$1" || fail "$1 was refused"
}
is_refused() { # CHANGE WORDS [SONAME]
  build "$1" "${3:-libsmall.so.0}"
  if small check "$1"; then fail "$1 was let pass"; fi
  grep -qF -e "$2" "$work/log" || fail "$1 was refused without the words '$2'"
}

build NOTHING libsmall.so.0
small update NOTHING || fail "no reference was written"
passes NOTHING
passes FUNCTION_ADDED
passes MEMBER_AT_THE_END
passes SECRET_CHANGED
is_refused FUNCTION_REMOVED small_move
is_refused PARAMETER small_move
is_refused MEMBER_REMOVED '1 data member deletion'
is_refused MEMBER_WIDER lanes
is_refused MEMBER_IN_THE_MIDDLE user
is_refused CALLBACK_OF_ANOTHER_TYPE log
is_refused MEMBER_AT_THE_END_OF_WHAT_HAS_NO_SIZE small_point
is_refused ANOTHER_SONAME libsmall.so.1 libsmall.so.1
strip -o "$work/STRIPPED.so" "$work/NOTHING.so"
if small check STRIPPED; then fail "a library without debug information was let pass"; fi
echo "4 changes passed, 9 were refused"
