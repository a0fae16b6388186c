"""What each version of ONNX Runtime knows: measured, by `.ci/triton_tables.py`, and kept here.

The tables in `runtimes/` say of each fact in which versions it holds (`spans.py`):

`limits.json`
    of each version: the highest IR version and opsets that a model may state, and whose kernels
    were listed
`schemas.json`
    of each operator: the opsets at which a schema of it begins, and those that deprecate it
`CPUExecutionProvider.json`, `CUDAExecutionProvider.json`
    kernels: opsets from-to, versions, types by constraint
`inlined.json`
    operators without a CPU kernel, and at which opsets a node loads all the same
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from registry.serving.spans import covers, order

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
#: Those that run nodes one by one. TensorRT takes what its own parser knows of a graph, and has no
#: kernels to list; what it leaves goes to CUDA and CPU.
PROVIDERS = (CPU, CUDA)

_FOLDER = Path(__file__).with_name("runtimes")

#: By type constraint, such as T, the types that a kernel takes.
Types = Mapping[str, tuple[str, ...]]
#: Domain and operator. The main domain is the empty text, as in a model.
Operator = tuple[str, str]


class UnknownRuntimeError(Exception):
    """A version that was never measured."""

    def __init__(self, version: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"ONNX Runtime: found version {version}, expected one that was measured: "
            f"{', '.join(known)}. Add its Triton release to policies/triton-releases.yaml and run "
            "make triton-tables, or check for another release."
        )
        self.version = version
        self.known = known


@dataclass(frozen=True, kw_only=True)
class Kernel:
    start: int
    #: None for one without an end.
    end: int | None
    types: Types

    def fits(self, since: int) -> bool:
        """Whether it is for the schema that begins at this opset.

        One without an end is for the schema that it begins with alone, not for later ones: see
        VerifyVersion in onnxruntime/core/framework/kernel_registry.cc.
        """
        return self.start == since or (self.end is not None and self.start <= since <= self.end)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One version of ONNX Runtime. An opset is always that of the operator's domain."""

    version: str
    #: The version whose tables these are: another one for a build between two versions, of which
    #: all that is told is therefore but likely.
    measured: str
    ir_version_max: int
    #: By domain; a model that states a domain beyond these names one that no operator here is of.
    opset_max: Mapping[str, int]
    _since: Mapping[Operator, tuple[int, ...]] = field(repr=False)
    _deprecated: frozenset[tuple[str, str, int]] = field(repr=False)
    _kernels: Mapping[str, Mapping[Operator, tuple[Kernel, ...]]] = field(repr=False)
    _inlined: Mapping[tuple[str, str, int], bool | None] = field(repr=False)

    def knows(self, domain: str, op_type: str, opset: int) -> bool:
        """Whether there is such an operator at this opset, and it is not deprecated by then."""
        since = self.since(domain, op_type, opset)
        return since is not None and (_plain(domain), op_type, since) not in self._deprecated

    def since(self, domain: str, op_type: str, opset: int) -> int | None:
        """The opset at which the schema begins that counts at this one; None where none does."""
        begun = [each for each in self._since.get((_plain(domain), op_type), ()) if each <= opset]
        return max(begun, default=None)

    def kernel(
        self, provider: str, domain: str, op_type: str, opset: int
    ) -> tuple[Types, ...] | None:
        """The types that kernels of this provider take, each of them one combination; None where it
        has no kernel at all. KeyError for a provider other than PROVIDERS.

        A node of float16 that has a kernel for float32 alone is run by that on a CPU: ONNX Runtime
        puts casts around it.
        """
        kernels = self._kernels[provider].get((_plain(domain), op_type), ())
        since = self.since(domain, op_type, opset)
        fitting = [each.types for each in kernels if since is not None and each.fits(since)]
        return tuple(fitting) or None

    def inlines(self, domain: str, op_type: str, opset: int) -> bool | None:
        """Whether a node without a kernel for the CPU loads, since the body of its function is put
        in its place. None where no probe could tell."""
        return self._inlined.get((_plain(domain), op_type, opset), False)


def runtimes() -> tuple[str, ...]:
    """The versions that were measured, and builds that stand beside one, ascending."""
    limits = _table("limits")
    return tuple(sorted((*limits["versions"], *limits["builds"]), key=lambda v: (order(v), v)))


@cache
def runtime(version: str) -> Runtime:
    """Reads files the first time that it is asked for a version; what it gives reads none.

    Raises UnknownRuntimeError.
    """
    limits = _table("limits")
    build = limits["builds"].get(version)
    measured = version if build is None else build["measured"]
    if measured not in limits["versions"]:
        raise UnknownRuntimeError(version, runtimes())
    mine = limits["versions"][measured]
    schemas = _table("schemas")
    return Runtime(
        version=version,
        measured=measured,
        ir_version_max=mine["ir_version_max"],
        opset_max=MappingProxyType(dict(mine["opset_max"])),
        _since=_begins(schemas["since"], measured),
        _deprecated=frozenset(_each_opset(schemas["deprecated"], measured)),
        _kernels={provider: _kernels(_table(provider), measured) for provider in PROVIDERS},
        _inlined=_inlined(_table("inlined"), measured),
    )


@cache
def _table(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _plain(domain: str) -> str:
    """ONNX writes its main domain in two ways."""
    return "" if domain == "ai.onnx" else domain


def _each_opset(table: Any, version: str) -> list[tuple[str, str, int]]:
    return [
        (domain, op_type, opset)
        for domain, operators in table.items()
        for op_type, spans in operators.items()
        for span, opsets in spans.items()
        if covers(span, version)
        for opset in opsets
    ]


def _begins(table: Any, version: str) -> Mapping[Operator, tuple[int, ...]]:
    found: dict[Operator, tuple[int, ...]] = {}
    for domain, op_type, opset in sorted(_each_opset(table, version)):
        found[domain, op_type] = (*found.get((domain, op_type), ()), opset)
    return found


def _inlined(table: Any, version: str) -> Mapping[tuple[str, str, int], bool | None]:
    return {
        **dict.fromkeys(_each_opset(table["loads"], version), True),
        **dict.fromkeys(_each_opset(table["untold"], version), None),
    }


def _kernels(table: Any, version: str) -> Mapping[Operator, tuple[Kernel, ...]]:
    types = {name: tuple(kinds) for name, kinds in table["types"].items()}
    found = {}
    for domain, operators in table["kernels"].items():
        for op_type, rows in operators.items():
            kernels = [_kernel(row, types) for row in rows if covers(row[1], version)]
            if kernels:
                found[domain, op_type] = tuple(kernels)
    return found


def _kernel(row: Any, types: Mapping[str, tuple[str, ...]]) -> Kernel:
    opsets, _, constraints = row
    start, _, end = opsets.partition("-")
    return Kernel(
        start=int(start),
        end=int(end) if end else None,
        types={name: types.get(kinds, (kinds,)) for name, kinds in constraints.items()},
    )
