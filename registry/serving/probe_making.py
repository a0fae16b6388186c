"""What a model is probed with: its config as JSON, inputs made for it, and what comes out of them.

It runs in the jail (`jailed.py`), as the dry run does, and makes its inputs the same way, of sizes
that the config takes as well. An ensemble is run step by step, each in a session of its own model.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Else it is imported when options are read, and nothing can be opened then.
import google.protobuf.descriptor_pb2  # noqa: F401
import numpy as np
from google.protobuf import json_format

from registry.domain.readiness import ModelReport, Report, Signature, TensorInfo
from registry.serving.config_completing import completed
from registry.serving.config_values import ONNX_TYPES, type_name
from registry.serving.made_inputs import LARGER_SIZES, SIZES, UnmadeError, axes_of, made
from registry.serving.models import FolderModel, RootName, models_of
from registry.serving.pbtxt import PbtxtError, parse
from registry.serving.samples import SampleError, read_sample, sample_paths
from registry.serving.session import Session, SessionError, UnservedError
from registry.serving.tensor_types import NUMPY, Array
from registry.serving.work_folder import sizes_below

#: Of all arrays of a model's cases together: they go over the jail's channel as text.
BYTES_MAX = 40 * 1024 * 1024
#: Of the largest batch, where the config lets more in, or has no say in it.
BATCH_MAX = 32
BATCH_UNSAID = 8
SAMPLES_MAX = 5
_OTHER_SIZES = tuple(others for _, others in (*SIZES, *LARGER_SIZES))
_STEPS = "ensemble_scheduling"

Feeds = Mapping[str, Array]


@dataclass(kw_only=True)
class Subject:
    """One model, ready to be run."""

    report: ModelReport
    #: `inference.ModelConfig`: what a server is given, and what it makes of that.
    sent: Any
    config: Any
    signature: Signature
    #: None where what it would be run by is not here.
    session: Session | None = None
    #: All that are there to be steps of an ensemble, by name.
    members: Mapping[str, Subject] = field(default_factory=dict)

    @property
    def batch_max(self) -> int:
        return int(self.config.max_batch_size)

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """SessionError, UnservedError: as `Session.run`."""
        if self.config.HasField(_STEPS):
            return _run_steps(self, feeds)
        if self.session is None:
            raise UnservedError(f"a {self.report.backend or 'foreign'} model is not run here")
        return self.session.run(feeds, self.dtypes)

    @property
    def dtypes(self) -> Mapping[str, str]:
        return {each.name: each.dtype for each in (*self.signature.inputs, *self.signature.outputs)}


def make(report: Report, top: str, root: RootName) -> Mapping[str, Any]:
    """By the name of each model: `config`, `cases`, and in `excuse` why there are none. Without
    those whose config.pbtxt cannot be read."""
    sizes = sizes_below(top)
    found, _ = models_of(Path(top), sizes, root)
    by_place = {(each.place.name, each.place.folder): each for each in found}
    subjects: dict[str, Subject] = {}
    excuses: dict[str, str] = {}
    for model in report.models:
        place = by_place[(model.name, model.folder)]
        try:
            subject = _subject(model, place, subjects)
        except PbtxtError:
            continue
        subjects[model.name] = subject
        excuses[model.name] = _start(subject, Path(top) / place.served) if place.served else ""
    return {
        name: {
            "config": json_format.MessageToDict(subject.sent, preserving_proto_field_name=True),
            **_cases(subject, excuses[name], Path(top), sizes),
        }
        for name, subject in subjects.items()
    }


def _subject(model: ModelReport, found: FolderModel, members: Mapping[str, Subject]) -> Subject:
    sent = parse(model.config.encode()).message
    config = completed(sent, found.place, model.signature)
    return Subject(
        report=model,
        sent=sent,
        config=config,
        signature=model.signature or _signature(config),
        members=members,
    )


def _start(subject: Subject, path: Path) -> str:
    """Why it cannot be run; empty where it can."""
    if subject.report.signature is None:
        return "it cannot be read here"
    try:
        subject.session = Session(path, _served(subject.signature))
    except SessionError as error:
        return f"ONNX Runtime does not load it here: {error}"
    return ""


def _served(signature: Signature) -> Sequence[TensorInfo]:
    return [each for each in signature.outputs if each.kind == "tensor" and each.dtype in NUMPY]


def _signature(config: Any) -> Signature:
    """By the config alone, whose axes of any length have no names."""
    lead: tuple[None, ...] = (None,) if config.max_batch_size > 0 else ()

    def tensors(declared: Any) -> Iterator[TensorInfo]:
        for each in declared:
            dims = tuple(dim if dim >= 0 else None for dim in each.dims)
            yield TensorInfo(
                name=each.name,
                dtype=ONNX_TYPES.get(type_name(each.data_type), ""),
                dims=(*lead, *dims),
            )

    return Signature(inputs=tuple(tensors(config.input)), outputs=tuple(tensors(config.output)))


def _run_steps(subject: Subject, feeds: Feeds) -> dict[str, Array]:
    """An ensemble, each step as soon as all that it takes is there."""
    known = dict(feeds)
    pending = list(subject.config.ensemble_scheduling.step)
    while pending:
        ready = next(
            (step for step in pending if known.keys() >= set(step.input_map.values())), None
        )
        if ready is None:
            raise UnservedError("its steps take tensors that none of them makes")
        pending.remove(ready)
        member = subject.members.get(ready.model_name)
        if member is None:
            raise UnservedError(f"its model {ready.model_name} is not in the version")
        outputs = member.run({name: known[tensor] for name, tensor in ready.input_map.items()})
        known |= {tensor: outputs[name] for name, tensor in ready.output_map.items()}
    return {each.name: known[each.name] for each in subject.signature.outputs}


# --- Cases ----------------------------------------------------------------------------------------


def _cases(subject: Subject, excuse: str, top: Path, sizes: Mapping[str, int]) -> Mapping[str, Any]:
    if subject.config.model_transaction_policy.decoupled:
        return {"cases": [], "excuse": "it may answer a request more than once, or not at all"}
    cases: list[Mapping[str, Any]] = []
    left = BYTES_MAX
    try:
        made_cases = [] if excuse else _made_cases(subject)
    except (UnmadeError, UnservedError, SessionError) as error:
        made_cases, excuse = [], str(error)
    for case in (*made_cases, *_sample_cases(subject, top, sizes)):
        size = sum(each.nbytes for each in (*case.feeds.values(), *case.outputs.values()))
        if size <= left:
            left -= size
            cases.append(_said(subject, case))
    return {"cases": cases, "excuse": "" if cases else excuse or "its arrays are too large"}


@dataclass(frozen=True, kw_only=True)
class _Case:
    name: str
    axes: Mapping[str, int]
    batch: int
    feeds: Feeds
    outputs: Mapping[str, Array]
    #: And not brought along.
    is_made: bool
    #: Of outputs that have one of their own: rtol, atol.
    tolerances: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def _made_cases(subject: Subject) -> list[_Case]:
    """One for each size of the batch; SessionError where none runs."""
    failed: SessionError | None = None
    for others in _OTHER_SIZES:
        try:
            first = _made_case(subject, 1, others)
        except SessionError as error:
            failed = error
            continue
        cases = [first]
        for batch in _batches(subject)[1:]:
            try:
                cases.append(_made_case(subject, batch, others))
            except SessionError:
                # A model that runs at few sizes alone: then these are what it is probed at.
                break
        return cases
    assert failed is not None
    raise failed


def _made_case(subject: Subject, batch: int, others: int) -> _Case:
    axes = _axes(subject, batch, others)
    feeds = made(subject.signature, axes)
    return _Case(
        name=f"made, batch {batch}",
        axes=axes,
        batch=batch,
        feeds=feeds,
        outputs=subject.run(feeds),
        is_made=True,
    )


def _axes(subject: Subject, batch: int, others: int) -> Mapping[str, int]:
    """As in the dry run, but of the lengths that the config says where the model takes any."""
    axes = dict(axes_of(subject.signature, batch, others))
    is_batched = subject.batch_max > 0
    declared = {each.name: each for each in subject.config.input}
    for tensor in subject.signature.inputs:
        if tensor.name not in declared or tensor.dims is None:
            continue
        said = declared[tensor.name]
        lengths = list(said.reshape.shape if said.HasField("reshape") else said.dims)
        wanted = [-1, *lengths] if is_batched else lengths
        if len(wanted) != len(tensor.dims):
            continue
        for at, (dim, length) in enumerate(zip(tensor.dims, wanted, strict=True)):
            key = dim if dim is not None else f"{tensor.name}:{at}"
            if isinstance(key, str) and key in axes and length > 0:
                axes[key] = length
    return axes


def _batches(subject: Subject) -> list[int]:
    """Three, where it takes so many; the smallest first."""
    if subject.batch_max > 0:
        most = min(subject.batch_max, BATCH_MAX)
    else:
        small, large = (_axes(subject, batch, 1) for batch in (1, BATCH_UNSAID))
        most = BATCH_UNSAID if small != large else 1
    return sorted({1, max(most // 2, 1), most})


def _sample_cases(subject: Subject, top: Path, sizes: Mapping[str, int]) -> Iterator[_Case]:
    """Those that can be read and that a request may hold; the dry run has told of others."""
    if subject.report.signature is None:
        return
    for path in sample_paths(subject.report.folder, sizes)[:SAMPLES_MAX]:
        try:
            sample = read_sample(top, path, subject.signature)
        except SampleError:
            continue
        batches = {each.shape[0] if each.ndim else 0 for each in sample.inputs.values()}
        if subject.batch_max > 0 and (len(batches) != 1 or max(batches) > subject.batch_max):
            continue
        yield _Case(
            name=path,
            axes={},
            batch=max(batches) if subject.batch_max > 0 else 1,
            feeds=sample.inputs,
            outputs=sample.outputs,
            is_made=False,
            tolerances={name: (t.rtol, t.atol) for name, t in sample.tolerances.items()},
        )


def _said(subject: Subject, case: _Case) -> Mapping[str, Any]:
    config, is_batched = subject.config, subject.batch_max > 0
    # Which values a server's sequence batcher gives to inputs of its own, none here can tell.
    is_told = not config.HasField("sequence_batching")
    dtypes = subject.dtypes

    def tensors(declared: Any, arrays: Feeds) -> list[Mapping[str, Any]]:
        return [
            _tensor(each.name, dtypes[each.name], _of_request(arrays[each.name], each, is_batched))
            for each in declared
            if each.name in arrays
        ]

    return {
        "name": case.name,
        "axes": case.axes,
        "batch": case.batch,
        "is_made": case.is_made,
        "inputs": tensors(config.input, case.feeds),
        "outputs": tensors(config.output, case.outputs) if is_told else [],
        "tolerances": {name: list(each) for name, each in case.tolerances.items()},
    }


def _of_request(array: Array, declared: Any, is_batched: bool) -> Array:
    """In the shape that requests and answers have, which the server reshapes for some models."""
    dims = list(declared.dims)
    if not (declared.HasField("reshape") or array.ndim == 0) or any(dim < 0 for dim in dims):
        return array
    shape = [array.shape[0], *dims] if is_batched and array.ndim else dims
    return array.reshape(shape) if int(np.prod(shape)) == array.size else array


def _tensor(name: str, dtype: str, array: Array) -> Mapping[str, Any]:
    if dtype == "STRING":
        data: Any = [str(each) for each in array.ravel().tolist()]
    else:
        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"name": name, "dtype": dtype, "shape": list(array.shape), "data": data}
