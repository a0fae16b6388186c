"""What a server that has nothing to do keeps in memory."""

from __future__ import annotations

import subprocess
import sys

#: What a server's processes begin with; other modules of the package are for commands.
_PROCESSES = ("registry.app.registry", "registry.app.worker", "registry.app.inspection_worker")
_IMPORTS = f"""
import importlib, sys
for name in {_PROCESSES}:
    importlib.import_module(name)
print(*sys.modules)
"""


def test_no_library_of_models_is_loaded_outside_a_jail() -> None:
    """They are core dependencies, for jails alone: together they take half as much as a server."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "registry" in loaded
    assert loaded & {"numpy", "onnx", "onnxruntime", "ml_dtypes", "tritonclient"} == set()
