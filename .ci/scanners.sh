#!/usr/bin/env bash
# Bring an environment of the scanners that vetting is measured beside to what
# benchmarks/scanners.lock says. Nothing of Hallmark is in it: what a scanner says depends on what
# is installed beside it. When the lock did not change, nothing is done.
# Usage: [SCANNERS=.venv-scanners] [PYTHON=.venv-bench/bin/python] scanners.sh
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${SCANNERS:-.venv-scanners}
stamp=$venv/.locked
lock=benchmarks/scanners.lock

state=$(sha256sum <"$lock")
[ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && exit 0

echo "Installing into $venv: picklescan, modelscan, modelaudit"
"${PYTHON:-.venv-bench/bin/python}" -m venv --clear "$venv"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
"${pip[@]}" install --require-hashes --only-binary :all: --requirement "$lock"
"${pip[@]}" check
printf '%s\n' "$state" >"$stamp"
