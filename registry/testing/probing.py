"""What tests of the probe share: a model that loads soon, and a short way to probe it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from registry.domain.readiness import ProbeResult, TritonRelease
from registry.serving.candidates import Candidate, Case, Tensor
from registry.serving.probe import probe
from registry.serving.probe_client import Client
from registry.serving.probe_target import ProbeTarget, parse_url
from registry.testing.triton import RELEASE, TritonServer

NOW_S = 1_800_000_000
SAME = TritonRelease(name=RELEASE, server="2.51.0", onnxruntime="1.19.2")
#: Of Triton's Python backend, which starts sooner than ONNX Runtime: it answers what it is asked.
PYTHON = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        {initialize}

    def execute(self, requests):
        {execute}
        given = [pb_utils.get_input_tensor_by_name(each, "x").as_numpy() for each in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", each)]) for each in given]
"""


def target_of(server: TritonServer, **changes: Any) -> ProbeTarget:
    host, port, is_tls = parse_url(f"grpc://{server.grpc_address}")
    target = ProbeTarget(host=host, port=port, is_tls=is_tls)
    return replace(target, **changes)


def python_model(tmp_path: Path, *, initialize: str = "pass", execute: str = "pass") -> Candidate:
    """With a statement at the beginning of each of its methods."""
    path = tmp_path / "model.py"
    path.write_text(PYTHON.format(initialize=initialize, execute=execute))
    ones = Tensor(dtype="FLOAT", array=np.ones((1, 4), np.float32))
    return Candidate(
        name="m",
        config={
            "backend": "python",
            "max_batch_size": 8,
            "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
            "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [4]}],
            "instance_group": [{"kind": "KIND_CPU", "count": 1}],
        },
        files={"1/model.py": path},
        cases=[Case(name="ones", inputs={"x": ones}, outputs={"y": ones})],
    )


def told(result: ProbeResult) -> list[tuple[str, str]]:
    """Rules and weights of its points."""
    return [(each.rule, each.weight.value) for each in result.points]


def probed(target: ProbeTarget, *models: Candidate, release: TritonRelease = SAME) -> ProbeResult:
    return probe(target, models, release, now_s=NOW_S)


def names_on(server: TritonServer) -> set[str]:
    with Client(target_of(server)) as client:
        return client.names()


def is_ready(server: TritonServer) -> bool:
    with Client(target_of(server)) as client:
        return client.is_ready()
