#!/usr/bin/env bash
# The example of an AppArmor profile is one that apparmor_parser takes, and each program in it is executed with ix. A
# process that may gain no privileges (NoNewPrivileges=yes, handoff-unpack) is refused any other profile; in capitals
# (Px, PUx, ...) a transition makes the kernel mark a service (AT_SECURE), in which libhandoff believes no supervisor.
#
#   apparmor_test.sh SOURCE
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
profile=$1/contrib/apparmor/handoff
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

command -v apparmor_parser >/dev/null || {
  echo "apparmor_test.sh: there is no apparmor_parser: scripts/deps test" >&2
  exit 1
}
# Neither loaded into the kernel nor put into a cache.
parse() { apparmor_parser --skip-kernel-load --skip-cache "$1"; }
# Rules that execute by another transition than ix: px, Cx, PUx, pix, ux, ..., also after other rights (mrpx).
leaves() { grep -nE '^[^#]*[[:space:]][rwmkla]*([pPcCuU]|[pPcC][iuU])x([[:space:]]|,)' "$1"; }

parse "$profile"
if leaves "$profile"; then
  echo "apparmor_test.sh: these rules leave the profile: write ix" >&2
  exit 1
fi
if ! grep -qE '[[:space:]]/memfd:\* mrix,' "$profile"; then
  echo "apparmor_test.sh: what is verified is executed from /memfd:*, which needs a rule" >&2
  exit 1
fi

# Both see a mistake.
sed 's/^  unix,$/  unix/' "$profile" >"$folder/broken"
if parse "$folder/broken" 2>/dev/null; then
  echo "apparmor_test.sh: a broken profile was taken" >&2
  exit 1
fi
for transition in px Px cx Cx ux Ux pix Pix cix Cix pux PUx cux CUx; do
  sed "s/^  \/memfd:\* mrix,\$/  \/memfd:* mr$transition,/" "$profile" >"$folder/leaves"
  parse "$folder/leaves"
  leaves "$folder/leaves" >/dev/null || {
    echo "apparmor_test.sh: $transition leaves the profile, and was not seen" >&2
    exit 1
  }
done
