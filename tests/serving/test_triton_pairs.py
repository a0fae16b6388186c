"""Our verdict on each recorded pair is that of a real Triton, and names the cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.domain.readiness import ModelReport, Point, Readiness, Report, Signature, Weight
from registry.jail.memory import PeakMemory
from registry.serving.assessing import weighed
from registry.serving.models import RootName
from registry.serving.reading import Reader
from registry.serving.releases import Release, shipped_releases
from registry.serving.running import run
from registry.serving.runtimes import runtime
from registry.serving.session import VERSION
from registry.testing.triton_pairs import Pair
from registry.testing.triton_pairs.rules import RULES
from registry.testing.triton_pairs.table import PAIRS

#: Of the server that the pairs were recorded of.
#: One for all, since it holds a file open.
_PEAK = PeakMemory()
RELEASE = "24.10"
ROOT = RootName(name="repository", is_folder=True)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_our_verdict_is_the_servers(pair: Pair, tmp_path: Path) -> None:
    report = assessed(pair, tmp_path)
    points = [(each.rule, each.weight.value, each.message) for each in report.all_points()]
    is_served = pair.is_accepted and not pair.fails_in_use
    if pair.depends_on:
        assert report.readiness is not Readiness.NOT_READY, points
    else:
        expected = Readiness.READY if is_served else Readiness.NOT_READY
        assert (report.readiness is expected) is not bool(pair.apart), points
    if pair.name in RULES:
        named = {each.rule for each in report.all_points() if is_cause(pair, each)}
        assert RULES[pair.name] in named, points


def test_each_cause_has_a_rule() -> None:
    """Of what is refused, what fails in use, and what takes another server."""
    wrong = {
        pair.name
        for pair in PAIRS
        if not pair.apart and (not pair.is_accepted or pair.fails_in_use or pair.depends_on)
    }
    named = {pair.name for pair in PAIRS if pair.apart and pair.name in RULES}
    assert RULES.keys() - named == wrong


def is_cause(pair: Pair, point: Point) -> bool:
    return bool(pair.depends_on) or point.weight is Weight.BLOCKS


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
    reader = Reader([asked, here], runtimes, ROOT)
    _, own = reader.reports(str(folder))
    ran = [_run(own, each, folder) for each in own.models]
    report, own = reader.reports(str(folder), [_signature(each) for each in ran])
    return _of_loaded(pair, weighed(report, own, ran))


def _signature(ran: ModelReport | None) -> Signature | None:
    is_told = ran is not None and "RUN-1" not in {each.rule for each in ran.points}
    return ran.signature if ran is not None and is_told else None


def _run(report: Report, model: ModelReport, folder: Path) -> ModelReport | None:
    if model.signature is None:
        return None
    asked = Report(release=report.release, onnxruntime=report.onnxruntime, models=(model,))
    (ran,) = run(asked, str(folder), "", ROOT, _PEAK).models
    return ran


def _of_loaded(pair: Pair, report: Report) -> Report:
    """Of the model that is loaded, and of those that it calls where it is an ensemble: what is
    wrong with others beside it is nothing to the server."""
    models = tuple(each for each in report.models if each.name == pair.name)
    if models and models[0].backend == "ensemble":
        models = report.models
    return Report(
        release=report.release,
        onnxruntime=report.onnxruntime,
        models=models,
        points=report.points,
    )
