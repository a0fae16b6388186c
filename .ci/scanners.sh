#!/usr/bin/env bash
# Bring the environments of the scanners that vetting is measured beside to what
# benchmarks/scanners/*.lock say. One for each, with nothing of Hallmark in it: they want different
# versions of numpy, and what a scanner says depends on what is installed beside it. Where a lock did
# not change, nothing is done.
# Usage: [SCANNERS=.venv-scanners] [PYTHON=.venv-bench/bin/python] scanners.sh
set -euo pipefail
cd "$(dirname "$0")/.."

for lock in benchmarks/scanners/*.lock; do
    venv=${SCANNERS:-.venv-scanners}/$(basename "$lock" .lock)
    state=$(sha256sum <"$lock")
    [ "$(cat "$venv/.locked" 2>/dev/null)" = "$state" ] && continue
    echo "Installing into $venv"
    "${PYTHON:-.venv-bench/bin/python}" -m venv --clear "$venv"
    pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
    "${pip[@]}" install --require-hashes --only-binary :all: --requirement "$lock"
    "${pip[@]}" check
    printf '%s\n' "$state" >"$venv/.locked"
done
