"""Candidates: models as a server is asked to load them, with requests and the answers to expect.

They are made in the jail (`probe_making.py`) from the files of a folder and their report. What is
taken of its word is no more than that: files are those of the folder, arrays have the size that
their shape says.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from registry.domain.readiness import ModelReport, Report, report_to_document
from registry.jail.hearing import line_of
from registry.jail.process import JailError, Process
from registry.serving.assessing import limits_for
from registry.serving.comparing import EXACT, TOLERANCES_BY_DTYPE, Tolerance
from registry.serving.repository import CONFIG_NAME
from registry.serving.tensor_types import NUMPY, Array
from registry.serving.work_folder import sizes_below, stored_bytes

_MODULE = "registry.serving.jailed"
_VERSION_FOLDER = "{version}/"
_CASES_MAX = 50
_AXES_MAX = 1000
_RANK_MAX = 32
_VERSION = "1"


class CandidateError(Exception):
    """The jail told of no candidates; the text says what it did instead."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    #: ONNX's name. Elements of BFLOAT16 are their bits, of STRING texts.
    dtype: str
    array: Array


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request, and the answer that is expected of it."""

    #: As a run's.
    name: str
    axes: Mapping[str, int] = field(default_factory=dict)
    batch: int = 1
    inputs: Mapping[str, Tensor]
    #: Empty where nobody knows them.
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    #: Of outputs that have one of their own.
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    #: Inputs were made up, in the sizes that latency is wanted for.
    is_made: bool = True

    def tolerance(self, output: str) -> Tolerance:
        dtype = self.outputs[output].dtype
        return self.tolerances.get(output) or TOLERANCES_BY_DTYPE.get(dtype, EXACT)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model, under the name that it has in its version."""

    name: str
    #: An `inference.ModelConfig` as JSON, with its own names of fields.
    config: Mapping[str, Any]
    #: By where they are in Triton's model folder: `1/model.onnx`. Without config.pbtxt.
    files: Mapping[str, Path]
    cases: Sequence[Case] = ()
    #: Why there are no cases.
    excuse: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        """Models that it needs beside itself, as an ensemble does."""
        steps = self.config.get("ensemble_scheduling", {}).get("step", [])
        return tuple(dict.fromkeys(each["model_name"] for each in steps))

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files.values())


def candidates(
    folder: Path,
    report: Report,
    *,
    name: str,
    is_folder_named: bool = True,
    bare: bool = False,
) -> dict[str, Candidate]:
    """The models of a report on that folder, by name, but for those whose config.pbtxt cannot be
    read. CandidateError where the jail fails; all else as for `assess`, which told the report."""
    sizes = sizes_below(str(folder))
    size_bytes = stored_bytes(folder)
    setup = {
        "part": "make",
        "folder": str(folder.resolve()),
        "previous": "",
        "root": {"name": name, "is_folder": is_folder_named},
    }
    limits = limits_for(size_bytes, bare=bare)
    try:
        with Process(_MODULE, limits, setup) as jail:
            request = {"report": report_to_document(report)}
            said = jail.ask(request, [], limits.patience_s(size_bytes))
        return {
            model.name: _candidate(model, said["models"][model.name], folder, sizes)
            for model in report.models
            if model.name in said["models"]
        }
    except JailError as error:
        raise CandidateError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CandidateError(f"its answer has another form: {error!r:.300}") from error


def in_order(name: str, known: Mapping[str, Candidate]) -> list[Candidate]:
    """What a server has to load for a model, which is the last of them; a model that is not in
    the version is left to the server to miss."""
    found: dict[str, Candidate] = {}
    visiting: set[str] = set()

    def visit(each: str) -> None:
        if each in visiting or each not in known:
            return
        visiting.add(each)
        for member in known[each].members:
            visit(member)
        found[each] = known[each]

    visit(name)
    return list(found.values())


def tops(known: Mapping[str, Candidate]) -> list[str]:
    """Models that are no part of another: those that are probed."""
    members = {member for each in known.values() for member in each.members}
    return [name for name in known if name not in members]


def _candidate(model: ModelReport, said: Any, folder: Path, sizes: Mapping[str, int]) -> Candidate:
    cases = said["cases"]
    if not isinstance(cases, list) or len(cases) > _CASES_MAX:
        raise ValueError("found other than a list of cases")
    config = said["config"]
    if not isinstance(config, dict):
        raise ValueError("found other than a config")
    return Candidate(
        name=model.name,
        config=config,
        files=_files(model, config, folder, sizes),
        cases=tuple(map(_case, cases)),
        excuse=line_of(said["excuse"]),
    )


def _files(
    model: ModelReport, config: Mapping[str, Any], folder: Path, sizes: Mapping[str, int]
) -> Mapping[str, Path]:
    """ValueError for a file that is none of the folder: its path is the jail's word as well."""
    versions = config.get("version_policy", {}).get("specific", {}).get("versions", [])
    number = str(versions[0]) if versions else _VERSION
    found = {}
    for way, path in model.files:
        if path not in sizes:
            raise ValueError(f"found file {path!r:.60}, expected one of the folder")
        if way.startswith(_VERSION_FOLDER):
            way = f"{number}/{way.removeprefix(_VERSION_FOLDER)}"
        if way != CONFIG_NAME:
            found[way] = folder / path
    return found


def _case(said: Any) -> Case:
    return Case(
        name=line_of(said["name"]),
        axes=_axes(said["axes"]),
        batch=_whole(said["batch"]),
        inputs=dict(map(_tensor, said["inputs"])),
        outputs=dict(map(_tensor, said["outputs"])),
        tolerances={
            line_of(name): Tolerance(float(rtol), float(atol))
            for name, (rtol, atol) in said["tolerances"].items()
        },
        is_made=said["is_made"] is True,
    )


def _axes(said: Any) -> Mapping[str, int]:
    if len(said) > _AXES_MAX:
        raise ValueError(f"found other than lengths of at most {_AXES_MAX} axes")
    return {line_of(name): _whole(length) for name, length in said.items()}


def _whole(said: Any) -> int:
    if type(said) is not int or said < 0:
        raise ValueError(f"found {said!r:.60}, expected a whole number from 0 on")
    return said


def _tensor(said: Any) -> tuple[str, Tensor]:
    dtype, shape = said["dtype"], [_whole(each) for each in said["shape"]]
    if len(shape) > _RANK_MAX:
        raise ValueError(f"found {len(shape)} axes, expected at most {_RANK_MAX}")
    if dtype == "STRING":
        texts = [str(each) for each in said["data"]]
        if len(texts) != math.prod(shape):
            raise ValueError("found other than as many texts as the shape says")
        array: Array = np.array(texts, object).reshape(shape)
    else:
        # ValueError for another number of bytes than the shape says.
        data = base64.b64decode(said["data"], validate=True)
        array = np.frombuffer(data, NUMPY[dtype]).reshape(shape)
    return line_of(said["name"]), Tensor(dtype=dtype, array=array)
