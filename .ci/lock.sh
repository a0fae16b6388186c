#!/usr/bin/env bash
# Resolve requirements.lock anew from pyproject.toml: every extra, every platform, with hashes.
# Pins that still fit are kept; UPGRADE=1 moves all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .venv/bin/uv ] || .ci/setup.sh dev
.venv/bin/uv pip compile --quiet --universal --generate-hashes --all-extras --group build \
    --no-header ${UPGRADE:+--upgrade} --output-file requirements.lock pyproject.toml
if grep --line-number '://\|^--' requirements.lock | grep -v '^\S*\s*--hash'; then
    echo "requirements.lock names an index or a location; it must hold names and hashes only." >&2
    exit 1
fi
