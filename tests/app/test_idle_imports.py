"""What a server that has nothing to do keeps in memory."""

from __future__ import annotations

import subprocess
import sys

_IMPORTS = """
import importlib, pkgutil, sys
import registry.app
for module in pkgutil.iter_modules(registry.app.__path__, "registry.app."):
    importlib.import_module(module.name)
print(*sys.modules)
"""


def test_no_library_of_models_is_loaded_outside_a_jail() -> None:
    """They are core dependencies, for jails alone: together they take half as much as a server."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "registry" in loaded
    assert loaded & {"numpy", "onnx", "onnxruntime", "ml_dtypes"} == set()
