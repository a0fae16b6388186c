"""Our verdict on each recorded pair is that of a real Triton, and names the cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.domain.readiness import ModelReport, Readiness, Report, Weight
from registry.jail.memory import PeakMemory
from registry.serving.assessing import weighed
from registry.serving.models import RootName
from registry.serving.reading import Reader
from registry.serving.releases import Release, shipped_releases
from registry.serving.running import run
from registry.serving.runtimes import runtime
from registry.serving.session import VERSION
from registry.testing.triton_pairs import Pair
from registry.testing.triton_pairs.table import PAIRS

#: Of the server that the pairs were recorded of.
RELEASE = "24.10"
ROOT = RootName(name="repository", is_folder=True)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_our_verdict_is_the_servers(pair: Pair, tmp_path: Path) -> None:
    report = assessed(pair, tmp_path)
    points = [(each.rule, each.weight.value, each.message) for each in report.all_points()]
    assert report.readiness is expected(pair), points
    if pair.rule is None:
        return
    wanted = Weight.DOUBTS if pair.depends_on else Weight.BLOCKS
    rules = {each.rule for each in report.all_points() if each.weight is wanted}
    assert any(rule == pair.rule or rule.startswith(f"{pair.rule}-") for rule in rules), points


def expected(pair: Pair) -> Readiness:
    if pair.depends_on:
        return Readiness.UNKNOWN
    is_served = pair.is_accepted and not pair.fails_in_use
    return Readiness.READY if is_served else Readiness.NOT_READY


def assessed(pair: Pair, folder: Path) -> Report:
    """As `assess` would, in this process, since the models are our own."""
    for path, content in pair.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(content)
    asked = shipped_releases()[RELEASE]
    here = Release(name="0", onnxruntime=VERSION, source="")
    runtimes = {each: runtime(each) for each in (asked.onnxruntime, VERSION)}
    report, own = Reader([asked, here], runtimes, ROOT).reports(str(folder))
    ran = [_run(own, each, folder) for each in own.models]
    return _of_loaded(pair, weighed(report, own, ran))


def _run(report: Report, model: ModelReport, folder: Path) -> ModelReport | None:
    if model.signature is None:
        return None
    asked = Report(release=report.release, onnxruntime=report.onnxruntime, models=(model,))
    (ran,) = run(asked, str(folder), "", ROOT, PeakMemory()).models
    return ran


def _of_loaded(pair: Pair, report: Report) -> Report:
    """Of the model that is loaded, and of those that it calls where it is an ensemble: what is
    wrong with others beside it is nothing to the server."""
    (loaded,) = (each for each in report.models if each.name == pair.name) or (None,)
    assert loaded is not None, report
    models = report.models if loaded.backend == "ensemble" else (loaded,)
    return Report(
        release=report.release,
        onnxruntime=report.onnxruntime,
        models=models,
        points=report.points,
    )
