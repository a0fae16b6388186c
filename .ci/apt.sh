#!/usr/bin/env bash
# Make sure that the named Debian packages are installed: through apt as root or with sudo,
# elsewhere by saying what to install.
# Usage: apt.sh package ...   (none: those of apt-packages.txt)
set -euo pipefail
cd "$(dirname "$0")"

wanted=("$@")
if [ ${#wanted[@]} -eq 0 ]; then
    mapfile -t wanted < <(grep -v '^\s*$' apt-packages.txt)
fi

missing=()
for package in "${wanted[@]}"; do
    if ! dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed$'; then
        missing+=("$package")
    fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

fail() {
    echo "Missing system packages: ${missing[*]}. $1" >&2
    echo "Install what provides them on this system (on Debian: apt-get install ${missing[*]})," >&2
    echo "then run the command again." >&2
    exit 1
}

command -v apt-get >/dev/null || fail "There is no apt-get here."
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "Installing them needs root, and there is no sudo here."
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)
    "${as_root[@]}" true || fail "Installing them needs root, and sudo refused."
fi
echo "Installing system packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq </dev/null
# Tests start servers of their own. Nothing of what is installed is to serve by itself, nor slapd to
# make a directory and ask for its password.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
echo 'slapd slapd/no_configuration boolean true' | "${as_root[@]}" debconf-set-selections
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" </dev/null
