"""Configurations that we generate load on a real Triton, and the models answer as they should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.domain.readiness import Readiness
from registry.serving.assessing import assess
from registry.serving.releases import shipped_releases
from registry.testing.triton import RELEASE, TritonServer
from registry.testing.triton_pairs.backend_models import (
    BACKEND_MODELS,
    check_answer,
    name_of,
    read_case,
)

#: Models in a server at once.
WAVE = 10


@pytest.fixture(scope="module")
def server() -> Iterator[TritonServer]:
    with TritonServer() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(BACKEND_MODELS), WAVE))
def test_generated_configs_load_and_infer(start: int, server: TritonServer, tmp_path: Path) -> None:
    """Of fifty of onnx's own models, none of which comes with one."""
    cases = {name_of(path): read_case(path) for path in BACKEND_MODELS[start : start + WAVE]}
    for name, case in cases.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.onnx").write_bytes(case.model)
    (report,) = assess(tmp_path, [shipped_releases()[RELEASE]], name="repository", run=False)
    assert report.readiness is not Readiness.NOT_READY, report.all_points()
    made = {model.name: model for model in report.models}
    assert made.keys() == cases.keys()
    assert all(model.is_config_generated for model in made.values())
    files = {f"{name}/1/model.onnx": case.model for name, case in cases.items()}
    files |= {f"{name}/config.pbtxt": made[name].config.encode() for name in cases}
    server.put(files)
    try:
        found = server.load_many(list(cases))
        assert {name: each.told for name, each in found.items() if not each.accepted} == {}
        for name, case in cases.items():
            check_answer(server, name, case)
    finally:
        server.unload_all()
