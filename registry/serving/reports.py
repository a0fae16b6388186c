"""What is taken of the jail's word on models: its form is checked, and its texts are made fit to be
shown and stored (`registry/jail/hearing.py` says why).

Taken over, the jail may call these models ready, and lead nobody further than that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from registry.domain.readiness import (
    ModelReport,
    Point,
    Report,
    Run,
    Signature,
    TensorInfo,
    Weight,
)
from registry.jail.hearing import line_of, matching
from registry.names.text import visible

MODELS_MAX = 1000
POINTS_MAX = 1000
TENSORS_MAX = 10_000
FILES_MAX = 200_000
RUNS_MAX = 200
DIMS_MAX = 64
#: Of a configuration, and of what differs from another.
CONFIG_CHARS_MAX = 2_000_000
_NUMBER_MAX = 2**63 - 1
_RULE = re.compile(r"[A-Z][A-Z0-9]*-[0-9]{1,4}")
_DTYPE = re.compile(r"[A-Z0-9]{0,20}")
_KIND = re.compile(r"tensor|sequence|map|optional|sparse_tensor")
#: Also of a build between two versions, such as 1.23.0+1d1712fdaf.
_RELEASE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}(\+[0-9a-z.]{1,40})?")

T = TypeVar("T")


def report_of(said: Any) -> Report:
    """A report by the jail's word. KeyError, TypeError or ValueError where that is none."""
    return Report(
        release=matching(_RELEASE, said["release"]),
        onnxruntime=matching(_RELEASE, said["onnxruntime"]),
        models=_each(_model, said["models"], MODELS_MAX),
        points=_each(_point, said["points"], POINTS_MAX),
    )


def _model(said: Any) -> ModelReport:
    signature = said["signature"]
    return ModelReport(
        name=line_of(said["name"]),
        folder=line_of(said["folder"]),
        backend=line_of(said["backend"]),
        config=_lines_of(said["config"]),
        is_config_generated=_bool(said["is_config_generated"]),
        config_diff=_lines_of(said["config_diff"]),
        files=_each(_file, said["files"], FILES_MAX),
        signature=None if signature is None else _signature(signature),
        runs=_each(_run, said["runs"], RUNS_MAX),
        peak_bytes=_number(said["peak_bytes"]),
        points=_each(_point, said["points"], POINTS_MAX),
    )


def _file(said: Any) -> tuple[str, str]:
    place, path = said
    return line_of(place), line_of(path)


def _signature(said: Any) -> Signature:
    return Signature(
        inputs=_each(_tensor, said["inputs"], TENSORS_MAX),
        outputs=_each(_tensor, said["outputs"], TENSORS_MAX),
    )


def _tensor(said: Any) -> TensorInfo:
    dims = said["dims"]
    return TensorInfo(
        name=line_of(said["name"]),
        dtype=matching(_DTYPE, said["dtype"]),
        dims=None if dims is None else _each(_dim, dims, DIMS_MAX),
        kind=matching(_KIND, said["kind"]),
        is_optional=_bool(said["is_optional"]),
    )


def _dim(said: Any) -> int | str | None:
    if said is None:
        return None
    return line_of(said) if isinstance(said, str) else _number(said)


def _run(said: Any) -> Run:
    return Run(
        name=line_of(said["name"]),
        axes=_named(_number, said["axes"]),
        provider=line_of(said["provider"]),
        duration_ms=_measure(said["duration_ms"]),
        shapes=_named(lambda shape: _each(_number, shape, DIMS_MAX), said["shapes"]),
        differences=_named(_measure, said["differences"]),
    )


def _point(said: Any) -> Point:
    return Point(
        rule=matching(_RULE, said["rule"]),
        weight=Weight(said["weight"]),
        subject=line_of(said["subject"]),
        found=line_of(said["found"]),
        expected=line_of(said["expected"]),
        fix=line_of(said["fix"]),
        path=line_of(said["path"]),
        line=_number(said["line"]),
        column=_number(said["column"]),
    )


def _each(read: Callable[[Any], T], said: Any, count_max: int) -> tuple[T, ...]:
    if not isinstance(said, list) or len(said) > count_max:
        raise ValueError(f"found other than a list of at most {count_max}")
    return tuple(map(read, said))


def _named(read: Callable[[Any], T], said: Any) -> Mapping[str, T]:
    if not isinstance(said, dict) or len(said) > TENSORS_MAX:
        raise ValueError(f"found other than values of at most {TENSORS_MAX} names")
    return {line_of(name): read(value) for name, value in said.items()}


def _number(said: Any) -> int:
    if type(said) is not int or not 0 <= said <= _NUMBER_MAX:
        raise ValueError(f"found {said!r:.60}, expected a whole number from 0 on")
    return said


def _measure(said: Any) -> float:
    if type(said) is int:
        return float(_number(said))
    if type(said) is not float or not math.isfinite(said) or said < 0:
        raise ValueError(f"found {said!r:.60}, expected a number from 0 on")
    return said


def _bool(said: Any) -> bool:
    if type(said) is not bool:
        raise ValueError(f"found {said!r:.60}, expected yes or no")
    return said


def _lines_of(said: Any) -> str:
    """Foreign text of several lines, each of them safe to print."""
    if not isinstance(said, str) or len(said) > CONFIG_CHARS_MAX:
        raise ValueError(f"found other than a text of at most {CONFIG_CHARS_MAX} characters")
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in said.split("\n"))
