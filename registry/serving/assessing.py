"""All that can be told of a folder's models, for several releases of Triton, put together.

One jail reads, and its word is a report for each release. Then each model that could be read is
run, in a jail of its own: ONNX Runtime is a large library that trusts what it loads, and where it
falls what was read stands. Neither onnx nor ONNX Runtime is imported into this process.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from registry.domain.readiness import ModelReport, Point, Report, Weight, report_to_document
from registry.formats.look import Rule
from registry.jail.hearing import line_of
from registry.jail.process import JailError, Limits, Process
from registry.serving.folder_models import sizes_below
from registry.serving.points import point
from registry.serving.reports import report_of

ENDS = Rule(
    "READY-1",
    "The processes that read and run the models come to an end with them, within their limits.",
    "Push a smaller model, or one that starts sooner; if it is sound, tell the server's operator.",
)
RULES = (ENDS,)
#: A name of their own in `onnx_checks.py` and `dry_run.py`, which are not imported here.
COMPLAINTS = frozenset({"GRAPH-2", "GRAPH-3", "GRAPH-4"})
LOADS = "RUN-1"
#: Beside what Python, numpy, onnx and ONNX Runtime take, and small tensors.
_MEMORY_BYTES = 1_500_000_000
#: Of all files: a file as it was read and as a message, or the weights of a session and those that
#: it has packed anew for its kernels; and what a run adds.
_MEMORY_FACTOR = 3
_MODULE = "registry.serving.jailed"


def limits_for(size_bytes: int, *, bare: bool = False) -> Limits:
    """Of a folder with so many bytes."""
    return Limits(memory_bytes=_MEMORY_BYTES + _MEMORY_FACTOR * size_bytes, wall_s=120.0, bare=bare)


def assess(
    folder: Path,
    releases: Sequence[tuple[str, str]],
    *,
    previous: Path | None = None,
    bare: bool = False,
) -> list[Report]:
    """A report for each release, given as its version and that of its ONNX Runtime, in their order.

    `folder` holds copies of the version's files: onnx refuses files with a second name. `previous`
    is a folder of the version before, whose answers to the same inputs are compared. `bare`: also
    where this machine cannot close the jail; else NoJailError.
    """
    size_bytes = sum(sizes_below(str(folder)).values())
    setup = {
        "folder": str(folder.resolve()),
        "previous": str(previous.resolve()) if previous else "",
        "releases": [list(each) for each in releases],
    }
    limits = limits_for(size_bytes, bare=bare)
    patience_s = limits.patience_s(size_bytes)
    try:
        with Process(_MODULE, limits, {**setup, "part": "read"}) as jail:
            said = jail.ask({}, [], patience_s)
        reports = _heard(said, releases)
    except (JailError, KeyError, TypeError, ValueError) as error:
        return [_unread(version, runtime, error) for version, runtime in releases]
    ran = [
        _run(replace(reports[0], models=(model,), points=()), setup, limits, patience_s)
        if model.signature is not None
        else None
        for model in reports[0].models
    ]
    installed = importlib.metadata.version("onnxruntime")
    return [weighed(report, ran, installed) for report in reports]


def _heard(said: Mapping[str, Any], releases: Sequence[tuple[str, str]]) -> list[Report]:
    reports = [report_of(each) for each in said["reports"]]
    if [(each.release, each.onnxruntime) for each in reports] != list(releases):
        raise ValueError("found other reports than those of the releases that were asked for")
    models = {tuple((each.name, each.folder) for each in report.models) for report in reports}
    if len(models) > 1:
        raise ValueError("found other models for one release than for another")
    return reports


def _run(
    report: Report, setup: Mapping[str, Any], limits: Limits, patience_s: float
) -> ModelReport:
    """Its word on one model; a report with READY-1 alone where there is none."""
    (model,) = report.models
    try:
        with Process(_MODULE, limits, {**setup, "part": "run"}) as jail:
            said = jail.ask({"report": report_to_document(report)}, [], patience_s)
        (ran,) = report_of(said["report"]).models
    except (JailError, KeyError, TypeError, ValueError) as error:
        found = f"the dry run came to no end: {_told(error)}"
        return replace(model, points=(_no_end(found),))
    return ran


def _unread(release: str, runtime: str, error: Exception) -> Report:
    ends = _no_end(f"what reads them came to no end: {_told(error)}")
    return Report(release=release, onnxruntime=runtime, models=(), points=(ends,))


def _no_end(found: str) -> Point:
    return point(ENDS, Weight.DOUBTS, subject="the models", found=found)


def _told(error: Exception) -> str:
    said = str(error) if isinstance(error, JailError) else f"its answer has another form: {error!r}"
    return line_of(said[:300])


def weighed(report: Report, ran: Sequence[ModelReport | None], installed: str) -> Report:
    """A report of what was read, with what the dry run told of each of its models: none for one
    that was not run. `installed` is the version of ONNX Runtime that ran them."""
    models = zip(report.models, ran, strict=True)
    is_same = _feature(report.onnxruntime) == _feature(installed)
    return replace(
        report, models=tuple(_weighed(model, run, is_same=is_same) for model, run in models)
    )


def _feature(version: str) -> str:
    """1.31 of 1.31.1: fixes change nothing of what is known."""
    return ".".join(version.split(".")[:2])


def _weighed(model: ModelReport, ran: ModelReport | None, *, is_same: bool) -> ModelReport:
    if ran is None:
        return model
    rules = {each.rule for each in ran.points}
    if ENDS.id in rules:
        complaint = Weight.DOUBTS
    else:
        # What refuses the model is as old as ONNX, or it would not be refused by both.
        complaint = Weight.BLOCKS if LOADS in rules else Weight.REMARK
    read = [
        replace(each, weight=complaint) if each.rule in COMPLAINTS else each
        for each in model.points
    ]
    # A session of another version is a second opinion; answers are told by any that gives some.
    run = [
        replace(each, weight=Weight.DOUBTS) if each.rule == LOADS and not is_same else each
        for each in ran.points
    ]
    return replace(model, runs=ran.runs, peak_bytes=ran.peak_bytes, points=(*read, *run))
