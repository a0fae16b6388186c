#!/usr/bin/env bash
# Bring the environment of the tests' Triton to what .ci/triton.lock says: the server itself, and the
# ONNX Runtime and numpy of the Python that it starts for a model. One of its own, since that Python
# wants an older numpy than Hallmark. When the lock did not change, nothing is done.
# Usage: [TRITON=.venv-triton] [TRITON_PYTHON=/usr/bin/python3.11] triton.sh
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${TRITON:-.venv-triton}
lock=.ci/triton.lock
state=$(sha256sum <"$lock")
[ "$(cat "$venv/.locked" 2>/dev/null)" = "$state" ] && exit 0

# numpy below 2 has no wheels for 3.13. The system's comes first: one below somebody's home cannot be
# read by the account that a server of root's is started for.
suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null
}

find_python() {
    local candidates=${TRITON_PYTHON:-/usr/bin/python3.11 /usr/bin/python3.12 python3.11 python3.12}
    for candidate in $candidates; do
        if suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or 3.12 found for the tests' Triton (tried: $candidates)." >&2
    echo "Install one, or name it: make test TRITON_PYTHON=/path/to/python" >&2
    return 1
}

python=$(find_python)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Debian ships the interpreter without what a virtual environment needs, and without the library.
needed=()
"$python" -c 'import ensurepip' 2>/dev/null || needed+=("python$version-venv")
"$python" -c "import ctypes, sysconfig
try:
    ctypes.CDLL('libpython$version.so.1.0')
except OSError:
    ctypes.CDLL(sysconfig.get_config_var('LIBDIR') + '/libpython$version.so.1.0')
" 2>/dev/null || needed+=("libpython$version")
[ ${#needed[@]} -eq 0 ] || .ci/apt.sh "${needed[@]}"

echo "Installing into $venv"
"$python" -m venv --clear "$venv"
# Without dependencies: the server needs none of its wrapper's, ONNX Runtime only numpy to run. So
# there is no `pip check` either; that it works is seen by the tests.
"$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input \
    install --no-deps --require-hashes --only-binary :all: --requirement "$lock"
printf '%s\n' "$state" >"$venv/.locked"
