#!/usr/bin/env bash
# Generate registry/v1 from proto/registry/v1: messages, stubs and their types.
# Usage: proto.sh [--check]   (--check: change nothing, fail where the committed code is stale)
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

python -m grpc_tools.protoc --proto_path=proto \
    --python_out="$fresh" --grpc_python_out="$fresh" \
    --mypy_out=quiet:"$fresh" --mypy_grpc_out=quiet:"$fresh" \
    $(cd proto && find registry -name '*.proto' | sort)
# Comments become docstrings unescaped, so a backslash in a comment breaks the stubs.
PYTHONWARNINGS=error python -m compileall -q "$fresh"
find "$fresh" -name __pycache__ -exec rm -r {} +

if [ "${1:-}" = --check ]; then
    if ! diff --recursive --brief --exclude=__init__.py --exclude=__pycache__ registry/v1 "$fresh/registry/v1"; then
        echo "registry/v1 is not what proto/registry/v1 says; run \`make proto\` and commit the result." >&2
        exit 1
    fi
else
    rm -f registry/v1/*_pb2*
    cp "$fresh"/registry/v1/* registry/v1/
fi
