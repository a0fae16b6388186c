"""A release's word on an ONNX model: whether its ONNX Runtime knows what the model is made of.

By tables (`runtimes.py`), not by trying: the release's own ONNX Runtime is another than the one
that is installed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import onnx
import onnx.defs

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.names.text import show
from registry.serving.onnx_model import OnnxModel, Operator
from registry.serving.points import point, some_of

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

IR = Rule(
    "GRAPH-6",
    "The model's IR version is one that the release's ONNX Runtime reads.",
    "Export for an older version of ONNX, or save the model with a lower ir_version where it needs "
    "nothing of the newer one; or deploy to a newer release.",
)
OPSETS = Rule(
    "GRAPH-7",
    "Operator sets that the model imports are those that the release's ONNX Runtime knows.",
    "Export with a lower opset_version, or convert the model (onnx.version_converter); or deploy "
    "to a newer release.",
)
KNOWN = Rule(
    "GRAPH-8",
    "Operators are those that the release's ONNX Runtime knows.",
    "Export the model with standard operators, or as functions of the model's own: a server loads "
    "no libraries of operators with a model.",
)
KERNELS = Rule(
    "GRAPH-9",
    "Operators have a kernel for the types that they are used with.",
    "Cast to a type that it has a kernel for, such as float32, around these nodes.",
)
GPU = Rule(
    "GRAPH-10",
    "On a GPU all operators run there.",
    "Nothing, where that is fast enough: tensors are copied to the CPU for these nodes and back.",
)
RULES = (IR, OPSETS, KNOWN, KERNELS, GPU)

#: By type constraint, such as T, the types that a kernel takes.
Types = Mapping[str, Sequence[str]]
#: It is made an initializer as the model is loaded.
_CONSTANT = ("", "Constant")
#: One kind of operator: domain, type and opset.
_Kind = tuple[str, str, int]


class Runtime(Protocol):
    """What is known of one version of ONNX Runtime. The standard's domain is the empty text."""

    @property
    def version(self) -> str: ...

    @property
    def ir_version_max(self) -> int: ...

    @property
    def opset_max(self) -> Mapping[str, int]:
        """By domain. One that is not there has no operators."""

    def knows(self, domain: str, op_type: str, opset: int) -> bool: ...

    def kernel(
        self, provider: str, domain: str, op_type: str, opset: int
    ) -> Sequence[Types] | None:
        """The types that each kernel of a provider takes; None where it has none."""

    def inlines(self, domain: str, op_type: str, opset: int) -> bool | None:
        """Whether a node without a kernel loads, its function's body in its place; None where
        nobody knows."""


def check(model: OnnxModel, runtime: Runtime) -> list[Point]:
    """What keeps the model from being loaded, and what would be slow on a GPU."""
    return [
        *_ir(model, runtime),
        *_opsets(model, runtime),
        *_operators(model, runtime),
    ]


def _ir(model: OnnxModel, runtime: Runtime) -> Iterable[Point]:
    if model.ir_version > runtime.ir_version_max:
        yield point(
            IR,
            Weight.BLOCKS,
            subject="ir_version",
            found=f"found {model.ir_version}",
            expected=f"at most {runtime.ir_version_max} for ONNX Runtime {runtime.version}",
            path=model.path,
        )


def _opsets(model: OnnxModel, runtime: Runtime) -> Iterable[Point]:
    """Also one that no operator is of: it is refused all the same."""
    for domain, version in sorted(model.opsets.items()):
        newest = runtime.opset_max.get(domain)
        if newest is not None and version > newest:
            yield point(
                OPSETS,
                Weight.BLOCKS,
                subject=f"opset of {_domain(domain)}",
                found=f"found {version}",
                expected=f"at most {newest} for ONNX Runtime {runtime.version}",
                path=model.path,
            )


def _operators(model: OnnxModel, runtime: Runtime) -> Iterable[Point]:
    unknown: dict[_Kind, list[Operator]] = {}
    unkernelled: dict[tuple[Weight, _Kind], list[Operator]] = {}
    slow: list[Operator] = []
    for operator in model.operators:
        kind = _kind(operator, runtime)
        if not runtime.knows(*kind):
            unknown.setdefault(kind, []).append(operator)
            continue
        weight = _weight(operator, kind, runtime)
        if weight is not None:
            unkernelled.setdefault((weight, kind), []).append(operator)
        elif kind[:2] != _CONSTANT and not _has_kernel(operator, kind, runtime, CUDA):
            slow.append(operator)
    yield from (_unknown(model, runtime, kind, nodes) for kind, nodes in unknown.items())
    for (weight, kind), nodes in unkernelled.items():
        yield _unkernelled(model, runtime, weight, kind, nodes)
    if slow:
        types = some_of(dict.fromkeys(each.op_type for each in slow))
        yield point(
            GPU,
            Weight.REMARK,
            subject=f"operators {types}",
            found=f"found {_nodes(slow)} without a kernel of CUDA for their types",
            path=model.path,
        )


def _kind(operator: Operator, runtime: Runtime) -> _Kind:
    """At the newest opset that is known: where the model imports none, as ONNX Runtime does; and
    where it imports a newer one, which GRAPH-7 tells."""
    newest = runtime.opset_max.get(operator.domain, 1)
    opset = newest if operator.opset is None else min(operator.opset, newest)
    return operator.domain, operator.op_type, opset


def _weight(operator: Operator, kind: _Kind, runtime: Runtime) -> Weight | None:
    """What it makes of the report that the CPU has no kernel for it; None where it has one, or does
    without."""
    if kind[:2] == _CONSTANT or _has_kernel(operator, kind, runtime, CPU):
        return None
    inlines = runtime.inlines(*kind)
    if inlines:
        return None
    may_run = inlines is None or _has_body(kind) or _has_kernel(operator, kind, runtime, CUDA)
    return Weight.DOUBTS if may_run else Weight.BLOCKS


def _has_body(kind: _Kind) -> bool:
    """Whether ONNX says what it does in other operators; whether a version puts those in the place
    of this one, for these types, was not measured for each."""
    schema: Any = _schema(kind)
    return schema is not None and (schema.has_function or schema.has_context_dependent_function)


def _has_kernel(operator: Operator, kind: _Kind, runtime: Runtime, provider: str) -> bool:
    kernels = runtime.kernel(provider, *kind) or ()
    bound = _bound(operator, kind)
    if any(_fits(types, bound, lambda name: name) for types in kernels):
        return True
    # Casts are put around a node of float16 that has a kernel for float32 alone.
    return provider == CPU and any(_fits(types, bound, _widened) for types in kernels)


def _widened(name: str) -> str:
    return name.replace("(float16)", "(float)")


def _fits(types: Types, bound: Mapping[str, Iterable[str]], changed: Callable[[str], str]) -> bool:
    """Whether a kernel takes the types that are known; those that are not refuse nothing."""
    return all(
        changed(name) in allowed
        for constraint, allowed in types.items()
        for name in bound.get(constraint, ())
    )


def _bound(operator: Operator, kind: _Kind) -> Mapping[str, Iterable[str]]:
    """Types by the constraint that binds them, and by the formal parameter: kernels use either."""
    schema = _schema(kind)
    if schema is None:
        # Of another domain than ONNX's own, whose parameters the library does not know.
        return {}
    bound: dict[str, set[str]] = {}
    pairs = chain(
        _paired(operator.inputs, schema.inputs), _paired(operator.outputs, schema.outputs)
    )
    for found, formal in pairs:
        if found:
            bound.setdefault(formal.type_str, set()).add(found)
            bound.setdefault(formal.name, set()).add(found)
    return bound


def _paired(
    types: Sequence[str], formals: Sequence[onnx.defs.OpSchema.FormalParameter]
) -> Iterable[tuple[str, onnx.defs.OpSchema.FormalParameter]]:
    """The last parameter may stand for any number."""
    return ((each, formals[min(at, len(formals) - 1)]) for at, each in enumerate(types) if formals)


def _schema(kind: _Kind) -> onnx.defs.OpSchema | None:
    domain, op_type, opset = kind
    try:
        return onnx.defs.get_schema(op_type, opset, domain)
    except onnx.defs.SchemaError:
        return None


def _unknown(model: OnnxModel, runtime: Runtime, kind: _Kind, nodes: Sequence[Operator]) -> Point:
    domain, op_type, opset = kind
    return point(
        KNOWN,
        Weight.BLOCKS,
        subject=f"operator {show(op_type)} of {_domain(domain)}",
        found=f"found {_nodes(nodes)} at opset {opset}",
        expected=f"an operator that ONNX Runtime {runtime.version} knows",
        path=model.path,
    )


def _unkernelled(
    model: OnnxModel,
    runtime: Runtime,
    weight: Weight,
    kind: _Kind,
    nodes: Sequence[Operator],
) -> Point:
    domain, op_type, opset = kind
    types = some_of(dict.fromkeys(each for node in nodes for each in node.inputs if each))
    of_types = f" of {types}" if types else ""
    return point(
        KERNELS,
        weight,
        subject=f"operator {show(op_type)} of {_domain(domain)}",
        found=f"found {_nodes(nodes)}{of_types} at opset {opset}",
        expected=f"types that ONNX Runtime {runtime.version} has a kernel for on the CPU",
        path=model.path,
    )


def _nodes(nodes: Sequence[Operator]) -> str:
    """By name, where they have one."""
    named = [each.node for each in nodes if each.node]
    count = f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"
    return f"{count} ({some_of(named)})" if named else count


def _domain(name: str) -> str:
    return f"domain {show(name)}" if name else "the standard"
