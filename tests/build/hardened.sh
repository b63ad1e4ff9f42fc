#!/usr/bin/env bash
# Names the protections that programs or shared objects lack, and exits with 1 if there are any. Usage: hardened.sh FILE...
# [--nothing-to-fortify FILE...], where the latter copy nothing whose bounds the compiler does not know.
set -euo pipefail
lacking=0 fortify=1

lacks() { # FILE WHAT
  echo "$1 lacks: $2" >&2
  lacking=1
}
for file in "$@"; do
  if [ "$file" = --nothing-to-fortify ]; then
    fortify=0
    continue
  fi
  header=$(readelf -hW "$file")
  segments=$(readelf -lW "$file")
  dynamic=$(readelf -dW "$file")
  symbols=$(readelf -sW --dyn-syms "$file")

  grep -q 'Type: *DYN' <<<"$header" || lacks "$file" "an address that changes from run to run (PIE, -fPIC)"
  grep -q GNU_RELRO <<<"$segments" || lacks "$file" "relocations that are read-only once they are done (-z relro)"
  grep -qE 'FLAGS.*(BIND_NOW|NOW)' <<<"$dynamic" || lacks "$file" "relocations that are done at the start (-z now)"
  grep -qE 'GNU_STACK.* RW ' <<<"$segments" || lacks "$file" "a stack that is not executable (-z noexecstack)"
  grep -q __stack_chk_fail <<<"$symbols" || lacks "$file" "the stack protector (-fstack-protector-strong)"
  [ $fortify -eq 0 ] || grep -qE '__[a-z]+_chk(@|$)' <<<"$symbols" || lacks "$file" "checked copies (_FORTIFY_SOURCE)"
  grep -q __glibcxx_assert_fail <<<"$symbols" || lacks "$file" "the C++ library's assertions (_GLIBCXX_ASSERTIONS)"
  # CET shows in its instructions. The linker marks a file where all objects are marked, and the start files of Debian's C
  # library are not. The start files of the compiler have two of the instructions.
  if grep -qE 'Machine:.*X86-64' <<<"$header"; then
    [ "$(objdump -d --no-show-raw-insn "$file" | grep -c 'endbr64')" -gt 2 ] ||
      lacks "$file" "places that indirect calls may go to (-fcf-protection)"
  fi
done
exit $lacking
