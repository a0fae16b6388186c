"""Models that the onnx library tests runtimes with: what a bare session loads and runs with a
case's own inputs is never called not ready."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from registry.domain.readiness import Point, Readiness, readiness_of
from registry.jail.memory import PeakMemory
from registry.serving.assessing import weighed
from registry.serving.models import RootName
from registry.serving.reading import Reader
from registry.serving.releases import Release
from registry.serving.running import run
from registry.serving.runtimes import runtime
from registry.serving.session import VERSION
from registry.testing.bare_session import is_served
from registry.testing.onnx_cases import Case, cases_of_nodes, cases_on_disk

#: One for all, since it holds a file open.
_PEAK = PeakMemory()
NODE_CASES = 200


def _cases_of_nodes() -> Iterator[Case]:
    return cases_of_nodes(NODE_CASES)


def _assessed(case: Case, folder: Path) -> Sequence[Point]:
    """What the graph and the dry run tell, in this process, since cases are many and vouched for.

    Rules of configurations are left out: Triton takes no axis of 0, which a session does."""
    (folder / "model.onnx").write_bytes(case.model)
    release = Release(name="26.10", onnxruntime=VERSION, source="here")
    root = RootName(name="m", is_folder=True)
    (report,) = Reader([release], {VERSION: runtime(VERSION)}, root).reports(str(folder))
    (model,) = report.models
    assert model.signature is not None, case.name
    (ran,) = run(report, str(folder), "", root, _PEAK).models
    points = weighed(report, report, [ran]).all_points()
    return [each for each in points if each.rule.startswith(("GRAPH-", "RUN-"))]


@pytest.mark.slow
@pytest.mark.parametrize("cases", [cases_on_disk, _cases_of_nodes], ids=["disk", "nodes"])
def test_what_is_served_is_never_called_not_ready(cases: Any, tmp_path: Path) -> None:
    """And most of what is not served is."""
    told = [
        (case, is_served(case.model, case.inputs), _assessed(case, tmp_path)) for case in cases()
    ]
    wrong = [
        (case.name, [each.message for each in points])
        for case, is_bare_served, points in told
        if is_bare_served and readiness_of(points) is Readiness.NOT_READY
    ]
    assert wrong == []
    served = [readiness_of(points) for _, is_bare_served, points in told if is_bare_served]
    assert len(served) > 100
    assert served.count(Readiness.READY) > len(served) / 2
    refused = [readiness_of(points) for _, is_bare_served, points in told if not is_bare_served]
    assert refused.count(Readiness.READY) == 0
