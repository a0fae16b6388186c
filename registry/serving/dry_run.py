"""The dry run: a model in ONNX Runtime, on inputs made for it and on those that it brought along.

What made-up inputs lead to blocks nothing: nobody said that the model is made for them. A session
that cannot be had does, and so does a golden sample that comes out otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from registry.domain.readiness import Point, Run, Signature, TensorInfo, Weight
from registry.formats.look import Rule
from registry.jail.memory import PeakMemory
from registry.names.text import show
from registry.serving.comparing import EXACT, TOLERANCES_BY_DTYPE, differs
from registry.serving.made_inputs import LARGER_SIZES, SIZES, UnmadeError, axes_of, made
from registry.serving.points import point
from registry.serving.samples import SAMPLES_MAX, Sample, SampleError, read_sample, sample_paths
from registry.serving.session import (
    CPU,
    VERSION,
    LimitError,
    Session,
    SessionError,
    UnservedError,
)
from registry.serving.tensor_types import FLOATS, NUMPY, Array, as_float

LOADS = Rule(
    "RUN-1",
    "ONNX Runtime makes a session of the model.",
    "Load the model with onnxruntime.InferenceSession where it was exported, and correct what it "
    "says.",
)
RUNS = Rule(
    "RUN-2",
    "The model runs on inputs made from its signature, at two sizes of the axes that may have any.",
    "Bring golden samples along that it runs on; or declare the axis lengths that it needs.",
)
NUMBERS = Rule(
    "RUN-3",
    "Outputs are numbers.",
    "Look at what the model makes of its inputs; golden samples show what they are meant to be.",
)
DECLARED = Rule(
    "RUN-4",
    "Outputs have the shapes that the model declares.",
    "Declare the shapes that it has, or leave axes of any length open; clients go by them.",
)
SAMPLES = Rule(
    "RUN-5",
    "Golden samples come out as they expect.",
    "Correct the model or the sample; where other machines may count so differently, say so in "
    "golden/tolerances.json.",
)
SAMPLE = Rule(
    "RUN-6",
    "Golden samples are arrays for the model's inputs and outputs.",
    "Save them anew: registry/serving/README.md says how.",
)
PREVIOUS = Rule(
    "RUN-7",
    "On the same inputs the model answers as the version before it does.",
    "Nothing, where it is meant to differ.",
)
RULES = (LOADS, RUNS, NUMBERS, DECLARED, SAMPLES, SAMPLE, PREVIOUS)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is run."""

    #: The folder that all paths are below.
    top: Path
    #: Of the model's file, and of its own folder.
    path: str
    folder: str
    signature: Signature
    #: Of all files below the folder.
    sizes: Mapping[str, int]
    #: Of the process that it is run in.
    peak: PeakMemory
    #: The file of the version before it, by its whole path.
    previous: Path | None = None


@dataclass(kw_only=True)
class DryRun:
    runs: list[Run] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    peak_bytes: int = 0
    #: As ONNX Runtime tells it; None without a session.
    signature: Signature | None = None


@dataclass(frozen=True, kw_only=True)
class _Made:
    """One run that came to its end, with what went in and what came out."""

    run: Run
    feeds: Mapping[str, Array]
    outputs: Mapping[str, Array]


def dry_run(subject: Subject) -> DryRun:
    """In the process that it is called in, which a hostile model may end. LimitError where no
    session can be had within what the process may take."""
    done = DryRun()
    try:
        session = Session(subject.top / subject.path, _served(subject.signature))
    except SessionError as error:
        done.points.append(_refused(subject, error))
        return done
    done.signature = session.signature(subject.signature)
    sampled = _run_samples(session, subject, done)
    tried = _run_made(session, subject, done, is_sampled=bool(sampled))
    _check_outputs(subject, sampled, tried, done)
    if subject.previous is not None:
        _compare_with_previous(subject.previous, subject, [*sampled, *tried], done)
    done.peak_bytes = subject.peak.bytes()
    return done


def _served(signature: Signature) -> Sequence[TensorInfo]:
    return [each for each in signature.outputs if each.kind == "tensor" and each.dtype in NUMPY]


def _refused(subject: Subject, error: SessionError) -> Point:
    return point(
        LOADS,
        Weight.BLOCKS,
        subject=error.subject,
        found=f"ONNX Runtime {VERSION} says: {_without(subject.top, error)}",
        expected="a session",
        path=subject.path,
    )


def _without(top: Path, error: Exception) -> str:
    """Its own words, without where the files lay meanwhile."""
    return str(error).replace(f"{top}/", "")


def _dtypes(signature: Signature) -> Mapping[str, str]:
    return {each.name: each.dtype for each in (*signature.inputs, *signature.outputs)}


def _run(
    session: Session,
    subject: Subject,
    name: str,
    feeds: Mapping[str, Array],
    axes: Mapping[str, int],
) -> _Made:
    """SessionError, LimitError, UnservedError: as `Session.run`."""
    begun_s = time.monotonic()
    outputs = session.run(feeds, _dtypes(subject.signature))
    run = Run(
        name=name,
        axes=axes,
        provider=CPU,
        duration_ms=round((time.monotonic() - begun_s) * 1000, 3),
        shapes={output: tuple(array.shape) for output, array in outputs.items()},
    )
    return _Made(run=run, feeds=feeds, outputs=outputs)


def _run_made(session: Session, subject: Subject, done: DryRun, *, is_sampled: bool) -> list[_Made]:
    """Those runs that came to an end. A size that fails beside one that does not is a remark: few
    models run at any."""
    runs: list[_Made] = []
    failed: dict[str, str] = {}
    try:
        for sizes in (SIZES, LARGER_SIZES):
            for first, others in sizes:
                axes = axes_of(subject.signature, first, others)
                name = f"made, axes {_said(first, others)}" if axes else "made"
                if name not in failed and all(name != each.run.name for each in runs):
                    _try(session, subject, name, axes, runs, failed)
            if runs:
                break
    except (UnmadeError, UnservedError) as error:
        failed["made"] = str(error)
    weight = Weight.REMARK if runs or is_sampled else Weight.DOUBTS
    for name, said in failed.items():
        expected = "outputs" if runs else "outputs at one size at least"
        done.points.append(
            point(RUNS, weight, subject=name, found=said, expected=expected, path=subject.path)
        )
    done.runs += [each.run for each in runs]
    return runs


def _said(first: int, others: int) -> str:
    return str(first) if first == others else f"{first} and {others}"


def _try(
    session: Session,
    subject: Subject,
    name: str,
    axes: Mapping[str, int],
    runs: list[_Made],
    failed: dict[str, str],
) -> None:
    try:
        runs.append(_run(session, subject, name, made(subject.signature, axes), axes))
    except SessionError as error:
        failed[name] = f"{error.subject}: {_without(subject.top, error)}"
    except LimitError as error:
        failed[name] = f"it takes more than it may here: {_without(subject.top, error)}"


def _run_samples(session: Session, subject: Subject, done: DryRun) -> list[_Made]:
    """Those that came out, as they expect or not."""
    paths = sample_paths(subject.folder, subject.sizes)
    runs = []
    for path in paths[:SAMPLES_MAX]:
        try:
            sample = read_sample(subject.top, path, subject.signature)
            ran = _run(session, subject, path, sample.inputs, {})
        except (SampleError, LimitError, UnservedError) as error:
            done.points.append(
                point(SAMPLE, Weight.DOUBTS, subject="the sample", found=str(error), path=path)
            )
            continue
        except SessionError as error:
            found = f"{error.subject}: {_without(subject.top, error)}"
            done.points.append(
                point(SAMPLES, Weight.BLOCKS, subject="the sample", found=found, path=path)
            )
            continue
        differences = _compare_with_sample(sample, ran, subject.signature, done)
        runs.append(ran)
        done.runs.append(replace(ran.run, differences=differences))
    if len(paths) > SAMPLES_MAX:
        found = f"found {len(paths)} samples, of which {SAMPLES_MAX} were run"
        done.points.append(
            point(SAMPLE, Weight.REMARK, subject="golden samples", found=found, path=paths[0])
        )
    return runs


def _compare_with_sample(
    sample: Sample, ran: _Made, signature: Signature, done: DryRun
) -> Mapping[str, float]:
    dtypes, greatest = _dtypes(signature), {}
    for name, expected in sample.outputs.items():
        said, apart = differs(
            ran.outputs[name], expected, dtypes[name], sample.tolerance(name, dtypes[name])
        )
        greatest[name] = apart
        if said is not None:
            subject = f"output {show(name)}"
            done.points.append(
                point(
                    SAMPLES,
                    Weight.BLOCKS,
                    subject=subject,
                    found=said[0],
                    expected=said[1],
                    path=sample.path,
                )
            )
    return greatest


def _check_outputs(
    subject: Subject, sampled: Sequence[_Made], tried: Sequence[_Made], done: DryRun
) -> None:
    """Of the shapes that were declared, and numbers where no sample says what is expected. Each
    output is told of once."""
    found = [
        (tensor, _undeclared(tensor, ran.outputs[tensor.name], ran))
        for ran in (*sampled, *tried)
        for tensor in _served(subject.signature)
    ]
    nan_weight = Weight.REMARK if sampled else Weight.DOUBTS
    found += [
        (tensor, _odd(tensor, ran.outputs[tensor.name], ran.run.name, nan_weight))
        for ran in tried
        for tensor in _served(subject.signature)
    ]
    told: set[tuple[str, str]] = set()
    for tensor, each in found:
        if each is not None and (each[0].id, tensor.name) not in told:
            told.add((each[0].id, tensor.name))
            done.points.append(_of_output(subject, tensor, *each))


def _of_output(
    subject: Subject, tensor: TensorInfo, rule: Rule, weight: Weight, found: str, expected: str
) -> Point:
    name = f"output {show(tensor.name)}"
    return point(rule, weight, subject=name, found=found, expected=expected, path=subject.path)


_Found = tuple[Rule, Weight, str, str]


def _odd(tensor: TensorInfo, array: Array, run: str, nan_weight: Weight) -> _Found | None:
    """Infinities are at home in masks and logarithms; that a NaN comes of made-up inputs may be
    their fault."""
    if tensor.dtype not in FLOATS:
        return None
    numbers = as_float(array, tensor.dtype)
    nan, infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
    if nan:
        found = f"found {nan} of {numbers.size} elements that are NaN, {run}"
        return NUMBERS, nan_weight, found, "numbers"
    if infinite:
        found = f"found {infinite} of {numbers.size} elements that are infinite, {run}"
        return NUMBERS, Weight.REMARK, found, ""
    return None


def _undeclared(tensor: TensorInfo, array: Array, ran: _Made) -> _Found | None:
    """A remark: a server hands over what comes out."""
    dims, shape = tensor.dims, array.shape
    if dims is None:
        return None
    wanted = tuple(ran.run.axes.get(dim, dim) if isinstance(dim, str) else dim for dim in dims)
    if len(dims) == len(shape) and all(
        not isinstance(want, int) or want == got for want, got in zip(wanted, shape, strict=True)
    ):
        return None
    said = ", ".join("?" if dim is None else str(dim) for dim in dims)
    found = f"found shape {list(shape)}, {ran.run.name}"
    return DECLARED, Weight.REMARK, found, f"[{said}] as declared"


def _compare_with_previous(
    path: Path, subject: Subject, runs: Sequence[_Made], done: DryRun
) -> None:
    """A run more for each, with the greatest differences. Nothing here is more than a remark."""
    before = "the previous version"
    try:
        session = Session(path, _served(subject.signature))
    except (SessionError, LimitError) as error:
        found = f"it cannot be compared with: {error}"
        done.points.append(_of_previous(subject, before, found))
        return
    told: set[str] = set()
    for ran in runs:
        try:
            previous = _run(session, subject, ran.run.name, ran.feeds, ran.run.axes)
        except (SessionError, LimitError, UnservedError) as error:
            found = f"it does not run, {ran.run.name}: {error}"
            done.points.append(_of_previous(subject, before, found))
            return
        greatest = {}
        for tensor in _served(subject.signature):
            tolerance = TOLERANCES_BY_DTYPE.get(tensor.dtype, EXACT)
            ours, theirs = ran.outputs[tensor.name], previous.outputs[tensor.name]
            said, greatest[tensor.name] = differs(ours, theirs, tensor.dtype, tolerance)
            if said is not None and tensor.name not in told:
                told.add(tensor.name)
                output, found = f"output {show(tensor.name)}", f"{said[0]}, {ran.run.name}"
                done.points.append(_of_previous(subject, output, found, said[1]))
        name = f"{ran.run.name}, by the previous version"
        done.runs.append(replace(previous.run, name=name, differences=greatest))


def _of_previous(subject: Subject, what: str, found: str, expected: str = "") -> Point:
    return point(
        PREVIOUS,
        Weight.REMARK,
        subject=what,
        found=found,
        expected=expected,
        path=subject.path,
    )
