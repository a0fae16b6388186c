#!/usr/bin/env bash
# Build the wheel, install it with the locked core and nothing else in an empty environment away
# from the checkout, and use it there.
set -euo pipefail
cd "$(dirname "$0")/.."
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
pip=(-m pip --quiet --disable-pip-version-check --no-input)

.venv/bin/python "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$away" .
.venv/bin/python .ci/locked.py >"$away/core.txt"
.venv/bin/python -m venv "$away/venv"
"$away/venv/bin/python" "${pip[@]}" install --require-hashes --requirement "$away/core.txt"
"$away/venv/bin/python" "${pip[@]}" install --no-deps "$away"/*.whl
"$away/venv/bin/python" "${pip[@]}" check

cp .ci/import_all.py "$away"
cd "$away"
env --ignore-environment PATH=/usr/bin:/bin venv/bin/python -P -W error \
    -W ignore::DeprecationWarning:ldap3.utils.asn1 import_all.py  # asks pyasn1 for old names
env --ignore-environment PATH=/usr/bin:/bin HOME="$away" venv/bin/hallmark --help >/dev/null
# The policy files come with the wheel, and tables of what the listed releases of Triton know.
env --ignore-environment PATH=/usr/bin:/bin HOME="$away" venv/bin/hallmark policy test >/dev/null
env --ignore-environment PATH=/usr/bin:/bin HOME="$away" venv/bin/python -P -c '
from registry.serving.config_fields import is_known
from registry.serving.releases import shipped_releases
from registry.serving.runtimes import runtime

for release in shipped_releases().values():
    assert runtime(release.onnxruntime).knows("", "Relu", 13), release
    assert is_known("ModelConfig", "name", release.server), release
'
