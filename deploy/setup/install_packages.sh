#!/usr/bin/env bash
# install_packages.sh GROUP...   (build run test full; see packages.txt)
# Installs those of the groups' Debian packages that are missing. Needs root or sudo only then.
set -euo pipefail
here=$(dirname "$(realpath "$0")")

wanted=()
for group in "$@"; do
  found=
  while IFS= read -r line; do
    line=${line%%#*}
    case $line in
      "[$group]") found=yes reading=yes ;;
      "["*) reading= ;;
      ?*) [ -z "${reading:-}" ] || wanted+=("$line") ;;
    esac
  done <"$here/packages.txt"
  reading=
  [ -n "$found" ] || { echo "install_packages: no group \"$group\" in packages.txt" >&2; exit 2; }
done

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
    missing+=("$package")
done
# Node may have come from elsewhere than Debian; that one serves as well.
if command -v node >/dev/null && command -v npm >/dev/null; then
  kept=()
  for package in "${missing[@]}"; do
    case $package in nodejs | npm) ;; *) kept+=("$package") ;; esac
  done
  missing=("${kept[@]}")
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "install_packages: run as root once, or install by hand: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
