"""ONNX Runtime as it is installed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.serving.session import SessionError


@pytest.mark.slow
def test_it_writes_nothing_at_home_and_calls_nobody(tmp_path: Path) -> None:
    """As it is built it would do both: it is told not to before it is imported."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run(
        [sys.executable, "-c", "from registry.serving.session import warm_up; warm_up()"],
        env=environment,
        check=True,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "subject", "text"),
    [
        (
            (
                "[ONNXRuntimeError] : 1 : FAIL : Load model from /a/m.onnx failed:Node (mul) Op "
                "(MatMul) [ShapeInferenceError] Incompatible dimensions"
            ),
            "node 'mul' (MatMul)",
            "Node (mul) Op (MatMul) [ShapeInferenceError] Incompatible dimensions",
        ),
        (
            (
                "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for "
                "Relu(14) node with name 'r'"
            ),
            "node 'r' (Relu)",
            "Could not find an implementation for Relu(14) node with name 'r'",
        ),
        (
            (
                "[ONNXRuntimeError] : 1 : FAIL : Load model from m failed:"
                "/onnxruntime_src/onnxruntime/core/graph/model.cc:256 onnxruntime::Model::Model("
                "onnx::ModelProto&&, const int*) Unsupported model IR version: 14"
            ),
            "the model",
            "Unsupported model IR version: 14",
        ),
        ("no such thing", "the model", "no such thing"),
    ],
)
def test_an_error_says_what_it_is_about(said: str, subject: str, text: str) -> None:
    """Without where it was compiled, and where the file lies meanwhile."""
    error = SessionError(said)
    assert (error.subject, str(error)) == (subject, text)
