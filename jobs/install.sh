#!/bin/sh
# Install what is missing of jobs/packages.txt, with sudo when not root. Does nothing when all is there.
# Usage: jobs/install.sh [test|bench]      also what the tests need; what the benchmarks compare with, too
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kinds=build
case ${1:-} in test) kinds='build|test' ;; bench) kinds='build|test|bench' ;; esac

# The packages of these kinds that dpkg does not call installed.
missing=$(awk -v kinds="^($kinds)\$" '!/^#/ && $2 ~ kinds {print $1}' "$here/packages.txt" | while read -r package; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || printf ' %s' "$package"
done)
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install.sh: run as root, or install sudo. Missing:$missing" >&2; exit 1; }
  as_root=sudo
fi
echo "installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
