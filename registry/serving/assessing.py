"""All that can be told of a folder's models, for several releases of Triton, put together.

One jail reads, and its word is a report for each release. Then each model that could be read is
run, in a jail of its own: ONNX Runtime is a large library that trusts what it loads, and where it
falls what was read stands. Neither onnx nor ONNX Runtime is imported into this process.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from registry.domain.readiness import ModelReport, Point, Report, Weight, report_to_document
from registry.formats.look import Rule
from registry.jail.hearing import line_of
from registry.jail.process import JailError, Limits, Process
from registry.serving.points import point
from registry.serving.releases import Release
from registry.serving.reports import report_of
from registry.serving.work_folder import stored_bytes

ENDS = Rule(
    "READY-1",
    "The processes that read and run the models come to an end with them, within their limits.",
    "Push a smaller model, or one that starts sooner; if it is sound, tell the server's operator.",
)
RULES = (ENDS,)
#: Rules of files that are not imported here: `onnx_checks.py`, `dry_run.py`, `onnx_rules.py`,
#: `reading.py`.
COMPLAINTS = frozenset({"GRAPH-2", "GRAPH-3", "GRAPH-4"})
LOADS = "RUN-1"
#: What tables say of a version, and that there is none.
BY_TABLE = frozenset({"GRAPH-6", "GRAPH-7", "GRAPH-8", "GRAPH-9"})
MEASURED = "READY-2"
#: The name of what stands in place of a release: the ONNX Runtime that is installed here, by its
#: tables.
_HERE = "0"
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
    releases: Sequence[Release],
    *,
    name: str,
    is_folder_named: bool = True,
    run: bool = True,
    previous: Path | None = None,
    bare: bool = False,
) -> list[Report]:
    """A report for each release, in their order.

    `folder` holds copies of the version's files: onnx refuses files with a second name. `name` is
    what a model at its root is called, `is_folder_named` whether that is a folder's name, which its
    config.pbtxt has to repeat. Without `run` no model is run. `previous` is a folder of the
    version before, whose answers to the same inputs are compared. `bare`: also where this machine
    cannot close the jail; else NoJailError.
    """
    size_bytes = stored_bytes(folder)
    installed = importlib.metadata.version("onnxruntime")
    asked = [*releases, Release(name=_HERE, onnxruntime=installed, source="")]
    setup = {
        "folder": str(folder.resolve()),
        "previous": str(previous.resolve()) if previous else "",
        "root": {"name": name, "is_folder": is_folder_named},
        "releases": [asdict(each) for each in asked],
    }
    limits = limits_for(size_bytes, bare=bare)
    patience_s = limits.patience_s(size_bytes)
    ran: list[ModelReport | None] = []
    try:
        with Process(_MODULE, limits, {**setup, "part": "read"}) as jail:
            *reports, here = _heard(jail.ask({"told": []}, [], patience_s), asked)
            if run:
                ran = [_run(here, each, setup, limits, patience_s) for each in here.models]
                told = [_told_by(each) for each in ran]
                if any(told):
                    # What sessions infer decides what a configuration has to say.
                    *reports, here = _heard(jail.ask({"told": told}, [], patience_s), asked)
    except (JailError, KeyError, TypeError, ValueError) as error:
        return [_unread(each, error) for each in releases]
    return [weighed(report, here, ran or [None] * len(here.models)) for report in reports]


def _told_by(ran: ModelReport | None) -> Mapping[str, Any] | None:
    """The signature that a session told; None where there was no session."""
    if ran is None or ran.signature is None:
        return None
    if {LOADS, ENDS.id} & {each.rule for each in ran.points}:
        return None
    return asdict(ran.signature)


def _heard(said: Mapping[str, Any], releases: Sequence[Release]) -> list[Report]:
    reports = [report_of(each) for each in said["reports"]]
    wanted = [(each.name, each.onnxruntime) for each in releases]
    if [(each.release, each.onnxruntime) for each in reports] != wanted:
        raise ValueError("found other reports than those of the releases that were asked for")
    models = {tuple((each.name, each.folder) for each in report.models) for report in reports}
    if len(models) > 1:
        raise ValueError("found other models for one release than for another")
    return reports


def _run(
    here: Report, model: ModelReport, setup: Mapping[str, Any], limits: Limits, patience_s: float
) -> ModelReport | None:
    """Its word on one model; a report with READY-1 alone where there is none, and None for what
    cannot be run."""
    if model.signature is None:
        return None
    report = replace(here, models=(model,), points=())
    try:
        with Process(_MODULE, limits, {**setup, "part": "run"}) as jail:
            said = jail.ask({"report": report_to_document(report)}, [], patience_s)
        (ran,) = report_of(said["report"]).models
    except (JailError, KeyError, TypeError, ValueError) as error:
        found = f"the dry run came to no end: {_told(error)}"
        return replace(model, points=(_no_end(found),))
    return ran


def _unread(release: Release, error: Exception) -> Report:
    ends = _no_end(f"what reads them came to no end: {_told(error)}")
    return Report(release=release.name, onnxruntime=release.onnxruntime, models=(), points=(ends,))


def _no_end(found: str) -> Point:
    return point(ENDS, Weight.DOUBTS, subject="the models", found=found)


def _told(error: Exception) -> str:
    said = str(error) if isinstance(error, JailError) else f"its answer has another form: {error!r}"
    return line_of(said[:300])


def weighed(report: Report, here: Report, ran: Sequence[ModelReport | None]) -> Report:
    """A report of what was read, with what the dry run told of each of its models: none for one
    that was not run. `here` is what was read for the ONNX Runtime that ran them."""
    is_same = _feature(report.onnxruntime) == _feature(here.onnxruntime)
    models = zip(report.models, here.models, ran, strict=True)
    return replace(
        report, models=tuple(_weighed(each, own, run, is_same=is_same) for each, own, run in models)
    )


def _feature(version: str) -> str:
    """1.31 of 1.31.1: fixes change nothing of what is known."""
    return ".".join(version.split(".")[:2])


def _weighed(
    model: ModelReport, here: ModelReport, ran: ModelReport | None, *, is_same: bool
) -> ModelReport:
    if ran is None:
        return model
    rules = {each.rule for each in ran.points}
    read = list(model.points)
    if ENDS.id in rules:
        complaint = Weight.DOUBTS
    elif LOADS not in rules:
        read, complaint = _disproved(model.points, here.points, is_same=is_same), Weight.REMARK
    else:
        # Where the tables say why no session can be had here, another version might give one,
        # unless they say the same of that.
        why = {(each.rule, each.subject) for each in here.points if each.rule in BY_TABLE}
        there = {(each.rule, each.subject) for each in model.points}
        complaint = Weight.BLOCKS if why <= there else Weight.DOUBTS
    # A session of another version is a second opinion; answers are told by any that gives some.
    run = [
        replace(each, weight=Weight.DOUBTS) if each.rule == LOADS and not is_same else each
        for each in ran.points
    ]
    read = [replace(each, weight=complaint) if each.rule in COMPLAINTS else each for each in read]
    return replace(model, runs=ran.runs, peak_bytes=ran.peak_bytes, points=(*read, *run))


def _disproved(points: Sequence[Point], here: Sequence[Point], *, is_same: bool) -> list[Point]:
    """Of a model that was loaded here: what the tables say against that is wrong of it, since a
    node that has no kernel may be optimized away; where they say the same of another version, it
    is a doubt there."""
    wrong = {(each.rule, each.subject) for each in here if each.rule in BY_TABLE}
    told = []
    for each in points:
        if is_same and each.rule in {*BY_TABLE, MEASURED}:
            told.append(replace(each, weight=Weight.REMARK))
        elif (each.rule, each.subject) in wrong:
            told.append(replace(each, weight=Weight.DOUBTS))
        else:
            told.append(each)
    return told
