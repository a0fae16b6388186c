#!/usr/bin/env bash
# Bring a virtual environment to what requirements.lock says, for the core and the named extras.
# Extras add up over calls; when neither lock nor project changed, nothing is done.
# Usage: [VENV=.venv] [PYTHON=python3.11] setup.sh [extra ...]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
stamp=$venv/.locked

suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python from 3.11 up to 3.13 found (tried: ${PYTHON:-python3.11 python3.12 python3.13 python3})." >&2
    echo "Install one, or name it: make setup PYTHON=/path/to/python" >&2
    return 1
}

if ! suitable "$venv/bin/python"; then
    python=$(find_python)
    # Debian ships the interpreter without what a virtual environment needs.
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        .ci/apt.sh "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    fi
    "$python" -m venv --clear "$venv"
fi

extras=$(printf '%s\n' "$@" $(sed 1d "$stamp" 2>/dev/null) | sort -u | sed '/^$/d')
state=$(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" = "$(printf '%s\n' "$state" $extras)" ] && exit 0

echo "Installing into $venv: core" $extras
part=$(mktemp)
trap 'rm -f "$part"' EXIT
"$venv/bin/python" .ci/locked.py $extras >"$part"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
"${pip[@]}" install --require-hashes --requirement "$part"
"${pip[@]}" install --no-deps --no-build-isolation --editable .
"${pip[@]}" check
printf '%s\n' "$state" $extras >"$stamp"
