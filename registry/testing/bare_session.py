"""A session of ONNX Runtime with nothing of ours around it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime


def is_served(model: bytes, inputs: Sequence[Any] | None) -> bool:
    """Whether it loads the model, and runs with these inputs in the order of the model's, if there
    are some."""
    try:
        session = _session(model)
        if inputs is not None:
            names = [each.name for each in session.get_inputs()]
            session.run(None, dict(zip(names, inputs, strict=True)))
    except Exception:  # noqa: BLE001 - its errors are many classes, and each says no
        return False
    return True


def run(path: str, feeds: Sequence[Mapping[str, Any]]) -> None:
    """Loads the model at a path, and runs it with each of these inputs; raises what ONNX Runtime
    does where it cannot."""
    session = _session(path)
    for each in feeds:
        session.run(None, dict(each))


def _session(model: bytes | str) -> Any:
    """Of a message, or of the file at a path."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], enable_fallback=False
    )
