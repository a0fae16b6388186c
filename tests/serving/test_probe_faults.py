"""What servers say, and whose fault that is: by status and text, without a server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from registry.domain.readiness import Weight
from registry.serving.probe_faults import Stage, fault_of, reason
from registry.serving.probe_loading import TINY
from registry.serving.probe_target import ProbeTarget

#: Nobody listens there.
NOBODY = ProbeTarget(host="127.0.0.1", port=9)
FAILED = "load failed for model 'hallmark-probe-0': version 1 is at UNAVAILABLE state: "


@pytest.mark.parametrize(
    ("stage", "status", "message", "rule", "weight"),
    [
        (Stage.ASK, "UNAVAILABLE", "Connection refused", "PROBE-1", Weight.DOUBTS),
        (Stage.ASK, "UNIMPLEMENTED", "", "PROBE-1", Weight.DOUBTS),
        (Stage.ASK, "DEADLINE_EXCEEDED", "Deadline Exceeded", "PROBE-8", Weight.DOUBTS),
        (
            *(Stage.LOAD, "UNAVAILABLE", "This protocol is restricted, expecting header 'x'"),
            *("PROBE-3", Weight.DOUBTS),
        ),
        (Stage.LOAD, "PERMISSION_DENIED", "RBAC: access denied", "PROBE-3", Weight.DOUBTS),
        (Stage.LOAD, "UNAUTHENTICATED", "no token", "PROBE-3", Weight.DOUBTS),
        (
            *(Stage.LOAD, "UNAVAILABLE", "explicit model load / unload is not allowed if polling"),
            *("PROBE-5", Weight.DOUBTS),
        ),
        (
            *(Stage.LOAD, "INTERNAL", "failed to load 'm', failed to poll from model repository"),
            *("PROBE-11", Weight.BLOCKS),
        ),
        (Stage.LOAD, "INVALID_ARGUMENT", f"{FAILED}bad node", "PROBE-12", Weight.BLOCKS),
        (
            *(Stage.LOAD, "INVALID_ARGUMENT", f"{FAILED}CUDA failure 2: out of memory"),
            *("PROBE-7", Weight.DOUBTS),
        ),
        (Stage.LOAD, "INTERNAL", f"{FAILED}std::bad_alloc", "PROBE-7", Weight.DOUBTS),
        (Stage.LOAD, "INTERNAL", "write: No space left on device", "PROBE-7", Weight.DOUBTS),
        (
            *(Stage.LOAD, "RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)"),
            *("PROBE-9", Weight.DOUBTS),
        ),
        (Stage.LOAD, "UNAVAILABLE", "Socket closed", "PROBE-8", Weight.DOUBTS),
        (Stage.LOAD, "UNAVAILABLE", "Server not ready", "PROBE-4", Weight.DOUBTS),
        (
            *(Stage.INFER, "UNAVAILABLE", "Server is stopping, scheduler for model has stopped"),
            *("PROBE-4", Weight.DOUBTS),
        ),
        (
            *(
                Stage.LOAD,
                "INVALID_ARGUMENT",
                f"{FAILED}m has kind KIND_GPU but no GPUs are available",
            ),
            *("PROBE-7", Weight.DOUBTS),
        ),
        (Stage.INFER, "CANCELLED", "", "PROBE-8", Weight.DOUBTS),
        (
            *(Stage.INFER, "INTERNAL", "Failed to allocate memory for requested buffer of size 9"),
            *("PROBE-7", Weight.DOUBTS),
        ),
        (Stage.INFER, "INVALID_ARGUMENT", "unexpected shape", "PROBE-13", Weight.BLOCKS),
        (Stage.UNLOAD, "INTERNAL", "whatever", "PROBE-8", Weight.DOUBTS),
    ],
)
def test_faults_are_told_apart(
    stage: Stage, status: str, message: str, rule: str, weight: Weight
) -> None:
    found = fault_of(stage, status, message, NOBODY, patience_s=1.0).point
    assert (found.rule, found.weight) == (rule, weight)
    assert found.fix


def test_a_reason_is_one_safe_line_without_what_changes() -> None:
    """Neither the throw-away name nor the folder of one time; nor the Python that told it."""
    said = (
        f"[request id: <id_unknown>] {FAILED}Internal: onnx runtime error: "
        "Load model from /tmp/folderYcXuwD/1/model.onnx failed:\x1b[2J broken.\n\n"
        "At:\n  /opt/model.py(155): refuse\n;\n"
    )
    assert reason(said) == (
        "Internal: onnx runtime error: Load model from 1/model.onnx failed:<U+001B>[2J broken."
    )
    assert len(reason("x" * 10_000)) <= 1000


def test_the_model_in_place_of_a_refused_one_is_sound(tmp_path: Path) -> None:
    """By the checker, and by ONNX Runtime."""
    onnx.checker.check_model(onnx.load_model_from_string(TINY), full_check=True)
    session = onnxruntime.InferenceSession(TINY, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.ones(1, np.float32)})
    assert found.tolist() == [1.0]
