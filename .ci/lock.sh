#!/usr/bin/env bash
# Resolve requirements.lock anew from pyproject.toml: every extra, every platform, with hashes; and the
# locks of the scanners that vetting is measured beside and of the tests' Triton likewise.
# Pins that still fit are kept; UPGRADE=1 moves all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .venv/bin/uv ] || .ci/setup.sh dev

resolve() { # the lock, then what it is made from
    .venv/bin/uv pip compile --quiet --universal --generate-hashes \
        --no-header ${UPGRADE:+--upgrade} --output-file "$@"
    if grep --line-number '://\|^--' "$1" | grep -v '^\S*\s*--hash'; then
        echo "$1 names an index or a location; it must hold names and hashes only." >&2
        exit 1
    fi
}

resolve requirements.lock --all-extras --group build pyproject.toml
resolve .ci/triton.lock --no-deps --python-version 3.11 .ci/triton.in
for asked in benchmarks/scanners/*.in; do
    resolve "${asked%.in}.lock" --python-version 3.11 "$asked"
done
