#!/usr/bin/env bash
# Everything that is checked without running the tests. Stops at the first check that fails.
# Usage: check.sh group ...   (groups: code, proto, wheel)
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

check() { # what, then the command
    echo "-- $1"
    "${@:2}"
}

code() {
    check "format" ruff format --check --quiet .
    check "lint" ruff check --quiet .
    check "types" mypy
    check "import layers" lint-imports --no-logo
}

proto() {
    check "schema lint" buf lint proto
    check "schema format" buf format --diff --exit-code proto
    check "schema compatibility" .ci/breaking.sh
    check "generated code" .ci/proto.sh --check
}

wheel() {
    check "wheel in an empty environment" .ci/wheel.sh
}

for group in "$@"; do
    "$group"
done
